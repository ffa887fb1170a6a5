"""Long lives: the time between incidents is skipped, and nothing is different for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from health import Policy
from scenarios.lab import life, life_world, trial as trials
from scenarios.lab.bench import LabBench
from scenarios.lab.campaign import Life, Planned
from scenarios.lab.receiver import MILLISECOND_NS
from scenarios.lab.trial import CAPPED, RECOVERED, SERVED, Outcome, Trial
from sim.faults import Fault
from sim.options import Options
from sim.world import BenchWorld

REFERENCE = Policy.preset("reference")
SHIPPED = Policy.preset("level-1-4-5")
MS = 1_000_000
WRAP_MS = 2**32
KEPT = Life(days=1, devices=1, repair_min=60, repair_source="assumed", is_session_kept=True)
STOP_HANG = "hang:call=usb_flush_ep,thread=usb,during=STOPFX3"
ANY = (
    ("main_hang", ""),
    ("host_paused:for_ms=700", ""),
    (STOP_HANG, "STOPFX3"),
    ("clock_loss:for_ms=800", ""),
    ("dma_error", ""),
    ("main_hang:for_ms=3300", ""),
    ("host_paused:for_ms=120", ""),
    ("dma_error", ""),
)
REFERENCE_ALONE = (
    ("cold_start:until=restart", "STARTFX3"),
    ("ep0_desync", ""),
    ("timer_death", ""),
)


def trial(fault, request="", policy=REFERENCE, firmware="reference", onset_ms=0, seed=1, **fields):
    return Trial(policy, firmware, Fault.parse(fault), request, onset_ms, seed, **fields)


def lived_through(trial_list: Sequence[Trial], is_session_kept: bool = True) -> list[Outcome]:
    """Run a device's life without skipping anything, to compare.

    Args:
        trial_list: what strikes, with onsets in ms since the device was plugged in, far apart;
            of one policy on one bench.
        is_session_kept: the stream goes on after an incident.
    """
    first = trial_list[0]
    faults = tuple(replace(trial.fault, at_ms=trial.onset_ms) for trial in trial_list)
    found = []
    uses = 0
    with BenchWorld(first.firmware, first.policy, options=first.options, faults=faults) as world:
        watcher = life_world.Watcher(world)
        receiver = life_world.started(world, watcher, first)
        for trial, armed in zip(trial_list, trials.armed_in(world), strict=True):
            receiver.behaviour = trials.behaviour_of(trial)
            onset_ns = trial.onset_ms * MILLISECOND_NS
            uptime_ns = onset_ns - watcher.booted_ns
            outcome = trials.strike(trial, receiver, onset_ns, armed, uses)
            found.append(replace(outcome, uptime_ns=uptime_ns))
            health = life.prove(world, watcher, receiver, trial.policy, is_session_kept)
            uses = 0 if health is None else health.uses
    return found


def planned(trials_given):
    return [Planned(row, row, "x", item, ()) for row, item in enumerate(trials_given)]


@pytest.mark.parametrize(
    ("policy", "firmware", "strikes", "options"),
    [
        (REFERENCE, "reference", ANY + REFERENCE_ALONE, Options()),
        (SHIPPED, "fw-2.3", ANY, Options()),
        (SHIPPED, "reference", ANY, Options(tick_ppm=-13_337, watchdog_clock_ppm=8_000)),
        (
            replace(REFERENCE, name="odd", poll_interval_ms=70, pet_interval_ms=1_130),
            "reference",
            ANY + REFERENCE_ALONE,
            Options(poll_offset_ms=33),
        ),
    ],
    ids=["reference", "shipped", "shipped-clocks", "odd"],
)
@pytest.mark.parametrize("is_session_kept", [True, False], ids=["kept", "restarted"])
def test_a_life_is_the_same_without_the_time_between(
    policy, firmware, strikes, options, is_session_kept
):
    """Every field of every incident, to the ns, also in what it leaves for the next."""
    lived = []
    at_ms = 300_000
    for number, (fault, request) in enumerate(strikes):
        at_ms += 150_123 + number * 37_011
        given = trial(fault, request, policy, firmware, at_ms, number, options=options)
        lived.append(given)
    through = lived_through(lived, is_session_kept)
    skipped = life.outcomes_of(planned(lived), replace(KEPT, is_session_kept=is_session_kept))
    assert skipped == through


def test_most_of_the_time_is_skipped():
    """A fault after 300 days takes a world of seconds."""
    health = life.first_health(trial("main_hang"))
    day_ns = 86_400_000 * MS
    outcome, after = life.incident(trial("main_hang"), health, 300 * day_ns)
    assert outcome.verdict == RECOVERED
    assert outcome.onset_ns == 300 * day_ns
    assert after is not None
    assert after.boot_ns > 300 * day_ns


def ticks_at(found_ms, onset_ms):
    """An incident at an uptime, in a world whose tick counter is looked at."""
    health = life.first_health(trial("main_hang"))
    plan = life._Plan(trial("main_hang"), health, onset_ms * MS)
    fresh_ticks = (plan.onset_ns - plan.boot_ns) // MS
    return (plan.first_tick + fresh_ticks) % WRAP_MS


@pytest.mark.parametrize("onset_ms", [WRAP_MS - 1, WRAP_MS, WRAP_MS + 1, WRAP_MS + 5_000])
def test_the_tick_counter_shows_what_it_would(onset_ms):
    """It wraps after 49.7 days, 2**32 ms."""
    assert ticks_at(None, onset_ms) == onset_ms % WRAP_MS


@pytest.mark.parametrize("fault", ["main_hang", "dma_error", "host_paused:for_ms=700"])
@pytest.mark.parametrize("before_ms", [10, 250, 1_000, 6_000, -3_600_000])
def test_an_incident_over_the_wrap_is_as_any_other(fault, before_ms):
    """32-bit subtraction: the counter passes 2**32 while the module decides, or did an hour ago."""
    health = life.first_health(trial(fault))
    period_ms = life_world.period_of(REFERENCE, LabBench.of("reference")) // MS
    onset_ms = WRAP_MS - before_ms
    over, _ = life.incident(trial(fault), health, onset_ms * MS)
    # The same phase, a day earlier, far from any wrap.
    day_ms = 86_400_000 // period_ms * period_ms
    plain, _ = life.incident(trial(fault), health, (onset_ms - day_ms) * MS)
    assert (over.verdict, over.levels) == (plain.verdict, plain.levels)
    assert over.detection_ns == pytest.approx(plain.detection_ns, abs=MS // 2)


def test_the_cap_of_a_kept_session_is_spent_for_good():
    """Level 1 may act five times until START or STOP (health.c); pauses use it up."""
    pauses = [
        trial("host_paused:for_ms=450", policy=SHIPPED, onset_ms=3_600_000 * number)
        for number in range(1, 6)
    ]
    wedge = trial("dma_error", policy=SHIPPED, onset_ms=3_600_000 * 7)
    found = life.outcomes_of(planned([*pauses, wedge]), KEPT)
    assert [item.verdict for item in found] == [RECOVERED] * 5 + [CAPPED]
    restarted = life.outcomes_of(planned([*pauses, wedge]), replace(KEPT, is_session_kept=False))
    assert restarted[-1].verdict == RECOVERED


def test_a_device_that_stays_away_is_repaired_and_lives_on():
    """Somebody takes its power away an hour later; what strikes meanwhile strikes after that."""
    hang = trial(
        "hang:call=gpif_disable,thread=usb", "SET_CONFIGURATION", SHIPPED, onset_ms=600_000
    )
    soon = trial("main_hang:for_ms=500", policy=SHIPPED, onset_ms=700_000)
    gone, back = life.outcomes_of(planned([hang, soon]), KEPT)
    assert gone.verdict == trials.UNRECOVERED
    assert back.verdict == SERVED
    begun_ns = gone.onset_ns + gone.observed_ns + 60 * 60_000 * MS
    assert back.onset_ns - back.uptime_ns == pytest.approx(begun_ns, abs=10 * MS)
    assert back.onset_ns >= begun_ns + life.APART_MS * MS


def test_lives_end_where_they_began_whatever_is_skipped():
    """Skipping one fault's time twice over is the same as once: the health says it all."""
    one = trial("dma_error", onset_ms=0)
    health = life.first_health(one)
    _, first = life.incident(one, health, 7_200_000 * MS)
    _, again = life.incident(one, health, 7_200_000 * MS)
    assert first == again
    assert first.uses == 1
    assert first.boot_ns == health.boot_ns
