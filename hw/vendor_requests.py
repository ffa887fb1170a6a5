"""The vendor requests of the firmware, one method each.

Source: firmware 2.3 ``USBHandler.c``; ``tests/fx3_cmd.c`` for what the host sends.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from hw import protocol
from hw.absence import Absence
from hw.capabilities import Capabilities
from hw.connection import Connection, request_name
from hw.errors import BadReplyError, NoDeviceError, StalledError, TransferError
from hw.guard import Operation
from hw.protocol import CONTROL_TIMEOUT_MS, Argument, DeviceInfo, GpioBit, Request, Stats

_OPERATIONS: dict[int, Operation] = {
    Request.STARTFX3: Operation.STREAM,
    Request.STOPFX3: Operation.STREAM,
    Request.GPIOFX3: Operation.CONFIGURE,
    Request.I2CWFX3: Operation.CONFIGURE,
    Request.STARTADC: Operation.CONFIGURE,
    Request.SETARGFX3: Operation.CONFIGURE,
    Request.RESETFX3: Operation.RESET,
    Request.HANGFX3: Operation.HANG,
    Request.HANGMAIN: Operation.HANG,
}
"""What the guard is asked before a request that acts; for a code that nobody knows it is RAW."""
_ASKING = frozenset((Request.TESTFX3, Request.GETSTATS, Request.I2CRFX3, Request.READINFODEBUG))
"""The requests that only ask; the debug console's only where nothing is typed with it."""

T = TypeVar("T")


