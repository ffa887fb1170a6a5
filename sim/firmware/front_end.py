"""The firmware's driver of the front end: pins, attenuator and gain, all by software on GPIO.

Source: radio/rx888r2.c of the public firmware: pins and their order. The words are not checked:
bits without a pin are ignored and values are cut to what the chips take.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw.protocol import GPIO_BOOT_WORD, GpioBit
from sim.front_end import ATTENUATOR_BITS, PIN_OF_BIT, VGA_BITS, Pin
from sim.sdk.types import GpioSimpleConfig

if TYPE_CHECKING:
    from sim.sdk import Sdk

PINS = tuple((int(bit), int(pin), bit is GpioBit.PGA) for bit, pin in PIN_OF_BIT.items())
"""Bit of the word, its pin, and whether that is the inverse; set in this order."""
ADC_SHUTDOWN = int(GpioBit.ADC_SHUTDOWN)
OUTPUT = GpioSimpleConfig(drive_low_enabled=True, drive_high_enabled=True)
SERIAL_DATA = int(Pin.SERIAL_DATA)
SERIAL_CLOCK = int(Pin.SERIAL_CLOCK)
ATTENUATOR_LATCH = int(Pin.ATTENUATOR_LATCH)
VGA_LATCH = int(Pin.VGA_LATCH)


class FrontEndDriver:
    """The front end as the firmware drives it.

    Attributes:
        adc_sleeps: the host has put the converter to sleep, and the sample clock with it.
    """

    def __init__(self, sdk: Sdk) -> None:
        self.sdk = sdk
        self.adc_sleeps = False

    def initialise(self) -> None:
        """Make the pins outputs and set the boot word; only on a board that was recognised."""
        sdk = self.sdk
        for pin in Pin:
            sdk.device_gpio_override(pin, True)
            sdk.gpio_set_simple_config(pin, OUTPUT)
        self.set_pins(GPIO_BOOT_WORD)
        sdk.gpio_set_value(VGA_LATCH, True)

    def set_pins(self, word: int) -> None:
        """GPIOFX3: set all eight pins, whatever they were."""
        self.adc_sleeps = bool(word & ADC_SHUTDOWN)
        set_value = self.sdk.gpio_set_value
        for bit, pin, inverted in PINS:
            set_value(pin, bool(word & bit) != inverted)

    def set_attenuator(self, value: int) -> None:
        """The low six bits, in steps of 0.5 dB."""
        self._shift_out(ATTENUATOR_LATCH, value, ATTENUATOR_BITS)
        self.sdk.gpio_set_value(ATTENUATOR_LATCH, False)

    def set_gain(self, value: int) -> None:
        """The low eight bits: the gain, and its range."""
        self._shift_out(VGA_LATCH, value, VGA_BITS)
        self.sdk.gpio_set_value(SERIAL_DATA, False)

    def _shift_out(self, latch: int, value: int, bits: int) -> None:
        """Most significant bit first, then the latch."""
        set_value = self.sdk.gpio_set_value
        set_value(latch, False)
        set_value(SERIAL_CLOCK, False)
        for bit in reversed(range(bits)):
            set_value(SERIAL_DATA, bool(value >> bit & 1))
            set_value(SERIAL_CLOCK, True)
            set_value(SERIAL_CLOCK, False)
        set_value(latch, True)
