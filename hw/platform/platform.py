"""The health module's clock and hands in the host position: what each level means over USB."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from health import Intent, Level, Outcome, Status, level_bit
from health.status import HANDLER_NONE
from hw.boot import Image, Upload
from hw.bus import REENUMERATION_TIMEOUT_MS
from hw.errors import (
    BadReplyError,
    BusyError,
    DeniedError,
    DeviceError,
    DeviceTimeoutError,
    JournalError,
    LockedError,
)
from hw.guard import Operation
from hw.ownership import Owner
from hw.protocol import HARDWARE_RX888MK2
from hw.runtime import Runtime
from hw.rx888 import Rx888

SETTLE_MS = 100
"""From STOPFX3 to STARTFX3, as the firmware's own tests wait (clock_pull in ``fx3_cmd.c``)."""
OPERATIONS: Mapping[Level, tuple[Operation, ...]] = MappingProxyType(
    {
        Level.STREAM: (Operation.STREAM,),
        Level.EP0: (Operation.CLEAR_HALT,),
        Level.APPLICATION: (Operation.SET_CONFIGURATION,),
        Level.DEVICE_RESET: (Operation.RESET, Operation.PORT_RESET, Operation.UPLOAD),
    }
)
"""What the guard is asked before a level, all at once: no remedy stops half way for a denial."""
START_WORK_MS = 10
"""STARTFX3 is acknowledged before the firmware acts on it; a look right then sees no stream yet."""
NEEDS_INTERFACE = (Level.EP0, Level.APPLICATION)
"""They touch the interface, so the kernel refuses them beside the program that owns it."""

_NS_PER_MS = 1_000_000
_WRAP = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class HostRecovery:
    """What the latest remedy from the host did.

    Attributes:
        level: which.
        began_ns: when it began, on the runtime's clock.
        ended_ns: when it ended, the answer to the last probe included.
        outcome: level 1 is DONE when its requests were taken, the others when the device answers
            afterwards.
        upload: what was uploaded, if it came so far.
        error: what the device or the guard raised, if anything.
        reason: why it is not DONE, in one line.
    """

    level: Level
    began_ns: int
    ended_ns: int
    outcome: Outcome
    upload: Upload | None = None
    error: DeviceError | None = None
    reason: str = ""


