"""The health module's clock, hands and eyes in the host position: over USB."""

from collections.abc import Callable
from dataclasses import dataclass

from health import Event, Intent, Level, Outcome, Recorder, Status, level_bit
from health.status import HANDLER_NONE
from hw.boot import Image, Upload
from hw.bus import REENUMERATION_TIMEOUT_MS
from hw.errors import (
    DeniedError,
    DeviceError,
    DeviceTimeoutError,
    NoDeviceError,
    StalledError,
)
from hw.guard import Operation
from hw.protocol import (
    CLOCK_INITIALISING,
    CLOCK_PLL_A_UNLOCKED,
    CLOCK_READ_FAILED,
    CONTROL_TIMEOUT_MS,
    GpifState,
    Stats,
)
from hw.runtime import Runtime
from hw.rx888 import Rx888

_NS_PER_MS = 1_000_000
_WRAP = 0xFFFF_FFFF
_BUFFERS_UNKNOWN = 255
_NOT_STREAMING = frozenset((GpifState.RESET, GpifState.IDLE, GpifState.DISABLED))


@dataclass(frozen=True, slots=True)
class HostRecovery:
    """What the latest level 4 from the host did.

    Attributes:
        began_ns: when it began, on the runtime's clock.
        ended_ns: when it ended, the answer to the last probe included.
        outcome: DONE only if the device served again.
        upload: what was uploaded, if it came so far.
        error: why it is not DONE.
    """

    began_ns: int
    ended_ns: int
    outcome: Outcome
    upload: Upload | None = None
    error: DeviceError | None = None


class HostPlatform:
    """Level 4 over USB, and nothing else: reset, wait, upload, open, and see that it serves.

    The reset is RESETFX3 where the control endpoint may still answer, and a port reset where a
    request hangs in it, or where RESETFX3 stays unanswered. Whether a port reset helps depends on
    how far the firmware is gone; where it does not, the outcome is FAILED and only a power cycle is
    left. A device that is in its boot ROM already, because its own level 4 or 5 was faster, is
    simply uploaded to.

    Args:
        device: the open driver; it is open again after a remedy that is DONE.
        image: firmware to upload.
        runtime: clock.
        persist: where an intent is written before it is acted on, if anywhere.
        timeout_ms: limit of each wait for the device to come back.
        progress: see :func:`hw.boot.upload`.
    """

    def __init__(
        self,
        device: Rx888,
        image: Image,
        runtime: Runtime,
        *,
        persist: Callable[[Intent], None] | None = None,
        timeout_ms: int = REENUMERATION_TIMEOUT_MS,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self._device = device
        self._image = image
        self._runtime = runtime
        self._persist = persist
        self._timeout_ms = timeout_ms
        self._progress = progress
        self.last_recovery: HostRecovery | None = None
        """The latest attempt, ``None`` before the first."""

    def now_ms(self) -> int:
        """Return the runtime's time in ms, 32 bits, wrapping."""
        return self._runtime.now_ns() // _NS_PER_MS & _WRAP

    def available(self) -> int:
        """Return the mask of level 4 alone."""
        return level_bit(Level.DEVICE_RESET)

    def note(self, intent: Intent) -> None:
        """Persist an intent, if there is somewhere to persist it."""
        if self._persist is not None:
            self._persist(intent)

    def apply(self, level: Level, status: Status) -> Outcome:
        """Apply level 4 and wait until the device serves again.

        Args:
            level: any; all but level 4 are refused.
            status: why; it says whether a request hangs.

        Returns:
            DONE when TESTFX3 is answered by the application afterwards, FAILED when not, REFUSED
            for other levels and when the guard denies reset or upload, before anything is sent.
        """
        if level is not Level.DEVICE_RESET:
            return Outcome.REFUSED
        began_ns = self._runtime.now_ns()
        upload: Upload | None = None
        error: DeviceError | None = None
        outcome = Outcome.DONE
        try:
            # All at once, so that no device is left reset but without its firmware.
            self._device.permit(
                Operation.RESET, Operation.PORT_RESET, Operation.UPLOAD, Operation.OPEN
            )
            in_place = self._reset(status)
            upload = self._device.reacquire(
                self._image,
                in_place=in_place,
                timeout_ms=self._timeout_ms,
                progress=self._progress,
            )
            self._device.info()
        except DeniedError as denied:
            outcome, error = Outcome.REFUSED, denied
        except DeviceError as failure:
            outcome, error = Outcome.FAILED, failure
        self.last_recovery = HostRecovery(began_ns, self._runtime.now_ns(), outcome, upload, error)
        return outcome

    def _reset(self, status: Status) -> bool:
        """Reset the device; return whether it may come back without leaving its address."""
        if status.evidence.handler == HANDLER_NONE:
            try:
                self._device.reset()
            except DeviceTimeoutError:
                # The control endpoint died since the status was made.
                self._device.port_reset()
                return True
            return False
        self._device.port_reset()
        return True


class HostSampler:
    """Probes the device once a sample and tells the health module what that proves.

    *Control endpoint.* On the device EP0_ENTER and EP0_EXIT are the ends of a handler. From the
    host all that can be seen is a request without an answer, so EP0_ENTER is recorded before the
    first request that stays unanswered, and EP0_EXIT only with the next answer: a probe that timed
    out and whose repetitions time out too is still in progress. Its age therefore grows over
    time-outs, and the module compares it with the policy's limit as it does on the device. The host
    learns of a wedge one probe interval and one time-out later than the device would, in steps of
    the time-out, and it cannot tell a blocked handler from a spinning one or from a dead link. A
    device that has left the bus counts as unanswered too. A stall is an answer. A failed transfer
    or a garbled reply is an EP0_ERROR, and an answer.

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
        self.last_error: DeviceError | None = None
        """Why the latest probe was no full success, ``None`` if it was."""

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
        except (DeviceTimeoutError, NoDeviceError) as error:
            self.last_error = error
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
        self._answered(record)
        if stats is not None:
            self._record_stats(stats, record)

    def _probe(self) -> Stats | None:
        try:
            return self._device.stats(timeout_ms=self._timeout_ms)
        except StalledError:
            self._device.info(timeout_ms=self._timeout_ms)
            return None

    def _notice_reset(self, record: Recorder) -> None:
        if self._device.generation == self._generation:
            return
        self._generation = self._device.generation
        self._is_streaming = False
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
