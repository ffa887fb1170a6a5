"""The Python of the simulated module: real Python, with the module's own modules and files.

It is a test peer and no sandbox: what it runs comes from our own tests and command line. Programs
see the modules below and nothing else; a loop without end is ended by Ctrl-C, as on the module.

Source of the modules' names and results: QuecPython's API reference (modem, sim, net, dataCall,
uos, ql_fs, example) and MicroPython's (usys, uhashlib, ubinascii, ujson, utime).
"""

from __future__ import annotations

import binascii
import builtins
import hashlib
import io
import json
import sys
from collections.abc import Callable
from types import FrameType, MappingProxyType, SimpleNamespace
from typing import Any, Final

from sim.modem import identity
from sim.modem.at import AtPeer
from sim.modem.files import FileSystem
from sim.modem.options import ModemOptions

BUILTINS: Final = (
    "ArithmeticError",
    "AttributeError",
    "BaseException",
    "Exception",
    "ImportError",
    "IndexError",
    "KeyError",
    "KeyboardInterrupt",
    "MemoryError",
    "NameError",
    "OSError",
    "RuntimeError",
    "StopIteration",
    "SyntaxError",
    "SystemExit",
    "TypeError",
    "ValueError",
    "ZeroDivisionError",
    "__build_class__",
    "abs",
    "all",
    "any",
    "bool",
    "bytearray",
    "bytes",
    "callable",
    "chr",
    "dict",
    "dir",
    "divmod",
    "enumerate",
    "exec",
    "filter",
    "getattr",
    "globals",
    "hasattr",
    "hash",
    "hex",
    "id",
    "int",
    "isinstance",
    "iter",
    "len",
    "list",
    "map",
    "max",
    "memoryview",
    "min",
    "next",
    "object",
    "ord",
    "pow",
    "property",
    "range",
    "repr",
    "reversed",
    "round",
    "set",
    "setattr",
    "sorted",
    "staticmethod",
    "str",
    "sum",
    "super",
    "tuple",
    "type",
    "zip",
)
CARD_STATUS: Final = MappingProxyType(
    {"ready": 1, "pin": 2, "puk": 3, "absent": 0, "not-inserted": 0, "not-ready": 20}
)
"""``sim.getStatus()``: 0 absent, 1 ready, 2 to 20 locked, busy or invalid."""
STEPS_BETWEEN_LOOKS: Final = 1_024
USER_FOLDER: Final = "/usr"
"""Where the user's files are, and one of the folders that imports come from."""


class OpenFile(io.BytesIO):
    """A file of the module, open; its content is kept when it is closed."""

    def __init__(self, files: FileSystem, path: str, mode: str) -> None:
        self._is_written = "w" in mode or "a" in mode
        before = b"" if "w" in mode else bytes(files.content(path)) if files.exists(path) else None
        if before is None:
            if "a" not in mode:
                files.content(path)
            before = b""
        super().__init__(before)
        if "a" in mode:
            self.seek(0, io.SEEK_END)
        self._files, self._path, self._is_text = files, path, "b" not in mode
        if "w" in mode:
            files.write(path, b"")

    def read(self, size: int | None = -1) -> Any:  # noqa: ANN401 - text or bytes, by the mode
        """Read bytes, or text where the file was opened for text."""
        data = super().read(size)
        return data.decode() if self._is_text else data

    def write(self, data: Any) -> int:  # noqa: ANN401 - text or bytes, by the mode
        """Write bytes, or text where the file was opened for text."""
        return super().write(data.encode() if self._is_text else data)

    def close(self) -> None:
        """Keep the content."""
        if self._is_written and not self.closed:
            self._files.write(self._path, self.getvalue())
        super().close()


