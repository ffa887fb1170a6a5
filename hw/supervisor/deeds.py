"""What is done to a device, written down before it is done and again when it has ended."""

from __future__ import annotations

from collections.abc import Callable

from hw.supervisor.log import Log
from hw.supervisor.memory import Memory


class Deeds:
    """Writes deeds into the supervisor's memory.

    The guard marks each operation in its own journal besides.

    Args:
        memory: counts and reasons, for this supervisor and the next one.
        log: told of what cannot be written.
        now_s: UTC in s since 1970.

    Attributes:
        is_under_way: a deed has begun and not ended.
    """

    def __init__(self, memory: Memory, log: Log, now_s: Callable[[], int]) -> None:
        self.is_under_way = False
        self._memory = memory
        self._log = log
        self._now_s = now_s

    @property
    def resets_s(self) -> tuple[int, ...]:
        """When the device lost its firmware or was given it again, as far as is remembered."""
        return self._memory.resets_s

    def tell_what_was_cut_short(self) -> None:
        """Log what an earlier supervisor began and did not end."""
        cut = self._memory.was_cut_short
        if cut is not None:
            self._log("cut-short", action=cut.what, reason=cut.reason, at_s=cut.at_s)

    def begin(self, what: str, reason: str) -> str:
        """Write down what is about to be done.

        Args:
            what: ``level-1`` to ``level-4`` or ``upload``.
            reason: the status that it answers, or what was found.

        Returns:
            Why it must not be done, because it cannot be written down; empty when it may.
        """
        try:
            self._memory.begin(self._now_s(), what, reason)
        except OSError as error:
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
