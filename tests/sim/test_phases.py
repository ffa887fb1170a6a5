"""When levels 4 and 5 answer, over every phase; and that a day of legal use triggers nothing.

Facts: ``health.c``; S131 and judgement (P is 5156.25 ms, two axes).
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from health import Policy
from hw.protocol import GpifState, Request
from sim.chip.usb import Setup
from sim.faults import Fault
from sim.host.drain import Drain
from sim.options import Options
from sim.world import BenchWorld

from .bench import (
    DONE,
    MHZ,
    MS,
    PERIOD_NS,
    SECOND_NS,
    STALLED,
    booted,
    clocked,
    levels,
    pause,
    request,
    stats,
    streaming,
    word,
)

PRESETS = Policy.preset_names()
POLL_MS = 100
TICK_PPM_MAX = 40_000


# ---------------------------------------------------------------- level 4


def blocked_handler(entry_ns: int, policy: str, options: Options, firmware: str) -> int:
    """From the entry of a handler that blocks for ever to the begin of level 4, in ns."""
    with booted(firmware, policy, options=options) as world:
        device = world.host.device
        world.run_until(entry_ns - options.control_setup_ns)
        hang = Setup(0x40, Request.HANGFX3, 60_000, 0, 0)
        world.spawn("host", lambda: world.host.control(device, hang, b"", 1))
        world.run_until(entry_ns + 2_300 * MS)
        assert [reset.cause for reset in world.chip.resets] == ["device_reset"]
        ((begun_ns, level),) = world.programs[0].remedies_applied
        assert level == 4
        assert world.chip.resets[0].at_ns == begun_ns + 100_000
        return begun_ns - entry_ns


def level_4_latencies(step_us: int, span_us: int = 100_000, **more) -> list[int]:
    options = more.pop("options", Options())
    policy = more.pop("policy", "level-1-4")
    firmware = more.pop("firmware", "fw-2.3")
    begin_ns = 1_000 * MS
    return [
        blocked_handler(begin_ns + entry_us * 1_000, policy, options, firmware)
        for entry_us in range(0, span_us, step_us)
    ]


@pytest.mark.parametrize(
    ("firmware", "policy", "offset_ms"),
    [("fw-2.3", "level-1-4", 0), ("fw-2.3", "level-1-4-5", 37), ("reference", "reference", 99)],
)
def test_level_4_answers_a_blocked_handler_at_every_phase(firmware, policy, offset_ms):
    """(1999, 2100] ms from the entry, over a whole poll interval."""
    options = Options(poll_offset_ms=offset_ms)
    taken = level_4_latencies(1_000, firmware=firmware, policy=policy, options=options)
    taken += level_4_latencies(130, 2_000, firmware=firmware, policy=policy, options=options)
    assert min(taken) > 1_999 * MS
    assert max(taken) <= 2_100 * MS
    assert max(taken) >= 2_098 * MS
    assert min(taken) <= 2_000 * MS


def test_level_4_reaches_both_ends_of_its_interval():
    """judgement: an entry falls inside a tick, so 2000 ticks can be 1999.0 ms and a bit."""
    taken = level_4_latencies(10, 3_000)
    assert 1_999 * MS < min(taken) < 1_999 * MS + 20_000
    taken = level_4_latencies(1_000)
    assert 2_099 * MS <= max(taken) <= 2_100 * MS


@pytest.mark.parametrize("ppm", [-TICK_PPM_MAX, TICK_PPM_MAX])
def test_level_4_counts_ticks(ppm):
    """cyu3os.h: the limit is ticks; with a tick that is off the true time is off as well."""
    taken = level_4_latencies(7_000, options=Options(tick_ppm=ppm))
    tick_ns = MS + ppm
    assert all(1_999 * tick_ns < each <= 2_100 * tick_ns for each in taken)


@pytest.mark.parametrize("entry_us", range(0, 100_000, 9_130))
def test_level_4_never_answers_a_spinning_handler(entry_us):
    """ThreadX guide: a spin at priority 4 starves the main loop; nothing but level 5 acts."""
    fault = Fault.parse("hang:call=thread_sleep,thread=usb,during=HANGFX3,manner=spinning")
    for policy, causes in (("level-1-4", []), ("level-1-4-5", ["watchdog"])):
        with booted("fw-2.3", policy, faults=[fault]) as world:
            world.run_until(1_000 * MS + entry_us * 1_000)
            request(world, Request.HANGFX3, 100, limit_ms=1)
            pause(world, 20_000)
            assert world.programs[0].remedies_applied == []
            assert [reset.cause for reset in world.chip.resets] == causes


def test_level_4_is_not_sooner_for_handlers_that_end():
    """F17: time in one handler does not add up with time in the next."""
    with booted("fw-2.3", "level-1-4-5") as world:
        for _ in range(10):
            assert request(world, Request.HANGFX3, 990).status is DONE
        assert levels(world) == []
        assert world.chip.resets == []


# ---------------------------------------------------------------- level 5


@dataclass(frozen=True)
class Death:
    """How long level 5 took, in ns."""

    from_death: int
    from_last_beat: int


def main_death(
    onset_ns: int,
    offset_ms: int,
    policy: str = "level-1-4-5",
    **options: int,
) -> Death:
    """The main loop dies at an instant, as by HANGMAIN: from then on it never beats again."""
    with BenchWorld(
        "fw-2.3", policy, options=Options(poll_offset_ms=offset_ms, **options)
    ) as world:
        world.boot()
        firmware = world.firmware
        beats: list[int] = []
        poll = firmware.poll

        def beat() -> None:
            beats.append(world.now_ns)
            poll()

        firmware.poll = beat

        def die() -> None:
            firmware.hang_main_requested = True

        world.alarm(onset_ns, die)
        world.run_until(onset_ns + 9_000 * MS)
        (reset,) = world.chip.resets
        assert reset.cause == "watchdog"
        assert firmware.remedies_applied == []
        return Death(reset.at_ns - onset_ns, reset.at_ns - beats[-1])


BASE_MS = 6_000
"""A time in the steady state at which the pet of every preset looks (a multiple of 3000)."""


def check(deaths: list[Death], pet_ms: int, period_ns: int = PERIOD_NS, tick_ns: int = MS) -> None:
    interval_ns = pet_ms * tick_ns
    for death in deaths:
        assert period_ns - POLL_MS * tick_ns < death.from_death <= period_ns + interval_ns
        assert period_ns <= death.from_last_beat <= period_ns + interval_ns


def pet_interval_ms(policy: str) -> int:
    return Policy.preset(policy).pet_interval_ms


@pytest.mark.parametrize("policy", ["level-1-4-5", "reference"])
def test_level_5_answers_main_death_over_onset_and_offset(policy):
    """(P - 100, P + C] ms after the death, [P, P + C] after the last beat, two axes."""
    pet_ms = pet_interval_ms(policy)
    deaths = [
        main_death((BASE_MS + onset_ms) * MS + 500_000, offset_ms, policy)
        for offset_ms in (0, 1, 33, 50, 77, 98, 99)
        for onset_ms in range(0, pet_ms, 71)
    ]
    check(deaths, pet_ms)


@pytest.mark.parametrize("policy", ["level-1-4-5", "reference"])
def test_level_5_reaches_each_end_to_within_a_millisecond(policy):
    """Judgement, two axes: the onset alone never spans the interval; offsets 0 and 99 do."""
    pet_ms = pet_interval_ms(policy)
    # A death right after the beat that missed its look: the pet's 100 us make it beat late.
    late = [main_death(BASE_MS * MS + at_us * 1_000, 0, policy) for at_us in range(90, 1_500, 70)]
    check(late, pet_ms)
    longest_ns = PERIOD_NS + pet_ms * MS
    assert max(death.from_death for death in late) >= longest_ns - MS
    assert max(death.from_last_beat for death in late) >= longest_ns - MS
    # A death just before the beat that would have come, after a look that saw the one before.
    early_ns = (BASE_MS + 99) * MS - 1
    early = [main_death(early_ns - at_us * 1_000, 99, policy) for at_us in range(0, 1_500, 70)]
    check(early, pet_ms)
    assert min(death.from_death for death in early) <= PERIOD_NS - 99 * MS + 1
    assert min(death.from_last_beat for death in early) <= PERIOD_NS + MS


def test_level_5_on_one_axis_alone_stays_inside():
    """judgement: offset 99 gives about 5058 to 8057 ms, offset 0 about 5157 to 8156."""
    for offset_ms, low_ms, high_ms in ((99, 5_057, 8_058), (0, 5_156, 8_157)):
        onsets_ns = [onset_ms * MS + 1 for onset_ms in range(0, 3_000, 20)]
        onsets_ns += [100_001, 99 * MS - 1, 100 * MS - 1, 99 * MS + 1]
        taken = [main_death(BASE_MS * MS + at_ns, offset_ms).from_death for at_ns in onsets_ns]
        assert low_ms * MS <= min(taken) <= (low_ms + 3) * MS
        assert (high_ms - 20) * MS <= max(taken) <= high_ms * MS


@pytest.mark.parametrize("ppm", [-30_000, -500, 500, 30_000])
def test_level_5_with_a_watchdog_clock_that_is_off(ppm):
    """judgement: P with a clock tolerance as a board option; the pets keep to the OS tick."""
    period_ns = PERIOD_NS * 1_000_000 // (1_000_000 + ppm)
    deaths = [
        main_death(BASE_MS * MS + at_ns, offset_ms, watchdog_clock_ppm=ppm)
        for offset_ms, at_ns in ((0, 200_000), (0, 1_500 * MS), (50, 77 * MS), (99, 99 * MS - 1))
    ]
    check(deaths, 3_000, period_ns)
    assert max(death.from_death for death in deaths) >= period_ns + 2_999 * MS
    assert min(death.from_death for death in deaths) <= period_ns - 99 * MS + 1


@pytest.mark.parametrize("ppm", [-TICK_PPM_MAX, TICK_PPM_MAX])
def test_level_5_with_a_tick_that_is_off(ppm):
    """cyu3os.h: poll and pet stretch with the tick, the watchdog's own clock does not."""
    deaths = [
        main_death((BASE_MS + onset_ms) * MS, offset_ms, tick_ppm=ppm)
        for offset_ms in (0, 50, 99)
        for onset_ms in range(0, 3_000, 170)
    ]
    check(deaths, 3_000, tick_ns=MS + ppm)


