"""Watches a device through many scenarios and says what was not right."""

from __future__ import annotations

from collections.abc import Iterable

from health import Level
from hw.errors import DeviceError, DeviceTimeoutError, NoDeviceError
from hw.exchange import Exchange
from hw.rx888 import Rx888
from scenarios.contract.belief import Belief
from scenarios.contract.ledger import Ledger
from scenarios.contract.requests import RequestRules
from scenarios.contract.stream import RACE_NS
from scenarios.contract.terms import terms_of
from scenarios.scenario import Scenario

FINDINGS_MAX = 20
"""A device that lies always would fill any memory."""
RESET_NS = 10_000_000_000
"""A port reset and what follows take less."""
RECOVERY_NS = 20_000_000
"""A level 1 takes less, with its two reads of the clock generator."""
REMEDIES = (Level.STREAM, Level.EP0, Level.APPLICATION, Level.DEVICE_RESET)
"""Level 5 is none: it shows in the resets."""


class Examiner:
    """Observes every transfer of a device, between scenarios too.

    What it finds between two scenarios is told with the second, as ``before it: ...``.

    Args:
        revision_name: the firmware revision whose contract holds.
        device: what is observed.
        ledger: a witness inside the device, or None: GETSTATS alone decides then.

    Raises:
        FirmwareNotKnown: there is no such revision.
    """

    def __init__(self, revision_name: str, device: Rx888, ledger: Ledger | None) -> None:
        self._terms = terms_of(revision_name)
        self._device = device
        self._ledger = ledger
        self._scenario: Scenario | None = None
        self._found: list[str] = []
        self._left_out = 0
        self._now_ns = 0
        self._began_ns = 0
        self._faults_grown = 0
        self._generation = device.generation
        self._new_boot()
        device.observe(self.observe)

    def begin(self, scenario: Scenario) -> None:
        """Begin a scenario: take a sample of GETSTATS."""
        self._sample()
        self._scenario = scenario
        self._began_ns = self._now_ns
        self._faults_grown = 0
        self._belief.is_whole = True

    def end(self) -> tuple[str, ...]:
        """End the scenario: take a sample, and return what was wrong since the last end."""
        self._sample()
        if self._scenario is not None:
            self._tell(self._judge_remedies(self._scenario))
            self._scenario = None
        found = self._found
        if self._left_out:
            found.append(f"and {self._left_out} more")
        self._found = []
        self._left_out = 0
        return tuple(found)

    def reading(self, is_reading: bool) -> None:
        """Learn that the stream is read by something that observers do not see."""
        self._belief.stream.read_unseen(is_reading)

    def observe(self, exchange: Exchange) -> None:
        """Judge one transfer."""
        self._now_ns = exchange.ended_ns
        if self._device.generation != self._generation:
            self._generation = self._device.generation
            self._new_boot()
        if exchange.kind == "bulk":
            self._read(exchange)
        elif exchange.kind in ("out", "in"):
            before = self._belief.last
            self._tell(self._requests.judge(exchange))
            after = self._belief.last
            if before is not after and before is not None and after is not None:
                grown = after.streaming_faults - before.streaming_faults
                self._faults_grown += max(grown, 0)
        elif exchange.kind == "port-reset":
            belief = self._belief
            belief.forget()
            belief.expect_silence(exchange.ended_ns + RESET_NS)
            belief.expect_leaving(exchange.ended_ns + RESET_NS)
        elif exchange.error is not None:
            self._judge_error(exchange.error)

    # ------------------------------------------------------------ internals

    def _new_boot(self) -> None:
        """A firmware of which nothing is known, for others may have used it already."""
        self._belief = Belief()
        self._requests = RequestRules(self._belief, self._terms, self._may_have_raced)

    def _sample(self) -> None:
        try:
            self._device.stats()
        except DeviceError:
            # What that means was judged when it was observed.
            return

    def _tell(self, found: Iterable[str]) -> None:
        for text in found:
            if len(self._found) == FINDINGS_MAX:
                self._left_out += 1
            else:
                self._found.append(text if self._scenario is not None else f"before it: {text}")

    def _read(self, exchange: Exchange) -> None:
        if self._terms.has_stream_contract:
            found = self._belief.stream.read(exchange)
            if found:
                if self._may_have_raced():
                    self._belief.stream.forget()
                else:
                    self._tell(found)
        if exchange.error is not None and not isinstance(exchange.error, DeviceTimeoutError):
            self._judge_error(exchange.error)

    def _judge_error(self, error: DeviceError) -> None:
        """Of a transfer that is no vendor request, and never fails but when the device leaves."""
        belief = self._belief
        if not belief.may_leave:
            self._tell((f"{error.operation}: {error.happened}",))
        if isinstance(error, NoDeviceError):
            belief.expect_leaving(self._now_ns)

    def _may_have_raced(self) -> bool:
        """A recovery ran so near to the last START, STOP or STARTADC that they may have met."""
        began_ns, ended_ns = self._belief.stream.changed_ns
        if self._ledger is None:
            return self._belief.stream.may_recover
        remedies = self._ledger.remedies_since(began_ns - RACE_NS)
        return any(at_ns <= ended_ns + RACE_NS for at_ns, _ in remedies)

    def _judge_remedies(self, scenario: Scenario) -> Iterable[str]:
        """Exactly the remedies and resets that the scenario names, and no others."""
        if self._ledger is None:
            least, most = scenario.remedies.get(Level.STREAM, (0, 0))
            if not self._belief.is_whole:
                least = 0
            if not least <= self._faults_grown <= most:
                yield f"streaming_faults grew by {self._faults_grown}, expected {least} to {most}"
            return
        remedies = self._ledger.remedies_since(self._began_ns)
        for level in REMEDIES:
            times = sum(number == level for _, number in remedies)
            least, most = scenario.remedies.get(level, (0, 0))
            if not least <= times <= most:
                expected = str(least) if least == most else f"{least} to {most}"
                yield f"level {int(level)} acted {times} times, expected {expected}"
        causes = tuple(cause for _, cause in self._ledger.resets_since(self._began_ns))
        if causes != scenario.resets:
            got, expected = (", ".join(item) or "none" for item in (causes, scenario.resets))
            yield f"resets of the chip: {got}, expected {expected}"
        if not causes:
            yield from self._judge_faults(self._ledger)

    def _judge_faults(self, ledger: Ledger) -> Iterable[str]:
        """streaming_faults counts each level 1, a little after it began, and underruns."""
        first_ns, last_ns = self._began_ns - RECOVERY_NS, self._now_ns - RECOVERY_NS
        times = [at_ns for at_ns, level in ledger.remedies_since(first_ns) if level == Level.STREAM]
        least = sum(self._began_ns <= at_ns < last_ns for at_ns in times)
        if not self._belief.is_whole:
            least = 0
        if not least <= self._faults_grown <= len(times):
            yield f"streaming_faults grew by {self._faults_grown}, level 1 acted {least} times"
