"""The vendor requests of the firmware and of the boot ROM, and the words they carry.

Source: firmware 2.3 ``protocol.h``, ``USBHandler.c``.
"""

from enum import IntEnum, IntFlag
from typing import Final


class Request(IntEnum):
    """Vendor requests: ``bRequest`` values of the firmware, and the one of the boot ROM."""

    RAM_ACCESS = 0xA0
    """Boot ROM alone: OUT writes, IN reads back, OUT without data jumps."""
    STARTFX3 = 0xAA
    STOPFX3 = 0xAB
    TESTFX3 = 0xAC
    GPIOFX3 = 0xAD
    I2CWFX3 = 0xAE
    I2CRFX3 = 0xAF
    RESETFX3 = 0xB1
    STARTADC = 0xB2
    GETSTATS = 0xB3
    SETARGFX3 = 0xB6
    READINFODEBUG = 0xBA
    HANGFX3 = 0xCE
    """Test hook: the EP0 handler sleeps wValue milliseconds before it acknowledges."""
    HANGMAIN = 0xCF
    """Test hook: the main thread spins for ever from its next loop on."""


class Argument(IntEnum):
    """SETARGFX3 identifiers (``wIndex``); the value travels in ``wValue``."""

    ATTENUATOR = 10
    VGA = 11
    WATCHDOG_CAP = 14


ATTENUATOR_MAX: Final = 63
"""Half decibels; of the value the firmware keeps the low six bits (``USBHandler.c``)."""
VGA_MAX: Final = 255
"""Gain code; the firmware keeps the low byte, of which bit 7 chooses the high range."""
WATCHDOG_CAP_MAX: Final = 255
"""Recoveries after a START; the firmware keeps the low byte, and 0 is without limit."""


class GpioBit(IntFlag):
    """Bits of the GPIOFX3 word that reach a pin; all others are ignored."""

    ADC_SHUTDOWN = 1 << 5
    DITHER = 1 << 6
    RANDOMIZER = 1 << 7
    BIAS_HF = 1 << 8
    BIAS_VHF = 1 << 9
    LED_BLUE = 1 << 11
    VHF_ENABLE = 1 << 15
    PGA = 1 << 16
    """The pin is the inverse of the bit."""


GPIO_BOOT_WORD: Final = int(GpioBit.LED_BLUE)
