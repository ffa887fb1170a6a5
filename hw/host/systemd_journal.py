"""The systemd journal as JSON: entries, and the list of boots.

Sources: ``journalctl(1)`` (``-o json``, ``--list-boots``), ``systemd.journal-fields(7)``,
"Journal Export Formats" (a field that is no text is an array of bytes, one too long is null),
``sd-messages.h`` (the identifiers of messages).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import PurePath
from types import MappingProxyType
from typing import Any, Final

from hw.host.errors import EvidenceError
from hw.host.findings import Finding, FindingKind
from hw.host.kernel_lines import meaning

JOURNAL_STOPPED: Final = "d93fb3c9c24d451a97cea615ce59c00b"
"""``SD_MESSAGE_JOURNAL_STOP``: the last words of a journal that was shut down."""
SHUTDOWN: Final = "98268866d1d54a499c4e98921d93bc40"
"""``SD_MESSAGE_SHUTDOWN``: somebody asked for power off or a restart."""
COREDUMP: Final = "fc2e22bc6ee647b6b90729ab34a250b1"
"""``SD_MESSAGE_COREDUMP``: a program crashed."""
STOPPING: Final = (JOURNAL_STOPPED, SHUTDOWN)
REACH: Final = timedelta(hours=24)
"""As long as the observation window of the host states."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_US: Final = 253_402_300_799_000_000
"""The last microsecond of the year 9999."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the journal.

    Attributes:
        time_utc: when it was written.
        boot: the identifier of the boot.
        transport: how it came; ``kernel`` for the kernel's own.
        message: the text.
        message_id: of a known message; empty for most.
        cursor: its place in the journal.
        fields: the others, as text.
    """

    time_utc: datetime
    boot: str
    transport: str
    message: str
    message_id: str
    cursor: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Boot:
    """One run of the system, as ``--list-boots`` tells it."""

    boot: str
    first_utc: datetime
    last_utc: datetime


def parse_entries(content: bytes, source: str) -> list[Entry]:
    """Return the entries in the output of ``journalctl -o json``: one object a line.

    A last line without its end is left out: the export was cut off.

    Args:
        content: the output.
        source: what to call it in an error.

    Raises:
        EvidenceError: a line is no entry.
    """
    lines = content.decode("utf-8", errors="replace").split("\n")
    last = lines.pop()
    entries = [
        _entry(_object(line, source, number), source, number)
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]
    if last.strip():
        try:
            entries.append(_entry(_object(last, source, len(lines) + 1), source, len(lines) + 1))
        except EvidenceError:
            if not entries:
                raise
    return entries


def _object(line: str, source: str, number: int) -> dict[str, Any]:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise EvidenceError(
            source, f"line {number} is no JSON", "export it with: journalctl -o json"
        ) from error
    if not isinstance(document, dict):
        raise EvidenceError(source, f"line {number} is no entry of a journal")
    return document


def _entry(document: Mapping[str, Any], source: str, number: int) -> Entry:
    fields = {str(name): _text(value) for name, value in document.items()}
    return Entry(
        time_utc=_time(fields.pop("__REALTIME_TIMESTAMP", ""), source, number),
        boot=fields.pop("_BOOT_ID", ""),
        transport=fields.pop("_TRANSPORT", ""),
        message=fields.pop("MESSAGE", ""),
        message_id=fields.pop("MESSAGE_ID", "").replace("-", "").lower(),
        cursor=fields.pop("__CURSOR", ""),
        fields=MappingProxyType(fields),
    )


def _text(value: object) -> str:
    if isinstance(value, list):
        # Bytes of a field that is no text; or, of a field given more than once, its values.
        if all(isinstance(item, int) and 0 <= item < 256 for item in value):
            return bytes(value).decode("utf-8", errors="replace")
        return _text(value[0])
    return "" if value is None else str(value)


def _time(text: str, source: str, number: int) -> datetime:
    if not (text.isascii() and text.isdigit() and len(text) < 19 and int(text) <= _MAX_US):
        raise EvidenceError(
            source, f"line {number} has no time (__REALTIME_TIMESTAMP is {text[:30]!r})"
        )
    return _EPOCH + timedelta(microseconds=int(text))


