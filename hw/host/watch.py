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
SHARE: Final = 10
"""Looks take a tenth of the time at most: where one is long, the next one waits longer."""
LATE_NS: Final = 15_000_000_000
"""A look that is this much late counts as failed: nothing is known any more."""
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
        self._pause_ns = INTERVAL_NS
        self._is_looking = False
        self._answer = NOTHING
        self._lock = threading.Lock()

    def look(self) -> tuple[HostState, frozenset[Acknowledgement]]:
        """Return the state of the host, and what its operator has confirmed."""
        if self._looked_ns is None:
            with self._lock:
                if self._looked_ns is None:
                    self._look_now()
        with self._lock:
            age_ns = self._monotonic_ns() - (self._looked_ns or 0)
            is_due = age_ns >= self._pause_ns and not self._is_looking
            self._is_looking = self._is_looking or is_due
            answer = NOTHING if age_ns >= self._pause_ns + LATE_NS else self._answer
        if is_due:
            self._start(self._look_now)
        return answer

    def _look_now(self) -> None:
        begun_ns = self._monotonic_ns()
        answer = self._ask()
        now_ns = self._monotonic_ns()
        # One assignment each, and the time last: who reads meanwhile sees an old answer, no half.
        self._answer = answer
        self._pause_ns = max(INTERVAL_NS, SHARE * (now_ns - begun_ns))
        self._looked_ns = now_ns
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
