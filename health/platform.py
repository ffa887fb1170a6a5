"""What the health module needs from the place it runs in: three Protocols.

The same module runs on the device and on the host; only these three differ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from health.events import Event
from health.levels import Level, Outcome
from health.status import Status


@dataclass(frozen=True, slots=True)
class Intent:
    """What is about to be done, told before it is done.

    A level 4 on the device does not return and a level 3 may hang: only what was persisted before
    can say afterwards why the device went away.

    Attributes:
        level: the level about to be applied.
        status: the status that led to it.
    """

    level: Level
    status: Status


class Recorder(Protocol):
    """The form of `Health.record_event`, as a sampler gets it."""

    def __call__(self, event: Event, first: int = 0, second: int = 0, third: int = 0) -> None:
        """Record one event."""


class Platform(Protocol):
    """Clock and hands of the health module."""

    def now_ms(self) -> int:
        """Return the time in ms, unsigned 32 bits, wrapping; any thread may ask.

        Source: CyU3PGetTime, which counts ticks of 1 ms.
        """

    def available(self) -> int:
        """Return the levels that are possible right now, as a mask of `level_bit` values.

        Asked before every choice. A level whose bit is clear is skipped without counting.
        """

    def apply(self, level: Level, status: Status) -> Outcome:
        """Apply *level* and block until it ended, within the level's budget or failing.

        Args:
            level: 1 to 4; never 5.
            status: why.

        Returns:
            DONE, FAILED or REFUSED. A device's level 4 does not return.
        """

    def note(self, intent: Intent) -> None:
        """Persist *intent*, where there is somewhere to persist; called before every apply."""


class Watchdog(Protocol):
    """The hardware watchdog and a timer whose callback runs above every thread it guards.

    Source: CyU3PSysWatchDogConfigure and CyU3PSysWatchDogClear (cyu3system.h); ThreadX timers run
    in the timer thread at priority 0 (tx_port.h).
    """

    def arm(self, period_ms: int) -> None:
        """Start the watchdog: without a clear within *period_ms* the device is reset."""

    def clear(self) -> None:
        """Pet the watchdog: the period begins again."""

    def every(self, interval_ms: int, call: Callable[[], None]) -> None:
        """Run *call* in the timer thread each *interval_ms*, the first time after one interval."""


class Sampler(Protocol):
    """The only reader of registers and counters; the main loop runs it before evaluate."""

    def sample(self, record: Recorder) -> None:
        """Look once at the stream and its clock, and record what was seen."""
