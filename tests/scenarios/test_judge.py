"""Verdicts and onsets, on runs with faults of many kinds."""

from __future__ import annotations

import pytest

from scenarios.registry import find
from scenarios.runner import run_episode
from sim.faults import Fault


def stream_with(fault, policy="none", position="device", firmware="fw-2.3"):
    return run_episode(
        find("steady_stream"),
        firmware=firmware,
        policy=policy,
        position=position,
        faults=[Fault.parse(fault)],
    ).row


def test_a_hung_main_thread_degrades():
    """It serves, but a hung thread is left in it."""
    row = stream_with("main_hang:at_ms=3000")
    assert (row.verdict, row.manner, row.is_good) == ("degraded", "blocked", False)


def test_a_main_thread_that_comes_back_does_not():
    """A stall that passes leaves nothing behind."""
    row = stream_with("main_hang:at_ms=3000,for_ms=1500", policy="reference")
    assert (row.verdict, row.remedies) == ("left_alone", ())


def test_a_dead_timer_degrades_without_level_5():
    """No time-out expires any more, but a stream that runs needs none."""
    assert stream_with("timer_death:at_ms=6000").verdict == "degraded"


def test_a_dead_timer_is_reset_by_level_5():
    """Without its timer nobody pets the watchdog."""
    row = stream_with("timer_death:at_ms=6000", policy="level-1-4-5")
    assert (row.verdict, row.detected_level, row.violations) == ("recovered", 5, ())


def test_a_silent_dma_error_is_mended_unseen_by_level_1():
    """The host sees nothing when level 1 is faster than its patience."""
    row = stream_with("dma_error:at_ms=4000", policy="level-1")
    assert (row.verdict, row.remedies, row.host_saw) == ("recovered", (1,), "nothing")


def test_a_station_restarts_a_dead_stream_itself():
    """Without any watchdog a STOP and START of the program is what mends it."""
    row = stream_with("dma_error:at_ms=4000")
    assert (row.verdict, row.detected_level, row.uploads) == ("recovered", None, 0)
    assert row.host_saw == "no data for 1 s"
    assert 1000 < row.serving_after_ms < 1200


def test_a_lost_clock_comes_back_by_itself():
    """Data can come no sooner than the clock does."""
    row = stream_with("clock_loss:at_ms=4000,for_ms=5000")
    assert row.verdict == "recovered"
    assert 5000 <= row.serving_after_ms < 8500


def test_a_handler_that_returns_in_time_is_no_wedge():
    """Blocked for 1.5 s: a time-out at the host, and the device lives.

    The station stops reading at that, so that level 1 may see a stall; nothing higher acts.
    """
    fault = "hang:call=i2c_receive_bytes,thread=usb,at_ms=4000,for_ms=1500"
    row = stream_with(fault, policy="level-1-4-5")
    assert (row.verdict, row.uploads) == ("recovered", 0)
    assert set(row.remedies) <= {1}
    assert row.host_saw == "time-out of GETSTATS"


def test_a_fault_that_never_triggered_says_so():
    """It is reported, and the episode is not good whatever its verdict."""
    row = stream_with("main_hang:at_ms=900000")
    assert row.unused_faults == ("main_hang:at_ms=900000",)
    assert not row.is_good


def test_a_fault_that_hurts_nobody_is_no_onset():
    """A stuck watchdog alone is no incident."""
    row = stream_with("watchdog_stuck", policy="reference")
    assert (row.verdict, row.host_saw, row.detected_level) == ("left_alone", "nothing", None)


@pytest.mark.parametrize("position", ["device", "host", "none"])
def test_positions_are_named_in_the_row(position):
    """The row says where the module ran."""
    row = run_episode(find("stopfx3_hang"), position=position).row
    assert row.position == position
    if position == "none":
        assert (row.verdict, row.remedies) == ("locked_up", ())


def test_data_that_came_again_before_the_onset_is_no_return():
    """The program's own pause ends before its stream dies, and level 1 is faster than it sees."""
    row = run_episode(find("wedge_after_pause"), seed=1).row
    assert (row.host_saw, row.serving_after_ms) == ("nothing", 0)
