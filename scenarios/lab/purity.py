"""Shows that evaluate changes nothing: its whole state is compared before and after each call."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from health import Health, HealthModule, Platform, Policy, Status, Watchdog
from hw.boot import Image
from hw.rx888 import Rx888
from scenarios.lab.cells import BUSY_HOST, COLD_STARTS, DESYNC, STREAM, WHOLE_DEVICE, Cell, phases
from scenarios.lab.histories import HISTORIES
from scenarios.lab.matrix import Place
from scenarios.performance import perform
from scenarios.station import Station
from sim.faults import Fault
from sim.host.backend import get_backend
from sim.host.runtime import WorldRuntime
from sim.world import BenchWorld

PLAIN = (int, str, bytes, bytearray, type(None))
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

    Attributes:
        changes: what evaluate changed, one a line.
        evaluations: how often it was asked by the main loop.
    """

    def __init__(self, health: HealthModule) -> None:
        self._health = health
        self.init = health.init
        self.record_event = health.record_event
        self.recover = health.recover
        self.main_heartbeat = health.main_heartbeat
        self.changes: list[str] = []
        self.evaluations = 0

    def evaluate(self) -> Status:
        """Evaluate, and note any change of state and any second answer that differs."""
        self.evaluations += 1
        before = _state(self._health)
        status = self._health.evaluate()
        again = self._health.evaluate()
        if _state(self._health) != before:
            self.changes.append(f"evaluate changed the state of the module ({status.code.name})")
        elif (again.code, again.since_ms) != (status.code, status.since_ms):
            self.changes.append(f"evaluate answered {status.code.name}, then {again.code.name}")
        return status


def evaluate_changes_nothing(place: Place) -> tuple[str, ...]:
    """Return what evaluate changed over histories that make every status; empty when nothing."""
    return tuple(dict.fromkeys(text for cell in HISTORY for text in _changes(place, cell)))


def _changes(place: Place, cell: Cell) -> Iterator[str]:
    phase = phases(cell, place.firmware, place.policy, place.seed, 0)[0]
    watched: list[Watched] = []

    def watch(policy: Policy, platform: Platform, watchdog: Watchdog | None) -> Watched:
        watched.append(Watched(Health(policy, platform, watchdog)))
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


def _state(item: Any) -> Any:  # noqa: ANN401 - any part of the module
    """Everything that an object of the health package holds, as a value to compare."""
    if isinstance(item, PLAIN):
        return bytes(item) if isinstance(item, bytearray) else item
    if isinstance(item, list | tuple):
        return tuple(_state(part) for part in item)
    kind = type(item)
    if not kind.__module__.startswith("health."):
        return None
    names = [name for base in kind.__mro__ for name in getattr(base, "__slots__", ())]
    return kind.__name__, tuple(_state(getattr(item, name, None)) for name in names)
