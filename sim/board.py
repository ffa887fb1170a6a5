"""The RX888mk2: an FX3, its clock generator and what else answers on the board.

The board keeps its state over resets of the FX3; only the power takes it.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from sim.chip.fx3 import Fx3, Program
from sim.chip.i2c import I2cBus
from sim.kernel import World
from sim.options import Options
from sim.tasks import Alarm

SI5351_ADDRESS = 0xC0
TUNER_ADDRESS = 0x74
SENSE_PIN = 36
"""Low on the RX888mk2 (RunApplication.c)."""

CRYSTAL_HZ = 27_000_000
VCO_MIN_HZ = 600_000_000
VCO_MAX_HZ = 900_000_000

REGISTER_STATUS = 0
REGISTER_CLK0_CONTROL = 16
REGISTER_PLL_A = 26
REGISTER_MULTISYNTH_0 = 42
REGISTER_PLL_RESET = 177
CLK0_POWER_DOWN = 0x80
PLL_A_RESET = 0x20
LOSS_OF_LOCK_A = 0x20
REVISION = 0x01
"""Register 0 reads 01 when all is well (seen on hardware)."""


class Si5351:
    """The clock generator: 256 registers, PLL A and output CLK0 (Si5351 data sheet, AN619).

    Args:
        world: the clock.
        lock_ms: how long PLL A takes to lock after its reset.
        changed: told the rate of CLK0 in Hz, exactly, or None when there is no clock.
    """

    def __init__(
        self, world: World, lock_ms: int, changed: Callable[[Fraction | None], None]
    ) -> None:
        self.world = world
        self.lock_ms = lock_ms
        self.changed = changed
        self.registers = bytearray(256)
        self.registers[REGISTER_CLK0_CONTROL] = CLK0_POWER_DOWN
        self.locked = False
        self.clock_cut = False
        """A fault: CLK0 does not reach the FX3, whatever the registers say."""
        self._lock_alarm: Alarm | None = None
        self._rate: Fraction | None = None

    def read(self, register: int, count: int) -> bytes:
        """Read registers, auto-incremented."""
        if count == 1:
            return bytes((self._register(register),))
        return bytes(self._register((register + offset) & 0xFF) for offset in range(count))

    def _register(self, number: int) -> int:
        if number == REGISTER_STATUS:
            return REVISION | (0 if self.locked else LOSS_OF_LOCK_A)
        return self.registers[number]

    def write(self, register: int, data: bytes) -> None:
        """Write registers, auto-incremented; the status register does not take writes."""
        for offset, value in enumerate(data):
            number = (register + offset) & 0xFF
            if number == REGISTER_PLL_RESET:
                if value & PLL_A_RESET:
                    self._relock()
            elif number != REGISTER_STATUS:
                self.registers[number] = value
        self.update()

    def _relock(self) -> None:
        self.locked = False
        if self._lock_alarm is not None:
            self._lock_alarm.cancel()
        due_ns = self.world.now_ns + self.lock_ms * 1_000_000
        self._lock_alarm = self.world.alarm(due_ns, self._lock)

    def _lock(self) -> None:
        self._lock_alarm = None
        self.locked = VCO_MIN_HZ <= self._vco_hz() <= VCO_MAX_HZ
        self.update()

    def cut(self, seen: bool) -> None:
        """A fault: the clock stops reaching the FX3; ``seen`` when PLL A reports the loss too."""
        self.clock_cut = True
        if seen:
            self.locked = False
        self.update()

    def restore(self) -> None:
        """The clock is back and PLL A locked."""
        self.clock_cut = False
        self._lock()

    def update(self) -> None:
        """Work the output out again and tell the FX3 when it changed."""
        rate = self._clk0_hz()
        if rate != self._rate:
            self._rate = rate
            self.changed(rate)

    def _clk0_hz(self) -> Fraction | None:
        if self.clock_cut or not self.locked:
            return None
        if self.registers[REGISTER_CLK0_CONTROL] & CLK0_POWER_DOWN:
            return None
        divider = self._ratio(REGISTER_MULTISYNTH_0)
        halvings = self.registers[REGISTER_MULTISYNTH_0 + 2] >> 4 & 0x07
        return self._vco_hz() / divider / (1 << halvings) if divider > 0 else None

    def _vco_hz(self) -> Fraction:
        return CRYSTAL_HZ * self._ratio(REGISTER_PLL_A)

    def _ratio(self, base: int) -> Fraction:
        """The ratio a + b/c that eight parameter registers hold (AN619: P1, P2, P3)."""
        raw = self.registers[base : base + 8]
        p1 = (raw[2] & 0x03) << 16 | raw[3] << 8 | raw[4]
        p2 = (raw[5] & 0x0F) << 16 | raw[6] << 8 | raw[7]
        p3 = (raw[5] & 0xF0) << 12 | raw[0] << 8 | raw[1]
        if p3 == 0:
            return Fraction(0)
        return Fraction(p1 + 512, 128) + Fraction(p2, 128 * p3)


class Tuner:
    """The VHF tuner, as far as detection needs it: it acknowledges its address."""

    def read(self, register: int, count: int) -> bytes:
        """Read zeros."""
        del register
        return bytes(count)

    def write(self, register: int, data: bytes) -> None:
        """Take any bytes."""


class Rx888:
    """One RX888mk2 on the bench.

    Args:
        world: the clock.
        options: the bench's knobs.
        load: finds the program in the RAM that the boot ROM was given.

    Attributes:
        chip: the FX3.
        clock: the Si5351.
    """

    def __init__(
        self, world: World, options: Options, load: Callable[[bytearray, int], Program | None]
    ) -> None:
        self.world = world
        bus = I2cBus()
        self.chip = Fx3(world, options, bus, {SENSE_PIN: False}, load)
        self.clock = Si5351(world, options.pll_lock_ms, self.chip.sample_clock)
        bus.devices[SI5351_ADDRESS] = self.clock
        bus.devices[TUNER_ADDRESS] = Tuner()