class VendorRequests:
    """What can be asked of the firmware over EP0.

    An OUT request returns before the firmware has acted on it, and the firmware cannot refuse it
    any more once its data has arrived: STARTFX3 without a sample clock succeeds here and shows
    only as absent data.

    Args:
        connection: over which it is asked; a re-enumeration gives the device another one.
    """

    def __init__(self, connection: Connection | Absence) -> None:
        self._connection = connection

    def request_out(
        self,
        request: int,
        payload: bytes = b"",
        *,
        value: int = 0,
        index: int = 0,
        timeout_ms: int = CONTROL_TIMEOUT_MS,
    ) -> int:
        """Send any vendor request as it stands, for tests of the protocol's limits.

        Returns:
            How many bytes the device took.
        """
        return self._connection.control_out(
            _OPERATIONS.get(request, Operation.RAW),
            request,
            payload,
            timeout_ms,
            value=value,
            index=index,
        )

    def request_in(
        self,
        request: int,
        size_bytes: int,
        *,
        value: int = 0,
        index: int = 0,
        timeout_ms: int = CONTROL_TIMEOUT_MS,
    ) -> bytes:
        """Ask any vendor request as it stands; the reply may be shorter than asked for.

        The firmware looks at the code alone, so one that acts is guarded as if it were sent.
        """
        return self._connection.control_in(
            request,
            size_bytes,
            timeout_ms,
            value=value,
            index=index,
            operation=_operation_in(request, value),
        )

    def start(self, *, timeout_ms: int = CONTROL_TIMEOUT_MS) -> None:
        """STARTFX3: start streaming; restarts a running stream."""
        self._word(Request.STARTFX3, 0, timeout_ms)

    def stop(self, *, timeout_ms: int = CONTROL_TIMEOUT_MS) -> None:
        """STOPFX3: stop streaming and drop what has not been sent; queued reads stay pending."""
        self._word(Request.STOPFX3, 0, timeout_ms)

    def start_adc(self, rate_hz: int, *, timeout_ms: int = CONTROL_TIMEOUT_MS) -> None:
        """STARTADC: set the sample clock in Hz, 0 turns it off; stops a running stream."""
        self._word(Request.STARTADC, rate_hz, timeout_ms)

    def reset(self, *, timeout_ms: int = CONTROL_TIMEOUT_MS) -> None:
        """RESETFX3: reset into the boot ROM, about 100 ms after this returns.

        The device may leave the bus before the request is complete, which counts as success.
        """
        try:
            self._word(Request.RESETFX3, 0, timeout_ms)
        except (NoDeviceError, TransferError):
            return

    def info(self, *, debug: bool = False, timeout_ms: int = CONTROL_TIMEOUT_MS) -> DeviceInfo:
        """TESTFX3: board, firmware version, request counter.

        Args:
            debug: turn the firmware's debug text on; every call without it turns the text off.
            timeout_ms: limit of the transfer.
        """
        reply = self._connection.control_in(
            Request.TESTFX3, protocol.DEVICE_INFO_BYTES, timeout_ms, value=int(debug)
        )
        return _parsed(Request.TESTFX3, DeviceInfo.unpack, reply)

    def stats(self, *, timeout_ms: int = CONTROL_TIMEOUT_MS) -> Stats:
        """GETSTATS: counters, GPIF state, clock state."""
        reply = self._connection.control_in(Request.GETSTATS, protocol.STATS_BYTES, timeout_ms)
        return _parsed(Request.GETSTATS, Stats.unpack, reply)

    def capabilities(self, *, timeout_ms: int = CONTROL_TIMEOUT_MS) -> Capabilities:
        """Find out what this firmware can answer; like every TESTFX3, it turns debug text off."""
        info = self.info(timeout_ms=timeout_ms)
        try:
            stats = self.stats(timeout_ms=timeout_ms)
        except StalledError:
            return Capabilities.of(info, None)
        return Capabilities.of(info, stats)

    def set_argument(
        self, argument: Argument, value: int, *, timeout_ms: int = CONTROL_TIMEOUT_MS
    ) -> None:
        """SETARGFX3: set an argument as it stands; the firmware cuts the value to its width.

        The device acknowledges before it looks at the index, so an unknown one fails too late to
        be seen here.

        Args:
            argument: which one, wIndex.
            value: 16 bits, wValue.
            timeout_ms: limit of the transfer.
        """
        # The value travels in wValue, the one data byte is ignored.
        self._send(Request.SETARGFX3, b"\x00", timeout_ms, value=value, index=argument)

    def set_attenuator(self, half_db: int, *, timeout_ms: int = CONTROL_TIMEOUT_MS) -> None:
        """SETARGFX3: attenuate by so many steps of 0.5 dB, 0 to 63."""
        self._argument(Argument.ATTENUATOR, half_db, protocol.ATTENUATOR_MAX, timeout_ms)

    def set_vga(self, code: int, *, timeout_ms: int = CONTROL_TIMEOUT_MS) -> None:
        """SETARGFX3: gain code of the amplifier, 0 to 255; bit 7 chooses the high range."""
        self._argument(Argument.VGA, code, protocol.VGA_MAX, timeout_ms)

    def set_watchdog_cap(self, recoveries: int, *, timeout_ms: int = CONTROL_TIMEOUT_MS) -> None:
        """SETARGFX3: how often the stream watchdog recovers after a START; 0 is without limit.

        Takes effect at once, and outlives STOP and START.
        """
        self._argument(Argument.WATCHDOG_CAP, recoveries, protocol.WATCHDOG_CAP_MAX, timeout_ms)

    def set_gpio(self, word: GpioBit | int, *, timeout_ms: int = CONTROL_TIMEOUT_MS) -> None:
        """GPIOFX3: set all front-end pins at once.

        Args:
            word: the bits that are set, such as ``GpioBit.LED_BLUE | GpioBit.DITHER``; the other
                pins are cleared.
            timeout_ms: limit of the transfer.
        """
        self._word(Request.GPIOFX3, int(word), timeout_ms)

    def i2c_read(
        self,
        address: int,
        register: int,
        size_bytes: int,
        *,
        timeout_ms: int = CONTROL_TIMEOUT_MS,
    ) -> bytes:
        """I2CRFX3: read registers of a chip on the board's bus.

        Args:
            address: in its 8-bit form, such as C0 for the clock generator.
            register: the first one.
            size_bytes: how many, up to 64.
            timeout_ms: limit of the transfer.

        Raises:
            StalledError: when no chip acknowledged the address.
        """
        return self._connection.control_in(
            Request.I2CRFX3, size_bytes, timeout_ms, value=address, index=register
        )

    def i2c_write(
        self, address: int, register: int, data: bytes, *, timeout_ms: int = CONTROL_TIMEOUT_MS
    ) -> None:
        """I2CWFX3: write registers of a chip on the board's bus.

        That no chip acknowledged is not seen here; GETSTATS counts it.
        """
        self._send(Request.I2CWFX3, data, timeout_ms, value=address, index=register)

    def read_debug(self, character: int = 0, *, timeout_ms: int = CONTROL_TIMEOUT_MS) -> bytes:
        """READINFODEBUG: type one character (0 for none) and take what text is there.

        What is typed may end as any command of the console, ``reset`` too.

        Returns:
            Up to 63 bytes without their final NUL; none when there is no text.
        """
        try:
            reply = self._connection.control_in(
                Request.READINFODEBUG,
                protocol.EP0_BUFFER_BYTES,
                timeout_ms,
                value=character,
                operation=_operation_in(Request.READINFODEBUG, character),
            )
        except StalledError:
            return b""
        return reply[:-1]

    def hang_handler(self, duration_ms: int, *, timeout_ms: int = CONTROL_TIMEOUT_MS) -> None:
        """HANGFX3: block the control endpoint's handler for a time; a test hook of the firmware.

        Raises:
            DeviceTimeoutError: always, when the duration exceeds the time-out.
            ValueError: the duration is not in 0..65535, which is all that wValue holds.
        """
        if not 0 <= duration_ms <= 0xFFFF:
            raise ValueError(f"a hang of {duration_ms} ms is not in 0..65535; try 60000")
        self._send(Request.HANGFX3, b"", timeout_ms, value=duration_ms)

    def hang_main(self, *, timeout_ms: int = CONTROL_TIMEOUT_MS) -> None:
        """HANGMAIN: make the main thread spin for ever; a test hook of the firmware."""
        self._send(Request.HANGMAIN, b"", timeout_ms)

    # --- internals ----------------------------------------------------------------------------

    def _argument(self, argument: Argument, value: int, largest: int, timeout_ms: int) -> None:
        if not 0 <= value <= largest:
            raise ValueError(
                f"{argument.name.lower()} {value} is not in 0..{largest}, and the firmware would "
                f"cut it; try {largest}"
            )
        self.set_argument(argument, value, timeout_ms=timeout_ms)

    def _word(self, request: Request, value: int, timeout_ms: int) -> None:
        if not 0 <= value < 1 << 32:
            raise ValueError(f"{request.name} {value}: not 32 bits without sign, such as 64000000")
        self._send(request, value.to_bytes(4, "little"), timeout_ms)

    def _send(
        self, request: Request, payload: bytes, timeout_ms: int, *, value: int = 0, index: int = 0
    ) -> None:
        written = self._connection.control_out(
            _OPERATIONS[request], request, payload, timeout_ms, value=value, index=index
        )
        if written != len(payload):
            raise BadReplyError(
                request_name(request), f"{written} of {len(payload)} bytes accepted"
            )


def _operation_in(request: int, value: int) -> Operation:
    """What the guard is asked before an IN request."""
    if request in _ASKING and not (request == Request.READINFODEBUG and value):
        return Operation.PROBE
    return _OPERATIONS.get(request, Operation.RAW)


def _parsed(request: Request, unpack: Callable[[bytes], T], reply: bytes) -> T:
    try:
        return unpack(reply)
    except ValueError as error:
        raise BadReplyError(request.name, str(error)) from error
