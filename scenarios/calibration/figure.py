"""A published figure, what the model gives for it, and how the two are judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

DIGITS = 6
"""Significant digits of a value in the report; more would be noise of float division."""


class Rule(StrEnum):
    """What agreement means for a figure."""

    WITHIN = "within"
    """All that the model gives lies in the published range: it was given as bounds or a count."""
    MEETS = "meets"
    """The model's range and the published one share a value: it was given as a typical value."""


class Verdict(StrEnum):
    """What came of a figure."""

    WITHIN = "within"
    OUTSIDE = "outside"
    NOT_COMPARED = "not compared"
    LEFT_OUT = "left out"
    """A long one, in a quick report."""


@dataclass(frozen=True)
class Interval:
    """A range of values, both ends in it.

    Attributes:
        low: the least.
        high: the greatest; equal to ``low`` for a single value.
        note: how it was measured, where that is not plain.
    """

    low: float
    high: float
    note: str = ""

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError(f"{self.low} to {self.high}: the least comes first, as in 1 to 2")

    def as_dict(self) -> dict[str, Any]:
        """Values rounded to what is meant."""
        return {"low": rounded(self.low), "high": rounded(self.high), "note": self.note}


@dataclass(frozen=True)
class Figure:
    """One published figure.

    Attributes:
        key: its name, for tests and ``--json``.
        quantity: what is measured, under which conditions.
        published: what the source says, in words.
        source: where it says so (keys of docs/sources.md, commits, file names).
        unit: of all values; empty for a count.
        expected: range that the published text allows; None where nothing can be compared.
        measure: gives the model's value or range; None where nothing can be compared.
        rule: what agreement means.
        reason: why the model is outside, or why nothing can be compared.
        remark: what a reader should know although the model is inside.
        is_long: takes minutes.
    """

    key: str
    quantity: str
    published: str
    source: str
    unit: str = ""
    expected: Interval | None = None
    measure: Callable[[], Interval] | None = None
    rule: Rule = Rule.WITHIN
    reason: str = ""
    remark: str = ""
    is_long: bool = False

    def __post_init__(self) -> None:
        if (self.expected is None) != (self.measure is None):
            raise ValueError(f"{self.key}: a range and a measure come together, or neither")
        if self.measure is None and not self.reason:
            raise ValueError(f"{self.key}: nothing to compare needs a reason")


@dataclass(frozen=True)
class Group:
    """Figures of one theme.

    Attributes:
        title: heading.
        figures: in the order of the report.
    """

    title: str
    figures: tuple[Figure, ...]


def exactly(value: float, note: str = "") -> Interval:
    """A single value."""
    return Interval(value, value, note)


def about(value: float, percent: float) -> Interval:
    """A value given with so much tolerance to either side, in percent."""
    return Interval(value * (1 - percent / 100), value * (1 + percent / 100))


def over(values: Iterable[float], note: str = "") -> Interval:
    """From the least to the greatest of some measured values."""
    found = list(values)
    return Interval(min(found), max(found), note)


def judge(expected: Interval, model: Interval, rule: Rule) -> Verdict:
    """Compare.

    Args:
        expected: the published range.
        model: what the model gave.
        rule: what agreement means.
    """
    if rule is Rule.WITHIN:
        agrees = expected.low <= model.low and model.high <= expected.high
    else:
        agrees = model.low <= expected.high and expected.low <= model.high
    return Verdict.WITHIN if agrees else Verdict.OUTSIDE


def deviation(expected: Interval, model: Interval, rule: Rule) -> float:
    """How far the model lies outside the published range, in the figure's unit; 0 inside.

    Returns:
        Negative below the range, positive above it; the larger of the two where it is both.
    """
    if judge(expected, model, rule) is Verdict.WITHIN:
        return 0
    if rule is Rule.MEETS:
        below, above = model.high - expected.low, model.low - expected.high
    else:
        below, above = model.low - expected.low, model.high - expected.high
    return max(min(below, 0), max(above, 0), key=abs)


def rounded(value: float) -> float:
    """Return a value with no more digits than are meant; whole numbers stay whole."""
    if value == int(value):
        return int(value)
    return float(f"{value:.{DIGITS}g}")
