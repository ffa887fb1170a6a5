"""A soak's memory, which must not grow with simulated time."""

from __future__ import annotations

import gc
import tracemalloc

import pytest

from scenarios.soak.bench import SoakBench
from scenarios.soak.harness import Harness
from scenarios.soak.plan import Plan
from scenarios.soak.tables import table

HOURS = 3
GROWTH_BYTES_MAX = 256 << 10
"""What the lists of the latest events may still take after an hour, until they are full."""


@pytest.mark.heavy
def test_two_more_hours_of_a_soak_take_no_more_memory():
    """A hundred boots and 4,000 cycles later Python holds what it held after the first hour."""
    chosen = table("v0.1.0").reweighted({"sustained_stream": 0})
    held_bytes: list[int] = []

    def look(done: float) -> None:
        if done * HOURS >= len(held_bytes):
            gc.collect()
            held_bytes.append(tracemalloc.get_traced_memory()[0])

    with SoakBench(chosen, "fw-2.3", "level-1-4-5", seed=26) as place:
        tracemalloc.start()
        try:
            Harness(Plan(chosen, 26, HOURS), place, lambda line: None, progress=look).run()
            look(1.0)
        finally:
            tracemalloc.stop()
        boots = place.world.chip.resets.total
    _, *hourly_bytes = held_bytes[: HOURS + 1]
    assert max(hourly_bytes) - hourly_bytes[0] < GROWTH_BYTES_MAX, hourly_bytes
    assert boots > 100