@pytest.mark.heavy
@pytest.mark.parametrize("policy", ["level-1-4-5", "reference"])
def test_level_5_over_every_onset_and_every_offset(policy):
    """Each ms of onset at the offsets that matter, each offset coarsely."""
    pet_ms = pet_interval_ms(policy)
    deaths = [
        main_death((BASE_MS + onset_ms) * MS, offset_ms, policy)
        for offset_ms in (0, 1, 50, 98, 99)
        for onset_ms in range(pet_ms)
    ]
    deaths += [
        main_death((BASE_MS + onset_ms) * MS + 250_000, offset_ms, policy)
        for offset_ms in range(100)
        for onset_ms in range(0, pet_ms, 45)
    ]
    check(deaths, pet_ms)
    deaths.append(main_death((BASE_MS + 99) * MS - 1, 99, policy))
    taken = [death.from_death for death in deaths]
    assert min(taken) <= PERIOD_NS - 99 * MS + 1
    assert max(taken) >= PERIOD_NS + (pet_ms - 1) * MS


@pytest.mark.heavy
def test_level_4_at_every_microsecond_phase():
    """Each 50 us of a poll interval."""
    taken = level_4_latencies(50)
    assert 1_999 * MS < min(taken) <= 1_999 * MS + 50_000
    assert 2_099 * MS <= max(taken) <= 2_100 * MS


