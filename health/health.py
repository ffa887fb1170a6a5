"""The contract of the health module, and nothing but the contract.

The main loop of every position is::

    health.main_heartbeat()
    sampler.sample(health.record_event)
    health.recover(health.evaluate())
"""

from __future__ import annotations

from health.cascade import Cascade, Recovery
from health.detect import detect
from health.events import Event
from health.platform import Platform, Watchdog
from health.policy import Policy
from health.record import Record
from health.status import Status
from health.watchdog import HeartbeatGate


class Health:
    """Owns every recovery decision; nothing else decides anything about recovery.

    Args:
        policy: all thresholds, caps, first levels and ceilings.
        platform: clock and hands.
        watchdog: the hardware watchdog, where there is one; the device alone has it.

    Source: the contract of the firmware's health.h, widened by the levels 1 to 3 of its plan.
    """

    __slots__ = ("_cascade", "_gate", "_policy", "_record")

    def __init__(
        self, policy: Policy, platform: Platform, watchdog: Watchdog | None = None
    ) -> None:
        self._policy = policy
        self._record = Record(platform.now_ms, policy.ep0_desync_limit, policy.level_1_cap)
        self._cascade = Cascade(policy, platform, self._record)
        self._gate: HeartbeatGate | None = None
        if watchdog is not None and policy.level_5_enabled:
            self._gate = HeartbeatGate(watchdog)

    @property
    def policy(self) -> Policy:
        """The policy that this module decides by."""
        return self._policy

    def init(self) -> None:
        """Arm level 5, if the policy has it on and there is a watchdog; once, before the loop.

        Until this call nothing guards the start-up itself.
        """
        if self._gate is not None:
            self._gate.guard(self._policy.hwdt_period_ms, self._policy.pet_interval_ms)

    def record_event(self, event: Event, first: int = 0, second: int = 0, third: int = 0) -> None:
        """Record one event; O(1), no allocation, any thread.

        Args:
            event: what happened; a number that is no `Event` is ignored.
            first: first argument, as `Event` says.
            second: second argument.
            third: third argument.
        """
        self._record.event(event, first, second, third)

    def evaluate(self) -> Status:
        """Return the present condition; change nothing.

        Reads recorded state and the clock alone, no register and no lock, so it can neither hang
        nor disturb. Meant for each poll, about 10 Hz.

        Returns:
            Code, since when (32-bit ms), and the evidence.
        """
        return detect(self._policy, self._record, self._cascade.stream_treated)

    def recover(self, status: Status) -> Recovery:
        """Select and apply the remedy for *status*; blocks while a remedy runs.

        Called in each poll, also with OK: coming down after proven health happens here. One call
        applies one remedy at most, and never level 5.

        Args:
            status: what evaluate answered in this poll.

        Returns:
            What was done, or why nothing was.
        """
        return self._cascade.answer(status)

    def main_heartbeat(self) -> None:
        """Tell level 5 that the main loop lives; once in each pass."""
        if self._gate is not None:
            self._gate.beat()
