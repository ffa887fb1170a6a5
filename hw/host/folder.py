"""Evidence in a folder: files from any host, read on any system.

===================  ======================================================================
file                 what it is
===================  ======================================================================
``.evtx``            a log: ``wevtutil epl System System.evtx``
``.xml``             events: ``wevtutil qe System /f:xml``, or saved by the event viewer
``.dmp``             a kernel dump
``.reg``, ``.txt``   the key CrashControl: ``reg query`` or ``reg export``
``.json``, ``.jsonl``  the journal: ``journalctl -o json``; or ``journalctl --list-boots -o json``
===================  ======================================================================
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from hw.host.errors import EvidenceError
from hw.host.event_log import read_event_log
from hw.host.event_xml import MAX_BYTES, Event, parse_events
from hw.host.findings import CouldNotLook, EvidenceKind, Finding, FindingKind, Look, Looked, looked
from hw.host.registry import DumpPlaces, dump_places, parse_registry
from hw.host.systemd_journal import (
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
from hw.host.windows import one_dump
from hw.host.windows_events import find

SUFFIXES: Final = (".evtx", ".xml", ".dmp", ".reg", ".txt", ".json", ".jsonl")
_JOURNALS: Final = (".json", ".jsonl")
_SYSTEM: Final = (EvidenceKind.RESTARTS, EvidenceKind.BUGCHECKS, EvidenceKind.DRIVERS)
_OF_CHANNEL: Final = {"system": _SYSTEM, "application": (EvidenceKind.APPLICATIONS,)}
_ALL: Final = tuple(EvidenceKind)
_OWN: Final = re.compile(rb'\s*\{\s*"schema":\s*"fx3loop\.')
PROGRAM_DUMP: Final = b"MDMP"
"""The mark of a dump of a program, which tells nothing of the kernel (``minidumpapiset.h``)."""
EXPORT_AGE: Final = timedelta(hours=1)
"""An export that is to speak for this host may be this old at most (judgement)."""


class Folder:
    """Files in a folder and below; a file that did not change is not read again.

    Args:
        path: of the folder.
        boot_id: of the boot that runs now, where the files are to speak for this host: then the
            journal counts only with entries of that boot. Empty for evidence of another host.
    """

    def __init__(self, path: Path, boot_id: str = "") -> None:
        self.path = path
        self._boot_id = boot_id.replace("-", "")
        self._read: dict[Path, tuple[tuple[int, int], object]] = {}

    def look(self, since_utc: datetime, now_utc: datetime) -> tuple[Look, ...]:
        """See :meth:`hw.host.sources.EvidenceSource.look`."""
        try:
            files = sorted(
                path
                for path in self.path.rglob("*")
                if path.suffix.lower() in SUFFIXES and path.is_file()
            )
            if not self.path.is_dir():
                raise EvidenceError(str(self.path), "there is no such folder")
        except (OSError, EvidenceError) as error:
            return (CouldNotLook(str(self.path), _ALL, str(error)),)
        looks: list[Look] = []
        entries: list[Entry] = []
        boots: list[Boot] = []
        for path in files:
            name = str(path.relative_to(self.path))
            try:
                content = self._content(path)
            except (OSError, EvidenceError) as error:
                looks.append(CouldNotLook(name, _kinds_of_name(path), _reason(error, path)))
                continue
            if isinstance(content, tuple):
                looks += [_since(look, name, since_utc) for look in content]
            elif isinstance(content, list):
                boots += [item for item in content if isinstance(item, Boot)]
                entries += [item for item in content if isinstance(item, Entry)]
        if entries or boots:
            looks += self._journal(entries, boots, since_utc, now_utc)
        have = {kind for look in looks for kind in look.kinds}
        missing = tuple(kind for kind in EvidenceKind if kind not in have)
        if missing:
            looks.append(CouldNotLook(str(self.path), missing, "no file in it tells of this"))
        return tuple(looks)

    def _content(self, path: Path) -> object:
        status = path.stat()
        mark = (status.st_mtime_ns, status.st_size)
        known = self._read.get(path)
        if known is None or known[0] != mark:
            known = (mark, _READERS[path.suffix.lower()](path))
            self._read[path] = known
        return known[1]

    def _journal(
        self, entries: list[Entry], boots: list[Boot], since_utc: datetime, now_utc: datetime
    ) -> list[Look]:
        entries = sorted(entries, key=lambda entry: entry.time_utc)
        recent = [entry for entry in entries if entry.time_utc >= since_utc]
        of_boots = sorted(boots or boots_of(entries), key=lambda boot: boot.first_utc)
        told = [boot for boot in of_boots if boot.last_utc >= since_utc]
        boots_source, kernel, coredumps = (
            f"journal: {of}" for of in ("boots", "kernel", "coredumps")
        )

        def of_now() -> list[Entry]:
            if self._boot_id:
                self._require_this_boot(entries, now_utc)
            return recent

        def restarts() -> tuple[Finding, ...]:
            words = of_now()
            if self._boot_id:
                require_reach(of_boots, since_utc)
            return find_restarts(told, words, boots_source)

        return [
            looked(boots_source, [EvidenceKind.RESTARTS], restarts),
            looked(
                kernel,
                [EvidenceKind.BUGCHECKS, EvidenceKind.DRIVERS],
                lambda: find_kernel(of_now(), kernel),
            ),
            looked(
                coredumps,
                [EvidenceKind.APPLICATIONS],
                lambda: find_crashes(of_now(), coredumps),
            ),
        ]

    def _require_this_boot(self, entries: list[Entry], now_utc: datetime) -> None:
        advice = "export it again: journalctl -o json --since=-8d"
        if all(self._boot_id != _bare(entry.boot) for entry in entries):
            problem = "the journal has no entry of the boot that runs now"
            raise EvidenceError(str(self.path), problem, advice)
        written_ns = max(
            mark[0] for path, (mark, _) in self._read.items() if path.suffix in _JOURNALS
        )
        if now_utc - datetime.fromtimestamp(written_ns / 1e9, UTC) > EXPORT_AGE:
            problem = "the journal was exported more than an hour ago"
            raise EvidenceError(str(self.path), problem, advice)

    def dump_places(self) -> DumpPlaces | None:
        """See :meth:`hw.host.sources.EvidenceSource.dump_places`."""
        for path in sorted(self._read):
            content = self._read[path][1]
            if isinstance(content, DumpPlaces):
                return content
        return None


def _bare(boot: str) -> str:
    return boot.replace("-", "")


def _since(look: Look, name: str, since_utc: datetime) -> Look:
    if isinstance(look, CouldNotLook):
        return CouldNotLook(name, look.kinds, look.reason)
    recent = tuple(finding for finding in look.findings if finding.time_utc >= since_utc)
    return Looked(name, look.kinds, recent)


def _reason(error: Exception, path: Path) -> str:
    if isinstance(error, OSError):
        return f"{path}: {error.strerror or error}"
    return str(error)


def _kinds_of_name(path: Path) -> tuple[EvidenceKind, ...]:
    suffix, name = path.suffix.lower(), path.name.lower()
    if suffix in (".evtx", ".xml"):
        by_name = (kinds for channel, kinds in _OF_CHANNEL.items() if channel in name)
        return next(by_name, _ALL)
    if suffix in _JOURNALS:
        return _ALL
    # A registry file is no evidence itself.
    return (EvidenceKind.BUGCHECKS,) if suffix == ".dmp" else ()


def _bytes_of(path: Path) -> bytes:
    if path.stat().st_size > MAX_BYTES:
        limit = f"larger than {MAX_BYTES >> 20} MiB"
        raise EvidenceError(str(path), limit, "export fewer days of it")
    return path.read_bytes()


def _of_events(path: Path, events: list[Event]) -> Looked:
    channels = {event.channel.lower() for event in events}
    kinds = {kind for channel in channels for kind in _OF_CHANNEL.get(channel, ())}
    if not events:
        # An empty log says by its name alone which one it is.
        kinds = set(_kinds_of_name(path)) if _kinds_of_name(path) != _ALL else set()
    return Looked(path.name, tuple(kind for kind in EvidenceKind if kind in kinds), find(events))


def _log(path: Path) -> object:
    events, damaged = read_event_log(path)
    found = _of_events(path, events)
    if not damaged:
        return (found,)
    # A log that was open in a crash: what can be read counts, and what cannot is not forgotten.
    return (
        found,
        CouldNotLook(path.name, found.kinds, f"at least {damaged} records cannot be read"),
    )


def _xml(path: Path) -> object:
    return (_of_events(path, parse_events(_bytes_of(path), str(path))),)


def _dump(path: Path) -> object:
    with path.open("rb") as file:
        if file.read(len(PROGRAM_DUMP)) == PROGRAM_DUMP:
            return ()
    findings = tuple(one_dump(path, FindingKind.CRASH_DUMP))
    return (Looked(path.name, (EvidenceKind.BUGCHECKS,), findings),)


def _registry(path: Path) -> object:
    return dump_places(parse_registry(_bytes_of(path), str(path)))


def _json(path: Path) -> object:
    content = _bytes_of(path)
    if content.lstrip()[:1] == b"[":
        return parse_boots(content, str(path))
    if _OWN.match(content):
        # A report of ours that somebody left with the evidence.
        return ()
    return parse_entries(content, str(path))


_READERS: Final[dict[str, Callable[[Path], object]]] = {
    ".evtx": _log,
    ".xml": _xml,
    ".dmp": _dump,
    ".reg": _registry,
    ".txt": _registry,
    ".json": _json,
    ".jsonl": _json,
}
