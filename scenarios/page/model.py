"""What a report page holds, before it is HTML; figures for papers are drawn from the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias

Tone: TypeAlias = Literal["good", "calm", "warn", "bad", "void", ""]
"""How something ended: well, untouched, in part, badly, not at all; empty says nothing."""

TONES: Mapping[str, Tone] = {
    "recovered": "good",
    "served": "calm",
    "left_alone": "calm",
    "pass": "good",
    "passed": "good",
    "degraded": "warn",
    "capped": "warn",
    "expected failure": "warn",
    "false_reset": "bad",
    "locked_up": "bad",
    "unrecovered": "bad",
    "failed": "bad",
    "broke_down": "void",
    "not_reached": "void",
    "bench_failed": "void",
    "worker_died": "void",
    "skipped": "void",
}
"""The tone of every verdict that one of our programs gives."""


def tone_of(verdict: str) -> Tone:
    """Return the tone of a verdict; an unknown one has none."""
    return TONES.get(verdict, "")


@dataclass(frozen=True)
class Fact:
    """One line of what the page is about."""

    label: str
    value: str
    is_code: bool = False


@dataclass(frozen=True)
class Verdict:
    """The answer, in one line and one sentence."""

    text: str
    detail: str
    tone: Tone


@dataclass(frozen=True)
class Item:
    """A table's cell.

    Attributes:
        text: what stands in it.
        tone: makes it a badge.
        is_number: stands to the right.
        note: what more there is to say, shown on hovering.
        detail: a second, smaller line.
    """

    text: str
    tone: Tone = ""
    is_number: bool = False
    note: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Table:
    """Rows under headings; the first column names each row."""

    kind: ClassVar[str] = "table"
    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Item, ...], ...]


@dataclass(frozen=True)
class MatrixCell:
    """A fault at a call.

    Attributes:
        text: what stands in it: the levels that answered.
        latency: the latest detection, or an empty text.
        verdict: in words.
        tone: of the verdict.
        is_red: a claim or an invariant is broken.
        notes: what is shown beside it, one a line.
    """

    text: str
    latency: str
    verdict: str
    tone: Tone
    is_red: bool
    notes: tuple[str, ...]


@dataclass(frozen=True)
class MatrixRow:
    """An SDK call, in the order in which its request makes it."""

    request: str
    call: str
    nth: int
    cells: tuple[MatrixCell | None, ...]


@dataclass(frozen=True)
class Matrix:
    """Fault x call x manner x lock.

    Attributes:
        caption: what it is.
        groups: (heading, number of columns) above the columns.
        columns: heading of each.
        rows: the calls.
        legend: (verdict, tone, number of cells).
    """

    kind: ClassVar[str] = "matrix"
    caption: str
    groups: tuple[tuple[str, int], ...]
    columns: tuple[str, ...]
    rows: tuple[MatrixRow, ...]
    legend: tuple[tuple[str, Tone, int], ...]

    @property
    def by_request(self) -> dict[str, list[MatrixRow]]:
        """The rows of each request, in their order."""
        found: dict[str, list[MatrixRow]] = {}
        for row in self.rows:
            found.setdefault(row.request, []).append(row)
        return found


@dataclass(frozen=True)
class Distribution:
    """Latencies of one kind, with what the closed forms say.

    Attributes:
        label: what is measured.
        detail: the condition in words.
        values_ms: ascending.
        low_ms, high_ms: best and worst by the closed form; None where there is none.
        level: that has to answer.
        missing: how many had no answer at all.
        climbed: how many ended by a later level, whose time the closed form does not tell.
        untouched: how many had nothing to answer, or were not answered, in a sweep.
        limits_ms: of a scale that several share.
        is_promise: a value past the closed form's worst case breaks it; not so where the board
            varies and the closed form is that of a nominal one.
    """

    label: str
    detail: str
    values_ms: tuple[float, ...]
    low_ms: float | None = None
    high_ms: float | None = None
    level: int | None = None
    missing: int = 0
    climbed: int = 0
    untouched: int = 0
    limits_ms: tuple[float, float] | None = None
    is_promise: bool = True

    @property
    def bound_ms(self) -> tuple[float, ...]:
        """The ends of the closed form's interval, as far as there are any."""
        return tuple(value for value in (self.low_ms, self.high_ms) if value is not None)

    @property
    def scale_ms(self) -> tuple[float, ...]:
        """Everything that the scale has to reach."""
        return (*self.values_ms, *self.bound_ms, *(self.limits_ms or ()))

    @property
    def outside(self) -> int:
        """How many lie past the worst case."""
        if self.high_ms is None:
            return 0
        return sum(value > self.high_ms for value in self.values_ms)


@dataclass(frozen=True)
class Distributions:
    """Some of them, one below the other; ``name`` is that of the figure's file."""

    kind: ClassVar[str] = "distributions"
    name: str
    caption: str
    items: tuple[Distribution, ...]


@dataclass(frozen=True)
class Point:
    """A policy in the plane of a Pareto front."""

    label: str
    x: float
    y_ms: float
    is_on_front: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pareto:
    """False resets against worst recovery: the lower left is best."""

    kind: ClassVar[str] = "pareto"
    caption: str
    x_label: str
    y_label: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Bar:
    """A share between -1 and 1, as a bar from the middle."""

    label: str
    value: float
    note: str = ""


@dataclass(frozen=True)
class Bars:
    """Bars of one kind, the longest first."""

    kind: ClassVar[str] = "bars"
    name: str
    caption: str
    items: tuple[Bar, ...]


@dataclass(frozen=True)
class Timeline:
    """A run that can be zoomed.

    Attributes:
        title: what ran.
        verdict: how it ended.
        tone: of that.
        facts: what is worth knowing about it, one a line.
        data: lanes and marks, for the page's script and for the figure; see
            :mod:`scenarios.page.lanes`.
        story: the same in words: (time, what, where).
        command: how to run it again.
    """

    kind: ClassVar[str] = "timeline"
    title: str
    verdict: str
    tone: Tone
    facts: tuple[str, ...]
    data: Mapping[str, Any]
    story: tuple[tuple[str, str, str], ...]
    command: str = ""


@dataclass(frozen=True)
class Lines:
    """A list of sentences, folded or open; ``empty`` is what is said where there are none."""

    kind: ClassVar[str] = "lines"
    caption: str
    items: tuple[str, ...]
    empty: str = ""
    tone: Tone = ""
    is_folded: bool = False


@dataclass(frozen=True)
class Code:
    """A text as it stands in a file, folded."""

    kind: ClassVar[str] = "code"
    caption: str
    text: str


@dataclass(frozen=True)
class Note:
    """A sentence on its own, also where there is nothing to show."""

    kind: ClassVar[str] = "note"
    text: str


Block: TypeAlias = Table | Matrix | Distributions | Pareto | Bars | Timeline | Lines | Code | Note


@dataclass(frozen=True)
class Section:
    """A chapter of the page."""

    key: str
    title: str
    lead: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Page:
    """A report.

    Attributes:
        kind: what it reports on, such as ``Certificate``.
        title: its heading.
        source: the file that it was made from.
        verdict: the answer.
        facts: what it is about.
        sections: the rest.
    """

    kind: str
    title: str
    source: str
    verdict: Verdict
    facts: tuple[Fact, ...]
    sections: tuple[Section, ...] = field(default=())

    def blocks(self) -> list[Block]:
        """Return all blocks in their order."""
        return [block for section in self.sections for block in section.blocks]
