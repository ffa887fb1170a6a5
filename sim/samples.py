"""What the samples of a stream are: a 16-bit counter of what was delivered.

It numbers the packets that reached the host, so it shows whether a reader lost or doubled any;
samples that the device itself lost leave no gap in it.
"""

from __future__ import annotations

from functools import cache

from hw.protocol import BULK_PACKET_SS_BYTES, SAMPLE_BYTES

PERIOD_BYTES = SAMPLE_BYTES << 16
"""After so many bytes the counter begins again."""


@cache
def _periods() -> memoryview:
    """Two periods of the counter: any stretch of one period is a slice of them."""
    import numpy as np

    return memoryview(np.arange(1 << 16, dtype="<u2").tobytes() * 2)


def fill(buffer: memoryview, first_packet: int, packet_bytes: int = BULK_PACKET_SS_BYTES) -> None:
    """Fill a buffer with little-endian 16-bit samples that count up.

    Args:
        buffer: bytes to overwrite, all of them.
        first_packet: number of its first packet since the device attached.
        packet_bytes: size of a packet.
    """
    source = _periods()
    start = first_packet * packet_bytes % PERIOD_BYTES
    length = len(buffer)
    if length <= PERIOD_BYTES:
        buffer[:] = source[start : start + length]
        return
    for offset in range(0, length, PERIOD_BYTES):
        piece = buffer[offset : offset + PERIOD_BYTES]
        piece[:] = source[start : start + len(piece)]


def counter_samples(first_packet: int, length_bytes: int) -> bytes:
    """The same samples as bytes of their own.

    Args:
        first_packet: number of the first packet since the device attached.
        length_bytes: how much to make.
    """
    samples = bytearray(length_bytes)
    fill(memoryview(samples), first_packet)
    return bytes(samples)
