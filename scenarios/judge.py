"""From the facts of a run to the row of a table: what was seen, by whom, when, and how it ended."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from scenarios import option_text
from scenarios.facts import Facts
from scenarios.host_program import NOTHING
from scenarios.station import EP0_ANSWERS

WATCHDOG_LEVEL = 5
NOT_AN_ONSET = frozenset(("watchdog_stuck", "remedy_fails", "remedy_refused", "tick_wrap"))
"""Faults that take a remedy away but hurt nobody by themselves."""
HANGS = frozenset(("hang", "main_hang"))
LASTING = HANGS | {"timer_death"}
"""Faults that stay until the next reset, when they are for ever."""

RECOVERED = "recovered"
LOCKED_UP = "locked_up"
DEGRADED = "degraded"
LEFT_ALONE = "left_alone"
PASS = "pass"
GOOD_ENDS = frozenset((RECOVERED, LEFT_ALONE))


@dataclass(frozen=True)
class Row:
    """One episode. Times are ms of simulated time; a time that does not exist is None.

    Attributes:
        incident: which one in history.
        scenario: name of what ran.
        firmware: the revision.
        policy: the policy's name.
        position: where the health module ran.
        fault: what went wrong, in words.
        manner: ``blocked`` or ``spinning`` where a thread hung, else None.
        injected: the faults that were armed, as text.
        options: the bench's knobs that were turned, as text.
        host_saw: what the host program saw first, or ``nothing``.
        host_saw_after_ms: when, from the onset.
        host_saw_in: the step of the program in which it saw that.
        ep0: what TESTFX3 told right afterwards.
        detected_level: the first level that answered, 5 is the watchdog, or None.
        detected_after_ms: when it began, from the onset.
        remedies: every level that was applied from the onset on, in order.
        serving_after_ms: from the onset to the first data after it, upload included; 0 when the
            program noticed nothing: it bears up to 1 s without data.
        uploads: how often the firmware was uploaded.
        verdict: ``recovered``; ``locked_up`` (EP0 is dead or the device gone, for good);
            ``degraded`` (serves in part: EP0 without a stream, or a hung thread is left in it);
            ``left_alone`` (serves, and nothing beyond level 1 was done).
        seed: of the world.
        simulated_ms: length of the run.
        unused_faults: faults that never triggered: the run then says nothing.
        violations: invariants that were broken.
        original: what the real suite's own rule says, ``pass`` or ``fail: ...``; None where there
            is no such rule, for an incident or a run with faults.
        strict: what the strict rule found beyond it.
        said: what the scenario had to say, its PASS line last.
        health: the health module, where it is not the reference one.
    """

    incident: str
    scenario: str
    firmware: str
    policy: str
    position: str
    fault: str
    manner: str | None
    injected: tuple[str, ...]
    options: tuple[str, ...]
    host_saw: str
    host_saw_after_ms: float | None
    host_saw_in: str
    ep0: str
    detected_level: int | None
    detected_after_ms: float | None
    remedies: tuple[int, ...]
    serving_after_ms: float | None
    uploads: int
    verdict: str
    seed: int
    simulated_ms: float
    unused_faults: tuple[str, ...]
    violations: tuple[str, ...]
    original: str | None = None
    strict: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    health: str = ""

    @property
    def is_good(self) -> bool:
        """It ended well by every rule that applies, and the faults took effect."""
        return not self.reasons

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it is not good, one a line; empty when it is."""
        found = []
        if self.original not in (None, PASS):
            found.append(f"original rule: {self.original}")
        found += [f"strict rule: {text}" for text in self.strict]
        found += [
            f"fault {text} never triggered: a fault that did nothing is a broken test"
            for text in self.unused_faults
        ]
        found += [f"invariant broken: {text}" for text in self.violations]
        if self.verdict not in GOOD_ENDS:
            found.append(f"{self.verdict}: the host saw {self.host_saw} ({self.host_saw_in})")
        return tuple(found)

    def as_dict(self) -> dict[str, Any]:
        """The row for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Onset:
    """When the incident began, and how a thread hangs in it, if one does."""

    at_ns: int
    manner: str | None


def onset(facts: Facts) -> Onset | None:
    """Return when things went wrong, or None when they did not.

    The first fault that took effect or the first spin; else what the scenario did itself; else
    the beginning of the host's step that failed, which left a dead stream behind.
    """
    found = [
        Onset(at_ns, fault.manner if fault.kind in HANGS else None)
        for at_ns, fault in facts.triggered
        if fault.kind not in NOT_AN_ONSET
    ]
    found += [Onset(at_ns, "spinning") for at_ns, _ in facts.spins_of_threads]
    if found:
        # At one instant the fault comes before the spin that it makes.
        return min(found, key=lambda item: item.at_ns)
    if facts.onset_ns is not None:
        return Onset(facts.onset_ns, None)
    return None if facts.report.saw_ns is None else Onset(facts.report.step_ns, None)


def hung_thread_is_left(facts: Facts) -> bool:
    """Return whether a thread hangs for ever at the end of the run."""
    last_reset_ns = max((reset.at_ns for reset in facts.resets), default=-1)
    hung_ns = [at_ns for at_ns, _ in facts.spins_of_threads]
    hung_ns += [
        at_ns
        for at_ns, fault in facts.triggered
        if fault.kind in LASTING and not (fault.kind in HANGS and fault.for_ms)
    ]
    return any(at_ns > last_reset_ns for at_ns in hung_ns)


def judge(facts: Facts, violations: tuple[str, ...]) -> Row:
    """Return the row of a run.

    Args:
        facts: the run.
        violations: what the oracle found.
    """
    began = onset(facts)
    onset_ns = 0 if began is None else began.at_ns
    answers = _answers(facts, onset_ns)
    report = facts.report
    serves = report.saw == NOTHING or report.served_ns is not None
    # Data that came again before the onset ended a trouble of the program's own.
    served_ns = max(onset_ns, report.served_ns or 0)
    return Row(
        incident=facts.scenario.incident,
        scenario=facts.scenario.name,
        firmware=facts.firmware,
        policy=facts.policy.name,
        position=facts.position,
        fault=_fault_text(facts),
        manner=None if began is None else began.manner,
        injected=tuple(str(fault) for fault in facts.faults),
        options=option_text.changed(facts.options),
        host_saw=report.saw,
        host_saw_after_ms=None if report.saw_ns is None else _ms(report.saw_ns - onset_ns),
        host_saw_in=report.step,
        ep0=report.ep0,
        detected_level=answers[0][1] if answers else None,
        detected_after_ms=_ms(answers[0][0] - onset_ns) if answers else None,
        remedies=tuple(level for _, level in answers),
        serving_after_ms=_ms(served_ns - onset_ns) if serves else None,
        uploads=facts.uploads,
        verdict=_verdict(facts, serves, answers),
        seed=facts.seed,
        simulated_ms=_ms(facts.ended_ns),
        unused_faults=tuple(str(fault) for fault in facts.unused),
        violations=violations,
        original=_original(facts),
        # Under somebody else's faults a scenario's own expectations mean nothing.
        strict=facts.performance.violations if facts.is_examined or facts.has_own_faults else (),
        said=(*facts.said, *filter(None, (facts.performance.text,))),
        health=facts.health,
    )


def _original(facts: Facts) -> str | None:
    if not facts.is_examined:
        return None
    failure = facts.performance.failure
    return PASS if failure is None else f"fail: {failure}"


def _answers(facts: Facts, onset_ns: int) -> list[tuple[int, int]]:
    """(time in ns, level) of every answer from the onset on, the watchdog's included."""
    found = [(remedy.at_ns, int(remedy.level)) for remedy in facts.remedies]
    found += [(reset.at_ns, WATCHDOG_LEVEL) for reset in facts.resets if reset.cause == "watchdog"]
    return sorted(item for item in found if item[0] >= onset_ns)


def _verdict(facts: Facts, serves: bool, answers: list[tuple[int, int]]) -> str:
    if not serves:
        return DEGRADED if facts.report.ep0 == EP0_ANSWERS else LOCKED_UP
    if hung_thread_is_left(facts):
        return DEGRADED
    untouched = not answers or (facts.scenario.is_legal and not facts.triggered)
    if facts.report.saw == NOTHING and untouched and not facts.resets:
        return LEFT_ALONE
    return RECOVERED


def _fault_text(facts: Facts) -> str:
    if facts.has_own_faults:
        return facts.scenario.title or "nothing"
    return " + ".join(str(fault) for fault in facts.faults)


def _ms(duration_ns: int) -> float:
    """Milliseconds with three decimals, from integers alone, so that rows compare exactly."""
    return duration_ns // 1_000 / 1_000
