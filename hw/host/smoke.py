"""A smoke run: a few steps, each within its budget, and a report that no step can destroy.

The steps come from :mod:`hw.host.smoke_modem` and :mod:`hw.host.smoke_fx3`; here they are run. A
step that hangs is left behind when its budget is spent, one that raises has failed, and what needs
a step that did not pass is not run; the report has them all, and says why.

A run is *complete* when every step that belongs to the safe smoke passed (host stability workflow,
E.1): discovery, link, identity, evidence. What interrupts the module's program, or writes to it, is
a step of its own and never belongs to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from hw.errors import DeniedError
from hw.host.findings import utc_text
from hw.host.keeper import Clock
from hw.host.privacy import Privacy
from hw.runtime import Runtime

SCHEMA: Final = "fx3loop.host-smoke/1"
RELEASE_BUDGET_MS: Final = 5_000
INTERRUPTED: Final = "interrupted by the operator"
_NS_PER_MS: Final = 1_000_000


class Stage(StrEnum):
    """What a step is about; a soak can be told to stop when one of these fails."""

    DISCOVERY = "discovery"
    LINK = "link"
    IDENTITY = "identity"
    EVIDENCE = "evidence"
    REPL = "repl"
    DEPLOY = "deploy"
    RELEASE = "release"


class Outcome(StrEnum):
    """How a step ended."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_RUN = "not run"


class NotRun(Exception):
    """Raised by a step that cannot say anything, with the reason; that is no failure."""


class StepFailed(Exception):
    """Raised by a step whose check failed, where no other error says so.

    Attributes:
        facts: what was found.
    """

    def __init__(self, text: str, facts: Mapping[str, Any] | None = None) -> None:
        super().__init__(text)
        self.facts = facts or {}


@dataclass(frozen=True, slots=True)
class Told:
    """What a step that passed found.

    Attributes:
        text: in one line.
        facts: as JSON can hold it.
    """

    text: str
    facts: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Step:
    """One step, before it is run.

    Attributes:
        name: unlike that of any other step of the run.
        stage: what it is about.
        budget_ms: when it is left behind.
        do: does it; returns what it found, or raises.
        needs: names of steps without whose pass it is not run.
        is_required: it belongs to a complete safe smoke.
        touches_device: it is not run any more when the host freezes.
        why_not: a reason not to run it; empty to run it.
    """

    name: str
    stage: Stage
    budget_ms: int
    do: Callable[[], Told]
    needs: tuple[str, ...] = ()
    is_required: bool = False
    touches_device: bool = True
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Moment:
    """A time on both clocks.

    Attributes:
        utc: the time of day.
        monotonic_ns: on the clock that never goes back.
    """

    utc: datetime
    monotonic_ns: int

    @classmethod
    def now(cls, clock: Clock) -> Moment:
        """Read both clocks."""
        return cls(clock.now_utc(), clock.monotonic_ns())


@dataclass(frozen=True, slots=True)
class Span:
    """From one moment to another.

    Attributes:
        begun: the first.
        ended: the last.
    """

    begun: Moment
    ended: Moment

    @property
    def duration_ms(self) -> int:
        """How long, by the clock that never goes back."""
        return (self.ended.monotonic_ns - self.begun.monotonic_ns) // _NS_PER_MS

    def as_dict(self) -> dict[str, Any]:
        """The span for JSON."""
        return {
            "begun_utc": utc_text(self.begun.utc),
            "ended_utc": utc_text(self.ended.utc),
            "begun_monotonic_ns": self.begun.monotonic_ns,
            "ended_monotonic_ns": self.ended.monotonic_ns,
            "duration_ms": self.duration_ms,
        }


@dataclass(frozen=True, slots=True)
class StepResult:
    """One step, after its time.

    Attributes:
        step: which.
        outcome: how it ended.
        text: what it found, or why it failed or was not run.
        span: when.
        facts: what it found.
        error: what it raised, if anything.
    """

    step: Step
    outcome: Outcome
    text: str
    span: Span
    facts: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    error: Exception | None = None

    def as_dict(self, privacy: Privacy) -> dict[str, Any]:
        """The result for JSON."""
        return {
            "name": self.step.name,
            "stage": self.step.stage.value,
            "outcome": self.outcome.value,
            "text": privacy.text(self.text),
            "required": self.step.is_required,
            "budget_ms": self.step.budget_ms,
            **self.span.as_dict(),
            "error": type(self.error).__name__ if self.error else None,
            "facts": privacy.facts(self.facts),
        }


