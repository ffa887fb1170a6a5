"""What the module makes of a log is what it made of the device when the log was recorded.

Facts: RunApplication.c (one poll each 100 ms, stall at the third), health.c, judgement (the cap).
"""

from dataclasses import replace
from itertools import pairwise

import pytest

from health import Policy
from hw.console_log import parse
from hw.console_replay import GAP_POLLS_MAX, judge
from hw.console_verdict import Source
from tests.hw.console_recording import Recording

SHIPPED = Policy.preset("level-1-4-5")
STALL = "WDG: stall {0}/3 SM=9 DMA=8"
RECOVERY = (
    "WDG: === RECOVERY START === SM=9 DMA=8 recov={0}/5\n"
    "WDG: === RECOVERY DONE === rst=0 flush=0 xfer=0 sm=0"
)


def verdict(log, policy=SHIPPED):
    return judge(parse(log.encode() if isinstance(log, str) else log), policy)


def what(found, source):
    return [moment.what for moment in found.moments if moment.source is source]


@pytest.fixture(scope="module")
def unread():
    """A stream that nobody reads, recorded for 3 s: the log with times, without, and the levels."""
    with Recording() as recording:
        recording.device.start_adc(64_000_000)
        recording.device.start()
        recording.listen(3_000)
        recording.device.stop()
        recording.listen(200)
        return recording.log(), recording.log(times=False), recording.levels()


@pytest.mark.parametrize("index", [0, 1], ids=["with times", "without times"])
def test_an_unread_stream_is_judged_as_the_device_judged_it(unread, index):
    """Five uses of level 1, then the cap; the log says the same of the firmware."""
    found = verdict(unread[index])
    assert unread[2] == [1] * 5
    assert found.levels(Source.FIRMWARE) == {1: 5}
    assert found.levels(Source.POLICY) == {1: 5}
    assert found.is_inferred == (index == 1)
    assert "gave up after 5 recoveries, until STARTFX3" in what(found, Source.FIRMWARE)


def test_each_use_of_level_1_falls_into_the_poll_that_the_log_says(unread):
    """The policy would have acted when the firmware did."""
    found = verdict(unread[0])
    times = {
        source: [item.at_ms for item in found.moments if item.source is source and item.level]
        for source in (Source.FIRMWARE, Source.POLICY)
    }
    assert times[Source.FIRMWARE] == times[Source.POLICY]


def test_without_times_a_recovery_takes_four_polls(unread):
    """One that sees the new count and three that find it the same: 400 ms (RunApplication.c)."""
    times = [item.at_ms for item in verdict(unread[1]).moments if item.source is Source.POLICY]
    assert [later - earlier for earlier, later in pairwise(times)] == [400] * 4


def test_what_the_firmware_mended_is_not_held_against_it(unread):
    """Its level 1 begins the count again: a policy that waits longer acts once it gave up."""
    found = verdict(unread[0], replace(SHIPPED, stream_stall_ms=600))
    (act,) = (item for item in found.moments if item.source is Source.POLICY)
    (first, *_) = (item for item in found.moments if item.what.startswith("gave up"))
    assert act.at_ms > first.at_ms


def test_a_policy_without_levels_would_have_done_nothing(unread):
    """It is the policy that is asked, not the firmware."""
    found = verdict(unread[0], Policy.preset("none"))
    assert found.levels(Source.FIRMWARE) == {1: 5}
    assert found.levels(Source.POLICY) == {}


def test_a_smaller_cap_that_the_host_set_is_kept():
    """SETARGFX3 14 in the log counts as it did on the device."""
    with Recording() as recording:
        recording.device.set_watchdog_cap(2)
        recording.device.start_adc(64_000_000)
        recording.device.start()
        recording.listen(2_500)
        found = verdict(recording.log())
        assert recording.levels() == [1, 1]
    assert found.levels(Source.POLICY) == {1: 2}


def test_a_handler_that_hangs_would_have_been_reset():
    """2000 ms after its entry; the log ends there, because the device is gone."""
    log = "[1.0] TESTFX3\t0x4\t0x2\n[2.0] HANGFX3: sleeping 5000 ms (test-only)\n"
    found = verdict(log)
    assert found.statuses() == {"EP0_WEDGED": 1}
    assert found.levels(Source.POLICY) == {4: 1}
    (act,) = (item for item in found.moments if item.source is Source.POLICY)
    assert 1_000 + 2_000 <= act.at_ms <= 1_000 + 2_100


