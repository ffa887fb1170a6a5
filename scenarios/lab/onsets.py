"""The worst moment for an onset: where the beats and pets of a history in health lie."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from health import Policy
from scenarios import custom_health
from scenarios.lab.bench import LabBench
from scenarios.lab.bounds import cold_age_ticks
from scenarios.lab.histories import HISTORIES
from scenarios.runner import run_episode
from scenarios.station import MILLISECOND_NS


@dataclass(frozen=True)
class Rhythm:
    """When main loop and timer work, in ns of the world's clock; both go on like that.

    Attributes:
        beat_ns: the last poll of the main loop before the moment.
        pet_ns: the last pet of the watchdog; None where there is none.
    """

    beat_ns: int
    pet_ns: int | None


@lru_cache(maxsize=64)
def rhythm(
    history: str, firmware: str, policy: Policy, seed: int, ready_ms: int, health: str
) -> Rhythm:
    """Run a history in health and return its rhythm.

    It is that of this history and seed alone: each poll that reads the clock generator puts the
    next ones off, so the grid depends on when the stream began.

    Args:
        history: a name of :data:`scenarios.lab.histories.HISTORIES`.
        firmware: revision.
        policy: its intervals.
        seed: of the world.
        ready_ms: the earliest moment for which the history can be asked.
        health: what makes the health module.
    """
    at_ms = ready_ms + policy.pet_interval_ms + policy.poll_interval_ms
    episode = run_episode(
        HISTORIES[history],
        firmware=firmware,
        policy=policy,
        seed=seed,
        faults=(),
        parameters={"at_ms": at_ms},
        health=custom_health.find(health),
    )
    until_ns = (at_ms - 1) * MILLISECOND_NS
    pets_ns = [at_ns for life in episode.facts.lives for at_ns in life.pets_ns if at_ns < until_ns]
    return Rhythm(
        beat_ns=max(at_ns for at_ns in episode.facts.beats_ns if at_ns < until_ns),
        pet_ns=max(pets_ns, default=None),
    )


def worst_onset_ms(kind: str, found: Rhythm, firmware: str, policy: Policy, ready_ms: int) -> int:
    """Return the first moment from ``ready_ms`` on that is the worst for a kind of fault.

    A hang, a dead main thread: just after the first beat that follows a pet. That beat is the last,
    so the next gate sees movement and pets once more, C later, and a whole P has to pass (level 5);
    and the poll that could find a hung handler, or a stream at rest, has just passed (levels 4 and
    1). A dead timer: just after a pet. A cold start: so long before the next poll that the polls
    after it, which come an interval and the clock's reading apart, find it as late as they can.

    Args:
        kind: of the fault.
        found: beats and pets of its history.
        firmware: revision; whether it reads the clock.
        policy: its poll and pet intervals.
        ready_ms: the earliest moment, in ms of the world's clock.
    """
    poll_ns = policy.poll_interval_ms * MILLISECOND_NS
    pet_interval_ns = policy.pet_interval_ms * MILLISECOND_NS
    pet_ns = found.beat_ns if found.pet_ns is None else found.pet_ns
    pet_ns += -(-(ready_ms * MILLISECOND_NS - pet_ns) // pet_interval_ns) * pet_interval_ns
    # At one tick the timer thread is served first, so a beat at the pet's own instant follows it.
    beat_ns = found.beat_ns - (found.beat_ns - pet_ns) // poll_ns * poll_ns
    if kind == "timer_death":
        return _after(pet_ns)
    if kind == "cold_start" and policy.cold_start_ms:
        bench = LabBench.of(firmware)
        ages = range(1, policy.poll_interval_ms + 1)
        age = max(ages, key=lambda first: cold_age_ticks(first, policy, bench))
        # START sets the trigger within the tick at which the moment ends.
        return (beat_ns + poll_ns) // MILLISECOND_NS - age
    # A pet blocks every thread for 100 us, so the beat at its instant comes that much later.
    return _after(beat_ns)


def _after(at_ns: int) -> int:
    """Return the moment whose fault strikes 1 to 2 ms after a time: at the begin of the ms before.

    One that strikes less than 1 ms after it could come before the beat that a pet held up.
    """
    return -(-at_ns // MILLISECOND_NS) + 2
