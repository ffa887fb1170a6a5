"""What can go wrong with a device: one small tree, and the one place that reads USB errors.

Every message names the operation, what happened, and what to do next.
"""

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from hw.udev import INSTALL_DIRECTORY, rule_path


class DeviceError(Exception):
    """Root of everything that a device or the guard in front of it can raise.

    Attributes:
        operation: what was attempted, such as ``STARTFX3``.
        detail: what happened, beyond the kind of the error; may be empty.
        happened: the kind of the error in words (per class).
        advice: what to do next (per class, and for a denial per rule).
    """

    happened: ClassVar[str] = "failed"
    advice: str = "probe the device, and recover it if it does not answer"

    def __init__(self, operation: str, detail: str = "") -> None:
        # Exception keeps both, so copies and pickles of an error are whole.
        super().__init__(operation, detail)
        self.operation = operation
        self.detail = detail

    def __str__(self) -> str:
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.operation}: {self.happened}{detail}; {self.advice}"


class DeviceTimeoutError(DeviceError):
    """The device did not answer within the time-out (ETIMEDOUT)."""

    happened = "no answer in time"
    advice = "probe with TESTFX3; if that is silent too, the control endpoint is dead"


class StalledError(DeviceError):
    """The device refused the request with a STALL (EPIPE)."""

    happened = "refused with a stall"
    advice = "the firmware does not know or accept this request; the endpoint stays usable"


class NoDeviceError(DeviceError):
    """No such device, or it left the bus (ENODEV)."""

    happened = "no device"
    advice = "check cable and power; after a reset find it again, it comes back as the boot ROM"


class AmbiguousError(DeviceError):
    """Several devices fit the choice, and none is guessed."""

    happened = "more than one device fits"
    advice = "choose one by serial number or port path"


def libusb_advice(platform: str) -> str:
    """How to get libusb 1.0.

    Args:
        platform: as ``sys.platform`` names it.
    """
    if platform == "win32":
        return "install libusb: put libusb-1.0.dll, from libusb.info, into a directory of the PATH"
    if platform == "darwin":
        return "install libusb: brew install libusb"
    return "install libusb: apt install libusb-1.0-0, dnf install libusb1 or pacman -S libusb"


def access_advice(platform: str) -> str:
    """How to be allowed to open the device.

    Args:
        platform: as ``sys.platform`` names it.
    """
    if platform.startswith("linux"):
        return (
            f"install the udev rule: sudo cp {rule_path()} {INSTALL_DIRECTORY} && "
            "sudo udevadm control --reload-rules && sudo udevadm trigger --subsystem-match=usb"
        )
    return "end the program or driver that holds the device, or use an account that may open it"


class NoBackendError(DeviceError):
    """pyusb found no USB library on this machine."""

    happened = "no USB library"
    advice = libusb_advice(sys.platform)


class AccessDeniedError(DeviceError):
    """The operating system does not let this user open the device (EACCES)."""

    happened = "access denied by the operating system"
    advice = access_advice(sys.platform)


class NotSupportedError(DeviceError):
    """The system's driver for the device does not let programs do this (ENOSYS)."""

    happened = "not possible with the driver that the system uses for it"
    advice = "on Windows install the WinUSB driver for 04b4:00f1 and 04b4:00f3, with Zadig"


class BusyError(DeviceError):
    """Another program owns the interface (EBUSY)."""

    happened = "in use by another program"
    advice = "end the program that streams from the device, or keep to what works beside it"


class LockedError(BusyError):
    """Another program of this package works on the device: the lock file tells which."""

    happened = "in use by another fx3loop"
    advice = "end that process, or wait until it has ended"


class JournalError(DeviceError):
    """The journal cannot be read or written, and without its mark nothing real is done."""

    happened = "the journal of operations cannot be used"
    advice = (
        "make room, or set FX3LOOP_STATE_DIR to a folder that you may write to, such as "
        "/var/lib/fx3loop"
    )


