"""The firmware's driver of the Si5351: detection clock, ADC clock, the two preflight reads.

Source: driver/Si5351.c of the public firmware: register values and order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.rtos import SUCCESS
from sim.si5351 import (
    CLOCK_POWER_DOWN,
    CRYSTAL_HZ,
    LOSS_OF_LOCK_A,
    PLL_A_RESET,
    PLL_B_RESET,
    REGISTER_CLK0_CONTROL,
    REGISTER_CLK1_CONTROL,
    REGISTER_CLK2_CONTROL,
    REGISTER_CRYSTAL_LOAD,
    REGISTER_MULTISYNTH_0,
    REGISTER_MULTISYNTH_2,
    REGISTER_PLL_A,
    REGISTER_PLL_B,
    REGISTER_PLL_RESET,
    REGISTER_STATUS,
    SI5351_ADDRESS,
)

if TYPE_CHECKING:
    from sim.firmware.state import FirmwareState

DENOMINATOR = 1_048_575
VCO_TARGET_HZ = 900_000_000
CLK0_ON = 0x4F
"""Multisynth 0 in integer mode from PLL A, 8 mA."""
CLK2_ON = 0x6C
"""Multisynth 2 in integer mode from PLL B, 2 mA."""
CRYSTAL_LOAD_6PF = 0x52
DETECTION_CLOCK_HZ = 16_000_000
"""Clocks the tuner while the board is told by it."""


def synthesis_parameters(p1: int, p2: int, p3: int) -> bytes:
    """The eight parameter registers of a PLL or a multisynth (AN619)."""
    return bytes(
        (
            p3 >> 8 & 0xFF,
            p3 & 0xFF,
            p1 >> 16 & 0x03,
            p1 >> 8 & 0xFF,
            p1 & 0xFF,
            (p3 >> 12 & 0xF0) | (p2 >> 16 & 0x0F),
            p2 >> 8 & 0xFF,
            p2 & 0xFF,
        )
    )


def adc_registers(frequency_hz: int) -> tuple[bytes, bytes]:
    """Registers 26..33 and 42..49 for an ADC clock, as the firmware works them out.

    The registers of PLL B and multisynth 2 are worked out in the same way.
    """
    frequency, r_divider = frequency_hz, 0
    while frequency < 1_000_000:
        frequency *= 2
        r_divider += 0x10
    divider = VCO_TARGET_HZ // frequency & ~1
    vco_hz = divider * frequency
    multiple, rest = divmod(vco_hz, CRYSTAL_HZ)
    numerator = rest * DENOMINATOR // CRYSTAL_HZ
    fraction = 128 * numerator // DENOMINATOR
    pll = synthesis_parameters(
        128 * multiple + fraction - 512 & 0x3FFFF,
        128 * numerator - DENOMINATOR * fraction,
        DENOMINATOR,
    )
    multisynth = bytearray(synthesis_parameters(128 * divider - 512 & 0x3FFFF, 0, 1))
    multisynth[2] |= r_divider & 0xFF
    return pll, bytes(multisynth)


class ClockDriver:
    """The clock generator as the firmware drives it, with its failure counter."""

    def __init__(self, firmware: FirmwareState) -> None:
        self.firmware = firmware

    def write(self, register: int, data: bytes) -> int:
        """Write registers; a failure is counted."""
        status = self.firmware.sdk.i2c_transmit_bytes(SI5351_ADDRESS, register, data)
        return self._counted(status)

    def read(self, register: int) -> tuple[int, int]:
        """Read one register: (status, value); a failure is counted and reads 0."""
        status, data = self.firmware.sdk.i2c_receive_bytes(SI5351_ADDRESS, register, 1)
        if status == SUCCESS:
            return SUCCESS, data[0]
        return self._counted(status), 0

    def _counted(self, status: int) -> int:
        if status != SUCCESS:
            self.firmware.i2c_failures += 1
        return status

    def _write_all(self, writes: tuple[tuple[int, bytes], ...]) -> int:
        """Write one after the other, until one fails."""
        for register, data in writes:
            status = self.write(register, data)
            if status != SUCCESS:
                return status
        return SUCCESS

    def initialise(self) -> int:
        """Set the crystal's load and turn the clocks off, at boot."""
        off = bytes([CLOCK_POWER_DOWN])
        return self._write_all(
            (
                (REGISTER_CRYSTAL_LOAD, bytes([CRYSTAL_LOAD_6PF])),
                (REGISTER_CLK0_CONTROL, off),
                (REGISTER_CLK1_CONTROL, off),
                (REGISTER_CLK2_CONTROL, off),
            )
        )

    def set_adc_clock(self, frequency_hz: int) -> int:
        """Program CLK0; 0 powers it down, which leaves PLL A locked (incident F4)."""
        if frequency_hz == 0:
            return self.write(REGISTER_CLK0_CONTROL, bytes([CLOCK_POWER_DOWN]))
        pll, multisynth = adc_registers(frequency_hz)
        return self._write_all(
            (
                (REGISTER_PLL_A, pll),
                (REGISTER_MULTISYNTH_0, multisynth),
                (REGISTER_PLL_RESET, bytes([PLL_A_RESET])),
                (REGISTER_CLK0_CONTROL, bytes([CLK0_ON])),
            )
        )

    def start_detection_clock(self) -> int:
        """Program CLK2 for the tuner."""
        pll, multisynth = adc_registers(DETECTION_CLOCK_HZ)
        return self._write_all(
            (
                (REGISTER_PLL_B, pll),
                (REGISTER_MULTISYNTH_2, multisynth),
                (REGISTER_PLL_RESET, bytes([PLL_B_RESET])),
                (REGISTER_CLK2_CONTROL, bytes([CLK2_ON])),
            )
        )

    def stop_detection_clock(self) -> int:
        """Power CLK2 down."""
        return self.write(REGISTER_CLK2_CONTROL, bytes([CLOCK_POWER_DOWN]))

    def pll_locked(self) -> bool:
        """PLL A reports lock."""
        status, value = self.read(REGISTER_STATUS)
        return status == SUCCESS and not value & LOSS_OF_LOCK_A

    def clk0_on(self) -> bool:
        """CLK0 is powered."""
        status, value = self.read(REGISTER_CLK0_CONTROL)
        return status == SUCCESS and not value & CLOCK_POWER_DOWN

    def ready(self) -> bool:
        """The preflight: CLK0 on, then PLL A locked; the first failure ends it."""
        return self.clk0_on() and self.pll_locked()
