"""The states of a host: which one follows from what is known, and why. Pure.

The rules are those of the host stability workflow (LiteChipCloud, quecpython-dev-skill,
``references/host-stability-workflow.md``; here "workflow"), its sections A, D and E:

* an incident freezes the host (A); whoever takes the evidence of it begins to observe (B);
* escalation is required (D) after two bugchecks within the window, the same code in two incidents,
  or a restart before a safe probe ended;
* the host is normal again (E) after a complete safe smoke run passed that is newer than the last
  incident, a window without a bugcheck, and the operator's word for a named operation, which
  expires.

What the workflow leaves open is decided here (judgement): an unexpected restart without a code
counts for one window, a bugcheck for as long as evidence is read; evidence that could not be had
makes the state unknown, and never better.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final

from hw.guard import HostState
from hw.host.findings import EvidenceKind, Finding, FindingKind, utc_text
from hw.host.incidents import Incident, Severity

WINDOW_HOURS: Final = 24


@dataclass(frozen=True, slots=True)
class Interrupted:
    """An operation that began, and whose host restarted before it ended.

    Attributes:
        operation: its label.
        target: the name of what it was done to.
        begun_utc: when.
        boot: the boot that it began in.
    """

    operation: str
    target: str
    begun_utc: datetime
    boot: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that the state is computed from.

    Attributes:
        now_utc: when it was looked at.
        boot: the boot that runs now.
        incidents: what crashed, in the order of time.
        planned: restarts that were meant.
        missing: essential kinds of which there is no evidence at all, with the reason.
        interrupted: what the journal says was under way when the host went down.
    """

    now_utc: datetime
    boot: str
    incidents: tuple[Incident, ...] = ()
    planned: tuple[Finding, ...] = ()
    missing: tuple[tuple[EvidenceKind, str], ...] = ()
    interrupted: tuple[Interrupted, ...] = ()


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The operator's word for one operation, until it expires.

    Attributes:
        operation: its label.
        target_kind: as :class:`hw.guard.Target` has it.
        target_name: likewise.
        given_utc: when.
        expires_utc: from then on it does not hold.
    """

    operation: str
    target_kind: str
    target_name: str
    given_utc: datetime
    expires_utc: datetime

    def holds(self, now_utc: datetime) -> bool:
        """Whether it has not expired."""
        return self.given_utc <= now_utc < self.expires_utc


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered between looks.

    Attributes:
        state: normal, frozen or observing; unknown is never remembered.
        since_utc: when that state began; None before the first look.
        triaged_utc: when the evidence was last taken.
        triaged_boot: in which boot.
        smoke_utc: when the last complete safe smoke run passed.
        smoke_boot: in which boot.
        closed_utc: when the last episode ended; incidents up to then are history.
        closed_by: whose word ended it.
        confirmations: the operator's, those that expired left out.
    """

    state: HostState = HostState.NORMAL
    since_utc: datetime | None = None
    triaged_utc: datetime | None = None
    triaged_boot: str = ""
    smoke_utc: datetime | None = None
    smoke_boot: str = ""
    closed_utc: datetime | None = None
    closed_by: str = ""
    confirmations: tuple[Confirmation, ...] = ()