class HostPlatform:
    """Levels 1 to 4 over USB.

    ======  ========================================================================================
    level   remedy
    ======  ========================================================================================
    1       STOPFX3, settle, STARTFX3; it sets no sample rate. Where nobody has the interface the
            stream is not started again: nobody would read it
    2       clear the halt of the data endpoint, and see that two different requests are answered
    3       SET_CONFIGURATION, by which the firmware stops and starts its application
    4       RESETFX3, or a port reset where the control endpoint is dead; then upload, and open
    ======  ========================================================================================

    Levels 2 and 3 need the interface: beside a program that owns it the kernel answers EBUSY, so
    there they are not available, and nothing is claimed or clear-halted. Level 2 clears a halt
    only after the control endpoint failed: amid data some host controllers take it badly.

    Level 4 resets by RESETFX3 where the control endpoint may still answer, and by the port where a
    request hangs in it, or where RESETFX3 stays unanswered. Whether a port reset helps depends on
    how far the firmware is gone; where it does not, the outcome is FAILED and only a power cycle is
    left. A device that is in its boot ROM already, because its own level 4 or 5 was faster, is
    simply uploaded to. Without an image level 4 would cost the firmware, so it is not available.

    Args:
        device: the open driver; it is open again after a remedy that is DONE.
        image: firmware to upload, or ``None``.
        runtime: clock.
        persist: where an intent is written before it is acted on, if anywhere; not called for what
            may not be done.
        hindrance: asked before each remedy for the reason why it may not be applied now, empty
            when it may; the guard is asked besides.
        timeout_ms: limit of each wait for the device to come back.
        progress: see :func:`hw.boot.upload`.

    Source: judgement (usbfs); seen on hardware (clear-halt amid data); DESIGN of the host position.
    """

    def __init__(
        self,
        device: Rx888,
        image: Image | None,
        runtime: Runtime,
        *,
        persist: Callable[[Intent], None] | None = None,
        hindrance: Callable[[Level], str] = lambda level: "",
        timeout_ms: int = REENUMERATION_TIMEOUT_MS,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self._device = device
        self._image = image
        self._runtime = runtime
        self._persist = persist
        self._hindrance = hindrance
        self._timeout_ms = timeout_ms
        self._progress = progress
        self._upload: Upload | None = None
        self.last_recovery: HostRecovery | None = None
        """The latest attempt, ``None`` before the first."""

    def now_ms(self) -> int:
        """Return the runtime's time in ms, 32 bits, wrapping."""
        return self._runtime.now_ns() // _NS_PER_MS & _WRAP

    def available(self) -> int:
        """Return the mask of the levels that the host's system and the image make possible now."""
        mask = level_bit(Level.STREAM)
        if self._device.owner is Owner.NOBODY:
            mask |= level_bit(Level.EP0) | level_bit(Level.APPLICATION)
        if self._image is not None:
            mask |= level_bit(Level.DEVICE_RESET)
        return mask

    def hindrance(self, level: Level) -> str:
        """Return in one line why a level may not be applied now; empty when it may.

        Args:
            level: which; what is not available has its reason too.
        """
        if level not in OPERATIONS:
            return f"no host can apply level {level:d}"
        if not self.available() & level_bit(level):
            return self._absence(level)
        reason = self._hindrance(level)
        if reason:
            return reason
        try:
            with self._device.acting_for(level):
                self._device.permit(*self._operations(level))
        except DeniedError as error:
            return str(error)
        return ""

    def _absence(self, level: Level) -> str:
        if level in NEEDS_INTERFACE:
            return f"{self._device.owner.value} has the interface, so level {level:d} finds it busy"
        return "there is no image to upload after it"

    def _operations(self, level: Level) -> tuple[Operation, ...]:
        # A driver that claims has to open the device anew after a reset.
        opens = level is Level.DEVICE_RESET and not self._device.is_shared
        return (*OPERATIONS[level], Operation.OPEN) if opens else OPERATIONS[level]

    def note(self, intent: Intent) -> None:
        """Persist an intent that will be acted on, if there is somewhere to persist it."""
        if self._persist is not None and not self.hindrance(intent.level):
            self._persist(intent)

    def apply(self, level: Level, status: Status) -> Outcome:
        """Apply a level and see that the device answers.

        Args:
            level: 1 to 4.
            status: why; it says whether a request hangs.

        Returns:
            DONE, FAILED, or REFUSED where it is not available, the guard denies it, another process
            of ours works on the device, or the journal cannot be written.
        """
        began_ns = self._runtime.now_ns()
        reason = self.hindrance(level)
        if reason:
            self.last_recovery = HostRecovery(
                level, began_ns, began_ns, Outcome.REFUSED, reason=reason
            )
            return Outcome.REFUSED
        self._upload = None
        error: DeviceError | None = None
        outcome = Outcome.DONE
        try:
            with self._device.acting_for(level), self._device.exclusively():
                self._act(level, status)
        except (DeniedError, LockedError, JournalError) as refusal:
            outcome, error = Outcome.REFUSED, refusal
        except BusyError as busy:
            # A program came between the look and the act.
            outcome = Outcome.REFUSED if level in NEEDS_INTERFACE else Outcome.FAILED
            error = busy
        except DeviceError as failure:
            outcome, error = Outcome.FAILED, failure
        self.last_recovery = HostRecovery(
            level,
            began_ns,
            self._runtime.now_ns(),
            outcome,
            self._upload,
            error,
            str(error or ""),
        )
        return outcome

    def _act(self, level: Level, status: Status) -> None:
        if level is Level.STREAM:
            self._restart_stream()
        elif level is Level.EP0:
            self._device.clear_halt()
            self._see_that_it_answers()
        elif level is Level.APPLICATION:
            self._device.set_configuration()
            self._see_that_it_answers()
        else:
            self._reset_and_upload(status)

    def _restart_stream(self) -> None:
        device = self._device
        device.stop()
        self._runtime.sleep_ms(SETTLE_MS)
        if device.is_shared and device.owner is Owner.NOBODY:
            return
        device.start()
        self._runtime.sleep_ms(START_WORK_MS)

    def _see_that_it_answers(self) -> None:
        """Ask two different questions: of a desynchronised endpoint one gets the other's answer."""
        self._device.stats()
        info = self._device.info()
        if info.hardware != HARDWARE_RX888MK2:
            raise BadReplyError("TESTFX3", f"hardware {info.hardware:#04x}")

    def _reset_and_upload(self, status: Status) -> None:
        in_place = self._reset(status)
        self._upload = self._device.reacquire(
            self._image,
            in_place=in_place,
            timeout_ms=self._timeout_ms,
            progress=self._progress,
        )
        self._device.info()

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
