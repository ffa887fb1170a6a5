"""The RX888mk2: an FX3, its clock generator, its front end and what else answers on the board.

The board keeps its state over resets of the FX3; only the power takes it.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from sim.chip.fx3 import Fx3, Program, Reset
from sim.chip.i2c import I2cBus
from sim.front_end import FrontEnd
from sim.kernel import World
from sim.options import Options
from sim.samples import Samples
from sim.si5351 import SI5351_ADDRESS, Si5351

TUNER_ADDRESS = 0x74
SENSE_PIN = 36
"""Low on the RX888mk2 (RunApplication.c)."""


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
        front_end: pins, attenuator and amplifier.
        samples: what the ADC makes of it all.
    """

    def __init__(
        self, world: World, options: Options, load: Callable[[bytearray, int], Program | None]
    ) -> None:
        self.world = world
        self.options = options
        self._clock_hz: Fraction | None = None
        self._asleep = False
        bus = I2cBus()
        self.chip = Fx3(world, options, bus, {SENSE_PIN: False}, load)
        self.front_end = FrontEnd(self._adc_shut_down, self._front_end_changed)
        self.samples = Samples(world, options, self.chip, self.front_end)
        self.clock = Si5351(world, options, self._clock_changed)
        bus.devices[SI5351_ADDRESS] = self.clock
        if options.tuner_fitted:
            bus.devices[TUNER_ADDRESS] = Tuner()
        self.chip.on_pin = self.front_end.drive
        self.chip.on_reset.append(self._chip_was_reset)

    def _clock_changed(self, rate_hz: Fraction | None) -> None:
        self._clock_hz = rate_hz
        self._sample_clock()

    def _adc_shut_down(self, asleep: bool) -> None:
        self._asleep = asleep and self.options.shutdown_stops_clock
        self._sample_clock()

    def _sample_clock(self) -> None:
        """The GPIF II is clocked by the ADC's own clock output, which follows CLK0."""
        rate_hz = None if self._asleep else self._clock_hz
        if rate_hz != self.samples.rate_hz:
            self.chip.sample_clock(rate_hz)
            self.samples.set_rate(rate_hz)

    def _front_end_changed(self) -> None:
        self.samples.note_change()

    def _chip_was_reset(self, reset: Reset) -> None:
        self.front_end.release()
        if reset.cause in ("power_on", "power_off"):
            self.front_end.power_up()
            self.clock.power_up()
