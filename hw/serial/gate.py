"""What stands between a command and a port: the guard's word, and the journal's mark."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hw.guard import Authority, Operation, Target, require
from hw.guard.journal import Journal


class Gate:
    """Asks the guard before anything is sent, and marks what is begun and ended.

    Args:
        target: what the operations are aimed at; acknowledgements bind to it.
        authority: what was granted, asked anew each time: hosts freeze in between.
        journal: keeps the marks of a real module; None for a simulated one.
    """

    def __init__(
        self,
        target: Target,
        authority: Callable[[], Authority],
        journal: Journal | None = None,
    ) -> None:
        self.target = target
        self._authority = authority
        self._journal = journal

    def require(self, operation: Operation) -> None:
        """Return if the guard allows an operation now.

        Raises:
            DeniedError: it does not.
        """
        require(operation, self.target, self._authority())

    @contextmanager
    def operation(self, operation: Operation, **facts: object) -> Iterator[None]:
        """Ask, mark the beginning, and mark the end by how the block ends.

        Args:
            operation: what is done in the block.
            facts: what else the journal keeps of it.

        Raises:
            DeniedError: the guard does not allow it; nothing was marked.
            JournalError: the mark cannot be written; the block does not run.
        """
        self.require(operation)
        if self._journal is None:
            yield
            return
        with self._journal.begin(operation, self.target, **facts):
            yield
