"""A pyusb backend on a world: ``usb.core.find(backend=get_backend(world))``.

Semantics follow pyusb's own libusb1 backend: errno in USBError, USBTimeoutError for time-outs, a
read that timed out with some bytes returns them, handles of a device that re-enumerated answer
ENODEV. Time advances with the calls.
"""

from __future__ import annotations

import errno
from array import array
from typing import TYPE_CHECKING, Any

import usb.backend
from usb.core import USBError, USBTimeoutError

from hw.protocol import (
    BOOT_DEVICE_DESCRIPTOR,
    BULK_PACKET_SS_BYTES,
    CONFIGURATION_DESCRIPTOR_SS,
    CONFIGURATION_VALUE,
    DEVICE_DESCRIPTOR_SS,
    DIRECTION_IN,
    FEATURE_ENDPOINT_HALT,
    STANDARD_ENDPOINT_OUT,
    StandardRequest,
)
from sim.chip.usb import DONE, ControlTransfer, Setup, TransferStatus
from sim.host.controller import PORT, HostController, UsbDevice
from sim.host.descriptors import (
    ConfigurationDescriptor,
    DeviceDescriptor,
    EndpointDescriptor,
    InterfaceDescriptor,
)

if TYPE_CHECKING:
    from sim.world import BenchWorld

_BOOT_CONFIGURATION = bytes.fromhex("09021200010100 80 32 09040000 00 FF0000 00")


class Handle:
    """An opened device."""

    def __init__(self, device: UsbDevice) -> None:
        self.device = device
        self.claimed: set[int] = set()


def _error(status: TransferStatus) -> USBError:
    if status is TransferStatus.STALLED:
        return USBError("Pipe error", -9, errno.EPIPE)
    if status is TransferStatus.NO_DEVICE:
        return USBError("No such device (it may have been disconnected)", -4, errno.ENODEV)
    return USBTimeoutError("Operation timed out", -7, errno.ETIMEDOUT)


