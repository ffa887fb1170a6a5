"""The streaming watchdog's lines on the console, told about the health module's decisions.

The shipped firmware counts stalled polls itself and recovers inside its main loop
(RunApplication.c). Here the health module decides, from ages instead of counts, and this narrator
counts beside it only to say what the shipped firmware would have said. It decides nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from health import Outcome
from hw.protocol import GpifState

if TYPE_CHECKING:
    from health import Policy, Recovery
    from sim.firmware.console import Console

BLOCKED_STATES = tuple(
    int(state)
    for state in (GpifState.TH0_BUSY, GpifState.TH1_BUSY, GpifState.TH1_WAIT, GpifState.TH0_WAIT)
)
"""States that wait for a free buffer (RunApplication.c)."""


class StreamNarrator:
    """The variables of the shipped watchdog, for its texts alone.

    Args:
        console: where they go.
        policy: limits and cap, as the shipped watchdog would count them.

    Attributes:
        stalls: polls in a row that found the stream stalled.
        used: level 1 remedies since START (glWdgRecoveryCount).
        cap: their cap as the host set it last, 0 = unlimited (glWdgMaxRecovery).
    """

    def __init__(self, console: Console, policy: Policy) -> None:
        self.console = console
        self.used = 0
        self.cap = policy.level_1_cap
        self._limit = -(-policy.stream_stall_ms // policy.poll_interval_ms)
        if not policy.level_1_enabled:
            self._limit = 0
        self._count = 0
        self._state = 0
        self.stalls = 0

    def look(self, count: int, state: int) -> None:
        """One poll's sample of a started application, before the health module decides.

        Args:
            count: DMA buffers produced.
            state: GPIF state, 255 while the block is disabled.
        """
        if not self._limit:
            return
        self._state = state
        if count == 0 or count != self._count:
            if self.stalls:
                self._tell("DMA resumed (%d->%d), stall cleared", self._count, count)
                self.stalls = 0
            self._count = count
        elif state in BLOCKED_STATES:
            self.stalls += 1
            self._tell("stall %d/%d SM=%d DMA=%d", self.stalls, self._limit, state, count)
        elif self.stalls:
            self._tell("stall cleared SM=%d (was %d/%d)", state, self.stalls, self._limit)
            self.stalls = 0

    def decided(self, recovery: Recovery) -> None:
        """What the health module made of stalls: at its cap it waits, the count begins again."""
        if self.stalls >= self._limit:
            if recovery.outcome is Outcome.CAPPED:
                self._tell("recovery limit (%d), waiting for STARTFX3", self.cap)
            self.stalls = 0

    def recovery_begins(self) -> None:
        """Level 1 begins."""
        self.used += 1
        self._tell(
            "=== RECOVERY START === SM=%d DMA=%d recov=%d/%d",
            self._state,
            self._count,
            self.used,
            self.cap,
        )

    def recovery_ends(self, clocked: bool, reset: int, flush: int, arm: int, start: int) -> None:
        """Level 1 has ended.

        Args:
            clocked: the sample clock was there, so the stream was started again.
            reset: status of the channel's reset.
            flush: status of EP1's flush.
            arm: status of the channel's new transfer, 0 when there was none.
            start: status of SMStart, 0 when there was none.
        """
        self._tell(
            "=== RECOVERY %s === rst=%d flush=%d xfer=%d sm=%d",
            "DONE" if clocked else "WAIT",
            reset,
            flush,
            arm,
            start,
        )
        self.stalls = 0
        self._count = 0

    def _tell(self, line: str, *values: object) -> None:
        if self.console.on:
            self.console.write("\r\nWDG: " + line % values)
