"""One list of calls of a pyusb backend, and what each came to: on libusb and on a world.

Run as a program, it asks the real libusb and prints the outcomes as JSON.
"""

from __future__ import annotations

import json
import time
from array import array
from collections.abc import Callable, Iterator
from typing import Any

import usb.backend.libusb1
from usb.core import USBError

from hw.protocol import (
    BULK_IN_ENDPOINT,
    STANDARD_DEVICE_IN,
    STANDARD_ENDPOINT_OUT,
    VENDOR_ID,
    VENDOR_IN,
    VENDOR_OUT,
    Request,
)
from tests.hw.fake_usb import DEVICE_FIELDS

UNKNOWN_REQUEST = 0x77
RATE_HZ = 2_000_000
STREAM_BYTES_PER_S = 2 * RATE_HZ
TIMEOUT_MS = 1_000
Outcome = Any
"""What a call returned; or of its error the class, errno, libusb's code and the text."""
Sleep = Callable[[float], None]


def outcome(call: Callable[[], Any]) -> Outcome:
    """Do a call."""
    try:
        return call()
    except USBError as error:
        return [type(error).__name__, error.errno, error.backend_error_code, error.strerror]
    except (IndexError, NotImplementedError) as error:
        return type(error).__name__


class Conduct:
    """The calls, each under the name of what it shows.

    Args:
        backend: a pyusb backend.
        sleep: lets so many seconds pass.
    """

    def __init__(self, backend: Any, sleep: Sleep) -> None:
        self.backend = backend
        self.sleep = sleep

    def outcomes(self) -> Iterator[tuple[str, Outcome]]:
        """All of them, in an order in which each finds what it needs."""
        device = self.device()
        yield from self.descriptors(device)
        mine, other = self.backend.open_device(device), self.backend.open_device(device)
        parts = (
            self.interfaces,
            self.beside_an_owner,
            self.requests,
            self.endpoints,
            self.reads,
            self.configurations,
            self.after_it_left,
        )
        for part in parts:
            for name, call in part(mine, other):
                yield f"{part.__name__}: {name}", outcome(call)
        self.backend.close_device(other)
        yield "close", outcome(lambda: self.backend.close_device(mine))
        yield "open what left", outcome(lambda: self.backend.open_device(device))

    def device(self) -> Any:
        """The one device of the vendor."""
        for device in self.backend.enumerate_devices():
            if self.backend.get_device_descriptor(device).idVendor == VENDOR_ID:
                return device
        raise LookupError("no FX3 on the bus")

    def descriptors(self, device: Any) -> Iterator[tuple[str, Outcome]]:
        """Every descriptor, field by field; the address is the host's own affair.

        An endpoint past the last one is left out: pyusb 1.3.1 reads behind the array.
        """
        backend = self.backend
        for name, call in (
            ("device", lambda: backend.get_device_descriptor(device)),
            ("configuration", lambda: backend.get_configuration_descriptor(device, 0)),
            ("configuration 1", lambda: backend.get_configuration_descriptor(device, 1)),
            ("interface", lambda: backend.get_interface_descriptor(device, 0, 0, 0)),
            ("interface 1", lambda: backend.get_interface_descriptor(device, 1, 0, 0)),
            ("setting 1", lambda: backend.get_interface_descriptor(device, 0, 1, 0)),
            ("endpoint", lambda: backend.get_endpoint_descriptor(device, 0, 0, 0, 0)),
        ):
            yield f"descriptors: {name}", outcome(lambda call=call: _fields(call()))  # type: ignore[misc]

    def interfaces(self, mine: Any, _: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
        """Claims and kernel drivers."""
        backend = self.backend
        yield "release what is not claimed", lambda: backend.release_interface(mine, 0)
        yield "release what there is not", lambda: backend.release_interface(mine, 1)
        yield "claim what there is not", lambda: backend.claim_interface(mine, 1)
        yield "claim number 32", lambda: backend.claim_interface(mine, 32)
        yield "release number 32", lambda: backend.release_interface(mine, 32)
        yield "setting of an unclaimed one", lambda: backend.set_interface_altsetting(mine, 0, 0)
        yield "driver", lambda: backend.is_kernel_driver_active(mine, 0)
        yield "detach", lambda: backend.detach_kernel_driver(mine, 0)
        yield "attach", lambda: backend.attach_kernel_driver(mine, 0)
        yield "claim", lambda: backend.claim_interface(mine, 0)
        yield "claim again", lambda: backend.claim_interface(mine, 0)
        yield "driver of a claimed one", lambda: backend.is_kernel_driver_active(mine, 0)
        yield "setting", lambda: backend.set_interface_altsetting(mine, 0, 0)
        yield "setting that there is not", lambda: backend.set_interface_altsetting(mine, 0, 1)
        yield "release", lambda: backend.release_interface(mine, 0)
        yield "claim after release", lambda: backend.claim_interface(mine, 0)

    def beside_an_owner(
        self,
        mine: Any,
        other: Any,
    ) -> Iterator[tuple[str, Callable[[], Any]]]:
        """What the program can do that does not own the interface."""
        backend = self.backend
        yield "claim", lambda: backend.claim_interface(other, 0)
        yield "driver", lambda: backend.is_kernel_driver_active(other, 0)
        yield "release", lambda: backend.release_interface(other, 0)
        yield "setting", lambda: backend.set_interface_altsetting(other, 0, 0)
        yield "clear halt", lambda: backend.clear_halt(other, BULK_IN_ENDPOINT)
        yield (
            "clear halt by hand",
            lambda: self.ask(other, STANDARD_ENDPOINT_OUT, 1, 0, BULK_IN_ENDPOINT),
        )
        yield "configure", lambda: backend.set_configuration(other, 1)
        yield "the owner configures", lambda: backend.set_configuration(mine, 1)
        yield "read", lambda: self.read(other, 1024)
        yield "vendor request", lambda: self.ask(other, VENDOR_IN, Request.TESTFX3, length=4)[:3]
        yield "configuration", lambda: backend.get_configuration(other)
        yield "string", lambda: self.ask(other, STANDARD_DEVICE_IN, 6, 0x302, 0x409, 255)

    def requests(self, mine: Any, _: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
        """Requests of the program's own."""
        yield "reply", lambda: self.ask(mine, VENDOR_IN, Request.TESTFX3, length=4)[:3]
        yield "short reply", lambda: len(self.ask(mine, VENDOR_IN, Request.TESTFX3, length=64))
        yield "sent", lambda: self.send(mine, Request.STARTADC, RATE_HZ.to_bytes(4, "little"))
        yield "stall, no data", lambda: self.send(mine, UNKNOWN_REQUEST, b"")
        yield "stall, data out", lambda: self.send(mine, UNKNOWN_REQUEST, bytes(8))
        yield "stall, data in", lambda: self.ask(mine, VENDOR_IN, UNKNOWN_REQUEST, length=4)
        yield "reply after stalls", lambda: self.ask(mine, VENDOR_IN, Request.TESTFX3, length=4)[:3]
        yield "4096 bytes", lambda: self.send(mine, UNKNOWN_REQUEST, bytes(4096))
        yield "4097 bytes", lambda: self.send(mine, UNKNOWN_REQUEST, bytes(4097))
        yield "time-out", lambda: self.send(mine, Request.HANGFX3, b"", value=900, timeout_ms=300)
        yield (
            "time-out behind it",
            lambda: self.ask(mine, VENDOR_IN, Request.TESTFX3, length=4, timeout_ms=100),
        )
        yield "later", lambda: self.sleep(1.0)
        yield "reply after it", lambda: self.ask(mine, VENDOR_IN, Request.TESTFX3, length=4)[:3]

    def endpoints(self, mine: Any, _: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
        """Endpoints that are there and endpoints that are not."""
        backend = self.backend
        yield "clear halt", lambda: backend.clear_halt(mine, BULK_IN_ENDPOINT)
        for endpoint in (0x00, 0x80, 0x01, 0x82, 0x91):
            yield f"clear halt {endpoint:#04x}", lambda ep=endpoint: backend.clear_halt(mine, ep)  # type: ignore[misc]
        yield (
            "clear halt by hand, wrong direction",
            lambda: self.ask(mine, STANDARD_ENDPOINT_OUT, 1, 0, 0x01),
        )
        yield "clear halt by hand, EP0", lambda: self.ask(mine, STANDARD_ENDPOINT_OUT, 1, 0, 0)
        yield "clear halt by hand, 0x82", lambda: self.ask(mine, STANDARD_ENDPOINT_OUT, 1, 0, 0x82)
        for endpoint in (0x80, 0x82, 0x91):
            yield f"read {endpoint:#04x}", lambda ep=endpoint: self.read(mine, 1024, ep)  # type: ignore[misc]
        data = array("B", bytes(64))
        yield "write", lambda: backend.bulk_write(mine, 0x01, 0, data, 100)
        yield "interrupt read", lambda: backend.intr_read(mine, BULK_IN_ENDPOINT, 0, data, 100)
        yield "interrupt write", lambda: backend.intr_write(mine, 0x01, 0, data, 100)

    def reads(self, mine: Any, _: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
        """Reads of the data endpoint, before a stream and in it."""
        yield "nothing", lambda: self.read(mine, 1024, timeout_ms=100)
        yield "of no bytes", lambda: self.read(mine, 0, timeout_ms=100)
        yield "start", lambda: self.send(mine, Request.STARTFX3, bytes(4))
        yield "whole", lambda: self.read(mine, 1 << 16)
        yield "words", lambda: self.backend.bulk_read(mine, 0x81, 0, array("H", bytes(2048)), 500)
        yield "not whole packets", lambda: self.read(mine, 1000)
        yield (
            "some before the time-out",
            lambda: 0 < self.read(mine, 4 << 20, timeout_ms=200) < 4 << 20,
        )
        yield "stop", lambda: self.send(mine, Request.STOPFX3, bytes(4))

    def configurations(self, mine: Any, _: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
        """Setting the configuration, with and without a claim."""
        backend = self.backend
        yield "get", lambda: backend.get_configuration(mine)
        yield "set in use", lambda: backend.set_configuration(mine, 1)
        yield "release", lambda: backend.release_interface(mine, 0)
        yield "set", lambda: backend.set_configuration(mine, 1)
        yield "set 2", lambda: backend.set_configuration(mine, 2)
        yield "set 256", lambda: backend.set_configuration(mine, 256)
        yield "set -2", lambda: backend.set_configuration(mine, -2)
        yield "set none by -1", lambda: backend.set_configuration(mine, -1)
        yield "get none by -1", lambda: backend.get_configuration(mine)
        yield "set none", lambda: backend.set_configuration(mine, 0)
        yield "get none", lambda: backend.get_configuration(mine)
        yield "claim without", lambda: backend.claim_interface(mine, 0)
        yield "clear halt without", lambda: backend.clear_halt(mine, BULK_IN_ENDPOINT)
        yield "read without", lambda: self.read(mine, 1024)
        yield "set again", lambda: backend.set_configuration(mine, 1)
        yield "get again", lambda: backend.get_configuration(mine)
        yield "claim again", lambda: backend.claim_interface(mine, 0)

    def after_it_left(self, mine: Any, other: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
        """A reset takes it off the bus while a read waits.

        The setting of an interface is left out: libusb 1.0.26 keeps the handle's lock when it
        refuses that, and aborts the program when the handle is closed.
        """
        backend = self.backend
        yield "reset", lambda: self.send(mine, Request.RESETFX3, bytes(4))
        yield "read that waits", lambda: self.read(mine, 1024, timeout_ms=5_000)
        yield "later", lambda: self.sleep(1.0)
        yield "read", lambda: self.read(mine, 1024)
        yield "request", lambda: self.ask(mine, VENDOR_IN, Request.TESTFX3, length=4)
        yield "clear halt", lambda: backend.clear_halt(mine, BULK_IN_ENDPOINT)
        yield "driver", lambda: backend.is_kernel_driver_active(mine, 0)
        yield "detach", lambda: backend.detach_kernel_driver(mine, 0)
        yield "claim", lambda: backend.claim_interface(mine, 0)
        yield "claim, the other", lambda: backend.claim_interface(other, 0)
        yield "release", lambda: backend.release_interface(mine, 0)
        yield "get configuration", lambda: backend.get_configuration(mine)
        yield "set configuration", lambda: backend.set_configuration(mine, 1)
        yield "port reset", lambda: backend.reset_device(mine)

    def ask(
        self,
        handle: Any,
        kind: int,
        request: int,
        value: int = 0,
        index: int = 0,
        length: int = 0,
        timeout_ms: int = TIMEOUT_MS,
    ) -> list[int]:
        """A request without data or with a reply."""
        buffer = array("B", bytes(length))
        received = self.backend.ctrl_transfer(
            handle, kind, request, value, index, buffer, timeout_ms
        )
        return list(buffer[:received])

    def send(
        self,
        handle: Any,
        request: int,
        data: bytes,
        value: int = 0,
        timeout_ms: int = TIMEOUT_MS,
    ) -> int:
        """A vendor request with data; returns how many bytes were taken."""
        buffer = array("B", data)
        taken: int = self.backend.ctrl_transfer(
            handle, VENDOR_OUT, request, value, 0, buffer, timeout_ms
        )
        return taken

    def read(
        self,
        handle: Any,
        length: int,
        endpoint: int = BULK_IN_ENDPOINT,
        timeout_ms: int = TIMEOUT_MS,
    ) -> int:
        """A bulk read; returns how many bytes came."""
        buffer = array("B", bytes(length))
        received: int = self.backend.bulk_read(handle, endpoint, 0, buffer, timeout_ms)
        return received


_FIELDS = (
    *DEVICE_FIELDS,
    "bus",
    "port_number",
    "port_numbers",
    "speed",
    "wTotalLength",
    "bNumInterfaces",
    "bConfigurationValue",
    "iConfiguration",
    "bmAttributes",
    "bMaxPower",
    "bInterfaceNumber",
    "bAlternateSetting",
    "bNumEndpoints",
    "bInterfaceClass",
    "bInterfaceSubClass",
    "bInterfaceProtocol",
    "iInterface",
    "bEndpointAddress",
    "wMaxPacketSize",
    "bInterval",
    "bRefresh",
    "bSynchAddress",
    "extra_descriptors",
)


def _fields(descriptor: Any) -> dict[str, Any]:
    fields = {name: getattr(descriptor, name) for name in _FIELDS if hasattr(descriptor, name)}
    return {
        name: list(value) if name in ("extra_descriptors", "port_numbers") else value
        for name, value in fields.items()
    }


def main() -> None:
    """Ask the real libusb."""
    conduct = Conduct(usb.backend.libusb1.get_backend(), time.sleep)
    print(json.dumps(dict(conduct.outcomes())))


if __name__ == "__main__":
    main()
