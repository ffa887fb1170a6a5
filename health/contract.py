"""The contract as a type: what may stand in the place of `health.Health`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from health.cascade import Recovery
from health.events import Event
from health.platform import Platform, Watchdog
from health.policy import Policy
from health.status import Status


class HealthModule(Protocol):
    """A recovery module: `health.Health`, a class derived from it, or one of somebody's own."""

    def init(self) -> None:
        """Arm level 5 where there is one; once, before the loop."""

    def record_event(self, event: Event, first: int = 0, second: int = 0, third: int = 0) -> None:
        """Record one event; O(1), no allocation, any thread."""

    def evaluate(self) -> Status:
        """Return the present condition; change nothing."""

    def recover(self, status: Status) -> Recovery:
        """Select and apply the remedy for *status*; one at most, and never level 5."""

    def main_heartbeat(self) -> None:
        """Tell level 5 that the main loop lives; once in each pass."""


HealthFactory: TypeAlias = Callable[[Policy, Platform, Watchdog | None], HealthModule]
"""A class of such modules: called with the policy, the platform, and the watchdog if any."""
