"""A USB 3 hub between the host and the board: two logical hubs that share their connectors.

Each half has port power of its own, and a connector's supply goes only when both halves are off.
Many hubs that claim to switch do not; which kind this one is, is an option of the bench.

Source: USB 2.0 11.23 and 11.24 (hub descriptor, class requests), USB 3.2 10.15 and 10.16; uhubctl's
issues 319, 173 and 211 (hubs that claim to switch and do not) and 496 (a USB 3 half that ignores
its requests).
"""

from __future__ import annotations

from dataclasses import dataclass

from hw.protocol import (
    BOS_CONTAINER_ID,
    HUB_CHARACTERISTICS_GANGED,
    HUB_CHARACTERISTICS_NONE,
    HUB_CHARACTERISTICS_PER_PORT,
    HUB_CLASS,
    HUB_DESCRIPTOR,
    HUB_DESCRIPTOR_SS,
    PORT_CONNECTION,
    PORT_ENABLE,
    PORT_FEATURE_POWER,
    PORT_POWER,
    PORT_POWER_SS,
    RECIPIENT_MASK,
    RECIPIENT_OTHER,
    STRING_LANGUAGES,
    TYPE_CLASS,
    TYPE_MASK,
    TYPE_STANDARD,
    DescriptorType,
    StandardRequest,
)
from sim.chip.hardware import UsbFunction
from sim.chip.usb import DONE, BusSignal, ControlTransfer, TransferStatus, UsbSpeed
from sim.host.controller import HostController
from sim.host.device import PORT, Descriptors, UsbDevice

PORTS = 4
DEVICE_PORT = 2
"""Where the board is plugged in."""
HUB_ADDRESS = 127
"""The last one a bus has: the board's addresses count up from the first."""
CONTAINER_ID = bytes.fromhex("30EEF35C07D5254F0001C8F7DEC04F2D")
"""One number for both halves, which is how they are known to be one hub."""
LINK_STATE_U0 = 0x0000
LINK_STATE_RX_DETECT = 0x00A0
NAMES = {1: "Generic", 2: "USB3 Hub", 3: "0000HUB1"}


@dataclass(frozen=True)
class Kind:
    """What a hub claims and what it does.

    Attributes:
        characteristics: power switching as its descriptor claims it.
        obeys: speeds of the halves whose ports do what they are told; the others only say so.
        cuts_supply: the connector's supply really goes.
    """

    characteristics: int
    obeys: tuple[UsbSpeed, ...]
    cuts_supply: bool


_BOTH = (UsbSpeed.HIGH, UsbSpeed.SUPER)
KINDS = {
    "per-port": Kind(HUB_CHARACTERISTICS_PER_PORT, _BOTH, True),
    "ganged": Kind(HUB_CHARACTERISTICS_GANGED, _BOTH, True),
    "fixed": Kind(HUB_CHARACTERISTICS_NONE, _BOTH, False),
    "lying": Kind(HUB_CHARACTERISTICS_PER_PORT, _BOTH, False),
    "deaf": Kind(HUB_CHARACTERISTICS_PER_PORT, (), False),
    "usb2-only": Kind(HUB_CHARACTERISTICS_PER_PORT, (UsbSpeed.HIGH,), True),
}
"""By the word of the option ``hub``: ``lying`` cuts the link and keeps the supply, ``deaf`` does
nothing at all, ``usb2-only`` has a USB 3 half that ignores what it is told."""


class Half:
    """One logical hub.

    Args:
        hub: the whole.
        speed: high or super.

    Attributes:
        device: what the host knows of it.
        requested: of each port, whether its power is on as far as its status says.
    """

    def __init__(self, hub: UsbHub, speed: UsbSpeed) -> None:
        self.hub = hub
        self.is_super = speed is UsbSpeed.SUPER
        self.requested = [True] * PORTS
        self.device = UsbDevice(
            hub.host.world,
            UsbFunction(0, speed, self.control, _ignore, None),
            _descriptors(self.is_super),
            HUB_ADDRESS,
        )
        self.is_obedient = speed in hub.kind.obeys

    def is_powered(self, port: int) -> bool:
        """Whether a port is on in truth: a gang stays on until its last port is off."""
        if not self.is_obedient:
            return True
        if self.hub.kind.characteristics == HUB_CHARACTERISTICS_GANGED:
            return any(self.requested)
        return self.requested[port - 1]

    def control(self, transfer: ControlTransfer) -> None:
        """Answer one control request."""
        setup = transfer.setup
        kind = setup.request_type & TYPE_MASK
        reply: bytes | None = None
        if setup.request == StandardRequest.GET_DESCRIPTOR:
            reply = self._descriptor(kind, setup.value >> 8, setup.value & 0xFF)
        elif kind == TYPE_CLASS and setup.request_type & RECIPIENT_MASK == RECIPIENT_OTHER:
            reply = self._port_request(setup.request, setup.value, setup.index & 0xFF)
        elif kind == TYPE_STANDARD and setup.request == StandardRequest.GET_STATUS:
            # Self-powered.
            reply = b"\x01\x00"
        status_ns = self.hub.host.options.control_status_ns
        if reply is None:
            transfer.end(TransferStatus.STALLED, after_ns=status_ns)
        else:
            transfer.end(DONE, reply[: setup.length], status_ns)

    def _descriptor(self, kind: int, descriptor: int, index: int) -> bytes | None:
        known = self.device.descriptors
        if kind == TYPE_CLASS:
            wanted = HUB_DESCRIPTOR_SS if self.is_super else HUB_DESCRIPTOR
            characteristics = self.hub.kind.characteristics
            return _hub_descriptor(wanted, characteristics) if descriptor == wanted else None
        match descriptor:
            case DescriptorType.DEVICE:
                return known.device
            case DescriptorType.CONFIGURATION:
                return known.configuration
            case DescriptorType.BOS:
                return known.bos
            case DescriptorType.STRING:
                return known.strings.get(index)
        return None

    def _port_request(self, request: int, feature: int, port: int) -> bytes | None:
        """Status of a port, or its power; None is a stall."""
        if not 1 <= port <= PORTS:
            return None
        if request == StandardRequest.GET_STATUS:
            return self._status(port).to_bytes(4, "little")
        if feature != PORT_FEATURE_POWER:
            return None
        if request not in (StandardRequest.SET_FEATURE, StandardRequest.CLEAR_FEATURE):
            return None
        self.requested[port - 1] = request == StandardRequest.SET_FEATURE
        self.hub.apply()
        return b""

    def _status(self, port: int) -> int:
        """The port's status bits, which tell what was asked for and not what is."""
        is_on = self.requested[port - 1]
        is_connected = is_on and self.hub.has_device(self, port)
        status = PORT_CONNECTION | PORT_ENABLE if is_connected else 0
        if self.is_super:
            link = LINK_STATE_U0 if is_connected else LINK_STATE_RX_DETECT
            return status | link | (PORT_POWER_SS if is_on else 0)
        return status | (PORT_POWER if is_on else 0)


