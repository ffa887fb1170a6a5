"""Every onset at every offset between poll and pet: the true best and worst latency of a level.

The space is two-dimensional: when the condition begins within a pet interval C, and where the
polls lie against the looks of the gate, 0 to I ms (I the poll interval). The watchdog's period has
no phase, since each pet reloads it. It is cut into C cells of I ms each: the onsets that poll n
decides, up to those that poll n + I does, for each n modulo C, which fixes the offset as n modulo
I. Nothing else of a world in its steady state knows the time: polls, looks and ticks are all that
comes again, so cells that are C apart are the same run, shifted.

Onsets are merged by this argument. Take two onsets x < y of one cell with the same decision: the
same level at the same nanosecond. Then every onset between them has it, too, because the decision
is never earlier for a later onset:

- main death, spin: a later death has had every beat that the earlier one had, hence every pet, and
  the last pet plus P is the reset;
- handlers, cold start: at each poll the age counted from the later onset is the smaller one, so a
  limit that is not reached from the earlier onset is not reached from the later;
- stall, DMA error: buffers that the earlier onset let pass, the later one lets pass too, so the
  last sample that saw the stream move is the same or a later one.

One case needs care. Where reading the clock outlasts a tick, the polls after START move, and a poll
that START itself held up moves them once more. Onsets that let a poll fall into START, a fraction
of a ms, are therefore a stretch of their own and never merged with their neighbours.

So a stretch is one result: the latency falls by a nanosecond for each nanosecond of onset, and its
extremes lie at its ends. Both ends are run. Where their decisions differ the stretch is halved, and
only while it can still hold something better or worse than what was found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from health import Policy
from scenarios.errors import InputError
from scenarios.lab.bench import BUFFER_NS, LabBench
from scenarios.lab.bounds import (
    RING_BUFFERS,
    RING_FREE_MIN,
    Bound,
    Condition,
    bounds,
    cold_age_ticks,
)
from scenarios.lab.strikes import Answer, first_tick, run
from scenarios.workers import Workers
from sim.errors import SimulationError

CELLS_MAX = 60_000
CELLS_PER_JOB = 50
"""Fixed: what is merged and cut must not depend on the number of workers."""
STREAM_RESOLUTION_NS = 10_000
"""Where buffers end against polls differs from cell to cell, so the ns means nothing there."""
AFTER_NS = 2_000_000
"""Waited for longer than the closed form says, so that a later answer is seen as one."""
PROBE_NS = 10_000_000
UNSEEN_HORIZON_NS = 20_000_000_000
UNSEEN_CELLS = 16
"""So many cells show that nothing answers a condition that a policy does not see."""

STREAM_CONDITIONS = (Condition.STREAM_STALL, Condition.DMA_ERROR)


@dataclass(frozen=True)
class Search:
    """A part of the space, as data that another process can be given.

    Attributes:
        condition: what strikes.
        policy: what the health module decides by.
        bench: firmware and knobs.
        first: first cell, 0 to C - 1.
        last: the cell after the last one.
        start_ns: from the onset to the begin of the condition, where a request causes it.
    """

    condition: Condition
    policy: Policy
    bench: LabBench
    first: int
    last: int
    start_ns: int = 0


@dataclass(frozen=True)
class Found:
    """The extremes of a part of the space, or of all of it.

    Attributes:
        best: the run with the least latency.
        worst: the run with the greatest.
        runs: how many worlds were run for it.
        cells: how many cells they stand for.
    """

    best: Answer
    worst: Answer
    runs: int
    cells: int


@dataclass(frozen=True)
class Result:
    """One condition over the whole space, beside its closed form.

    Attributes:
        bound: the closed form.
        found: the extremes; None for a condition that the policy does not see.
        runs: how many worlds were run.
        onsets: how many onsets of a whole ms, at all offsets, the runs stand for.
        disagreement: where simulator and closed form differ, in one line; empty where they agree.
    """

    bound: Bound
    found: Found | None
    runs: int
    onsets: int
    disagreement: str


def explore(
    policy: Policy,
    bench: LabBench,
    conditions: tuple[Condition, ...] = tuple(Condition),
    jobs: int = 1,
    progress: Callable[[Condition, int, int], None] = lambda condition, done, of: None,
) -> dict[Condition, Result]:
    """Run every onset at every offset, and compare with the closed forms.

    Args:
        policy: what the health module decides by.
        bench: firmware and knobs.
        conditions: which of them.
        jobs: how many processes; the results are the same with any number.
        progress: told of each condition, how many cells are done, and of how many.

    Raises:
        InputError: the policy has too many cells, or the firmware lacks the test hooks.
    """
    cells = cells_of(policy)
    if cells > CELLS_MAX:
        raise InputError(
            f"pet_interval_ms = {policy.pet_interval_ms}: {CELLS_MAX} ms is the longest that "
            f"every phase is run for"
        )
    if not bench.revision.test_hooks:
        raise InputError(
            f"firmware {bench.revision.name} has no test hooks to strike with; use fw-2.3"
        )
    forms = bounds(policy, bench)
    results = {}
    with Workers(jobs) as workers:
        for condition in conditions:
            bound = forms[condition]
            if bound.detection is None:
                results[condition] = _unseen(bound, policy, bench)
                continue
            parts = []
            for part in workers.map(search, searches(condition, policy, bench)):
                parts.append(part)
                progress(condition, sum(item.cells for item in parts), cells)
            found = combined(parts)
            onsets = found.cells * policy.poll_interval_ms
            wrong = disagreement(bound, found)
            results[condition] = Result(bound, found, found.runs, onsets, wrong)
    return results


def cells_of(policy: Policy) -> int:
    """Return how many cells the space has: C; where nothing pets, the offset alone is left: I."""
    return policy.pet_interval_ms if policy.level_5_enabled else policy.poll_interval_ms


def searches(condition: Condition, policy: Policy, bench: LabBench) -> list[Search]:
    """Return the whole space of a condition in parts of a fixed size."""
    cells = cells_of(policy)
    start_ns = 0
    if condition is Condition.COLD_START:
        onset_ns = (first_tick(policy, bench) + 1) * bench.tick_ns
        probe = run(condition, policy, bench, 0, onset_ns, PROBE_NS)
        start_ns = probe.struck_ns - probe.onset_ns
    return [
        Search(condition, policy, bench, first, min(first + CELLS_PER_JOB, cells), start_ns)
        for first in range(0, cells, CELLS_PER_JOB)
    ]


def search(part: Search) -> Found:
    """Return the extremes of a part of the space."""
    return _Searcher(part).search()


def combined(parts: list[Found]) -> Found:
    """Return the extremes of several parts; the first of equals, in the order of the cells."""
    return Found(
        min((part.best for part in parts), key=lambda answer: answer.latency_ns),
        max((part.worst for part in parts), key=lambda answer: answer.latency_ns),
        sum(part.runs for part in parts),
        sum(part.cells for part in parts),
    )


def disagreement(bound: Bound, found: Found) -> str:
    """Return where the extremes differ from a closed form, in one line; empty if nowhere."""
    assert bound.detection is not None
    if {found.best.level, found.worst.level} != {bound.level}:
        return f"level {found.worst.level} answered, not level {bound.level}"
    low_ns, high_ns = bound.detection.low_ns, bound.detection.high_ns
    best_ns, worst_ns = found.best.latency_ns, found.worst.latency_ns
    if not low_ns <= best_ns <= low_ns + bound.slack_ns:
        return f"the best is {best_ns} ns, not {low_ns} to {low_ns + bound.slack_ns} ns"
    if not high_ns - bound.slack_ns <= worst_ns <= high_ns:
        return f"the worst is {worst_ns} ns, not {high_ns - bound.slack_ns} to {high_ns} ns"
    return ""


def _unseen(bound: Bound, policy: Policy, bench: LabBench) -> Result:
    """Show on cells all over the space that nothing answers."""
    cells = cells_of(policy)
    step = max(1, cells // UNSEEN_CELLS)
    base = first_tick(policy, bench)
    wrong = ""
    runs = 0
    for cell in range(0, cells, step):
        tick = base + cell
        onset_ns = tick * bench.tick_ns + policy.poll_interval_ms * bench.tick_ns // 2
        offset_ms = tick % policy.poll_interval_ms
        answer = run(bound.condition, policy, bench, offset_ms, onset_ns, UNSEEN_HORIZON_NS)
        runs += 1
        if answer.level is not None:
            wrong = f"level {answer.level} answered after {answer.latency_ns} ns, not none"
            break
    return Result(bound, None, runs, runs, wrong)


class _Searcher:
    """Searches one part."""

    def __init__(self, part: Search) -> None:
        self.part = part
        self.policy = part.policy
        self.tick_ns = part.bench.tick_ns
        bound = bounds(part.policy, part.bench)[part.condition]
        assert bound.detection is not None
        self.horizon_ns = bound.detection.high_ns + part.start_ns + AFTER_NS
        self.resolution_ns = 0
        if part.condition in STREAM_CONDITIONS or self._is_moved_by_start():
            self.resolution_ns = STREAM_RESOLUTION_NS
        self.base = first_tick(part.policy, part.bench)
        self.runs = 0
        self.best: Answer | None = None
        self.worst: Answer | None = None

    def search(self) -> Found:
        part = self.part
        stretches: list[tuple[Answer, Answer]] = []
        for cell in range(part.first, part.last):
            offset_ms = (self.base + cell) % self.policy.poll_interval_ms
            answers = [self._run(offset_ms, onset_ns) for onset_ns in self.onsets_ns(cell)]
            stretches += pairwise(answers)
        # The widest promise first: what it finds rules the others out.
        stretches.sort(key=lambda pair: pair[0].struck_ns - pair[1].at_ns)
        for before, after in stretches:
            self._cut(before, after)
        assert self.best is not None
        assert self.worst is not None
        return Found(self.best, self.worst, self.runs, part.last - part.first)

    def onsets_ns(self, cell: int) -> list[int]:
        """Return the ends of a cell, and of the stretches that are expected in it."""
        poll = self.base + cell
        first_ns = self._begin_ns(poll)
        last_ns = self._begin_ns(poll + self.policy.poll_interval_ms) - 1
        inner = [
            onset_ns
            for cut_ns in self._cuts_ns(poll)
            for onset_ns in (cut_ns - 1, cut_ns)
            if first_ns < onset_ns < last_ns
        ]
        return sorted({first_ns, *inner, last_ns})

    def _begin_ns(self, poll: int) -> int:
        """Return the first onset of a cell: by the closed form the first with its decision.

        One cell ends where the next of the same offset begins, so nothing is left out.
        """
        part = self.part
        pet_ns = 0
        if poll % self.policy.pet_interval_ms == 0:
            pet_ns = part.bench.pet_ns(self.policy)
        match part.condition:
            case Condition.MAIN_DEATH:
                # At the ns of a tick the poll comes first, but not at the ns that a pet ends.
                return poll * self.tick_ns + (pet_ns + 1 if pet_ns else 0)
            case Condition.USB_SPIN:
                return poll * self.tick_ns + pet_ns + 1
            case Condition.COLD_START if self._is_moved_by_start():
                return poll * self.tick_ns + pet_ns + 1
            case Condition.EP0_BLOCKED | Condition.USB_EVENT_BLOCKED | Condition.COLD_START:
                tick = poll + -self._limit_ms() % self.policy.poll_interval_ms + 1
                return tick * self.tick_ns - part.start_ns
            case _:
                return poll * self.tick_ns + 1

    def _cuts_ns(self, poll: int) -> Iterator[int]:
        """Yield the onsets between which a later decision is expected to begin."""
        pet_ns = self.part.bench.pet_ns(self.policy)
        match self.part.condition:
            case Condition.STREAM_STALL:
                next_ns = (poll + self.policy.poll_interval_ms) * self.tick_ns
                yield next_ns - RING_BUFFERS * BUFFER_NS
                yield next_ns - RING_FREE_MIN * BUFFER_NS + pet_ns
            case Condition.DMA_ERROR:
                yield poll * self.tick_ns + BUFFER_NS + pet_ns
            case Condition.COLD_START if self._is_moved_by_start():
                yield from self._cold_cuts_ns(poll)

    def _is_moved_by_start(self) -> bool:
        """Return whether the first poll after START moves those that follow."""
        return self.part.condition is Condition.COLD_START and self.part.bench.look_ticks > 0

    def _cold_cuts_ns(self, poll: int) -> Iterator[int]:
        """Yield the ends of START's own ticks with which another poll decides."""
        part = self.part
        interval = self.policy.poll_interval_ms
        decided = 0
        for first in range(interval, 0, -1):
            tick = poll + interval - first
            deciding = tick + cold_age_ticks(first, self.policy, part.bench)
            if deciding != decided:
                yield tick * self.tick_ns - part.start_ns
                decided = deciding
        # A poll that comes while START works waits for it, and sees it at once.
        yield (poll + interval) * self.tick_ns - part.start_ns

    def _limit_ms(self) -> int:
        return {
            Condition.EP0_BLOCKED: self.policy.ep0_limit_ms,
            Condition.USB_EVENT_BLOCKED: self.policy.usb_event_limit_ms,
            Condition.COLD_START: self.policy.cold_start_ms,
        }[self.part.condition]

    def _cut(self, before: Answer, after: Answer) -> None:
        """Halve a stretch while it can hold something that was not found yet."""
        if before.decision == after.decision or after.onset_ns - before.onset_ns <= 1:
            return
        assert self.best is not None
        assert self.worst is not None
        latest_ns = after.at_ns - before.struck_ns - 1
        soonest_ns = before.at_ns - after.struck_ns + 1
        if (
            latest_ns <= self.worst.latency_ns + self.resolution_ns
            and soonest_ns >= self.best.latency_ns - self.resolution_ns
        ):
            return
        middle_ns = (before.onset_ns + after.onset_ns) // 2
        middle = self._run(before.offset_ms, middle_ns)
        self._cut(before, middle)
        self._cut(middle, after)

    def _run(self, offset_ms: int, onset_ns: int) -> Answer:
        part = self.part
        answer = run(part.condition, part.policy, part.bench, offset_ms, onset_ns, self.horizon_ns)
        self.runs += 1
        if answer.level is None:
            raise SimulationError(
                f"{part.condition}: no answer within {self.horizon_ns} ns of the onset at "
                f"{onset_ns} ns with poll_offset_ms = {offset_ms}"
            )
        if self.best is None or answer.latency_ns < self.best.latency_ns:
            self.best = answer
        if self.worst is None or answer.latency_ns > self.worst.latency_ns:
            self.worst = answer
        return answer
