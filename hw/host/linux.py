"""Evidence of a Linux host: journal, pstore, dumps, and the drivers of its USB and serial devices.

Sources: ``journalctl(1)``; ``systemd-pstore.service(8)`` (``/sys/fs/pstore``,
``/var/lib/systemd/pstore``); ``kdump`` (``/var/crash``); kernel ``Documentation/ABI`` (sysfs).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final

from hw.host.errors import EvidenceError
from hw.host.findings import EvidenceKind, Finding, FindingKind, Look, looked
from hw.host.kernel_lines import meaning
from hw.host.runner import Completed, Runner
from hw.host.systemd_journal import (
    COREDUMP,
    JOURNAL_STOPPED,
    SHUTDOWN,
    STOPPING,
    Boot,
    Entry,
    boots_of,
    find_crashes,
    find_kernel,
    find_restarts,
    parse_boots,
    parse_entries,
    require_reach,
)

_FIELDS: Final = (
    "MESSAGE,MESSAGE_ID,_BOOT_ID,_TRANSPORT,COREDUMP_EXE,COREDUMP_COMM,COREDUMP_SIGNAL_NAME"
)
_WANTED: Final = (
    "_TRANSPORT=kernel",
    "+",
    *(f"MESSAGE_ID={identifier}" for identifier in (JOURNAL_STOPPED, SHUTDOWN, COREDUMP)),
)
_PSTORE: Final = ("sys/fs/pstore", "var/lib/systemd/pstore")
_KDUMP: Final = ("var/crash",)
_BOOTS, _KERNEL, _COREDUMPS = "journal: boots", "journal: kernel", "journal: coredumps"
_MAX_TEXT: Final = 1 << 20
_ADVICE: Final = (
    "ask as a member of the group systemd-journal, or as root; in a container, name a folder of "
    "the host's exports in FX3LOOP_EVIDENCE_DIR"
)


class LinuxHost:
    """This host, looked at live; entries that were read once are not asked for again.

    Args:
        runner: runs ``journalctl``.
        boot_id: of the boot that runs now.
        root: of the file system; another one in tests.
    """

    def __init__(self, runner: Runner, boot_id: str, root: Path = Path("/")) -> None:
        self._runner = runner
        self._boot_id = boot_id.replace("-", "")
        self._root = root
        self._since_utc: datetime | None = None
        self._proof: Entry | None = None
        self._forget()

    def _forget(self) -> None:
        self._cursor = ""
        self._kernel: list[Finding] = []
        self._crashes: list[Finding] = []
        self._stopping: list[Entry] = []
        self._boots: list[Boot] = []

    def look(self, since_utc: datetime, now_utc: datetime) -> tuple[Look, ...]:
        """See :meth:`hw.host.sources.EvidenceSource.look`."""
        try:
            self._read_new(since_utc)
            problem = None
        except EvidenceError as error:
            problem = error

        def read(findings: list[Finding]) -> list[Finding]:
            if problem is not None:
                raise problem
            return [finding for finding in findings if finding.time_utc >= since_utc]

        kinds = EvidenceKind
        return (
            looked(
                _BOOTS, [kinds.RESTARTS], lambda: read(self._restarts(since_utc, problem is None))
            ),
            looked(_KERNEL, [kinds.BUGCHECKS, kinds.DRIVERS], lambda: read(self._kernel)),
            looked(_COREDUMPS, [kinds.APPLICATIONS], lambda: read(self._crashes)),
            *(
                looked(f"/{place}", [kinds.BUGCHECKS], partial(self._pstore, place, since_utc))
                for place in _PSTORE
                if (self._root / place).exists()
            ),
            *(
                looked(f"/{place}", [kinds.BUGCHECKS], partial(self._kdump, place, since_utc))
                for place in _KDUMP
                if (self._root / place).exists()
            ),
            looked("/sys: drivers", [kinds.DRIVERS], lambda: self._stack(now_utc)),
        )

    def dump_places(self) -> None:
        """See :meth:`hw.host.sources.EvidenceSource.dump_places`: Linux has no registry."""

    def _read_new(self, since_utc: datetime) -> None:
        if self._since_utc is None or since_utc < self._since_utc:
            self._forget()
            self._since_utc = since_utc
        self._proof = self._proof or self._prove()
        cursor = self._cursor
        begin = f"--after-cursor={cursor}" if cursor else f"--since=@{int(since_utc.timestamp())}"
        done = self._journalctl("-o", "json", f"--output-fields={_FIELDS}", begin, *_WANTED)
        entries = parse_entries(done.stdout, "journalctl")
        if not self._boots:
            self._boots = self._list_boots(entries)
        self._kernel.extend(find_kernel(entries, _KERNEL))
        self._crashes.extend(find_crashes(entries, _COREDUMPS))
        self._stopping.extend(entry for entry in entries if entry.message_id in STOPPING)
        self._cursor = entries[-1].cursor if entries else cursor

    def _prove(self) -> Entry:
        # An account that may not read the system's journal gets an empty answer, not an error.
        done = self._journalctl(
            "-o", "json", "-n", "1", f"_BOOT_ID={self._boot_id}", "_TRANSPORT=kernel"
        )
        entries = parse_entries(done.stdout, "journalctl")
        if not entries:
            raise EvidenceError("journalctl", "shows no kernel line of this boot", _ADVICE)
        return entries[-1]

    def _journalctl(self, *arguments: str) -> Completed:
        done = self._runner.run(("journalctl", "--no-pager", *arguments))
        # Code 1 without a word is what some versions say of "no entries".
        if done.code != 0 and (done.code != 1 or done.stderr.strip()):
            said = done.stderr.decode("utf-8", errors="replace").strip()[:160]
            raise EvidenceError("journalctl", f"ended with {done.code} ({said})", _ADVICE)
        return done

    def _restarts(self, since_utc: datetime, is_read: bool) -> list[Finding]:
        if not is_read:
            return []
        boots = self._boots
        if not boots or boots[-1].boot.replace("-", "") != self._boot_id:
            raise EvidenceError("journalctl", "its list of boots has not the one that runs now")
        require_reach(boots, since_utc)
        # Of a boot that ended before the time that is asked for the last words were not read; the
        # caller leaves it out.
        return list(find_restarts(boots, self._stopping, _BOOTS))

    def _list_boots(self, entries: list[Entry]) -> list[Boot]:
        # Read once: while this boot runs, none is added.
        done = self._journalctl("--list-boots", "-o", "json")
        try:
            return parse_boots(done.stdout, "journalctl --list-boots")
        except EvidenceError:
            # Older versions print a table, in local time: take the boots from the entries.
            return boots_of([*entries, *([self._proof] if self._proof else [])])

    def _pstore(self, place: str, since_utc: datetime) -> Iterator[Finding]:
        for path in sorted((self._root / place).rglob("dmesg*")):
            yield from _told(path, f"/{place}", since_utc)

    def _kdump(self, place: str, since_utc: datetime) -> Iterator[Finding]:
        for path in sorted((self._root / place).iterdir()):
            if path.is_dir():
                text = next(iter(sorted(path.glob("*dmesg*"))), None)
                yield from _told(text or path, f"/{place}", since_utc)

    def _stack(self, now_utc: datetime) -> Iterator[Finding]:
        for pattern, link in (
            ("sys/bus/usb/devices/*:*", "driver"),
            ("sys/class/tty/tty[UA][SC]*", "device/driver"),
        ):
            for path in sorted(self._root.glob(pattern)):
                driver = (path / link).resolve().name if (path / link).exists() else "none"
                detail = MappingProxyType({"device": path.name, "driver": driver})
                yield Finding(FindingKind.STACK, now_utc, "/sys: drivers", "", "", detail)


def _told(path: Path, source: str, since_utc: datetime) -> Iterator[Finding]:
    """A crash that left a file: what its text says, at the time of the file."""
    time_utc = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    if time_utc < since_utc:
        return
    code = ""
    if path.is_file():
        with path.open("rb") as file:
            text = file.read(_MAX_TEXT).decode("utf-8", errors="replace")
        lines = (line.partition("] ")[2] or line for line in text.splitlines())
        faults = (told for line in lines if (told := meaning(line.strip())))
        code = next((told.code for told in faults if told.kind is FindingKind.BUGCHECK), "")
    detail = MappingProxyType({"dump": str(path)})
    yield Finding(FindingKind.CRASH_DUMP, time_utc, source, code, "", detail)
