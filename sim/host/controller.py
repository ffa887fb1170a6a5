"""The host: controller, kernel and cable, as far as a USB program can tell.

It notices attach and detach, enumerates (with requests that the firmware really has to answer),
carries control and bulk transfers, and does what a host can do to a port: reset, suspend, resume,
cut the link, cut the power.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from simpy.events import Event

from hw.protocol import APPLICATION_PRODUCT_ID, STANDARD_DEVICE_OUT, StandardRequest
from sim.chip.hardware import UsbFunction
from sim.chip.usb import DONE, PENDING, BusSignal, ControlTransfer, Setup, TransferStatus
from sim.host.device import PORT as PORT, Descriptors, Hub, UsbDevice as UsbDevice, bus_of
from sim.host.enumeration import Enumeration, EnumerationFailed
from sim.host.monitor import UsbMonitor
from sim.kernel import FOREVER_NS, HARDWARE, World
from sim.latest import Latest
from sim.options import Options
from sim.tasks import Alarm

MILLISECOND_NS = 1_000_000
LOG_LINES = 10_000
"""As many as a kernel's ring buffer holds, about."""
SET_CONFIGURATION_TIMEOUT_MS = 5_000
"""USB_CTRL_SET_TIMEOUT of the Linux kernel."""


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
        vbus: turns the port's supply on or off; the bench connects it to the board.
        hub: what stands between the root port and the board, or None.
        monitor: is told every transfer, or None.
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
        self.vbus: Callable[[bool], None] | None = None
        self.hub: Hub | None = None
        self._is_plugged = True
        self._is_port_powered = True
        self.monitor: UsbMonitor | None = None
        self._function: UsbFunction | None = None
        self._link_on = True
        self._address = 0
        self._alarm: Alarm | None = None
        self._enumeration: Enumeration | None = None

    # ------------------------------------------------------------ cable

    def attach(self, function: UsbFunction) -> None:
        """The device's terminations appear; enumeration takes its time."""
        self._function = function
        if self._link_on:
            self._connect(function)

    def detach(self) -> None:
        """The terminations disappear; the host notices a little later."""
        self._function = None
        self._drop()

    def unplug(self) -> None:
        """Pull the cable: the board lives on its supply, so all of its state is lost.

        Raises:
            RuntimeError: when no board is connected to the supply.
        """
        self._is_plugged = False
        self._supply("cable unplugged")

    def plug(self) -> None:
        """Put the cable back: the device comes up in its boot ROM, where its port has power."""
        self._is_plugged = True
        self._supply("cable plugged")

    def port_power(self, on: bool) -> None:
        """The supply of the board's port comes or goes; the cable stays."""
        if on != self._is_port_powered:
            self._is_port_powered = on
            self._supply("port power on" if on else "port power off")

    def _supply(self, note: str) -> None:
        if self.vbus is None:
            raise RuntimeError("no board on this port: set vbus, for example to world.chip.vbus")
        self._note(note)
        self.vbus(self._is_plugged and self._is_port_powered)

    @property
    def function(self) -> UsbFunction | None:
        """What hangs on the cable now, enumerated or not."""
        return self._function

    def disconnect(self) -> None:
        """Cut the link and keep the supply, as a disabled port does; the firmware is told."""
        function = self._function
        if function is None or not self._link_on:
            return
        self._link_on = False
        self._note("link down")
        self._drop()
        function.signal(BusSignal.DISCONNECT)

    def reconnect(self) -> None:
        """The link is up again: what hangs on the cable enumerates anew."""
        if self._link_on:
            return
        self._link_on = True
        self._note("link up")
        if self._function is not None:
            self._connect(self._function)

    def _drop(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._enumeration is not None:
            self._enumeration.abandon()
            self._enumeration = None
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

    # ------------------------------------------------------------ enumeration

    def _connect(self, function: UsbFunction) -> None:
        """Find a new device: the whole takes the option's time, reading its last part."""
        options = self.options
        whole_ms = (
            options.application_enumeration_ms
            if function.product_id == APPLICATION_PRODUCT_ID
            else options.boot_rom_enumeration_ms
        )
        configure_ns = self.world.now_ns + whole_ms * MILLISECOND_NS

        def link_is_up() -> None:
            function.signal(BusSignal.CONNECT)
            if not function.super_speed:
                function.signal(BusSignal.RESET)
            self._enumerate(function, configure_ns)

        self._after(max(0, whole_ms - options.descriptor_reading_ms), link_is_up)

    def _after(self, delay_ms: int, call: Callable[[], None]) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        due_ns = self.world.now_ns + delay_ms * MILLISECOND_NS
        self._alarm = self.world.alarm(due_ns, call, HARDWARE)

    def _enumerate(self, function: UsbFunction, configure_ns: int) -> Enumeration:
        told = None
        if self.monitor is not None:
            told = partial(self.monitor.control, bus_of(function), self._address + 1)
        enumeration = Enumeration(self.world, self.options, function, told)
        self._alarm = None
        self._enumeration = enumeration
        self.world.spawn("enumeration", lambda: self._read_in(enumeration, configure_ns))
        return enumeration

    def _read_in(self, enumeration: Enumeration, configure_ns: int) -> None:
        """Read and configure; the device exists for programs once that is acknowledged."""
        try:
            descriptors = self._descriptors(enumeration)
            self.world.sleep(max(0, configure_ns - self.world.now_ns))
            enumeration.configure()
            if not enumeration.abandoned:
                self._publish(enumeration.function, descriptors)
        except EnumerationFailed as failure:
            if not enumeration.abandoned:
                self._note(str(failure))
        finally:
            if self._enumeration is enumeration:
                self._enumeration = None
        enumeration.ended.succeed()

    def _descriptors(self, enumeration: Enumeration) -> Descriptors:
        """Read, and reset the port and read again where that fails, as Linux does.

        Raises:
            EnumerationFailed: the last try failed too, or the device left.
        """
        for _ in range(self.options.enumeration_tries - 1):
            try:
                return enumeration.read()
            except EnumerationFailed as failure:
                if enumeration.abandoned:
                    raise
                self._note(str(failure))
            enumeration.function.signal(BusSignal.RESET)
            self.world.sleep(self.options.port_reset_ms * MILLISECOND_NS)
        return enumeration.read()

    def _publish(self, function: UsbFunction, descriptors: Descriptors) -> None:
        self._address += 1
        ports = (PORT,) if self.hub is None else self.hub.ports
        self.device = UsbDevice(
            self.world, function, descriptors, self._address, ports, self.monitor
        )
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
        monitor = self.monitor
        if monitor is not None and device.present:
            monitor.control(device.bus, device.address, transfer)
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
        if not device.suspended:
            device.function.control(transfer)

    def set_configuration(self, device: UsbDevice, value: int) -> ControlTransfer:
        """Set the configuration as the kernel does: the endpoint's reads end first.

        Args:
            device: where it goes.
            value: 1, or 0 for none.

        Returns:
            The request.
        """
        if device.bulk is not None:
            for transfer in list(device.bulk.queue):
                device.bulk.cancel(transfer)
        setup = Setup(STANDARD_DEVICE_OUT, StandardRequest.SET_CONFIGURATION, value, 0, 0)
        request = self.control(device, setup, b"", SET_CONFIGURATION_TIMEOUT_MS)
        if request.status is DONE:
            device.configuration = value
            if device.bulk is not None:
                device.bulk.reconfigured()
        return request

    # ------------------------------------------------------------ port

    def port_reset(self, device: UsbDevice) -> bool:
        """Reset the port, read the device again and configure it.

        Returns:
            True when the device is there again, with a new address; False when it did not answer
            or left the bus.
        """
        if not device.present:
            return False
        function = device.function
        device.lose()
        self.device = None
        self._note("port reset")
        function.signal(BusSignal.RESET)
        self.world.sleep(self.options.port_reset_ms * MILLISECOND_NS)
        if self._function is not function:
            return False
        self.world.wait(self._enumerate(function, self.world.now_ns).ended)
        return self.device is not None and self.device.function is function

    def suspend(self, device: UsbDevice) -> None:
        """Suspend the port: nothing is carried any more; the firmware is told."""
        if device.present and not device.suspended:
            device.suspended = True
            if device.bulk is not None:
                device.bulk.pause()
            self._note("suspend")
            device.function.signal(BusSignal.SUSPEND)

    def resume(self, device: UsbDevice) -> None:
        """Resume the port; queued reads go on."""
        if device.present and device.suspended:
            device.suspended = False
            self._note("resume")
            device.function.signal(BusSignal.RESUME)
            if device.bulk is not None:
                device.bulk.resume()
