"""What the kernel's usbfs does with an opened device, asked by the real libusb.

Each answer is the kernel's own errno, so that the tests see what libusb and pyusb make of it. It
is written from the kernel's source and not from :mod:`sim.host.usbfs`, which it is a check of.

Source: Linux 6.1 ``drivers/usb/core/devio.c`` (proc_*, claimintf, checkintf, check_ctrlrecip),
``include/uapi/linux/usbdevice_fs.h``; libusb ``os/linux_usbfs.c`` for what is asked.
"""

from __future__ import annotations

import errno
import struct
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext
from typing import Protocol

from simpy.events import Event

from hw.protocol import (
    BULK_IN_ENDPOINT,
    DIRECTION_IN,
    FEATURE_ENDPOINT_HALT,
    INTERFACE_NUMBER,
    RECIPIENT_ENDPOINT,
    RECIPIENT_INTERFACE,
    RECIPIENT_MASK,
    STANDARD_DEVICE_OUT,
    STANDARD_ENDPOINT_OUT,
    TYPE_MASK,
    TYPE_VENDOR,
    StandardRequest,
)
from sim.chip.usb import ControlTransfer, Setup, TransferStatus
from sim.host.device import UsbDevice
from sim.host.endpoint import BulkTransfer
from sim.world import BenchWorld

CAPABILITIES = 0x1DD
"""Of a port on xHCI, without memory mapping: no bulk continuation, but scatter-gather."""
ENDPOINT_BITS = 0x8F
KERNEL_TIMEOUT_MS = 5_000
URB = struct.Struct("<BB2xiI4xQiiiiiIQ")
"""usbdevfs_urb of a 64-bit kernel."""
CONTROL, BULK = 2, 3
SETUP_BYTES = 8
CONTROL_BYTES_MAX = 4096
BULK_BYTES_MAX = 4 << 20
"""KMALLOC_MAX_SIZE; where a host controller has scatter-gather it may be more."""

GET_DRIVER = 0x41045508
SUBMIT_URB = 0x8038550A
DISCARD_URB = 0x550B
REAP_URB = 0x4008550C
REAP_URB_NO_DELAY = 0x4008550D
CLAIM_INTERFACE = 0x8004550F
RELEASE_INTERFACE = 0x80045510
SET_INTERFACE = 0x80085504
SET_CONFIGURATION = 0x80045505
DRIVER_IOCTL = 0xC0105512
RESET = 0x5514
CLEAR_HALT = 0x80045515
GET_CAPABILITIES = 0x8004551A
GET_SPEED = 0x551F

_URB_STATUS = {
    TransferStatus.DONE: 0,
    TransferStatus.STALLED: -errno.EPIPE,
    TransferStatus.CANCELLED: -errno.ENOENT,
    TransferStatus.NO_DEVICE: -errno.ESHUTDOWN,
}
_REQUEST_ERRNO = {
    TransferStatus.STALLED: errno.EPIPE,
    TransferStatus.CANCELLED: errno.ETIMEDOUT,
    TransferStatus.NO_DEVICE: errno.ENODEV,
}


class Refused(Exception):
    """An ioctl that fails; its argument is the errno."""


class Memory(Protocol):
    """A stretch of the calling program's memory."""

    client_addr: int

    def resolve(self, offset: int, length: int) -> Memory:
        """What a pointer at an offset points to."""

    def retrieve(self) -> bytes:
        """Its bytes."""

    def update(self, offset: int, data: bytes) -> None:
        """Write bytes."""

    def set_ptr(self, offset: int, target: Memory) -> None:
        """Write a pointer."""


class Urb:
    """A transfer that a program has submitted.

    Attributes:
        memory: its structure in the program.
        address: where that is, which names it.
        buffer: its data in the program.
        data: what the device sent, for the program.
        status, actual_length: as the kernel will fill them in.
        setup: of a control transfer.
        bulk: of a bulk transfer.
    """

    def __init__(self, memory: Memory, address: int) -> None:
        self.memory = memory
        self.address = address
        self.buffer: Memory | None = None
        self.offset = 0
        self.data = b""
        self.status = 0
        self.actual_length = 0
        self.setup: Setup | None = None
        self.bulk: BulkTransfer | None = None


