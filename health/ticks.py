"""Time as the device counts it: unsigned 32-bit milliseconds that wrap after 49.7 days.

Every age in this package is made here, so that the wrap is thought about once.
"""

from __future__ import annotations

WRAP = 0xFFFF_FFFF
"""The largest value of a 32-bit counter, and the mask that wraps one."""

LATEST_READER_MS = 60_000
"""How late a reader can be between looking at the clock and looking at a time stamp, in ms.

A thread of higher priority may write a stamp in between, which then lies in the reader's future.
"""


def age_ms(now_ms: int, then_ms: int) -> int:
    """Return how long ago *then_ms* was, in ms, over any wrap of the counter.

    A stamp up to `LATEST_READER_MS` in the future is 0 ms old. The plain unsigned difference would
    call it 49.7 days old, and every limit would be over at once.

    Args:
        now_ms: the present, 32-bit ms.
        then_ms: the stamp, 32-bit ms.

    Returns:
        The age in ms, 0 to 2**32 - 60,001.

    Source: tx_time_get() counts 1 ms ticks in 32 bits (ThreadX; CyU3PGetTime in cyu3os.h).
    """
    difference_ms = (now_ms - then_ms) & WRAP
    return 0 if difference_ms > WRAP - LATEST_READER_MS else difference_ms