def parse_boots(content: bytes, source: str) -> list[Boot]:
    """Return the boots in the output of ``journalctl --list-boots -o json``, oldest first.

    Raises:
        EvidenceError: it is none.
    """
    try:
        document = json.loads(content.decode("utf-8", errors="replace"))
    except (ValueError, RecursionError) as error:
        raise EvidenceError(
            source, "no JSON", "export it with: journalctl --list-boots -o json"
        ) from error
    if not isinstance(document, list):
        raise EvidenceError(source, "no list of boots")
    boots: list[tuple[int, Boot]] = []
    for number, item in enumerate(document, start=1):
        if not isinstance(item, dict) or not isinstance(item.get("boot_id"), str):
            raise EvidenceError(source, f"item {number} has no boot_id")
        first, last = (
            _time(_text(item.get(name)), source, number) for name in ("first_entry", "last_entry")
        )
        index = item.get("index")
        place = index if isinstance(index, int) else number
        boots.append((place, Boot(item["boot_id"], first, last)))
    # The journal's own order: a machine without a battery-backed clock begins a boot in the past.
    return [boot for _, boot in sorted(boots, key=lambda pair: pair[0])]


def boots_of(entries: Iterable[Entry]) -> list[Boot]:
    """Return the boots that entries belong to, oldest first."""
    ends: dict[str, tuple[datetime, datetime]] = {}
    for entry in entries:
        first, last = ends.get(entry.boot, (entry.time_utc, entry.time_utc))
        ends[entry.boot] = (min(first, entry.time_utc), max(last, entry.time_utc))
    boots = [Boot(boot, first, last) for boot, (first, last) in ends.items() if boot]
    return sorted(boots, key=lambda boot: boot.first_utc)


def find_kernel(entries: Iterable[Entry], source: str) -> tuple[Finding, ...]:
    """Return what the kernel's lines mean."""
    told = ((entry, meaning(entry.message)) for entry in entries if entry.transport == "kernel")
    return tuple(
        Finding(what.kind, entry.time_utc, source, what.code, entry.boot, what.detail)
        for entry, what in told
        if what
    )


def find_crashes(entries: Iterable[Entry], source: str) -> tuple[Finding, ...]:
    """Return the crashes of programs that systemd-coredump recorded."""
    found = []
    for entry in entries:
        if entry.message_id == COREDUMP:
            program = PurePath(entry.fields.get("COREDUMP_EXE", "")).name
            detail = {
                "program": program or entry.fields.get("COREDUMP_COMM", ""),
                "exception": entry.fields.get("COREDUMP_SIGNAL_NAME", ""),
            }
            known = {name: value for name, value in detail.items() if value}
            found.append(
                Finding(
                    FindingKind.APPLICATION_CRASH,
                    entry.time_utc,
                    source,
                    "",
                    entry.boot,
                    MappingProxyType(known),
                )
            )
    return tuple(found)


def require_reach(boots: list[Boot], since_utc: datetime) -> None:
    """Return if the journal can tell how the boot before this one ended.

    A journal that is kept in memory begins anew with each boot, so that no crash ever shows in it.
    A boot that runs since :data:`REACH` or longer needs no boot before it.

    Raises:
        EvidenceError: it knows one boot alone, and that one is young.
    """
    only = boots[0]
    if len(boots) > 1 or only.first_utc <= since_utc or only.last_utc - only.first_utc >= REACH:
        return
    raise EvidenceError(
        "journalctl",
        "knows no boot before the one that runs now, so it cannot tell how that one ended",
        "let it be kept on disk: Storage=persistent in journald.conf",
    )


def find_restarts(boots: list[Boot], stopping: Iterable[Entry], source: str) -> tuple[Finding, ...]:
    """Return how each boot but the last ended: shut down, or without a word.

    Args:
        boots: oldest first; the last one is running.
        stopping: entries that tell of a shutdown (:data:`STOPPING`).
        source: what to call it.
    """
    clean = {entry.boot.replace("-", "") for entry in stopping if entry.message_id in STOPPING}
    found = []
    for boot in boots[:-1]:
        is_planned = boot.boot.replace("-", "") in clean
        kind = FindingKind.PLANNED_RESTART if is_planned else FindingKind.UNEXPECTED_RESTART
        found.append(Finding(kind, boot.last_utc, source, "", boot.boot))
    return tuple(found)
