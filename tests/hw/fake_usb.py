"""A pyusb backend with a small scripted device behind it: just enough for the driver's tests."""

import errno
import struct
from array import array
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import usb.backend
import usb.core

from hw import protocol
from hw.boot import Image, Section
from hw.protocol import DeviceInfo, Request, Stats

DEVICE_FIELDS = (
    "bLength",
    "bDescriptorType",
    "bcdUSB",
    "bDeviceClass",
    "bDeviceSubClass",
    "bDeviceProtocol",
    "bMaxPacketSize0",
    "idVendor",
    "idProduct",
    "bcdDevice",
    "iManufacturer",
    "iProduct",
    "iSerialNumber",
    "bNumConfigurations",
)
SERIAL = "0123456789ABCDEF"
STATS = Stats(5, 2, 0, 0, 0, 0, 1, 1, 0x4F, True)
IMAGE = Image.parse(Image.build([Section(0x40003000, bytes(range(256)) * 20)], 0x40003000))


def usb_error(code: int) -> usb.core.USBError:
    kind = usb.core.USBTimeoutError if code == errno.ETIMEDOUT else usb.core.USBError
    return kind("scripted", -1, code)


class FakeRuntime:
    """A clock that moves only when somebody sleeps; spawned calls run at join."""

    def __init__(self) -> None:
        self.time_ns = 0
        self.on_sleep: list[Callable[[], None]] = []

    def now_ns(self) -> int:
        return self.time_ns

    def sleep_ms(self, duration_ms: int) -> None:
        self.time_ns += duration_ms * 1_000_000
        for call in list(self.on_sleep):
            call()

    def spawn(self, name: str, call: Callable[[], Any]) -> Any:
        return SimpleNamespace(join=lambda timeout_ms: call())

    def queue(self, capacity: int) -> Any:
        return SimpleNamespace(get=lambda timeout_ms: None, put=lambda item: True)


class FakeDevice:
    """One port's device: application or boot ROM, with faults by request code."""

    def __init__(self, *, application: bool = True, serial: str = SERIAL) -> None:
        self.is_application = application
        self.is_present = True
        self.serial = serial
        self.address = 5
        self.bus = 2
        self.ports: tuple[int, ...] | None = (1, 4)
        self.ram: dict[int, bytes] = {}
        self.faults: dict[int, int] = {}
        self.replies: dict[int, bytes] = {}
        self.log: list[tuple[int, int, int, int, bytes]] = []
        self.bulk: bytes | int = b"\x01\x02" * 8192
        self.halt_fault = 0
        self.reset_fault = 0
        self.port_reset_helps = True
        self.jump_fault = errno.EIO
        self.corrupt_readback = False
        self.kernel_driver: bool | None = None

    def become(self, *, application: bool) -> None:
        self.is_application = application
        self.address += 1
        self.faults.clear()

    def control(self, kind: int, request: int, value: int, index: int, data: array) -> int:
        is_in = bool(kind & protocol.DIRECTION_IN)
        self.log.append((kind, request, value, index, b"" if is_in else data.tobytes()))
        if request in self.faults:
            raise usb_error(self.faults[request])
        if kind == protocol.STANDARD_DEVICE_IN:
            text = self.serial.encode("utf-16-le")
            return fill(data, bytes((2 + len(text), 3)) + text)
        if not self.is_application:
            return self.boot_rom(is_in, request, value | index << 16, data)
        if request == Request.RESETFX3:
            self.become(application=False)
            return len(data)
        if not is_in:
            return len(data)
        return fill(data, self.replies.get(request, self.reply(request)))

    def reply(self, request: int) -> bytes:
        if request == Request.TESTFX3:
            return DeviceInfo(4, 2, 3, 7).pack()
        if request == Request.GETSTATS:
            return STATS.pack()
        raise usb_error(errno.EPIPE)

    def boot_rom(self, is_in: bool, request: int, address: int, data: array) -> int:
        if request != Request.RAM_ACCESS:
            raise usb_error(errno.EPIPE)
        if is_in:
            stored = self.ram.get(address, b"")
            return fill(data, stored[:-1] + b"\xee" if self.corrupt_readback else stored)
        if data:
            self.ram[address] = data.tobytes()
            return len(data)
        self.become(application=True)
        if self.jump_fault:
            raise usb_error(self.jump_fault)
        return 0


def fill(buffer: array, reply: bytes) -> int:
    count = min(len(buffer), len(reply))
    buffer[:count] = array("B", reply[:count])
    return count


