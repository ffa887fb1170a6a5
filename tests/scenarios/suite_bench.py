"""Shared by the tests of the suite: one scenario on one world, and what came of it."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from health import Policy
from hw.boot import Image
from hw.errors import DeviceError, DeviceTimeoutError
from hw.protocol import Stats
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


def lie(
    station: Station,
    request: int,
    answer: Callable[..., object],
    *,
    value: int | None = None,
    index: int | None = None,
    number: int = 0,
) -> None:
    """Put somebody between driver and device who answers one request himself.

    ``answer`` is called with the true call (without arguments) and the payload of an OUT request;
    what it returns or raises is what the driver gets. With ``number`` only the n-th such request.
    """
    connection = station.device._connection
    seen = 0

    def doctored(true_call, is_out):
        def call(*args, **keywords):
            nonlocal seen
            code, payload = (args[1], args[2]) if is_out else (args[0], b"")
            wanted = code == request
            wanted &= value is None or keywords.get("value", 0) == value
            wanted &= index is None or keywords.get("index", 0) == index
            seen += wanted
            if not wanted or (number and seen != number):
                return true_call(*args, **keywords)
            return answer(lambda: true_call(*args, **keywords), payload)

        return call

    connection.control_out = doctored(connection.control_out, True)
    connection.control_in = doctored(connection.control_in, False)


def edited(**fields: int) -> Callable[..., bytes]:
    """An answer of GETSTATS in which some fields are false."""
    return lambda true, _: replace(Stats.unpack(true()), **fields).pack()


def says(data: bytes) -> Callable[..., bytes]:
    """An answer that is always the same."""
    return lambda true, _: data


def swallows(true: Callable[[], object], payload: bytes) -> int:
    """An OUT request that is taken and not done."""
    del true
    return len(payload)


def fails(error: type[DeviceError] = DeviceTimeoutError) -> Callable[..., object]:
    """A request that fails."""

    def answer(true: Callable[[], object], payload: bytes) -> object:
        del true, payload
        raise error("request", "a lie")

    return answer


def silent(station: Station) -> None:
    """A data endpoint that gives nothing."""

    def read(buffer, timeout_ms):
        station.sleep_ms(timeout_ms)
        raise DeviceTimeoutError("bulk read", "a lie")

    station.device._connection.bulk_read_into = read


def delivers(station: Station, data: bytes) -> None:
    """A data endpoint that gives the same bytes again and again."""

    def read(buffer, timeout_ms):
        received = min(len(buffer), len(data))
        memoryview(buffer)[:received] = array("B", data[:received])
        return received

    station.device._connection.bulk_read_into = read
