"""32-bit time: every age survives the wrap."""

import pytest

from health.ticks import LATEST_READER_MS, WRAP, age_ms


@pytest.mark.parametrize("then_ms", [0, 1, 2**31 - 1, 2**31, 2**32 - 1])
@pytest.mark.parametrize("age", [0, 1, 299, 2000, 2**31, 2**32 - LATEST_READER_MS - 1])
def test_age_survives_the_wrap(then_ms, age):
    """An age is the same wherever in the 32-bit circle it lies, up to 49.7 days less a minute."""
    assert age_ms((then_ms + age) & WRAP, then_ms) == age


@pytest.mark.parametrize("now_ms", [0, 5, 2**31, 2**32 - 1])
@pytest.mark.parametrize("ahead_ms", [1, 2, 1000, LATEST_READER_MS])
def test_a_stamp_in_the_future_is_new(now_ms, ahead_ms):
    """A stamp written after the reader looked at the clock is 0 ms old, not 49 days."""
    assert age_ms(now_ms, (now_ms + ahead_ms) & WRAP) == 0


def test_a_reader_is_at_most_a_minute_late():
    """One ms beyond a minute in the future is an age again."""
    assert LATEST_READER_MS == 60_000
    assert age_ms(0, LATEST_READER_MS + 1) == WRAP - LATEST_READER_MS
