"""Which remedies make sense for which status, in order; a policy cuts each ladder to its taste."""

from __future__ import annotations

from health.levels import Level
from health.status import StatusCode

LADDERS: dict[StatusCode, tuple[Level, ...]] = {
    StatusCode.OK: (),
    # A paused reader looks the same, and Ctrl-C on a host program must not cost the firmware.
    StatusCode.STREAM_STALL: (Level.STREAM,),
    StatusCode.STREAM_WEDGE: (Level.STREAM, Level.APPLICATION, Level.DEVICE_RESET),
    StatusCode.COLD_START: (Level.STREAM, Level.APPLICATION, Level.DEVICE_RESET),
    # The host may have stopped the clock on purpose, and no level of the device mends one.
    StatusCode.CLOCK_LOST: (),
    # Levels 2 and 3 take locks that the hung thread may hold.
    StatusCode.EP0_WEDGED: (Level.DEVICE_RESET,),
    StatusCode.USB_EVENT_WEDGED: (Level.DEVICE_RESET,),
    StatusCode.EP0_DESYNC: (Level.EP0, Level.DEVICE_RESET),
    StatusCode.APPLICATION_WEDGED: (Level.APPLICATION, Level.DEVICE_RESET),
    StatusCode.UNKNOWN: (Level.EP0, Level.APPLICATION, Level.DEVICE_RESET),
}
"""The remedies of each status. Level 5 is on none: it is autonomous."""


def field_names(code: StatusCode) -> tuple[str, str]:
    """Return the two policy fields that cut the ladder of *code*: first level and ceiling."""
    prefix = code.name.lower()
    return f"{prefix}_first_level", f"{prefix}_ceiling"
