"""Hubs that switch the power of one port: which hub a connector belongs to, and its requests.

A USB 3 hub is two logical hubs, and the supply of a connector goes only when both of its ports are
off, so the two have to be found. The system's own word counts first (:mod:`hw.ports`); else they
are one hub when they share a Container ID, run at opposite speeds, have as many ports and no
different serial numbers, and where several do, the two with the longest way in common.

The requests go to the hub itself, which needs no claim, but it needs the right to open the hub.
Linux since 6.0 has an attribute for the same, through which the kernel knows what happens: where
it may be written, it is used instead.

Source: USB 2.0 11.23 and 11.24; USB 3.2 10.15 and 10.16; uhubctl; Linux,
Documentation/ABI/testing/sysfs-bus-usb, ``<hub>:1.0/<hub>-port<X>/disable``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import usb.util

from hw import protocol
from hw.bus import Bus, UsbDevice, read_serial
from hw.errors import AccessDeniedError, BadReplyError, DeviceError, usb_errors
from hw.ports import Port, folder_of, label, peer_of

HUB_TIMEOUT_MS = 5_000
"""Limit of each request to a hub (uhubctl)."""
SUPER_SPEED_BCD = 0x0300
_DESCRIPTOR_IN = protocol.DIRECTION_IN | protocol.TYPE_CLASS | protocol.RECIPIENT_DEVICE
_PORT_OUT = protocol.DIRECTION_OUT | protocol.TYPE_CLASS | protocol.RECIPIENT_OTHER
_BOS_HEADER_BYTES = 5
_CAPABILITY_HEADER_BYTES = 4


class Switching(StrEnum):
    """What a hub claims of the power of its ports."""

    PER_PORT = "each port"
    GANGED = "all its ports together"
    NONE = "no port"


class HubAccessError(AccessDeniedError):
    """The operating system does not let this user open the hub."""

    advice = (
        "run this as root, or give yourself the hub by a udev rule such as "
        'SUBSYSTEM=="usb", ATTR{idVendor}=="2109", ATTR{bDeviceClass}=="09", TAG+="uaccess"'
    )


@contextmanager
def _hub_errors(operation: str) -> Iterator[None]:
    """As :func:`hw.errors.usb_errors`, with advice for a hub that may not be opened."""
    try:
        with usb_errors(operation):
            yield
    except AccessDeniedError as error:
        raise HubAccessError(operation, error.detail) from error


@dataclass(frozen=True, slots=True)
class Hub:
    """One logical hub.

    Attributes:
        device: as pyusb sees it.
        port: where it is; the path of a root hub is empty.
        is_super: the USB 3 half.
        ports: how many it has.
        switching: how it claims to switch their power.
        container_id: what both halves have in common; empty where it tells none.
        serial: its serial number, or None.
    """

    device: UsbDevice
    port: Port
    is_super: bool
    ports: int
    switching: Switching
    container_id: bytes = b""
    serial: str | None = None

    @classmethod
    def read(cls, device: UsbDevice) -> Hub:
        """Ask a hub for its descriptors.

        Raises:
            DeviceError: it may not be opened, or does not answer as a hub does.
        """
        is_super = device.bcdUSB >= SUPER_SPEED_BCD
        kind = protocol.HUB_DESCRIPTOR_SS if is_super else protocol.HUB_DESCRIPTOR
        operation = f"ask hub {label(_port_of(device))}"
        try:
            with _hub_errors(operation):
                descriptor = bytes(
                    device.ctrl_transfer(
                        _DESCRIPTOR_IN,
                        protocol.StandardRequest.GET_DESCRIPTOR,
                        kind << 8,
                        0,
                        protocol.HUB_DESCRIPTOR_HEAD_BYTES,
                        HUB_TIMEOUT_MS,
                    )
                )
            if len(descriptor) < protocol.HUB_DESCRIPTOR_HEAD_BYTES or descriptor[1] != kind:
                raise BadReplyError(operation, descriptor.hex(" "))
            serial = None
            if device.iSerialNumber:
                with suppress(DeviceError):
                    serial = read_serial(device)
            return cls(
                device,
                _port_of(device),
                is_super,
                descriptor[2],
                _switching(descriptor),
                _container_id(device),
                serial,
            )
        finally:
            usb.util.dispose_resources(device)


@dataclass(frozen=True, slots=True)
class Socket:
    """One port of one logical hub: half of a connector.

    Attributes:
        hub: which hub.
        number: which port, from 1.
        disable: Linux's attribute for its power, or None.
    """

    hub: Hub
    number: int
    disable: Path | None = None

    @property
    def port(self) -> Port:
        """Where a device in it is."""
        bus, path = self.hub.port
        return bus, (*path, self.number)

    @property
    def label(self) -> str:
        """Its name, such as ``2-1.4``."""
        return label(self.port)

    def switch(self, on: bool) -> str:
        """Switch its power, through the kernel where it can, else by a request to the hub.

        Returns:
            The way it went: ``kernel`` or ``hub``.

        Raises:
            DeviceError: neither was possible.
        """
        if self.disable is not None:
            # Not every user may write it, and not every hub driver takes it.
            with suppress(OSError):
                self.disable.write_text("0" if on else "1")
                return "kernel"
        request = protocol.StandardRequest
        code = request.SET_FEATURE if on else request.CLEAR_FEATURE
        try:
            with _hub_errors(f"switch port {self.label} {'on' if on else 'off'}"):
                self.hub.device.ctrl_transfer(
                    _PORT_OUT,
                    code,
                    protocol.PORT_FEATURE_POWER,
                    self.number,
                    None,
                    HUB_TIMEOUT_MS,
                )
        finally:
            usb.util.dispose_resources(self.hub.device)
        return "hub"


def sockets_of(bus: Bus, port: Port, sysfs: Path | None) -> tuple[Socket, ...]:
    """Return the halves of the connector that a port belongs to, the USB 3 half first.

    Args:
        bus: where to look for hubs.
        port: the port on either half.
        sysfs: ``/sys/bus/usb/devices``, or None where it says nothing of this bus.

    Returns:
        One or two; none where the port's own hub is not shown.

    Raises:
        DeviceError: the port's own hub may not be opened, or does not answer.
    """
    devices = bus.hubs()
    at = {_port_of(device): device for device in devices}
    own_port = (port[0], port[1][:-1])
    if own_port not in at:
        return ()
    own = Socket(Hub.read(at[own_port]), port[1][-1], _disable(port, sysfs))
    peer = None if sysfs is None else peer_of(port, sysfs)
    if peer is not None and (peer[0], peer[1][:-1]) in at:
        other = Hub.read(at[peer[0], peer[1][:-1]])
        found = [own, Socket(other, peer[1][-1], _disable(peer, sysfs))]
    else:
        companion = companion_of(own.hub, _readable(devices))
        found = [own]
        if companion is not None:
            there = (companion.port[0], (*companion.port[1], own.number))
            found.append(Socket(companion, own.number, _disable(there, sysfs)))
    return tuple(sorted(found, key=lambda socket: not socket.hub.is_super))


def companion_of(hub: Hub, others: Iterable[Hub]) -> Hub | None:
    """Return the other half of a hub; see the module's text.

    Args:
        hub: one half.
        others: every hub there is.
    """
    fitting = [
        other
        for other in others
        if other.is_super != hub.is_super
        and hub.container_id
        and other.container_id == hub.container_id
        and other.ports == hub.ports
        and (None in (hub.serial, other.serial) or other.serial == hub.serial)
    ]
    return max(fitting, key=lambda other: _likeness(hub, other), default=None)


def _likeness(hub: Hub, other: Hub) -> int:
    """How much of their ways is equal; buses that follow one another are one controller's."""
    usb2, usb3 = (other, hub) if hub.is_super else (hub, other)
    (bus2, path2), (bus3, path3) = usb2.port, usb3.port
    same = 0
    for here, there in zip(path2, path3, strict=False):
        if here != there:
            break
        same += 1
    # A way that ends where the other goes on is another chip of a cascade.
    return 2 * same - abs(len(path2) - len(path3)) + (bus3 == bus2 + 1)


