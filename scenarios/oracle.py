"""The invariants of every run, whatever the scenario, the firmware and the policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

from health import Level, Outcome, StatusCode
from health.ladders import LADDERS, field_names
from scenarios import conduct
from scenarios.facts import Facts
from sim.faults import Fault

MILLION = 1_000_000
TICK_ERROR_PPM_MAX = 40_000
"""The OS tick is off by up to 4 % (cyu3os.h)."""
PET_CALLS = frozenset(("sys_watch_dog_clear", "sys_watch_dog_configure", "timer_create"))
"""A fault in one of these changes what the watchdog can promise."""


def check(facts: Facts) -> tuple[str, ...]:
    """Return every broken invariant as one line; empty when all hold.

    Args:
        facts: the run.
    """
    return tuple(text for rule in RULES for text in rule(facts))


def remedies_are_enabled(facts: Facts) -> Iterator[str]:
    """A remedy comes from a level that the policy has on, and from nowhere in position none."""
    for remedy in facts.remedies:
        if not facts.policy.is_enabled(remedy.level) or facts.position == "none":
            yield f"level {remedy.level:d} applied though {facts.policy.name} has it off"


def remedies_keep_their_ladder(facts: Facts) -> Iterator[str]:
    """A status is answered between its first level and its ceiling, on its own ladder."""
    for remedy in facts.remedies:
        code = remedy.code
        if code is None or not LADDERS[code]:
            yield f"level {remedy.level:d} applied for {code_name(code)}, which has no remedy"
            continue
        first, ceiling = (getattr(facts.policy, name) for name in field_names(code))
        if remedy.level not in LADDERS[code] or not first <= remedy.level <= ceiling:
            yield f"level {remedy.level:d} for {code.name} is not within {first} to {ceiling}"


def caps_hold(facts: Facts) -> Iterator[str]:
    """Level 1 keeps its cap within a session, higher levels until health is proven."""
    for position in ("device", "host"):
        yield from _caps_hold_in(facts, position)


def _caps_hold_in(facts: Facts, position: str) -> Iterator[str]:
    for begin_ns, end_ns in _sessions(facts, position):
        uses = _uses(facts, position, Level.STREAM, begin_ns, end_ns)
        cap = facts.policy.level_1_cap
        if cap and uses > cap and not facts.scenario.sets_cap:
            yield f"level 1 applied {uses} times in one session, its cap is {cap}"
    for level in (Level.EP0, Level.APPLICATION, Level.DEVICE_RESET):
        cap = facts.policy.cap(level)
        for begin_ns, end_ns in _boots(facts):
            uses = _uses(facts, position, level, begin_ns, end_ns)
            # Proven health gives the uses back, at most once in each stretch of healthy_ms.
            stretches = 1 + (end_ns - begin_ns) // (facts.policy.healthy_ms * MILLION or 1)
            if cap and uses > cap * stretches:
                yield f"level {level:d} applied {uses} times, its cap is {cap}"


def legal_use_costs_nothing(facts: Facts) -> Iterator[str]:
    """What hosts may do is answered by level 1 at most, and never by a reset."""
    if not facts.scenario.is_legal or facts.faults:
        return
    for remedy in facts.remedies:
        if remedy.level is not Level.STREAM:
            yield f"level {remedy.level:d} applied in legal use"
    for reset in facts.resets:
        yield f"legal use ended in a reset ({reset.cause})"


def watchdog_keeps_its_promise(facts: Facts) -> Iterator[str]:
    """Level 5 fires between P and P + C after the last beat: never earlier, never later."""
    policy = facts.policy
    if facts.position != "device" or not policy.level_5_enabled:
        return
    if any(_touches_the_pet(fault) for _, fault in facts.triggered):
        return
    period_ns = policy.hwdt_effective_us * 1_000 * MILLION
    period_ns //= MILLION + facts.options.watchdog_clock_ppm
    # One tick for each of the two looks that a pet can lag behind its beat.
    pet_ns = (policy.pet_interval_ms + 2) * (MILLION + TICK_ERROR_PPM_MAX)
    fired_ns = {reset.at_ns for reset in facts.resets if reset.cause == "watchdog"}
    beats_ns = facts.beats_ns
    for begin_ns, end_ns in _boots(facts):
        beats = [at_ns for at_ns in beats_ns if begin_ns <= at_ns < end_ns]
        if not beats:
            continue
        silence_ns = end_ns - beats[-1]
        if end_ns in fired_ns and silence_ns < period_ns:
            yield f"the watchdog fired {silence_ns // MILLION} ms after a beat of the main thread"
        if silence_ns > period_ns + pet_ns:
            yield f"the watchdog let {silence_ns // MILLION} ms pass without a beat"


RULES: tuple[Callable[[Facts], Iterator[str]], ...] = (
    remedies_are_enabled,
    remedies_keep_their_ladder,
    caps_hold,
    legal_use_costs_nothing,
    watchdog_keeps_its_promise,
    *conduct.RULES,
)


def _touches_the_pet(fault: Fault) -> bool:
    """It stops the watchdog or the timer that pets it, so the promise is off."""
    return (
        fault.kind in ("timer_death", "watchdog_stuck")
        or fault.thread == "timer"
        or fault.call in PET_CALLS
    )


def code_name(code: StatusCode | None) -> str:
    """The status in words, for a message."""
    return "no status" if code is None else code.name


def _uses(facts: Facts, position: str, level: Level, begin_ns: int, end_ns: int) -> int:
    refused_ns = {
        act.at_ns for life in facts.lives for act in life.acts if act.outcome is Outcome.REFUSED
    }
    return sum(
        remedy.level is level and begin_ns <= remedy.at_ns < end_ns
        for remedy in facts.remedies
        if remedy.position == position and remedy.at_ns not in refused_ns
    )


def _sessions(facts: Facts, position: str) -> Iterator[tuple[int, int]]:
    """Stretches between two START, STOP or STARTADC requests, or resets.

    What a module in the host position sends as its remedy begins a session for the device alone.
    """
    borders = facts.requests_ns("STARTFX3", "STOPFX3", "STARTADC")
    if position == "host":
        spans = [
            (act.at_ns, facts.ended_ns if act.ended_ns is None else act.ended_ns)
            for life in facts.lives
            for act in life.acts
        ]
        borders = tuple(
            at_ns for at_ns in borders if not any(begin <= at_ns <= end for begin, end in spans)
        )
    resets = tuple(reset.at_ns for reset in facts.resets)
    return pairwise(sorted({0, *borders, *resets, facts.ended_ns + 1}))


def _boots(facts: Facts) -> Iterator[tuple[int, int]]:
    """Stretches between two resets of the chip."""
    return pairwise((0, *(reset.at_ns for reset in facts.resets), facts.ended_ns))
