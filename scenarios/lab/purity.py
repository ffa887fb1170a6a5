"""Shows that evaluate changes nothing: its whole state is compared before and after each call."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator
from typing import Any

from health import HealthModule, Platform, Policy, Status, Watchdog
from hw.boot import Image
from hw.rx888 import Rx888
from scenarios import custom_health
from scenarios.lab.cells import BUSY_HOST, COLD_STARTS, DESYNC, STREAM, WHOLE_DEVICE, Cell, phases
from scenarios.lab.histories import HISTORIES
from scenarios.lab.matrix import Place
from scenarios.performance import perform
from scenarios.station import Station
from sim.faults import Fault
from sim.host.backend import get_backend
from sim.host.runtime import WorldRuntime
from sim.world import BenchWorld

PLAIN = (int, float, str, bytes, bytearray, type(None))
HISTORY = (
    Cell(
        "STOPFX3",
        Fault("hang", call="dma_multi_channel_reset", thread="usb", during="STOPFX3"),
    ),
    *(Cell("STARTFX3", fault) for fault in COLD_STARTS),
    *(Cell(STREAM, fault) for fault in WHOLE_DEVICE),
    Cell(BUSY_HOST, DESYNC),
)
"""Between them these make every status that a policy on the device can see."""


class Watched:
    """A health module whose evaluate is asked twice and looked at.

    Args:
        health: the module.
        package: in which its class is; what else is of this package is part of its state.

    Attributes:
        changes: what evaluate changed, one a line.
        evaluations: how often it was asked by the main loop.
    """

    def __init__(self, health: HealthModule, package: str) -> None:
        self._health = health
        self._packages = ("health", package)
        self.init = health.init
        self.record_event = health.record_event
        self.recover = health.recover
        self.main_heartbeat = health.main_heartbeat
        self.changes: list[str] = []
        self.evaluations = 0

    def evaluate(self) -> Status:
        """Evaluate, and note any change of state and any second answer that differs."""
        self.evaluations += 1
        before = self._state()
        status = self._health.evaluate()
        again = self._health.evaluate()
        if self._state() != before:
            self.changes.append(f"evaluate changed the state of the module ({status.code.name})")
        elif (again.code, again.since_ms) != (status.code, status.since_ms):
            self.changes.append(f"evaluate answered {status.code.name}, then {again.code.name}")
        return status

    def _state(self) -> Any:  # noqa: ANN401 - whatever the module holds
        return state_of(self._health, self._packages)


def evaluate_changes_nothing(place: Place) -> tuple[str, ...]:
    """Return what evaluate changed over histories that make every status; empty when nothing."""
    return tuple(dict.fromkeys(text for cell in HISTORY for text in _changes(place, cell)))


def _changes(place: Place, cell: Cell) -> Iterator[str]:
    phase = phases(cell, place.firmware, place.policy, place.seed, 0, place.health)[0]
    watched: list[Watched] = []
    module = custom_health.find(place.health)

    def watch(policy: Policy, platform: Platform, watchdog: Watchdog | None) -> Watched:
        made = module(policy, platform, watchdog)
        watched.append(Watched(made, type(made).__module__.partition(".")[0]))
        return watched[-1]

    faults = (cell.at(phase.at_ms),)
    with BenchWorld(
        place.firmware, place.policy, seed=phase.seed, faults=faults, health=watch
    ) as world:
        world.boot()
        runtime = WorldRuntime(world)
        device = Rx888.open(get_backend(world), runtime, image=Image.parse(world.image))
        perform(HISTORIES[cell.scenario], Station(device, runtime), None, {"at_ms": phase.at_ms})
    if not any(item.evaluations for item in watched):
        yield f"evaluate was never asked in {cell.name}"
    for item in watched:
        yield from item.changes


def state_of(item: Any, packages: Collection[str], above: tuple[int, ...] = ()) -> Any:  # noqa: ANN401
    """Return everything that an object of some packages holds, as a value to compare.

    Args:
        item: any part of a health module.
        packages: whose objects are looked into; what else there is, such as the platform, is not
            the module's own.
        above: the ids of the objects that hold it, so that a circle ends.
    """
    if isinstance(item, PLAIN):
        return bytes(item) if isinstance(item, bytearray) else item
    if id(item) in above:
        return None
    above = (*above, id(item))
    if isinstance(item, list | tuple | deque):
        return tuple(state_of(part, packages, above) for part in item)
    if isinstance(item, dict):
        return tuple((repr(key), state_of(part, packages, above)) for key, part in item.items())
    if isinstance(item, set | frozenset):
        return tuple(sorted(map(repr, item)))
    kind = type(item)
    if kind.__module__.partition(".")[0] not in packages:
        return None
    names = [name for base in kind.__mro__ for name in _slots(base)]
    names += getattr(item, "__dict__", {})
    return kind.__name__, tuple(
        (name, state_of(getattr(item, name, None), packages, above)) for name in names
    )


def _slots(kind: type) -> tuple[str, ...]:
    found = kind.__dict__.get("__slots__", ())
    return (found,) if isinstance(found, str) else tuple(found)
