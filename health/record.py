"""What was recorded: the only memory that evaluate reads.

Every field has one writer. The USB thread writes handlers, sessions and EP0 errors; the main loop
writes samples. No field needs a lock, and recording an event takes no memory.
"""

from __future__ import annotations

from collections.abc import Callable

from health.events import Event
from health.ticks import WRAP

UNKNOWN_BYTE = 255
"""A GPIF state or a buffer count that is not known; also the state of a disabled GPIF block."""

CLOCK_LOST = 0
CLOCK_ON = 1
HOST_READING = 1
NEVER_REPORTED = 2
"""Clock, or reading of the host, of which nothing was ever recorded."""

BLOCKED_STATES = 1 << 5 | 1 << 7 | 1 << 8 | 1 << 9
"""GPIF states that wait for a free buffer (TH0_BUSY, TH1_BUSY, TH1_WAIT, TH0_WAIT), as a mask.

Source: SDDC_GPIF.h, the waveform table as decoded."""

READ_STATES = 1 << 2 | 1 << 3 | 1 << 4 | 1 << 6
"""GPIF states that push a sample each clock; only a dead clock freezes them. Source: as above."""


def is_blocked(gpif_state: int) -> int:
    """Return 1 if the state machine waits for a buffer in *gpif_state* (0 to 255), else 0."""
    return BLOCKED_STATES >> gpif_state & 1


class Handler:
    """A callback of the USB thread: in progress or not, and since when.

    `sequence` is odd while the callback is in progress, and no value of it comes twice. The enter
    time is written before the sequence. So a reader that finds the same odd sequence before and
    after it looked at the enter time and at the clock has times of one and the same call; any
    other reading means progress.

    Reading a flag, then the clock, then the enter time, as the firmware does, lets one call end
    and the next begin in between: the age underflows and a healthy handler looks wedged.
    """

    __slots__ = ("enter_ms", "sequence")

    def __init__(self) -> None:
        self.enter_ms = 0
        self.sequence = 0

    def enter(self, now_ms: int) -> None:
        """Mark the callback entered at *now_ms*, also when the last exit was never recorded."""
        self.enter_ms = now_ms
        self.sequence = ((self.sequence + 1) | 1) & WRAP

    def leave(self) -> None:
        """Mark the callback left; without an enter nothing changes."""
        self.sequence = (self.sequence + (self.sequence & 1)) & WRAP


