"""The rules of GETSTATS: every field, and what explains its change since the last sample."""

from __future__ import annotations

from collections.abc import Iterator

from hw.exchange import Exchange
from hw.protocol import (
    CLOCK_INITIALISING,
    CLOCK_PLL_A_UNLOCKED,
    OVERRUN_THREAD_0,
    OVERRUN_THREAD_1,
    Stats,
)
from scenarios.contract.belief import Belief
from scenarios.contract.clock import POWER_DOWN
from scenarios.contract.terms import Terms

OVERRUNS = (OVERRUN_THREAD_0, OVERRUN_THREAD_1)


def judge_fields(belief: Belief, terms: Terms, stats: Stats) -> Iterator[str]:
    """Yield what is wrong with the fields that no stream moves; learn what they tell.

    Args:
        belief: what is believed.
        terms: of the revision.
        stats: the sample.
    """
    last = belief.last
    if last is not None:
        yield from _judge_failures(belief, stats.i2c_failures - last.i2c_failures)
        if stats.streaming_faults < last.streaming_faults:
            yield f"streaming_faults went back to {stats.streaming_faults}"
    belief.nacks = belief.unsure_nacks = 0
    if stats.pib_errors:
        if stats.last_pib_error not in OVERRUNS:
            yield f"last PIB error {stats.last_pib_error:#x}, expected 0x1005 or 0x1006"
    elif stats.last_pib_error:
        yield f"last PIB error {stats.last_pib_error:#x} though none was counted"
    yield from _judge_clock(belief, terms, stats)


def judge_stream(belief: Belief, stats: Stats, exchange: Exchange) -> Iterator[str]:
    """Yield what is wrong with GPIF state, DMA count and PIB errors; learn what they tell."""
    stream = belief.stream
    yield from stream.judge_state(stats, exchange)
    yield from stream.judge_count(stats, belief.last, exchange)
    yield from stream.judge_pib(stats, belief.last, exchange)


def _judge_failures(belief: Belief, grown: int) -> Iterator[str]:
    least, most = belief.nacks, belief.nacks + belief.unsure_nacks
    if not least <= grown <= most:
        expected = str(least) if least == most else f"{least} to {most}"
        yield f"i2c_failures grew by {grown}, expected {expected}"


def _judge_clock(belief: Belief, terms: Terms, stats: Stats) -> Iterator[str]:
    clock = belief.clock
    if stats.clock_status & CLOCK_INITIALISING:
        yield f"clock status {stats.clock_status:#04x}: SYS_INIT is set"
    is_unlocked = bool(stats.clock_status & CLOCK_PLL_A_UNLOCKED)
    if clock.is_locked and is_unlocked:
        yield f"clock status {stats.clock_status:#04x}: PLL A is not locked"
    if not terms.sends_clock_control or stats.clk0_control is None:
        return
    if stats.boot_count != 1:
        yield f"boot_count {stats.boot_count}, expected 1"
    if clock.control is not None and stats.clk0_control != clock.control:
        yield f"CLK0 control {stats.clk0_control:#04x}, expected {clock.control:#04x}"
    if stats.clk0_on is (stats.clk0_control & POWER_DOWN != 0):
        yield f"clk0_on {stats.clk0_on} against CLK0 control {stats.clk0_control:#04x}"
    clock.control = stats.clk0_control