@dataclass(frozen=True, slots=True)
class SmokeReport:
    """All steps of a run.

    Attributes:
        run_id: names the run.
        about: kind, target and risk mode, and whatever else is to stand in the report.
        span: when.
        results: one for each step, in order.
        was_interrupted: the operator ended it.
    """

    run_id: str
    about: Mapping[str, Any]
    span: Span
    results: tuple[StepResult, ...]
    was_interrupted: bool = False

    @property
    def failed(self) -> tuple[StepResult, ...]:
        """The steps that failed."""
        return tuple(item for item in self.results if item.outcome is Outcome.FAILED)

    @property
    def denied(self) -> tuple[StepResult, ...]:
        """The steps that the guard did not allow."""
        return tuple(item for item in self.results if isinstance(item.error, DeniedError))

    @property
    def is_pass(self) -> bool:
        """No step failed, and a required one that touches the device passed.

        A run of which nothing was run is none.
        """
        is_anything = any(
            item.outcome is Outcome.PASSED and item.step.is_required and item.step.touches_device
            for item in self.results
        )
        return is_anything and not self.failed and not self.was_interrupted

    @property
    def is_complete(self) -> bool:
        """Every step of the safe smoke passed."""
        required = [item.outcome for item in self.results if item.step.is_required]
        return bool(required) and all(outcome is Outcome.PASSED for outcome in required)

    def privacy(self, *, shows: bool = False) -> Privacy:
        """Return what hides the identifiers that this report has.

        Args:
            shows: it hides none.
        """
        facts = [item.facts for item in self.results]
        return Privacy.of((self.about, *facts), shows=shows)

    def as_dict(self, *, shows_identifiers: bool = False) -> dict[str, Any]:
        """The report for JSON.

        Args:
            shows_identifiers: serial numbers, IMEI, IMSI, ICCID and addresses are left in it.
        """
        privacy = self.privacy(shows=shows_identifiers)
        counts = dict.fromkeys(Outcome, 0)
        for item in self.results:
            counts[item.outcome] += 1
        return {
            "schema": SCHEMA,
            "run_id": self.run_id,
            **privacy.facts(self.about),
            **self.span.as_dict(),
            "budget_ms": budget_ms([item.step for item in self.results]),
            "identifiers": "shown" if shows_identifiers else "hidden",
            "is_pass": self.is_pass,
            "is_complete": self.is_complete,
            "was_interrupted": self.was_interrupted,
            "counts": {outcome.value: count for outcome, count in counts.items()},
            "steps": [item.as_dict(privacy) for item in self.results],
        }


def budget_ms(steps: Sequence[Step]) -> int:
    """Return the longest that steps can take together."""
    return sum(step.budget_ms for step in steps)


def run_smoke(
    steps: Sequence[Step],
    *,
    run_id: str,
    about: Mapping[str, Any],
    runtime: Runtime,
    clock: Clock,
    hold: Callable[[], str] = lambda: "",
    begins: Callable[[Step], None] = lambda step: None,
    ended: Callable[[StepResult], None] = lambda result: None,
    explain: Callable[[DeniedError], str] = str,
) -> SmokeReport:
    """Run steps one after the other, and return the report whatever they do.

    Args:
        steps: what to do; those of stage ``release`` are run after an interruption too.
        run_id: names the run.
        about: for the report.
        runtime: runs a step beside the caller, who waits no longer than its budget.
        clock: for the report.
        hold: asked before each step that touches the device; a reason not to, or nothing.
        begins: told of each step that is about to be run; when it raises, the step is not run.
        ended: told of each result.
        explain: says what would allow a step that was denied, in the words of the caller's user.

    Raises:
        Exception: ``begins`` or ``ended`` raised it; nothing is done that cannot be recorded.
    """
    begun = Moment.now(clock)
    results: list[StepResult] = []
    was_interrupted = False
    for step in steps:
        moment = Moment.now(clock)
        reason = _reason_against(step, results, hold)
        if was_interrupted and step.stage is not Stage.RELEASE:
            reason = INTERRUPTED
        if reason:
            result = StepResult(step, Outcome.NOT_RUN, reason, Span(moment, moment))
        else:
            begins(step)
            try:
                result = _run(step, runtime, clock, explain)
            except KeyboardInterrupt:
                was_interrupted = True
                span = Span(moment, Moment.now(clock))
                result = StepResult(step, Outcome.NOT_RUN, INTERRUPTED, span)
        results.append(result)
        ended(result)
    return SmokeReport(
        run_id, about, Span(begun, Moment.now(clock)), tuple(results), was_interrupted
    )


def _reason_against(step: Step, results: Sequence[StepResult], hold: Callable[[], str]) -> str:
    if step.why_not:
        return step.why_not
    outcomes = {item.step.name: item.outcome for item in results}
    for name in step.needs:
        outcome = outcomes.get(name, Outcome.NOT_RUN)
        if outcome is not Outcome.PASSED:
            was = "failed" if outcome is Outcome.FAILED else "was not run"
            return f"it needs the step {name}, which {was}"
    return hold() if step.touches_device else ""


def _run(
    step: Step, runtime: Runtime, clock: Clock, explain: Callable[[DeniedError], str]
) -> StepResult:
    begun = Moment.now(clock)
    outcome, facts = Outcome.FAILED, MappingProxyType[str, Any]({})
    error: Exception | None = None
    try:
        told = runtime.spawn(f"smoke {step.name}", step.do).join(step.budget_ms)
    except TimeoutError as late:
        text, error = f"its budget of {step.budget_ms} ms is spent: {late}", late
    except NotRun as reason:
        outcome, text = Outcome.NOT_RUN, str(reason)
    except DeniedError as denial:
        outcome, text, error = Outcome.NOT_RUN, explain(denial), denial
    except StepFailed as failure:
        text, facts = str(failure), MappingProxyType(dict(failure.facts))
    except Exception as failure:  # noqa: BLE001 - whatever a step raises, the report has the rest
        text, error = str(failure) or type(failure).__name__, failure
    else:
        outcome, text, facts = Outcome.PASSED, told.text, MappingProxyType(dict(told.facts))
    return StepResult(step, outcome, text, Span(begun, Moment.now(clock)), facts, error)
