"""What can go wrong on a module's serial ports, and the one place that reads pyserial's errors.

Errors are told apart by number, never by text: the text is in the language of the system.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from serial import SerialException, SerialTimeoutException

from hw.errors import (
    AccessDeniedError,
    AmbiguousError,
    BadReplyError,
    BusyError,
    DeviceError,
    DeviceTimeoutError,
    NoDeviceError,
)


class NoModuleError(NoDeviceError):
    """No port is known to have the role."""

    happened = "no module found"
    advice = (
        "see this host's ports with fx3loop modem probe and name the module's, such as "
        "--at-port /dev/ttyUSB2 --repl-port /dev/ttyUSB3; without one try --target sim"
    )


class PortMissingError(NoModuleError):
    """There is no port of the name that was given."""

    happened = "no such port"
    advice = (
        "see this host's ports with fx3loop modem probe; a right name is such as /dev/ttyUSB2 or "
        "COM7"
    )


class DownloadModeError(NoModuleError):
    """The module waits for firmware: its download port is all it has."""

    happened = "the module is in download mode"
    advice = "switch its power off and on, then probe again"


class ModuleGoneError(NoDeviceError):
    """The port left while it was used."""

    happened = "the module left"
    advice = "check cable and power, then probe again: its ports may have new names"


class SeveralModulesError(AmbiguousError):
    """More than one port fits, and none is guessed."""

    advice = "choose one with --serial, --vid-pid, --at-port or --repl-port"


class PortBusyError(BusyError):
    """Another program has the port."""

    advice = "end the program that has the port open; a port has one owner at a time"


class PortAccessError(AccessDeniedError):
    """The operating system does not let this user open the port."""

    advice = "on Linux join the group that owns it: sudo usermod -aG dialout $USER, then log in"


class SilentError(DeviceTimeoutError):
    """Nothing that counts as an answer came in time.

    Attributes:
        output: what came instead.
    """

    advice = "check that this is the right port, and that no program holds the module"

    def __init__(self, operation: str, detail: str = "", output: str = "") -> None:
        super().__init__(operation, detail)
        self.output = output


class BadAnswerError(BadReplyError):
    """Something came, but not what the protocol says."""

    advice = "try again; if it persists another program writes to this port"


class RefusedError(DeviceError):
    """The module answered, and the answer is no: the check failed."""

    happened = "the module refused"
    advice = "see the answer: the module works, but not as asked"


class ProgramError(RefusedError):
    """A program on the module ended with an exception."""

    happened = "the program on the module failed"
    advice = "the error above is the module's own"


class VerifyError(RefusedError):
    """A file on the module is not what was sent."""

    happened = "the file on the module is not what was sent"
    advice = "do not run it; push it again, and look for free space"


class ChoiceError(DeviceError):
    """What was asked for cannot be: the same port twice, a path outside, a wrong number."""

    happened = "cannot be"
    advice = "nothing was sent"


_WINDOWS_ERROR: Final = re.compile(r"\w+\((\d+), .*?(?:, None, (\d+))?\)")
"""How pyserial writes a Windows error: ``PermissionError(13, 'text', None, 5)``."""
_BUSY: Final = (errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK)
_MISSING: Final = (errno.ENOENT, errno.ENXIO, errno.ENODEV)
_WINDOWS_BUSY: Final = (5, 32, 170)
"""Access denied (another program has the port), sharing violation, resource in use."""
_WINDOWS_MISSING: Final = (2, 3)
_WINDOWS_SLOW: Final = (121, 1460)
"""Semaphore time-out, time-out (Windows system error codes)."""


def from_serial_error(operation: str, error: OSError, *, is_opening: bool) -> DeviceError:
    """Return the typed error for what pyserial raised, not raised.

    Args:
        operation: what was attempted.
        error: ``SerialException`` is an ``OSError``; on Linux its number is that of the open, on
            Windows it stands in the text, whose other words are in the system's language.
        is_opening: it came from opening the port, not from using it.

    Source: pyserial 3.5, ``serialposix.py`` and ``serialwin32.py``; Windows system error codes.
    """
    if isinstance(error, SerialTimeoutException):
        return SilentError(operation, "it takes no data")
    number, windows = _numbers(error)
    detail = f"error {windows or number}" if windows or number else ""
    if windows in _WINDOWS_SLOW:
        return SilentError(operation, detail)
    if not is_opening:
        # A port that was open and fails has left, whatever the number.
        return ModuleGoneError(operation, detail)
    if windows in _WINDOWS_BUSY or number in _BUSY:
        return PortBusyError(operation)
    if windows in _WINDOWS_MISSING or number in _MISSING:
        return PortMissingError(operation)
    if number in (errno.EACCES, errno.EPERM):
        return PortAccessError(operation)
    return PortMissingError(operation, detail or "it cannot be opened as a serial port")


def _numbers(error: OSError) -> tuple[int, int]:
    """The number of the error, and that of Windows; 0 where there is none."""
    if error.errno:
        return error.errno, getattr(error, "winerror", None) or 0
    found = _WINDOWS_ERROR.search(str(error))
    return (int(found[1]), int(found[2] or 0)) if found else (0, 0)


@contextmanager
def serial_errors(operation: str, *, is_opening: bool = False) -> Iterator[None]:
    """Raise pyserial's errors of the enclosed call as typed errors.

    Args:
        operation: what is attempted, for the message.
        is_opening: the call opens the port.

    Raises:
        DeviceError: the class that :func:`from_serial_error` chooses.
    """
    try:
        yield
    except (SerialException, OSError) as error:
        raise from_serial_error(operation, error, is_opening=is_opening) from error
