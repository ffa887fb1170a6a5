"""The moves that the firmware's own tests are made of, each with its exact waits.

A move that fails raises the driver's :class:`~hw.errors.DeviceError`, which ends a scenario as
the original's FAIL does; where the original ignores or counts a failure, the scenario asks
:func:`failure_of`. Retries are said aloud, for a healthy device needs none.

Source: ``fx3_cmd.c`` (``cmd_u32_retry``, ``primed_start_and_read``, ``upload_firmware`` and the
others), with its time-out of 1000 ms for every control request.
"""

from __future__ import annotations

from collections.abc import Callable

from hw.boot import Image
from hw.connection import request_name
from hw.errors import DeniedError, DeviceError, DeviceTimeoutError, StalledError, TransferError
from hw.protocol import BOOT_PRODUCT_ID, DEVICE_INFO_BYTES, Argument, Request
from scenarios.errors import Trouble
from scenarios.station import MILLISECOND_NS, Station

MHZ = 1_000_000
BLOCK_BYTES = 16_384
"""What most scenarios read: one DMA buffer."""
WORD_BYTES = 4
OVERSIZED_BYTES = 128
"""Twice the firmware's EP0 buffer."""
RETRY_PAUSES_MS = (500, 1_000)

CLOCK_ADDRESS = 0xC0
"""Si5351, in the 8-bit form of the address that the firmware takes."""
SILENT_ADDRESSES = (0x90, 0xC2)
"""Addresses at which no chip answers."""

UPLOAD_STREAM_MS = 4_000
UPLOAD_SETTLE_MS = 2_000
UPLOAD_STREAM_RATE_HZ = 32 * MHZ
UPLOAD_STREAM_GAIN = 0x80
UPLOAD_REQUEST_PAUSE_MS = 5


# --- requests -----------------------------------------------------------------------------------


def send(
    station: Station, request: int, payload: bytes = b"", *, value: int = 0, index: int = 0
) -> None:
    """Send any vendor request; a payload that is not taken whole is a failed transfer.

    Args:
        station: where it runs.
        request: bRequest.
        payload: the data phase; empty means none.
        value: wValue.
        index: wIndex.

    Raises:
        DeviceError: the request failed.
    """
    taken = station.device.request_out(request, payload, value=value, index=index)
    if taken != len(payload):
        raise TransferError(request_name(request), f"{taken} of {len(payload)} bytes accepted")


def send_word(station: Station, request: int, word: int = 0) -> None:
    """Send a vendor request with four bytes, little-endian.

    Raises:
        DeviceError: the request failed.
    """
    send(station, request, word.to_bytes(WORD_BYTES, "little"))


def send_word_with_retry(station: Station, request: int, word: int = 0) -> None:
    """Send a word; after a time-out or a failed transfer again 500 ms later, and 1000 ms after.

    Raises:
        DeviceError: of the third try, or any other error at once.
    """
    for pause_ms in RETRY_PAUSES_MS:
        try:
            send_word(station, request, word)
        except (DeviceTimeoutError, TransferError) as error:
            _say_again(station, error, pause_ms)
            station.sleep_ms(pause_ms)
        else:
            return
    send_word(station, request, word)


def set_argument(station: Station, argument: int, value: int) -> None:
    """SETARGFX3 with any id, known or not; the one byte of payload means nothing.

    Raises:
        DeviceError: the request failed.
    """
    send(station, Request.SETARGFX3, b"\x00", value=value, index=argument)


def set_arguments(station: Station, attenuator: int, gain: int) -> None:
    """Set attenuator and gain, in this order.

    Raises:
        DeviceError: a request failed.
    """
    set_argument(station, Argument.ATTENUATOR, attenuator)
    set_argument(station, Argument.VGA, gain)


def ask(station: Station, *, debug: bool = False) -> bytes:
    """TESTFX3, whatever it answers; it turns the debug text on or, as a mere probe does, off.

    Raises:
        DeviceError: the device does not answer.
    """
    return station.device.request_in(Request.TESTFX3, DEVICE_INFO_BYTES, value=int(debug))


def read_console(station: Station, character: str = "\0") -> bytes:
    """READINFODEBUG: type a character and take the text that is there; a failure is said.

    Args:
        station: where it runs.
        character: what is typed; NUL types nothing.

    Returns:
        The text; none when there is none or the request failed.
    """
    try:
        return station.device.read_debug(ord(character))
    except DeviceError as error:
        station.say(str(error))
        return b""


# --- what may fail ------------------------------------------------------------------------------


def failure_of(call: Callable[[], object]) -> DeviceError | None:
    """Return how a call failed, or None: for what the original ignores, counts or expects.

    Raises:
        DeniedError: the guard did not let it happen, which says nothing about the device.
    """
    try:
        call()
    except DeniedError:
        raise
    except DeviceError as error:
        return error
    return None


def must_stall(what: str, call: Callable[[], object]) -> None:
    """Return if a request was refused with a stall.

    Raises:
        Trouble: it was taken, or failed in another way.
    """
    error = failure_of(call)
    if error is None:
        raise Trouble(f"{what} taken, not stalled")
    if not isinstance(error, StalledError):
        raise Trouble(f"{what} {error.happened}, not stalled")