class DataOverflowError(DeviceError):
    """The device sent more than was asked for (EOVERFLOW)."""

    happened = "more data than asked for"
    advice = "read in multiples of the packet size, 1024 bytes at SuperSpeed"


class TransferError(DeviceError):
    """The transfer failed on the bus (EIO, or an error that has no class of its own)."""

    happened = "transfer failed"
    advice = "try again after 500 ms; if it persists clear the halt of endpoint 0x81 or recover"


class BadReplyError(DeviceError):
    """The device answered, but not with what the protocol says."""

    happened = "unexpected reply"
    advice = "check that the firmware is one of the known revisions"


class ImageError(DeviceError):
    """A firmware image is damaged or not an image."""

    happened = "not a usable firmware image"
    advice = "build or download the .img file again"


_ADVICE_BY_RULE = {
    "exit": "do that in this order, and give your word again; no risk mode stands in for it",
    "host-state": (
        "ask hw.host.current_state() what the host needs, and give "
        "authority=Authority(RiskMode.STANDARD, host_state=current_state().state), or use a "
        "simulated world"
    ),
    "mode": "give an Authority with a higher risk mode, such as RiskMode.AGGRESSIVE",
    "force-guard": (
        "set QPY_FORCE_KILL_GUARD=I_UNDERSTAND_RISK in the environment, beside the acknowledgement"
    ),
    "acknowledgement-expired": "acknowledge it again, with a later expiry",
    "acknowledgement-missing": (
        "add Acknowledgement(operation, target) to the Authority, with this operation and a target "
        "of this name"
    ),
    "persistent": "nothing allows it: upload firmware into RAM instead",
}
"""What to give instead, by the rule that decided (:func:`hw.guard.decide`)."""


class DeniedError(DeviceError):
    """The guard does not allow the operation.

    Attributes:
        rule: name of the rule that decided.
    """

    happened = "denied by the safety rules"
    advice = "choose a risk mode and acknowledgements that allow it, or use a simulated world"

    def __init__(self, operation: str, detail: str = "", rule: str = "") -> None:
        super().__init__(operation, detail)
        self.args = (operation, detail, rule)
        self.rule = rule
        self.advice = _ADVICE_BY_RULE.get(rule, self.advice)


_BY_ERRNO: dict[int, type[DeviceError]] = {
    errno.ETIMEDOUT: DeviceTimeoutError,
    errno.EPIPE: StalledError,
    errno.ENODEV: NoDeviceError,
    errno.EACCES: AccessDeniedError,
    errno.EBUSY: BusyError,
    errno.ENOSYS: NotSupportedError,
    errno.EOVERFLOW: DataOverflowError,
    errno.EIO: TransferError,
}


_LIBUSB_OTHER = -99
_UNSAID = (
    "another program has the interface, or the device stalled or gave no answer: "
    "libusb does not say which"
)
"""All that is known of a clear-halt that failed, for one."""


def from_os_error(operation: str, error: OSError) -> DeviceError:
    """Return the typed error for a USB error.

    Args:
        operation: what was attempted.
        error: what pyusb raised; ``usb.core.USBError`` is an ``OSError`` whose ``errno`` its
            backends fill in. An unknown or missing errno gives a :class:`TransferError`.

    Returns:
        The error to raise, not raised.

    Source: pyusb ``usb/backend/libusb1.py``, table of libusb codes and errno values.
    """
    kind = _BY_ERRNO.get(error.errno or 0, TransferError)
    if getattr(error, "backend_error_code", 0) == _LIBUSB_OTHER:
        return kind(operation, _UNSAID)
    return kind(operation, error.strerror or str(error))


@contextmanager
def usb_errors(operation: str) -> Iterator[None]:
    """Raise USB errors of the enclosed call as typed errors.

    Args:
        operation: what is attempted, for the message.

    Raises:
        DeviceError: the class that :func:`from_os_error` chooses.
    """
    try:
        yield
    except OSError as error:
        raise from_os_error(operation, error) from error
