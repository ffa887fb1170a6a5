"""Findings of one crash made one incident.

A crash leaves several marks: Kernel-Power 41 and 6008 at the next start, WER 1001 shortly after,
a dump whose header has the time of the stop itself; on Linux oops lines, a boot that ended without
a word, a file in pstore. Marks of one kind are never merged with each other, so two crashes within
minutes stay two.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from hw.host.findings import Finding, FindingKind, utc_text

RESTART_MERGE: Final = timedelta(minutes=10)
"""Marks that a start leaves come within this time of each other (judgement)."""
DUMP_MERGE: Final = timedelta(days=2)
"""A dump is older than the start after it by as long as the host stayed off (judgement)."""


class Severity(StrEnum):
    """What an incident means for the states of the host."""

    BUGCHECK = "bugcheck"
    """The kernel failed: counts for the escalation criteria."""
    RESTART = "restart"
    """A restart or a standstill without a known reason, or a dead USB controller."""


_BUGCHECKS: Final = frozenset({FindingKind.BUGCHECK, FindingKind.CRASH_DUMP})
_RESTARTS: Final = frozenset(
    {
        FindingKind.UNEXPECTED_RESTART,
        FindingKind.POWER_BUTTON,
        FindingKind.LOCKUP,
        FindingKind.HOST_CONTROLLER_DIED,
    }
)


@dataclass(frozen=True, slots=True)
class Incident:
    """One crash or restart.

    Attributes:
        time_utc: of its first mark: the best that is known of when it happened.
        last_utc: of its last mark.
        severity: what it means.
        code: of the bugcheck; empty where none is known.
        findings: its marks, in the order of their time.
    """

    time_utc: datetime
    last_utc: datetime
    severity: Severity
    code: str
    findings: tuple[Finding, ...]

    @property
    def dump(self) -> str:
        """Where its dump is; empty where none is known."""
        return next((f.detail["dump"] for f in self.findings if "dump" in f.detail), "")

    def words(self) -> str:
        """The incident in a few words."""
        marks = ", ".join(dict.fromkeys(finding.source for finding in self.findings))
        what = f"{self.severity.value} {self.code}".strip()
        return f"{what} at {utc_text(self.time_utc)} ({marks})"

    def as_dict(self) -> dict[str, Any]:
        """The incident for JSON."""
        return {
            "time_utc": utc_text(self.time_utc),
            "last_utc": utc_text(self.last_utc),
            "severity": self.severity.value,
            "code": self.code,
            "dump": self.dump,
            "findings": [finding.as_dict() for finding in self.findings],
        }


def incidents(findings: tuple[Finding, ...]) -> tuple[Incident, ...]:
    """Return the incidents that findings tell of, in the order of their time."""
    of_crashes = sorted(
        (finding for finding in findings if finding.kind in _BUGCHECKS | _RESTARTS),
        key=lambda finding: (finding.time_utc, finding.source, finding.code),
    )
    groups: list[list[Finding]] = []
    dumps = [finding for finding in of_crashes if finding.kind is FindingKind.CRASH_DUMP]
    for finding in of_crashes:
        if finding.kind is FindingKind.CRASH_DUMP:
            continue
        group = next((group for group in reversed(groups) if _belongs(finding, group)), None)
        if group is None:
            groups.append([finding])
        else:
            group.append(finding)
    for dump in dumps:
        naming = [group for group in groups if _names(dump, group)]
        fitting = naming or [group for group in groups if _dump_belongs(dump, group)]
        if fitting:
            min(fitting, key=lambda group: abs(group[0].time_utc - dump.time_utc)).append(dump)
        else:
            groups.append([dump])
    made = (_incident(group) for group in groups)
    return tuple(sorted(made, key=lambda incident: (incident.time_utc, incident.code)))


def _belongs(finding: Finding, group: list[Finding]) -> bool:
    if not _codes_agree(finding, group):
        return False
    last = group[-1]
    if finding.boot:
        # Lines of one boot: what follows an oops within minutes comes of it, and so does a boot
        # that ends without a word.
        if finding.boot != last.boot:
            return False
        is_end = finding.kind is FindingKind.UNEXPECTED_RESTART
        return is_end or finding.time_utc - last.time_utc <= RESTART_MERGE
    is_new_mark = all(finding.source != other.source for other in group)
    is_near = finding.time_utc - group[0].time_utc <= RESTART_MERGE
    return is_new_mark and is_near and not last.boot


def _codes_agree(finding: Finding, group: list[Finding]) -> bool:
    if finding.boot:
        return True
    codes = {other.code for other in group if other.code}
    return not finding.code or not codes or finding.code in codes


def _names(dump: Finding, group: list[Finding]) -> bool:
    name = _file_name(dump)
    return bool(name) and any(name == _file_name(other) for other in group)


def _dump_belongs(dump: Finding, group: list[Finding]) -> bool:
    has_another = any(other.kind is FindingKind.CRASH_DUMP or _file_name(other) for other in group)
    if has_another or not _codes_agree(dump, group):
        return False
    # A start comes after the stop; a dump known by its file's time alone is written at the start.
    early, late = group[0].time_utc, group[-1].time_utc
    return early - DUMP_MERGE <= dump.time_utc <= late + RESTART_MERGE


def _file_name(finding: Finding) -> str:
    # MEMORY.DMP is written over by each crash, so its name tells nothing.
    name = finding.detail.get("dump", "").replace("\\", "/").rpartition("/")[2].lower()
    return "" if name == "memory.dmp" else name


def _incident(group: list[Finding]) -> Incident:
    marks = tuple(sorted(group, key=lambda finding: (finding.time_utc, finding.source)))
    is_bugcheck = any(finding.kind in _BUGCHECKS for finding in marks)
    code = next((finding.code for finding in marks if finding.code), "")
    return Incident(
        time_utc=marks[0].time_utc,
        last_utc=marks[-1].time_utc,
        severity=Severity.BUGCHECK if is_bugcheck else Severity.RESTART,
        code=code,
        findings=marks,
    )
