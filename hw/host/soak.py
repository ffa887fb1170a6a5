"""A soak: smoke runs one after the other, for as long as device and host stay well.

All that can stop it is fixed before it begins. Between its iterations, and once a second while it
waits, the host is looked at: a new incident stops it, and before each step too, so that a host that
freezes is left alone within one poll. Its report is on the disk line by line
(:mod:`hw.host.soak_record`).

Source: host stability workflow, A and C.2; quecpython-dev-skill, ``qpy_soak_runner.py``, for the
thresholds and their order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from hw.errors import DeniedError
from hw.guard import HostState
from hw.host.incidents import Incident
from hw.host.keeper import Clock
from hw.host.privacy import Privacy
from hw.host.smoke import SmokeReport, Stage, Step, StepResult, budget_ms, run_smoke
from hw.host.soak_record import (
    BEGIN,
    END,
    ITERATION,
    ITERATION_BEGIN,
    STEP,
    STEP_BEGIN,
    SoakReport,
    StopReason,
    summary_of,
)
from hw.host.states import HostStatus
from hw.host.watch import SHARE
from hw.runtime import Runtime

POLL_MS: Final = 1_000
"""A host that freezes is noticed this much later, and the time of a look."""
_NS_PER_MS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Plan:
    """What stops a soak, fixed before it begins.

    Attributes:
        duration_ms: no iteration begins later.
        interval_ms: from the end of one to the begin of the next.
        max_iterations: 0 for any number.
        max_failures: iterations that failed; 0 for any number.
        max_consecutive: likewise, one after the other.
        abort_on: a step of such a stage that failed stops it at once.
        deploy_every: which iterations deploy, where that is wanted at all.
    """

    duration_ms: int
    interval_ms: int
    max_iterations: int = 0
    max_failures: int = 3
    max_consecutive: int = 2
    abort_on: frozenset[Stage] = frozenset()
    deploy_every: int = 6

    def as_dict(self) -> dict[str, Any]:
        """The plan for JSON."""
        return {
            "duration_ms": self.duration_ms,
            "interval_ms": self.interval_ms,
            "max_iterations": self.max_iterations,
            "max_failures": self.max_failures,
            "max_consecutive": self.max_consecutive,
            "abort_on": sorted(stage.value for stage in self.abort_on),
            "deploy_every": self.deploy_every,
        }

    def deploys(self, iteration: int) -> bool:
        """Whether an iteration, the first of which is 1, is one that deploys."""
        return iteration % self.deploy_every == 0


class HostLook(Protocol):
    """What is needed of :class:`hw.host.HostKeeper`."""

    def look(self) -> tuple[HostStatus, tuple[Incident, ...]]:
        """Return the state of the host, and what crashed in the last days."""
        ...


class HostDelta:
    """Says what happened to the host since a soak began.

    Args:
        host: looked at now, and again whenever it is asked for.
        monotonic_ns: paces looks that are slow.
    """

    def __init__(self, host: HostLook, monotonic_ns: Callable[[], int]) -> None:
        self._host = host
        self._monotonic_ns = monotonic_ns
        self._due_ns = 0
        self.first, known = self._paced()
        self._last_utc = max((item.last_utc for item in known), default=None)
        self._state = self.first.state
        self.reason = ""
        self.stop: StopReason | None = None

    def look(self) -> StopReason | None:
        """Look at the host; what was seen once stays seen.

        Returns:
            A new incident, or that the host turned frozen; None while neither was seen.
        """
        if self.stop is not None:
            return self.stop
        status, found = self._paced()
        new = [item for item in found if self._is_new(item)]
        if new:
            self.stop, self.reason = StopReason.INCIDENT, new[0].words()
        elif status.state is HostState.FROZEN and self._state is not HostState.FROZEN:
            self.stop, self.reason = StopReason.FROZEN, "; ".join(status.reasons)
        self._state = status.state
        return self.stop

    def hold(self) -> str:
        """Return why the device is to be left alone from now on; empty to go on.

        The host is looked at first; where a look takes longer than a second, no more often than
        that looks take a tenth of the time, so that steps last no longer than their budgets.
        """
        if self._monotonic_ns() >= self._due_ns:
            self.look()
        return f"{self.stop.value}: {self.reason}" if self.stop else ""

    def _paced(self) -> tuple[HostStatus, tuple[Incident, ...]]:
        begun_ns = self._monotonic_ns()
        seen = self._host.look()
        spent_ns = self._monotonic_ns() - begun_ns
        is_slow = spent_ns > POLL_MS * _NS_PER_MS
        self._due_ns = begun_ns + SHARE * spent_ns if is_slow else 0
        return seen

    def _is_new(self, incident: Incident) -> bool:
        # A mark that comes late, such as WER 1001, is new too: nobody has seen it yet.
        return self._last_utc is None or incident.last_utc > self._last_utc


class Soak:
    """Runs smoke after smoke.

    Args:
        plan: what stops it.
        steps: makes the steps of an iteration, whose number it is given.
        about: for the report.
        host: looked at between the steps.
        report: where it is written.
        runtime: of the target: runs the steps.
        clock: the time, which decides on the duration.
        sleep_ms: waits, while nothing is done.
        is_stopped: whether the operator wants it to end.
        noted: told of each iteration's smoke report; returns why it does not count, or nothing.
        tell: told a line of each iteration.
        explain: as :func:`hw.host.smoke.run_smoke` takes it.
        shows_identifiers: the report has identifiers of device and card in clear.

    Attributes:
        was_denied: the guard did not allow a step that was asked for.
    """

    def __init__(
        self,
        plan: Plan,
        steps: Callable[[int], Sequence[Step]],
        about: Mapping[str, Any],
        host: HostLook,
        report: SoakReport,
        *,
        runtime: Runtime,
        clock: Clock,
        sleep_ms: Callable[[int], None],
        is_stopped: Callable[[], bool] = lambda: False,
        noted: Callable[[SmokeReport], str] = lambda report: "",
        tell: Callable[[str], None] = lambda line: None,
        explain: Callable[[DeniedError], str] = str,
        shows_identifiers: bool = False,
    ) -> None:
        self._plan = plan
        self._steps = steps
        self._about = about
        self._delta = HostDelta(host, clock.monotonic_ns)
        self._report = report
        self._runtime = runtime
        self._clock = clock
        self._sleep_ms = sleep_ms
        self._is_stopped = is_stopped
        self._noted = noted
        self._tell = tell
        self._explain = explain
        self._privacy = Privacy.of((about,), shows=shows_identifiers)
        self._failures = 0
        self._consecutive = 0
        self.was_denied = False

    def run(self) -> dict[str, Any]:
        """Run until something stops it, and return the summary, which the report has too.

        Raises:
            EvidenceError: the report cannot be written; nothing is done that it does not have.
        """
        begun_ns = self._clock.monotonic_ns()
        first = self._steps(1)
        self._report.append(
            BEGIN,
            about=self._privacy.facts(self._about),
            plan=self._plan.as_dict(),
            iteration_budget_ms=budget_ms(first),
            limit_ms=self._plan.duration_ms + budget_ms(first),
            budgets_ms={step.name: step.budget_ms for step in first},
            host=self._delta.first.as_dict(),
        )
        try:
            stop = self._loop(begun_ns)
        except KeyboardInterrupt:
            stop = StopReason.INTERRUPTED
        reason = self._delta.reason
        summary = summary_of(self._report.records, stop, reason)
        self._report.append(END, stop_reason=stop.value, reason=reason, summary=summary)
        return summary

    def _loop(self, begun_ns: int) -> StopReason:
        iteration = 0
        while True:
            if self._is_stopped():
                return StopReason.INTERRUPTED
            iteration += 1
            stop = self._iterate(iteration)
            stop = stop or self._over(iteration, begun_ns) or self._wait()
            if stop is not None:
                return stop

    def _iterate(self, iteration: int) -> StopReason | None:
        self._report.append(ITERATION_BEGIN, iteration=iteration)
        run_id = f"{self._report.run_id}.{iteration}"
        report = run_smoke(
            self._steps(iteration),
            run_id=run_id,
            about=self._about,
            runtime=self._runtime,
            clock=self._clock,
            hold=self._delta.hold,
            begins=lambda step: self._report.append(
                STEP_BEGIN, iteration=iteration, name=step.name
            ),
            ended=lambda result: self._report_step(iteration, result),
            explain=self._explain,
        )
        self.was_denied = self.was_denied or bool(report.denied)
        by_host = self._delta.look()
        failed = [result.step.name for result in report.failed]
        self._report.append(
            ITERATION,
            iteration=iteration,
            smoke_run_id=run_id,
            is_pass=report.is_pass,
            is_complete=report.is_complete,
            not_counted=self._delta.reason if by_host else self._noted(report),
            failed=failed,
            **report.span.as_dict(),
        )
        words = "passed" if report.is_pass else f"FAILED {', '.join(failed)}".rstrip()
        self._tell(f"iteration {iteration}: {words}, {report.span.duration_ms} ms")
        if by_host is not None:
            return by_host
        if report.was_interrupted:
            return StopReason.INTERRUPTED
        return self._threshold(report)

    def _report_step(self, iteration: int, result: StepResult) -> None:
        self._privacy = self._privacy.also(result.facts)
        self._report.append(STEP, iteration=iteration, **result.as_dict(self._privacy))

    def _threshold(self, report: SmokeReport) -> StopReason | None:
        self._failures += not report.is_pass
        self._consecutive = 0 if report.is_pass else self._consecutive + 1
        if any(result.step.stage in self._plan.abort_on for result in report.failed):
            return StopReason.STAGE
        if 0 < self._plan.max_failures <= self._failures:
            return StopReason.FAILURES
        if 0 < self._plan.max_consecutive <= self._consecutive:
            return StopReason.CONSECUTIVE
        return None

    def _over(self, iteration: int, begun_ns: int) -> StopReason | None:
        if iteration == self._plan.max_iterations:
            return StopReason.ITERATIONS
        spent_ms = (self._clock.monotonic_ns() - begun_ns) // _NS_PER_MS
        # A wait after which nothing could begin is not worth its time.
        if spent_ms + self._plan.interval_ms >= self._plan.duration_ms:
            return StopReason.DURATION
        return None

    def _wait(self) -> StopReason | None:
        """Let the interval pass, with a look at the host once a second."""
        now_ns = self._clock.monotonic_ns
        end_ns = now_ns() + self._plan.interval_ms * _NS_PER_MS
        due_ns = now_ns()
        while True:
            if self._is_stopped():
                return StopReason.INTERRUPTED
            begun_ns = now_ns()
            if begun_ns >= due_ns:
                stop = self._delta.look()
                if stop is not None:
                    return stop
                spent_ns = now_ns() - begun_ns
                due_ns = begun_ns + max(POLL_MS * _NS_PER_MS, SHARE * spent_ns)
            left_ms = -((now_ns() - end_ns) // _NS_PER_MS)
            if left_ms <= 0:
                return None
            self._sleep_ms(min(POLL_MS, left_ms))
