"""The health module's eyes in the host position: one probe at a time, over USB."""

from health import Event, Recorder
from hw.errors import (
    DeniedError,
    DeviceError,
    DeviceTimeoutError,
    NoDeviceError,
    StalledError,
)
from hw.protocol import (
    CLOCK_INITIALISING,
    CLOCK_PLL_A_UNLOCKED,
    CLOCK_READ_FAILED,
    CONTROL_TIMEOUT_MS,
    GpifState,
    Stats,
)
from hw.rx888 import Rx888

_BUFFERS_UNKNOWN = 255
_NOT_STREAMING = frozenset((GpifState.RESET, GpifState.IDLE, GpifState.DISABLED))


class HostSampler:
    """Probes the device once a sample and tells the health module what that proves.

    *Control endpoint.* On the device EP0_ENTER and EP0_EXIT are the ends of a handler. From the
    host all that can be seen is a request without an answer, so EP0_ENTER is recorded before the
    first request that stays unanswered, and EP0_EXIT only with the next answer: a probe that timed
    out and whose repetitions time out too is still in progress. Its age therefore grows over
    time-outs, and the module compares it with the policy's limit as it does on the device. The host
    learns of a wedge one probe interval and one time-out later than the device would, in steps of
    the time-out, and it cannot tell a blocked handler from a spinning one or from a dead link. A
    stall is an answer. A failed transfer or a garbled reply is an EP0_ERROR, and an answer.

    *Absence.* A device that has left the bus has no handler that could hang, and nothing that a
    remedy could reach: the request ends, DECONFIGURED is recorded, and ``is_absent`` says so until
    the driver has found the device again.

    *Stream.* START and STOP are sent by some other program; they are inferred from the GPIF state,
    which is neither reset, idle nor disabled while a stream is armed. A stop and start between two
    samples is not seen. The number of full buffers is unknown here, and a main thread that hangs
    shows nothing at all until the hardware watchdog takes the device off the bus.

    GETSTATS has no side effect. A firmware without it is asked TESTFX3, which turns its debug text
    off and tells nothing of the stream.

    Args:
        device: the open driver.
        timeout_ms: limit of each probe; with it the sampler blocks at most that long, or twice
            that where GETSTATS stalls.
    """

    def __init__(self, device: Rx888, *, timeout_ms: int = CONTROL_TIMEOUT_MS) -> None:
        self._device = device
        self._timeout_ms = timeout_ms
        self._generation = device.generation
        self._is_waiting = False
        self._is_streaming = False
        self.is_absent = False
        """The device has left the bus."""
        self.last_error: DeviceError | None = None
        """Why the latest probe was no full success, ``None`` if it was."""
        self.stats_bytes: int | None = None
        """Length of the GETSTATS reply, 0 where there is none, ``None`` before the first answer."""

    def sample(self, record: Recorder) -> None:
        """Probe once and record what was seen.

        Args:
            record: the form of ``Health.record_event``.

        Raises:
            DeniedError: when the guard does not allow to probe.
        """
        self._notice_reset(record)
        if not self._is_waiting:
            self._is_waiting = True
            record(Event.EP0_ENTER)
        try:
            stats = self._probe()
        except DeviceTimeoutError as error:
            self.last_error = error
            return
        except NoDeviceError as error:
            self.last_error = error
            self._left(record)
            return
        except DeniedError:
            self._answered(record)
            raise
        except DeviceError as error:
            self.last_error = error
            record(Event.EP0_ERROR)
            self._answered(record)
            return
        self.last_error = None
        self.stats_bytes = 0 if stats is None else len(stats.pack())
        self._answered(record)
        if stats is not None:
            self._record_stats(stats, record)

    def _probe(self) -> Stats | None:
        try:
            return self._device.stats(timeout_ms=self._timeout_ms)
        except StalledError:
            self._device.info(timeout_ms=self._timeout_ms)
            return None

    def _left(self, record: Recorder) -> None:
        self._answered(record)
        if not self.is_absent:
            self.is_absent = True
            self._is_streaming = False
            record(Event.DECONFIGURED)

    def _notice_reset(self, record: Recorder) -> None:
        if self._device.generation == self._generation:
            return
        self._generation = self._device.generation
        self._is_streaming = self.is_absent = False
        self._answered(record)
        record(Event.CONFIGURED)

    def _answered(self, record: Recorder) -> None:
        if self._is_waiting:
            self._is_waiting = False
            record(Event.EP0_EXIT)

    def _record_stats(self, stats: Stats, record: Recorder) -> None:
        if stats.clk0_control not in (None, CLOCK_READ_FAILED):
            unlocked = stats.clock_status & (CLOCK_PLL_A_UNLOCKED | CLOCK_INITIALISING)
            record(Event.CLOCK_STATE, int(bool(stats.clk0_on) and not unlocked))
        is_streaming = stats.gpif_state not in _NOT_STREAMING
        if is_streaming != self._is_streaming:
            self._is_streaming = is_streaming
            record(Event.STREAM_START if is_streaming else Event.STREAM_STOP)
        record(Event.STREAM_SAMPLE, stats.dma_count, stats.gpif_state, _BUFFERS_UNKNOWN)
