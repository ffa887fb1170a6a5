"""How a supervisor holds itself back."""

import pytest
from hypothesis import given, strategies as st

from hw.supervisor import UNRESTRAINED, Restraint

LIMIT = Restraint(resets=3, window_s=1_000, first_pause_s=10, longest_pause_s=100)


def test_the_first_reset_waits_for_nothing():
    assert LIMIT.hindrance(5_000, ()) == ""


@pytest.mark.parametrize(("after_s", "is_held"), [(9, True), (10, False), (11, False)])
def test_the_second_waits_for_the_first_pause(after_s, is_held):
    """T - 1, T, T + 1."""
    assert bool(LIMIT.hindrance(5_000 + after_s, (5_000,))) is is_held


@pytest.mark.parametrize(("after_s", "is_held"), [(19, True), (20, False)])
def test_each_reset_doubles_the_pause(after_s, is_held):
    assert bool(LIMIT.hindrance(5_000 + after_s, (4_900, 5_000))) is is_held


def test_the_pause_has_a_longest():
    patient = Restraint(resets=0, window_s=10_000, first_pause_s=10, longest_pause_s=100)
    resets_s = tuple(range(5_000, 5_600, 10))
    assert "back-off of 100 s" in patient.hindrance(5_600, resets_s)
    assert patient.hindrance(5_690, resets_s) == ""


@pytest.mark.parametrize(("after_s", "is_held"), [(999, True), (1_000, False)])
def test_so_many_resets_in_a_window_are_a_crash_loop(after_s, is_held):
    """The window slides: once the oldest has left it, the device gets another chance."""
    resets_s = (5_000, 5_300, 5_600)
    reason = LIMIT.hindrance(5_000 + after_s, resets_s)
    assert ("crash loop: 3 resets within 1000 s" in reason) is is_held
    assert (reason == "") is not is_held


def test_the_reason_of_one_hindrance_stays_the_same():
    """A log that tells news alone would repeat a countdown each second."""
    assert len({LIMIT.hindrance(now_s, (5_000,)) for now_s in range(5_000, 5_010)}) == 1


@given(st.integers(0, 10**9), st.lists(st.integers(0, 10**9), max_size=8))
def test_a_clock_that_was_set_back_never_holds_for_longer_than_the_window(now_s, resets_s):
    """However wrong the stamps, after a window without resets it may act again."""
    free_s = max([now_s, *resets_s], default=0) + LIMIT.window_s
    assert LIMIT.hindrance(free_s, resets_s) == ""


def test_a_reset_in_the_future_does_not_stretch_the_pause():
    assert LIMIT.hindrance(5_000, (5_900,)) == ""


@given(st.integers(0, 10**9), st.lists(st.integers(0, 10**9), max_size=8))
def test_unrestrained_is_never_in_the_way(now_s, resets_s):
    assert UNRESTRAINED.hindrance(now_s, resets_s) == ""
