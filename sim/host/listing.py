"""What a program learns of the devices on the bus without opening them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import usb.backend

from sim.chip.usb import UsbSpeed
from sim.host.controller import HostController, UsbDevice
from sim.host.descriptors import (
    ConfigurationDescriptor,
    DeviceDescriptor,
    EndpointDescriptor,
    InterfaceDescriptor,
    configuration,
    device_bytes,
)
from sim.host.libusb import Failure

if TYPE_CHECKING:
    from sim.bench import Bench

LIBUSB_SPEEDS = {UsbSpeed.FULL: 2, UsbSpeed.HIGH: 3, UsbSpeed.SUPER: 4}
"""libusb_speed, which pyusb shows as ``speed``."""


class Listing(usb.backend.IBackend):  # type: ignore[misc]
    """The part of a backend that lists devices and hands out their descriptors.

    Args:
        world: the bench.

    Attributes:
        fx3loop_world: the world; the guard tells a simulation from real hardware by it.
    """

    def __init__(self, world: Bench) -> None:
        super().__init__()
        self.fx3loop_world = world
        self.host: HostController = world.host

    def enumerate_devices(self) -> list[UsbDevice]:
        """The devices that programs can see: the board, behind the halves of a hub if there is one.

        Root hubs are not modelled.
        """
        hub, device = self.host.hub, self.host.device
        hubs = [] if hub is None else list(hub.devices)
        return hubs if device is None else [*hubs, device]

    def get_parent(self, dev: UsbDevice) -> UsbDevice | None:
        """The hub's half that a device hangs on."""
        hub = self.host.hub
        return None if hub is None else hub.parent_of(dev)

    def get_device_descriptor(self, dev: UsbDevice) -> DeviceDescriptor:
        """The device descriptor, with bus, address, port and speed."""
        speed = LIBUSB_SPEEDS[dev.speed]
        return DeviceDescriptor.parse(device_bytes(dev), dev.bus, dev.address, dev.ports, speed)

    def get_configuration_descriptor(self, dev: UsbDevice, config: int) -> ConfigurationDescriptor:
        """The one configuration; ENOENT past it."""
        if config:
            raise Failure.NOT_FOUND.error()
        return configuration(dev).descriptor

    def get_interface_descriptor(
        self, dev: UsbDevice, intf: int, alt: int, config: int
    ) -> InterfaceDescriptor:
        """An interface; IndexError past the last one, which ends pyusb's search."""
        self.get_configuration_descriptor(dev, config)
        interfaces = configuration(dev).interfaces
        if intf >= len(interfaces):
            raise IndexError(f"Invalid interface index {intf}")
        if alt:
            raise IndexError(f"Invalid alternate setting index {alt}")
        return interfaces[intf].descriptor

    def get_endpoint_descriptor(
        self, dev: UsbDevice, ep: int, intf: int, alt: int, config: int
    ) -> EndpointDescriptor:
        """An endpoint; IndexError past the last one."""
        self.get_interface_descriptor(dev, intf, alt, config)
        endpoints = configuration(dev).interfaces[intf].endpoints
        if ep >= len(endpoints):
            raise IndexError(f"Invalid endpoint index {ep}")
        return endpoints[ep]
