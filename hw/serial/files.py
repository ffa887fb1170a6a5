"""The files of a module, through its Python prompt.

Each call asks the guard before anything is sent: looking interrupts the running program, writing
and deleting are operations of their own. A file that is replaced stands until the new one is whole
on the module, with the right size and SHA-256.

Source: MicroPython documentation (``os``, ``hashlib``, ``binascii``); QuecPython API reference
(``uos``, ``uhashlib``, ``example.exec``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from hw.errors import DeviceError
from hw.guard import Operation
from hw.guard.gate import Gate
from hw.serial.errors import (
    BadAnswerError,
    ProgramError,
    RefusedError,
    SilentError,
    VerifyError,
)
from hw.serial.paths import child, contained
from hw.serial.repl import LIMIT_MS, TRACEBACK, Repl

FOLDER_TYPE: Final = 0x4000
"""Type of an entry that is a folder (MicroPython ``os.ilistdir``)."""
CHUNK_BYTES: Final = 512
DEPTH_MAX: Final = 6
ENTRIES_MAX: Final = 4_096
VERIFY_LIMIT_MS: Final = 30_000
SUFFIX_DIGITS: Final = 4

_STAT: Final = """
import uos
def _stat(p):
 try:
  s=uos.stat(p)
  return [s[0],s[6]]
 except OSError as e:
  if e.args[0]!=2:
   raise
  return None
"""
_LIST: Final = """
import uos
k=0
for e in uos.ilistdir({path}):
 s=e[3] if len(e)>3 else (0 if e[1]==16384 else uos.stat({path}+'/'+e[0])[6])
 _r([e[0],e[1],s])
 k+=1
_r(k)
"""
_DIGEST: Final = """
import uos,uhashlib,ubinascii
h=uhashlib.sha256()
k=0
f=open({path},'rb')
while True:
 b=f.read(512)
 if not b:
  break
 h.update(b)
 k+=len(b)
f.close()
_r([uos.stat({path})[6],k,ubinascii.hexlify(h.digest()).decode()])
"""


@dataclass(frozen=True)
class Entry:
    """A file or a folder on a module.

    Attributes:
        path: absolute.
        is_folder: whether.
        size_bytes: of a file.
    """

    path: str
    is_folder: bool
    size_bytes: int

    @property
    def name(self) -> str:
        """Its name in its folder."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class Pushed:
    """A file that was sent, and found again on the module.

    Attributes:
        path: on the module.
        size_bytes, sha256: what the module found there.
        is_replaced: another file stood there before.
    """

    path: str
    size_bytes: int
    sha256: str
    is_replaced: bool


@dataclass(frozen=True)
class Ran:
    """A file that was run.

    Attributes:
        output: what it printed in time.
        has_ended: False where it still runs, as an application does.
    """

    output: str
    has_ended: bool