def stalled_or_taken(what: str, call: Callable[[], object]) -> bool:
    """Return whether a request was refused with a stall.

    Raises:
        Trouble: it failed in another way.
    """
    error = failure_of(call)
    if error is not None and not isinstance(error, StalledError):
        raise Trouble(f"{what} {error.happened}")
    return error is not None


# --- data ---------------------------------------------------------------------------------------


def read_up_to(station: Station, size_bytes: int, timeout_ms: int) -> int:
    """Read; what came in time counts, and a read that fails counts as 0 bytes and is said.

    Returns:
        How many bytes came.
    """
    try:
        return len(station.device.read(size_bytes, timeout_ms=timeout_ms))
    except DeviceTimeoutError:
        return 0
    except DeviceError as error:
        station.say(str(error))
        return 0


def read_enough(station: Station, timeout_ms: int, size_bytes: int = BLOCK_BYTES) -> int:
    """Read one block, of which 1024 bytes at least must come.

    Raises:
        Trouble: less came.
    """
    return station.enough(read_up_to(station, size_bytes, timeout_ms))


def primed_start(station: Station, size_bytes: int = BLOCK_BYTES, timeout_ms: int = 2_000) -> int:
    """Queue a read, STARTFX3, wait for the read; never a clear-halt.

    Returns:
        How many bytes came; a read that ends in time-out counts if it has any.

    Raises:
        DeviceError: of STARTFX3, once the read is off the queue; or of the read.
    """
    return len(station.device.primed_start(size_bytes, timeout_ms=timeout_ms))


def primed_start_with_retry(
    station: Station, size_bytes: int = BLOCK_BYTES, timeout_ms: int = 2_000
) -> int:
    """Start primed; after a time-out or failed transfer stop, wait, clear the halt and try again.

    The waits are 500 ms and 1000 ms.

    Raises:
        DeviceError: of the third try, or any other error at once.
    """
    for pause_ms in RETRY_PAUSES_MS:
        try:
            return primed_start(station, size_bytes, timeout_ms)
        except (DeviceTimeoutError, TransferError) as error:
            _say_again(station, error, pause_ms)
        failure_of(station.device.stop)
        station.sleep_ms(pause_ms)
        failure_of(station.device.clear_halt)
    return primed_start(station, size_bytes, timeout_ms)


def start_at(station: Station, rate_hz: int) -> None:
    """STARTADC and STARTFX3, each with its retries.

    Raises:
        DeviceError: a third try failed.
    """
    send_word_with_retry(station, Request.STARTADC, rate_hz)
    send_word_with_retry(station, Request.STARTFX3)


# --- firmware -----------------------------------------------------------------------------------


def require_image(station: Station) -> Image:
    """Return the image that the station has.

    Raises:
        Trouble: it has none, so nothing that loses the firmware may be begun.
    """
    if station.image is None:
        raise Trouble("no firmware image to upload afterwards")
    return station.image


def upload(station: Station, rate_hz: int = UPLOAD_STREAM_RATE_HZ) -> None:
    """Do what ``rx888_stream -f IMG -s RATE`` does, stopped after 4 s, and wait 2 s more.

    It uploads if the device is in its boot ROM, sets the device up and streams.

    Args:
        station: where it runs.
        rate_hz: sample rate.

    Raises:
        Trouble: there is no image.
        DeviceError: the device did not come back, or a request failed.
    """
    image = require_image(station)
    end_ns = station.runtime.now_ns() + UPLOAD_STREAM_MS * MILLISECOND_NS
    if is_in_boot_rom(station):
        station.device.reacquire(image, timeout_ms=UPLOAD_STREAM_MS)
    set_up_as_uploader(station, rate_hz)
    station.read_on()
    try:
        station.device.start()
        left_ns = end_ns - station.runtime.now_ns()
        station.sleep_ms(max(0, left_ns // MILLISECOND_NS))
    finally:
        station.read_no_more()
    station.device.stop()
    station.sleep_ms(UPLOAD_SETTLE_MS)


def set_up_as_uploader(station: Station, rate_hz: int) -> None:
    """Stop, attenuator, gain and clock, 5 ms apart; its GPIO word is not known and left out.

    Raises:
        DeviceError: a request failed.
    """
    calls: tuple[Callable[[], None], ...] = (
        station.device.stop,
        lambda: set_argument(station, Argument.ATTENUATOR, 0),
        lambda: set_argument(station, Argument.VGA, UPLOAD_STREAM_GAIN),
        lambda: station.device.start_adc(rate_hz),
    )
    for call in calls:
        call()
        station.sleep_ms(UPLOAD_REQUEST_PAUSE_MS)


def is_in_boot_rom(station: Station) -> bool:
    """Return whether the device is in its boot ROM now; it is not waited for."""
    return failure_of(lambda: station.device.wait_for(BOOT_PRODUCT_ID, timeout_ms=0)) is None


def _say_again(station: Station, error: DeviceError, pause_ms: int) -> None:
    station.say(f"{error.operation} {error.happened}, again in {pause_ms} ms")
