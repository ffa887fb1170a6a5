"""The firmware's debug console on a serial port: 115200 baud, 8 data bits, no parity, 1 stop bit.

It is another wire than READINFODEBUG: it works before USB does and after, it says what never
reaches USB, and whoever types there types at the firmware.

Source: StartUp.c, DebugConsole.c (UART settings); pyserial.
"""

from __future__ import annotations

import errno
import re
from types import TracebackType
from typing import Self

import serial

from hw.errors import BusyError, DeviceError, NoDeviceError, from_os_error
from hw.guard import Authority, AuthoritySource, Operation, Target
from hw.guard.gate import Gate

BAUD_RATE = 115_200
_READ_BYTES = 4_096
_PIECE = re.compile(r"[^\n]*\n|[^\n]+")
_LOCKED = (errno.EAGAIN, errno.EWOULDBLOCK, errno.EBUSY)
_MISSING = (errno.ENOENT, errno.ENXIO, errno.ENOTTY)


class NoPortError(NoDeviceError):
    """There is no such serial port, or its adapter was pulled out."""

    happened = "no such serial port"
    advice = "check the adapter's cable and the port's name, such as /dev/ttyUSB0 or COM3"


class PortBusyError(BusyError):
    """Another program has the serial port open."""

    advice = "end the program that has the port open"


class UartConsole:
    """One open console.

    Args:
        port: name of the serial port, such as ``/dev/ttyUSB0`` or ``COM3``.
        authority: what the guard is told; opening a port may take its text from another program.

    Raises:
        DeniedError: the guard does not allow to open it.
        NoPortError: there is no such port.
        PortBusyError: another program has it.
        DeviceError: it cannot be opened.
    """

    def __init__(self, port: str, authority: Authority | AuthoritySource) -> None:
        self._gate = Gate(Target("serial", port), authority)
        self._operation = f"console {port}"
        self._gate.lasting(Operation.OPEN)
        try:
            self._port = serial.Serial(port, BAUD_RATE, timeout=0, exclusive=True)
        except (OSError, ValueError) as error:
            failure = self._error(error)
            self._gate.release(f"failed: {failure}")
            raise failure from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the port back; closing twice is harmless."""
        self._port.close()
        self._gate.release()

    def read(self) -> str:
        """Return what has come, at once; it may be nothing.

        Raises:
            NoPortError: the adapter was pulled out.
        """
        try:
            data: bytes = self._port.read(_READ_BYTES)
        except OSError as error:
            raise NoPortError(self._operation, str(error)) from error
        return data.decode("utf-8", "replace")

    def type(self, keys: str) -> None:
        """Type at the firmware; a line feed is its return key.

        Raises:
            DeniedError: the guard does not allow it: nobody can say what a command does.
            DeviceError: it cannot be sent.
        """
        with self._gate.doing(Operation.RAW, typed=keys):
            try:
                self._port.write(keys.replace("\n", "\r").encode("latin-1", "replace"))
            except OSError as error:
                raise self._error(error) from error

    def _error(self, error: OSError | ValueError) -> DeviceError:
        """A typed error: pyserial's are OSErrors, with an errno where the system gave one."""
        number = getattr(error, "errno", None)
        if number in _LOCKED:
            return PortBusyError(self._operation)
        if number in _MISSING or number is None:
            return NoPortError(self._operation)
        assert isinstance(error, OSError)
        return from_os_error(self._operation, error)


class Stamper:
    """Puts the time before each line: ``[   1.234] ``, as :mod:`hw.console_log` reads it."""

    def __init__(self) -> None:
        self._is_inside = False

    def stamp(self, text: str, at_ms: int) -> str:
        """Return text that came at this time, with its lines stamped; blank lines are left out."""
        made = []
        for piece in _PIECE.findall(text.replace("\r", "")):
            if not self._is_inside and piece != "\n":
                made.append(f"[{at_ms // 1000:8d}.{at_ms % 1000:03d}] ")
            if self._is_inside or piece != "\n":
                made.append(piece)
            self._is_inside = not piece.endswith("\n")
        return "".join(made)
