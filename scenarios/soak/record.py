"""What a soak has seen: counts, the first failures, counters over every boot; bounded in size."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hw.protocol import Stats
from scenarios.soak.place import Outcome
from scenarios.soak.plan import Plan

SCHEMA = "fx3loop.soak/1"
NS_PER_MS = 1_000_000
KEPT = 200
"""So many failures are kept with their reasons; later ones are only counted."""
KEPT_REASONS = 10
"""So many reasons of one failure are kept."""


class Counters:
    """The device's error counters over all its boots.

    The firmware zeroes them at SET_CONFIGURATION (USBHandler.c), so at each re-enumeration; the
    original harness shows only what the last boot counted. What a boot counted after it was last
    asked is lost, so these are lower bounds.

    Attributes:
        last: the newest snapshot, or None.
        boots: how many boots were seen.
    """

    def __init__(self) -> None:
        self.last: Stats | None = None
        self.boots = 0
        self._generation = -1
        self._before = (0, 0, 0)
        self._now = (0, 0, 0)

    def see(self, stats: Stats, generation: int) -> None:
        """Take a snapshot in.

        Args:
            stats: reply to GETSTATS.
            generation: of the device; a new one is a new boot, and so is a counter that fell.
        """
        counts = (stats.pib_errors, stats.i2c_failures, stats.streaming_faults)
        fell = any(new < old for new, old in zip(counts, self._now, strict=True))
        if generation != self._generation or fell:
            self._before = self._totals()
            self.boots += 1
        self._generation = generation
        self._now = counts
        self.last = stats

    def as_dict(self) -> dict[str, int]:
        """The totals."""
        pib_errors, i2c_failures, streaming_faults = self._totals()
        return {
            "boots": self.boots,
            "pib_errors": pib_errors,
            "i2c_failures": i2c_failures,
            "streaming_faults": streaming_faults,
        }

    def _totals(self) -> tuple[int, int, int]:
        before, now = self._before, self._now
        return (before[0] + now[0], before[1] + now[1], before[2] + now[2])


@dataclass
class Tally:
    """One scenario's runs: by the original rule, and how many broke the strict one."""

    runs: int = 0
    passed: int = 0
    failed: int = 0
    strict_failed: int = 0


@dataclass(frozen=True)
class Failure:
    """One run that did not pass.

    Attributes:
        cycle: its number, from 1.
        scenario: its soak name.
        previous: the scenario before it, or None.
        rule: ``original`` or ``strict``.
        reasons: why; the first few.
    """

    cycle: int
    scenario: str
    previous: str | None
    rule: str
    reasons: tuple[str, ...]


@dataclass
class Health:
    """The health checks after each cycle.

    Attributes:
        passed: all that ended well; the next two are among them.
        retried: passed only at the second attempt.
        reacquired: passed after the device was lost and found again.
        failed: failed twice, or the device stayed lost.
        failures: cycle, its scenario and the verdict of the first of them.
    """

    passed: int = 0
    retried: int = 0
    reacquired: int = 0
    failed: int = 0
    failures: list[tuple[int, str, str]] = field(default_factory=list)


