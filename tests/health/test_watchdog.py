"""Level 5: who arms it, what pets it, and when it fires."""

import pytest

from health import Health, Policy
from health.ticks import WRAP
from health.watchdog import HeartbeatGate


@pytest.mark.parametrize("preset", ["level-1-4-5", "reference"])
def test_init_arms_and_looks(make_bench, preset):
    """With level 5 on, init arms the period and registers one look each pet interval."""
    policy = Policy.preset(preset)
    hands = make_bench(policy).hands
    assert hands.armed_ms == [policy.hwdt_period_ms]
    assert [interval_ms for interval_ms, _ in hands.timers] == [policy.pet_interval_ms]
    assert hands.pets == 0


def test_before_init_nothing_is_armed(make_bench):
    """A watchdog armed before the main loop can beat would fire in a slow start-up."""
    hands = make_bench(watchdog=False).hands
    health = Health(Policy.preset("reference"), hands, hands)
    health.main_heartbeat()
    assert (hands.armed_ms, hands.timers) == ([], [])
    health.init()
    assert len(hands.timers) == 1


@pytest.mark.parametrize("preset", ["none", "level-1", "level-1-4"])
def test_level_5_off_leaves_the_watchdog_alone(make_bench, preset):
    """A policy without level 5 neither arms nor pets a watchdog that is there."""
    bench = make_bench(Policy.preset(preset))
    bench.health.main_heartbeat()
    assert (bench.hands.armed_ms, bench.hands.timers, bench.hands.pets) == ([], [], 0)


def test_a_host_has_no_watchdog(make_bench):
    """Without a watchdog init and the heartbeat do nothing, level 5 on or not."""
    bench = make_bench(watchdog=False)
    bench.health.main_heartbeat()
    assert (bench.hands.armed_ms, bench.hands.timers) == ([], [])


def test_the_gate_pets_only_while_the_main_loop_beats(make_bench):
    """A look after a beat pets; a look without a new beat skips; the next beat pets again."""
    bench = make_bench()
    ((_, look),) = bench.hands.timers
    pets = []
    for beats in (0, 1, 0, 0, 3, 1, 0):
        for _ in range(beats):
            bench.health.main_heartbeat()
        look()
        pets.append(bench.hands.pets)
    assert pets == [0, 1, 1, 1, 2, 3, 3]


def test_the_heartbeat_wraps(make_bench):
    """The beat count wraps at 32 bits and the gate still sees it move."""
    hands = make_bench(watchdog=False).hands
    gate = HeartbeatGate(hands)
    gate._beats = gate._seen = WRAP
    gate.look()
    assert hands.pets == 0
    gate.beat()
    assert gate._beats == 0
    gate.look()
    assert hands.pets == 1
    gate.look()
    assert hands.pets == 1


def fires_after_ms(period_ms, pet_interval_ms, poll_ms, death_ms):
    """Return when the watchdog fires after the last beat, by ticking every ms."""
    hands = type("Pets", (), {"pets": 0, "clear": lambda self: None})()
    gate = HeartbeatGate(hands)
    last_pet_ms = last_beat_ms = 0
    now_ms = 0
    while now_ms - last_pet_ms < period_ms:
        now_ms += 1
        if now_ms % poll_ms == 0 and now_ms <= death_ms:
            gate.beat()
            last_beat_ms = now_ms
        if now_ms % pet_interval_ms == 0:
            seen = gate._seen
            gate.look()
            if gate._seen != seen:
                last_pet_ms = now_ms
    return now_ms - last_beat_ms


@pytest.mark.parametrize(("period_ms", "pet_interval_ms"), [(516, 300), (516, 150)])
def test_it_fires_between_the_period_and_one_pet_interval_more(period_ms, pet_interval_ms):
    """Main death to reset lies in [P, P + C] after the last beat, not within P; a tenth scale."""
    deaths_ms = range(2100, 4200, 11)
    delays_ms = [fires_after_ms(period_ms, pet_interval_ms, 7, death) for death in deaths_ms]
    assert min(delays_ms) >= period_ms
    assert max(delays_ms) <= period_ms + pet_interval_ms
    assert max(delays_ms) > period_ms + pet_interval_ms - 8
    assert min(delays_ms) < period_ms + 8


def survives(policy, stall_ms, from_ms):
    """Whether a main loop that stalls for stall_ms from from_ms on meets no reset; ideal clocks."""
    last_pet_ms = 0
    for look in range(1, 40):
        look_ms = look * policy.pet_interval_ms
        since_ms = look_ms - policy.pet_interval_ms
        poll_ms = policy.poll_interval_ms
        beats = (
            beat_ms
            for beat_ms in range(since_ms - since_ms % poll_ms + poll_ms, look_ms + 1, poll_ms)
            if not from_ms <= beat_ms < from_ms + stall_ms
        )
        if any(beats):
            if look_ms - last_pet_ms > policy.hwdt_period_ms:
                return False
            last_pet_ms = look_ms
    return True


@pytest.mark.parametrize(
    ("pet_interval_ms", "jitter_ms", "pets", "survivable_ms"),
    [(3000, 0, 0, 2800), (2000, 0, 1, 3800), (1500, 500, 2, 4300), (1000, 0, 4, 4800)],
)
def test_survivable_stall(reference, pet_interval_ms, jitter_ms, pets, survivable_ms):
    """With k pets to spare a stall below (k + 1) C - 2 beats survives every phase."""
    policy = Policy(
        name="p", level_3_enabled=False, pet_interval_ms=pet_interval_ms, pet_jitter_ms=jitter_ms
    )
    assert policy.skippable_pets == pets
    assert policy.survivable_stall_ms == survivable_ms
    for phase_ms in range(0, pet_interval_ms, 37):
        assert survives(policy, survivable_ms - 1, 2 * pet_interval_ms + phase_ms)
    bad_ms = survivable_ms + pet_interval_ms + 2 * policy.poll_interval_ms
    assert not all(
        survives(policy, bad_ms, 2 * pet_interval_ms + phase_ms)
        for phase_ms in range(0, pet_interval_ms, 37)
    )
    assert reference.survivable_stall_ms == 4300


def test_the_real_period():
    """5000 ms are 165,000 counts of 31.25 us: 5156.25 ms."""
    assert Policy.preset("level-1-4-5").hwdt_effective_us == 5_156_250
    assert Policy(name="p", hwdt_period_ms=4001).hwdt_effective_us == 4001 * 33 * 31_250 // 1000
