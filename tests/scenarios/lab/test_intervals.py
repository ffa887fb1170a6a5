"""Confidence intervals: published figures, coverage, and what they do at the ends."""

from __future__ import annotations

import pytest

from scenarios.lab import intervals
from sim.streams import Stream


def test_wilson_as_published():
    """Newcombe 1998, table I: 81 of 263 is 25.53 to 36.62 %, 15 of 148 is 6.24 to 16.05 %."""
    found = intervals.share(81, 263)
    assert (found.low, found.high) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    found = intervals.share(15, 148)
    assert (found.low, found.high) == pytest.approx((0.0624, 0.1605), abs=5e-5)


def test_no_success_is_not_certainty():
    """0 of 20: up to 16.11 % (Newcombe 1998); of nothing nothing is known."""
    found = intervals.share(0, 20)
    assert (found.value, found.low) == (0.0, 0.0)
    assert found.high == pytest.approx(0.1611, abs=5e-5)
    assert intervals.share(20, 20).high == 1.0
    assert intervals.share(0, 0) == intervals.NOTHING


def test_the_order_statistics_of_a_median_are_the_textbook_ones():
    """Of 20 values the 6th and the 15th enclose the median with 95.9 %."""
    found = intervals.quantile(list(range(1, 21)), 0.5)
    assert (found.low, found.high) == (6, 15)


def test_too_few_runs_do_not_bound_a_tail():
    """The 99 % quantile of 100 runs has no upper end; from 368 runs on it has."""
    assert intervals.quantile(list(range(100)), 0.99).high is None
    assert intervals.quantile(list(range(368)), 0.99).high is not None
    assert intervals.quantile(list(range(367)), 0.99).high is None


def test_quantile_intervals_cover_as_often_as_they_say():
    """Of 400 samples of 60, the interval holds the 80 % quantile in about 95 % or more."""
    held = 0
    for number in range(400):
        values = Stream(number, "coverage").many_below(10_000, 60)
        found = intervals.quantile(values, 0.8)
        held += (found.low or 0) <= 8_000 <= (found.high or 10_000)
    assert held / 400 >= 0.93


def test_the_bootstrap_covers_a_mean_and_is_the_same_each_time():
    """Of 200 samples of 40 values 0 to 99, around 49.5."""
    held = 0
    for number in range(200):
        values = Stream(number, "mean").many_below(100, 40)
        found = intervals.mean(values, "test")
        held += found.low <= 49.5 <= found.high
    assert held / 200 >= 0.90
    assert intervals.mean([1, 2, 9], "a") == intervals.mean([1, 2, 9], "a")


def test_a_mean_of_equal_values_has_no_width():
    """Nothing to resample."""
    assert intervals.mean([5, 5, 5], "x") == intervals.Estimate(5.0, 5.0, 5.0, 3)
    assert intervals.mean([], "x") == intervals.NOTHING


def test_rank_correlation_sees_order_alone():
    """Any rising function is +1; the opposite -1; a constant says nothing."""
    rising = [1, 2, 3, 4, 5, 6]
    assert intervals.rank_correlation(rising, [item**5 for item in rising]).value == 1
    assert intervals.rank_correlation(rising, [-item for item in rising]).value == -1
    assert intervals.rank_correlation(rising, [3] * 6).value is None


def test_rank_correlation_shares_ranks_among_equals():
    """Spearman with ties: Pearson on mean ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4."""
    found = intervals.rank_correlation([1, 2, 2, 3], [1, 2, 3, 4])
    assert found.value == pytest.approx(0.948683, abs=1e-6)
    assert found.low < found.value < found.high
