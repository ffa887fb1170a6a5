"""The whole campaign on one policy: matrix, scenarios, soak, invariants; makes its certificate."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypeAlias

from health import Level
from hw.guard.certificate import Certificate, Firmware
from scenarios import custom_health, expected, registry, selection
from scenarios.batch import Job, run_job
from scenarios.judge import GOOD_ENDS, Row
from scenarios.lab.cells import Cell, cells
from scenarios.lab.matrix import Place, Result, run_cell
from scenarios.lab.purity import evaluate_changes_nothing
from scenarios.scenario import Scenario
from scenarios.soak import tables
from scenarios.soak.bench import SoakBench
from scenarios.soak.harness import Harness
from scenarios.soak.plan import Plan
from scenarios.soak.record import Record
from scenarios.workers import Workers
from sim.firmware import revision
from sim.options import Options

SOAK_TABLE = "v0.1.0"
PROGRAMS = ("fx3loop", "simpy", "greenlet", "numpy", "pyusb")
NEVER = (
    "power cycles, cables, hosts other than the modelled one, temperature and radio",
    "two faults at once",
    "rates of faults in the field: they are not known",
)
"""What no certificate covers."""


@dataclass(frozen=True)
class SoakTask:
    """The soak, as data for another process."""

    place: Place
    hours: float


@dataclass(frozen=True)
class PurityTask:
    """The check that evaluate changes nothing, likewise."""

    place: Place


@dataclass(frozen=True)
class CellTask:
    """One cell of the matrix, likewise."""

    place: Place
    cell: Cell


@dataclass(frozen=True)
class ScenarioTask:
    """One scenario, likewise."""

    position: str
    job: Job


@dataclass(frozen=True)
class Soaked:
    """What a soak came to.

    Attributes:
        hours, seed, cycles: its size.
        failures: what failed against expectation, one a line.
        left_out: scenarios without weight, because they need a level that the policy lacks.
    """

    hours: float
    seed: int
    cycles: int
    failures: tuple[str, ...]
    left_out: tuple[str, ...]


Task: TypeAlias = SoakTask | PurityTask | CellTask | ScenarioTask
Outcome: TypeAlias = "Soaked | tuple[str, ...] | Result | Row | str"


@dataclass(frozen=True)
class Verified:
    """What was found in one position.

    Attributes:
        place: where.
        matrix: every cell.
        rows: every scenario, or in one line why there is no row.
        soak: the soak, None where there was none.
        impure: what evaluate changed.
    """

    place: Place
    matrix: tuple[Result, ...]
    rows: tuple[tuple[str, Row | str], ...]
    soak: Soaked | None
    impure: tuple[str, ...]

    @property
    def violations(self) -> tuple[str, ...]:
        """Every broken claim and invariant, one a line."""
        found = [f"{item.cell.name}: {text}" for item in self.matrix for text in item.reds]
        for name, row in self.rows:
            if isinstance(row, str):
                found.append(f"scenario {name}: the bench broke down: {row}")
            else:
                found += [f"scenario {name}: {text}" for text in row.violations]
        if self.soak is not None:
            found += [f"soak: {text}" for text in self.soak.failures]
        return (*found, *self.impure)

    @property
    def not_covered(self) -> tuple[str, ...]:
        """What the policy does not mend or was not tried, one a line."""
        position = self.place.position
        found = [
            f"{position}: {item.cell.name} ends {item.verdict}"
            for item in self.matrix
            if item.claim is None and item.verdict not in GOOD_ENDS
        ]
        found += [
            f"{position}: scenario {name}: {row.reasons[0]}"
            for name, row in self.rows
            if isinstance(row, Row) and not row.is_good
        ]
        if self.soak is None:
            found.append(f"{position}: no soak: it runs the module on the device alone")
        else:
            found += [f"{position}: soak without {name}" for name in self.soak.left_out]
        return tuple(found)

    def as_dict(self) -> dict[str, Any]:
        """The results for a certificate."""
        return {
            "cells": {item.cell.name: _without_name(item.as_dict()) for item in self.matrix},
            "scenarios": {name: _scenario_dict(row) for name, row in self.rows},
            "soak": None
            if self.soak is None
            else {
                "hours": self.soak.hours,
                "seed": self.soak.seed,
                "cycles": self.soak.cycles,
                "failures": list(self.soak.failures),
            },
            "violations": list(self.violations),
        }


def tasks_of(place: Place, hours: float) -> list[Task]:
    """Return all that is to be done in one position, the longest first."""
    found: list[Task] = []
    if place.position == "device":
        found += [SoakTask(place, hours), PurityTask(place)]
    for item in selection.choose((), is_all=True, firmware=place.firmware):
        if not item.left_out:
            job = Job(
                item.scenario.name,
                item.firmware,
                place.policy,
                place.position,
                place.seed,
                None,
                Options(),
                place.health,
            )
            found.append(ScenarioTask(place.position, job))
    found += [CellTask(place, cell) for cell in cells(place.firmware, place.policy, place.health)]
    return found


def work(task: Task) -> Outcome:
    """Do one task, in whatever process."""
    if isinstance(task, SoakTask):
        return soak(task.place, task.hours)
    if isinstance(task, PurityTask):
        return evaluate_changes_nothing(task.place)
    if isinstance(task, CellTask):
        return run_cell(task.place, task.cell)
    return run_job(task.job)


def run_tasks(tasks: Sequence[Task], processes: int) -> Iterator[Outcome]:
    """Do tasks and yield what came of each, in their order, the same with any number of processes.

    Args:
        tasks: what is to be done.
        processes: how many at a time.
    """
    with Workers(processes) as workers:
        yield from workers.map(work, tasks)


def collect(
    places: Sequence[Place], tasks: Sequence[Task], outcomes: Sequence[Outcome]
) -> list[Verified]:
    """Put the outcomes of the tasks of some places together, one for each place.

    Args:
        places: where.
        tasks: of :func:`tasks_of`, for each place.
        outcomes: of :func:`run_tasks`, in the same order.
    """
    done = list(zip(tasks, outcomes, strict=True))
    return [
        _verified(place, [pair for pair in done if _position(pair[0]) == place.position])
        for place in places
    ]


def _position(task: Task) -> str:
    return task.position if isinstance(task, ScenarioTask) else task.place.position


def _verified(place: Place, done: Sequence[tuple[Task, Outcome]]) -> Verified:
    return Verified(
        place=place,
        matrix=tuple(outcome for _, outcome in done if isinstance(outcome, Result)),
        rows=tuple(
            (task.job.scenario, outcome)
            for task, outcome in done
            if isinstance(task, ScenarioTask) and isinstance(outcome, Row | str)
        ),
        soak=next((outcome for _, outcome in done if isinstance(outcome, Soaked)), None),
        impure=next((outcome for _, outcome in done if isinstance(outcome, tuple)), ()),
    )


def certify(found: Sequence[Verified]) -> Certificate:
    """Return the certificate over what was found in one or more positions.

    Args:
        found: of one policy on one firmware.
    """
    place = found[0].place
    release = revision(place.firmware)
    return Certificate(
        policy_name=place.policy.name,
        policy_digest=place.policy.digest,
        policy_toml=place.policy.to_toml(),
        firmware=Firmware(release.name, release.version, release.stats_bytes, release.test_hooks),
        versions=versions(),
        seed=place.seed,
        is_good=not any(item.violations for item in found),
        positions={item.place.position: item.as_dict() for item in found},
        not_covered=(*(text for item in found for text in item.not_covered), *NEVER),
        health=custom_health.identity(place.health),
    )


def versions() -> dict[str, str]:
    """Return the versions of the programs that results depend on."""
    found = {"python": platform.python_version()}
    for name in PROGRAMS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def soak(place: Place, hours: float) -> Soaked:
    """Run the firmware's own soak on a policy, without the scenarios that it cannot pass.

    Args:
        place: policy, firmware and seed.
        hours: of simulated time.
    """
    table = tables.table(SOAK_TABLE)
    lacking = tuple(name for name, weight in table.entries if weight and _lacks(place, name))
    table = table.reweighted(dict.fromkeys(lacking, 0))
    plan = Plan(
        table, place.seed, hours, firmware=place.firmware, policy=place.policy.name, is_quiet=True
    )
    health = custom_health.find(place.health)
    with SoakBench(table, place.firmware, place.policy, seed=place.seed, health=health) as bench:
        record = Harness(plan, bench, lambda line: None).run()
    return Soaked(hours, place.seed, record.cycles, _failures(place, record), lacking)


def _lacks(place: Place, soak_name: str) -> bool:
    scenario = registry.find(tables.SUITE_NAMES.get(soak_name, soak_name))
    if place.firmware not in scenario.firmwares:
        return True
    return any(not place.policy.is_enabled(level) for level in _levels_of(scenario))


def _levels_of(scenario: Scenario) -> set[Level]:
    """The levels that a scenario cannot do without."""
    found = {level for level, (least, _) in scenario.remedies.items() if least}
    if "watchdog" in scenario.resets:
        found.add(Level.WATCHDOG)
    return found


def _failures(place: Place, record: Record) -> tuple[str, ...]:
    known = expected.load(expected.BUILT_IN, registry.SCENARIOS)
    found = []
    as_expected = set()
    for item in record.failures:
        name = tables.SUITE_NAMES.get(item.scenario, item.scenario)
        if known.find(place.firmware, name, place.policy.name) is None:
            found.append(f"cycle {item.cycle}, {item.scenario}: {'; '.join(item.reasons)}")
        else:
            as_expected.add(item.cycle)
    for cycle, scenario, verdict in record.health.failures:
        # A device whose watchdog comes too late for the test is not yet back for the check.
        if cycle not in as_expected:
            found.append(f"cycle {cycle}, {scenario}: health check {verdict}")
    dropped = record.health.failed - len(record.health.failures)
    if dropped:
        found.append(f"{dropped} more health checks failed")
    found += [f"aborted at cycle {cycle}: {reason}" for cycle, reason in record.aborts]
    return tuple(found)


def _without_name(cell: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in cell.items() if name != "cell"}


def _scenario_dict(row: Row | str) -> dict[str, Any]:
    if isinstance(row, str):
        return {"verdict": "broke_down", "is_good": False, "serving_ms": None}
    return {
        "verdict": row.verdict,
        "is_good": row.is_good,
        "serving_ms": row.serving_after_ms,
    }