def _readable(devices: Iterable[UsbDevice]) -> list[Hub]:
    """The hubs that answer; one that may not be opened is nobody's companion."""
    found = []
    for device in devices:
        with suppress(DeviceError):
            found.append(Hub.read(device))
    return found


def _port_of(device: UsbDevice) -> Port:
    return device.bus, tuple(device.port_numbers or ())


def _disable(port: Port, sysfs: Path | None) -> Path | None:
    if sysfs is None:
        return None
    path = folder_of(port, sysfs) / "disable"
    return path if path.exists() else None


def _switching(descriptor: bytes) -> Switching:
    claimed = int.from_bytes(descriptor[3:5], "little") & protocol.HUB_POWER_SWITCHING_MASK
    if claimed == protocol.HUB_CHARACTERISTICS_PER_PORT:
        return Switching.PER_PORT
    if claimed != protocol.HUB_CHARACTERISTICS_GANGED:
        return Switching.NONE
    # A gang of one switches that one.
    return Switching.PER_PORT if descriptor[2] == 1 else Switching.GANGED


def _container_id(device: UsbDevice) -> bytes:
    """The Container ID in the device's BOS; empty when there is none."""
    kind = protocol.DescriptorType.BOS << 8
    request = protocol.StandardRequest.GET_DESCRIPTOR

    def ask(size_bytes: int) -> bytes:
        return bytes(
            device.ctrl_transfer(
                protocol.STANDARD_DEVICE_IN, request, kind, 0, size_bytes, HUB_TIMEOUT_MS
            )
        )

    try:
        header = ask(_BOS_HEADER_BYTES)
        if len(header) < _BOS_HEADER_BYTES:
            return b""
        return container_id_in(ask(int.from_bytes(header[2:4], "little")))
    except OSError:
        # Before USB 2.01 there is no BOS, and the request stalls.
        return b""


def container_id_in(bos: bytes) -> bytes:
    """Return the Container ID that a BOS descriptor holds; empty when there is none."""
    rest = bos[_BOS_HEADER_BYTES:]
    while len(rest) >= _CAPABILITY_HEADER_BYTES and rest[0] >= _CAPABILITY_HEADER_BYTES:
        piece, rest = rest[: rest[0]], rest[rest[0] :]
        whole = len(piece) == _CAPABILITY_HEADER_BYTES + protocol.CONTAINER_ID_BYTES
        if whole and piece[1:3] == bytes(
            (protocol.DescriptorType.DEVICE_CAPABILITY, protocol.BOS_CONTAINER_ID)
        ):
            return piece[_CAPABILITY_HEADER_BYTES:]
    return b""
