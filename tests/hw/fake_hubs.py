"""A pyusb backend with hubs: what they answer, what they were asked, and nothing behind them."""

import errno
import struct
from array import array
from types import SimpleNamespace

import usb.backend

from tests.hw.fake_usb import DEVICE_FIELDS, fill, usb_error

CONTAINER = bytes(range(16))


class FakeHub:
    """One logical hub."""

    def __init__(
        self,
        bus,
        *ports,
        is_super=False,
        container=CONTAINER,
        count=4,
        serial="A1",
        switching=1,
        fault=0,
    ):
        self.bus, self.ports = bus, ports
        self.is_super = is_super
        self.container = container
        self.count = count
        self.serial = serial
        self.switching = switching
        self.fault = fault
        self.switched = []
        self.switch_fault = 0

    @property
    def raw(self):
        version = 0x0320 if self.is_super else 0x0210
        serial = 3 if self.serial else 0
        return struct.pack(
            "<BBHBBBBHHHBBBB", 18, 1, version, 9, 0, 0, 9, 0x0BDA, 0x411, 1, 1, 2, serial, 1
        )

    def bos(self):
        if not self.container:
            raise usb_error(errno.EPIPE)
        body = bytes.fromhex("07100206000000") + b"\x14\x10\x04\x00" + self.container
        return struct.pack("<BBHB", 5, 15, 5 + len(body), 2) + body

    def control(self, kind, request, value, index, data):
        if self.fault:
            raise usb_error(self.fault)
        if kind == 0x23:
            self.switched.append((request, value, index))
            if self.switch_fault:
                raise usb_error(self.switch_fault)
            return 0
        if kind == 0xA0:
            return fill(data, bytes([9, value >> 8, self.count, self.switching, 0, 50, 0, 0, 0xFF]))
        if value >> 8 == 15:
            return fill(data, self.bos())
        text = self.serial.encode("utf-16-le")
        return fill(data, bytes((2 + len(text), 3)) + text)


class HubBackend(usb.backend.IBackend):
    """Hubs, and the devices of an inner backend beside them."""

    def __init__(self, *hubs, inner=None):
        self.hubs = hubs
        self.inner = inner

    def enumerate_devices(self):
        return [*self.hubs, *(self.inner.enumerate_devices() if self.inner else ())]

    def get_device_descriptor(self, dev):
        if not isinstance(dev, FakeHub):
            return self.inner.get_device_descriptor(dev)
        fields = dict(zip(DEVICE_FIELDS, struct.unpack("<BBHBBBBHHHBBBB", dev.raw), strict=True))
        place = {"bus": dev.bus, "address": 1, "port_number": 0, "speed": None}
        return SimpleNamespace(**fields, **place, port_numbers=dev.ports or None)

    def open_device(self, dev):
        return dev

    def close_device(self, dev_handle):
        pass

    def get_parent(self, dev):
        return None

    def ctrl_transfer(self, dev_handle, bmRequestType, bRequest, wValue, wIndex, data, timeout):  # noqa: N803
        payload = data if data is not None else array("B")
        return dev_handle.control(bmRequestType, bRequest, wValue, wIndex, payload)