class OpenFile:
    """One opened device node.

    Args:
        world: the bench.
        device: what the node is.

    Attributes:
        flying: submitted and not yet ended, by address.
        ended: ended and not yet reaped, in order.
    """

    def __init__(self, world: BenchWorld, device: UsbDevice) -> None:
        self.world = world
        self.device = device
        self.flying: dict[int, Urb] = {}
        self.ended: deque[Urb] = deque()
        self._calls: dict[int, Callable[[Memory], int | None]] = {
            GET_CAPABILITIES: self._get_capabilities,
            GET_SPEED: lambda _: 5 if self.device.function.super_speed else 3,
            GET_DRIVER: self._get_driver,
            DRIVER_IOCTL: self._driver_ioctl,
            CLAIM_INTERFACE: self._claim,
            RELEASE_INTERFACE: self._release,
            SUBMIT_URB: self._submit,
            DISCARD_URB: self._discard,
            REAP_URB_NO_DELAY: self._reap,
            SET_INTERFACE: self._set_interface,
            SET_CONFIGURATION: self._set_configuration,
            CLEAR_HALT: self._clear_halt,
            RESET: self._reset,
        }
        self.may_wait = (SET_INTERFACE, SET_CONFIGURATION, CLEAR_HALT, RESET)

    def call(self, request: int, argument: Memory) -> int:
        """One ioctl.

        Returns:
            What it returns.

        Raises:
            Refused: it fails.
        """
        handler = self._calls.get(request)
        if handler is None:
            raise Refused(errno.ENOTTY)
        if not self.device.present and request not in (REAP_URB_NO_DELAY, DISCARD_URB):
            raise Refused(errno.ENODEV)
        return handler(argument) or 0

    def close(self) -> None:
        """Close: claims are given back and what is in flight is cancelled."""
        for urb in list(self.flying.values()):
            self._cancel(urb)
        self.ended.clear()
        claims = self.device.claims
        for number in [number for number, owner in claims.items() if owner is self]:
            del claims[number]

    # ------------------------------------------------------------ interfaces

    def _get_capabilities(self, argument: Memory) -> None:
        argument.resolve(0, 4).update(0, CAPABILITIES.to_bytes(4, "little"))

    def _get_driver(self, argument: Memory) -> None:
        number = int.from_bytes(argument.resolve(0, 260).retrieve()[:4], "little")
        if number not in self.device.claims:
            raise Refused(errno.ENODATA)
        argument.resolve(0, 260).update(4, b"usbfs\0")

    def _driver_ioctl(self, argument: Memory) -> None:
        """USBDEVFS_DISCONNECT and USBDEVFS_CONNECT: no driver of the kernel's is bound."""
        raise Refused(errno.ENODATA)

    def _claim(self, argument: Memory) -> None:
        self._take_interface(_unsigned(argument))

    def _take_interface(self, number: int) -> None:
        if number != INTERFACE_NUMBER or not self.device.configuration:
            raise Refused(errno.ENOENT)
        if self.device.claims.setdefault(number, self) is not self:
            raise Refused(errno.EBUSY)

    def _release(self, argument: Memory) -> None:
        number = _unsigned(argument)
        if number != INTERFACE_NUMBER:
            raise Refused(errno.ENOENT)
        if self.device.claims.get(number) is not self:
            raise Refused(errno.EINVAL)
        del self.device.claims[number]

    def _endpoint_of(self, endpoint: int) -> None:
        """An endpoint of the configuration, whose interface its first user claims."""
        if endpoint & ~ENDPOINT_BITS:
            raise Refused(errno.EINVAL)
        if not self.device.configuration:
            raise Refused(errno.ESRCH)
        if endpoint != BULK_IN_ENDPOINT:
            raise Refused(errno.ENOENT)
        self._take_interface(INTERFACE_NUMBER)

    # ------------------------------------------------------------ requests of the kernel's own

    def _set_interface(self, argument: Memory) -> None:
        number, setting = struct.unpack("<II", argument.resolve(0, 8).retrieve())
        self._take_interface(number)
        if setting:
            raise Refused(errno.EINVAL)
        self._ask(STANDARD_DEVICE_OUT | RECIPIENT_INTERFACE, StandardRequest.SET_INTERFACE, 0, 0)

    def _set_configuration(self, argument: Memory) -> None:
        value = _unsigned(argument)
        if self.device.claims:
            raise Refused(errno.EBUSY)
        if value not in (0, 1, 0xFFFFFFFF):
            raise Refused(errno.EINVAL)
        value = 0 if value == 0xFFFFFFFF else value
        _require(self.world.host.set_configuration(self.device, value))

    def _clear_halt(self, argument: Memory) -> None:
        endpoint = _unsigned(argument)
        self._endpoint_of(endpoint)
        bulk = self.device.bulk
        with nullcontext() if bulk is None else bulk.clearing():
            self._ask(
                STANDARD_ENDPOINT_OUT,
                StandardRequest.CLEAR_FEATURE,
                FEATURE_ENDPOINT_HALT,
                endpoint,
            )

    def _reset(self, argument: Memory) -> None:
        if not self.world.host.port_reset(self.device):
            raise Refused(errno.ENODEV)

    def _ask(self, kind: int, request: int, value: int, index: int) -> None:
        setup = Setup(kind, request, value, index, 0)
        _require(self.world.host.control(self.device, setup, b"", KERNEL_TIMEOUT_MS))

    # ------------------------------------------------------------ transfers

    def _submit(self, argument: Memory) -> None:
        memory = argument.resolve(0, URB.size)
        kind, endpoint, _, _, _, length, *_ = URB.unpack(memory.retrieve())
        urb = Urb(memory, memory.client_addr)
        if length:
            urb.buffer = memory.resolve(16, length)
        if kind == CONTROL:
            self._submit_control(urb, length)
        elif kind == BULK:
            self._submit_bulk(urb, endpoint, length)
        else:
            raise Refused(errno.EINVAL)

    def _submit_control(self, urb: Urb, length: int) -> None:
        if urb.buffer is None or not length >= SETUP_BYTES:
            raise Refused(errno.EINVAL)
        content = urb.buffer.retrieve()
        setup = Setup(*struct.unpack_from("<BBHHH", content))
        if length < setup.length + SETUP_BYTES or setup.length > CONTROL_BYTES_MAX:
            raise Refused(errno.EINVAL)
        self._check_recipient(setup)
        urb.setup = setup
        urb.offset = SETUP_BYTES
        is_in = bool(setup.request_type & DIRECTION_IN)
        data = b"" if is_in else content[SETUP_BYTES:]

        def carry() -> None:
            transfer = self.world.host.control(self.device, setup, data, 0)
            if is_in:
                urb.data = bytes(transfer.reply[: setup.length])
            moved = len(urb.data) if is_in else len(data)
            self._end(urb, transfer.status, moved if transfer.status is TransferStatus.DONE else 0)

        self.flying[urb.address] = urb
        self.world.spawn("urb", carry)

    def _check_recipient(self, setup: Setup) -> None:
        if setup.request_type & TYPE_MASK == TYPE_VENDOR:
            return
        recipient = setup.request_type & RECIPIENT_MASK
        endpoint = setup.index & 0xFF
        if recipient == RECIPIENT_ENDPOINT and endpoint & ~DIRECTION_IN:
            # findintfep is tried with the other direction too.
            other_way = endpoint ^ DIRECTION_IN
            self._endpoint_of(other_way if other_way == BULK_IN_ENDPOINT else endpoint)
        elif recipient == RECIPIENT_INTERFACE:
            self._take_interface(setup.index & 0xFF)

    def _submit_bulk(self, urb: Urb, endpoint: int, length: int) -> None:
        self._endpoint_of(endpoint)
        bulk = self.device.bulk
        if bulk is None:
            raise Refused(errno.ENOENT)
        if length > BULK_BYTES_MAX:
            raise Refused(errno.ENOMEM)
        transfer = bulk.submit(length)
        urb.bulk = transfer
        self.flying[urb.address] = urb

        def ended(_: Event) -> None:
            if transfer.received:
                content = bytearray(transfer.received)
                view = memoryview(content)
                self.world.board.samples.fill(view, transfer.first_packet, transfer.received)
                urb.data = bytes(content)
            self._end(urb, transfer.status, transfer.received)
            if transfer.overflowed:
                urb.status = -errno.EOVERFLOW

        assert transfer.ended.callbacks is not None
        transfer.ended.callbacks.append(ended)

    def _end(self, urb: Urb, status: TransferStatus, moved: int) -> None:
        if self.flying.pop(urb.address, None) is None:
            return
        urb.status = _URB_STATUS[status]
        urb.actual_length = moved
        self.ended.append(urb)

    def _discard(self, argument: Memory) -> None:
        urb = self.flying.get(_address(argument))
        if urb is None:
            raise Refused(errno.EINVAL)
        self._cancel(urb)

    def _cancel(self, urb: Urb) -> None:
        if urb.bulk is not None:
            if self.device.bulk is not None:
                self.device.bulk.cancel(urb.bulk)
            return
        for transfer in list(self.device.control_in_flight):
            if transfer.setup is urb.setup:
                transfer.end(TransferStatus.CANCELLED)
        self._end(urb, TransferStatus.CANCELLED, 0)

    def _reap(self, argument: Memory) -> None:
        if not self.ended:
            raise Refused(errno.EAGAIN if self.device.present else errno.ENODEV)
        urb = self.ended.popleft()
        if urb.data and urb.buffer is not None:
            urb.buffer.update(urb.offset, urb.data)
        urb.memory.update(4, struct.pack("<i", urb.status))
        urb.memory.update(28, struct.pack("<i", urb.actual_length))
        argument.resolve(0, 8).set_ptr(0, urb.memory)


def _require(request: ControlTransfer) -> None:
    """Refuse what a request of the kernel's own failed with."""
    if request.status is not TransferStatus.DONE:
        raise Refused(_REQUEST_ERRNO[request.status])


def _unsigned(argument: Memory) -> int:
    """The number that the argument points to."""
    return int.from_bytes(argument.resolve(0, 4).retrieve(), "little")


def _address(argument: Memory) -> int:
    """The pointer that the argument is."""
    return int.from_bytes(argument.retrieve()[:8], "little")
