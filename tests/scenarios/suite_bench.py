"""Shared by the tests of the suite: one scenario on one world, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from health import Level, Policy
from hw.boot import Image
from hw.rx888 import Rx888
from scenarios.contract import WorldLedger
from scenarios.performance import Performance, perform
from scenarios.registry import find
from scenarios.scenario import Scenario
from scenarios.station import Station
from sim.faults import Fault
from sim.host.backend import get_backend
from sim.host.runtime import WorldRuntime
from sim.options import Options
from sim.world import BenchWorld

HEALTHY = (("fw-2.3", "level-1-4-5"), ("reference", "reference"))
"""A firmware, and the policy that it is shipped with."""


@contextmanager
def stations(
    firmware: str = "fw-2.3",
    policy: str | Policy = "level-1-4-5",
    *,
    faults: Iterable[str | Fault] = (),
    options: Options | None = None,
    seed: int = 0,
    uptime_us: int = 1_234_000,
) -> Iterator[tuple[Station, BenchWorld]]:
    """A station on a booted world."""
    armed = [Fault.parse(item) if isinstance(item, str) else item for item in faults]
    with BenchWorld(firmware, policy, faults=armed, options=options, seed=seed) as world:
        world.boot()
        world.run_until(world.now_ns + uptime_us * 1_000)
        runtime = WorldRuntime(world)
        image = Image.parse(world.image)
        device = Rx888.open(get_backend(world), runtime, image=image)
        yield Station(device, runtime, image=image), world


@dataclass(frozen=True)
class Played:
    """A performance, and what the world knows about it."""

    performance: Performance
    remedies: Mapping[int, int]
    resets: tuple[str, ...]
    said: tuple[str, ...]

    @property
    def failure(self) -> str | None:
        return self.performance.failure

    @property
    def violations(self) -> tuple[str, ...]:
        return self.performance.violations

    @property
    def text(self) -> str:
        return self.performance.text

    @property
    def keeps_its_word(self) -> bool:
        """Remedies and resets are what the scenario names."""
        scenario = self.performance.scenario
        allowed = {int(level): bounds for level, bounds in scenario.remedies.items()}
        counts = [
            allowed.get(level, (0, 0))[0]
            <= self.remedies.get(level, 0)
            <= allowed.get(level, (0, 0))[1]
            for level in range(1, 5)
        ]
        return all(counts) and self.resets == scenario.resets


def played_on(station: Station, world: BenchWorld, scenario: Scenario, **parameters: int) -> Played:
    """Play a scenario here and now."""
    began_ns = world.now_ns
    station.said.clear()
    performance = perform(scenario, station, None, parameters)
    ledger = WorldLedger(world)
    levels = Counter(level for _, level in ledger.remedies_since(began_ns))
    resets = tuple(cause for _, cause in ledger.resets_since(began_ns))
    return Played(performance, levels, resets, tuple(station.said))


def played(
    name: str,
    firmware: str = "fw-2.3",
    policy: str | Policy = "level-1-4-5",
    parameters: Mapping[str, int] | None = None,
    **more: object,
) -> Played:
    """Play a scenario on a world of its own."""
    with stations(firmware, policy, **more) as (station, world):
        return played_on(station, world, find(name), **(parameters or {}))
