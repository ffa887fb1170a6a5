"""The state of this host as the guard asks for it: at each operation, looked at once a second.

The first look is waited for. Later ones run beside the program, because a stream that pauses for
the tenth of a second that a look may take loses samples.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from hw.errors import JournalError
from hw.guard import Acknowledgement, HostState
from hw.host.errors import EvidenceError
from hw.host.keeper import HostKeeper

INTERVAL_NS: Final = 1_000_000_000
"""A host that freezes is noticed this much later, and the time of a look."""
LATE_NS: Final = 15_000_000_000
"""An answer this old is none: whatever hinders the looks, nothing is known any more."""
NOTHING: Final[tuple[HostState, frozenset[Acknowledgement]]] = (HostState.UNKNOWN, frozenset())


def beside(call: Callable[[], None]) -> None:
    """Run a call in a thread of its own, which does not keep the process alive."""
    threading.Thread(target=call, name="host watch", daemon=True).start()


class HostWatch:
    """Answers from the last look as long as that is young; any thread may ask.

    Args:
        open_keeper: of whose host; called at the first look, by default for this one.
        monotonic_ns: a clock that never goes back.
        start: runs a look beside the program.
    """

    def __init__(
        self,
        open_keeper: Callable[[], HostKeeper] = HostKeeper.open_default,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        start: Callable[[Callable[[], None]], None] = beside,
    ) -> None:
        self._open_keeper = open_keeper
        self._monotonic_ns = monotonic_ns
        self._start = start
        self._keeper: HostKeeper | None = None
        self._looked_ns: int | None = None
        self._is_looking = False
        self._answer = NOTHING
        self._lock = threading.Lock()

    def look(self) -> tuple[HostState, frozenset[Acknowledgement]]:
        """Return the state of the host, and what its operator has confirmed."""
        with self._lock:
            if self._looked_ns is None:
                self._answer, self._looked_ns = self._ask(), self._monotonic_ns()
            is_due = self._monotonic_ns() - self._looked_ns >= INTERVAL_NS
            is_mine = is_due and not self._is_looking
            self._is_looking = self._is_looking or is_due
        if is_mine:
            self._start(self._look_again)
        with self._lock:
            is_late = self._monotonic_ns() - self._looked_ns >= LATE_NS
            return NOTHING if is_late else self._answer

    def _look_again(self) -> None:
        answer = NOTHING
        try:
            answer = self._ask()
        finally:
            with self._lock:
                self._answer, self._looked_ns = answer, self._monotonic_ns()
                self._is_looking = False

    def state(self) -> HostState:
        """Return the state alone: for a loop that drops to observing when a host freezes."""
        return self.look()[0]

    def _ask(self) -> tuple[HostState, frozenset[Acknowledgement]]:
        try:
            self._keeper = self._keeper or self._open_keeper()
            return self._keeper.status().state, self._keeper.acknowledgements()
        except (EvidenceError, JournalError):
            return NOTHING
