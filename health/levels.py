"""The rungs of the cascade and how a remedy can end."""

from __future__ import annotations

from enum import IntEnum


class Level(IntEnum):
    """A rung of the recovery cascade; a higher one costs the host more.

    Source: the five-level plan of the RX888mk2 firmware (PLAN_RECOVERY.md, section 4).
    """

    STREAM = 1
    """Stop the state machine, reset the DMA channel, flush EP1, start again; 1 to 2 ms."""
    EP0 = 2
    """Stall and unstall EP0, flush EP1; about 10 ms."""
    APPLICATION = 3
    """Stop and start the application; about 100 ms."""
    DEVICE_RESET = 4
    """CyU3PDeviceReset(cold): the boot ROM appears and the host uploads again."""
    WATCHDOG = 5
    """The hardware watchdog, autonomous: it is never selected, only no longer held off."""


class Outcome(IntEnum):
    """How a remedy ended, or why none was applied."""

    NONE = 0
    """Nothing to do: the status is OK, or is reported only."""
    DONE = 1
    """The remedy ran to its end. Whether it helped is for the next statuses to show."""
    FAILED = 2
    """The remedy did not get to its end within its budget."""
    REFUSED = 3
    """A guard forbade the level, or no level of the ladder is available here.

    It is no failure: it never escalates and never uses up a cap.
    """
    CAPPED = 4
    """Every level that was left is at its cap; nothing was applied."""
    COOLING = 5
    """The next level waits: for its cool-down, for the last remedy to settle, or for a handler
    that may still end to let go of the locks that the level takes."""


def level_bit(level: Level) -> int:
    """Return the bit of *level* in the mask that `Platform.available` answers.

    Args:
        level: a rung, 1 to 5.

    Returns:
        1 << level; bit 0 is never used.
    """
    return 1 << level
