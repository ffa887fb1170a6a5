"""How libusb names what went wrong, as pyusb hands it on.

Where libusb says no more than "other error", pyusb leaves errno empty: a clear-halt that another
program's claim, a stall or a time-out refused looks the same to programs.

Source: pyusb ``usb/backend/libusb1.py`` (codes and errno), libusb ``os/linux_usbfs.c`` (which of
the kernel's refusals becomes which code); each seen on libusb 1.0.26.
"""

from __future__ import annotations

import errno
from enum import Enum

from usb.core import USBError, USBTimeoutError

from sim.chip.usb import TransferStatus


class Failure(Enum):
    """A failed call: libusb's code, the errno and the text."""

    IO = -1, errno.EIO, "Input/Output Error"
    INVALID_PARAMETER = -2, errno.EINVAL, "Invalid parameter"
    ACCESS = -3, errno.EACCES, "Access denied (insufficient permissions)"
    NO_DEVICE = -4, errno.ENODEV, "No such device (it may have been disconnected)"
    NOT_FOUND = -5, errno.ENOENT, "Entity not found"
    BUSY = -6, errno.EBUSY, "Resource busy"
    TIMEOUT = -7, errno.ETIMEDOUT, "Operation timed out"
    OVERFLOW = -8, errno.EOVERFLOW, "Overflow"
    PIPE = -9, errno.EPIPE, "Pipe error"
    OTHER = -99, None, "Other error"

    def error(self) -> USBError:
        """The exception to raise, not raised."""
        code, number, text = self.value
        if code == -7:
            return USBTimeoutError(text, code, number)
        return USBError(text, code, number)


_OF_TRANSFER = {
    TransferStatus.STALLED: Failure.PIPE,
    TransferStatus.NO_DEVICE: Failure.NO_DEVICE,
    TransferStatus.CANCELLED: Failure.TIMEOUT,
}


def transfer_error(status: TransferStatus) -> USBError:
    """The error of a program's own transfer that ended like this."""
    return _OF_TRANSFER[status].error()


def kernel_request_error(status: TransferStatus) -> USBError:
    """The error of a request that the kernel made for the program (clear-halt and its like)."""
    failure = Failure.NO_DEVICE if status is TransferStatus.NO_DEVICE else Failure.OTHER
    return failure.error()
