"""From rows to results: what passed, what failed, what was expected to fail, what was left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from scenarios.expected import Expectations
from scenarios.judge import Row


class Outcome(Enum):
    """How a run counts."""

    PASSED = "passed"
    FAILED = "failed"
    EXPECTED = "expected failure"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Result:
    """One scenario and how it counts.

    Attributes:
        scenario: its name.
        group: what it is about.
        outcome: how it counts.
        reasons: why it does not count as passed, one a line.
        row: the run, or None where there was none.
    """

    scenario: str
    group: str
    outcome: Outcome
    reasons: tuple[str, ...] = ()
    row: Row | None = None


def result_of(row: Row, group: str, expectations: Expectations) -> Result:
    """Return how a row counts.

    Args:
        row: the run.
        group: of its scenario.
        expectations: the known failures; one speaks of runs without faults of one's own.
    """
    expected = expectations.find(row.firmware, row.scenario, row.policy)
    if expected is None:
        outcome = Outcome.PASSED if row.is_good else Outcome.FAILED
        return Result(row.scenario, group, outcome, row.reasons, row)
    told = f"{expected.fact}: {expected.reason}"
    if not row.is_good:
        return Result(row.scenario, group, Outcome.EXPECTED, (told, *row.reasons), row)
    if expected.chance is not None:
        return Result(row.scenario, group, Outcome.PASSED, (), row)
    reasons = (f"it passes though a failure is expected ({told}): take the line out",)
    return Result(row.scenario, group, Outcome.FAILED, reasons, row)


def summary(results: Sequence[Result]) -> str:
    """Return the counts in words, such as ``3 passed, 1 failed``."""
    counts = Counter(item.outcome for item in results)
    return ", ".join(f"{counts[kind]} {kind.value}" for kind in Outcome if counts[kind])


def is_failure(results: Sequence[Result]) -> bool:
    """Return whether any of them failed against expectation."""
    return any(item.outcome is Outcome.FAILED for item in results)
