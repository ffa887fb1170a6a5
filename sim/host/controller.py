"""The host: controller, kernel and cable, as far as a USB program can tell.

It notices attach and detach, enumerates (the application's SET_CONFIGURATION is a real request
that the firmware has to answer), and carries control and bulk transfers.
"""

from __future__ import annotations

from collections.abc import Callable

from simpy.events import Event

from hw.protocol import (
    APPLICATION_PRODUCT_ID,
    CONFIGURATION_VALUE,
    STANDARD_DEVICE_OUT,
    StandardRequest,
)
from sim.chip.hardware import UsbFunction
from sim.chip.usb import DONE, PENDING, ControlTransfer, Setup, TransferStatus
from sim.host.endpoint import BulkIn
from sim.kernel import FOREVER_NS, HARDWARE, World
from sim.latest import Latest
from sim.options import Options
from sim.tasks import Alarm

MILLISECOND_NS = 1_000_000
LOG_LINES = 10_000
"""As many as a kernel's ring buffer holds, about."""
SET_CONFIGURATION = Setup(
    STANDARD_DEVICE_OUT, StandardRequest.SET_CONFIGURATION, CONFIGURATION_VALUE, 0, 0
)
USB2_BUS = 1
USB3_BUS = 2
PORT = 1


class UsbDevice:
    """One enumeration of the device: a reset makes a new one, and this one is stale for ever.

    Attributes:
        function: what hangs on the cable.
        bus, address: where the host put it.
        present: False once the host noticed that it is gone.
        bulk: EP1, when there is one.
        configuration: the one that the host has set last; 0 is none.
        claims: which open handle owns an interface, by its number.
    """

    def __init__(self, world: World, function: UsbFunction, address: int) -> None:
        self.world = world
        self.function = function
        self.bus = USB3_BUS if function.super_speed else USB2_BUS
        self.address = address
        self.present = True
        self.bulk = None if function.stream is None else BulkIn(world, function.stream)
        self.control_in_flight: dict[ControlTransfer, None] = {}
        self.configuration = CONFIGURATION_VALUE
        self.claims: dict[int, object] = {}

    @property
    def is_application(self) -> bool:
        """The firmware's application, not the boot ROM."""
        return self.function.product_id == APPLICATION_PRODUCT_ID

    def lose(self) -> None:
        """The host notices that the device is gone: everything in flight ends."""
        self.present = False
        if self.bulk is not None:
            self.bulk.detach()
        for transfer in list(self.control_in_flight):
            transfer.end(TransferStatus.NO_DEVICE)


