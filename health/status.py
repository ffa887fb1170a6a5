"""What evaluate() answers: the condition, since when, and the evidence for it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class StatusCode(IntEnum):
    """The condition of the device. The numbers are fixed: test vectors and C code use them.

    Source: the firmware's own failure history; its health.h knows OK and two kinds of wedge.
    """

    OK = 0
    STREAM_STALL = 1
    """Count frozen, state machine blocked on full buffers: a paused reader looks the same."""
    STREAM_WEDGE = 2
    """Blocked though buffers are free or the host reads, or no buffer after level 1."""
    COLD_START = 3
    """Armed and clocked, but the first buffer of this stream never came."""
    CLOCK_LOST = 4
    """The state machine is frozen because its clock is gone; reported only."""
    EP0_WEDGED = 5
    """A setup handler is over its limit and still in progress."""
    USB_EVENT_WEDGED = 6
    """A USB event handler is over its limit and still in progress."""
    EP0_DESYNC = 7
    """EP0 transfers fail one after the other, and no handler is in progress."""
    APPLICATION_WEDGED = 8
    """A streaming wedge that level 1 did not mend, while EP0 answers."""
    UNKNOWN = 9
    """Armed and clocked, count frozen, in a state that explains nothing."""


HANDLER_NONE = 0
HANDLER_EP0 = 1
HANDLER_USB_EVENT = 2


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was recorded when the status was made; small integers, ready for a log.

    Attributes:
        age_ms: how long the condition has lasted, as far as samples show it.
        handler: the handler in progress: 0 none, 1 EP0, 2 USB event.
        handler_age_ms: how long that handler has been in progress; 0 when there is none.
        dma_count: buffers produced, from the last sample.
        gpif_state: state machine state from the last sample; 255 when off or unknown.
        buffers_full: full buffers from the last sample; 255 when unknown.
        clock: 1 on and locked, 0 lost, 2 never reported.
        host_reading: 1 reading, 0 idle, 2 never reported.
        ep0_errors: failed and cancelled EP0 transfers since init, wrapping at 32 bits.
        pib_errors: PIB errors since init, wrapping at 32 bits.
        pib_code: code of the last PIB error; 0 before the first.
        underruns: EP1 underruns since init, wrapping at 32 bits.
    """

    age_ms: int = 0
    handler: int = HANDLER_NONE
    handler_age_ms: int = 0
    dma_count: int = 0
    gpif_state: int = 255
    buffers_full: int = 255
    clock: int = 2
    host_reading: int = 2
    ep0_errors: int = 0
    pib_errors: int = 0
    pib_code: int = 0
    underruns: int = 0


@dataclass(frozen=True, slots=True)
class Status:
    """The answer of one evaluation.

    Attributes:
        code: the condition.
        since_ms: when it began, in the platform's 32-bit ms; 0 for OK.
        evidence: what it rests on.
    """

    code: StatusCode
    since_ms: int
    evidence: Evidence


HEALTHY = Status(StatusCode.OK, 0, Evidence())
"""The one OK status: a healthy poll allocates nothing."""
