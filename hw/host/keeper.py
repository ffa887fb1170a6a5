"""Keeps the state of this host: looks at its evidence, remembers, and answers to the guard.

Every look is cheap: a source reads only what is new since the last one, so the state can be asked
for before each operation and once a poll.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Protocol, Self, get_args

from hw.errors import DeniedError, JournalError
from hw.guard import Acknowledgement, HostState, Operation, Target
from hw.guard.decision import TargetKind
from hw.guard.journal import Journal
from hw.guard.locks import exclusive
from hw.guard.place import boot_id as this_boot, state_dir
from hw.guard.record import Record
from hw.host.errors import EvidenceError
from hw.host.findings import FindingKind, Look, Looked, missing
from hw.host.incidents import Incident, incidents
from hw.host.memory_file import FILE_NAME, read_memory, write_memory
from hw.host.sources import EvidenceSource, this_host
from hw.host.states import (
    WINDOW_HOURS,
    Confirmation,
    Evidence,
    HostStatus,
    Interrupted,
    Memory,
    advance,
    before_confirmation,
)
from hw.host.triage import Report, found, report

LOOKBACK_DAYS: Final = 7
"""How far back evidence is read for the state (judgement)."""
INTERRUPTED: Final = "interrupted: the host restarted"
"""Outcome, in the journal, of what a restart interrupted, once its episode is closed."""


class JournalOfHost(Protocol):
    """What the keeper needs of :class:`hw.guard.journal.Journal`."""

    def unfinished(self) -> tuple[Record, ...]:
        """Return the marks of what was begun and never ended."""
        ...

    def note(self, kind: str, **facts: object) -> None:
        """Record a fact."""
        ...

    def settle(self, begun: Record, outcome: str) -> None:
        """End what somebody began."""
        ...


@dataclass(frozen=True, slots=True)
class Clock:
    """The two clocks: UTC in seconds since 1970, and one that never goes back, in ns."""

    utc_s: Callable[[], float] = time.time
    monotonic_ns: Callable[[], int] = time.monotonic_ns

    def now_utc(self) -> datetime:
        """Return the time, aware."""
        return datetime.fromtimestamp(self.utc_s(), UTC)


class HostKeeper:
    """Keeps the state of one host.

    Args:
        source: its evidence.
        journal: of the operations on real targets; None where there is none.
        path: the file that remembers.
        boot_id: of the boot that runs now.
        clock: the time.
        window_hours: of the observation.
    """

    def __init__(
        self,
        source: EvidenceSource,
        journal: JournalOfHost | None,
        path: Path,
        boot_id: str,
        clock: Clock | None = None,
        window_hours: int = WINDOW_HOURS,
    ) -> None:
        self._source = source
        self._journal = journal
        self._path = path
        self._boot_id = boot_id
        self._clock = clock or Clock()
        self._window = timedelta(hours=window_hours)

    @classmethod
    def open_default(cls) -> Self:
        """Return the keeper of this host, in the operator's state folder.

        Raises:
            JournalError: the journal cannot be read or written.
        """
        boot = this_boot()
        return cls(this_host(boot), Journal.open_default(), state_dir() / FILE_NAME, boot)

    def status(self) -> HostStatus:
        """Return the state of the host now; where nothing can be known it is unknown, not an error.

        A change is remembered before it is told.
        """
        return self.look()[0]

    def look(self) -> tuple[HostStatus, tuple[Incident, ...]]:
        """Return the state of the host, and what crashed in the last days, of one look.

        That is no triage: what crashed is not remembered.
        """
        looks, now_utc = self._look(LOOKBACK_DAYS)
        try:
            evidence = self._evidence(looks, now_utc)
            return self._advance(evidence), evidence.incidents
        except (EvidenceError, JournalError) as error:
            return _unknown(str(error), now_utc), incidents(found(looks))

    def state(self) -> HostState:
        """Return the state alone: the callable for a loop that has to notice within one poll."""
        return self.status().state

    def triage(self, days: int) -> Report:
        """Take the evidence, and remember that it was taken.

        Args:
            days: how far back.

        Raises:
            EvidenceError: what is remembered cannot be read or written.
            JournalError: the journal cannot be written.
        """
        begun_ns = self._clock.monotonic_ns()
        looks, now_utc = self._look(max(days, LOOKBACK_DAYS))
        since_utc = now_utc - timedelta(days=days)
        made = report(
            tuple(_since(look, since_utc) for look in looks),
            run_id=str(uuid.uuid4()),
            made_utc=now_utc,
            since_utc=since_utc,
            origin="this host",
            boot_id=self._boot_id,
            duration_ms=(self._clock.monotonic_ns() - begun_ns) // 1_000_000,
            dump_places=self._source.dump_places(),
        )
        evidence = self._evidence(looks, now_utc)
        if not evidence.missing:
            self._advance(
                evidence,
                lambda memory: replace(memory, triaged_utc=now_utc, triaged_boot=self._boot_id),
            )
        return made

    def note_smoke(self, *, is_pass: bool, is_complete: bool) -> None:
        """Remember a safe smoke run that ended just now; only a complete pass counts (E.1).

        Args:
            is_pass: no step failed.
            is_complete: no step was left out.

        Raises:
            EvidenceError: it cannot be remembered.
            JournalError: the journal cannot be written.
        """
        now_utc = self._clock.now_utc()
        self._note("host.smoke", is_pass=is_pass, is_complete=is_complete)
        if is_pass and is_complete:
            with self._locked():
                known = read_memory(self._path)
                noted = replace(known, smoke_utc=now_utc, smoke_boot=self._boot_id)
                write_memory(self._path, noted)

    def confirm(self, operation: Operation, target: Target, minutes: int) -> Confirmation:
        """Take the operator's word for one operation on one target (E.3).

        Args:
            operation: which.
            target: on what.
            minutes: how long it holds.

        Returns:
            The confirmation as it was remembered.

        Raises:
            DeniedError: other exit criteria are open; all are named.
            EvidenceError: the state cannot be known.
            JournalError: the journal cannot be read or written.
        """
        looks, now_utc = self._look(LOOKBACK_DAYS)
        evidence = self._evidence(looks, now_utc)
        status = self._advance(evidence)
        word = Confirmation(
            operation.label, target.kind, target.name, now_utc, now_utc + timedelta(minutes=minutes)
        )
        lacking = before_confirmation(read_memory(self._path), evidence, self._window)
        if lacking:
            detail = f"the host is {status.state.value}, and before your word counts it needs: "
            raise DeniedError(f"confirm {operation.label}", detail + "; ".join(lacking), "exit")
        self._advance(
            evidence,
            lambda memory: replace(memory, confirmations=(*_others(memory, word), word)),
        )
        self._note("host.confirmed", operation=operation.label, target=target.name, minutes=minutes)
        return word

    def acknowledgements(self) -> frozenset[Acknowledgement]:
        """Return the operator's confirmations as the guard takes them.

        Raises:
            EvidenceError: what is remembered cannot be read.
        """
        operations = {item.label: item for item in Operation}
        now_utc = self._clock.now_utc()
        return frozenset(
            Acknowledgement(
                operations[word.operation],
                _target(word),
                word.expires_utc.timestamp(),
            )
            for word in read_memory(self._path).confirmations
            if word.holds(now_utc) and word.operation in operations
        )

    def _look(self, days: int) -> tuple[tuple[Look, ...], datetime]:
        now_utc = self._clock.now_utc()
        return self._source.look(now_utc - timedelta(days=days), now_utc), now_utc

    def _evidence(self, looks: tuple[Look, ...], now_utc: datetime) -> Evidence:
        findings = found(looks)
        planned = tuple(item for item in findings if item.kind is FindingKind.PLANNED_RESTART)
        return Evidence(
            now_utc=now_utc,
            boot=self._boot_id,
            incidents=incidents(findings),
            planned=planned,
            missing=missing(looks),
            interrupted=tuple(_interrupted(item) for item in self._left_over()),
        )

    def _left_over(self) -> tuple[Record, ...]:
        """What was begun in an earlier boot and never ended."""
        if self._journal is None:
            return ()
        return tuple(item for item in self._journal.unfinished() if item.boot_id != self._boot_id)

    def _advance(
        self, evidence: Evidence, change: Callable[[Memory], Memory] = lambda memory: memory
    ) -> HostStatus:
        with self._locked():
            before = read_memory(self._path)
            after, status = advance(change(before), evidence, self._window)
            if after != before:
                write_memory(self._path, after)
        if after.state is not before.state:
            self._note(
                "host.state",
                before=before.state.value,
                after=after.state.value,
                reasons=list(status.reasons),
            )
        if after.closed_utc != before.closed_utc:
            self._settle()
        return status

    def _settle(self) -> None:
        # The episode is closed: what a restart interrupted in it has been dealt with.
        for record in self._left_over():
            if self._journal is not None:
                self._journal.settle(record, INTERRUPTED)

    def _note(self, kind: str, **facts: object) -> None:
        if self._journal is not None:
            self._journal.note(kind, **facts)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time reads, decides and writes."""
        folder = self._path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with exclusive(self._path.with_suffix(".lock")):
                yield
        except OSError as error:
            raise EvidenceError(str(folder), f"cannot be used ({error.strerror})") from error