class Interpreter:
    """Runs programs.

    Args:
        options: how the module behaves.
        files: what its modules work on.
        at: the modem that ``net`` and ``dataCall`` tell of.
        emit: takes what is printed.
        is_interrupted: whether Ctrl-C came; asked now and then while a program runs.
        pause: lets so many ms pass.
    """

    def __init__(
        self,
        options: ModemOptions,
        files: FileSystem,
        at: AtPeer,
        emit: Callable[[str], None],
        is_interrupted: Callable[[], bool],
        pause: Callable[[int], None],
    ) -> None:
        self._options = options
        self._files = files
        self._at = at
        self._emit = emit
        self._is_interrupted = is_interrupted
        self._pause = pause
        self._steps = 0
        self._modules = self._make_modules()
        known = {name: getattr(builtins, name) for name in BUILTINS}
        known |= {"print": self._print, "open": self._open, "__import__": self._import}
        self.names: dict[str, Any] = {"__name__": "__main__", "__builtins__": known}

    def run(self, source: str, *, shows_value: bool = False) -> str:
        """Run a program.

        Args:
            source: the program.
            shows_value: the value of a single expression is printed, as at a prompt.

        Returns:
            Empty when it ended well, else the traceback.
        """
        before = sys.gettrace()
        sys.settrace(self._trace)
        try:
            self._execute(source, shows_value=shows_value)
        except BaseException as error:  # noqa: BLE001 - whatever a program raises is its own affair
            return traceback_text(error)
        finally:
            sys.settrace(before)
        return ""

    def _execute(self, source: str, *, shows_value: bool) -> None:
        if self._options.repl == "traceback":
            raise RuntimeError("simulated")
        if shows_value:
            try:
                code = compile(source, "<stdin>", "eval")
            except SyntaxError:
                pass
            else:
                value = eval(code, self.names)
                if value is not None:
                    self._print(repr(value))
                return
        exec(compile(source, "<stdin>", "exec"), self.names)

    def _trace(self, frame: FrameType, event: str, argument: object) -> Any:  # noqa: ANN401 - the interpreter's own signature
        # By instruction, because a loop that stands in one line begins no other.
        frame.f_trace_opcodes = True
        self._steps += 1
        if self._steps % STEPS_BETWEEN_LOOKS == 0 and self._is_interrupted():
            raise KeyboardInterrupt
        return self._trace

    def _print(self, *values: object, sep: str = " ", end: str = "\n") -> None:
        self._emit(sep.join(map(str, values)) + end)

    def _open(self, path: str, mode: str = "r") -> OpenFile:
        return OpenFile(self._files, path, mode)

    def _import(self, name: str, *_: object) -> SimpleNamespace:
        path = f"{USER_FOLDER}/{name}.py"
        if name not in self._modules and self._files.exists(path):
            names = {**self.names, "__name__": name}
            exec(compile(bytes(self._files.content(path)), path, "exec"), names)
            self._modules[name] = SimpleNamespace(**names)
        if name not in self._modules:
            raise ImportError(f"no module named '{name}'")
        return self._modules[name]

    def _sleep_ms(self, duration_ms: int) -> None:
        for _ in range(duration_ms):
            self._pause(1)
            if self._is_interrupted():
                raise KeyboardInterrupt

    def _make_modules(self) -> dict[str, SimpleNamespace]:
        files = self._files
        system = SimpleNamespace(
            print_exception=lambda error: self._emit(traceback_text(error)),
            platform="QuecPython",
            implementation=("micropython", (1, 13, 0)),
            path=["", USER_FOLDER, f"{USER_FOLDER}/lib"],
        )
        operating_system = SimpleNamespace(
            ilistdir=self._ilistdir,
            listdir=lambda path="/": [name for name, _, _ in files.entries(path)],
            stat=files.stat,
            mkdir=files.mkdir,
            remove=files.remove,
            rmdir=files.rmdir,
            rename=files.rename,
            getcwd=lambda: files.here,
        )
        made = {
            "uos": operating_system,
            "usys": system,
            "uhashlib": SimpleNamespace(sha256=hashlib.sha256),
            "ubinascii": SimpleNamespace(hexlify=binascii.hexlify, unhexlify=binascii.unhexlify),
            "ujson": SimpleNamespace(dumps=json.dumps, loads=json.loads),
            "utime": SimpleNamespace(
                sleep=lambda s: self._sleep_ms(round(s * 1000)), sleep_ms=self._sleep_ms
            ),
            "ql_fs": SimpleNamespace(path_exists=files.exists, mkdirs=self._mkdirs),
            "example": SimpleNamespace(exec=self._run_file),
            "modem": SimpleNamespace(
                getDevModel=lambda: identity.MODEL,
                getDevFwVersion=lambda: identity.REVISION,
                getDevImei=lambda: identity.IMEI,
            ),
            "sim": SimpleNamespace(
                getStatus=lambda: CARD_STATUS[self._options.sim],
                getIccid=lambda: identity.ICCID if self._options.sim == "ready" else -1,
                getImsi=lambda: identity.IMSI if self._options.sim == "ready" else -1,
            ),
            "net": SimpleNamespace(getState=self._network),
            "dataCall": SimpleNamespace(getInfo=self._context),
        }
        short = ("os", "sys", "hashlib", "binascii", "json", "time")
        return made | {name: made[f"u{name}"] for name in short}

    def _ilistdir(self, path: str) -> list[tuple[str | int, ...]]:
        found = self._files.entries(path)
        return [(name, kind, 0, size)[: self._options.entry_fields] for name, kind, size in found]

    def _mkdirs(self, path: str) -> None:
        above = ""
        for part in path.strip("/").split("/"):
            above += f"/{part}"
            if not self._files.exists(above):
                self._files.mkdir(above)

    def _run_file(self, path: str) -> None:
        source = bytes(self._files.content(f"/{path}")).decode()
        exec(compile(source, path, "exec"), {**self.names, "__name__": "__main__"})

    def _network(self) -> tuple[list[int], list[int]]:
        stat = self._at.registration
        return [stat, 1, 1, 7, 0, 0], [stat, 1, 1, 7, 0, 0]

    def _context(self, number: int, kind: int) -> Any:  # noqa: ANN401 - a number or a tuple, as documented
        if number != 1 or kind != 0:
            return -1
        state, address = (1, identity.ADDRESS) if self._at.has_address else (0, "0.0.0.0")
        return number, kind, [state, 0, address, "0.0.0.0", "0.0.0.0"]


def traceback_text(error: BaseException) -> str:
    """Return an error as MicroPython prints it."""
    line = 1
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<stdin>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return (
        f'Traceback (most recent call last):\n  File "<stdin>", line {line}, in <module>\n'
        f"{type(error).__name__}: {error}\n"
    )
