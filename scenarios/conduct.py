"""The invariants of how a health module goes about it: what its contract says of its hands.

These are judged by what a witness saw, and by the trace of the firmware around it; never by what
the module says of itself.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator

from health import Level, Outcome, Policy, StatusCode, level_bit
from hw.trace import Kind
from scenarios.facts import EP0_TRACK, Facts
from scenarios.judge import NOT_AN_ONSET
from scenarios.witness import Act, Life

MILLION = 1_000_000
REFERENCE = Policy.preset("reference")
LOCKING = (Level.EP0, Level.APPLICATION)
"""They take locks that a handler in progress may hold."""
EP0_CODES = (StatusCode.EP0_WEDGED, StatusCode.USB_EVENT_WEDGED, StatusCode.EP0_DESYNC)
LIMITS = {
    StatusCode.STREAM_STALL: "stream_stall_ms",
    StatusCode.STREAM_WEDGE: "stream_wedge_ms",
    StatusCode.APPLICATION_WEDGED: "stream_wedge_ms",
    StatusCode.COLD_START: "cold_start_ms",
    StatusCode.CLOCK_LOST: "clock_lost_ms",
    StatusCode.EP0_WEDGED: "ep0_limit_ms",
    StatusCode.USB_EVENT_WEDGED: "usb_event_limit_ms",
    StatusCode.EP0_DESYNC: "ep0_desync_limit",
    StatusCode.UNKNOWN: "unknown_ms",
}
"""The field of a policy that is 0 where a status is not looked for."""
PET_SLACK_MS = 2
WATCHDOG_LEVEL = 5


def contract_is_kept(facts: Facts) -> Iterator[str]:
    """An intent is noted, and the platform asked, before each apply; level 5 is never applied."""
    for life in facts.lives:
        for act in life.acts:
            name = f"level {act.level:d}"
            if act.level not in Level or act.level is Level.WATCHDOG:
                yield f"{name} applied, which is none of the four remedies"
                continue
            if not act.was_noted:
                yield f"{name} applied without a note of the intent"
            if act.available is None:
                yield f"{name} applied without asking what is available"
            elif not act.available & level_bit(act.level):
                yield f"{name} applied though it was not available"
        if life.changes_ns:
            yield f"evaluate changed its own answer at {life.changes_ns[0] / 1e9:.6f} s"


def climbs_are_kept(facts: Facts) -> Iterator[str]:
    """Level by level, no rung left out, none tried twice, and down only after proven health."""
    for life in facts.lives:
        last: dict[str, Act] = {}
        for number, act in enumerate(life.acts):
            family = family_of(act.code)
            yield from _judge_step(facts, life.acts[:number], last.get(family), act)
            if act.outcome is not Outcome.REFUSED:
                last[family] = act


def remedies_settle(facts: Facts) -> Iterator[str]:
    """A remedy that was done has its time to help, and a level its cool-down."""
    policy = facts.policy
    tick_ns = MILLION + facts.options.tick_ppm
    for life in facts.lives:
        done: dict[str, Act] = {}
        used: dict[Level, Act] = {}
        for act in life.acts:
            before = done.get(family_of(act.code))
            # The difference of two ticks is up to one tick longer than the time in between.
            if before is not None and before.outcome is Outcome.DONE and act.level > before.level:
                least_ns = (policy.settle_ms - 1) * tick_ns
                if act.at_ns - (before.ended_ns or act.at_ns) < least_ns:
                    yield f"level {act.level:d} before level {before.level:d} had settled"
            again = used.get(act.level)
            if again is not None and again.ended_ns is not None and act.level < Level.WATCHDOG:
                least_ns = (policy.cool_down_ms(act.level) - 1) * tick_ns
                if act.at_ns - again.ended_ns < least_ns:
                    yield f"level {act.level:d} again before it had cooled down"
            if act.outcome is not Outcome.REFUSED:
                done[family_of(act.code)] = used[act.level] = act


def no_remedy_waits_for_a_handler(facts: Facts) -> Iterator[str]:
    """Levels 2 and 3 take locks, so they keep away while a setup handler is in progress."""
    if facts.position != "device":
        return
    spans = handlers_ns(facts)
    for life in facts.lives:
        for act in life.acts:
            if act.level in LOCKING and any(begin < act.at_ns < end for begin, end in spans):
                yield f"level {act.level:d} applied while a setup handler was in progress"


def wedged_handlers_are_true(facts: Facts) -> Iterator[str]:
    """A setup handler counts as wedged when it is over its limit: not earlier, and not later."""
    limit_ms = facts.policy.ep0_limit_ms
    if facts.position != "device" or not limit_ms:
        return
    tick_ns = MILLION + facts.options.tick_ppm
    spans = handlers_ns(facts)
    acts = [act for life in facts.lives for act in life.acts]
    for act in acts:
        if act.code is not StatusCode.EP0_WEDGED:
            continue
        begun_ns = [begin for begin, end in spans if begin < act.at_ns <= end]
        if not begun_ns or act.at_ns - begun_ns[-1] <= (limit_ms - 1) * tick_ns:
            yield f"level {act.level:d} for EP0_WEDGED, but no handler was over its limit"
    if not facts.policy.ladder(StatusCode.EP0_WEDGED):
        return
    beats_ns = facts.beats_ns
    for begin, end in spans:
        # One look at least finds it over its limit, and the next says that nothing came of it.
        first = bisect_left(beats_ns, begin + (limit_ms + 1) * tick_ns)
        after_ns = beats_ns[first + 1] if first + 1 < len(beats_ns) else facts.ended_ns
        if after_ns < end and not any(begin < act.at_ns <= after_ns for act in acts):
            yield f"a setup handler over its limit was left alone at {after_ns / 1e9:.3f} s"


def watchdog_is_used_as_the_policy_says(facts: Facts) -> Iterator[str]:
    """Armed once and only where level 5 is on, looked after each pet interval, petted no more."""
    if facts.position != "device":
        return
    policy = facts.policy
    armed_ms = [policy.hwdt_period_ms] if policy.level_5_enabled else []
    looks_ms = [policy.pet_interval_ms] if policy.level_5_enabled else []
    least_ns = (policy.pet_interval_ms - PET_SLACK_MS) * (MILLION + facts.options.tick_ppm)
    for life in facts.lives:
        if life.armed_ms != armed_ms or life.looks_ms != looks_ms:
            yield (
                f"watchdog armed with {life.armed_ms} ms, looked after each {life.looks_ms} ms, "
                f"not {armed_ms} and {looks_ms}"
            )
        yield from _judge_pets(life, least_ns)


def reference_answers(facts: Facts) -> Iterator[str]:
    """The reference policy on the reference firmware answers as the scenario says, and as fast."""
    scenario = facts.scenario
    if scenario.answers is None or not facts.has_own_faults or facts.position != "device":
        return
    if facts.firmware != "reference" or facts.policy.digest != REFERENCE.digest:
        return
    levels = [(act.at_ns, int(act.level)) for life in facts.lives for act in life.acts]
    levels += [(item.at_ns, WATCHDOG_LEVEL) for item in facts.resets if item.cause == "watchdog"]
    found = tuple(level for _, level in sorted(levels))
    if found != scenario.answers:
        yield f"answered by levels {found or 'none'}, expected {scenario.answers or 'none'}"
    onset_ns = began_ns(facts)
    if found and scenario.answered_ms is not None and onset_ns is not None:
        least_ms, most_ms = scenario.answered_ms
        after_ns = min(levels)[0] - onset_ns
        if not least_ms * MILLION <= after_ns <= most_ms * MILLION:
            yield (
                f"answered {after_ns / MILLION:.3f} ms after the onset, "
                f"expected {least_ms} to {most_ms} ms"
            )
    yield from _judge_second_answer(facts)
    reported = [code.name for life in facts.lives for code in life.reported or ()]
    wanted = None if scenario.reports is None else [code.name for code in scenario.reports]
    if wanted is not None and reported != wanted and facts.lives[0].reported is not None:
        yield f"reported {', '.join(reported) or 'nothing'}, expected {', '.join(wanted)}"


def only_what_is_looked_for_is_reported(facts: Facts) -> Iterator[str]:
    """A detection whose limit is 0 is off and finds nothing."""
    for life in facts.lives:
        for code in life.reported or ():
            if code in LIMITS and getattr(facts.policy, LIMITS[code]) == 0:
                yield f"{code.name} reported, which {facts.policy.name} does not look for"


RULES: tuple[Callable[[Facts], Iterator[str]], ...] = (
    contract_is_kept,
    climbs_are_kept,
    remedies_settle,
    no_remedy_waits_for_a_handler,
    wedged_handlers_are_true,
    watchdog_is_used_as_the_policy_says,
    reference_answers,
    only_what_is_looked_for_is_reported,
)


def family_of(code: StatusCode) -> str:
    """Conditions that climb together: of stalls, of EP0, of the stream."""
    if code is StatusCode.STREAM_STALL:
        return "stall"
    return "EP0" if code in EP0_CODES else "stream"


def began_ns(facts: Facts) -> int | None:
    """When the incident began: where the scenario says, else at the first fault that hurts."""
    if facts.onset_ns is not None:
        return facts.onset_ns
    hurt_ns = [at_ns for at_ns, fault in facts.triggered if fault.kind not in NOT_AN_ONSET]
    return min(hurt_ns, default=None)


def handlers_ns(facts: Facts) -> list[tuple[int, int]]:
    """(begin, end) of each setup handler; one that never ended lasts to the reset or the end."""
    resets_ns = [reset.at_ns for reset in facts.resets]
    found = []
    begun_ns: int | None = None

    def cut_ns(begin_ns: int) -> int:
        later = [at_ns for at_ns in resets_ns if at_ns > begin_ns]
        return min(later, default=facts.ended_ns)

    for kind, track, _, at_ns, _, _ in facts.trace.records:
        if track != EP0_TRACK:
            continue
        if kind is Kind.BEGIN:
            if begun_ns is not None:
                found.append((begun_ns, cut_ns(begun_ns)))
            begun_ns = at_ns
        elif kind is Kind.END and begun_ns is not None:
            found.append((begun_ns, at_ns))
            begun_ns = None
    if begun_ns is not None:
        found.append((begun_ns, cut_ns(begun_ns)))
    return found


def _judge_second_answer(facts: Facts) -> Iterator[str]:
    """How soon the second remedy follows the first."""
    acts = [act for life in facts.lives for act in life.acts]
    if facts.scenario.followed_ms is None or len(acts) < 2 or acts[0].ended_ns is None:
        return
    least_ms, most_ms = facts.scenario.followed_ms
    after_ns = acts[1].at_ns - acts[0].ended_ns
    if not least_ms * MILLION <= after_ns <= most_ms * MILLION:
        yield (
            f"level {acts[1].level:d} {after_ns / MILLION:.3f} ms after the end of level "
            f"{acts[0].level:d}, expected {least_ms} to {most_ms} ms"
        )


def _judge_step(facts: Facts, earlier: list[Act], last: Act | None, act: Act) -> Iterator[str]:
    """One rung of a climb, after the last that was tried for the same family."""
    policy = facts.policy
    mask = act.available or 0
    usable = [level for level in policy.ladder(act.code) if mask & level_bit(level)]
    if act.level not in usable:
        return  # other rules say so
    reached = 0 if last is None else last.level
    lowest = min(reached + 1, usable[-1])
    if act.level < lowest and last is not None:
        since_ns = act.at_ns - (last.ended_ns or last.at_ns)
        if since_ns < (policy.healthy_ms - 1) * (MILLION + facts.options.tick_ppm):
            yield (
                f"level {act.level:d} for {act.code.name} {since_ns // MILLION} ms after level "
                f"{reached:d}: health was not proven"
            )
        lowest = act.level
    for level in usable:
        if not lowest <= level < act.level or (level in LOCKING and act.handler):
            continue
        uses = sum(one.level is level and one.outcome is not Outcome.REFUSED for one in earlier)
        cap = policy.cap(level)
        if not cap or uses < cap:
            yield f"level {act.level:d} for {act.code.name} though level {level:d} was not tried"


def _judge_pets(life: Life, least_ns: int) -> Iterator[str]:
    for before_ns, at_ns in zip(life.pets_ns, life.pets_ns[1:], strict=False):
        if at_ns - before_ns < least_ns:
            yield f"the watchdog was petted twice within {(at_ns - before_ns) // MILLION} ms"
            return
