"""The host program of a campaign: it wants a stream, looks ten times a second, and comes back.

It is leaner than :class:`scenarios.station.Station`: nothing is recorded but what a row of a sweep
needs, so that a run costs milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

from hw.boot import Image
from hw.errors import DeviceError, NoDeviceError
from hw.rx888 import Rx888
from scenarios.errors import Trouble
from scenarios.lab import histories
from scenarios.questions import answers_well
from sim.chip.fx3 import Reset
from sim.chip.usb import TransferStatus
from sim.host.backend import get_backend
from sim.host.drain import Drain
from sim.host.runtime import WorldRuntime
from sim.world import BenchWorld

MILLISECOND_NS = 1_000_000
SECOND_NS = 1_000_000_000
LOOK_MS = 100
"""A station asks ten times a second."""
BUSY_LIMIT_MS = 100
"""A busy host waits for no longer."""
SAMPLE_BYTES = 2
REQUESTS = histories.REQUESTS


@dataclass(frozen=True)
class Behaviour:
    """What a host does of its own accord.

    Attributes:
        restart_after_ms: without data for so long it stops and starts the stream; 0 is never.
        upload_after_ms: how long it takes to notice a device in its boot ROM, before it uploads.
        reader_jitter_us: the longest time from the end of a read to queueing it again.
        is_busy: each look asks for more than TESTFX3, so that a desync of EP0 shows.
    """

    restart_after_ms: int = 0
    upload_after_ms: int = 0
    reader_jitter_us: int = 0
    is_busy: bool = False


class Receiver:
    """A program that streams.

    Args:
        world: where; its device has enumerated.
        rate_hz: the sample rate that it wants.
        behaviour: what it does in trouble.

    Attributes:
        started_ns: when the last START was sent.
        trouble_ended_ns: when data came again, or EP0 answered again, last; None before that.
        is_silent: no data came between the last two looks.
        answers: EP0 answered the last time it was asked.
    """

    def __init__(self, world: BenchWorld, rate_hz: int, behaviour: Behaviour) -> None:
        self.world = world
        self.rate_hz = rate_hz
        self.behaviour = behaviour
        self.device = Rx888.open(get_backend(world), WorldRuntime(world))
        self.image = Image.parse(world.image)
        self.started_ns = 0
        self.trouble_ended_ns: int | None = None
        self.is_silent = False
        self.answers = True
        self._drain: Drain | None = None
        self._read_before = 0
        self._is_started = False
        self._looked = (world.now_ns, 0)
        self._silent_since_ns = 0
        world.chip.on_reset.append(self._reset)

    @property
    def bytes(self) -> int:
        """Bytes read so far, over all lives of the device."""
        return self._read_before + (0 if self._drain is None else self._drain.bytes)

    @property
    def is_served(self) -> bool:
        """Data comes and EP0 answers, as far as the last look tells."""
        return self.answers and not self.is_silent and self._is_started

    def duration_ns(self, count_bytes: int) -> int:
        """Return how long the converter takes for so many bytes."""
        return count_bytes * SECOND_NS // (SAMPLE_BYTES * self.rate_hz)

    def set_clock(self) -> None:
        """STARTADC at the rate wanted.

        Raises:
            DeviceError: when the request failed.
        """
        self.device.start_adc(self.rate_hz)

    def start(self) -> None:
        """Read, then STARTFX3.

        Raises:
            DeviceError: when the request failed.
        """
        self._is_started = False
        if self._drain is None:
            device = self.world.host.device
            assert device is not None
            jitter_ns = self.behaviour.reader_jitter_us * 1_000
            self._drain = Drain(self.world, device, jitter_ns=jitter_ns)
            self._drain.start()
        self.started_ns = self.world.now_ns
        self.device.start()
        self._is_started = True

    def ask(self, request: str) -> None:
        """Send one of :data:`REQUESTS`, and after it what a program sends that wants a stream.

        Trouble is left to the next look.
        """
        self._is_started = False
        try:
            if request == "SET_CONFIGURATION":
                self._set_configuration()
            elif request != "STARTFX3":
                self._stop_or_set_clock(request)
            self.start()
        except (DeviceError, Trouble):
            return

    def halt(self) -> None:
        """STOPFX3 ahead of a START that is to be the first request.

        Raises:
            DeviceError: when it failed.
        """
        self.device.stop()

    def look(self) -> None:
        """Ask TESTFX3, look whether data came, and do what is to be done about trouble."""
        try:
            is_well = self._ask()
        except NoDeviceError:
            self._come_back()
        else:
            if is_well:
                self._answered()
            else:
                self.answers = False
        self._look_at_data()
        if self.answers and not self._is_started:
            self.restart()
        elif self.answers and self.is_silent and self.behaviour.restart_after_ms:
            silent_ns = self.world.now_ns - self._silent_since_ns
            if silent_ns >= self.behaviour.restart_after_ms * MILLISECOND_NS:
                self.restart()

    def _ask(self) -> bool:
        """Whether it answers; stale replies of an EP0 out of step show to a busy host alone."""
        if self.behaviour.is_busy:
            return answers_well(self.device, BUSY_LIMIT_MS)
        try:
            self.device.info()
        except NoDeviceError:
            raise
        except DeviceError:
            return False
        return True

    def _answered(self) -> None:
        if not self.answers:
            self.answers = True
            self.trouble_ended_ns = self.world.now_ns

    def _look_at_data(self) -> None:
        before_ns, before = self._looked
        now_ns, count = self.world.now_ns, self.bytes
        self._looked = (now_ns, count)
        if count == before:
            if not self.is_silent:
                self.is_silent = True
                self._silent_since_ns = before_ns
        elif self.is_silent:
            self.is_silent = False
            # They came without a gap up to now, so their number tells since when.
            self.trouble_ended_ns = max(before_ns, now_ns - self.duration_ns(count - before))

    def restart(self) -> None:
        """Stop, set the clock, start; what fails is left to the next look."""
        self._silent_since_ns = self.world.now_ns
        try:
            self.device.stop()
            self.set_clock()
            self.start()
        except DeviceError:
            return

    def _stop_or_set_clock(self, request: str) -> None:
        if request == "STOPFX3":
            self.device.stop()
        self.set_clock()

    def _set_configuration(self) -> None:
        host = self.world.host
        if host.device is None:
            raise Trouble("device gone")
        if host.set_configuration(host.device, 1).status is not TransferStatus.DONE:
            raise Trouble("SET_CONFIGURATION was not answered")

    def _come_back(self) -> None:
        self.answers = False
        self._is_started = False
        self.world.sleep(self.behaviour.upload_after_ms * MILLISECOND_NS)
        try:
            self.device.reacquire(self.image)
            self._answered()
            self.set_clock()
            self.start()
        except DeviceError:
            return

    def _reset(self, reset: Reset) -> None:
        del reset
        # A stream of an earlier life would be counted on for ever.
        self._read_before = self.bytes
        self._drain = None
        self._looked = (self.world.now_ns, self._read_before)
        self._is_started = False
        if not self.is_silent:
            self.is_silent = True
            self._silent_since_ns = self.world.now_ns
