"""One run of a sweep: each verdict, each time, against what is known of the device."""

from __future__ import annotations

from dataclasses import replace

import pytest

from health import Policy
from scenarios.lab import trial as trials
from scenarios.lab.receiver import Behaviour
from scenarios.lab.trial import (
    BENCH_FAILED,
    CAPPED,
    FALSE_RESET,
    NOT_REACHED,
    RECOVERED,
    SERVED,
    UNRECOVERED,
    Trial,
)
from sim.faults import Fault
from sim.options import Options

REFERENCE = Policy.preset("reference")
SHIPPED = Policy.preset("level-1-4-5")
MS = 1_000_000
BUS_NS = 1_400 * MS
"""Boot ROM and application enumerate in 1000 and 400 ms (options)."""


def run(fault, policy=REFERENCE, request="", onset_ms=0, firmware="reference", **fields):
    return trials.run(
        Trial(policy, firmware, Fault.parse(fault), request, onset_ms=onset_ms, **fields)
    )


def test_a_dead_main_loop_is_reset_and_comes_back():
    """Within (P - I, P + C]; the stream flows until the reset, so the bus alone is down."""
    found = run("main_hang", onset_ms=700)
    assert (found.verdict, found.levels, found.resets) == (RECOVERED, (5,), 1)
    assert 5_057 * MS < found.detection_ns <= found.bound_ns == 6_656_149_999
    assert BUS_NS < found.downtime_ns < BUS_NS + 20 * MS
    assert found.recovery_ns == pytest.approx(found.detection_ns + found.downtime_ns, abs=100 * MS)
    assert found.is_lasting
    assert found.false_resets == 0


def test_detection_falls_ms_by_ms_until_the_next_look():
    """A death 1 ms later is found 1 ms sooner: the last pet stays the same (docs/bounds.md)."""
    early, late = (run("main_hang", onset_ms=onset_ms) for onset_ms in (700, 701))
    assert early.detection_ns - late.detection_ns == MS


def test_whole_periods_before_the_onset_are_left_out():
    """Main loop and gate come round after 1500 ms; where a tick is no ms nothing is left out."""
    first, later = (run("main_hang", onset_ms=onset_ms) for onset_ms in (700, 700 + 39 * 1_500))
    assert first == later
    slow = run("main_hang", onset_ms=1_500, options=Options(tick_ppm=-1_000))
    assert slow.onset_ns - run("main_hang", options=Options(tick_ppm=-1_000)).onset_ns == 1_500 * MS


def test_a_stall_that_passes_is_served_through():
    """4400 ms is survived at every phase by the reference, 4000 ms not by the shipped pets."""
    assert run("main_hang:for_ms=4000", onset_ms=1).verdict == SERVED
    shipped = [
        run("main_hang:for_ms=4000", SHIPPED, onset_ms=onset_ms)
        for onset_ms in range(50, 3_000, 250)
    ]
    assert {item.verdict for item in shipped} == {SERVED, FALSE_RESET}


def test_a_reset_after_the_fault_has_passed_is_false():
    """The loop beats again, and is reset for a pet that it missed before."""
    found = run("main_hang:for_ms=3300", SHIPPED, onset_ms=2_850)
    assert found.verdict == FALSE_RESET
    assert found.false_resets == found.resets == 1
    assert found.detection_ns > 3_300 * MS


def test_a_reset_just_before_the_fault_passes_is_in_vain():
    """A stall of 6.6 s is reset in its sixth second, and the bus takes 1.4 s to come back."""
    found = run("main_hang:for_ms=6600", onset_ms=1_400)
    assert found.detection_ns < 6_600 * MS < found.recovery_ns
    assert (found.verdict, found.false_resets) == (FALSE_RESET, 1)


def test_a_reset_that_is_back_before_the_fault_passes_is_not_false():
    """A stall of 20 s is reset in its sixth second, too."""
    found = run("main_hang:for_ms=20000")
    assert (found.verdict, found.false_resets) == (RECOVERED, 0)


def test_a_paused_reader_loses_nothing_that_it_wanted():
    """Level 1 acts in vain, and data comes as soon as it reads again."""
    found = run("host_paused:for_ms=700")
    assert found.verdict == RECOVERED
    assert set(found.levels) == {1}
    assert found.downtime_ns < MS
    assert found.recovery_ns < 2 * MS


def test_a_pause_shorter_than_the_limit_is_not_answered():
    """300 ms and what the ring takes (docs/bounds.md)."""
    assert run("host_paused:for_ms=250").levels == ()
    assert run("host_paused:for_ms=250").verdict == SERVED