class DeviceFiles:
    """Works on the files below ``/usr``.

    Args:
        repl: runs programs on the module.
        gate: asked before anything is sent.
        new_suffix: four digits or so for the name of a file that is not whole yet.
    """

    def __init__(self, repl: Repl, gate: Gate, new_suffix: Callable[[], str]) -> None:
        self._repl = repl
        self._gate = gate
        self._new_suffix = new_suffix

    def ls(self, path: str) -> list[Entry]:
        """Return what is in a folder, by name.

        Raises:
            ChoiceError: the path is not below ``/usr``.
            DeniedError: the guard does not allow it.
            ProgramError: there is no such folder.
            BadAnswerError: an entry was lost on its way.
        """
        folder = contained(path, may_be_root=True)
        with self._gate.doing(Operation.REPL, path=folder):
            return self._ls(folder)

    def _ls(self, folder: str) -> list[Entry]:
        *found, count = self._results(_LIST.format(path=ascii(folder))) or [None]
        if count != len(found):
            raise BadAnswerError("ls", f"{len(found)} entries of {count} arrived")
        return sorted((_entry(folder, item) for item in found), key=lambda entry: entry.path)

    def tree(self, path: str, depth_max: int = DEPTH_MAX) -> list[Entry]:
        """Return all that is below a folder, each folder before what is in it.

        Args:
            path: the folder.
            depth_max: how many folders deep.

        Raises:
            BadAnswerError: there is no end to it.
            DeviceError: as :meth:`ls`.
        """
        root = contained(path, may_be_root=True)
        found: list[Entry] = []
        with self._gate.doing(Operation.REPL, path=root):
            waiting = [(entry, 1) for entry in reversed(self._ls(root))]
            while waiting:
                entry, depth = waiting.pop()
                found.append(entry)
                if len(found) > ENTRIES_MAX:
                    raise BadAnswerError("tree", f"more than {ENTRIES_MAX} entries")
                if entry.is_folder and depth < depth_max:
                    waiting += [(below, depth + 1) for below in reversed(self._ls(entry.path))]
        return found

    def mkdir(self, path: str) -> list[str]:
        """Make a folder, and those above it that are missing.

        Returns:
            What was made, the uppermost first; empty when all was there.

        Raises:
            DeviceError: as :meth:`ls`.
        """
        folder = contained(path)
        with self._gate.doing(Operation.FS_WRITE, path=folder):
            parts = folder.split("/")
            made = []
            for count in range(3, len(parts) + 1):
                above = "/".join(parts[:count])
                if self._stat(above) is None:
                    self._results(f"import uos\nuos.mkdir({above!a})")
                    made.append(above)
            self._expect(self._stat(folder) is not None, f"{folder} is not there")
        return made

    def rm(self, path: str) -> None:
        """Delete a file.

        Raises:
            DeviceError: as :meth:`ls`.
        """
        self._delete("remove", contained(path))

    def rmdir(self, path: str) -> None:
        """Delete an empty folder.

        Raises:
            DeviceError: as :meth:`ls`.
        """
        self._delete("rmdir", contained(path))

    def _delete(self, call: str, path: str) -> None:
        with self._gate.doing(Operation.FS_DELETE, path=path):
            self._results(f"import uos\nuos.{call}({path!a})")
            self._expect(self._stat(path) is None, f"{path} is still there")

    def run(self, path: str, limit_ms: int = LIMIT_MS) -> Ran:
        """Run a file, as the module runs its application.

        Args:
            path: of the file.
            limit_ms: how long its output is collected; it is not ended then.

        Raises:
            ProgramError: it ended with an exception.
            DeviceError: as :meth:`ls`.
        """
        file = contained(path)
        with self._gate.doing(Operation.FS_RUN, path=file):
            # Without its first slash (QuecPython API reference, example.exec).
            program = f"import example\nexample.exec({file[1:]!a})"
            try:
                frame = self._repl.run(program, limit_ms, interrupts=False)
            except SilentError as error:
                if not error.output and "still runs" not in error.detail:
                    raise
                return Ran(error.output, has_ended=False)
            if TRACEBACK in frame.output:
                raise ProgramError("run", frame.output.strip().splitlines()[-1])
            return Ran(frame.output, has_ended=True)

    def push(self, content: bytes, folder: str, name: str) -> Pushed:
        """Send a file; what stood in its place is there until the new one is whole.

        Replacing a file loses the old one, so that it needs the guard's word for deleting too.

        Args:
            content: of the file.
            folder: on the module; it must be there.
            name: of the file.

        Raises:
            VerifyError: the module has something else than what was sent; the old file stands.
            DeviceError: as :meth:`ls`.
        """
        path = child(folder, name)
        with self._gate.doing(Operation.FS_WRITE, path=path, size_bytes=len(content)):
            before = self._stat(path)
            if before is None:
                return self._place(content, path, is_replaced=False)
            self._expect(before[0] != FOLDER_TYPE, f"{path} is a folder")
            with self._gate.doing(Operation.FS_DELETE, path=path):
                return self._place(content, path, is_replaced=True)

    def _place(self, content: bytes, path: str, *, is_replaced: bool) -> Pushed:
        suffix = self._new_suffix()
        new = contained(f"{path}.{suffix}.new")
        try:
            self._write(content, new)
            self._verify(content, new)
            self._rename(new, path, contained(f"{path}.{suffix}.old"), content)
        except (DeviceError, KeyboardInterrupt):
            # What ended it matters more, and the module may have left.
            with suppress(DeviceError):
                self._results(f"import uos\n_f.close()\nuos.remove({new!a})")
            raise
        return Pushed(path, len(content), hashlib.sha256(content).hexdigest(), is_replaced)

    def _write(self, content: bytes, path: str) -> None:
        self._results(f"import ubinascii\n_f=open({path!a},'wb')")
        for start in range(0, len(content), CHUNK_BYTES):
            chunk = content[start : start + CHUNK_BYTES].hex()
            self._results(f"_r(_f.write(ubinascii.unhexlify('{chunk}')))")
        self._results("_f.close()")

    def _rename(self, new: str, path: str, old: str, content: bytes) -> None:
        """Put the new file in its place: in one step, or with the old one beside it."""
        try:
            self._results(f"import uos\nuos.rename({new!a},{path!a})")
        except ProgramError:
            # This file system does not rename onto a file.
            self._results(f"import uos\nuos.rename({path!a},{old!a})")
            try:
                self._results(f"uos.rename({new!a},{path!a})")
                self._verify(content, path)
            except RefusedError:
                with suppress(ProgramError):
                    self._results(f"uos.remove({path!a})")
                self._results(f"uos.rename({old!a},{path!a})")
                raise
            self._results(f"uos.remove({old!a})")
        else:
            self._verify(content, path)

    def _verify(self, content: bytes, path: str) -> None:
        found = self._results(_DIGEST.format(path=ascii(path)), VERIFY_LIMIT_MS)
        wanted = [len(content), len(content), hashlib.sha256(content).hexdigest()]
        self._expect(
            found == [wanted],
            f"{path}: {found[0] if found else 'nothing'} instead of {wanted}",
        )

    @staticmethod
    def _expect(is_right: bool, otherwise: str) -> None:
        if not is_right:
            raise VerifyError("check", otherwise)

    def _stat(self, path: str) -> tuple[int, int] | None:
        """Type and size, or None where nothing is."""
        found = self._results(f"{_STAT}_r(_stat({path!a}))")
        match found:
            case [None]:
                return None
            case [[int(kind), int(size)]]:
                return kind, size
        raise BadAnswerError("stat", repr(found)[:80])

    def _results(self, program: str, limit_ms: int = LIMIT_MS) -> list[Any]:
        return list(self._repl.run(program, limit_ms).results)


def _entry(folder: str, item: object) -> Entry:
    match item:
        case [str(name), int(kind), int(size)]:
            return Entry(f"{folder}/{name}", kind == FOLDER_TYPE, size)
    raise BadAnswerError("ls", f"an entry that is none: {item!r}")
