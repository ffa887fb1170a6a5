"""Where a scenario works: a device, a clock, and a note of what the host is doing."""

from __future__ import annotations

from collections.abc import Callable

from health import Event
from hw.boot import Image
from hw.errors import DeviceError, DeviceTimeoutError
from hw.protocol import BULK_PACKET_SS_BYTES
from hw.runtime import Runtime
from hw.rx888 import Rx888
from hw.trace import Recorder
from scenarios.errors import Trouble
from scenarios.reading import Reader, open_reader

MILLISECOND_NS = 1_000_000
BLOCK_BYTES = 16_384
"""What the firmware's own tests read at a time (tests/fx3_cmd.c): one DMA buffer."""
WATCH_INTERVAL_MS = 100
"""A station asks GETSTATS ten times a second."""
SILENCE_MS = 1_000
"""So long without data is trouble."""
ALIVE_LIMIT_MS = 5_000
TRACK = "host/program"

EP0_ANSWERS = "EP0 answers"
"""What a probe says of a device whose control endpoint lives."""


class Station:
    """A host program's place of work.

    Args:
        device: the open driver.
        runtime: its clock.
        trace: recorder of what the program does, or None.
        tell: told of each start and stop of the stream; a supervisor in the same process.
        image: firmware that scenarios may upload to a boot ROM, or None.

    Attributes:
        step: what the program is doing, in words for a report.
        step_ns: since when.
        onset_ns: when the program itself began the incident (it paused, say), or None.
        served_ns: when data came again after that, or None.
        said: what the scenario had to say beside its last line, in order.
        violations: what its second, strict checks found, in order.
        on_reading: told True when reading begins that no observer of the device sees, False when
            it ends.
    """

    def __init__(
        self,
        device: Rx888,
        runtime: Runtime,
        trace: Recorder | None = None,
        tell: Callable[[Event], None] | None = None,
        image: Image | None = None,
    ) -> None:
        self.device = device
        self.runtime = runtime
        self.trace = trace
        self.image = image
        self.said: list[str] = []
        self.violations: list[str] = []
        self.on_reading: Callable[[bool], None] | None = None
        self._tell = tell
        self._reader: Reader | None = None
        self.step = "before the start"
        self.step_ns = runtime.now_ns()
        self.onset_ns: int | None = None
        self.served_ns: int | None = None

    # ------------------------------------------------------------ notes

    def begin(self, step: str) -> None:
        """Begin a step; reports name the one in which trouble was seen."""
        self.step = step
        self.step_ns = self.runtime.now_ns()
        if self.trace is not None:
            self.trace.state(TRACK, step, self.step_ns)

    def remark(self, text: str) -> None:
        """Put something that the program noticed into the trace."""
        if self.trace is not None:
            self.trace.instant(TRACK, text, self.runtime.now_ns())

    def say(self, text: str) -> None:
        """Say something beside the scenario's last line: the original's lines with a ``#``."""
        self.said.append(text)
        self.remark(text)

    def strictly(self, condition: bool, text: str) -> None:
        """Check something that the original test lets pass.

        Args:
            condition: what a right device makes true.
            text: what is wrong when it is not; the scenario goes on.
        """
        if not condition:
            self.violations.append(text)
            self.remark(text)

    def sleep_ms(self, duration_ms: int) -> None:
        """Let time pass."""
        self.runtime.sleep_ms(duration_ms)

    # ------------------------------------------------------------ what every program does

    def set_clock(self, rate_hz: int) -> None:
        """STARTADC, then wait until EP0 answers again.

        The first firmware sleeps 1000 ms inside STARTADC, so that a START right after it runs into
        the host's time-out: a failure of its own (incident F5) that is kept out of others here.

        Raises:
            DeviceError: when STARTADC fails, or the device does not answer in 5 s.
        """
        self.device.start_adc(rate_hz)
        deadline_ns = self.runtime.now_ns() + ALIVE_LIMIT_MS * MILLISECOND_NS
        while True:
            try:
                self.device.info()
            except DeviceTimeoutError:
                if self.runtime.now_ns() >= deadline_ns:
                    raise
            else:
                return

    def start(self) -> None:
        """STARTFX3.

        Raises:
            DeviceError: when the request failed.
        """
        self.device.start()
        if self._tell is not None:
            self._tell(Event.STREAM_START)

    def stop(self) -> None:
        """STOPFX3.

        Raises:
            DeviceError: when the request failed.
        """
        self.device.stop()
        if self._tell is not None:
            self._tell(Event.STREAM_STOP)

    def primed_start(self, timeout_ms: int = 2_000) -> int:
        """Queue a read of one block, then STARTFX3, then wait for the block.

        Raises:
            Trouble: less than 1024 bytes came.
            DeviceError: START or the read failed.
        """
        if self._tell is not None:
            # Before the wait: a first buffer that never comes is what a supervisor looks for.
            self._tell(Event.STREAM_START)
        return self.enough(len(self.device.primed_start(BLOCK_BYTES, timeout_ms=timeout_ms)))

    def read_block(self, timeout_ms: int = 2_000) -> int:
        """Read one block of 16384 bytes; what arrived counts, if it is 1024 bytes at least.

        Raises:
            Trouble: when less came.
            DeviceError: when the read failed in any other way.
        """
        try:
            received = len(self.device.read(BLOCK_BYTES, timeout_ms=timeout_ms))
        except DeviceTimeoutError:
            raise Trouble(f"no data for {timeout_ms / 1000:g} s") from None
        return self.enough(received)

    def enough(self, received: int) -> int:
        """Return the number of bytes, if the firmware's own tests would pass with it.

        Raises:
            Trouble: when it is less than 1024.
        """
        if received < BULK_PACKET_SS_BYTES:
            raise Trouble(f"{received} bytes only")
        return received

    def read_on(self) -> Reader:
        """Begin to read without an end, until :meth:`read_no_more`."""
        self._reader = open_reader(self.device, self.runtime)
        if self.on_reading is not None:
            self.on_reading(True)
        self._reader.start()
        return self._reader

    def read_no_more(self) -> None:
        """End what :meth:`read_on` began; harmless when nothing was."""
        if self._reader is not None:
            self._reader.stop()
            self._reader = None
            if self.on_reading is not None:
                self.on_reading(False)

    def stream_on(self, rate_hz: int) -> Reader:
        """Set the clock, begin to read without an end, and start, as two steps of a report.

        Args:
            rate_hz: sample rate.

        Raises:
            DeviceError: when a request failed.
        """
        self.begin("sets the clock")
        self.set_clock(rate_hz)
        self.begin("streams")
        reader = self.read_on()
        self.start()
        return reader

    def watch(self, reader: Reader, duration_ms: int) -> None:
        """Stream for a time, as a station does: GETSTATS ten times a second, an eye on the data.

        Raises:
            Trouble: when no data came for 1 s.
            DeviceError: when GETSTATS fails.
        """
        end_ns = self.runtime.now_ns() + duration_ms * MILLISECOND_NS
        seen, seen_ns = reader.bytes, self.runtime.now_ns()
        while self.runtime.now_ns() < end_ns:
            self.device.stats()
            self.sleep_ms(WATCH_INTERVAL_MS)
            now = self.runtime.now_ns()
            if reader.bytes != seen:
                seen, seen_ns = reader.bytes, now
            elif now - seen_ns >= SILENCE_MS * MILLISECOND_NS:
                raise Trouble(f"no data for {SILENCE_MS / 1000:g} s")

    def pause(self, reader: Reader, duration_ms: int) -> None:
        """Read nothing for a time, still asking GETSTATS, then read on; this is the onset."""
        reader.stop()
        self.onset_ns = self.runtime.now_ns()
        end_ns = self.onset_ns + duration_ms * MILLISECOND_NS
        while self.runtime.now_ns() < end_ns:
            self.device.stats()
            self.sleep_ms(WATCH_INTERVAL_MS)
        seen = reader.bytes
        reader.start()
        limit_ns = self.runtime.now_ns() + 2 * SILENCE_MS * MILLISECOND_NS
        while reader.bytes == seen:
            if self.runtime.now_ns() >= limit_ns:
                raise Trouble(f"no data for {2 * SILENCE_MS / 1000:g} s")
            self.sleep_ms(1)
        self.served_ns = self.runtime.now_ns()

    def probe(self) -> str:
        """Ask TESTFX3 once: ``EP0 answers``, ``EP0 dead`` or ``device gone``."""
        try:
            self.device.info()
        except DeviceError as error:
            return "EP0 dead" if isinstance(error, DeviceTimeoutError) else "device gone"
        return EP0_ANSWERS
