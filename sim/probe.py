"""A look at the chip at fixed intervals, for traces and pictures; it changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.chip.gpif import GpifState

if TYPE_CHECKING:
    from sim.world import BenchWorld

CHIP_OFF = "no firmware"


class Probe:
    """Records GPIF state, buffer count and fill level of the chip into the world's trace.

    Args:
        world: a bench with a recorder.
        interval_ms: between two looks.
    """

    def __init__(self, world: BenchWorld, interval_ms: int = 10) -> None:
        self.world = world
        self.interval_ns = interval_ms * 1_000_000
        self._look()

    def _look(self) -> None:
        world = self.world
        trace = world.trace
        if trace is None:
            return
        now = world.now_ns
        flow = world.chip.stream.flow
        program = world.firmware
        state = CHIP_OFF if program is None else GpifState(flow.state(now)).name
        trace.state("fx3/GPIF", state, now)
        trace.counter("fx3/DMA count", "buffers", now, flow.produced(now))
        trace.counter("fx3/buffers full", "buffers", now, flow.full(now))
        world.alarm(now + self.interval_ns, self._look)
