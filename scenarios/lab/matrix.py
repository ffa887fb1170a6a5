"""The matrix: fault x SDK call x manner x lock, and what a policy makes of each.

Every cell is run at the worst onset and at sampled ones, each in a world of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from health import Policy
from scenarios import custom_health
from scenarios.errors import InputError
from scenarios.judge import (
    DEGRADED,
    GOOD_ENDS,
    LEFT_ALONE,
    LOCKED_UP,
    RECOVERED,
    WATCHDOG_LEVEL,
    onset as onset_of,
)
from scenarios.lab.cells import Cell, Phase, phases
from scenarios.lab.claims import Claim, claim
from scenarios.lab.histories import HISTORIES
from scenarios.runner import Episode, run_episode
from sim.errors import SimulationError

SAMPLED = 2
"""So many sampled onsets a cell, beside the worst."""
BROKE_DOWN = "broke_down"
"""The bench itself could not go on."""
VERDICTS = (BROKE_DOWN, LOCKED_UP, DEGRADED, RECOVERED, LEFT_ALONE)
"""From worst to best."""


@dataclass(frozen=True)
class Place:
    """Where a matrix is made.

    Attributes:
        policy: what decides.
        position: ``device`` or ``host``.
        firmware: revision.
        seed: of the sampled onsets and the worlds.
        sampled: how many sampled onsets a cell.
        health: what makes the health module, see :func:`scenarios.custom_health.find`.
    """

    policy: Policy
    position: str
    firmware: str
    seed: int = 1
    sampled: int = SAMPLED
    health: str = custom_health.REFERENCE


@dataclass(frozen=True)
class Run:
    """One cell at one onset. Times in ms from the onset; None where there is none.

    Attributes:
        phase: the onset.
        answers: (level, when it first answered), in order of the levels.
        serving_ms: when data came again; 0 when the program noticed nothing.
        verdict: of :mod:`scenarios.judge`.
        is_reached: the call was made, so the fault took effect.
        violations: invariants that were broken.
    """

    phase: Phase
    answers: tuple[tuple[int, float], ...]
    serving_ms: float | None
    verdict: str
    is_reached: bool
    violations: tuple[str, ...] = ()

    @property
    def level(self) -> int | None:
        """The highest level that answered: what the end is owed to."""
        return self.answers[-1][0] if self.answers else None

    @property
    def detected_ms(self) -> float | None:
        """When that level first did."""
        return self.answers[-1][1] if self.answers else None

    def answered_ms(self, level: int) -> float | None:
        """When this level or a higher one first answered."""
        return min((at_ms for found, at_ms in self.answers if found >= level), default=None)


@dataclass(frozen=True)
class Result:
    """One cell over all its onsets.

    Attributes:
        cell: which.
        claim: what the policy promises, or None.
        runs: at each onset that reached the call.
    """

    cell: Cell
    claim: Claim | None
    runs: tuple[Run, ...]

    @property
    def verdict(self) -> str:
        """The worst verdict."""
        return min((run.verdict for run in self.runs), key=VERDICTS.index)

    @property
    def levels(self) -> tuple[int, ...]:
        """The levels that answered, each the highest of its run."""
        return tuple(sorted({run.level for run in self.runs if run.level is not None}))

    @property
    def detected_ms(self) -> float | None:
        """The latest detection; None when some run had none."""
        return _latest([run.detected_ms for run in self.runs])

    @property
    def serving_ms(self) -> float | None:
        """The latest return of data; None when it did not come back in some run."""
        return _latest([run.serving_ms for run in self.runs])

    @property
    def reds(self) -> tuple[str, ...]:
        """Why the cell is red, one a line; empty when it is not."""
        found = [f"invariant broken: {text}" for run in self.runs for text in run.violations]
        for run in self.runs:
            found += [f"{text} (onset {run.phase.kind})" for text in broken(self.claim, run)]
        return tuple(dict.fromkeys(found))

    def as_dict(self) -> dict[str, Any]:
        """The cell for JSON."""
        return {
            "cell": self.cell.name,
            "claim": None if self.claim is None else asdict(self.claim),
            "verdict": self.verdict,
            "levels": list(self.levels),
            "detected_ms": self.detected_ms,
            "serving_ms": self.serving_ms,
            "onsets": len(self.runs),
            "red": list(self.reds),
        }


def broken(promised: Claim | None, run: Run) -> Iterator[str]:
    """Yield in which ways a run breaks a claim.

    Args:
        promised: the claim; None is never broken, but by a bench that breaks down.
        run: what happened.
    """
    if run.verdict == BROKE_DOWN:
        yield "the bench broke down"
    elif promised is None:
        return
    elif run.verdict not in GOOD_ENDS:
        yield f"claimed, but {run.verdict.replace('_', ' ')}"
    elif promised.kind == "harmless":
        if run.level is not None and run.level > 1:
            yield f"level {run.level} answered a legal history"
    elif promised.within_ms:
        text = _late(promised, run)
        if text and (promised.instead is None or _late(promised.instead, run)):
            yield text


def _late(promised: Claim, run: Run) -> str:
    """Why no level answered in time; empty where one did."""
    answered_ms = run.answered_ms(promised.level)
    if answered_ms is None:
        return f"level {promised.level} claimed, but none answered"
    if answered_ms > promised.within_ms:
        return f"answered after {answered_ms:g} ms, claimed within {promised.within_ms} ms"
    return ""


def run_cell(place: Place, cell: Cell) -> Result:
    """Run a cell at all its onsets."""
    runs = [
        run_at(place, cell, phase)
        for phase in phases(
            cell, place.firmware, place.policy, place.seed, place.sampled, place.health
        )
    ]
    # A call in a polling loop is not made in every phase; where it is not, nothing was tested.
    reached = [run for run in runs if run.is_reached]
    if not reached:
        raise InputError(f"cell {cell.name}: no onset reached the call; give more sampled onsets")
    promised = claim(place.policy, place.position, place.firmware, cell)
    return Result(cell, promised, tuple(reached))


def run_at(place: Place, cell: Cell, phase: Phase) -> Run:
    """Run a cell at one onset."""
    try:
        episode = episode_of(place, cell, phase)
    except SimulationError as error:
        text = " ".join(str(error).split())
        return Run(phase, (), None, BROKE_DOWN, True, (text,))
    return run_of(episode, phase)


def run_of(episode: Episode, phase: Phase | None = None) -> Run:
    """Return what an episode showed.

    Args:
        episode: any that has ended.
        phase: its onset, where it has one that was chosen.
    """
    row = episode.row
    return Run(
        phase=phase or Phase("given", 0, row.seed),
        answers=_answers(episode),
        serving_ms=row.serving_after_ms,
        verdict=row.verdict,
        is_reached=not row.unused_faults,
        violations=row.violations,
    )


def episode_of(place: Place, cell: Cell, phase: Phase) -> Episode:
    """Run a cell at one onset, with all that is known about the run."""
    return run_episode(
        HISTORIES[cell.scenario],
        firmware=place.firmware,
        policy=place.policy,
        position=place.position,
        seed=phase.seed,
        faults=(cell.at(phase.at_ms),),
        parameters={"at_ms": phase.at_ms},
        health=custom_health.find(place.health),
    )


def _answers(episode: Episode) -> tuple[tuple[int, float], ...]:
    """Each level that answered with the time of its first answer, in ms from the onset."""
    facts = episode.facts
    began = onset_of(facts)
    onset_ns = 0 if began is None else began.at_ns
    first_ns: dict[int, int] = {}
    answers = [(remedy.at_ns, int(remedy.level)) for remedy in facts.remedies]
    answers += [
        (reset.at_ns, WATCHDOG_LEVEL) for reset in facts.resets if reset.cause == "watchdog"
    ]
    for at_ns, level in sorted(answers):
        if at_ns >= onset_ns:
            first_ns.setdefault(level, at_ns)
    return tuple(
        (level, (first_ns[level] - onset_ns) // 1_000 / 1_000) for level in sorted(first_ns)
    )


def _latest(times: Sequence[float | None]) -> float | None:
    known = [time for time in times if time is not None]
    return max(known) if len(known) == len(times) else None


@dataclass(frozen=True)
class Group:
    """Cells that ended alike, as one line of a table.

    Attributes:
        request: of all of them, as is the next.
        fault: kind, manner and lock in words.
        calls: at which calls, in order.
        results: the cells.
    """

    request: str
    fault: str
    calls: tuple[str, ...]
    results: tuple[Result, ...]


def grouped(results: Sequence[Result]) -> list[Group]:
    """Return the results as groups, the worst first.

    One group holds the cells of one request and one kind of fault that ended in the same verdict,
    by the same levels, covered alike.
    """
    ordered = sorted(results, key=_order)
    return [
        Group(key[3], key[4], tuple(item.cell.fault.call for item in members), tuple(members))
        for key, found in groupby(ordered, key=_order)
        for members in (list(found),)
    ]


def _order(result: Result) -> tuple[bool, int, bool, str, str, tuple[int, ...]]:
    fault = result.cell.fault
    lock = f", {result.cell.lock} lock" if result.cell.lock not in ("", "none") else ""
    until = f"until {fault.until}" if fault.kind == "cold_start" else ""
    words = " ".join(filter(None, (fault.kind.replace("_", " "), result.cell.manner, until)))
    return (
        not result.reds,
        VERDICTS.index(result.verdict),
        result.claim is not None,
        result.cell.request,
        words + lock,
        result.levels,
    )
