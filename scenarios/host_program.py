"""The program that a station runs: it exercises the device, notices trouble, and comes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hw.boot import Image
from hw.errors import DeviceError, NoDeviceError
from scenarios.contract import Examiner
from scenarios.errors import Trouble
from scenarios.performance import Performance, perform
from scenarios.scenario import Scenario
from scenarios.station import Station

MILLISECOND_NS = 1_000_000
PATIENCE_MS = 30_000
"""So long a station waits for its device, in ms, before somebody has to go there."""
RETRY_MS = 200
PROOF_MS = 1_000
"""A stream that came back has to last so long before it is believed."""
NOTHING = "nothing"
SERVES_NO_MORE = "no stream afterwards"
"""A scenario went well by its own rule, and left a device that does not stream."""


@dataclass(frozen=True)
class Report:
    """What the program has to tell.

    Attributes:
        saw: what it saw first of any trouble, or ``nothing``.
        saw_ns: when, or None.
        step: the step in which it saw that; the last one when it saw nothing.
        step_ns: when that step began.
        ep0: what TESTFX3 told right afterwards, or an empty text.
        served_ns: when data came again after the trouble, or None.
    """

    saw: str
    saw_ns: int | None
    step: str
    step_ns: int
    ep0: str
    served_ns: int | None


class HostProgram:
    """Runs a scenario and then does what a station's program does about trouble.

    Args:
        station: where it runs.
        scenario: what it runs.
        image: firmware that it uploads to a boot ROM, or None to leave it there.
        is_blocked: asked before each attempt to come back: a supervisor is at work. With None the
            program brings the device back itself; else a device that left is the supervisor's.
        examiner: the strict eye, or None. With it the device has to stream after the scenario too.

    Attributes:
        performance: how the scenario went, once it has run.
    """

    performance: Performance

    def __init__(
        self,
        station: Station,
        scenario: Scenario,
        image: Image | None,
        is_blocked: Callable[[], bool] | None = None,
        examiner: Examiner | None = None,
    ) -> None:
        self.station = station
        self.scenario = scenario
        self._image = image
        self._is_blocked = is_blocked
        self._examiner = examiner

    def run(self, parameters: Mapping[str, int]) -> Report:
        """Run the scenario; after trouble, come back if that is possible.

        Args:
            parameters: of the scenario's function.
        """
        station = self.station
        self.performance = perform(self.scenario, station, self._examiner, parameters)
        if self.performance.failure is not None:
            return self._after_trouble(self.performance.failure)
        if self._examiner is not None:
            return self._prove()
        step, step_ns = station.step, station.step_ns
        return Report(NOTHING, None, step, step_ns, "", station.served_ns)

    def _prove(self) -> Report:
        """Show that the device still serves, whatever the scenario did to it."""
        station = self.station
        now_ns = station.runtime.now_ns()
        step, step_ns = station.step, station.step_ns
        station.begin("shows that it serves")
        served_ns = self._come_back(now_ns + PATIENCE_MS * MILLISECOND_NS)
        if served_ns is None:
            return Report(SERVES_NO_MORE, now_ns, station.step, now_ns, station.probe(), None)
        return Report(NOTHING, None, step, step_ns, "", station.served_ns)

    def _after_trouble(self, saw: str) -> Report:
        station = self.station
        saw_ns = station.runtime.now_ns()
        step, step_ns = station.step, station.step_ns
        station.remark(saw)
        station.read_no_more()
        station.begin("probes")
        ep0 = station.probe()
        station.remark(ep0)
        station.begin("tries to come back")
        served_ns = self._come_back(saw_ns + PATIENCE_MS * MILLISECOND_NS)
        if served_ns is None:
            station.begin("gave up")
        return Report(saw, saw_ns, step, step_ns, ep0, served_ns)

    def _come_back(self, deadline_ns: int) -> int | None:
        """Try until the device serves, and return when it did; None at the deadline."""
        runtime = self.station.runtime
        while runtime.now_ns() < deadline_ns:
            try:
                if self._is_blocked is None or not self._is_blocked():
                    served_ns = self._serve()
                    return served_ns if served_ns <= deadline_ns else None
            except NoDeviceError:
                self.station.begin("tries to come back")
                if self._is_blocked is None:
                    self._find_again(deadline_ns)
            except (DeviceError, Trouble):
                # Not yet: the next attempt begins from the start.
                pass
            self.station.read_no_more()
            runtime.sleep_ms(RETRY_MS)
        return None

    def _serve(self) -> int:
        """Make the device stream from whatever state it is in.

        Returns:
            When the first data came, in ns; it counts only if the stream then goes on.
        """
        station = self.station
        station.device.info()
        station.stop()
        station.set_clock(self.scenario.rate_hz)
        station.primed_start()
        served_ns = station.runtime.now_ns()
        station.begin("streams again")
        station.watch(station.read_on(), PROOF_MS)
        station.read_no_more()
        return served_ns

    def _find_again(self, deadline_ns: int) -> None:
        if self._image is None:
            return
        left_ms = max(1, (deadline_ns - self.station.runtime.now_ns()) // MILLISECOND_NS)
        try:
            upload = self.station.device.reacquire(self._image, timeout_ms=left_ms)
        except DeviceError:
            return
        if upload is not None:
            self.station.remark("uploaded")
