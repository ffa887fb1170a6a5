"""Stalls of the main loop that pass: which of them cost a reset all the same.

A loop that stalls beats late. The heartbeat gate looks at every multiple of C ticks and pets where
it sees a beat that is new (``health.c``); docs/bounds.md has the letters. Let r be the ticks from
the last beat before the stall to the next look, 1 to C, all equally likely: that look still pets.
The first beat after the stall comes g ticks after the last one before it, and only a look after it
pets again. The watchdog outlasts j intervals, so the device is reset where g >= r + j C: in
g - j C of C phases. The period P decides j and when the reset comes, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product

from health import Policy
from scenarios.lab.bench import LabBench
from scenarios.lab.bounds import skippable_looks, survivable_stall_ns
from sim.errors import SimulationError
from sim.faults import Fault
from sim.options import Options
from sim.world import BenchWorld

MILLISECOND_NS = 1_000_000
AFTER_MS = 200


@dataclass(frozen=True)
class Survey:
    """What a stall does over all phases.

    Attributes:
        stall_ms: how long the loop stands still.
        fatal: share of the phases that end in a reset.
        in_vain: share of these resets that hit a loop which has beaten again before.
    """

    stall_ms: int
    fatal: Fraction
    in_vain: Fraction


@dataclass(frozen=True)
class Sample:
    """One phase, run.

    Attributes:
        lag_ms: ticks from the last beat before the stall to the next look.
        reset_after_ms: from that beat to the reset; None where there was none.
    """

    lag_ms: int
    reset_after_ms: float | None


@dataclass(frozen=True)
class Pair:
    """A watchdog period and a pet interval, and what they do.

    Attributes:
        period_ms: the period as configured.
        pet_interval_ms: time between looks.
        survivable_ms: the longest stall that is survived at every phase.
        reset_ms: the latest reset of a loop that died.
    """

    period_ms: int
    pet_interval_ms: int
    survivable_ms: float
    reset_ms: float


def survey(
    stall_ms: int,
    policy: Policy,
    bench: LabBench,
    *,
    beats_lost: int = 1,
    period_ns: int | None = None,
) -> Survey:
    """Return by counting phases what a stall does.

    Args:
        stall_ms: how long the loop stands still, in ticks.
        policy: watchdog period, pet and poll interval.
        bench: the board's clocks.
        beats_lost: polls that fall out beside the stall itself: 1 where it begins when a poll is
            due, as `main_hang` does; 2 where the loop sleeps once more before it beats.
        period_ns: the watchdog's real period, if not that of policy and bench.
    """
    pet_ms = policy.pet_interval_ms
    tick_ns = bench.tick_ns
    period_ns = bench.watchdog_ns(policy) if period_ns is None else period_ns
    reach_ms = (period_ns - 1) // (pet_ms * tick_ns) * pet_ms
    gap_ms = stall_ms + beats_lost * policy.poll_interval_ms
    fatal = [lag for lag in range(1, pet_ms + 1) if gap_ms >= lag + reach_ms]
    back = [lag for lag in fatal if gap_ms * tick_ns < lag * tick_ns + period_ns]
    in_vain = Fraction(len(back), len(fatal)) if fatal else Fraction(0)
    return Survey(stall_ms, Fraction(len(fatal), pet_ms), in_vain)


def share(stall_ms: int, policy: Policy, bench: LabBench, *, beats_lost: int = 1) -> Fraction:
    """Return the closed form: the share of the phases in which a stall ends in a reset."""
    pet_ms = policy.pet_interval_ms
    gap_ms = stall_ms + beats_lost * policy.poll_interval_ms
    fatal = gap_ms - skippable_looks(policy, bench) * pet_ms
    return Fraction(min(max(fatal, 0), pet_ms), pet_ms)


def phases(policy: Policy, samples: int) -> list[int]:
    """Return sampled phases, spread over a pet interval and over the offsets of the polls."""
    pet_ms, poll_ms = policy.pet_interval_ms, policy.poll_interval_ms
    return [(place * pet_ms // samples + place % poll_ms) % pet_ms for place in range(samples)]


def sample(stall_ms: int, policy: Policy, bench: LabBench, phase_ms: int) -> Sample:
    """Run one phase: the loop stalls at a poll, and the device is watched.

    Args:
        stall_ms: how long.
        policy: what the health module decides by.
        bench: firmware and knobs.
        phase_ms: of the last beat before the stall, in ticks after a look; 0 to C - 1.

    Raises:
        SimulationError: the loop did not stall where it should.
    """
    pet_ms, poll_ms = policy.pet_interval_ms, policy.poll_interval_ms
    beat = pet_ms * -(-(bench.options.application_enumeration_ms + AFTER_MS) // pet_ms) + phase_ms
    beat_ns = beat * bench.tick_ns
    fault = Fault("main_hang", at_ms=beat_ns // MILLISECOND_NS + 1, for_ms=stall_ms)
    options = replace(bench.options, poll_offset_ms=phase_ms % poll_ms)
    with BenchWorld(bench.revision.name, policy, options=options, faults=[fault]) as world:
        world.boot()
        horizon_ns = (stall_ms + poll_ms + 2 * pet_ms) * bench.tick_ns + bench.watchdog_ns(policy)
        world.run_until(beat_ns + horizon_ns)
        assert world.injector is not None
        (armed,) = world.injector.armed
        due_ns = (beat + poll_ms) * bench.tick_ns
        if not armed.triggered_ns or not 0 <= armed.triggered_ns[0] - due_ns <= bench.pet_ns(
            policy
        ):
            raise SimulationError(f"the loop did not stall at {due_ns} ns, in phase {phase_ms}")
        lag_ms = pet_ms - phase_ms
        for reset in world.chip.resets:
            return Sample(lag_ms, (reset.at_ns - beat_ns) / MILLISECOND_NS)
        return Sample(lag_ms, None)


def pairs(
    policy: Policy,
    benches: Sequence[LabBench],
    periods_ms: Iterable[int],
    pet_intervals_ms: Iterable[int],
) -> list[Pair]:
    """Return what pairs of a watchdog period and a pet interval do; those that pet at all.

    Args:
        policy: everything else.
        benches: boards, by their clocks: the least of them counts.
        periods_ms: as configured.
        pet_intervals_ms: time between looks.
    """
    chosen = [
        (period_ms, pet_ms)
        for period_ms, pet_ms in product(periods_ms, pet_intervals_ms)
        if pet_ms < period_ms
    ]
    return [_pair(policy, benches, period_ms, pet_ms) for period_ms, pet_ms in chosen]


def _pair(policy: Policy, benches: Sequence[LabBench], period_ms: int, pet_ms: int) -> Pair:
    candidate = replace(policy, hwdt_period_ms=period_ms, pet_interval_ms=pet_ms, pet_jitter_ms=0)
    survivable_ns = min(survivable_stall_ns(candidate, bench) for bench in benches)
    reset_ns = max(bench.watchdog_ns(candidate) + pet_ms * bench.tick_ns for bench in benches)
    return Pair(period_ms, pet_ms, survivable_ns / MILLISECOND_NS, reset_ns / MILLISECOND_NS)


def clock_corners(firmware: str, ppm: int) -> list[LabBench]:
    """Return boards whose watchdog clock and OS tick are off as far as they may be.

    Args:
        firmware: name of the revision.
        ppm: how far, both ways; the OS tick's own limit is 4 % (cyu3os.h).
    """
    ends = (-ppm, ppm)
    return [
        LabBench.of(firmware, Options(watchdog_clock_ppm=clock_ppm, tick_ppm=tick_ppm))
        for clock_ppm, tick_ppm in product(ends, ends)
    ]
