"""Stalls that pass: the closed form, the count over all phases, and runs agree.

Facts: ``health.c`` (the gate), S131 system/cyu3device.c (the period), docs/bounds.md.
"""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings, strategies as st

from health import Policy
from scenarios.lab.bench import LabBench
from scenarios.lab.stalls import clock_corners, pairs, phases, sample, share, survey
from sim.options import Options

SHIPPED = Policy.preset("level-1-4-5")
REFERENCE = Policy.preset("reference")
BENCH = LabBench.of("fw-2.3")
IDEAL_NS = 5_000_000_000


@pytest.mark.parametrize(
    ("stall_ms", "published"),
    [(2_500, 0), (2_900, 3), (3_500, 23), (4_000, 40), (5_000, 73), (6_100, 100)],
)
def test_the_published_shares_are_those_of_a_loop_that_loses_two_beats(stall_ms, published):
    """And they are the same for 5000 and 5156.25 ms: both outlast one look, and not two."""
    real = survey(stall_ms, SHIPPED, BENCH, beats_lost=2)
    ideal = survey(stall_ms, SHIPPED, BENCH, beats_lost=2, period_ns=IDEAL_NS)
    assert round(100 * real.fatal) == published
    assert real.fatal == ideal.fatal
    assert real.in_vain >= ideal.in_vain


@pytest.mark.parametrize(("stall_ms", "fatal"), [(2_899, 0), (2_900, 0), (2_901, 1), (2_902, 2)])
def test_the_longest_stall_that_every_phase_survives(stall_ms, fatal):
    """2900 ms, see docs/bounds.md; each ms more costs one phase in 3000."""
    assert share(stall_ms, SHIPPED, BENCH) == Fraction(fatal, 3_000)


@given(
    stall_ms=st.integers(0, 20_000),
    policy=st.sampled_from((SHIPPED, REFERENCE)),
    clock_ppm=st.integers(-40_000, 40_000),
    tick_ppm=st.integers(-40_000, 40_000),
)
@settings(max_examples=60, deadline=None)
def test_the_closed_form_is_the_count_over_all_phases(stall_ms, policy, clock_ppm, tick_ppm):
    bench = LabBench.of("fw-2.3", Options(watchdog_clock_ppm=clock_ppm, tick_ppm=tick_ppm))
    assert survey(stall_ms, policy, bench).fatal == share(stall_ms, policy, bench)


@pytest.mark.parametrize("stall_ms", [2_900, 4_000, 5_900])
def test_runs_end_as_the_closed_form_says(stall_ms):
    """At each sampled phase: reset or not, and one period after the last look that petted."""
    for phase_ms in phases(SHIPPED, 12):
        found = sample(stall_ms, SHIPPED, BENCH, phase_ms)
        fatal = stall_ms + SHIPPED.poll_interval_ms >= found.lag_ms + SHIPPED.pet_interval_ms
        assert (found.reset_after_ms is not None) == fatal
        if found.reset_after_ms is not None:
            assert found.reset_after_ms == pytest.approx(found.lag_ms + 5_156.25, abs=0.11)


@pytest.mark.parametrize(("lag_ms", "reset"), [(1_100, True), (1_101, False)])
def test_one_tick_decides(lag_ms, reset):
    """A stall of 4000 ms: the first beat after it comes with the second look, or before it."""
    found = sample(4_000, SHIPPED, BENCH, 3_000 - lag_ms)
    assert (found.lag_ms, found.reset_after_ms is not None) == (lag_ms, reset)


def test_samples_spread_over_both_axes():
    found = phases(SHIPPED, 60)
    assert len(set(found)) == 60
    assert len({phase % 100 for phase in found}) > 30
    assert 0 <= min(found) <= max(found) < 3_000


def test_a_pair_is_as_good_as_on_the_worst_board():
    """3000 x 1000 outlasts three looks by 94 ms, which a clock that is 4 % off eats."""
    (nominal,) = pairs(SHIPPED, [BENCH], [3_000], [1_000])
    (spread,) = pairs(SHIPPED, clock_corners("fw-2.3", 40_000), [3_000], [1_000])
    assert (nominal.survivable_ms, nominal.reset_ms) == (2_900, 4_093.75)
    assert spread.survivable_ms < 2_000
    assert spread.reset_ms > nominal.reset_ms


def test_a_pair_that_never_pets_is_left_out():
    assert not pairs(SHIPPED, [BENCH], [3_000], [3_000, 4_000])
