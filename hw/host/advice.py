"""What to do about incidents, each step with the evidence that points to it, and none without.

The steps are those of the host stability workflow, its section D: dump analysis, security
software, driver stack.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from hw.host.findings import Finding, FindingKind, utc_text
from hw.host.incidents import Incident, Severity
from hw.host.windows_events import SECURITY_PROGRAMS

NEAR: Final = timedelta(minutes=10)
"""A finding this near to an incident may have to do with it (judgement)."""

USB_CODES: Final = {
    "0x0000009f": "DRIVER_POWER_STATE_FAILURE",
    "0x000000fe": "BUGCODE_USB_DRIVER",
    "0x00000144": "BUGCODE_USB3_DRIVER",
}
"""Bugchecks that drivers of USB devices cause (Microsoft Learn, "Bug check code reference")."""
_STACK: Final = (
    FindingKind.HOST_CONTROLLER_DIED,
    FindingKind.OVER_CURRENT,
    FindingKind.HARDWARE_ERROR,
    FindingKind.LIVE_DUMP,
)
_MAX_REASONS: Final = 8


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do.

    Attributes:
        name: of the step.
        action: what to do.
        because: the evidence, one line each; never empty.
    """

    name: str
    action: str
    because: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """The step for JSON."""
        return {"name": self.name, "action": self.action, "because": list(self.because)}


def is_near(finding: Finding, incidents: tuple[Incident, ...]) -> bool:
    """Return whether a finding's time is that of an incident, give or take :data:`NEAR`."""
    return any(
        incident.time_utc - NEAR <= finding.time_utc <= incident.last_utc + NEAR
        for incident in incidents
    )


def steps(findings: tuple[Finding, ...], incidents: tuple[Incident, ...]) -> tuple[Step, ...]:
    """Return what to do; nothing without an incident.

    Args:
        findings: all of them.
        incidents: made of them.
    """
    if not incidents:
        return ()
    made = (
        Step(
            "dump-analysis",
            "open the newest dump and find the driver that it blames: WinDbg, !analyze -v; on "
            "Linux decode the oops with scripts/decode_stacktrace.sh, or the vmcore with crash",
            _dumps(findings, incidents),
        ),
        Step(
            "security-software",
            "let the security and monitoring software leave the serial and flashing tools and "
            "their ports alone, or remove it for the time of the work",
            _monitors(findings, incidents),
        ),
        Step(
            "driver-stack",
            "check the USB and serial drivers, the hub, the cable and the supply before anything "
            "is written to a device again",
            _stack(findings, incidents),
        ),
    )
    return tuple(step for step in made if step.because)


def _dumps(findings: tuple[Finding, ...], incidents: tuple[Incident, ...]) -> tuple[str, ...]:
    dumps = sorted(
        (item for item in incidents if item.dump), key=lambda item: item.time_utc, reverse=True
    )
    told = [f"{item.dump}: {item.words()}" for item in dumps]
    oopses = [
        f"{finding.source}: {finding.detail['line']}"
        for finding in findings
        if finding.kind is FindingKind.BUGCHECK and "line" in finding.detail
    ]
    failed = [
        f"{finding.source} {finding.detail.get('event', '')}: the system could not write its dump"
        for finding in findings
        if finding.kind is FindingKind.DUMP_FAILED
    ]
    return tuple((told + oopses + failed)[:_MAX_REASONS])


def _monitors(findings: tuple[Finding, ...], incidents: tuple[Incident, ...]) -> tuple[str, ...]:
    told = []
    for finding in findings:
        program = finding.detail.get("program", "")
        if finding.detail.get("known"):
            driver = f"{finding.detail['driver']} ({finding.detail['known']})"
            told.append(f"{finding.source}: {driver}{_when(finding, incidents)}")
        elif program.lower() in SECURITY_PROGRAMS:
            exception = finding.detail.get("exception", "")
            told.append(f"{program} crashed {exception}".strip() + _when(finding, incidents))
    return tuple(dict.fromkeys(told))[:_MAX_REASONS]


def _when(finding: Finding, incidents: tuple[Incident, ...]) -> str:
    return ", near an incident" if is_near(finding, incidents) else ""


def _stack(findings: tuple[Finding, ...], incidents: tuple[Incident, ...]) -> tuple[str, ...]:
    told = [
        f"{finding.kind.value} {finding.detail.get('device', finding.code)}".strip()
        + f" at {utc_text(finding.time_utc)} ({finding.source})"
        for finding in findings
        if finding.kind in _STACK
        or (finding.kind is FindingKind.DISCONNECT and is_near(finding, incidents))
    ]
    told += [
        f"{incident.words()} is {USB_CODES[incident.code]}"
        for incident in incidents
        if incident.severity is Severity.BUGCHECK and incident.code in USB_CODES
    ]
    return tuple(dict.fromkeys(told))[:_MAX_REASONS]