def test_a_stall_shorter_than_what_policies_promise_is_survived():
    """DESIGN 3: the survivable stall of a policy, at the worst phase of the pet."""
    for name in ("level-1-4-5", "reference"):
        policy = Policy.preset(name)
        stall_ms = policy.survivable_stall_ms - 1
        for onset_ms in range(BASE_MS, BASE_MS + policy.pet_interval_ms, 173):
            fault = Fault("main_hang", at_ms=onset_ms, for_ms=stall_ms)
            with booted("fw-2.3", policy, faults=[fault]) as world:
                pause(world, 20_000)
                assert world.injector.unused == []
                assert world.chip.resets == []


# ---------------------------------------------------------------- a day of legal use

HOUR_MS = 3_600_000
EVENT_MS = 233_000
"""Some four minutes between two events: no multiple of a poll, a pet or a minute."""


def stall_main(world: BenchWorld, duration_ms: int) -> None:
    """Another thread of the application computes for a time: the main loop waits meanwhile."""
    rtos = world.chip.rtos
    rtos.create_thread("busy", 7, lambda: rtos.work(duration_ms * MS))


def change_clock(world: BenchWorld, rate_hz: int) -> None:
    """STARTADC in mid-stream, then START once PLL A is locked, as hosts do."""
    assert word(world, Request.STARTADC, rate_hz) is DONE
    pause(world, world.options.pll_lock_ms + 200)
    assert word(world, Request.STARTFX3) is DONE


