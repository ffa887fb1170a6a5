"""What some host controllers do to EP1: an optional fault, off unless one is injected.

Seen on hardware with xHCI controllers: a read that was queued only after the device had filled all
its buffers, or a clear-halt on a healthy endpoint after data has flowed, left the endpoint failing
each read with an I/O error and 0 bytes; a program that closed its handle with reads pending left
it silent for the next one. A clear-halt mends all three.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sim.chip.flow import BUFFER_COUNT
from sim.host.endpoint import FAILING, HEALTHY, SILENT, BulkIn

if TYPE_CHECKING:
    from sim.kernel import World

LATE_READ = "late_read"
CLEAR_HALT = "clear_halt"
CLOSE = "close"
CAUSES = (LATE_READ, CLEAR_HALT, CLOSE)

Strike = Callable[[], bool]
"""Asked when a cause is there, whether the fault strikes now."""


class EndpointTrouble:
    """The faults that are armed on a host's endpoints."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._strikes: dict[str, list[Strike]] = {cause: [] for cause in CAUSES}

    def arm(self, cause: str, strike: Strike) -> None:
        """Ask ``strike`` whenever the cause is there."""
        self._strikes[cause].append(strike)

    def _strikes_now(self, cause: str) -> bool:
        return any(strike() for strike in self._strikes[cause])

    def before_read(self, bulk: BulkIn) -> None:
        """A read is about to be queued: too late when the device is full and nobody was waiting."""
        if bulk.health != HEALTHY or bulk.queue:
            return
        full = bulk.stream.flow.full(self.world.now_ns)
        if full == BUFFER_COUNT and self._strikes_now(LATE_READ):
            bulk.health = FAILING

    def after_clear_halt(self, bulk: BulkIn, had_data: bool) -> None:
        """A clear-halt has ended: amid data nothing called for it, and it may break the endpoint.

        A failing endpoint gets no data, so the clear-halt that mends it is never of that kind.
        """
        if had_data and self._strikes_now(CLEAR_HALT):
            bulk.health = FAILING

    def after_close(self, bulk: BulkIn) -> None:
        """A handle was closed with reads pending."""
        if self._strikes_now(CLOSE):
            bulk.health = SILENT
