"""The FX3 as a whole: what a reset clears, what boots, and what the cable sees.

Every reset of this board ends in the boot ROM with zeroed RAM (CyU3PDeviceReset: cold resets
only, no persistent memory); the host has to upload the firmware again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hw.protocol import APPLICATION_PRODUCT_ID, BOOT_PRODUCT_ID
from sim.chip.bootrom import BootRom
from sim.chip.gpif import EDGES_16, GpifTable
from sim.chip.i2c import I2cBus
from sim.chip.stream import Rate, Stream
from sim.chip.usb import ControlTransfer, Ep0
from sim.chip.watchdog import HardwareWatchdog
from sim.kernel import World
from sim.options import Options
from sim.rtos import Rtos, Thread
from sim.sdk import Sdk

SYSTEM_THREAD_PRIORITY = 0
"""CyFxApplicationDefine runs at priority 0 (S131 system/cyu3system.c)."""


class Program(Protocol):
    """Firmware that the chip can run.

    Attributes:
        name: for traces.
        table: the GPIF table it was built with.
    """

    name: str
    table: GpifTable

    def main(self, sdk: Sdk) -> None:
        """Run the firmware's main and application definition on a fresh SDK."""


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


@dataclass(frozen=True)
class Reset:
    """One reset of the chip.

    Attributes:
        at_ns: when.
        cause: ``power_on``, ``device_reset``, ``watchdog`` or ``power_off``.
    """

    at_ns: int
    cause: str


class Fx3:
    """The chip on its board.

    Args:
        world: the clock.
        options: the bench's knobs.
        i2c: the board's bus, which survives resets of the chip.
        gpio_inputs: levels of input pins, by number.
        load: finds the program in the RAM that the boot ROM was given, or None: then the CPU
            runs into nothing and stays silent until the power goes.

    Attributes:
        resets: every reset so far.
        spins: (time in ns, thread) of every spin that began.
        on_boot: called with the program and its SDK before the firmware's first instruction.
        on_reset: called after a reset, before the boot ROM attaches.
    """

    def __init__(
        self,
        world: World,
        options: Options,
        i2c: I2cBus,
        gpio_inputs: dict[int, bool],
        load: Callable[[bytearray, int], Program | None],
    ) -> None:
        self.world = world
        self.options = options
        self.i2c = i2c
        self.gpio_inputs = gpio_inputs
        self.load = load
        self.link: Link | None = None
        self.die_id = (0x1234_5678, 0x9ABC_DEF0)
        self.resets: list[Reset] = []
        self.spins: list[tuple[int, str]] = []
        self.on_boot: list[Callable[[Program, Sdk], None]] = []
        self.on_reset: list[Callable[[Reset], None]] = []
        self.watchdog = HardwareWatchdog(
            world, options.watchdog_clock_ppm, lambda: self.reset("watchdog")
        )
        self.powered = False
        self.program: Program | None = None
        self.rtos: Rtos | None = None
        self.sdk: Sdk | None = None
        self.ep0 = Ep0()
        self.stream = self._new_stream(EDGES_16)
        self._clock_hz: Rate = None
        self._boots = 0
        world.on_close(self._end_firmware)

    # ------------------------------------------------------------ board side

    def sample_clock(self, rate_hz: Rate) -> None:
        """The board's ADC clock changes; None: no edges."""
        self._clock_hz = rate_hz
        self.stream.clock(rate_hz)

    def power_on(self) -> None:
        """Power arrives: the boot ROM starts."""
        self.powered = True
        self.reset("power_on")

    def start(self, ram: bytearray, entry: int) -> None:
        """Begin with firmware already in RAM, where the boot ROM's jump would have left it."""
        self.powered = True
        self._boot(self.load(ram, entry))

    def power_off(self) -> None:
        """Power goes: everything in the chip is lost."""
        self.powered = False
        self.reset("power_off")

    # ------------------------------------------------------------ reset and boot

    def request_reset(self, cause: str) -> None:
        """Reset as soon as the code that asks has stopped running."""
        boots = self._boots
        self.world.alarm(
            self.world.now_ns, lambda: self.reset(cause) if boots == self._boots else None
        )

    def reset(self, cause: str) -> None:
        """Reset the chip now; called from the loop, never by firmware itself."""
        self._boots += 1
        self._end_firmware()
        self.watchdog.configure(False, 0)
        self.detach()
        self.ep0 = Ep0()
        self.stream = self._new_stream(EDGES_16)
        reset = Reset(self.world.now_ns, cause)
        self.resets.append(reset)
        if self.world.trace is not None:
            self.world.trace.instant("fx3/reset", cause, self.world.now_ns)
        for call in self.on_reset:
            call(reset)
        if self.powered:
            rom = BootRom(self._jump, self.options.control_status_ns)
            self._attach(UsbFunction(BOOT_PRODUCT_ID, False, rom.control, lambda: None, None))

    def _end_firmware(self) -> None:
        if self.rtos is not None:
            self.rtos.kill()
        self.rtos = None
        self.sdk = None
        self.program = None

    def _jump(self, ram: bytearray, entry: int) -> None:
        """The ROM leaves for the uploaded firmware, once its status stage is over."""
        boots = self._boots

        def go() -> None:
            if boots == self._boots:
                self._boots += 1
                self.detach()
                self._boot(self.load(ram, entry))

        self.world.alarm(self.world.now_ns + self.options.control_status_ns, go)

    def _boot(self, program: Program | None) -> None:
        if program is None:
            return
        self.program = program
        self.stream = self._new_stream(program.table)
        self.stream.clock(self._clock_hz)
        rtos = self.rtos = Rtos(self.world, 1_000_000 + self.options.tick_ppm)
        rtos.on_spin = self._note_spin
        sdk = self.sdk = Sdk(self, rtos)
        for call in self.on_boot:
            call(program, sdk)
        rtos.create_thread("system thread", SYSTEM_THREAD_PRIORITY, lambda: program.main(sdk))

    def _note_spin(self, thread: Thread) -> None:
        now = self.world.now_ns
        self.spins.append((now, thread.name))
        if self.world.trace is not None:
            self.world.trace.instant(f"fx3/{thread.name}", "spins", now)

    def _new_stream(self, table: GpifTable) -> Stream:
        options = self.options
        return Stream(self.world, table, options.packet_ns, options.wrong_producer_stalls)

    # ------------------------------------------------------------ cable side

    def attach_application(self, super_speed: bool) -> None:
        """The firmware turns its USB connection on."""
        sdk = self.sdk

        def bus_reset() -> None:
            if sdk is not None:
                sdk.bus_reset()

        self._attach(
            UsbFunction(
                APPLICATION_PRODUCT_ID,
                super_speed,
                lambda transfer: self.ep0.setup(transfer),
                bus_reset,
                self.stream,
            )
        )

    def _attach(self, function: UsbFunction) -> None:
        if self.link is not None:
            self.link.attach(function)

    def detach(self) -> None:
        """The terminations go: the host loses the device."""
        if self.link is not None:
            self.link.detach()

    def flush_endpoint(self) -> None:
        """EP1's FIFO is emptied; whole buffers stay with their DMA channel."""
