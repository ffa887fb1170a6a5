"""Finding devices: by product, serial number and port path, on a real bus or on a world's.

Address, bus and even port path of a device change when it goes from boot ROM to application (from
the USB 2 to the USB 3 side of the connector), so a device is found again by its connector: exactly
where the system tells which two ports that is (:mod:`hw.ports`), else by a port path that is the
same on both buses. The application is also found by its serial number; the boot ROM's is the same
on every chip.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import usb.backend.libusb1
import usb.core
import usb.util

from hw import protocol
from hw.boot import Image, Upload, upload
from hw.errors import (
    AccessDeniedError,
    AmbiguousError,
    BadReplyError,
    DeniedError,
    DeviceError,
    NoBackendError,
    NoDeviceError,
    usb_errors,
)
from hw.guard import Authority, AuthoritySource, Operation, Target
from hw.guard.gate import Gate
from hw.guard.journal import Journal
from hw.ownership import Owner, owner_in_sysfs
from hw.ports import Port, label, peer_of, serial_at
from hw.runtime import Runtime

UsbDevice: TypeAlias = Any
"""A ``usb.core.Device``; pyusb carries no types."""
UsbBackend: TypeAlias = Any
"""A ``usb.backend.IBackend``; one made by the simulator has the attribute ``fx3loop_world``."""
Accept: TypeAlias = Callable[[UsbDevice], bool]

WORLD_ATTRIBUTE = "fx3loop_world"
REENUMERATION_TIMEOUT_MS = 10_000
"""Longest wait for a device to come back; resets were seen to take 2 to 7 s."""
IN_BOOT_ROM = "04b4:00f3 is there: in its boot ROM, give an image to upload"
_POLL_INTERVAL_MS = 100
_CHANGE_LIMIT_MS = 500
"""A device that is there already may become ready without any change on the bus."""
_STRING_MAX_BYTES = 255

# Waiting longer does not mend these.
_LASTING: tuple[type[DeviceError], ...] = (AccessDeniedError, AmbiguousError, DeniedError)


@dataclass(frozen=True, slots=True)
class Selector:
    """Which device is meant; ``None`` fits any.

    Attributes:
        serial: serial number of the application.
        port_numbers: port path from the root hub.
        bus: bus number; not kept across a reset, see the module's text.
        peer: the other name of the same connector, where it is known; then bus and ports are too.
    """

    serial: str | None = None
    port_numbers: tuple[int, ...] | None = None
    bus: int | None = None
    peer: Port | None = None

    @property
    def label(self) -> str:
        """Text for messages and for the guard's acknowledgements."""
        if self.serial is not None:
            return f"serial {self.serial}"
        if self.port_numbers is None:
            return "any device" if self.bus is None else f"any device on bus {self.bus}"
        if self.bus is None:
            return f"port {'.'.join(map(str, self.port_numbers))}"
        return f"port {label((self.bus, self.port_numbers))}"


def with_peer(selector: Selector) -> Selector:
    """Return the selector with the connector's other port, if it names one port and has a peer."""
    if selector.bus is None or selector.port_numbers is None:
        return selector
    return replace(selector, peer=peer_of((selector.bus, selector.port_numbers)))