class UsbHub:
    """The hub, on the host's one root port; the board hangs on its port 2.

    Args:
        host: where it is plugged in.
        kind: a word of :data:`KINDS`.

    Attributes:
        ports: port path of the board.
        halves: its two logical hubs, high speed first.
    """

    ports = (PORT, DEVICE_PORT)

    def __init__(self, host: HostController, kind: str) -> None:
        self.host = host
        self.kind = KINDS[kind]
        self.halves = (Half(self, UsbSpeed.HIGH), Half(self, UsbSpeed.SUPER))

    @property
    def devices(self) -> tuple[UsbDevice, ...]:
        """Its halves as programs see them."""
        return tuple(half.device for half in self.halves)

    def parent_of(self, device: UsbDevice) -> UsbDevice | None:
        """The half that a device hangs on; None for the halves themselves."""
        if any(half.device is device for half in self.halves):
            return None
        return self._half_of(device.function).device

    def has_device(self, half: Half, port: int) -> bool:
        """Whether the board is there on this half."""
        device = self.host.device
        return port == DEVICE_PORT and device is not None and self._half_of(device.function) is half

    def apply(self) -> None:
        """Do to the board's connector what its two ports are set to."""
        powered = [half.is_powered(DEVICE_PORT) for half in self.halves]
        self.host.port_power(any(powered) or not self.kind.cuts_supply)
        function = self.host.function
        if function is None:
            return
        if self._half_of(function).is_powered(DEVICE_PORT):
            self.host.reconnect()
        else:
            self.host.disconnect()

    def _half_of(self, function: UsbFunction) -> Half:
        return self.halves[1] if function.super_speed else self.halves[0]


def _ignore(signal: BusSignal) -> None:
    """What the port above it does: the hub stays as it is."""


def _hub_descriptor(kind: int, characteristics: int) -> bytes:
    """Power good after 100 ms; every port takes removable devices."""
    head = bytes([kind, PORTS]) + characteristics.to_bytes(2, "little") + b"\x32\x00"
    if kind == HUB_DESCRIPTOR_SS:
        return b"\x0c" + head + bytes(5)
    return b"\x09" + head + b"\x00\xff"


def _descriptors(is_super: bool) -> Descriptors:
    """What the host read from one half; the ids are those of a common hub chip."""
    usb, protocol, packet, product = (
        ("2003", "03", "09", "1104") if is_super else ("1002", "01", "40", "1154")
    )
    device = bytes.fromhex(f"1201{usb}{HUB_CLASS:02x}00{protocol}{packet}DA0B{product}000101020301")
    companion = "06300000 0200" if is_super else ""
    interface = f"09040000 01 {HUB_CLASS:02x}0000 00 07058103020008"
    size = 31 if is_super else 25
    configuration = bytes.fromhex(f"0902{size:02x}00010100 E0 00 {interface} {companion}")
    container = bytes([20, DescriptorType.DEVICE_CAPABILITY, BOS_CONTAINER_ID, 0]) + CONTAINER_ID
    extension = bytes.fromhex("07100206000000")
    bos = bytes([5, DescriptorType.BOS, 5 + len(extension) + len(container), 0, 2])
    strings = {0: STRING_LANGUAGES}
    for index, text in NAMES.items():
        strings[index] = bytes([2 + 2 * len(text), DescriptorType.STRING]) + text.encode(
            "utf-16-le"
        )
    return Descriptors(device, configuration, bos + extension + container, strings)
