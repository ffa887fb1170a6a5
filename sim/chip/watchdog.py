"""The reset watchdog: TIMER0 of the GCTLAON block, in mode 2 (reset the chip at zero).

Source: S131 system/cyu3device.c: a period in ms is loaded as 33 counts a ms
of a 32 kHz clock, so 5000 ms last 5156.25 ms; each pet reloads it, so the period has no phase;
a reset gives no interrupt and no warning. The driver also toggles the lowest bit at each pet,
0.03 ms that this model leaves out (P is 5156.25 ms).
"""

from __future__ import annotations

from collections.abc import Callable

from sim.kernel import HARDWARE, World
from sim.tasks import Alarm

COUNTS_PER_MS = 33
CLOCK_HZ = 32_000


class HardwareWatchdog:
    """The down counter; it lives in the chip and runs whatever the threads do.

    Args:
        world: the clock.
        clock_ppm: how much faster than 32 kHz its clock runs.
        fire: what happens at zero.
    """

    def __init__(self, world: World, clock_ppm: int, fire: Callable[[], None]) -> None:
        self.world = world
        self.clock_ppm = clock_ppm
        self.fire = fire
        self.stuck = False
        """A fault: it counts but does not reset the chip."""
        self.period_ns = 0
        self._alarm: Alarm | None = None
        self._left_ns: int | None = None
        """What was left when it was halted; None while it counts."""

    def configure(self, enabled: bool, period_ms: int) -> None:
        """Start it with a period, or stop it and forget the period."""
        self._cancel()
        self._left_ns = None
        counts = min(period_ms * COUNTS_PER_MS, 0xFFFF_FFFF) if enabled else 0
        self.period_ns = counts * 10**15 // (CLOCK_HZ * (1_000_000 + self.clock_ppm))
        if enabled:
            self._load()

    def clear(self) -> None:
        """Pet it: reload the period. Nothing happens when it is not configured."""
        if self.period_ns:
            self._cancel()
            self._load()

    def halt(self, halted: bool) -> None:
        """Stop counting, or go on from there; a pet meanwhile reloads the period."""
        if halted and self._alarm is not None:
            self._left_ns = self._alarm.at_ns - self.world.now_ns
            self._cancel()
        elif not halted and self._left_ns is not None:
            due_ns = self.world.now_ns + self._left_ns
            self._left_ns = None
            self._alarm = self.world.alarm(due_ns, self._fired, HARDWARE)

    def _load(self) -> None:
        now = self.world.now_ns
        if self.world.trace is not None:
            self.world.trace.instant("fx3/watchdog", "pet", now)
        if self._left_ns is not None:
            self._left_ns = self.period_ns
            return
        self._alarm = self.world.alarm(now + self.period_ns, self._fired, HARDWARE)

    def _fired(self) -> None:
        self._alarm = None
        if not self.stuck:
            self.fire()

    def _cancel(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
