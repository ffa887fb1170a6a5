"""Descriptors as pyusb's backends hand them out: the wire's fields by name, and where they are."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Self


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
    def parse(cls, raw: bytes, bus: int, address: int, port: int, speed: int) -> Self:
        """Read 18 bytes."""
        fields = (*struct.unpack("<BBHBBBBHHHBBBB", raw), bus, address, port, (port,), speed)
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
    extra_descriptors: bytes = b""

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read the first 9 bytes."""
        return cls(*struct.unpack("<BBHBBBBB", raw[:9]))


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
    extra_descriptors: bytes = b""

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read 9 bytes."""
        return cls(*raw)


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
    def parse(cls, raw: bytes, companion: bytes) -> Self:
        """Read 7 bytes; bulk endpoints have no refresh and synch fields."""
        fields = (*struct.unpack("<BBBBHB", raw), 0, 0, companion)
        return cls(*fields)
