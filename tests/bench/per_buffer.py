"""The stream as one would first write it: SimPy, one event a buffer. The baseline to beat.

It is lean on purpose, so that the comparison is fair: two processes, bare events, no Store and no
Container, whole buffers and not packets, no state machine, and no way to stop, to lose a word or
to ask for a state. It can only count buffers of a stream that runs.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Generator

import simpy

BUFFER_COUNT = 8
BUFFER_WORDS = 8192
BUFFER_DRAIN_NS = 16 * 2_560
NS_PER_S = 1_000_000_000

Process = Generator[simpy.Event, None, None]


class PerBuffer:
    """A producer that fills buffers at a sample rate, and a host that empties them."""

    def __init__(self, env: simpy.Environment, rate_hz: int) -> None:
        self.env = env
        self.rate_hz = rate_hz
        self.filled = 0
        self.emptied = 0
        self.room: simpy.Event | None = None
        self.data: simpy.Event | None = None
        env.process(self.produce())
        env.process(self.consume())

    def produce(self) -> Process:
        """Fill the next buffer, waiting for room where all are full."""
        env = self.env
        begun_ns = 0
        words = 0
        while True:
            if self.filled - self.emptied == BUFFER_COUNT:
                self.room = env.event()
                yield self.room
                begun_ns, words = int(env.now), 0
            words += BUFFER_WORDS
            full_ns = begun_ns - (-words * NS_PER_S // self.rate_hz)
            yield env.timeout(full_ns - env.now)
            self.filled += 1
            if self.data is not None:
                self.data.succeed()
                self.data = None

    def consume(self) -> Process:
        """Empty the oldest full buffer, waiting where there is none."""
        env = self.env
        while True:
            if self.filled == self.emptied:
                self.data = env.event()
                yield self.data
            yield env.timeout(BUFFER_DRAIN_NS)
            self.emptied += 1
            if self.room is not None:
                self.room.succeed()
                self.room = None


def run(seconds: float, rate_hz: int) -> dict[str, float]:
    """Stream for so many simulated seconds to a host that always reads.

    Returns ``filled`` and ``emptied`` (buffers), ``wall_s`` (real seconds taken),
    ``times_real_time`` (simulated over real) and ``us_per_buffer`` (real microseconds a buffer).
    """
    env = simpy.Environment()
    stream = PerBuffer(env, rate_hz)
    began_s = time.perf_counter()
    env.run(until=round(seconds * NS_PER_S))
    wall_s = time.perf_counter() - began_s
    return {
        "filled": stream.filled,
        "emptied": stream.emptied,
        "wall_s": wall_s,
        "times_real_time": seconds / wall_s,
        "us_per_buffer": 1e6 * wall_s / max(stream.filled, 1),
    }


if __name__ == "__main__":
    simulated_s = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    for name, value in run(simulated_s, 64_000_000).items():
        print(f"{name:16} {value:,.2f}")
