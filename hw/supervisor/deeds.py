"""What is done to a device, written down before it is done and again when it has ended."""

from __future__ import annotations

from collections.abc import Callable

from health import Level, Outcome
from hw.errors import JournalError
from hw.guard import Operation, Target
from hw.guard.journal import Entry, Journal
from hw.platform import OPERATIONS
from hw.supervisor.log import Log
from hw.supervisor.memory import UPLOAD, Memory


class Deeds:
    """Writes a deed into the supervisor's memory, and into the guard's journal where there is one.

    Args:
        memory: counts and reasons, for this supervisor and the next one.
        journal: of this operator, for real devices: a host that dies finds there what it did last.
        log: told of what cannot be written.
        now_s: UTC in s since 1970.

    Attributes:
        is_under_way: a deed has begun and not ended.
    """

    def __init__(
        self, memory: Memory, journal: Journal | None, log: Log, now_s: Callable[[], int]
    ) -> None:
        self.is_under_way = False
        self._memory = memory
        self._journal = journal
        self._log = log
        self._now_s = now_s
        self._entry: Entry | None = None

    @property
    def resets_s(self) -> tuple[int, ...]:
        """When the device lost its firmware or was given it again, as far as is remembered."""
        return self._memory.resets_s

    def tell_what_was_cut_short(self) -> None:
        """Log what an earlier supervisor began and did not end."""
        cut = self._memory.was_cut_short
        if cut is not None:
            self._log("cut-short", action=cut.what, reason=cut.reason, at_s=cut.at_s)

    def begin(self, target: Target, level: Level, what: str, reason: str) -> str:
        """Write down what is about to be done.

        Args:
            target: to what.
            level: for which level of the cascade.
            what: ``level-1`` to ``level-4`` or ``upload``.
            reason: the status that it answers, or what was found.

        Returns:
            Why it must not be done, because it cannot be written down; empty when it may.
        """
        operation = Operation.UPLOAD if what == UPLOAD else OPERATIONS[level][0]
        try:
            if self._journal is not None:
                self._entry = self._journal.begin(
                    operation, target, level=int(level), reason=reason
                )
            self._memory.begin(self._now_s(), what, reason)
        except (OSError, JournalError) as error:
            self._end_entry(Outcome.REFUSED.name)
            hindrance = f"what is to be done cannot be written down: {error}"
            self._log.news("unwritten", reason=hindrance)
            return hindrance
        self.is_under_way = True
        self._log.forget("unwritten")
        return ""

    def end(self, outcome: str) -> None:
        """Write down how it ended; that it cannot be written is logged, and found later."""
        if not self.is_under_way:
            return
        self.is_under_way = False
        try:
            self._memory.end(outcome)
        except OSError as error:
            self._log.news("unwritten", reason=str(error))
        self._end_entry(outcome)

    def _end_entry(self, outcome: str) -> None:
        entry, self._entry = self._entry, None
        try:
            if entry is not None:
                entry.end(outcome)
        except JournalError as error:
            self._log.news("unwritten", reason=str(error))
