"""Evidence of a Windows host: its event logs, and the dumps where its registry says they are.

Sources: Microsoft Learn, ``wevtutil`` (``qe``, ``/q``, ``/f``, ``/uni``), ``reg query``.
"""

from __future__ import annotations

import ntpath
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Final

from hw.host.crash_dump import read_crash_dump
from hw.host.errors import EvidenceError
from hw.host.event_xml import decoded, parse_events
from hw.host.findings import CouldNotLook, EvidenceKind, Finding, FindingKind, Look, Looked, looked
from hw.host.registry import CRASH_CONTROL, DEFAULT_PLACES, DumpPlaces, dump_places, parse_registry
from hw.host.runner import Runner
from hw.host.windows_events import QUERIES, Query, bugcheck_code, find

OVERLAP: Final = timedelta(minutes=10)
"""A later look asks for this much of the earlier one again: events are written late (judgement)."""
MAX_EVENTS: Final = 2000
"""Of one query, the newest: more of one kind say nothing new."""


class WindowsHost:
    """This host, looked at live; events that were read once are not asked for again.

    Args:
        runner: runs ``wevtutil`` and ``reg``.
        environ: environment variables, for ``SystemRoot``.
    """

    def __init__(self, runner: Runner, environ: Mapping[str, str]) -> None:
        self._runner = runner
        self._system_root = environ.get("SystemRoot", r"C:\Windows")
        self._places: DumpPlaces | None = None
        self._read: dict[str, tuple[datetime, datetime, tuple[Finding, ...]]] = {}

    def look(self, since_utc: datetime, now_utc: datetime) -> tuple[Look, ...]:
        """See :meth:`hw.host.sources.EvidenceSource.look`."""
        places, registry = self._ask_registry()
        self._places = places
        return (
            *(self._query(query, since_utc, now_utc) for query in QUERIES),
            registry,
            looked(
                places.small,
                [EvidenceKind.BUGCHECKS],
                lambda: dumps_in(Path(places.small), FindingKind.CRASH_DUMP, since_utc),
            ),
            looked(
                places.full,
                [EvidenceKind.BUGCHECKS],
                lambda: _recent(one_dump(Path(places.full), FindingKind.CRASH_DUMP), since_utc),
            ),
            looked(
                places.live,
                [EvidenceKind.DRIVERS],
                lambda: dumps_in(Path(places.live), FindingKind.LIVE_DUMP, since_utc),
            ),
        )

    def _program(self, name: str) -> str:
        # By its full path: nothing of the working directory is ever run.
        return ntpath.join(self._system_root, "System32", name)

    def _query(self, query: Query, since_utc: datetime, now_utc: datetime) -> Look:
        # Not by the numbers of the records: they begin anew when somebody clears the log.
        begun_utc, read_utc, known = self._read.get(query.label, (since_utc, since_utc, ()))
        if since_utc < begun_utc:
            begun_utc, read_utc, known = since_utc, since_utc, ()
        from_utc = max(since_utc, read_utc - OVERLAP)
        try:
            done = self._runner.run(
                (
                    self._program("wevtutil.exe"),
                    "qe",
                    query.channel,
                    f"/q:{xpath(query, from_utc)}",
                    "/f:xml",
                    "/uni:true",
                    "/rd:true",
                    f"/c:{MAX_EVENTS}",
                )
            )
            if done.code != 0:
                said = decoded(done.stderr).strip()[:160]
                raise EvidenceError("wevtutil", f"ended with {done.code} ({said})")
            events = parse_events(done.stdout, f"wevtutil ({query.label})")
        except EvidenceError as error:
            return CouldNotLook(query.label, (query.kind,), str(error))
        new = find(events)
        kept = (item for item in known if item.time_utc >= since_utc and item not in new)
        findings = (*kept, *new)
        self._read[query.label] = (begun_utc, now_utc, findings)
        return Looked(query.label, (query.kind,), findings)

    def dump_places(self) -> DumpPlaces | None:
        """See :meth:`hw.host.sources.EvidenceSource.dump_places`."""
        return self._places

    def _ask_registry(self) -> tuple[DumpPlaces, Look]:
        source = "registry: CrashControl"
        try:
            done = self._runner.run((self._program("reg.exe"), "query", rf"HKLM\{CRASH_CONTROL}"))
            if done.code != 0:
                raise EvidenceError("reg", f"ended with {done.code}")
            places = dump_places(parse_registry(done.stdout, source))
        except EvidenceError as error:
            # Then dumps are looked for where they are by default, and may be missed.
            missing = CouldNotLook(source, (EvidenceKind.BUGCHECKS,), str(error))
            return DEFAULT_PLACES.resolved(self._system_root), missing
        return places.resolved(self._system_root), Looked(source, ())


def xpath(query: Query, since_utc: datetime) -> str:
    """Return a query in the event log's XPath.

    Args:
        query: provider and numbers.
        since_utc: the earliest time.
    """
    since = since_utc.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    parts = [
        f"Provider[@Name='{query.provider}']",
        f"TimeCreated[@SystemTime>='{since}']",
    ]
    if query.event_ids:
        parts.append("(" + " or ".join(f"EventID={number}" for number in query.event_ids) + ")")
    return f"*[System[{' and '.join(parts)}]]"


def dumps_in(folder: Path, kind: FindingKind, since_utc: datetime) -> list[Finding]:
    """Return the dumps in a folder and below; a folder that is not there has none.

    A dump that cannot be read is one nevertheless: often the system went down while it was written.

    Raises:
        OSError: the folder is there and cannot be read.
    """
    try:
        paths = sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    found: list[Finding] = []
    for path in paths:
        if path.is_dir():
            found += dumps_in(path, kind, since_utc)
        elif path.suffix.lower() == ".dmp":
            found += _recent(_dump_as_it_is(path, kind), since_utc)
    return found


def _dump_as_it_is(path: Path, kind: FindingKind) -> list[Finding]:
    try:
        return one_dump(path, kind)
    except EvidenceError as error:
        detail = MappingProxyType({"dump": str(path), "problem": error.problem})
        return [Finding(kind, _written_utc(path), "dump file", "", "", detail)]


def _written_utc(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def one_dump(path: Path, kind: FindingKind) -> list[Finding]:
    """Return what one dump tells; nothing where there is no such file.

    Raises:
        EvidenceError: it is no kernel dump, or cannot be read.
    """
    try:
        written_utc = _written_utc(path)
    except FileNotFoundError:
        return []
    dump = read_crash_dump(path)
    detail = {
        "dump": str(path),
        "parameters": " ".join(f"0x{value:x}" for value in dump.parameters),
        "build": str(dump.build),
    }
    time_utc = dump.time_utc or written_utc
    code = bugcheck_code(str(dump.code))
    return [Finding(kind, time_utc, "dump header", code, "", MappingProxyType(detail))]


def _recent(findings: list[Finding], since_utc: datetime) -> list[Finding]:
    return [finding for finding in findings if finding.time_utc >= since_utc]
