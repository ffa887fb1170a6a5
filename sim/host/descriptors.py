"""Descriptors as pyusb's backends hand them out: the wire's fields by name, and where they are.

They are read from the very bytes that the device sent. What stands between an interface or an
endpoint and the next is handed on as its extra descriptors, as libusb does.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Self

from hw.protocol import DescriptorType

if TYPE_CHECKING:
    from sim.host.controller import UsbDevice


@dataclass(frozen=True)
class DeviceDescriptor:
    """USB device descriptor with what the host knows besides."""

    bLength: int  # noqa: N815 - the field names of USB chapter 9
    bDescriptorType: int  # noqa: N815
    bcdUSB: int  # noqa: N815
    bDeviceClass: int  # noqa: N815
    bDeviceSubClass: int  # noqa: N815
    bDeviceProtocol: int  # noqa: N815
    bMaxPacketSize0: int  # noqa: N815
    idVendor: int  # noqa: N815
    idProduct: int  # noqa: N815
    bcdDevice: int  # noqa: N815
    iManufacturer: int  # noqa: N815
    iProduct: int  # noqa: N815
    iSerialNumber: int  # noqa: N815
    bNumConfigurations: int  # noqa: N815
    bus: int
    address: int
    port_number: int
    port_numbers: tuple[int, ...]
    speed: int

    @classmethod
    def parse(cls, raw: bytes, bus: int, address: int, ports: tuple[int, ...], speed: int) -> Self:
        """Read 18 bytes."""
        fields = (*struct.unpack("<BBHBBBBHHHBBBB", raw), bus, address, ports[-1], ports, speed)
        return cls(*fields)


@dataclass(frozen=True)
class ConfigurationDescriptor:
    """USB configuration descriptor."""

    bLength: int  # noqa: N815
    bDescriptorType: int  # noqa: N815
    wTotalLength: int  # noqa: N815
    bNumInterfaces: int  # noqa: N815
    bConfigurationValue: int  # noqa: N815
    iConfiguration: int  # noqa: N815
    bmAttributes: int  # noqa: N815
    bMaxPower: int  # noqa: N815
    extra_descriptors: bytes

    @classmethod
    def parse(cls, raw: bytes, extra: bytes) -> Self:
        """Read 9 bytes."""
        fields = (*struct.unpack("<BBHBBBBB", raw), extra)
        return cls(*fields)


@dataclass(frozen=True)
class InterfaceDescriptor:
    """USB interface descriptor."""

    bLength: int  # noqa: N815
    bDescriptorType: int  # noqa: N815
    bInterfaceNumber: int  # noqa: N815
    bAlternateSetting: int  # noqa: N815
    bNumEndpoints: int  # noqa: N815
    bInterfaceClass: int  # noqa: N815
    bInterfaceSubClass: int  # noqa: N815
    bInterfaceProtocol: int  # noqa: N815
    iInterface: int  # noqa: N815
    extra_descriptors: bytes

    @classmethod
    def parse(cls, raw: bytes, extra: bytes) -> Self:
        """Read 9 bytes."""
        fields = (*raw, extra)
        return cls(*fields)


@dataclass(frozen=True)
class EndpointDescriptor:
    """USB endpoint descriptor with its companion as extra bytes."""

    bLength: int  # noqa: N815
    bDescriptorType: int  # noqa: N815
    bEndpointAddress: int  # noqa: N815
    bmAttributes: int  # noqa: N815
    wMaxPacketSize: int  # noqa: N815
    bInterval: int  # noqa: N815
    bRefresh: int  # noqa: N815
    bSynchAddress: int  # noqa: N815
    extra_descriptors: bytes

    @classmethod
    def parse(cls, raw: bytes, extra: bytes) -> Self:
        """Read 7 bytes; bulk endpoints have no refresh and synch fields."""
        fields = (*struct.unpack("<BBBBHB", raw), 0, 0, extra)
        return cls(*fields)


@dataclass(frozen=True)
class Interface:
    """An interface (one alternate setting) with its endpoints."""

    descriptor: InterfaceDescriptor
    endpoints: tuple[EndpointDescriptor, ...]


@dataclass(frozen=True)
class Configuration:
    """A configuration with all that it describes.

    Attributes:
        descriptor: its own descriptor.
        interfaces: in the order of the wire.
        endpoint_addresses: of all endpoints.
    """

    descriptor: ConfigurationDescriptor
    interfaces: tuple[Interface, ...]
    endpoint_addresses: frozenset[int]


def device_bytes(device: UsbDevice) -> bytes:
    """The device descriptor as the host read it."""
    return device.descriptors.device


def configuration_bytes(device: UsbDevice) -> bytes:
    """The one configuration, whole, as the host read it."""
    return device.descriptors.configuration


def configuration(device: UsbDevice) -> Configuration:
    """The device's one configuration, taken apart."""
    return parse_configuration(configuration_bytes(device))


@cache
def parse_configuration(raw: bytes) -> Configuration:
    """Take a configuration apart.

    Args:
        raw: all wTotalLength bytes of it.
    """
    head, *rest = _split(raw)
    interfaces: list[Interface] = []
    extra = b""
    # From the end, because what has no meaning of its own belongs to what stands before it.
    endpoints: list[EndpointDescriptor] = []
    for piece in reversed(rest):
        if piece[1] == DescriptorType.ENDPOINT:
            endpoints.insert(0, EndpointDescriptor.parse(piece[:7], extra))
            extra = b""
        elif piece[1] == DescriptorType.INTERFACE:
            interfaces.insert(
                0, Interface(InterfaceDescriptor.parse(piece[:9], extra), tuple(endpoints))
            )
            endpoints, extra = [], b""
        else:
            extra = piece + extra
    addresses = frozenset(
        endpoint.bEndpointAddress for interface in interfaces for endpoint in interface.endpoints
    )
    return Configuration(ConfigurationDescriptor.parse(head, extra), tuple(interfaces), addresses)


def _split(raw: bytes) -> Iterator[bytes]:
    """The descriptors in a row of them, by their lengths."""
    while raw:
        yield raw[: raw[0]]
        raw = raw[raw[0] :]
