"""The report of a look at a host: what was found, what could not be looked at, what follows."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from hw.host.advice import Step, is_near, steps
from hw.host.findings import (
    CouldNotLook,
    EvidenceKind,
    Finding,
    FindingKind,
    Look,
    Looked,
    Obtained,
    obtained,
    utc_text,
)
from hw.host.incidents import Incident, incidents
from hw.host.registry import DumpPlaces
from hw.host.states import WINDOW_HOURS, Criterion, Evidence, escalation

SCHEMA: Final = "fx3loop.host-triage/1"
MAX_LISTED: Final = 200
"""Of each kind, the newest findings that a report lists; all are counted."""
_APPLICATIONS: Final = (FindingKind.APPLICATION_CRASH, FindingKind.APPLICATION_HANG)


@dataclass(frozen=True, slots=True)
class Report:
    """What a look at a host gave.

    Attributes:
        run_id: names this report.
        made_utc: when.
        since_utc: nothing older was asked for.
        origin: of which host: ``this host``, or the folder.
        boot_id: the boot that runs now; empty for another host.
        duration_ms: how long the looks took.
        looks: each with its answer.
        findings: all of them, in the order of their time.
        incidents: made of them.
        escalation: the criteria that hold in this time, the journal's apart.
        steps: what to do.
        dump_places: where the host leaves its dumps, where a registry says so.
    """

    run_id: str
    made_utc: datetime
    since_utc: datetime
    origin: str
    boot_id: str
    duration_ms: int
    looks: tuple[Look, ...]
    findings: tuple[Finding, ...]
    incidents: tuple[Incident, ...]
    escalation: tuple[Criterion, ...]
    steps: tuple[Step, ...]
    dump_places: DumpPlaces | None

    @property
    def obtained(self) -> dict[EvidenceKind, Obtained]:
        """How much of each of the four kinds of evidence there is."""
        return obtained(self.looks)

    def of(self, *kinds: FindingKind) -> tuple[Finding, ...]:
        """Return the findings of some kinds."""
        return tuple(finding for finding in self.findings if finding.kind in kinds)

    def as_dict(self) -> dict[str, Any]:
        """The report for JSON."""
        counts = Counter(finding.kind.value for finding in self.findings)
        return {
            "schema": SCHEMA,
            "run_id": self.run_id,
            "made_utc": utc_text(self.made_utc),
            "since_utc": utc_text(self.since_utc),
            "duration_ms": self.duration_ms,
            "origin": self.origin,
            "boot_id": self.boot_id,
            "obtained": {kind.value: much.value for kind, much in self.obtained.items()},
            "looks": [look.as_dict() for look in self.looks],
            "incidents": [incident.as_dict() for incident in self.incidents],
            "escalation": {
                "required": bool(self.escalation),
                "criteria": [criterion.as_dict() for criterion in self.escalation],
            },
            "planned_restarts": self._listed(FindingKind.PLANNED_RESTART),
            "applications": self._listed(*_APPLICATIONS),
            "signals": self._listed(*_SIGNALS),
            "dump_places": None if self.dump_places is None else asdict(self.dump_places),
            "drivers_now": [dict(item.detail) for item in self.of(FindingKind.STACK)],
            "counts": dict(sorted(counts.items())),
            "steps": [step.as_dict() for step in self.steps],
        }

    def _listed(self, *kinds: FindingKind) -> list[dict[str, Any]]:
        return [
            {**finding.as_dict(), "near_incident": is_near(finding, self.incidents)}
            for finding in self.of(*kinds)[-MAX_LISTED:]
        ]


_SIGNALS: Final = (
    FindingKind.FILTER_DRIVER,
    FindingKind.USB_MONITOR,
    FindingKind.HARDWARE_ERROR,
    FindingKind.OVER_CURRENT,
    FindingKind.DISCONNECT,
    FindingKind.LIVE_DUMP,
    FindingKind.DUMP_FAILED,
)


def found(looks: tuple[Look, ...]) -> tuple[Finding, ...]:
    """Return the findings of all looks in the order of their time, none twice."""
    all_of_them = (
        finding for look in looks if isinstance(look, Looked) for finding in look.findings
    )
    in_order = sorted(
        all_of_them,
        key=lambda item: (item.time_utc, item.source, item.kind, sorted(item.detail.items())),
    )
    unique: list[Finding] = []
    for finding in in_order:
        if not unique or finding != unique[-1]:
            unique.append(finding)
    return tuple(unique)


def report(
    looks: tuple[Look, ...],
    *,
    run_id: str,
    made_utc: datetime,
    since_utc: datetime,
    origin: str,
    boot_id: str = "",
    duration_ms: int = 0,
    dump_places: DumpPlaces | None = None,
) -> Report:
    """Return the report on looks.

    Args:
        looks: at one host.
        run_id: names the report.
        made_utc: when the looks were made.
        since_utc: what they were asked for.
        origin: of which host.
        boot_id: the boot that runs now; empty for another host.
        duration_ms: how long the looks took.
        dump_places: where the host leaves its dumps.
    """
    findings = found(looks)
    crashes = incidents(findings)
    evidence = Evidence(made_utc, boot_id, crashes)
    return Report(
        run_id=run_id,
        made_utc=made_utc,
        since_utc=since_utc,
        origin=origin,
        boot_id=boot_id,
        duration_ms=duration_ms,
        looks=looks,
        findings=findings,
        incidents=crashes,
        escalation=escalation(evidence, None, timedelta(hours=WINDOW_HOURS)),
        steps=steps(findings, crashes),
        dump_places=dump_places,
    )


def not_looked(report: Report) -> tuple[CouldNotLook, ...]:
    """Return the looks that were not possible."""
    return tuple(look for look in report.looks if isinstance(look, CouldNotLook))
