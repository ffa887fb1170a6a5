"""Watches a device through many scenarios and says what was not right."""

from __future__ import annotations

from hw.exchange import Exchange
from hw.rx888 import Rx888
from scenarios.contract.ledger import Ledger
from scenarios.scenario import Scenario


class Examiner:
    """Observes every transfer of a device, between scenarios too.

    Args:
        revision_name: the firmware revision whose contract holds.
        device: what is observed.
        ledger: a witness inside the device, or None: GETSTATS alone decides then.
    """

    def __init__(self, revision_name: str, device: Rx888, ledger: Ledger | None) -> None:
        self._revision_name = revision_name
        self._device = device
        self._ledger = ledger
        self._found: list[str] = []
        device.observe(self.observe)

    def begin(self, scenario: Scenario) -> None:
        """Begin a scenario: take a sample of GETSTATS."""
        self._scenario = scenario

    def end(self) -> tuple[str, ...]:
        """End the scenario: take a sample, and return what was wrong since :meth:`begin`."""
        found = tuple(self._found)
        self._found.clear()
        return found

    def reading(self, is_reading: bool) -> None:
        """Learn that the stream is read by something that observers do not see."""

    def observe(self, exchange: Exchange) -> None:
        """Judge one transfer."""