def legal_day(policy: str, hours: int, firmware: str = "reference", **options: int) -> BenchWorld:
    """A reader that takes everything, and every few minutes something legal; returns the world."""
    stall = Fault("main_hang", at_ms=hours * HOUR_MS // 3 + 4_321, for_ms=2_000)
    world = booted(firmware, policy, options=Options(**options), faults=[stall])
    drain = streaming(world) if not options.get("pll_lock_ms") else None
    if drain is None:
        clocked(world)
        drain = Drain(world, world.host.device)
        drain.start()
        change_clock(world, 64 * MHZ)
    until_ns = world.now_ns + hours * HOUR_MS * MS
    rates = (64, 32, 128, 16, 48)
    number = 0
    while world.now_ns < until_ns:
        pause(world, EVENT_MS)
        number += 1
        match number % 8:
            case 0:
                change_clock(world, rates[number % 5] * MHZ)
            case 1:
                stats(world)
            case 2:
                stall_main(world, 2_000)
            case 3:
                assert word(world, Request.STOPFX3) is DONE
                pause(world, 10_000)
                assert word(world, Request.STARTFX3) is DONE
            case 4:
                word(world, Request.STARTADC, 0)
                pause(world, 5_000)
                change_clock(world, 64 * MHZ)
            case 5:
                assert request(world, 0xCC, data=bytes(4)).status is STALLED
            case 6:
                for _ in range(20):
                    request(world, Request.TESTFX3, length=4, into=True)
            case 7:
                assert word(world, Request.STARTFX3) is DONE
        pause(world, 3_000)
    assert drain.bytes > hours * 10**9
    return world


def assert_untouched(world: BenchWorld) -> None:
    assert world.firmware.remedies_applied == []
    assert world.chip.resets == []
    assert world.injector.unused == []
    world.close()


def test_a_quarter_of_a_day_of_legal_use_triggers_no_remedy():
    """A draining host, STARTADC in mid-stream, stalls of 2 s, under the reference.

    The whole day, under each preset, is among the heavy tests below.
    """
    assert_untouched(legal_day("reference", 6))


@pytest.mark.parametrize("policy", PRESETS)
def test_hours_of_legal_use_trigger_no_remedy_under_any_preset(policy):
    """For each preset, with I2C at 300 us a register, as seen on hardware, and a slow PLL."""
    slow = {"i2c_byte_ns": 75_000, "pll_lock_ms": 90}
    assert_untouched(legal_day(policy, 1, **slow))


@pytest.mark.heavy
@pytest.mark.parametrize("policy", PRESETS)
@pytest.mark.parametrize("firmware", ["fw-2.2", "fw-2.3", "reference"])
def test_a_day_of_legal_use_under_any_preset_and_firmware(policy, firmware):
    """The whole day for each."""
    slow = {"i2c_byte_ns": 75_000}
    assert_untouched(legal_day(policy, 24, firmware, **slow))


@pytest.mark.parametrize("policy", PRESETS)
@pytest.mark.parametrize("firmware", ["original", "fw-2.2", "fw-2.3", "reference"])
def test_each_handler_at_its_longest_triggers_nothing(firmware, policy):
    """STARTADC polls a PLL that never locks, or sleeps 1000 ms; SET_CONFIGURATION."""
    options = Options(i2c_byte_ns=75_000, pll_lock_ms=5_000)
    with booted(firmware, policy, options=options) as world:
        device = world.host.device
        for phase_ms in range(0, 100, 13):
            pause(world, phase_ms)
            for code, payload in (
                (Request.STARTADC, (64 * MHZ).to_bytes(4, "little")),
                (Request.STARTADC, bytes(4)),
                (Request.STOPFX3, bytes(4)),
            ):
                request(world, code, data=payload, limit_ms=3_000)
            request(world, Request.GETSTATS, length=26, into=True, limit_ms=3_000)
            world.host.control(device, Setup(0x00, 9, 1, 0, 0), b"", 3_000)
        pause(world, 10_000)
        assert levels(world) == []
        assert world.chip.resets == []


# ---------------------------------------------------------------- a paused reader


def delivered(world: BenchWorld) -> int:
    """Packets that reached the host so far."""
    return world.chip.stream.flow.delivered_packets(world.now_ns)


@pytest.mark.parametrize("rate_mhz", [1, 16, 64, 128])
@pytest.mark.parametrize("policy", PRESETS)
def test_a_paused_reader_costs_level_1_within_its_cap_and_nothing_more(policy, rate_mhz):
    """judgement: it looks like a wedge to the device; nothing above level 1 may follow."""
    cap = 0 if policy == "none" else 5
    with booted("reference", policy) as world:
        drain = streaming(world, rate_mhz * MHZ)
        for pauses in range(1, 4):
            pause(world, 2_000 + 17 * pauses)
            drain.stop()
            pause(world, 120_000)
            assert levels(world) == [1] * (cap * pauses)
            if cap:
                assert stats(world).gpif_state in (GpifState.TH0_WAIT, GpifState.TH1_WAIT)
            read = delivered(world)
            drain.start()
            pause(world, 1_000)
            assert delivered(world) > read
            assert word(world, Request.STARTFX3) is DONE
        assert world.chip.resets == []


@pytest.mark.parametrize("policy", PRESETS)
def test_ctrl_c_at_any_phase_does_not_cost_the_firmware(policy):
    """judgement: the reader leaves, comes back after a time, leaves again, in many phases."""
    with booted("reference", policy) as world:
        drain = streaming(world)
        for number in range(12):
            pause(world, 700 + 37 * number)
            drain.stop()
            pause(world, 400 + 91 * number)
            drain.start()
        pause(world, SECOND_NS // MS)
        assert set(levels(world)) <= {1}
        assert len(levels(world)) <= 5
        assert world.chip.resets == []
