"""The FX3 as a whole: what a reset clears, what boots, and what the cable sees.

Every reset of this board ends in the boot ROM with zeroed RAM (CyU3PDeviceReset: cold resets
only, no persistent memory); the host has to upload the firmware again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hw.protocol import BOOT_PRODUCT_ID
from sim.chip.bootrom import BootRom
from sim.chip.gpif import EDGES_16, GpifTable
from sim.chip.hardware import SPEEDS, Hardware, UsbFunction
from sim.chip.i2c import I2cBus
from sim.chip.usb import Ep0, UsbSpeed
from sim.kernel import World
from sim.latest import Latest
from sim.options import Options
from sim.rtos import Rtos, Thread
from sim.sdk import Sdk

RESETS_KEPT = 10_000
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


@dataclass(frozen=True)
class Reset:
    """One reset of the chip.

    Attributes:
        at_ns: when.
        cause: ``power_on``, ``device_reset``, ``watchdog`` or ``power_off``.
    """

    at_ns: int
    cause: str


class Fx3(Hardware):
    """The chip on its board.

    Args:
        world: the clock.
        options: the bench's knobs.
        i2c: the board's bus, which survives resets of the chip.
        gpio_inputs: levels of input pins, by number.
        load: finds the program in the RAM that the boot ROM was given, or None: then the CPU
            runs into nothing and stays silent until the power goes.

    Attributes:
        resets: the latest resets, and how many there were.
        spins: (time in ns, thread) of the latest spins that began.
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
        super().__init__(world, options, i2c, gpio_inputs)
        self.load = load
        self.resets: Latest[Reset] = Latest(RESETS_KEPT)
        self.spins: Latest[tuple[int, str]] = Latest(RESETS_KEPT)
        self.on_boot: list[Callable[[Program, Sdk], None]] = []
        self.on_reset: list[Callable[[Reset], None]] = []
        self.powered = False
        self.program: Program | None = None
        self.rtos: Rtos | None = None
        self.sdk: Sdk | None = None
        world.on_close(self._end_firmware)

    # ------------------------------------------------------------ board side

    def power_on(self) -> None:
        """Power arrives: the boot ROM starts."""
        self.powered = True
        self.reset("power_on")

    def start(self, ram: bytearray, entry: int) -> None:
        """Begin with firmware already in RAM, where the boot ROM's jump would have left it."""
        self.powered = True
        self._boot(self.load(ram, entry))

    def vbus(self, on: bool) -> None:
        """The cable's supply comes or goes: the board is bus-powered (USBDescriptor.c)."""
        if on != self.powered:
            if on:
                self.power_on()
            else:
                self.power_off()

    def power_off(self) -> None:
        """Power goes: everything in the chip is lost."""
        self.powered = False
        self.reset("power_off")

    # ------------------------------------------------------------ reset and boot

    def reset(self, cause: str) -> None:
        """Reset the chip now; called from the loop, never by firmware itself."""
        self._boots += 1
        self._end_firmware()
        self.watchdog.configure(False, 0)
        self.detach()
        self.on_signal = None
        self.suspended = False
        self.usb_speed = SPEEDS[self.options.usb_speed]
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
            # The ROM has no SuperSpeed (AN76405).
            speed = min(self.usb_speed, UsbSpeed.HIGH)
            self._attach(UsbFunction(BOOT_PRODUCT_ID, speed, rom.control, rom.signal, None))

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
