"""What is known of a run beside what passed on the bus."""

from __future__ import annotations

from typing import Protocol

from hw.supervisor import Supervisor
from sim.world import BenchWorld


class Ledger(Protocol):
    """A witness inside the device; only a world has one."""

    def remedies_since(self, at_ns: int) -> tuple[tuple[int, int], ...]:
        """Return (time in ns, level) of each remedy that began at ``at_ns`` or later, in order."""
        ...

    def resets_since(self, at_ns: int) -> tuple[tuple[int, str], ...]:
        """Return (time in ns, cause) of each reset of the chip at ``at_ns`` or later, in order."""
        ...


class WorldLedger:
    """The witness of a world.

    Args:
        world: what it watches.
        supervisor: who recovers the device from the host, or None.
    """

    def __init__(self, world: BenchWorld, supervisor: Supervisor | None = None) -> None:
        self._world = world
        self._supervisor = supervisor

    def remedies_since(self, at_ns: int) -> tuple[tuple[int, int], ...]:
        """See :meth:`Ledger.remedies_since`."""
        found: list[tuple[int, int]] = []
        if self._supervisor is not None:
            remedies = self._supervisor.remedies
            found = [(item.at_ns, int(item.level)) for item in remedies if item.at_ns >= at_ns]
        for program in reversed(self._world.programs):
            for remedy in reversed(program.remedies_applied):
                if remedy[0] < at_ns:
                    return tuple(sorted(found))
                found.append(remedy)
        return tuple(sorted(found))

    def resets_since(self, at_ns: int) -> tuple[tuple[int, str], ...]:
        """See :meth:`Ledger.resets_since`."""
        found: list[tuple[int, str]] = []
        for reset in reversed(self._world.chip.resets):
            if reset.at_ns < at_ns:
                break
            found.append((reset.at_ns, reset.cause))
        return tuple(reversed(found))
