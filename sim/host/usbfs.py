"""What the kernel lets a program do with an opened device: Linux usbfs.

An interface belongs to one open handle at a time, whichever process holds it. Beside the owner,
another handle may send vendor requests and requests to the device, and reset the port; whatever
touches the interface or its endpoints is refused.

Source: judgement (usbfs); Linux ``drivers/usb/core/devio.c``: claimintf, checkintf, findintfep,
check_ctrlrecip, proc_setconfig.
"""

from __future__ import annotations

from hw.protocol import (
    DIRECTION_IN,
    INTERFACE_NUMBER,
    RECIPIENT_ENDPOINT,
    RECIPIENT_INTERFACE,
    RECIPIENT_MASK,
    TYPE_MASK,
    TYPE_VENDOR,
)
from sim.host.controller import UsbDevice
from sim.host.descriptors import configuration
from sim.host.endpoint import BulkTransfer
from sim.host.libusb import Failure

INTERFACES_MAX = 32


class Handle:
    """An opened device.

    Args:
        device: what was opened.
        process: name of the program, for those who look.

    Attributes:
        claimed: interfaces that this handle owns.
        reads: its reads that wait for data.
    """

    __slots__ = ("claimed", "device", "process", "reads")

    def __init__(self, device: UsbDevice, process: str) -> None:
        self.device = device
        self.process = process
        self.claimed: set[int] = set()
        self.reads: dict[BulkTransfer, None] = {}


def present(handle: Handle) -> UsbDevice:
    """The device of a handle; NO_DEVICE when it left or came back as another one."""
    device = handle.device
    if not device.present:
        raise Failure.NO_DEVICE.error()
    return device


def claim(handle: Handle, number: int) -> None:
    """Take an interface.

    Raises:
        USBError: ENODEV, ENOENT where the configuration has no such interface, EBUSY where another
            handle owns it.
    """
    if number in handle.claimed and handle.device.present:
        return
    _check_number(number)
    device = present(handle)
    if number != INTERFACE_NUMBER or not device.configuration:
        raise Failure.NOT_FOUND.error()
    if device.claims.setdefault(number, handle) is not handle:
        raise Failure.BUSY.error()
    handle.claimed.add(number)


def release(handle: Handle, number: int) -> None:
    """Give an interface back; ENOENT where it was not owned."""
    _check_number(number)
    if number not in handle.claimed:
        raise Failure.NOT_FOUND.error()
    handle.claimed.discard(number)
    handle.device.claims.pop(number, None)
    present(handle)


def _check_number(number: int) -> None:
    """Libusb keeps the claims of a handle in 32 bits."""
    if not 0 <= number < INTERFACES_MAX:
        raise Failure.INVALID_PARAMETER.error()


def release_all(handle: Handle) -> None:
    """Closing a handle gives everything back."""
    for number in handle.claimed:
        handle.device.claims.pop(number, None)
    handle.claimed.clear()


def use_endpoint(handle: Handle, endpoint: int, missing: Failure, busy: Failure) -> None:
    """Claim the interface of an endpoint if nobody has it: usbfs does so at its first use.

    Args:
        handle: who wants it.
        endpoint: its address; EP0 is in no configuration.
        missing: raised where the configuration has no such endpoint.
        busy: raised where another handle owns its interface.
    """
    device = present(handle)
    if not device.configuration or endpoint not in configuration(device).endpoint_addresses:
        raise missing.error()
    _use_interface(handle, busy)


def check_recipient(handle: Handle, request_type: int, index: int) -> None:
    """Refuse a control request to an interface or endpoint that another handle owns.

    Vendor requests pass, whatever they address. libusb reports every refusal as an I/O error.
    """
    if request_type & TYPE_MASK == TYPE_VENDOR:
        return
    recipient = request_type & RECIPIENT_MASK
    if recipient == RECIPIENT_ENDPOINT:
        _use_addressed(handle, index & 0xFF)
    elif recipient == RECIPIENT_INTERFACE:
        if index & 0xFF != INTERFACE_NUMBER or not present(handle).configuration:
            raise Failure.IO.error()
        _use_interface(handle, Failure.IO)


def _use_addressed(handle: Handle, endpoint: int) -> None:
    """The endpoint of a request; EP0 is everybody's, and a wrong direction is forgiven."""
    if not endpoint & ~DIRECTION_IN:
        return
    known = configuration(handle.device).endpoint_addresses
    other_way = endpoint ^ DIRECTION_IN
    if endpoint not in known and other_way in known:
        endpoint = other_way
    use_endpoint(handle, endpoint, Failure.IO, Failure.IO)


def _use_interface(handle: Handle, busy: Failure) -> None:
    if handle.device.claims.setdefault(INTERFACE_NUMBER, handle) is not handle:
        raise busy.error()
    handle.claimed.add(INTERFACE_NUMBER)
