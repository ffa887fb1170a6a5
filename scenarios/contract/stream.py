"""The stream, as far as a host can know it: does one run, what was read of it, what may be seen.

Everything that cannot be known is bounded on the safe side, so that nothing legal is accused.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from hw.errors import DeviceTimeoutError
from hw.exchange import Exchange
from hw.protocol import (
    BUFFER_BYTES,
    BUFFER_COUNT,
    GPIF_DISABLED,
    SAMPLE_BYTES,
    SAMPLES_PER_BUFFER,
    GpifState,
    Stats,
)
from scenarios.contract.clock import Clock

MILLISECOND_NS = 1_000_000
SECOND_NS = 1_000_000_000
STOP_SLACK_NS = 5 * MILLISECOND_NS
"""An OUT request returns before it is served; so long its effect may take (USBHandler.c: 1 ms)."""
PREFLIGHT_NS = 1 * MILLISECOND_NS
"""STARTFX3 reads the clock generator twice before it ends the session before it."""
RACE_NS = 50 * MILLISECOND_NS
"""A recovery and a request so near to each other may have met halfway: both write the same
objects from two threads (RunApplication.c, USBHandler.c)."""
FIRST_BUFFER_SLACK_NS = 50 * MILLISECOND_NS
READ_SLACK_NS = 200 * MILLISECOND_NS
OVERFLOW_SLACK_NS = 500 * MILLISECOND_NS
SLOW_RATE_HZ = 1_000_000
"""Below it a state takes so long that GETSTATS may meet any."""
PRESSURE_BYTES = (BUFFER_COUNT - 2) * BUFFER_BYTES
"""Backlog from which the ring may be full: two buffers are being filled and emptied."""

IDLE = frozenset((int(GpifState.IDLE),))
DISABLED = frozenset((GPIF_DISABLED,))
STOPPED_STATES = IDLE | DISABLED
STARTING_STATES = frozenset((int(GpifState.RESET), int(GpifState.IDLE)))
RUNNING_STATES = frozenset(range(int(GpifState.TH0_RD), int(GpifState.TH0_WAIT) + 1))


class Phase(Enum):
    """Whether a stream runs."""

    STOPPED = "stopped"
    RUNNING = "running"
    UNKNOWN = "unknown"


STOPPED, RUNNING, UNKNOWN = Phase.STOPPED, Phase.RUNNING, Phase.UNKNOWN
"""For the path of every read: a module's constant is a third of an enum member's access."""


class Count(Enum):
    """What the DMA count of GETSTATS has to be."""

    ZERO = "zero"
    GROWING = "growing"
    FROZEN = "frozen"
    UNKNOWN = "unknown"


class Stream:
    """What is believed of the stream.

    Args:
        clock: what is believed of its clock.

    Attributes:
        phase: whether one runs.
        states: GPIF states that GETSTATS may show while none runs.
        changed_ns: begin and end of the last request that changed any of this.
        pib_excused: the ring may have overflowed since the last sample.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.phase = UNKNOWN
        self.states: frozenset[int] = STOPPED_STATES
        self.changed_ns = (0, 0)
        self.pib_excused = True
        self.is_read_unseen = False
        self._may_wait_in_reset = False
        self._count = Count.UNKNOWN
        self._count_floor = 0
        self._frozen_count: int | None = None
        self._may_drop = False
        self._is_certain = False
        self._is_pressured = True
        self._was_pressured = False
        self._was_read = False
        self._received_bytes = 0
        self._pressed_ns = -1
        self._rate_hz = 0
        self._ran_until_ns = 0
        self._overflow_was_seen = True

    # ------------------------------------------------------------ what requests do

    def forget(self) -> None:
        """Anything may be."""
        self.phase = UNKNOWN
        self.states = STOPPED_STATES
        self._count = Count.UNKNOWN
        self._count_floor = 0
        self._is_certain = False
        self._may_wait_in_reset = True
        self.pib_excused = True

    def doubt_clock(self) -> None:
        """The running stream's clock may stop, or have another rate."""
        self._is_certain = False
        self.pib_excused = True

    def start(self, began_ns: int, ended_ns: int) -> None:
        """STARTFX3 was accepted."""
        self._end_session(ended_ns + PREFLIGHT_NS)
        self.changed_ns = (began_ns, ended_ns)
        self.phase = RUNNING
        self._count = Count.GROWING
        self._count_floor = 0
        self._may_drop = False
        self._is_certain = self.clock.runs
        self._rate_hz = self.clock.rate_hz
        self._is_pressured = self.is_read_unseen
        self._was_read = self.is_read_unseen
        self._received_bytes = 0
        self._pressed_ns = -1
        self._overflow_was_seen = False
        if not self._is_certain or self.is_read_unseen:
            self.pib_excused = True

    def stop(self, began_ns: int, ended_ns: int) -> None:
        """STOPFX3: soft where IDLE is reached, else by force (RunApplication.c)."""
        self._end_session(ended_ns)
        self.changed_ns = (began_ns, ended_ns)
        if self.phase is STOPPED:
            # RESET is left as soon as there is a clock; without one the stop is forced.
            kept = self.states & STOPPED_STATES
            self.states = kept if GpifState.RESET not in self.states else STOPPED_STATES
        elif self._runs_for_certain and self.clock.runs and self._rate_hz >= SLOW_RATE_HZ:
            self.states = IDLE
        else:
            self.states = STOPPED_STATES
        self.phase = STOPPED
        self._may_wait_in_reset = False
        self._count = Count.ZERO

    def change_clock(self, began_ns: int, ended_ns: int) -> None:
        """STARTADC, before its clock is believed: it disables a state machine that left RESET."""
        self._end_session(ended_ns)
        is_new = self._is_new(began_ns)
        self.changed_ns = (began_ns, ended_ns)
        if self.phase is STOPPED:
            disabled = DISABLED if self.states & STOPPED_STATES else frozenset()
            waiting = STARTING_STATES if GpifState.RESET in self.states else frozenset()
            self.states = disabled | waiting
        elif self._runs_for_certain and not self._is_slow_to_start and not is_new:
            self.phase = STOPPED
            self.states = DISABLED
        else:
            # It may stand in RESET still, and is then not stopped.
            self.forget()
        if self._count is Count.GROWING:
            self._count, self._frozen_count = Count.FROZEN, None

    # ------------------------------------------------------------ what reads tell

    def read_unseen(self, is_reading: bool) -> None:
        """Somebody reads, or no longer, whom observers do not see."""
        self.is_read_unseen = is_reading
        self.pib_excused = True
        self._is_pressured = True
        self._was_read = True

    def read(self, exchange: Exchange) -> tuple[str, ...]:
        """Judge one read of the data endpoint; return what is wrong with it."""
        asked, received = exchange.asked_bytes, exchange.received_bytes
        began_ns, ended_ns = exchange.began_ns, exchange.ended_ns
        found: tuple[str, ...] = ()
        if received > asked:
            found = (f"a read of {asked} bytes returned {received}",)
        if self.phase is STOPPED:
            if received and not self._is_new(began_ns):
                found += (f"{received} bytes came though no stream runs",)
            return found
        if self.phase is UNKNOWN:
            return found
        if began_ns != self._pressed_ns:
            self._press(began_ns)
        if began_ns < self._ran_until_ns and received:
            # It began in the session before, and how much is of which cannot be told.
            self._is_pressured = self.pib_excused = True
        self._received_bytes += received
        self._was_read = True
        self._press(ended_ns)
        if received == asked or not self._runs_for_certain:
            return found
        if exchange.error is not None and not isinstance(exchange.error, DeviceTimeoutError):
            return found
        waited_ns = ended_ns - max(began_ns, self.changed_ns[1])
        asked_samples = max(asked // SAMPLE_BYTES, SAMPLES_PER_BUFFER)
        if waited_ns > READ_SLACK_NS + 4 * asked_samples * SECOND_NS // self._rate_hz:
            found += (
                f"{received} of {asked} bytes in {waited_ns // MILLISECOND_NS} ms "
                f"of a stream of {self._rate_hz} Hz",
            )
        return found

    # ------------------------------------------------------------ what GETSTATS tells

    def judge_state(self, stats: Stats, exchange: Exchange) -> Iterator[str]:
        """Judge the GPIF state, and learn from it."""
        state = stats.gpif_state
        if self.phase is UNKNOWN:
            self._learn(stats)
            return
        allowed = self.states
        if self.phase is RUNNING:
            allowed = RUNNING_STATES
            if not self._is_certain:
                allowed = allowed | STARTING_STATES | DISABLED
            elif self._is_slow_to_start or self._is_new(exchange.began_ns):
                # A recovery passes through RESET and IDLE, as START does.
                allowed = allowed | STARTING_STATES
        if state not in allowed:
            expected = " or ".join(map(str, sorted(allowed)))
            yield f"GPIF state {state}, expected {expected}"
        elif self.phase is STOPPED and state != GpifState.RESET:
            self.states = frozenset((state,))

    def judge_count(self, stats: Stats, last: Stats | None, exchange: Exchange) -> Iterator[str]:
        """Judge the DMA count against the last sample and the time that passed."""
        count = stats.dma_count
        recovered = last is None or stats.streaming_faults != last.streaming_faults
        may_drop, self._may_drop = recovered or self._may_drop, recovered
        if self._count is Count.ZERO and count:
            yield f"DMA count {count}, expected 0 after STOPFX3"
        elif self._count is Count.FROZEN:
            if self._frozen_count is not None and count != self._frozen_count:
                yield f"DMA count {count}, expected the stale {self._frozen_count}"
            elif count < self._count_floor and not may_drop:
                yield f"DMA count {count}, it was {self._count_floor} before STARTADC"
            self._frozen_count = count
        elif self._count is Count.GROWING:
            yield from self._judge_growing(count, may_drop, exchange)
            self._count_floor = count

    def _judge_growing(self, count: int, may_drop: bool, exchange: Exchange) -> Iterator[str]:
        if not self._runs_for_certain:
            return
        if count < self._count_floor and not may_drop:
            yield f"DMA count {count} went back, it was {self._count_floor} in the same session"
        samples = (exchange.ended_ns - self.changed_ns[0]) * self._rate_hz // SECOND_NS
        # One more for rounding, 1 % for a host's clock beside the device's.
        most = samples * 101 // (100 * SAMPLES_PER_BUFFER) + 1
        if count > most:
            yield f"DMA count {count}, no more than {most} buffers can have been filled"
        passed_ns = exchange.began_ns - self.changed_ns[1]
        due_ns = FIRST_BUFFER_SLACK_NS + SAMPLES_PER_BUFFER * SECOND_NS // self._rate_hz
        if count == 0 and passed_ns > due_ns and not may_drop:
            yield f"DMA count 0 at {passed_ns // MILLISECOND_NS} ms: the first buffer never came"

    def judge_pib(self, stats: Stats, last: Stats | None, exchange: Exchange) -> Iterator[str]:
        """Judge the growth of the PIB error count since the last sample."""
        self._press(exchange.ended_ns)
        if last is not None:
            grown = stats.pib_errors - last.pib_errors
            if grown < 0:
                yield f"pib_errors went back from {last.pib_errors} to {stats.pib_errors}"
            elif grown and not self.pib_excused:
                yield f"pib_errors grew by {grown} though the stream was read in time"
            elif not grown and not self._overflow_was_seen and self._has_overflowed(exchange):
                yield "pib_errors did not grow though nobody read the stream"
                grown = 1
            self._overflow_was_seen = self._overflow_was_seen or grown > 0
        elif self._has_overflowed(exchange):
            self._overflow_was_seen = True
        # An overflow just before a request may be counted a little after the sample behind it.
        is_late = self.pib_excused and self._is_new(exchange.began_ns)
        is_open = self.phase is RUNNING and (self._is_pressured or not self._is_certain)
        self.pib_excused = is_late or is_open or self.phase is UNKNOWN

    @property
    def may_recover(self) -> bool:
        """Level 1 may have met the last request: the ring of the session before may be full."""
        return self._was_pressured

    # ------------------------------------------------------------ internals

    @property
    def _runs_for_certain(self) -> bool:
        return self.phase is RUNNING and self._is_certain

    @property
    def _is_slow_to_start(self) -> bool:
        return self._is_pressured or self._rate_hz < SLOW_RATE_HZ

    def _is_new(self, at_ns: int) -> bool:
        """The request before was served so lately that its effect may not show yet."""
        return at_ns < self.changed_ns[1] + STOP_SLACK_NS

    def _learn(self, stats: Stats) -> None:
        state = stats.gpif_state
        # A stream that was started without a clock stands in RESET too, and goes on with one.
        is_reset = state == GpifState.RESET and not self._may_wait_in_reset
        is_off = stats.clk0_on is False and is_reset
        is_idle = state == GpifState.IDLE and stats.dma_count == 0
        if state == GPIF_DISABLED or is_off or is_idle:
            self.phase = STOPPED
            self.states = frozenset((state,))

    def _press(self, now_ns: int) -> None:
        """Note whether the ring may have filled, given what was produced and what was read."""
        self._pressed_ns = now_ns
        if self._is_pressured or self.phase is not RUNNING:
            return
        produced = (now_ns - self.changed_ns[0]) * self._rate_hz * SAMPLE_BYTES // SECOND_NS
        if not self._is_certain or produced - self._received_bytes >= PRESSURE_BYTES:
            self._is_pressured = True
            self.pib_excused = True

    def _end_session(self, now_ns: int) -> None:
        self._press(now_ns)
        if self.phase is not STOPPED:
            self._ran_until_ns = now_ns
        is_full = self.phase is RUNNING and (self._is_pressured or not self._is_certain)
        is_near = self._was_pressured and now_ns < self.changed_ns[1] + RACE_NS
        self._was_pressured = self.phase is UNKNOWN or is_full or is_near

    def _has_overflowed(self, exchange: Exchange) -> bool:
        """Nobody read for so long that the ring of this session must have overflowed."""
        if not self._runs_for_certain or self._was_read or self._rate_hz < SLOW_RATE_HZ:
            return False
        return exchange.began_ns - self.changed_ns[1] > OVERFLOW_SLACK_NS