@dataclass
class Record:
    """The run so far.

    Attributes:
        plan: what was asked for.
        began_ns: when.
        ended_ns: when the last cycle ended.
        cycles: how many scenarios have ended.
        chunks: how many chunks were begun.
        tallies: by soak name, in the order of the table.
        health: the health checks.
        counters: the device's own.
        failures: the first of them.
        failures_dropped: how many more there were.
        aborts: reason of each chunk that could not go on, with its cycle number.
        aborts_dropped: how many more there were.
        was_interrupted: somebody stopped it.
    """

    plan: Plan
    began_ns: int
    ended_ns: int = 0
    cycles: int = 0
    chunks: int = 0
    tallies: dict[str, Tally] = field(default_factory=dict)
    health: Health = field(default_factory=Health)
    counters: Counters = field(default_factory=Counters)
    failures: list[Failure] = field(default_factory=list)
    failures_dropped: int = 0
    aborts: list[tuple[int, str]] = field(default_factory=list)
    aborts_dropped: int = 0
    was_interrupted: bool = False

    def __post_init__(self) -> None:
        self.ended_ns = self.began_ns
        self.tallies = {name: Tally() for name in self.plan.table.names}

    @property
    def passed(self) -> int:
        """Runs that the original would call passed."""
        return sum(tally.passed for tally in self.tallies.values())

    @property
    def failed(self) -> int:
        """Runs that the original would call failed."""
        return sum(tally.failed for tally in self.tallies.values())

    @property
    def strict_failed(self) -> int:
        """Runs that broke the strict rule."""
        return sum(tally.strict_failed for tally in self.tallies.values())

    @property
    def is_good(self) -> bool:
        """Nothing failed by either rule, every health check passed, nothing was aborted.

        The original lets a run end well that was aborted, or whose health checks failed.
        """
        return not (self.failed or self.strict_failed or self.health.failed or self.aborts)

    @property
    def duration_ms(self) -> int:
        """From the start to the end of the last cycle."""
        return (self.ended_ns - self.began_ns) // NS_PER_MS

    def count(self, scenario: str, previous: str | None, outcome: Outcome) -> None:
        """Count a run that has ended."""
        self.cycles += 1
        tally = self.tallies[scenario]
        tally.runs += 1
        if outcome.failure is None:
            tally.passed += 1
        else:
            tally.failed += 1
            self._keep(scenario, previous, "original", (outcome.failure,))
        if outcome.violations:
            tally.strict_failed += 1
            self._keep(scenario, previous, "strict", outcome.violations)

    def abort(self, reason: str) -> None:
        """Note that a chunk ends here."""
        if len(self.aborts) < KEPT:
            self.aborts.append((self.cycles, reason))
        else:
            self.aborts_dropped += 1

    def _keep(
        self, scenario: str, previous: str | None, rule: str, reasons: tuple[str, ...]
    ) -> None:
        if len(self.failures) == KEPT:
            self.failures_dropped += 1
            return
        kept = reasons[:KEPT_REASONS]
        self.failures.append(Failure(self.cycles, scenario, previous, rule, kept))

    def as_dict(self) -> dict[str, Any]:
        """The document of ``--json``."""
        plan, health, last = self.plan, self.health, self.counters.last
        return {
            "schema": SCHEMA,
            "seed": plan.seed,
            "table": plan.table.name,
            "weights": dict(plan.table.entries),
            "firmware": plan.firmware,
            "policy": plan.policy,
            "options": list(plan.options),
            "hours": plan.hours,
            "max_cycles": plan.max_cycles,
            "reload_interval": plan.reload_interval,
            "cycles": self.cycles,
            "chunks": self.chunks,
            "simulated_ms": self.duration_ms,
            "passed": self.passed,
            "failed": self.failed,
            "strict_failed": self.strict_failed,
            "is_good": self.is_good,
            "was_interrupted": self.was_interrupted,
            "aborted": self.aborts[-1][1] if self.aborts else None,
            "aborts": [{"cycle": cycle, "reason": reason} for cycle, reason in self.aborts],
            "aborts_dropped": self.aborts_dropped,
            "scenarios": [
                {
                    "name": name,
                    "runs": tally.runs,
                    "passed": tally.passed,
                    "failed": tally.failed,
                    "strict_failed": tally.strict_failed,
                }
                for name, tally in self.tallies.items()
                if tally.runs
            ],
            "failures": [
                {
                    "cycle": item.cycle,
                    "scenario": item.scenario,
                    "previous": item.previous,
                    "rule": item.rule,
                    "reasons": list(item.reasons),
                }
                for item in self.failures
            ],
            "failures_dropped": self.failures_dropped,
            "health_checks": {
                "passed": health.passed,
                "retried": health.retried,
                "reacquired": health.reacquired,
                "failed": health.failed,
            },
            "counters": self.counters.as_dict(),
            "last_snapshot": None
            if last is None
            else {
                "dma_count": last.dma_count,
                "gpif_state": last.gpif_state,
                "pib_errors": last.pib_errors,
                "last_pib_error": last.last_pib_error,
                "i2c_failures": last.i2c_failures,
                "streaming_faults": last.streaming_faults,
            },
        }
