"""What every opener puts between itself and its target: decision, mark in the journal, lock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Final

from health import Level
from hw.guard.decision import Authority, AuthoritySource, Target, require
from hw.guard.journal import DONE, Entry, Journal
from hw.guard.locks import DeviceLock
from hw.guard.operations import Operation, OperationClass

_UNMARKED: Final = nullcontext()
_LASTING: Final = frozenset((Operation.CONFIGURE, Operation.STREAM))
"""Volatile, and done again and again, where two writes to the disk each time would change how a
stream starts: one mark from the first to the end."""


class Gate:
    """The guard in front of one target.

    On a real target every operation is decided anew, with the authority and the time of that
    moment, and what is not read-only is done between two marks in the journal. In a world an
    operation is decided once, and neither journal nor lock is touched.

    Args:
        target: see there.
        authority: what was granted, or what answers with that; its ``now_s`` and its
            ``acting_level`` are the gate's own.
        journal: where marks go; by default the operator's, opened with the first mark.
        clock: UTC in seconds since 1970, against which acknowledgements expire.

    Attributes:
        target: what is behind it.
        is_real: it is no world.
        acting_level: the level that a supervisor applies right now; None for everybody else.
    """

    def __init__(
        self,
        target: Target,
        authority: Authority | AuthoritySource,
        *,
        journal: Journal | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.target = target
        self._authority = authority
        self._journal = journal
        self._clock = clock
        self.is_real = target.kind != "world"
        self.acting_level: Level | None = None
        self._permitted: set[str] = set()
        """Labels, for what is looked up at each read: Python hashes members by a call."""
        self._lasting: dict[Operation, Entry] = {}
        self._locks: dict[str, DeviceLock] = {}
        # Reads may begin in several threads at once.
        self._guard = threading.Lock()

    def permit(self, operation: Operation) -> None:
        """Return if the guard allows an operation here and now.

        Raises:
            DeniedError: when it does not.
        """
        if operation.label in self._permitted:
            return
        authority = self._authority if isinstance(self._authority, Authority) else self._authority()
        if self.is_real:
            authority = replace(authority, now_s=self._clock(), acting_level=self.acting_level)
        require(operation, self.target, authority)
        if not self.is_real:
            # A simulation stays one.
            self._permitted.add(operation.label)

    def doing(self, operation: Operation, **facts: object) -> AbstractContextManager[object]:
        """Permit an operation, mark its begin, and return a context that marks its end.

        What only sets volatile state is marked as :meth:`lasting`.

        Args:
            operation: which.
            facts: what the journal is told of it.

        Raises:
            DeniedError: the guard does not allow it.
            JournalError: the mark cannot be written, so it must not be done.
        """
        if operation in _LASTING:
            self.lasting(operation, **facts)
            return _UNMARKED
        self.permit(operation)
        if not self._marks(operation):
            return _UNMARKED
        with self._guard:
            journal = self._opened_journal()
        return journal.begin(operation, self.target, **facts)

    def lasting(self, operation: Operation, **facts: object) -> None:
        """Permit what goes on until :meth:`release`; only its first time is marked.

        For what is done many times a second, such as reads: two marks for all of them.

        Raises:
            DeniedError: the guard does not allow it.
            JournalError: the mark cannot be written, so it must not be done.
        """
        if operation.label in self._permitted:
            return
        self.permit(operation)
        if not self.is_real or operation in self._lasting:
            return
        with self._guard:
            if operation not in self._lasting and self._marks(operation):
                journal = self._opened_journal()
                self._lasting[operation] = journal.begin(operation, self.target, **facts)

    def hold(self, name: str) -> None:
        """Lock a device of that name against other processes until :meth:`release`.

        Raises:
            LockedError: another has it; the message names process and command.
            JournalError: the lock cannot be written.
        """
        if self.is_real and name not in self._locks:
            self._locks[name] = DeviceLock.take(name)

    def release(self, outcome: str = DONE) -> None:
        """Mark the end of what lasted, and unlock; releasing twice is harmless.

        Args:
            outcome: how it ended.

        Raises:
            JournalError: an end cannot be written; all locks are gone nevertheless.
        """
        try:
            while self._lasting:
                _, entry = self._lasting.popitem()
                entry.end(outcome)
        finally:
            for lock in self._locks.values():
                lock.release()
            self._locks.clear()

    def _marks(self, operation: Operation) -> bool:
        return self.is_real and operation.operation_class is not OperationClass.READ_ONLY

    def _opened_journal(self) -> Journal:
        if self._journal is None:
            self._journal = Journal.open_default()
        return self._journal