def test_a_spent_cap_is_told_apart():
    """A cold start that only a reset mends, and a policy that has level 1 alone."""
    policy = replace(SHIPPED, name="level-1-only", level_4_enabled=False, cold_start_ms=500)
    policy = replace(policy, cold_start_first_level=1, cold_start_ceiling=1)
    found = run("cold_start:until=reset", policy, request="STARTFX3")
    assert found.verdict == CAPPED
    assert found.levels == (1,) * policy.level_1_cap
    assert found.recovery_ns is None
    assert found.downtime_ns == pytest.approx(found.observed_ns, abs=5 * MS)


def test_what_nobody_sees_stays():
    """The shipped firmware does not look at the event callback (health.c): EP0 is dead for good."""
    found = run("hang:call=gpif_disable,thread=usb", SHIPPED, request="SET_CONFIGURATION")
    assert (found.verdict, found.levels, found.detection_ns) == (UNRECOVERED, (), None)


def test_a_dead_loop_that_nobody_watches_is_no_service():
    """Data comes and EP0 answers, but a hung thread is left in the device."""
    found = run("main_hang", Policy.preset("none"), firmware="fw-2.3")
    assert (found.verdict, found.levels) == (UNRECOVERED, ())


def test_a_fault_that_never_strikes_shows_nothing():
    """A broken test, not a good device: STOPFX3 makes no 40th such call."""
    found = run("hang:call=usb_flush_ep,thread=usb,during=STOPFX3,nth=40", request="STOPFX3")
    assert found.verdict == NOT_REACHED


def test_a_hung_stop_is_found_by_level_4():
    """2000 to 2100 ms after the entry, less what STOP did before the call."""
    found = run("hang:call=usb_flush_ep,thread=usb,during=STOPFX3", request="STOPFX3")
    assert (found.verdict, found.levels) == (RECOVERED, (4,))
    assert 1_990 * MS < found.detection_ns <= found.bound_ns


def test_a_desync_shows_to_a_host_that_asks_more_than_one_thing():
    """Four failures in 2 s (incident F26): level 2."""
    found = run("ep0_desync")
    assert (found.verdict, found.levels) == (RECOVERED, (2,))


def test_a_host_that_restarts_mends_what_the_device_does_not():
    """A cold start that a restart mends, on a firmware that cannot see it."""
    patient = run("cold_start:until=restart", SHIPPED, request="STARTFX3", firmware="fw-2.3")
    eager = run(
        "cold_start:until=restart",
        SHIPPED,
        request="STARTFX3",
        firmware="fw-2.3",
        behaviour=Behaviour(restart_after_ms=1_000),
    )
    assert patient.verdict == UNRECOVERED
    assert eager.verdict == SERVED
    assert 1_000 * MS <= eager.downtime_ns <= 1_300 * MS


def test_a_slow_upload_is_downtime():
    """The host notices the boot ROM 3 s late."""
    slow = run("main_hang", behaviour=Behaviour(upload_after_ms=3_000))
    assert slow.downtime_ns - run("main_hang").downtime_ns >= 1_900 * MS


def test_the_bench_counts():
    """A watchdog clock that runs 2 % slow finds it 2 % later."""
    slow = run("main_hang", options=Options(watchdog_clock_ppm=-20_000))
    assert slow.detection_ns - run("main_hang").detection_ns == 105_229_591


def test_polls_that_jitter_have_no_closed_form():
    """A hung handler is found by a poll that chance puts off; the same seed, the same poll."""

    def found(seed):
        fault = "hang:call=usb_flush_ep,thread=usb,during=STOPFX3"
        return run(fault, request="STOPFX3", poll_jitter_ms=50, seed=seed)

    assert found(1).verdict == RECOVERED
    assert found(1).bound_ns is None
    assert found(1) == found(1)
    assert len({found(seed).detection_ns for seed in range(4)}) > 1


def test_a_bench_without_closed_forms_is_a_row_with_its_reason():
    """Reading the clock ends within a pet of a tick there (docs/bounds.md): no lost sweep."""
    found = run("main_hang", options=Options(i2c_byte_ns=16_000))
    assert found.verdict == BENCH_FAILED
    assert "no closed form holds there" in found.reason


@pytest.mark.parametrize("policy", [REFERENCE, SHIPPED], ids=lambda item: item.name)
def test_no_detection_is_later_than_its_closed_form(policy):
    """Over faults and phases, with the few ms of a handler that had begun before it hung."""
    for fault, request in (
        ("main_hang", ""),
        ("timer_death", ""),
        ("hang:call=usb_flush_ep,thread=usb,during=STOPFX3", "STOPFX3"),
        ("hang:call=usb_flush_ep,thread=usb,during=STOPFX3,manner=spinning", "STOPFX3"),
        ("host_paused:for_ms=900", ""),
    ):
        for onset_ms in (0, 1, 99, 777, 1_499, 2_999):
            found = run(fault, policy, request=request, onset_ms=onset_ms)
            assert found.detection_ns <= found.bound_ns + 3 * MS, (fault, onset_ms)
