"""What the samples of a stream are: a 16-bit counter of what was delivered.

It numbers the packets that reached the host, so it shows whether a reader lost or doubled any;
samples that the device itself lost leave no gap in it.
"""

from __future__ import annotations

from hw.protocol import BULK_PACKET_SS_BYTES, SAMPLE_BYTES

SAMPLES_PER_PACKET = BULK_PACKET_SS_BYTES // SAMPLE_BYTES


def counter_samples(first_packet: int, length_bytes: int) -> bytes:
    """Little-endian 16-bit samples that count up from the first packet on.

    Args:
        first_packet: number of the first packet since the device attached.
        length_bytes: how much to make.
    """
    import numpy as np

    start = first_packet * SAMPLES_PER_PACKET
    count = length_bytes // SAMPLE_BYTES
    return np.arange(start, start + count, dtype=np.uint64).astype("<u2").tobytes()
