"""The Si5351 clock generator: 256 registers, two PLLs, and the output that clocks the ADC.

Source: AN619 (register map) and the Si5351 data sheet.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache

from sim.kernel import World
from sim.options import Options
from sim.tasks import Alarm

SI5351_ADDRESS = 0xC0
CRYSTAL_HZ = 27_000_000

REGISTER_STATUS = 0
REGISTER_STICKY = 1
REGISTER_OUTPUT_DISABLE = 3
REGISTER_CLK0_CONTROL = 16
REGISTER_CLK1_CONTROL = 17
REGISTER_CLK2_CONTROL = 18
REGISTER_PLL_A = 26
REGISTER_PLL_B = 34
REGISTER_MULTISYNTH_0 = 42
REGISTER_MULTISYNTH_2 = 58
REGISTER_PLL_RESET = 177
REGISTER_CRYSTAL_LOAD = 183
PARAMETER_REGISTERS = 8
"""Registers of one PLL or multisynth: P1, P2 and P3."""

CLOCK_POWER_DOWN = 0x80
CLOCK_FROM_PLL_B = 0x20
CLOCK_SOURCE = 0x0C
"""Bits of a CLKn control register: all of these set, the multisynth; none, the crystal."""
PLL_A_RESET = 0x20
PLL_B_RESET = 0x80
LOSS_OF_LOCK_B = 0x40
LOSS_OF_LOCK_A = 0x20
REVISION = 0x01
"""Register 0 reads 01 when all is well (seen on hardware): SYS_INIT is over long before firmware
can ask."""
CRYSTAL_LOAD_10PF = 0xC0
"""Register 183 after power-up (AN619)."""
_CLOCKS = 8
FREQUENCIES_KEPT = 256


class Pll:
    """One of the two PLLs: its eight parameter registers and whether it holds lock.

    Args:
        world: the clock.
        options: lock time, VCO range, and what it reports before it was first programmed.
        registers: all registers of the chip.
        base: number of its first parameter register.
        changed: called when lock comes or goes by itself.
    """

    def __init__(
        self,
        world: World,
        options: Options,
        registers: bytearray,
        base: int,
        changed: Callable[[], None],
    ) -> None:
        self.world = world
        self.options = options
        self.registers = registers
        self.base = base
        self.changed = changed
        self.locked = False
        self.programmed = False
        self._alarm: Alarm | None = None

    @property
    def reports_loss(self) -> bool:
        """Its LOL bit: no lock. Before the first programming an option says what it reads."""
        return not self.locked and (self.programmed or self.options.unprogrammed_pll_reports_loss)

    @property
    def vco_hz(self) -> Fraction:
        """The frequency that its parameters ask for."""
        return _vco_hz(_parameters(self.registers, self.base))

    def parameters_changed(self) -> None:
        """The VCO follows new parameters without losing lock, as long as it can reach them."""
        self.programmed = True
        reachable = self._reachable()
        if self.locked and not reachable:
            self.lose()
        elif not self.locked and reachable and self._alarm is None:
            self.reset()

    def reset(self) -> None:
        """Lock is lost and sought again."""
        self.lose()
        self.programmed = True
        due_ns = self.world.now_ns + self.options.pll_lock_ms * 1_000_000
        self._alarm = self.world.alarm(due_ns, self._sought)

    def lose(self) -> None:
        """Lock is lost, and nothing seeks it."""
        self.locked = False
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def find(self) -> None:
        """Lock, where the VCO can reach what the parameters ask for."""
        self.locked = self._reachable()

    def power_up(self) -> None:
        """As the power leaves it."""
        self.lose()
        self.programmed = False

    def _sought(self) -> None:
        self._alarm = None
        self.find()
        self.changed()

    def _reachable(self) -> bool:
        return self.options.vco_min_hz <= self.vco_hz <= self.options.vco_max_hz


class Si5351:
    """The clock generator; it keeps its registers over resets of the FX3.

    Args:
        world: the clock.
        options: lock time and VCO range of its PLLs.
        changed: told the rate of CLK0 in Hz, exactly, or None when there is no clock.

    Attributes:
        registers: what was written; status and self-clearing bits are not kept here.
        pll_a, pll_b: the PLLs.
        clock_cut: a fault: CLK0 does not reach the board, whatever the registers say.
    """

    def __init__(
        self, world: World, options: Options, changed: Callable[[Fraction | None], None]
    ) -> None:
        self.changed = changed
        self.registers = bytearray(256)
        self.pll_a = Pll(world, options, self.registers, REGISTER_PLL_A, self.update)
        self.pll_b = Pll(world, options, self.registers, REGISTER_PLL_B, self.update)
        self.clock_cut = False
        self._rate: Fraction | None = None
        self.power_up()

    def power_up(self) -> None:
        """Come up as the power leaves it: outputs enabled, every clock powered down."""
        self.registers[:] = bytes(256)
        for number in range(_CLOCKS):
            self.registers[REGISTER_CLK0_CONTROL + number] = CLOCK_POWER_DOWN
        self.registers[REGISTER_CRYSTAL_LOAD] = CRYSTAL_LOAD_10PF
        self.pll_a.power_up()
        self.pll_b.power_up()
        self.update()

    # ------------------------------------------------------------ registers

    def read(self, register: int, count: int) -> bytes:
        """Read registers, auto-incremented."""
        if count == 1:
            return bytes((self._register(register),))
        return bytes(self._register((register + offset) & 0xFF) for offset in range(count))

    def _register(self, number: int) -> int:
        if number == REGISTER_STATUS:
            return REVISION | self._losses()
        return self.registers[number]

    def _losses(self) -> int:
        lost_a = LOSS_OF_LOCK_A if self.pll_a.reports_loss else 0
        return lost_a | LOSS_OF_LOCK_B if self.pll_b.reports_loss else lost_a

    def write(self, register: int, data: bytes) -> None:
        """Write registers, auto-incremented.

        The status does not take writes; a 0 clears a sticky bit, unless its cause still holds; the
        resets of the PLLs clear themselves.
        """
        before = self.registers[:]
        for offset, value in enumerate(data):
            number = (register + offset) & 0xFF
            if number == REGISTER_PLL_RESET:
                self._reset_plls(value)
            elif number == REGISTER_STICKY:
                self.registers[number] &= value
            elif number != REGISTER_STATUS:
                self.registers[number] = value
        for pll in (self.pll_a, self.pll_b):
            parameters = slice(pll.base, pll.base + PARAMETER_REGISTERS)
            if self.registers[parameters] != before[parameters]:
                pll.parameters_changed()
        self.update()

    def _reset_plls(self, value: int) -> None:
        if value & PLL_A_RESET:
            self.pll_a.reset()
        if value & PLL_B_RESET:
            self.pll_b.reset()

    # ------------------------------------------------------------ faults

    def cut(self, seen: bool) -> None:
        """A fault: the clock stops reaching the board; ``seen`` when PLL A reports the loss too."""
        self.clock_cut = True
        if seen:
            self.pll_a.locked = False
        self.update()

    def restore(self) -> None:
        """The clock is back and PLL A locked."""
        self.clock_cut = False
        self.pll_a.find()
        self.update()

    # ------------------------------------------------------------ output

    def update(self) -> None:
        """Work the sticky bits and the output out again; tell the board when CLK0 changed."""
        self.registers[REGISTER_STICKY] |= self._losses()
        rate = self._clk0_hz()
        if rate != self._rate:
            self._rate = rate
            self.changed(rate)

    def _clk0_hz(self) -> Fraction | None:
        control = self.registers[REGISTER_CLK0_CONTROL]
        if self.clock_cut or control & CLOCK_POWER_DOWN:
            return None
        if self.registers[REGISTER_OUTPUT_DISABLE] & 1:
            return None
        multisynth = _parameters(self.registers, REGISTER_MULTISYNTH_0)
        source = control & CLOCK_SOURCE
        if source != CLOCK_SOURCE:
            return Fraction(CRYSTAL_HZ, _output_divider(multisynth)) if source == 0 else None
        pll = self.pll_b if control & CLOCK_FROM_PLL_B else self.pll_a
        if not pll.locked:
            return None
        return _output_hz(_parameters(self.registers, pll.base), multisynth)


def ratio(registers: bytes | bytearray, base: int) -> Fraction:
    """The ratio a + b/c that eight parameter registers hold: P1, P2, P3; 0 where P3 is."""
    return _ratio(_parameters(registers, base))


def _parameters(registers: bytes | bytearray, base: int) -> bytes:
    return bytes(registers[base : base + PARAMETER_REGISTERS])


# Exact fractions are slow, and programs ask for few frequencies: results are remembered.


@lru_cache(maxsize=FREQUENCIES_KEPT)
def _ratio(raw: bytes) -> Fraction:
    p1 = (raw[2] & 0x03) << 16 | raw[3] << 8 | raw[4]
    p2 = (raw[5] & 0x0F) << 16 | raw[6] << 8 | raw[7]
    p3 = (raw[5] & 0xF0) << 12 | raw[0] << 8 | raw[1]
    if p3 == 0:
        return Fraction(0)
    return Fraction((p1 + 512) * p3 + p2, 128 * p3)


@lru_cache(maxsize=FREQUENCIES_KEPT)
def _vco_hz(pll: bytes) -> Fraction:
    return CRYSTAL_HZ * _ratio(pll)


@lru_cache(maxsize=FREQUENCIES_KEPT)
def _output_hz(pll: bytes, multisynth: bytes) -> Fraction | None:
    divider = _ratio(multisynth)
    return _vco_hz(pll) / divider / _output_divider(multisynth) if divider else None


def _output_divider(multisynth: bytes) -> int:
    return 1 << (multisynth[2] >> 4 & 0x07)