@dataclass(frozen=True, slots=True)
class Criterion:
    """An escalation criterion that holds.

    Attributes:
        name: which.
        reason: why it holds, in one line.
    """

    name: str
    reason: str

    def as_dict(self) -> dict[str, str]:
        """The criterion for JSON."""
        return {"name": self.name, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class HostStatus:
    """The state of a host and its reasons.

    Attributes:
        state: what the guard acts on.
        reasons: why, one line each.
        missing: what stands between it and normal, one line each; empty when it is normal.
        escalation: the criteria that hold; any means that debugging of the system is required.
        since_utc: when the state began.
        looked_utc: when the evidence was read.
    """

    state: HostState
    reasons: tuple[str, ...]
    missing: tuple[str, ...]
    escalation: tuple[Criterion, ...]
    since_utc: datetime
    looked_utc: datetime

    def as_dict(self) -> dict[str, Any]:
        """The status for JSON."""
        return {
            "state": self.state.value,
            "since_utc": utc_text(self.since_utc),
            "looked_utc": utc_text(self.looked_utc),
            "reasons": list(self.reasons),
            "missing": list(self.missing),
            "escalation": [criterion.as_dict() for criterion in self.escalation],
        }


def escalation(
    evidence: Evidence, closed_utc: datetime | None, window: timedelta
) -> tuple[Criterion, ...]:
    """Return the escalation criteria that hold (workflow, D.1 to D.3).

    Args:
        evidence: what is known.
        closed_utc: when the last episode ended: a criterion needs at least one thing after it.
        window: two bugchecks no further apart than this are repeated.
    """
    bugchecks = [item for item in evidence.incidents if item.severity is Severity.BUGCHECK]
    criteria = []
    for earlier, later in pairwise(bugchecks):
        is_repeated = later.time_utc - earlier.time_utc <= window
        if is_repeated and _is_after(later.last_utc, closed_utc):
            reason = f"{earlier.words()}, then {later.words()}: within {_hours(window)} h"
            criteria.append(Criterion("repeated-bugcheck", reason))
            break
    codes = {item.code for item in bugchecks if item.code and _is_after(item.last_utc, closed_utc)}
    for code in sorted(codes):
        count = sum(item.code == code for item in bugchecks)
        if count > 1:
            criteria.append(Criterion("same-code", f"{code} in {count} incidents"))
    criteria += [
        Criterion("interrupted-probe", _words(item))
        for item in _unexplained(evidence)
        if _is_after(item.begun_utc, closed_utc)
    ]
    return tuple(criteria)


def _words(item: Interrupted) -> str:
    begun = utc_text(item.begun_utc)
    return f"{item.operation} on {item.target}, begun {begun}, never ended: the host restarted"


def _hours(window: timedelta) -> int:
    return round(window / timedelta(hours=1))


def _is_after(time: datetime, closed_utc: datetime | None) -> bool:
    return closed_utc is None or time > closed_utc


def _unexplained(evidence: Evidence) -> list[Interrupted]:
    """What a restart interrupted that nobody planned."""
    return [item for item in evidence.interrupted if not _is_planned(item, evidence)]


def _is_planned(item: Interrupted, evidence: Evidence) -> bool:
    ends = [
        finding.time_utc
        for finding in evidence.planned
        if finding.time_utc >= item.begun_utc
        and (not finding.boot or _bare(finding.boot) == _bare(item.boot))
    ]
    if not ends:
        return False
    return not any(item.begun_utc <= crash.time_utc <= min(ends) for crash in evidence.incidents)


def _bare(boot: str) -> str:
    return boot.replace("-", "")


@dataclass(frozen=True, slots=True)
class _Episode:
    """What is not closed: its incidents, its criteria, and the time of its last mark."""

    incidents: tuple[Incident, ...]
    criteria: tuple[Criterion, ...]
    interrupted: tuple[Interrupted, ...]

    @property
    def is_open(self) -> bool:
        return bool(self.incidents or self.criteria)

    @property
    def last_utc(self) -> datetime | None:
        marks = [incident.last_utc for incident in self.incidents]
        marks += [item.begun_utc for item in self.interrupted]
        return max(marks, default=None)

    @property
    def ended_boots(self) -> frozenset[str]:
        """The boots that ended in it."""
        findings = (finding for incident in self.incidents for finding in incident.findings)
        boots = [item.boot for item in findings if item.kind is FindingKind.UNEXPECTED_RESTART]
        boots += [item.boot for item in self.interrupted]
        return frozenset(_bare(boot) for boot in boots if boot)

    def is_before(self, time_utc: datetime | None, boot: str) -> bool:
        """Whether something was done after all of it, at a time and in a boot.

        The last mark of a boot that ended without a word may be minutes older than its end, so
        what was done in that boot is never after it, whatever its time.
        """
        if time_utc is None or _bare(boot) in self.ended_boots:
            return False
        return self.last_utc is None or time_utc > self.last_utc


def _episode(memory: Memory, evidence: Evidence, window: timedelta) -> _Episode:
    is_running = memory.state is not HostState.NORMAL
    unclosed = tuple(
        incident
        for incident in evidence.incidents
        if _is_after(incident.last_utc, memory.closed_utc)
        and (
            is_running
            or incident.severity is Severity.BUGCHECK
            or evidence.now_utc - incident.last_utc <= window
        )
    )
    interrupted = tuple(
        item for item in _unexplained(evidence) if _is_after(item.begun_utc, memory.closed_utc)
    )
    return _Episode(unclosed, escalation(evidence, memory.closed_utc, window), interrupted)


def advance(
    memory: Memory, evidence: Evidence, window: timedelta = timedelta(hours=WINDOW_HOURS)
) -> tuple[Memory, HostStatus]:
    """Return what is to be remembered from now on, and the state of the host.

    Args:
        memory: of the last look.
        evidence: of this one.
        window: of the observation.
    """
    now_utc = evidence.now_utc
    memory = replace(
        memory,
        since_utc=memory.since_utc or now_utc,
        confirmations=tuple(item for item in memory.confirmations if item.holds(now_utc)),
    )
    episode = _episode(memory, evidence, window)
    is_new = memory.state is HostState.NORMAL and episode.is_open
    is_again = memory.state is HostState.OBSERVING and not _is_triaged(memory, episode)
    if is_new or is_again:
        # Words that were given before do not know of this incident.
        memory = replace(memory, state=HostState.FROZEN, since_utc=now_utc, confirmations=())
    if memory.state is HostState.FROZEN and not evidence.missing and _is_triaged(memory, episode):
        memory = replace(memory, state=HostState.OBSERVING, since_utc=now_utc)
    if memory.state is HostState.OBSERVING and not evidence.missing:
        word = _word(memory, episode)
        if word is not None and not _open_criteria(memory, evidence, episode, window):
            memory = replace(
                memory,
                state=HostState.NORMAL,
                since_utc=now_utc,
                closed_utc=now_utc,
                closed_by=f"{word.operation} on {word.target_name}",
            )
            episode = _episode(memory, evidence, window)
    return memory, _status(memory, evidence, episode, window)


def _is_triaged(memory: Memory, episode: _Episode) -> bool:
    return episode.is_before(memory.triaged_utc, memory.triaged_boot)


def _open_criteria(
    memory: Memory, evidence: Evidence, episode: _Episode, window: timedelta
) -> list[str]:
    """Which of the exit criteria E.1 and E.2 are open."""
    lacking = []
    if not episode.is_before(memory.smoke_utc, memory.smoke_boot):
        lacking.append(
            "a complete safe smoke run that passed after the last incident: fx3loop host smoke"
        )
    bugchecks = [item for item in evidence.incidents if item.severity is Severity.BUGCHECK]
    if bugchecks:
        free_utc = bugchecks[-1].last_utc + window
        if evidence.now_utc < free_utc:
            lacking.append(
                f"{_hours(window)} h without a bugcheck: over at {utc_text(free_utc)}, "
                f"the last was {bugchecks[-1].words()}"
            )
    return lacking


def _word(memory: Memory, episode: _Episode) -> Confirmation | None:
    """The confirmation (E.3) that counts: one that was given after the last incident."""
    last_utc = episode.last_utc
    given = (c for c in memory.confirmations if last_utc is None or c.given_utc > last_utc)
    return next(given, None)


def before_confirmation(
    memory: Memory, evidence: Evidence, window: timedelta = timedelta(hours=WINDOW_HOURS)
) -> tuple[str, ...]:
    """Return what has to come before the operator's word can count; empty when it counts now.

    The word is the last step, so that nobody confirms what he cannot yet know.

    Args:
        memory: as :func:`advance` returned it for this evidence.
        evidence: of now.
        window: of the observation.
    """
    if evidence.missing:
        return tuple(_missing_words(evidence))
    if memory.state is HostState.NORMAL:
        return ()
    episode = _episode(memory, evidence, window)
    lacking = _open_criteria(memory, evidence, episode, window)
    if memory.state is HostState.FROZEN:
        lacking.insert(0, _TAKE_EVIDENCE)
    return tuple(lacking)


_TAKE_EVIDENCE: Final = "the evidence of the incident, taken after it: fx3loop host triage"
_GIVE_WORD: Final = "your word for the operation that is to come: fx3loop host confirm OPERATION"


def _missing_words(evidence: Evidence) -> list[str]:
    return [f"evidence of {kind.value}: {reason}" for kind, reason in evidence.missing]


def _status(memory: Memory, evidence: Evidence, episode: _Episode, window: timedelta) -> HostStatus:
    reasons = [incident.words() for incident in episode.incidents]
    reasons += [_words(item) for item in episode.interrupted]
    state = memory.state
    if state is HostState.NORMAL:
        lacking = []
        reasons = reasons or ["the evidence has no incident that is not closed"]
        if memory.closed_utc is not None:
            closed = f"the last episode ended {utc_text(memory.closed_utc)}"
            reasons.append(f"{closed} with the word for {memory.closed_by}")
    else:
        lacking = [_TAKE_EVIDENCE] if state is HostState.FROZEN else []
        lacking += [*_open_criteria(memory, evidence, episode, window), _GIVE_WORD]
    if evidence.missing:
        lacking = [*_missing_words(evidence), *lacking]
        told = [f"there is no {line}" for line in _missing_words(evidence)]
        reasons = told + reasons if episode.is_open else told
        if state is not HostState.FROZEN:
            state = HostState.UNKNOWN
    criteria = episode.criteria if state is not HostState.NORMAL else ()
    return HostStatus(
        state=state,
        reasons=tuple(reasons),
        missing=tuple(lacking),
        escalation=criteria,
        since_utc=memory.since_utc or evidence.now_utc,
        looked_utc=evidence.now_utc,
    )
