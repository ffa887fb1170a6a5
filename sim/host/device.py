"""A device as the host knows it: what it read while enumerating, and what it has in flight."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from hw.protocol import (
    APPLICATION_PRODUCT_ID,
    CONFIGURATION_VALUE,
    STRING_INDEX_MANUFACTURER,
    STRING_INDEX_PRODUCT,
    STRING_INDEX_SERIAL,
)
from sim.chip.hardware import PACKET_BYTES, UsbFunction
from sim.chip.usb import ControlTransfer, TransferStatus, UsbSpeed
from sim.host.endpoint import BulkIn
from sim.host.monitor import UsbMonitor
from sim.kernel import World

USB2_BUS = 1
USB3_BUS = 2
PORT = 1


@dataclass(frozen=True)
class Descriptors:
    """The bytes that the host read, as they came.

    Attributes:
        device, configuration, bos: descriptors; ``bos`` is empty when there is none.
        strings: string descriptors by index; those that stalled are missing.
    """

    device: bytes
    configuration: bytes
    bos: bytes = b""
    strings: dict[int, bytes] = field(default_factory=dict)

    def text(self, index: int) -> str | None:
        """A string's text without its padding, or None when the device did not answer it."""
        raw = self.strings.get(index)
        return None if raw is None else raw[2:].decode("utf-16-le", "replace").rstrip("\0")


def bus_of(function: UsbFunction) -> int:
    """The bus that a function appears on."""
    return USB3_BUS if function.super_speed else USB2_BUS


class UsbDevice:
    """One enumeration of the device: a reset makes a new one, and this one is stale for ever.

    Attributes:
        function: what hangs on the cable.
        descriptors: what the host read from it.
        bus, address: where the host put it.
        ports: port path from the root hub; the same on both buses.
        present: False once the host noticed that it is gone.
        suspended: the host has suspended its port: no transfer is carried.
        configuration: what the kernel set last.
        bulk: EP1, when there is one.
        claims: which open handle owns an interface, by its number.
        monitor: is told every transfer, or None.
    """

    def __init__(
        self,
        world: World,
        function: UsbFunction,
        descriptors: Descriptors,
        address: int,
        ports: tuple[int, ...] = (PORT,),
        monitor: UsbMonitor | None = None,
    ) -> None:
        self.world = world
        self.function = function
        self.descriptors = descriptors
        self.bus = bus_of(function)
        self.address = address
        self.ports = ports
        self.present = True
        self.suspended = False
        self.configuration = CONFIGURATION_VALUE
        self.bulk = (
            None
            if function.stream is None
            else BulkIn(world, function.stream, function.stream.packet_bytes)
        )
        self.monitor = monitor
        if self.bulk is not None and monitor is not None:
            self.bulk.on_submit = partial(monitor.read, self.bus, address)
            self.bulk.skips_ahead = False
        self.control_in_flight: dict[ControlTransfer, None] = {}
        self.claims: dict[int, object] = {}

    @property
    def is_application(self) -> bool:
        """The firmware's application, not the boot ROM."""
        return self.function.product_id == APPLICATION_PRODUCT_ID

    @property
    def speed(self) -> UsbSpeed:
        """The speed of its link."""
        return self.function.speed

    @property
    def packet_bytes(self) -> int:
        """Size of a bulk packet at that speed."""
        return PACKET_BYTES[self.function.speed]

    @property
    def manufacturer(self) -> str | None:
        """String 1, as the device answered it."""
        return self.descriptors.text(STRING_INDEX_MANUFACTURER)

    @property
    def product(self) -> str | None:
        """String 2, as the device answered it."""
        return self.descriptors.text(STRING_INDEX_PRODUCT)

    @property
    def serial_number(self) -> str | None:
        """String 3, as the device answered it."""
        return self.descriptors.text(STRING_INDEX_SERIAL)

    def lose(self) -> None:
        """The host notices that the device is gone: everything in flight ends."""
        self.present = False
        if self.bulk is not None:
            self.bulk.detach()
            # What it has asked for must not take the next session's data.
            self.bulk.stream.withdraw()
            if self.suspended:
                self.bulk.resume()
        for transfer in list(self.control_in_flight):
            transfer.end(TransferStatus.NO_DEVICE)


class Hub(Protocol):
    """What may stand between the root port and the board."""

    @property
    def ports(self) -> tuple[int, ...]:
        """Port path of the board."""
        ...

    @property
    def devices(self) -> tuple[UsbDevice, ...]:
        """What programs see of it, listed before the board."""
        ...

    def parent_of(self, device: UsbDevice) -> UsbDevice | None:
        """The one of them that a device hangs on, if any."""
        ...