class HostController:
    """One root port with one cable.

    Args:
        world: the clock.
        options: the bench's knobs.

    Attributes:
        device: the enumerated device, or None.
        appeared: event of the next device that enumerates; a new one each time.
        changed: event of the next device that comes or goes; a new one each time.
        log: (time in ns, text) of what the kernel would log, the latest lines.
    """

    def __init__(self, world: World, options: Options) -> None:
        self.world = world
        self.options = options
        self.device: UsbDevice | None = None
        self.log: Latest[tuple[int, str]] = Latest(LOG_LINES)
        self.appeared = Event(world)
        self.changed = Event(world)
        self.withhold_data: Callable[[int], bool] | None = None
        """A fault: asked for each request with data whether the host vanishes before sending it."""
        self._function: UsbFunction | None = None
        self._address = 0
        self._alarm: Alarm | None = None

    # ------------------------------------------------------------ cable

    def attach(self, function: UsbFunction) -> None:
        """The device's terminations appear; enumeration takes its time."""
        self._function = function
        options = self.options
        delay_ms = (
            options.application_enumeration_ms
            if function.product_id == APPLICATION_PRODUCT_ID
            else options.boot_rom_enumeration_ms
        )
        self._after(delay_ms, lambda: self._enumerate(function))

    def detach(self) -> None:
        """The terminations disappear; the host notices a little later."""
        self._function = None
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self.device is not None:
            device = self.device
            due_ns = self.world.now_ns + self.options.detach_notice_ms * MILLISECOND_NS
            self.world.alarm(due_ns, lambda: self._lost(device), HARDWARE)

    def _lost(self, device: UsbDevice) -> None:
        if self.device is device:
            self.device = None
        if device.present:
            self._note(f"disconnect, address {device.address}")
            device.lose()
            self._tell_change()

    def _after(self, delay_ms: int, call: Callable[[], None]) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        due_ns = self.world.now_ns + delay_ms * MILLISECOND_NS
        self._alarm = self.world.alarm(due_ns, call, HARDWARE)

    def _enumerate(self, function: UsbFunction) -> None:
        self._alarm = None
        if function.product_id != APPLICATION_PRODUCT_ID:
            self._publish(function)
            return
        self._configure(function)

    def _configure(self, function: UsbFunction) -> None:
        """SET_CONFIGURATION; the device exists for programs once it is acknowledged."""
        transfer = ControlTransfer(self.world, SET_CONFIGURATION)

        def answered(_: object) -> None:
            if self._function is not function:
                return
            if self._alarm is not None:
                self._alarm.cancel()
                self._alarm = None
            if transfer.status is DONE:
                self._publish(function)
            else:
                self._note("device not accepting its configuration")

        def expired() -> None:
            self._alarm = None
            transfer.end(TransferStatus.CANCELLED)

        transfer.ended.callbacks.append(answered)
        self._after(self.options.enumeration_timeout_ms, expired)
        function.control(transfer)

    def _publish(self, function: UsbFunction) -> None:
        self._address += 1
        self.device = UsbDevice(self.world, function, self._address)
        appeared, self.appeared = self.appeared, Event(self.world)
        appeared.succeed(self.device)
        self._tell_change()
        self._note(f"new device 04b4:{function.product_id:04x}, address {self._address}")

    def _tell_change(self) -> None:
        changed, self.changed = self.changed, Event(self.world)
        changed.succeed()

    def _note(self, text: str) -> None:
        self.log.append((self.world.now_ns, text))
        if self.world.trace is not None:
            self.world.trace.instant("host/kernel", text, self.world.now_ns)

    # ------------------------------------------------------------ transfers

    def control(
        self,
        device: UsbDevice,
        setup: Setup,
        data: bytes,
        timeout_ms: int,
    ) -> ControlTransfer:
        """Carry one control request and wait for its end.

        The kernel serialises a device's control transfers, so this first waits for its turn.

        Args:
            device: where it goes.
            setup: the SETUP packet.
            data: payload of an OUT request.
            timeout_ms: 0 waits for ever.

        Returns:
            The transfer; its status is CANCELLED when the time passed.
        """
        world = self.world
        withholds = (
            bool(data) and self.withhold_data is not None and self.withhold_data(setup.request)
        )
        transfer = ControlTransfer(world, setup, data, withholds)
        started_ns = world._now
        end_ns = started_ns + timeout_ms * MILLISECOND_NS if timeout_ms else FOREVER_NS
        in_flight = device.control_in_flight
        if in_flight and not self._has_turn(device, end_ns):
            transfer.end(TransferStatus.CANCELLED)
            return transfer
        if not device.present:
            transfer.end(TransferStatus.NO_DEVICE)
            return transfer
        in_flight[transfer] = None
        due_ns = world._now + self.options.control_setup_ns
        try:
            if due_ns <= end_ns and world.skip_to(due_ns):
                self._deliver(device, transfer)
                world.wait(transfer.ended, end_ns - due_ns if timeout_ms else None)
            else:
                self._deliver_later(device, transfer, due_ns, end_ns)
        finally:
            in_flight.pop(transfer, None)
        if transfer.status is PENDING:
            transfer.end(TransferStatus.CANCELLED)
        trace = world.trace
        if trace is not None:
            trace.slice(
                "host/control",
                f"{setup.request:#04x} {transfer.status.name.lower()}",
                started_ns,
                world.now_ns,
            )
        return transfer

    def _has_turn(self, device: UsbDevice, end_ns: int) -> bool:
        """Wait for those ahead; True when there are none any more, or no device."""
        world, in_flight = self.world, device.control_in_flight
        while in_flight and device.present:
            if world._now >= end_ns:
                return False
            ahead = next(iter(in_flight))
            limit_ns = None if end_ns == FOREVER_NS else end_ns - world._now
            if world.wait(ahead.ended, limit_ns):
                # Whoever sent it may run only after this one.
                in_flight.pop(ahead, None)
        return True

    def _deliver_later(
        self, device: UsbDevice, transfer: ControlTransfer, due_ns: int, end_ns: int
    ) -> None:
        world = self.world
        arrival = world.alarm(due_ns, lambda: self._deliver(device, transfer), HARDWARE)
        try:
            world.wait(transfer.ended, None if end_ns == FOREVER_NS else end_ns - world._now)
        finally:
            arrival.cancel()

    def _deliver(self, device: UsbDevice, transfer: ControlTransfer) -> None:
        device.function.control(transfer)

    def port_reset(self, device: UsbDevice) -> bool:
        """Reset the port and configure the device again.

        Returns:
            True when the device is there again, with a new address; False when it did not answer.
        """
        if not device.present:
            return False
        function = device.function
        device.lose()
        self.device = None
        self._note("port reset")
        function.bus_reset()
        self._function = function
        self._configure(function) if device.is_application else self._publish(function)
        if self.device is None:
            limit_ns = self.options.enumeration_timeout_ms * MILLISECOND_NS
            self.world.wait(self.appeared, limit_ns)
        return self.device is not None
