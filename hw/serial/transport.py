"""Bytes to and from a port, with a deadline for everything."""

from __future__ import annotations

from typing import Final, Protocol, Self

import serial

from hw.serial.errors import serial_errors

BAUD: Final = 115_200
"""All ports of these modules; over USB the number means nothing."""
WRITE_LIMIT_S: Final = 2.0


class Clock(Protocol):
    """Time as this package sees it; :class:`hw.runtime.ThreadRuntime` is one."""

    def now_ns(self) -> int:
        """Return the time in ns of a clock that never goes back."""
        ...

    def sleep_ms(self, duration_ms: int) -> None:
        """Let this much time pass."""
        ...


class Transport(Protocol):
    """A port that is open."""

    @property
    def name(self) -> str:
        """What it is called, such as ``/dev/ttyUSB2``."""
        ...

    def read(self, limit_ms: int) -> bytes:
        """Return what came, waiting for it at most so long; empty when nothing did.

        Raises:
            ModuleGoneError: the module left.
        """
        ...

    def write(self, data: bytes) -> None:
        """Send bytes.

        Raises:
            ModuleGoneError: the module left.
            SilentError: it takes no data.
        """
        ...

    def close(self) -> None:
        """Give the port up."""
        ...


class SerialTransport:
    """A port opened by pyserial, 8N1, without flow control, for this program alone.

    Args:
        name: of the port, such as ``/dev/ttyUSB2`` or ``COM7``.

    Raises:
        PortMissingError: there is no such port.
        PortBusyError: another program has it.
        PortAccessError: the operating system does not allow it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        with serial_errors(f"open {name}", is_opening=True):
            try:
                self._port = serial.Serial(
                    name, BAUD, timeout=0, write_timeout=WRITE_LIMIT_S, exclusive=True
                )
            except ValueError as error:
                raise serial.SerialException(str(error)) from error

    def read(self, limit_ms: int) -> bytes:
        """See :meth:`Transport.read`."""
        with serial_errors(f"read {self.name}"):
            self._port.timeout = max(limit_ms, 0) / 1000
            first: bytes = self._port.read(1)
            if not first:
                return b""
            self._port.timeout = 0
            return first + self._port.read(self._port.in_waiting)

    def write(self, data: bytes) -> None:
        """See :meth:`Transport.write`."""
        with serial_errors(f"write {self.name}"):
            self._port.write(data)

    def close(self) -> None:
        """See :meth:`Transport.close`."""
        with serial_errors(f"close {self.name}"):
            self._port.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Deadline:
    """A moment that something has to be done by.

    Args:
        clock: tells the time.
        limit_ms: from now.
    """

    def __init__(self, clock: Clock, limit_ms: int) -> None:
        self._clock = clock
        self._begun_ns = clock.now_ns()
        self._limit_ns = limit_ms * 1_000_000

    @property
    def left_ms(self) -> int:
        """How much is left, rounded up; 0 when it has passed."""
        left_ns = self._begun_ns + self._limit_ns - self._clock.now_ns()
        return max(0, -(-left_ns // 1_000_000))

    @property
    def spent_ms(self) -> int:
        """How much has passed."""
        return (self._clock.now_ns() - self._begun_ns) // 1_000_000
