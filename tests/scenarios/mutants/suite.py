"""The regression suite as a list of runs, each of which says what is wrong with a health module."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from health import HealthFactory, Policy
from scenarios import registry
from scenarios.runner import run_episode
from scenarios.soak import tables
from scenarios.soak.bench import SoakBench
from scenarios.soak.harness import Harness
from scenarios.soak.plan import Plan
from tests.health.test_vectors import Player
from tests.scenarios.mutants.workshop import UNCHANGED, build

VECTORS_FOLDER = Path(__file__).parents[2] / "vectors"
SOAK_CYCLES = 60
SOAK_SEED = 1
SOAK_TABLE = "v0.1.0"


class Run(Protocol):
    """One thing that is tried with a health module; its text is its name."""

    def reasons(self, factory: HealthFactory) -> tuple[str, ...]:
        """Return what is wrong, one a line; empty when all is well."""


@dataclass(frozen=True)
class EpisodeRun:
    """A scenario in a world.

    Attributes:
        scenario: its name.
        policy: a preset, or one without a level, such as ``reference-without-4``.
        firmware: the revision.
        position: ``device`` or ``host``.
    """

    scenario: str
    policy: str = "reference"
    firmware: str = "reference"
    position: str = "device"

    def __str__(self) -> str:
        others = (
            self.policy if self.policy != "reference" and self.firmware == "reference" else "",
            self.firmware if self.firmware != "reference" else "",
            f"from the {self.position}" if self.position != "device" else "",
        )
        return " ".join(filter(None, (self.scenario, *others)))

    def reasons(self, factory: HealthFactory) -> tuple[str, ...]:
        """Return why its row is not good, but for what is known of the right module."""
        excused = set(map(without_numbers, known(self)))
        found = self._reasons(factory)
        return tuple(text for text in found if without_numbers(text) not in excused)

    def _reasons(self, factory: HealthFactory) -> tuple[str, ...]:
        preset, _, level = self.policy.partition("-without-")
        policy = Policy.preset(preset)
        try:
            return run_episode(
                registry.find(self.scenario),
                firmware=self.firmware,
                policy=policy.without_level(int(level)) if level else policy,
                position=self.position,
                health=factory,
            ).row.reasons
        except Exception as error:  # noqa: BLE001 - a bug may break anything
            return (f"bench broke down: {' '.join(str(error).split())}",)


@cache
def known(run: EpisodeRun) -> tuple[str, ...]:
    """Return what is wrong with a run of the right module: the want of a level, as a rule."""
    return run._reasons(build(UNCHANGED))


@dataclass(frozen=True)
class SoakRun:
    """The firmware's own soak, for some cycles."""

    cycles: int

    def __str__(self) -> str:
        return f"{self.cycles} cycles of the soak"

    def reasons(self, factory: HealthFactory) -> tuple[str, ...]:
        """Return what failed, by the original or by the strict rule, and lost devices."""
        table = tables.table(SOAK_TABLE)
        plan = Plan(table, SOAK_SEED, max_cycles=self.cycles, is_quiet=True)
        try:
            with SoakBench(table, seed=SOAK_SEED, health=factory) as bench:
                record = Harness(plan, bench, lambda line: None).run()
        except Exception as error:  # noqa: BLE001 - a bug may break anything
            return (f"bench broke down: {' '.join(str(error).split())}",)
        found = [f"{item.scenario}: {text}" for item in record.failures for text in item.reasons]
        found += [reason for _, reason in record.aborts]
        if record.health.failed:
            found.append(f"{record.health.failed} health checks failed")
        return tuple(found)


@dataclass(frozen=True)
class VectorRun:
    """A case of the vectors, played to the module."""

    name: str

    def reasons(self, factory: HealthFactory) -> tuple[str, ...]:
        """Return the first answer that is not the vector's."""
        case = vectors()[self.name]
        player = Player(case, factory)
        for number, step in enumerate(case["steps"]):
            try:
                seen = player.play(step)
            except AssertionError:
                return (f"step {number}: a remedy that it has not",)
            wanted = {name: step[name] for name in seen}
            if seen != wanted:
                return (f"step {number}: {_words(seen)}, not {_words(wanted)}",)
        return ()

    def __str__(self) -> str:
        return self.name


@cache
def vectors() -> dict[str, dict[str, Any]]:
    """Return every case of the vectors by topic and name."""
    return {
        f"{path.stem}/{case['name']}": case
        for path in sorted(VECTORS_FOLDER.glob("*.json"))
        for case in json.loads(path.read_text(encoding="ascii"))["cases"]
    }


def _words(answer: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {value}" for name, value in answer.items())


def without_numbers(text: str) -> str:
    """Return a reason as a kind: what it counts or measures is another matter."""
    return re.sub(r"[0-9.]+", "N", text)


def _incidents(firmware: str) -> list[str]:
    return [item.name for item in registry.INCIDENTS if firmware in item.firmwares]


PARTS: dict[str, tuple[Run, ...]] = {
    "incidents": tuple(EpisodeRun(name) for name in _incidents("reference")),
    "shipped": tuple(EpisodeRun(name, "level-1-4-5", "fw-2.3") for name in _incidents("fw-2.3")),
    "policies": (
        *(EpisodeRun(name, "none") for name in ("stopfx3_hang", "main_death", "paused_reader")),
        *(EpisodeRun(name, "reference-without-4") for name in _incidents("reference")),
    ),
    "host": tuple(EpisodeRun(name, position="host") for name in _incidents("reference")),
    "soak": (SoakRun(SOAK_CYCLES),),
    "suite": tuple(EpisodeRun(item.name) for item in registry.suite()),
}
"""Everything that runs in worlds."""
VECTOR_RUNS = tuple(VectorRun(name) for name in vectors())
RUNS: dict[str, Run] = {str(run): run for runs in (*PARTS.values(), VECTOR_RUNS) for run in runs}
"""Every run by its name."""


def catches(factory: HealthFactory, runs: tuple[Run, ...]) -> Iterator[tuple[str, str]]:
    """Yield the name of each run that a module does not pass, with the first reason.

    Args:
        factory: the module.
        runs: what is tried, in order; nothing is tried before it is asked for.
    """
    for run in runs:
        reasons = run.reasons(factory)
        if reasons:
            yield str(run), reasons[0]
