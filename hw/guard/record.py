"""One record of the journal, and the line that it is written as."""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from hw.guard.decision import Target
from hw.guard.process import Process

VERSION: Final = 1
BEGIN: Final = "begin"
END: Final = "end"


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the journal.

    Attributes:
        kind: ``begin``, ``end``, or the kind of a note.
        identity: names an operation; its end has the same. A note has its own.
        boot_id: the run of the operating system that wrote it.
        process: that wrote it.
        utc_s: when, since 1970.
        operation: label of what was begun; empty in other kinds.
        target: on what; None in other kinds.
        outcome: how it ended; empty in other kinds.
        facts: what else was told.
    """

    kind: str
    identity: str
    boot_id: str
    process: Process
    utc_s: float
    operation: str = ""
    target: Target | None = None
    outcome: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


def unfinished_of(records: tuple[Record, ...]) -> tuple[Record, ...]:
    """Return the marks of what was begun and has no end among the records."""
    ended = {item.identity for item in records if item.kind == END}
    return tuple(item for item in records if item.kind == BEGIN and item.identity not in ended)


def line_of(record: Record) -> bytes:
    """Return a record as its line; facts that JSON cannot hold are written as text."""
    body: dict[str, Any] = {
        "version": VERSION,
        "utc": datetime.fromtimestamp(record.utc_s, UTC).isoformat(timespec="microseconds"),
        "kind": record.kind,
        "id": record.identity,
        "boot_id": record.boot_id,
        "pid": record.process.pid,
        "started": record.process.started,
    }
    if record.target is not None:
        body["operation"] = record.operation
        body["target"] = {"kind": record.target.kind, "name": record.target.name}
    if record.outcome:
        body["outcome"] = record.outcome
    if record.facts:
        body["facts"] = dict(record.facts)
    body["crc"] = _checksum(body)
    return _text(body) + b"\n"


def _text(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":"), default=str).encode()


def _checksum(body: Mapping[str, Any]) -> int:
    return zlib.crc32(_text(body))


def records_of(content: bytes) -> tuple[tuple[Record, ...], int]:
    """Return the records of a file that are whole, and how many lines are not."""
    if not content:
        return (), 0
    # A last line that lacks its line feed alone is whole: it must not become so by the next one.
    records = [_record_of(line) for line in content.removesuffix(b"\n").split(b"\n")]
    return tuple(item for item in records if item is not None), records.count(None)


def _record_of(line: bytes) -> Record | None:
    """The record on a line, or None when the line is not what this module wrote."""
    try:
        body = json.loads(line)
        if not isinstance(body, dict) or body.pop("crc") != _checksum(body):
            return None
        target = body.get("target")
        return Record(
            kind=body["kind"],
            identity=body["id"],
            boot_id=body["boot_id"],
            process=Process(body["pid"], body["started"]),
            utc_s=datetime.fromisoformat(body["utc"]).timestamp(),
            operation=body.get("operation", ""),
            target=None if target is None else Target(target["kind"], target["name"]),
            outcome=body.get("outcome", ""),
            facts=body.get("facts", {}),
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
