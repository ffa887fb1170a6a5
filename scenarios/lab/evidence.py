"""The smallest run that shows a violation, as a schedule that can be replayed."""

from __future__ import annotations

import re
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
        health=place.health,
    )


def shown(schedule: Schedule, promised: Claim | None, kind: str = "") -> tuple[str, ...]:
    """Return what is wrong in a schedule's run: broken invariants, and a broken claim.

    Args:
        schedule: what runs; where a fault of it never takes effect, it shows nothing.
        promised: the claim, or None.
        kind: of the fault that the claim is about; without one in the schedule nothing is claimed.
    """
    run = run_of(schedule.run())
    if not run.is_reached:
        return ()
    is_claimed = any(fault.kind == kind for fault in schedule.faults)
    return (*run.violations, *broken(promised if is_claimed else None, run))


def same(reasons: Sequence[str], wanted: Sequence[str]) -> bool:
    """Return whether some reason is among the wanted ones, but for its numbers.

    A smaller schedule that shows something else is no smaller example of the same.
    """
    return bool({_without_numbers(text) for text in reasons} & set(map(_without_numbers, wanted)))


def _without_numbers(text: str) -> str:
    return re.sub(r"[0-9.]+", "N", text)


def _write(schedule: Schedule, promised: Claim | None, path: Path) -> tuple[str, ...]:
    kind = schedule.faults[0].kind if schedule.faults else ""
    wanted = shown(schedule, promised, kind)
    least = smallest(schedule, lambda item: same(shown(item, promised, kind), wanted))
    reasons = shown(least, promised, kind)
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
        health=place.health,
    )
    return replace(whole, parameters=parameters)
