"""The analogue front end as the FX3's pins drive it: switches, step attenuator, gain amplifier.

Pin numbers are those of rx888r2.c. The attenuator (PE4304) and the amplifier (AD8370) share a
serial clock and a data line; each has a latch line. Nothing of it can be read back.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

from hw.protocol import GpioBit


class Pin(IntEnum):
    """FX3 pins of the front end (rx888r2.c)."""

    ATTENUATOR_LATCH = 17
    BIAS_VHF = 18
    BIAS_HF = 19
    RANDOMIZER = 20
    LED_BLUE = 21
    PGA = 24
    SERIAL_DATA = 26
    SERIAL_CLOCK = 27
    ADC_SHUTDOWN = 28
    DITHER = 29
    VHF_ENABLE = 35
    VGA_LATCH = 38


PIN_OF_BIT = {
    GpioBit.ADC_SHUTDOWN: Pin.ADC_SHUTDOWN,
    GpioBit.DITHER: Pin.DITHER,
    GpioBit.RANDOMIZER: Pin.RANDOMIZER,
    GpioBit.BIAS_HF: Pin.BIAS_HF,
    GpioBit.BIAS_VHF: Pin.BIAS_VHF,
    GpioBit.LED_BLUE: Pin.LED_BLUE,
    GpioBit.PGA: Pin.PGA,
    GpioBit.VHF_ENABLE: Pin.VHF_ENABLE,
}
"""Which pin a bit of the GPIOFX3 word sets, in the order of rx888r2.c; PGA's is the inverse."""

ATTENUATOR_BITS = 6
ATTENUATOR_STEP_DB = 0.5
VGA_BITS = 8
VGA_HIGH_RANGE = 0x80
"""Bit 7 of the gain code; the low seven bits are the gain (AD8370 data sheet)."""
_VGA_VERNIER = 0.055744
_VGA_HIGH_RANGE_FACTOR = 7.079458
_PGA_GAIN = 1.5
"""The ADC's input range is 1.5 V with its PGA pin high, 2.25 V with it low (LTC2208 data sheet)."""
_SEEN_IN_SAMPLES = frozenset((Pin.PGA, Pin.RANDOMIZER, Pin.VHF_ENABLE))

ATTENUATOR_LATCH = int(Pin.ATTENUATOR_LATCH)
SERIAL_DATA = int(Pin.SERIAL_DATA)
SERIAL_CLOCK = int(Pin.SERIAL_CLOCK)
ADC_SHUTDOWN = int(Pin.ADC_SHUTDOWN)
VGA_LATCH = int(Pin.VGA_LATCH)


class FrontEnd:
    """Everything between antenna and ADC data lines.

    A pin that nothing drives is low, as far as anyone here can tell (assumed).

    Args:
        shut_down: told when the ADC is put to sleep or woken.
        changed: called when what the samples look like has changed.

    Attributes:
        pins: levels of the driven pins, by number.
        attenuator: the code that is latched, 0 to 63, in steps of 0.5 dB.
        vga: the gain code that is latched.
    """

    def __init__(self, shut_down: Callable[[bool], None], changed: Callable[[], None]) -> None:
        self.shut_down = shut_down
        self.changed = changed
        self.pins = {int(pin): False for pin in Pin}
        self.attenuator = 0
        self.vga = 0
        self._attenuator_bits = 0
        self._vga_bits = 0

    def level(self, pin: Pin) -> bool:
        """The level of one pin."""
        return self.pins[pin]

    @property
    def word(self) -> int:
        """The GPIOFX3 word that would set the pins as they are."""
        word = sum(bit for bit, pin in PIN_OF_BIT.items() if self.pins[pin])
        return int(word ^ GpioBit.PGA)

    @property
    def gain(self) -> float:
        """Volts at the converter for a volt at the HF antenna; 0 where VHF is switched on."""
        if self.pins[Pin.VHF_ENABLE]:
            return 0.0
        attenuation = 10 ** (-self.attenuator * ATTENUATOR_STEP_DB / 20)
        amplification = (self.vga & ~VGA_HIGH_RANGE) * _VGA_VERNIER
        if self.vga & VGA_HIGH_RANGE:
            amplification *= _VGA_HIGH_RANGE_FACTOR
        return attenuation * amplification * (_PGA_GAIN if self.pins[Pin.PGA] else 1.0)

    # ------------------------------------------------------------ lines

    def drive(self, pin: int, level: bool) -> None:
        """The FX3 drives a pin; pins that lead nowhere are ignored."""
        before = self.pins.get(pin)
        if before is None or before == level:
            return
        self.pins[pin] = level
        if pin == SERIAL_CLOCK:
            if level:
                self._shift(self.pins[SERIAL_DATA])
        elif pin == ATTENUATOR_LATCH:
            if level:
                self._latch(self._attenuator_bits, self.vga)
        elif pin == VGA_LATCH:
            if level:
                self._latch(self.attenuator, self._vga_bits)
        elif pin == ADC_SHUTDOWN:
            self.shut_down(level)
        elif pin in _SEEN_IN_SAMPLES:
            self.changed()

    def release(self) -> None:
        """The FX3 lets go of its pins: they fall, in the order of their numbers."""
        for pin in self.pins:
            self.drive(pin, False)

    def power_up(self) -> None:
        """The power comes: both codes 0 (assumed; hosts set them before they stream)."""
        self._attenuator_bits = self._vga_bits = 0
        self._latch(0, 0)

    def _shift(self, bit: bool) -> None:
        """Both chips take the bit, most significant first, while their latch line is low."""
        if not self.pins[ATTENUATOR_LATCH]:
            self._attenuator_bits = (self._attenuator_bits << 1 | bit) & (1 << ATTENUATOR_BITS) - 1
        if not self.pins[VGA_LATCH]:
            self._vga_bits = (self._vga_bits << 1 | bit) & (1 << VGA_BITS) - 1

    def _latch(self, attenuator: int, vga: int) -> None:
        if (attenuator, vga) != (self.attenuator, self.vga):
            self.attenuator, self.vga = attenuator, vga
            self.changed()