class WorldBackend(usb.backend.IBackend):  # type: ignore[misc]
    """The host of one world as a pyusb backend.

    Attributes:
        fx3loop_world: the world; the guard tells a simulation from real hardware by it.
    """

    def __init__(self, world: BenchWorld) -> None:
        super().__init__()
        self.fx3loop_world = world
        self.host: HostController = world.host

    def wait_for_change(self, limit_ms: int) -> None:
        """Wait until a device comes or goes: what libusb calls hotplug, and pyusb lacks."""
        self.fx3loop_world.wait(self.host.changed, limit_ms * 1_000_000)

    # ------------------------------------------------------------ descriptors

    def enumerate_devices(self) -> list[UsbDevice]:
        """The devices that programs can see."""
        return [] if self.host.device is None else [self.host.device]

    def get_parent(self, dev: UsbDevice) -> None:
        """No hub is modelled."""

    def get_device_descriptor(self, dev: UsbDevice) -> DeviceDescriptor:
        """The device descriptor, with bus, address, port and speed."""
        raw = DEVICE_DESCRIPTOR_SS if dev.is_application else BOOT_DEVICE_DESCRIPTOR
        speed = 4 if dev.function.super_speed else 3
        return DeviceDescriptor.parse(raw, dev.bus, dev.address, PORT, speed)

    def get_configuration_descriptor(self, dev: UsbDevice, config: int) -> ConfigurationDescriptor:
        """The one configuration; IndexError past it."""
        if config:
            raise IndexError(f"no configuration with index {config}")
        return ConfigurationDescriptor.parse(self._configuration(dev))

    def get_interface_descriptor(
        self, dev: UsbDevice, intf: int, alt: int, config: int
    ) -> InterfaceDescriptor:
        """The one interface; IndexError past it, which ends pyusb's search."""
        if intf or alt or config:
            raise IndexError(f"no interface {intf}, alternate {alt}, configuration {config}")
        return InterfaceDescriptor.parse(self._configuration(dev)[9:18])

    def get_endpoint_descriptor(
        self, dev: UsbDevice, ep: int, intf: int, alt: int, config: int
    ) -> EndpointDescriptor:
        """EP1 IN of the application."""
        if ep or intf or alt or config or not dev.is_application:
            raise IndexError(f"no endpoint with index {ep}")
        raw = self._configuration(dev)
        return EndpointDescriptor.parse(raw[18:25], raw[25:])

    def _configuration(self, dev: UsbDevice) -> bytes:
        return CONFIGURATION_DESCRIPTOR_SS if dev.is_application else _BOOT_CONFIGURATION

    # ------------------------------------------------------------ handles

    def open_device(self, dev: UsbDevice) -> Handle:
        """Open; ENODEV when it is gone."""
        if not dev.present:
            raise _error(TransferStatus.NO_DEVICE)
        return Handle(dev)

    def close_device(self, dev_handle: Handle) -> None:
        """Close: never blocks, for pyusb calls it from finalizers."""
        dev_handle.claimed.clear()

    def claim_interface(self, dev_handle: Handle, intf: int) -> None:
        """Claim; there is one program a world."""
        self._present(dev_handle)
        dev_handle.claimed.add(intf)

    def release_interface(self, dev_handle: Handle, intf: int) -> None:
        """Release: never blocks."""
        dev_handle.claimed.discard(intf)

    def is_kernel_driver_active(self, dev_handle: Handle, intf: int) -> bool:
        """No kernel driver binds to class FF."""
        return False

    def get_configuration(self, dev_handle: Handle) -> int:
        """The kernel's own knowledge."""
        self._present(dev_handle)
        return CONFIGURATION_VALUE

    def set_configuration(self, dev_handle: Handle, config_value: int) -> None:
        """SET_CONFIGURATION: the firmware stops and starts its application."""
        self._control(
            dev_handle, Setup(0x00, StandardRequest.SET_CONFIGURATION, config_value, 0, 0)
        )

    def set_interface_altsetting(self, dev_handle: Handle, intf: int, altsetting: int) -> None:
        """SET_INTERFACE."""
        self._control(dev_handle, Setup(0x01, StandardRequest.SET_INTERFACE, altsetting, intf, 0))

    def clear_halt(self, dev_handle: Handle, ep: int) -> None:
        """CLEAR_FEATURE(ENDPOINT_HALT)."""
        setup = Setup(
            STANDARD_ENDPOINT_OUT, StandardRequest.CLEAR_FEATURE, FEATURE_ENDPOINT_HALT, ep, 0
        )
        self._control(dev_handle, setup)

    def reset_device(self, dev_handle: Handle) -> None:
        """Port reset; ENODEV afterwards, because the device has a new address."""
        self._present(dev_handle)
        self.host.port_reset(dev_handle.device)

    # ------------------------------------------------------------ transfers

    def ctrl_transfer(
        self,
        dev_handle: Handle,
        bmRequestType: int,  # noqa: N803 - pyusb's names
        bRequest: int,  # noqa: N803
        wValue: int,  # noqa: N803
        wIndex: int,  # noqa: N803
        data: array[int],
        timeout: int,
    ) -> int:
        """One control transfer; returns the number of bytes moved."""
        setup = Setup(bmRequestType, bRequest, wValue, wIndex, len(data))
        if bmRequestType & DIRECTION_IN:
            transfer = self._control(dev_handle, setup, timeout=timeout)
            reply = transfer.reply[: len(data)]
            data[: len(reply)] = array("B", reply)
            return len(reply)
        self._control(dev_handle, setup, data.tobytes(), timeout)
        return len(data)

    def bulk_read(
        self, dev_handle: Handle, ep: int, intf: int, buff: array[int], timeout: int
    ) -> int:
        """Read; on a time-out what came counts, and only nothing at all is an error."""
        self._present(dev_handle)
        bulk = dev_handle.device.bulk
        if bulk is None or ep != 0x81:
            raise USBError("Entity not found", -5, errno.ENOENT)
        length = len(buff)
        if length % BULK_PACKET_SS_BYTES:
            raise USBError("Overflow: ask for whole packets of 1024 bytes", -8, errno.EOVERFLOW)
        transfer = bulk.submit(length)
        limit_ns = timeout * 1_000_000 if timeout else None
        try:
            self.fx3loop_world.wait(transfer.ended, limit_ns)
        finally:
            bulk.cancel(transfer)
        if transfer.status is TransferStatus.NO_DEVICE:
            raise _error(TransferStatus.NO_DEVICE)
        if not transfer.received:
            raise _error(TransferStatus.CANCELLED)
        samples = self.fx3loop_world.board.samples
        samples.fill(buff, transfer.first_packet, transfer.received)
        return transfer.received

    def _present(self, dev_handle: Handle) -> None:
        if not dev_handle.device.present:
            raise _error(TransferStatus.NO_DEVICE)

    def _control(
        self, dev_handle: Handle, setup: Setup, data: bytes = b"", timeout: int = 1000
    ) -> ControlTransfer:
        transfer = self.host.control(dev_handle.device, setup, data, timeout)
        if transfer.status is not DONE:
            raise _error(transfer.status)
        return transfer


def get_backend(world: BenchWorld) -> Any:  # noqa: ANN401 - pyusb has no types
    """The pyusb backend of this world; the same object at each call, as libusb's is."""
    if world.backend is None:
        world.backend = WorldBackend(world)
    return world.backend
