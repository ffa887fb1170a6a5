"""Level 5: the gate between the main loop's heartbeat and the hardware watchdog."""

from __future__ import annotations

from health.platform import Watchdog
from health.ticks import WRAP


class HeartbeatGate:
    """Pets the hardware watchdog, but only while the main loop lives.

    The main loop beats; a timer looks. The timer thread has the highest priority and outlives
    every hang it guards against, so an ungated pet would hold the watchdog off for ever.

    A look right after the last beat still pets. So the reset comes between P and P + C after the
    last beat (P the period, C the pet interval), and not within P.

    Args:
        watchdog: the watchdog and its timer.

    Source: the firmware's health.c: a ThreadX timer pets each 3000 ms a watchdog of 5000 ms, since
    each SysWatchDogClear blocks every thread for 100 us and a pet in each beat killed streaming.
    """

    __slots__ = ("_beats", "_seen", "_watchdog")

    def __init__(self, watchdog: Watchdog) -> None:
        self._watchdog = watchdog
        self._beats = 0
        self._seen = 0

    def guard(self, period_ms: int, pet_interval_ms: int) -> None:
        """Arm the watchdog with *period_ms* and look each *pet_interval_ms* from now on."""
        self._watchdog.arm(period_ms)
        self._watchdog.every(pet_interval_ms, self.look)

    def beat(self) -> None:
        """Count one pass of the main loop, wrapping at 32 bits."""
        self._beats = (self._beats + 1) & WRAP

    def look(self) -> None:
        """Pet if the heartbeat moved since the last look; skip this pet if not."""
        if self._beats == self._seen:
            return
        self._seen = self._beats
        self._watchdog.clear()
