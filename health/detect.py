"""From what was recorded to a status: the detection rules, in order of priority, all pure."""

from __future__ import annotations

from typing import Final

from health.policy import Policy
from health.record import (
    CLOCK_LOST,
    CLOCK_ON,
    HOST_READING,
    NEVER_REPORTED,
    READ_STATES,
    UNKNOWN_BYTE,
    Record,
    is_blocked,
)
from health.status import (
    HANDLER_EP0,
    HANDLER_NONE,
    HANDLER_USB_EVENT,
    HEALTHY,
    Evidence,
    Status,
    StatusCode,
)
from health.ticks import WRAP, age_ms

_OK: Final = StatusCode.OK
"""In reach: Python looks an enum's member up by name, and this one is asked for in each poll."""


def detect(policy: Policy, record: Record, stream_treated: bool) -> Status:
    """Return the status that *record* proves; change nothing.

    A hung handler comes first: while the USB thread is stuck no remedy for the stream may be
    tried, since it would wait for locks that the thread may hold.

    Args:
        policy: the limits in ms, 0 = not looked for. A limit is over at exactly its age.
        record: what was recorded.
        stream_treated: whether a streaming wedge was treated and health not proven since.

    Returns:
        `HEALTHY`, or a new status.
    """
    ep0 = record.ep0
    usb_event = record.usb_event
    # The order is the proof: counts, time stamps, clock, counts again. See Handler.
    ep0_sequence = ep0.sequence
    event_sequence = usb_event.sequence
    ep0_errors = record.ep0_errors
    ep0_enter_ms = ep0.enter_ms
    event_enter_ms = usb_event.enter_ms
    oldest_error_ms = record.oldest_ep0_error_ms()
    now_ms = record.now_ms()
    ep0_busy = bool(ep0_sequence & 1) and ep0_sequence == ep0.sequence
    event_busy = bool(event_sequence & 1) and event_sequence == usb_event.sequence

    seen_ms = now_ms
    if ep0_busy and is_over(age_ms(now_ms, ep0_enter_ms), policy.ep0_limit_ms):
        code = StatusCode.EP0_WEDGED
        since_ms = ep0_enter_ms
    elif event_busy and is_over(age_ms(now_ms, event_enter_ms), policy.usb_event_limit_ms):
        code = StatusCode.USB_EVENT_WEDGED
        since_ms = event_enter_ms
    elif (
        not (ep0_busy or event_busy)
        and ep0_errors == record.ep0_errors
        and _errors_enough(policy, record)
        # A window of 0, with a limit of 0, is off: no age lies in it.
        and age_ms(now_ms, oldest_error_ms) < policy.ep0_desync_window_ms
    ):
        code = StatusCode.EP0_DESYNC
        since_ms = oldest_error_ms
    elif record.armed and record.sample_epoch == record.epoch:
        if record.dma_count and record.state_since_ms == record.sample_ms:
            return HEALTHY  # it moved since the last look: no age, so no limit is reached
        # Only samples age a stream: while none come, nothing is proven about it.
        since_ms = record.state_since_ms if record.dma_count else record.count_since_ms
        seen_ms = record.sample_ms
        code = _detect_stream(policy, record, age_ms(seen_ms, since_ms))
        if code == StatusCode.STREAM_WEDGE and stream_treated:
            code = StatusCode.APPLICATION_WEDGED
    else:
        return HEALTHY
    if code == _OK:
        return HEALTHY

    handler = HANDLER_NONE
    handler_age_ms = 0
    if ep0_busy:
        handler = HANDLER_EP0
        handler_age_ms = age_ms(now_ms, ep0_enter_ms)
    elif event_busy:
        handler = HANDLER_USB_EVENT
        handler_age_ms = age_ms(now_ms, event_enter_ms)
    evidence = Evidence(
        age_ms=age_ms(seen_ms, since_ms),
        handler=handler,
        handler_age_ms=handler_age_ms,
        dma_count=record.dma_count,
        gpif_state=record.gpif_state,
        buffers_full=record.buffers_full,
        clock=record.clock,
        host_reading=record.host_reading,
        ep0_errors=ep0_errors,
        pib_errors=record.pib_errors,
        pib_code=record.pib_code,
        underruns=record.underruns,
    )
    return Status(code, since_ms, evidence)