class FakeBackend(usb.backend.IBackend):
    """The part of pyusb's backend interface that pyusb calls for this driver."""

    def __init__(self, *devices: FakeDevice) -> None:
        self.devices = devices
        self.claimed: list[int] = []
        self.released: list[int] = []
        self.configured: list[tuple[int, list[int]]] = []
        """Each SET_CONFIGURATION, with the interfaces that were claimed then."""
        self.closed = 0
        self.claim_fault = 0
        self.enumerate_fault = 0
        self.on_timeout: Callable[[int], None] = lambda timeout_ms: None

    def enumerate_devices(self) -> Iterator[FakeDevice]:
        if self.enumerate_fault:
            raise usb_error(self.enumerate_fault)
        return iter([device for device in self.devices if device.is_present])

    def get_parent(self, dev: FakeDevice) -> None:
        return None

    def get_device_descriptor(self, dev: FakeDevice) -> SimpleNamespace:
        raw = (
            protocol.DEVICE_DESCRIPTOR_SS if dev.is_application else protocol.BOOT_DEVICE_DESCRIPTOR
        )
        fields = dict(zip(DEVICE_FIELDS, struct.unpack("<BBHBBBBHHHBBBB", raw), strict=True))
        port = dev.ports[-1] if dev.ports else None
        place = {"bus": dev.bus, "address": dev.address, "port_number": port, "speed": None}
        return SimpleNamespace(**fields, **place, port_numbers=dev.ports)

    def get_configuration_descriptor(self, dev: FakeDevice, config: int) -> SimpleNamespace:
        return SimpleNamespace(
            bLength=9,
            bDescriptorType=2,
            wTotalLength=31,
            bNumInterfaces=1,
            bConfigurationValue=1,
            iConfiguration=0,
            bmAttributes=0x80,
            bMaxPower=100,
            extra_descriptors=[],
        )

    def get_interface_descriptor(
        self, dev: FakeDevice, intf: int, alt: int, config: int
    ) -> SimpleNamespace:
        if intf or alt:
            raise IndexError(alt)
        return SimpleNamespace(
            bLength=9,
            bDescriptorType=4,
            bInterfaceNumber=0,
            bAlternateSetting=0,
            bNumEndpoints=1,
            bInterfaceClass=255,
            bInterfaceSubClass=0,
            bInterfaceProtocol=0,
            iInterface=0,
            extra_descriptors=[],
        )

    def get_endpoint_descriptor(
        self, dev: FakeDevice, ep: int, intf: int, alt: int, config: int
    ) -> SimpleNamespace:
        return SimpleNamespace(
            bLength=7,
            bDescriptorType=5,
            bEndpointAddress=0x81,
            bmAttributes=2,
            wMaxPacketSize=1024,
            bInterval=0,
            bRefresh=0,
            bSynchAddress=0,
            extra_descriptors=[],
        )

    def open_device(self, dev: FakeDevice) -> FakeDevice:
        return dev

    def close_device(self, dev_handle: FakeDevice) -> None:
        self.closed += 1

    def get_configuration(self, dev_handle: FakeDevice) -> int:
        return 1

    def claim_interface(self, dev_handle: FakeDevice, intf: int) -> None:
        if self.claim_fault:
            raise usb_error(self.claim_fault)
        self.claimed.append(intf)

    def release_interface(self, dev_handle: FakeDevice, intf: int) -> None:
        self.released.append(intf)
        if intf in self.claimed:
            self.claimed.remove(intf)

    def set_configuration(self, dev_handle: FakeDevice, config_value: int) -> None:
        self.configured.append((config_value, list(self.claimed)))

    def bulk_read(
        self, dev_handle: FakeDevice, ep: int, intf: int, buff: array, timeout: int
    ) -> int:
        if isinstance(dev_handle.bulk, int):
            raise usb_error(dev_handle.bulk)
        return fill(buff, dev_handle.bulk)

    def ctrl_transfer(
        self,
        dev_handle: FakeDevice,
        bmRequestType: int,  # noqa: N803
        bRequest: int,  # noqa: N803
        wValue: int,  # noqa: N803
        wIndex: int,  # noqa: N803
        data: array,
        timeout: int,
    ) -> int:
        if not dev_handle.is_present:
            raise usb_error(errno.ENODEV)
        try:
            return dev_handle.control(bmRequestType, bRequest, wValue, wIndex, data)
        except usb.core.USBTimeoutError:
            self.on_timeout(timeout)
            raise

    def clear_halt(self, dev_handle: FakeDevice, ep: int) -> None:
        if dev_handle.halt_fault:
            raise usb_error(dev_handle.halt_fault)
        dev_handle.log.append((protocol.STANDARD_ENDPOINT_OUT, 1, 0, ep, b""))

    def reset_device(self, dev_handle: FakeDevice) -> None:
        if dev_handle.port_reset_helps:
            dev_handle.become(application=False)
        if dev_handle.reset_fault:
            raise usb_error(dev_handle.reset_fault)

    def is_kernel_driver_active(self, dev_handle: FakeDevice, intf: int) -> bool:
        if dev_handle.kernel_driver is None:
            raise NotImplementedError
        return dev_handle.kernel_driver

    def detach_kernel_driver(self, dev_handle: FakeDevice, intf: int) -> None:
        dev_handle.kernel_driver = False


class WorldBackend(FakeBackend):
    """The same, marked as a simulated world's."""

    fx3loop_world = object()