class Record:
    """All recorded state, as plain integers.

    An *epoch* ends with everything that makes older samples meaningless: START, STOP, a stop or
    start of the application, a clock that comes back. A *session* ends with START and STOP alone;
    it bounds the use of the stream cap.

    Args:
        now_ms: the platform's clock, 32-bit ms.
        desync_limit: how many EP0 errors make a desync; 0 when none is looked for.
        stream_cap: level 1 remedies in a session, 0 = unlimited.
    """

    __slots__ = (
        "armed",
        "buffers_full",
        "clock",
        "count_since_ms",
        "dma_count",
        "ep0",
        "ep0_error_next",
        "ep0_error_times_ms",
        "ep0_errors",
        "ep0_forgiven_by_bus",
        "ep0_forgiven_by_remedy",
        "epoch",
        "epoch_ms",
        "flowed_session",
        "gpif_state",
        "host_reading",
        "moves",
        "now_ms",
        "pib_code",
        "pib_errors",
        "sample_epoch",
        "sample_ms",
        "session",
        "state_since_ms",
        "stream_cap",
        "underruns",
        "usb_event",
    )

    def __init__(self, now_ms: Callable[[], int], desync_limit: int, stream_cap: int) -> None:
        self.now_ms = now_ms
        self.ep0 = Handler()
        self.usb_event = Handler()
        self.ep0_errors = 0
        self.ep0_error_next = 0
        self.ep0_error_times_ms = [0] * max(desync_limit, 1)
        self.ep0_forgiven_by_bus = 0
        self.ep0_forgiven_by_remedy = 0
        self.armed = 0
        self.session = 0
        self.flowed_session = 0
        self.stream_cap = stream_cap
        self.epoch = 0
        self.epoch_ms = 0
        self.clock = NEVER_REPORTED
        self.host_reading = NEVER_REPORTED
        self.sample_epoch = 0
        self.sample_ms = 0
        self.dma_count = 0
        self.gpif_state = UNKNOWN_BYTE
        self.buffers_full = UNKNOWN_BYTE
        self.count_since_ms = 0
        self.state_since_ms = 0
        self.moves = 0
        self.pib_errors = 0
        self.pib_code = 0
        self.underruns = 0

    def event(self, event: Event, first: int, second: int, third: int) -> None:
        """Record one event; O(1), no allocation, any thread.

        Args:
            event: what happened; a number that is no `Event` is ignored.
            first: first argument, as `Event` says.
            second: second argument.
            third: third argument.
        """
        match event:
            case Event.STREAM_SAMPLE:
                self._sample(first, second, third)
            case Event.EP0_ENTER:
                self.ep0.enter(self.now_ms())
            case Event.EP0_EXIT:
                self.ep0.leave()
            case Event.CLOCK_STATE:
                self._set_clock(first)
            case Event.EP0_ERROR | Event.EP0_CANCELLED:
                self._add_ep0_error()
            case Event.USB_EVENT_ENTER:
                self.usb_event.enter(self.now_ms())
            case Event.USB_EVENT_EXIT:
                self.usb_event.leave()
            case Event.STREAM_START:
                self._begin_session(armed=1)
            case Event.STREAM_STOP:
                self._begin_session(armed=0)
            case Event.STREAM_CAP:
                self.stream_cap = first
            case Event.PIB_ERROR:
                self.pib_code = first
                self.pib_errors = (self.pib_errors + 1) & WRAP
            case Event.EP_UNDERRUN:
                self.underruns = (self.underruns + 1) & WRAP
            case Event.CONFIGURED | Event.DECONFIGURED:
                self._end_stream()
            case Event.HOST_READING:
                self.host_reading = first

    def restart_stream(self, now_ms: int) -> None:
        """Begin to observe the stream afresh: after a remedy the old count proves nothing.

        The count is remembered as zero, because level 1 sets it to zero: a stream that fills its
        buffers and stops again must not look as if it had never moved.

        Args:
            now_ms: the end of the remedy, 32-bit ms.
        """
        self.dma_count = 0
        self.sample_ms = now_ms
        self.count_since_ms = now_ms
        self.state_since_ms = now_ms

    def oldest_ep0_error_ms(self) -> int:
        """Return when the oldest of the last `desync_limit` errors came, in 32-bit ms."""
        return self.ep0_error_times_ms[self.ep0_error_next]

    def _sample(self, dma_count: int, gpif_state: int, buffers_full: int) -> None:
        # The epoch is read before the clock: a START in between makes this the old stream's sample.
        epoch = self.epoch
        session = self.session
        now_ms = self.now_ms()
        if epoch != self.sample_epoch or dma_count != self.dma_count:
            # A count of zero is as old as the epoch; any other was produced since the last look.
            begun = epoch != self.sample_epoch and dma_count == 0
            self.count_since_ms = self.epoch_ms if begun else now_ms
            self.state_since_ms = self.count_since_ms
            if dma_count:
                self.moves = (self.moves + 1) & WRAP
                self.flowed_session = session
        elif gpif_state != self.gpif_state and not (
            is_blocked(gpif_state) and is_blocked(self.gpif_state)
        ):
            # The state changed between two samples; the earlier one is the last proof against it.
            self.state_since_ms = self.sample_ms
        self.dma_count = dma_count
        self.gpif_state = gpif_state
        self.buffers_full = buffers_full
        self.sample_ms = now_ms
        self.sample_epoch = epoch

    def _add_ep0_error(self) -> None:
        self.ep0_errors = (self.ep0_errors + 1) & WRAP
        self.ep0_error_times_ms[self.ep0_error_next] = self.now_ms()
        self.ep0_error_next = (self.ep0_error_next + 1) % len(self.ep0_error_times_ms)

    def _set_clock(self, state: int) -> None:
        returned = self.clock == CLOCK_LOST and state == CLOCK_ON
        self.clock = state
        if returned:
            self._begin_epoch()

    def _begin_session(self, armed: int) -> None:
        self.armed = armed
        self.session = (self.session + 1) & WRAP
        self._begin_epoch()

    def _end_stream(self) -> None:
        self.armed = 0
        self.ep0_forgiven_by_bus = self.ep0_errors
        self._begin_epoch()

    def _begin_epoch(self) -> None:
        self.epoch_ms = self.now_ms()
        self.epoch = (self.epoch + 1) & WRAP