class Bus:
    """A place to look for devices, and the guard in front of it.

    Args:
        backend: a pyusb backend, or ``None`` for the system's libusb (a real bus).
        runtime: clock and sleep.
        authority: what the guard is told, or what answers with it at each operation.
        selector: which device is meant.
        journal: where what is done to a real device is marked; by default the operator's.

    Attributes:
        target: what the guard judges.
        gate: the guard in front of it.
    """

    def __init__(
        self,
        backend: UsbBackend | None,
        runtime: Runtime,
        authority: Authority | AuthoritySource,
        selector: Selector,
        *,
        journal: Journal | None = None,
    ) -> None:
        self._backend = backend
        self.runtime = runtime
        is_world = hasattr(backend, WORLD_ATTRIBUTE)
        self.selector = selector if is_world else with_peer(selector)
        self.target = Target("world" if is_world else "usb", selector.label)
        self.gate = Gate(self.target, authority, journal=journal)

    def place_of(self, device: UsbDevice) -> Selector:
        """How to find a device again after a reset: by its connector, and its serial if chosen so.

        The port's number on the other bus is asked of the system, where that is the real one.
        """
        ports = device.port_numbers
        if ports is None:
            return replace(self.selector, bus=None)
        return self.place_at((device.bus, tuple(ports)), self.selector.serial)

    def place_at(self, port: Port, serial: str | None = None) -> Selector:
        """How to find what is on a port, on either bus; see :meth:`place_of`."""
        place = Selector(serial, port[1], port[0])
        if self.target.kind != "world":
            place = with_peer(place)
        return place if place.peer is not None else replace(place, bus=None)

    def owner_of(self, device: UsbDevice) -> Owner:
        """Return who has claimed the interface of a device.

        Args:
            device: one that this program has not claimed itself.
        """
        is_claimed = getattr(self._backend, "is_interface_claimed", None)
        if is_claimed is not None:
            return Owner.ANOTHER if is_claimed(device.bus, device.address) else Owner.NOBODY
        ports = device.port_numbers
        return Owner.UNKNOWN if ports is None else owner_in_sysfs(device.bus, tuple(ports))

    def permit(self, operation: Operation) -> None:
        """Return if the guard allows an operation here.

        Raises:
            DeniedError: when it does not.
        """
        self.gate.permit(operation)

    def hold(self, device: UsbDevice) -> None:
        """Lock a real device against other processes of ours, until the gate is released.

        Raises:
            LockedError: another has it; the message names process and command.
            JournalError: the lock file cannot be written.
        """
        if device.port_numbers is None:
            self.gate.hold(f"usb {device.bus} address {device.address}")
        else:
            self.hold_port((device.bus, tuple(device.port_numbers)))

    def hold_port(self, port: Port) -> None:
        """Lock what is on a connector, as :meth:`hold` does, whether it is there or not.

        Boot ROM and application have one lock where the system tells the connector's two ports.
        """
        if self.target.kind != "world":
            self.gate.hold(f"usb {label(min(port, peer_of(port) or port))}")

    def find(self, products: Iterable[int], selector: Selector | None = None) -> UsbDevice | None:
        """Return the device that fits, or ``None``.

        Args:
            products: product ids that are welcome.
            selector: which device; by default the one this bus was made for.

        Raises:
            AmbiguousError: when more than one fits.
            DeniedError: when the guard does not allow to look, as looking may ask for strings.
            DeviceError: when nothing fits and a device could not be asked.
        """
        self.permit(Operation.PROBE)
        chosen = selector or self.selector
        welcome = frozenset(products)
        fitting: list[UsbDevice] = []
        trouble: DeviceError | None = None
        for device in self._all():
            try:
                if device.idProduct in welcome and self._fits(device, chosen):
                    fitting.append(device)
            except DeviceError as error:
                trouble = error
        if len(fitting) > 1:
            raise AmbiguousError("find", f"{len(fitting)} for {chosen.label}")
        if not fitting and trouble is not None:
            raise trouble
        return fitting[0] if fitting else None

    def _fits(self, device: UsbDevice, selector: Selector) -> bool:
        if not _is_placed(device, selector):
            return False
        if selector.serial is None or device.idProduct == protocol.BOOT_PRODUCT_ID:
            return True
        return (self._known_serial(device) or read_serial(device)) == selector.serial

    def _known_serial(self, device: UsbDevice) -> str | None:
        """What the system read when the device enumerated: its control endpoint may be dead now."""
        ports = device.port_numbers
        if self.target.kind == "world" or ports is None:
            return None
        return serial_at((device.bus, tuple(ports)))

    def hubs(self) -> list[UsbDevice]:
        """Return every hub that the system shows; nothing is asked of them.

        Raises:
            DeniedError: when the guard does not allow to look.
            DeviceError: when the system does not tell.
        """
        self.permit(Operation.PROBE)
        return self._all(bDeviceClass=protocol.HUB_CLASS)

    def devices(self) -> list[UsbDevice]:
        """Return every application and boot ROM that fits the port chosen, of any serial number.

        Raises:
            DeniedError: when the guard does not allow to look.
            DeviceError: when the system does not tell.
        """
        self.permit(Operation.PROBE)
        known = (protocol.APPLICATION_PRODUCT_ID, protocol.BOOT_PRODUCT_ID)
        return [
            device
            for device in self._all()
            if device.idProduct in known and _is_placed(device, self.selector)
        ]

    def _all(self, **wanted: int) -> list[UsbDevice]:
        wanted = wanted or {"idVendor": protocol.VENDOR_ID}
        with usb_errors("enumerate"):
            return list(usb.core.find(find_all=True, backend=self._require_backend(), **wanted))

    def find_application(self) -> UsbDevice:
        """Return the application's device.

        Raises:
            NoDeviceError: when it is not there; says so if the boot ROM is.
            DeviceError: as :meth:`find` raises it.
        """
        device = self.find((protocol.APPLICATION_PRODUCT_ID,))
        if device is not None:
            return device
        if self.find((protocol.BOOT_PRODUCT_ID,)) is None:
            raise NoDeviceError("open", f"04b4:00f1 not found, {self.selector.label}")
        raise NoDeviceError("open", IN_BOOT_ROM)

    def wait_for(
        self,
        products: Iterable[int],
        timeout_ms: int,
        *,
        selector: Selector | None = None,
        accept: Accept = lambda device: True,
    ) -> UsbDevice:
        """Poll until a device fits and is accepted.

        Args:
            products: product ids that are welcome.
            timeout_ms: how long to wait at most.
            selector: which device; by default the one this bus was made for.
            accept: a last question about a device that fits; a device error in it means not yet.

        Raises:
            NoDeviceError: when the time is over; names the last trouble, if there was any.
            AmbiguousError: when more than one device fits.
            AccessDeniedError: when the device may not be opened.
            DeniedError: when the guard does not allow to look.
        """
        welcome = tuple(products)
        deadline_ns = self.runtime.now_ns() + timeout_ms * 1_000_000
        trouble = ""
        while True:
            try:
                device = self.find(welcome, selector)
                if device is not None and accept(device):
                    return device
            except _LASTING:
                raise
            except DeviceError as error:
                trouble = f"; last: {error}"
            if self.runtime.now_ns() >= deadline_ns:
                wanted = " or ".join(f"{protocol.VENDOR_ID:04x}:{p:04x}" for p in welcome)
                raise NoDeviceError(
                    "wait", f"no {wanted} within {timeout_ms} ms{trouble}{self._others()}"
                )
            self._wait_for_change()

    def _others(self) -> str:
        """What is on the bus instead, for a message."""
        try:
            devices = self._all()
        except DeviceError:
            return ""
        found = ", ".join(
            f"{protocol.VENDOR_ID:04x}:{device.idProduct:04x} at {place_name(device)}"
            for device in devices
        )
        return f"; on the bus: {found}" if found else ""

    def _wait_for_change(self) -> None:
        """Wait a while; a backend that tells when a device comes or goes is asked."""
        wait = getattr(self._backend, "wait_for_change", None)
        if wait is None:
            self.runtime.sleep_ms(_POLL_INTERVAL_MS)
        else:
            wait(_CHANGE_LIMIT_MS)

    def bring_up(
        self,
        image: Image | None,
        timeout_ms: int,
        *,
        selector: Selector | None = None,
        accept: Accept = lambda device: True,
        progress: Callable[[int, int], None] | None = None,
    ) -> tuple[UsbDevice, Upload | None]:
        """Wait for boot ROM or application; upload the image if it is the boot ROM.

        Args:
            image: firmware for the boot ROM; without one a device in it counts as lost.
            timeout_ms: limit of each of the two waits.
            selector: which device; by default the one this bus was made for.
            accept: a last question about the first device seen.
            progress: see :func:`hw.boot.upload`.

        Returns:
            The application's device, not yet claimed, and what was uploaded, if anything was.

        Raises:
            DeviceError: as :meth:`wait_for` and :func:`hw.boot.upload` raise it.
        """
        both = (protocol.BOOT_PRODUCT_ID, protocol.APPLICATION_PRODUCT_ID)
        device = self.wait_for(both, timeout_ms, selector=selector, accept=accept)
        if device.idProduct == protocol.APPLICATION_PRODUCT_ID:
            return device, None
        if image is None:
            raise NoDeviceError("open", IN_BOOT_ROM)
        self.permit(Operation.UPLOAD)
        self.hold(device)
        try:
            with self.gate.doing(Operation.UPLOAD, port=place_name(device)):
                report = upload(device, image, self.runtime, progress=progress)
        finally:
            usb.util.dispose_resources(device)
        application = (protocol.APPLICATION_PRODUCT_ID,)
        return self.wait_for(application, timeout_ms, selector=selector), report

    def _require_backend(self) -> UsbBackend:
        if self._backend is None:
            self._backend = usb.backend.libusb1.get_backend()
        if self._backend is None:
            raise NoBackendError("find")
        return self._backend


