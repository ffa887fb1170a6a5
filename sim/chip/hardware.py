"""The FX3's hardware as drivers see it: streaming path, EP0, watchdog, pins and the cable.

What boots and what a reset clears is :class:`sim.chip.fx3.Fx3`'s.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hw.protocol import (
    APPLICATION_PRODUCT_ID,
    BULK_PACKET_FS_BYTES,
    BULK_PACKET_HS_BYTES,
    BULK_PACKET_SS_BYTES,
)
from sim.chip.gpif import EDGES_16, GpifTable
from sim.chip.i2c import I2cBus
from sim.chip.stream import Rate, Stream
from sim.chip.usb import BusSignal, ControlTransfer, Ep0, UsbSpeed
from sim.chip.watchdog import HardwareWatchdog
from sim.kernel import World
from sim.options import Options

PACKET_BYTES = {
    UsbSpeed.SUPER: BULK_PACKET_SS_BYTES,
    UsbSpeed.HIGH: BULK_PACKET_HS_BYTES,
    UsbSpeed.FULL: BULK_PACKET_FS_BYTES,
}
"""wMaxPacketSize of a bulk endpoint: the library clamps what the firmware asks for to it."""
SPEEDS = {"super": UsbSpeed.SUPER, "high": UsbSpeed.HIGH, "full": UsbSpeed.FULL}
"""By the name of the option ``usb_speed``."""


@dataclass(frozen=True, eq=False)
class UsbFunction:
    """What hangs on the cable: the boot ROM, or the application.

    Attributes:
        product_id: 00F3 or 00F1.
        speed: the speed it runs at.
        control: takes each control transfer.
        signal: told what the port does.
        stream: EP1, when there is one.
    """

    product_id: int
    speed: UsbSpeed
    control: Callable[[ControlTransfer], None]
    signal: Callable[[BusSignal], None]
    stream: Stream | None

    @property
    def super_speed(self) -> bool:
        """It runs at SuperSpeed."""
        return self.speed is UsbSpeed.SUPER


class Link(Protocol):
    """The cable's host end."""

    def attach(self, function: UsbFunction) -> None:
        """The device's terminations appear."""

    def detach(self) -> None:
        """They disappear."""


class Hardware(ABC):
    """Everything on the chip that an SDK call can reach.

    Args:
        world: the clock.
        options: the bench's knobs.
        i2c: the board's bus, which survives resets of the chip.
        gpio_inputs: levels of input pins, by number.

    Attributes:
        on_signal: told what the port does; the driver's ISR.
        usb_speed: the speed of the link, once the firmware has turned its connection on.
        suspended: the bus is suspended.
        on_pin: the board, told of each level that a pin is driven to.
    """

    def __init__(
        self, world: World, options: Options, i2c: I2cBus, gpio_inputs: dict[int, bool]
    ) -> None:
        self.world = world
        self.options = options
        self.i2c = i2c
        self.gpio_inputs = gpio_inputs
        self.link: Link | None = None
        self.die_id = (0x1234_5678, 0x9ABC_DEF0)
        self.watchdog = HardwareWatchdog(
            world, options.watchdog_clock_ppm, lambda: self.reset("watchdog")
        )
        self.on_signal: Callable[[BusSignal], None] | None = None
        self.usb_speed = SPEEDS[options.usb_speed]
        self.suspended = False
        self.on_pin: Callable[[int, bool], None] = lambda pin, level: None
        self.ep0 = Ep0()
        self._clock_hz: Rate = None
        self._boots = 0
        self.stream = self._new_stream(EDGES_16)

    @abstractmethod
    def reset(self, cause: str) -> None:
        """Reset the chip now; called from the loop, never by firmware itself."""

    def request_reset(self, cause: str) -> None:
        """Reset as soon as the code that asks has stopped running."""
        boots = self._boots
        self.world.alarm(
            self.world.now_ns, lambda: self.reset(cause) if boots == self._boots else None
        )

    def sample_clock(self, rate_hz: Rate) -> None:
        """The board's ADC clock changes; None: no edges."""
        self._clock_hz = rate_hz
        self.stream.clock(rate_hz)

    def _new_stream(self, table: GpifTable) -> Stream:
        options = self.options
        packet_ns = {
            UsbSpeed.SUPER: options.packet_ns,
            UsbSpeed.HIGH: options.packet_hs_ns,
            UsbSpeed.FULL: options.packet_fs_ns,
        }[self.usb_speed]
        packet_bytes = PACKET_BYTES[self.usb_speed]
        return Stream(
            self.world,
            table,
            packet_ns,
            packet_bytes,
            wrong_producer_stalls=options.wrong_producer_stalls,
            forced_stop_leaves_debris=options.forced_stop_leaves_debris,
        )

    # ------------------------------------------------------------ cable side

    def attach_application(self, super_speed: bool) -> None:
        """The firmware turns its USB connection on, at SuperSpeed if it and the port allow that.

        A firmware that keeps to USB 2.0 gets a new streaming path with that link's packets, so it
        has to connect before it loads the GPIF; the real ones start their application after that.
        """
        if self.usb_speed is UsbSpeed.SUPER and not super_speed:
            self.usb_speed = UsbSpeed.HIGH
            self.stream = self._new_stream(self.stream.table)
            self.stream.clock(self._clock_hz)
        self._attach(
            UsbFunction(
                APPLICATION_PRODUCT_ID,
                self.usb_speed,
                lambda transfer: self.ep0.setup(transfer),
                self._signal,
                self.stream,
            )
        )

    def _signal(self, signal: BusSignal) -> None:
        if signal is BusSignal.SUSPEND or signal is BusSignal.RESUME:
            self._suspend(signal is BusSignal.SUSPEND)
        elif self.suspended:
            self._suspend(False)
        if self.on_signal is not None:
            self.on_signal(signal)

    def _suspend(self, suspended: bool) -> None:
        self.suspended = suspended
        if self.options.watchdog_halts_in_suspend:
            self.watchdog.halt(suspended)

    def _attach(self, function: UsbFunction) -> None:
        if self.link is not None:
            self.link.attach(function)

    def detach(self) -> None:
        """The terminations go: the host loses the device."""
        if self.link is not None:
            self.link.detach()
