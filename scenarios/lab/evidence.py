"""The smallest run that shows a violation, as a schedule that can be replayed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from scenarios.judge import Row
from scenarios.lab import schedule as schedules
from scenarios.lab.claims import Claim
from scenarios.lab.matrix import Place, Result, broken, run_of
from scenarios.lab.schedule import Schedule
from scenarios.lab.shrink import smallest
from scenarios.lab.verify import Verified
from scenarios.registry import find
from sim.streams import Stream


def write_first(found: Sequence[Verified], path: Path) -> tuple[str, ...]:
    """Shrink the first violation that one run can show, and write its schedule.

    Args:
        found: what was verified.
        path: where to.

    Returns:
        What the run shows; empty where there was nothing to write.

    Raises:
        OSError: the file cannot be written.
    """
    for item in found:
        for result in item.matrix:
            if result.reds and result.verdict != "broke_down":
                return _write(of_cell(item.place, result), result.claim, path)
        for name, row in item.rows:
            if isinstance(row, Row) and row.violations:
                return _write(_of_scenario(item.place, name), None, path)
    return ()


def of_cell(place: Place, result: Result) -> Schedule:
    """Return the schedule of a red cell's first red run."""
    run = next(run for run in result.runs if run.violations or list(broken(result.claim, run)))
    at_ms = run.phase.at_ms
    return Schedule(
        scenario=result.cell.scenario,
        firmware=place.firmware,
        policy=place.policy,
        position=place.position,
        seed=run.phase.seed,
        faults=(result.cell.at(at_ms),),
        parameters=(("at_ms", at_ms),),
    )


def shown(schedule: Schedule, promised: Claim | None) -> tuple[str, ...]:
    """Return what is wrong in a schedule's run: broken invariants, and a broken claim."""
    run = run_of(schedule.run())
    if not run.is_reached:
        # A fault that does nothing is no part of the smallest schedule.
        return ()
    return (*run.violations, *broken(promised, run))


def _write(schedule: Schedule, promised: Claim | None, path: Path) -> tuple[str, ...]:
    least = smallest(schedule, lambda item: bool(shown(item, promised)))
    reasons = shown(least, promised)
    schedules.write(least, reasons, path)
    return reasons


def _of_scenario(place: Place, name: str) -> Schedule:
    scenario = find(name)
    random = Stream(place.seed, name)
    parameters = tuple(scenario.draw(random).items())
    whole = Schedule(
        scenario=name,
        firmware=place.firmware,
        policy=place.policy,
        position=place.position,
        seed=place.seed,
        faults=scenario.faults(random),
    )
    return replace(whole, parameters=parameters)