def is_over(age: int, limit_ms: int) -> bool:
    """Return whether *age* (ms) has reached *limit_ms*; a limit of 0 is never reached."""
    return limit_ms != 0 and age >= limit_ms


def _errors_enough(policy: Policy, record: Record) -> bool:
    """Return whether enough EP0 transfers failed since the last bus reset and remedy."""
    since_bus = (record.ep0_errors - record.ep0_forgiven_by_bus) & WRAP
    since_remedy = (record.ep0_errors - record.ep0_forgiven_by_remedy) & WRAP
    return min(since_bus, since_remedy) >= policy.ep0_desync_limit


def _detect_stream(policy: Policy, record: Record, still_ms: int) -> StatusCode:
    """Judge a stream whose samples have shown the same for *still_ms*."""
    if record.clock == CLOCK_LOST and policy.clock_lost_ms:
        # Nothing else is looked for: no level mends a clock, and the host may have stopped it.
        lost = still_ms >= policy.clock_lost_ms
        return StatusCode.CLOCK_LOST if lost else _OK
    if record.dma_count == 0:
        return _detect_without_buffers(policy, record, still_ms)
    if is_blocked(record.gpif_state):
        return _detect_blocked(policy, record, still_ms)
    return _detect_frozen(policy, record, still_ms)


def _detect_without_buffers(policy: Policy, record: Record, still_ms: int) -> StatusCode:
    """Judge a count of zero: before the first buffer of a session, or after level 1 zeroed it."""
    if record.clock == CLOCK_LOST or _reader_explains(policy, record):
        return _OK
    if record.flowed_session == record.session:
        wedged = is_over(still_ms, policy.stream_wedge_ms)
        return StatusCode.STREAM_WEDGE if wedged else _OK
    # A disabled block before the first buffer is the host's doing: STARTADC stops it by force.
    if record.clock != CLOCK_ON or record.gpif_state == UNKNOWN_BYTE:
        return _OK
    cold = is_over(still_ms, policy.cold_start_ms)
    return StatusCode.COLD_START if cold else _OK


def _detect_blocked(policy: Policy, record: Record, still_ms: int) -> StatusCode:
    """Judge a frozen count while the state machine waits for a buffer."""
    if (
        policy.stream_wedge_ms
        and record.clock != CLOCK_LOST
        and not _reader_explains(policy, record)
    ):
        wedged = still_ms >= policy.stream_wedge_ms
        return StatusCode.STREAM_WEDGE if wedged else _OK
    stalled = is_over(still_ms, policy.stream_stall_ms)
    return StatusCode.STREAM_STALL if stalled else _OK


def _detect_frozen(policy: Policy, record: Record, still_ms: int) -> StatusCode:
    """Judge a frozen count in a state that does not wait for a buffer."""
    if record.clock == CLOCK_ON and record.gpif_state != UNKNOWN_BYTE:
        unexplained = is_over(still_ms, policy.unknown_ms)
        return StatusCode.UNKNOWN if unexplained else _OK
    # Read states are left at the next clock edge, so freezing in one proves the clock dead.
    if record.clock == NEVER_REPORTED and READ_STATES >> record.gpif_state & 1:
        lost = is_over(still_ms, policy.clock_lost_ms)
        return StatusCode.CLOCK_LOST if lost else _OK
    return _OK


def _reader_explains(policy: Policy, record: Record) -> bool:
    """Return whether a paused reader would look the same: buffers full, host takes none."""
    if record.host_reading == HOST_READING:
        return False
    if record.buffers_full == UNKNOWN_BYTE:
        return bool(is_blocked(record.gpif_state))
    return record.buffers_full >= policy.ring_buffers
