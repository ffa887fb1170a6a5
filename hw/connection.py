"""One claimed device: transfers with the guard before them and typed errors behind them."""

from __future__ import annotations

import errno
from array import array
from collections.abc import Callable
from contextlib import suppress
from typing import Literal

import usb.util

from hw import protocol
from hw.bus import Bus, Selector, UsbDevice
from hw.errors import (
    DeviceError,
    DeviceTimeoutError,
    NoDeviceError,
    StalledError,
    TransferError,
    from_os_error,
    usb_errors,
)
from hw.exchange import Exchange
from hw.guard import Operation
from hw.ownership import Owner
from hw.protocol import Request

Observer = Callable[[Exchange], None]

# The paths of every read and request: a module's constant is a third of an enum member's access.
_ENDPOINT = protocol.BULK_IN_ENDPOINT
_PROBE = Operation.PROBE
_READ = Operation.READ


def request_name(code: int) -> str:
    """The name of a vendor request, or its code where it has none."""
    return Request(code).name if code in Request._value2member_map_ else f"request {code:#04x}"


class Connection:
    """An open device, with interface 0 claimed unless it is shared.

    A shared one stands beside a program that streams: the kernel lets it send vendor requests and
    reset the port, and nothing of it takes the interface away. What needs the interface claims it
    for one call, where nobody has it.

    Args:
        bus: where the device was found.
        device: what was found.
        clear_halt: whether to clear the halt of the data endpoint first, ignoring the result.
        observers: told of each transfer that has ended; the list may grow later.
        is_shared: claim nothing, detach no driver and clear no halt.

    Raises:
        DeniedError: when the guard does not allow it.
        LockedError: when another process of ours works on the device.
        BusyError: when another program owns the interface.
        DeviceError: when the device cannot be opened.
    """

    def __init__(
        self,
        bus: Bus,
        device: UsbDevice,
        *,
        clear_halt: bool,
        observers: list[Observer],
        is_shared: bool = False,
    ) -> None:
        self._bus = bus
        self._device = device
        self._observers = observers
        self._now_ns = bus.runtime.now_ns
        self._gate = bus.gate
        self._is_shared = is_shared
        self._reads_freely = False
        """The guard has allowed reads of a world, which stays one."""
        if is_shared:
            self._gate.permit(_PROBE)
            # It opens the device, so a missing permission shows here.
            self._has_driver()
            return
        self._gate.permit(Operation.OPEN)
        bus.hold(device)
        self._gate.lasting(Operation.OPEN, bus=device.bus, address=device.address)
        self._detach_driver()
        with usb_errors("claim interface"):
            usb.util.claim_interface(device, protocol.INTERFACE_NUMBER)
        if clear_halt:
            self._clear_halt_if_it_can()

    @property
    def address(self) -> tuple[int | None, int | None]:
        """Bus and address, which change at a re-enumeration."""
        return self._device.bus, self._device.address

    @property
    def place(self) -> Selector:
        """How to find this device again after a reset; see :meth:`hw.bus.Bus.place_of`."""
        return self._bus.place_of(self._device)

    @property
    def owner(self) -> Owner:
        """Who has the interface; this connection counts as nobody else."""
        return self._bus.owner_of(self._device) if self._is_shared else Owner.NOBODY

    def hold(self) -> None:
        """Lock the device against other processes of ours; see :meth:`hw.bus.Bus.hold`."""
        self._bus.hold(self._device)

    def close(self) -> None:
        """Release the interface and the handle; closing twice is harmless."""
        with usb_errors("close"):
            usb.util.dispose_resources(self._device)

    def control_out(
        self,
        operation: Operation,
        request: int,
        payload: bytes,
        timeout_ms: int,
        *,
        value: int = 0,
        index: int = 0,
    ) -> int:
        """Send a vendor request.

        Args:
            operation: what the guard is asked.
            request: bRequest.
            payload: data phase; empty means none.
            timeout_ms: limit of the transfer.
            value: wValue.
            index: wIndex.

        Returns:
            How many bytes the device took.

        Raises:
            DeniedError: when the guard does not allow it.
            DeviceError: when the transfer fails.
        """
        if not self._gate.is_real:
            self._gate.permit(operation)
            return self._control_out(request, payload, timeout_ms, value, index)
        with self._gate.doing(operation, request=request_name(request), value=value, index=index):
            return self._control_out(request, payload, timeout_ms, value, index)

    def _control_out(
        self, request: int, payload: bytes, timeout_ms: int, value: int, index: int
    ) -> int:
        began_ns = self._began_ns()
        try:
            written: int = self._device.ctrl_transfer(
                protocol.VENDOR_OUT, request, value, index, array("B", payload), timeout_ms
            )
        except OSError as error:
            failure = from_os_error(request_name(request), error)
            self._tell("out", request, value, index, payload, 0, b"", 0, failure, began_ns)
            raise failure from error
        if self._observers:
            self._tell("out", request, value, index, payload, 0, b"", written, None, began_ns)
        return written

    def control_in(
        self,
        request: int,
        size_bytes: int,
        timeout_ms: int,
        *,
        value: int = 0,
        index: int = 0,
        operation: Operation = _PROBE,
    ) -> bytes:
        """Ask a vendor request; arguments and errors as in :meth:`control_out`."""
        if operation is _PROBE or not self._gate.is_real:
            self._gate.permit(operation)
            return self._control_in(request, size_bytes, timeout_ms, value, index)
        with self._gate.doing(operation, request=request_name(request), value=value, index=index):
            return self._control_in(request, size_bytes, timeout_ms, value, index)

    def _control_in(
        self, request: int, size_bytes: int, timeout_ms: int, value: int, index: int
    ) -> bytes:
        began_ns = self._began_ns()
        try:
            reply = bytes(
                self._device.ctrl_transfer(
                    protocol.VENDOR_IN, request, value, index, size_bytes, timeout_ms
                )
            )
        except OSError as error:
            failure = from_os_error(request_name(request), error)
            self._tell("in", request, value, index, b"", size_bytes, b"", 0, failure, began_ns)
            raise failure from error
        if self._observers:
            self._tell(
                "in", request, value, index, b"", size_bytes, reply, len(reply), None, began_ns
            )
        return reply

    def bulk_read_into(self, buffer: array[int], timeout_ms: int) -> int:
        """Read from the data endpoint; what arrived in time stands in the buffer's beginning.

        Args:
            buffer: bytes (type code ``B``); its length is what is asked for.
            timeout_ms: limit of the transfer.

        Returns:
            How many bytes arrived.

        Raises:
            DeniedError: when the guard does not allow it.
            DeviceTimeoutError: when nothing at all arrived.
            DeviceError: when the transfer fails.
        """
        if not self._reads_freely:
            self._gate.lasting(_READ)
            self._reads_freely = not self._gate.is_real
        observers = self._observers
        began_ns = self._now_ns() if observers else 0
        try:
            received: int = self._device.read(_ENDPOINT, buffer, timeout_ms)
            if not received:
                raise TimeoutError(errno.ETIMEDOUT, f"0 bytes in {timeout_ms} ms")
        except OSError as error:
            failure = from_os_error("bulk read", error)
            self._tell("bulk", _ENDPOINT, 0, 0, b"", len(buffer), b"", 0, failure, began_ns)
            raise failure from error
        if observers:
            # As _tell does it, without two calls for each of a million reads.
            asked, ended_ns = len(buffer), self._now_ns()
            facts = ("bulk", _ENDPOINT, 0, 0, b"", asked, b"", received, None, began_ns, ended_ns)
            exchange = tuple.__new__(Exchange, facts)
            for observer in observers:
                observer(exchange)
        return received

    def clear_halt(self) -> None:
        """Clear the halt of the data endpoint.

        Raises:
            BusyError: when another program owns the interface.
            DeviceError: when guard or device refuse.
        """
        with self._gate.doing(Operation.CLEAR_HALT):
            self._told("clear-halt", _ENDPOINT, self._clear_halt)

    def _clear_halt(self) -> None:
        if not self._is_shared:
            self._device.clear_halt(_ENDPOINT)
            return
        # Claimed by name, because the kernel would claim it silently and keep it.
        usb.util.claim_interface(self._device, protocol.INTERFACE_NUMBER)
        try:
            self._device.clear_halt(_ENDPOINT)
        finally:
            usb.util.release_interface(self._device, protocol.INTERFACE_NUMBER)

    def set_configuration(self) -> None:
        """SET_CONFIGURATION: the firmware stops its application and starts it again.

        The kernel refuses it while anybody has claimed an interface, so this connection gives its
        own back for the call.

        Raises:
            BusyError: when another program owns the interface.
            DeviceError: when guard or device refuse.
        """
        with self._gate.doing(Operation.SET_CONFIGURATION):
            self._told("set-configuration", protocol.CONFIGURATION_VALUE, self._set_configuration)

    def _set_configuration(self) -> None:
        if self._is_shared:
            self._device.set_configuration(protocol.CONFIGURATION_VALUE)
            return
        usb.util.release_interface(self._device, protocol.INTERFACE_NUMBER)
        try:
            self._device.set_configuration(protocol.CONFIGURATION_VALUE)
        finally:
            usb.util.claim_interface(self._device, protocol.INTERFACE_NUMBER)

    def port_reset(self) -> None:
        """Reset the port and close; that the device does not return as itself is success.

        Raises:
            DeviceError: when guard or system refuse.
        """
        with self._gate.doing(Operation.PORT_RESET), suppress(NoDeviceError):
            self._told("port-reset", 0, self._reset)

    def _reset(self) -> None:
        try:
            self._device.reset()
        except OSError as failure:
            # libusb's answer when what came back is not the same device.
            if failure.errno != errno.ENOENT:
                raise

    def _told(
        self,
        kind: Literal["clear-halt", "port-reset", "set-configuration"],
        request: int,
        call: Callable[[], None],
    ) -> None:
        """Do what carries no data, and tell the observers."""
        began_ns = self._began_ns()
        try:
            call()
        except OSError as error:
            failure = from_os_error(kind.replace("-", " "), error)
            self._tell(kind, request, 0, 0, b"", 0, b"", 0, failure, began_ns)
            raise failure from error
        self._tell(kind, request, 0, 0, b"", 0, b"", 0, None, began_ns)

    def _began_ns(self) -> int:
        """When a transfer begins, if anybody wants to know."""
        return self._now_ns() if self._observers else 0

    def _tell(
        self,
        kind: Literal["out", "in", "bulk", "clear-halt", "port-reset", "set-configuration"],
        request: int,
        value: int,
        index: int,
        sent: bytes,
        asked_bytes: int,
        reply: bytes,
        received_bytes: int,
        error: DeviceError | None,
        began_ns: int,
    ) -> None:
        if not self._observers:
            return
        exchange = Exchange(
            kind,
            request,
            value,
            index,
            sent,
            asked_bytes,
            reply,
            received_bytes,
            error,
            began_ns,
            self._now_ns(),
        )
        for observer in self._observers:
            observer(exchange)

    def _has_driver(self) -> bool:
        try:
            with usb_errors("open"):
                return bool(self._device.is_kernel_driver_active(protocol.INTERFACE_NUMBER))
        except NotImplementedError:
            # A backend without kernel drivers (Windows) has none to detach.
            return False

    def _detach_driver(self) -> None:
        if self._has_driver():
            with (
                self._gate.doing(Operation.DETACH_DRIVER),
                usb_errors("detach kernel driver"),
            ):
                self._device.detach_kernel_driver(protocol.INTERFACE_NUMBER)

    def _clear_halt_if_it_can(self) -> None:
        try:
            # A part of opening, which the guard was asked for.
            self._told("clear-halt", _ENDPOINT, self._clear_halt)
        except (DeviceTimeoutError, StalledError, TransferError):
            # Only a precaution for the first read; a device that is ill shows it at its next
            # request, and must stay open so that it can be recovered.
            return