def answers(device: UsbDevice) -> bool:
    """Ask TESTFX3 of a device that is not claimed.

    Raises:
        DeviceError: when it does not answer.
    """
    try:
        with usb_errors(protocol.Request.TESTFX3.name):
            reply = device.ctrl_transfer(
                protocol.VENDOR_IN,
                protocol.Request.TESTFX3,
                0,
                0,
                protocol.DEVICE_INFO_BYTES,
                protocol.CONTROL_TIMEOUT_MS,
            )
    finally:
        usb.util.dispose_resources(device)
    return len(reply) == protocol.DEVICE_INFO_BYTES


def place_name(device: UsbDevice) -> str:
    """Where a device is, as the kernel writes it, such as ``2-1.4``."""
    ports = device.port_numbers
    return f"bus {device.bus}" if ports is None else label((device.bus, tuple(ports)))


def _is_placed(device: UsbDevice, selector: Selector) -> bool:
    ports = device.port_numbers
    port = None if ports is None else (device.bus, tuple(ports))
    if selector.peer is not None and port is not None:
        return port in ((selector.bus, selector.port_numbers), selector.peer)
    if selector.bus is not None and device.bus != selector.bus:
        return False
    # A backend that does not know the ports cannot contradict the choice.
    return None in (selector.port_numbers, ports) or tuple(ports) == selector.port_numbers


def read_serial(device: UsbDevice) -> str:
    """Ask for the serial number ourselves: pyusb's property has no time-out to choose.

    Raises:
        DeviceError: when the device does not answer with one.
    """
    try:
        with usb_errors("read serial number"):
            reply = device.ctrl_transfer(
                protocol.STANDARD_DEVICE_IN,
                protocol.StandardRequest.GET_DESCRIPTOR,
                protocol.DescriptorType.STRING << 8 | device.iSerialNumber,
                protocol.LANGUAGE_ID,
                _STRING_MAX_BYTES,
                protocol.CONTROL_TIMEOUT_MS,
            )
    finally:
        usb.util.dispose_resources(device)
    text = bytes(reply)
    if len(text) < 2 or text[1] != protocol.DescriptorType.STRING or len(text) % 2:
        raise BadReplyError("read serial number", text.hex(" "))
    return text[2:].decode("utf-16-le")
