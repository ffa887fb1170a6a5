"""The state of this host as the guard asks for it: at each operation, looked at once a second."""

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
"""A host that freezes is noticed this much later at most."""


class HostWatch:
    """Answers from the last look as long as that is young; any thread may ask.

    Args:
        open_keeper: of whose host; called at the first look, by default for this one.
        monotonic_ns: a clock that never goes back.
        interval_ns: how old a look may be.
    """

    def __init__(
        self,
        open_keeper: Callable[[], HostKeeper] = HostKeeper.open_default,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        interval_ns: int = INTERVAL_NS,
    ) -> None:
        self._open_keeper = open_keeper
        self._monotonic_ns = monotonic_ns
        self._interval_ns = interval_ns
        self._keeper: HostKeeper | None = None
        self._looked_ns: int | None = None
        self._answer: tuple[HostState, frozenset[Acknowledgement]] = (
            HostState.UNKNOWN,
            frozenset(),
        )
        self._lock = threading.Lock()

    def look(self) -> tuple[HostState, frozenset[Acknowledgement]]:
        """Return the state of the host, and what its operator has confirmed."""
        with self._lock:
            now_ns = self._monotonic_ns()
            if self._looked_ns is None or now_ns - self._looked_ns >= self._interval_ns:
                self._answer = self._ask()
                self._looked_ns = self._monotonic_ns()
            return self._answer

    def state(self) -> HostState:
        """Return the state alone: for a loop that drops to observing when a host freezes."""
        return self.look()[0]

    def _ask(self) -> tuple[HostState, frozenset[Acknowledgement]]:
        try:
            self._keeper = self._keeper or self._open_keeper()
            return self._keeper.status().state, self._keeper.acknowledgements()
        except (EvidenceError, JournalError):
            return HostState.UNKNOWN, frozenset()