def current_state(keeper: HostKeeper | None = None) -> HostStatus:
    """Return the state of this host now.

    Args:
        keeper: who keeps it; by default that of this host, in the operator's state folder.
    """
    try:
        return (keeper or HostKeeper.open_default()).status()
    except JournalError as error:
        return _unknown(str(error), datetime.fromtimestamp(time.time(), UTC))


def _unknown(reason: str, now_utc: datetime) -> HostStatus:
    return HostStatus(
        state=HostState.UNKNOWN,
        reasons=(reason,),
        missing=(reason,),
        escalation=(),
        since_utc=now_utc,
        looked_utc=now_utc,
    )


def _since(look: Look, since_utc: datetime) -> Look:
    if not isinstance(look, Looked):
        return look
    recent = tuple(finding for finding in look.findings if finding.time_utc >= since_utc)
    return replace(look, findings=recent)


def _others(memory: Memory, word: Confirmation) -> tuple[Confirmation, ...]:
    """The confirmations of other things: a new one replaces that of the same."""
    same = (word.operation, word.target_kind, word.target_name)
    return tuple(
        item
        for item in memory.confirmations
        if (item.operation, item.target_kind, item.target_name) != same
    )


def _target(word: Confirmation) -> Target:
    kinds: dict[str, TargetKind] = {kind: kind for kind in get_args(TargetKind)}
    return Target(kinds[word.target_kind], word.target_name)


def _interrupted(record: Record) -> Interrupted:
    return Interrupted(
        operation=record.operation,
        target=record.target.name if record.target else "",
        begun_utc=datetime.fromtimestamp(record.utc_s, UTC),
        boot=record.boot_id,
    )