@pytest.mark.parametrize(("slept_ms", "levels"), [(1_900, {}), (2_000, {4: 1})])
def test_a_handler_that_ends_in_time_is_left_alone(slept_ms, levels):
    """Its trace line says that it ended; the limit is 2000 ms."""
    log = (
        f"[0.000] HANGFX3: sleeping {slept_ms} ms (test-only)\n"
        f"[{slept_ms / 1000 + 0.05:.3f}] 0xCE\t0x0\t0x0\n[9.000] TESTFX3\t0x4\t0x2\n"
    )
    assert verdict(log).levels(Source.POLICY) == levels


def test_the_firmwares_own_level_4_is_the_firmwares():
    """What follows is another boot."""
    log = "[0] HANGFX3: sleeping 5000 ms (test-only)\n[2.1] HEALTH: status=1, recovering\n"
    assert verdict(log).levels(Source.FIRMWARE) == {4: 1}


def test_a_main_loop_that_spins_is_for_level_5():
    """Within the effective period and one pet interval: 5156 + 3000 ms."""
    log = "HANGMAIN: spinning forever \N{EM DASH} HWDT should reset us"
    assert what(verdict(log), Source.POLICY) == ["level 5 would reset the device within 8156 ms"]
    assert what(verdict(log, Policy.preset("none")), Source.POLICY) == []


@pytest.mark.parametrize(("polls", "levels"), [(1, {}), (2, {}), (3, {1: 1})])
def test_the_third_stalled_poll_is_the_one(polls, levels):
    """Two prove nothing yet; also without times, where a line is a poll."""
    log = "GO s=2 r=0\n" + "\n".join(STALL.format(number + 1) for number in range(polls))
    assert verdict(log).levels(Source.POLICY) == levels


def test_a_log_may_begin_in_mid_stream():
    """A stall without a start before it is a stall."""
    log = "\n".join(STALL.format(number + 1) for number in range(3))
    assert verdict(log).levels(Source.POLICY) == {1: 1}


def test_data_that_flows_again_ends_a_stall():
    """So the next one is counted from its own beginning."""
    first = [STALL.format(1), STALL.format(2), "WDG: DMA resumed (8->900), stall cleared"]
    log = "\n".join(["GO s=2 r=0", *first, *first])
    assert verdict(log).levels(Source.POLICY) == {}


def test_a_quiet_log_ages_nothing():
    """A stream that runs well says nothing, for an hour or a month."""
    log = f"[0] GO s=2 r=0\n[{30 * 86_400}] STP s=1"
    found = verdict(log)
    assert found.is_healthy
    assert found.duration_ms == 30 * 86_400_000
    assert GAP_POLLS_MAX * SHIPPED.poll_interval_ms >= 60_000


@pytest.mark.parametrize(
    ("text", "is_healthy"),
    [
        ("GO s=2 r=0\nSTP s=1", True),
        ("PIB error 0x1005", True),
        ("HOST RESETTING CPU", True),
        ("GO s=2 r=68", False),
        ("Preflight FAIL: ADC clock not enabled", False),
        ("WDG: soft-stop fail SM=9, forcing", False),
        ("GPIF State failed, 68 = CY_U3P_ERROR_NOT_CONFIGURED", False),
        (RECOVERY.format(1), False),
    ],
)
def test_what_counts_as_trouble(text, is_healthy):
    """What a healthy device says too is none."""
    assert verdict(text).is_healthy is is_healthy


def test_a_recovery_without_a_clock_leaves_the_stream_stopped():
    """RECOVERY WAIT: reported, and no level answers it."""
    log = "[0] GO s=2 r=0\n[1] WDG: === RECOVERY WAIT === rst=0 flush=0 xfer=0 sm=0\n[9] STP s=255"
    found = verdict(log)
    assert what(found, Source.FIRMWARE)[1] == "level 1 left the stream stopped: no sample clock"
    assert found.levels(Source.POLICY) == {}
