"""The FX3's hardware as drivers see it: streaming path, EP0, watchdog, pins and the cable.

What boots and what a reset clears is :class:`sim.chip.fx3.Fx3`'s.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hw.protocol import APPLICATION_PRODUCT_ID
from sim.chip.gpif import EDGES_16, GpifTable
from sim.chip.i2c import I2cBus
from sim.chip.stream import Rate, Stream
from sim.chip.usb import ControlTransfer, Ep0
from sim.chip.watchdog import HardwareWatchdog
from sim.kernel import World
from sim.options import Options


@dataclass(frozen=True, eq=False)
class UsbFunction:
    """What hangs on the cable: the boot ROM, or the application.

    Attributes:
        product_id: 00F3 or 00F1.
        super_speed: the speed it runs at (high speed otherwise).
        control: takes each control transfer.
        bus_reset: the bus was reset.
        stream: EP1, when there is one.
    """

    product_id: int
    super_speed: bool
    control: Callable[[ControlTransfer], None]
    bus_reset: Callable[[], None]
    stream: Stream | None


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
        on_bus_reset: told of a reset of the USB bus; the driver's ISR.
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
        self.on_bus_reset: Callable[[], None] | None = None
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
        return Stream(
            self.world,
            table,
            options.packet_ns,
            wrong_producer_stalls=options.wrong_producer_stalls,
            forced_stop_leaves_debris=options.forced_stop_leaves_debris,
        )

    # ------------------------------------------------------------ cable side

    def attach_application(self, super_speed: bool) -> None:
        """The firmware turns its USB connection on."""
        self._attach(
            UsbFunction(
                APPLICATION_PRODUCT_ID,
                super_speed,
                lambda transfer: self.ep0.setup(transfer),
                self._bus_reset,
                self.stream,
            )
        )

    def _bus_reset(self) -> None:
        if self.on_bus_reset is not None:
            self.on_bus_reset()

    def _attach(self, function: UsbFunction) -> None:
        if self.link is not None:
            self.link.attach(function)

    def detach(self) -> None:
        """The terminations go: the host loses the device."""
        if self.link is not None:
            self.link.detach()
