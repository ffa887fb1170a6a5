"""The report of a soak: JSON lines, each on the disk before the soak goes on.

Whatever ends the soak, the report is readable as far as it came: a line that was torn is left out
and counted. The summary is computed from the lines, by the soak at its end and by whoever reads a
report that has none, so both say the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from hw.guard.disk import Disk
from hw.host.errors import EvidenceError
from hw.host.findings import utc_text
from hw.host.keeper import Clock

SCHEMA: Final = "fx3loop.host-soak/1"
BEGIN: Final = "begin"
ITERATION_BEGIN: Final = "iteration-begin"
STEP_BEGIN: Final = "step-begin"
STEP: Final = "step"
ITERATION: Final = "iteration"
END: Final = "end"
FIELDS: Final[Mapping[str, type]] = MappingProxyType(
    {"run_id": str, "number": int, "kind": str, "utc": str, "monotonic_ns": int}
)
"""What every line has."""
FIELDS_OF: Final[Mapping[str, Mapping[str, type]]] = MappingProxyType(
    {
        STEP_BEGIN: {"name": str},
        ITERATION: {"is_pass": bool, "failed": list},
        END: {"stop_reason": str, "reason": str},
    }
)
"""What lines of a kind have beside them, as far as the summary needs it."""


class StopReason(StrEnum):
    """Why a soak ended."""

    DURATION = "duration-reached"
    ITERATIONS = "max-iterations-reached"
    STAGE = "abort-on-stage"
    FAILURES = "max-failures-reached"
    CONSECUTIVE = "max-consecutive-failures-reached"
    INCIDENT = "new-incident"
    FROZEN = "host-frozen"
    INTERRUPTED = "interrupted"
    NOT_ENDED = "not-ended"
    """Of a report that nobody finished."""


ESCALATING: Final = frozenset((StopReason.INCIDENT, StopReason.FROZEN))
"""What has to be looked into before anything goes on."""
PLANNED: Final = frozenset((StopReason.DURATION, StopReason.ITERATIONS))
"""How a soak ends that nothing stopped."""


class SoakReport:
    """A report that is being written.

    Args:
        path: of the file; it must not exist.
        run_id: names the soak; each line has it.
        clock: the time of each line.
        disk: how it is written; tests kill it.

    Raises:
        EvidenceError: the file exists, or its folder cannot be made.
    """

    def __init__(self, path: Path, run_id: str, clock: Clock, disk: Disk | None = None) -> None:
        self.path = path
        self.run_id = run_id
        self._clock = clock
        self._disk = disk or Disk()
        self._records: list[dict[str, Any]] = []
        if path.exists():
            raise EvidenceError(str(path), "there is a report already", "each soak has its own")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EvidenceError(str(path), f"cannot be written ({error.strerror})") from error

    @property
    def records(self) -> Sequence[Mapping[str, Any]]:
        """What was written so far."""
        return self._records

    def append(self, kind: str, **facts: object) -> None:
        """Add a line; when this returns it is on the disk.

        Args:
            kind: what happened.
            facts: what there is to know of it, as JSON can hold it.

        Raises:
            EvidenceError: it cannot be written, and the soak must not go on.
        """
        record: dict[str, Any] = {
            "schema": SCHEMA,
            "run_id": self.run_id,
            "number": len(self._records),
            "kind": kind,
            "utc": utc_text(self._clock.now_utc()),
            "monotonic_ns": self._clock.monotonic_ns(),
            **facts,
        }
        try:
            self._disk.append(self.path, json.dumps(record).encode() + b"\n")
        except OSError as error:
            reason = error.strerror or str(error)
            raise EvidenceError(str(self.path), f"cannot be written ({reason})") from error
        self._records.append(record)


@dataclass(frozen=True, slots=True)
class SoakRead:
    """A report that was read.

    Attributes:
        records: its lines that are whole, in order.
        damaged_lines: how many are not.
    """

    records: tuple[Mapping[str, Any], ...]
    damaged_lines: int

    @property
    def is_finished(self) -> bool:
        """The soak wrote its summary."""
        return bool(self.records) and self.records[-1]["kind"] == END

    @property
    def summary(self) -> dict[str, Any]:
        """The summary: the soak's own, or what the lines of an unfinished one tell."""
        if not self.is_finished:
            return summary_of(self.records, StopReason.NOT_ENDED)
        end = self.records[-1]
        return summary_of(self.records[:-1], end["stop_reason"], end["reason"])


def read_soak(path: Path) -> SoakRead:
    """Read a report, finished or not.

    Raises:
        EvidenceError: it cannot be read, or is none.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise EvidenceError(str(path), f"cannot be read ({error.strerror})") from error
    found: list[Mapping[str, Any]] = []
    damaged = 0
    for line in lines:
        record = _record_of(line)
        # A line of another soak, or out of its place, is none of this report.
        if record is not None and _follows(record, found):
            found.append(record)
        elif line:
            damaged += 1
    if not found:
        raise EvidenceError(str(path), f"it has no line of {SCHEMA}", "give the file of a soak")
    return SoakRead(tuple(found), damaged)


def _record_of(line: bytes) -> Mapping[str, Any] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        return None
    known = {**FIELDS, **FIELDS_OF.get(str(record.get("kind")), {})}
    is_whole = all(isinstance(record.get(name), kind) for name, kind in known.items())
    return record if is_whole else None


def _follows(record: Mapping[str, Any], before: Sequence[Mapping[str, Any]]) -> bool:
    if not before:
        return bool(record["number"] == 0 and record["kind"] == BEGIN)
    return bool(
        record["run_id"] == before[0]["run_id"] and record["number"] == before[-1]["number"] + 1
    )


def summary_of(
    records: Sequence[Mapping[str, Any]], stop_reason: str, reason: str = ""
) -> dict[str, Any]:
    """Return the summary of a soak.

    Args:
        records: of its report, without its end.
        stop_reason: why it ended; only one that ended as it was planned passes.
        reason: what happened to the host, where that ended it.
    """
    done = [item for item in records if item["kind"] == ITERATION]
    begun = sum(item["kind"] == ITERATION_BEGIN for item in records)
    passed = sum(bool(item["is_pass"]) for item in done)
    unfinished = ""
    if records and records[-1]["kind"] == STEP_BEGIN:
        unfinished = records[-1]["name"]
    return {
        "schema": SCHEMA,
        "run_id": records[0]["run_id"],
        "stop_reason": stop_reason,
        "reason": reason,
        "begun_utc": records[0]["utc"],
        "ended_utc": records[-1]["utc"],
        "duration_ms": (records[-1]["monotonic_ns"] - records[0]["monotonic_ns"]) // 1_000_000,
        "iterations": {
            "begun": begun,
            "ended": len(done),
            "passed": passed,
            "failed": len(done) - passed,
        },
        "failed_steps": _failed_steps(done),
        "unfinished_step": unfinished,
        "is_pass": bool(done) and begun == len(done) == passed and stop_reason in PLANNED,
    }


def _failed_steps(iterations: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for item in iterations:
        for name in map(str, item["failed"]):
            counts[name] = counts.get(name, 0) + 1
    return dict(sorted(counts.items()))
