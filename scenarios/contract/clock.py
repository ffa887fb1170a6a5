"""The sample clock, as far as a host can know it from the requests that it has sent."""

from __future__ import annotations

POWER_DOWN = 0x80
"""Si5351 register 16, bit 7 (data sheet)."""
CLK0_ON = 0x4F
"""What STARTADC writes there (Si5351.c)."""
CLK0_REGISTER = 16
HARMLESS_REGISTERS = frozenset((0, 1, 183))
"""Status, sticky status and crystal load: they change neither CLK0 nor PLL A (data sheet)."""
VCO_TARGET_HZ = 900_000_000
VCO_MIN_HZ = 600_000_000
RATE_MIN_HZ = 1_000_000
"""Below it STARTADC doubles the rate and divides the output again (Si5351.c)."""


def rate_of(frequency_hz: int) -> int:
    """Return the rate of CLK0 in Hz after STARTADC, or 0 where PLL A need not lock.

    The output divider is three bits wide and its exponent is cut to them, so that very low rates
    come out higher than asked for. Source: Si5351.c; the VCO's range: AN619.

    Args:
        frequency_hz: what STARTADC asked for, above 0.
    """
    doublings = 0
    while frequency_hz < RATE_MIN_HZ:
        frequency_hz *= 2
        doublings += 1
    divider = VCO_TARGET_HZ // frequency_hz & ~1
    if not VCO_MIN_HZ <= divider * frequency_hz <= VCO_TARGET_HZ:
        return 0
    return frequency_hz >> (doublings & 7)


class Clock:
    """What is believed of the clock generator; None is "cannot be known".

    Attributes:
        control: register 16.
        is_locked: PLL A is locked; never False, for no document says when it must not lock.
        rate_hz: of CLK0 when it is on, or 0.
        may_be_asleep: the converter is shut down, which may take the sample clock away.
    """

    def __init__(self) -> None:
        self.control: int | None = None
        self.is_locked: bool | None = None
        self.rate_hz = 0
        # The firmware boots with the converter awake (word 0x0800, RunApplication.c).
        self.may_be_asleep = False

    def forget(self) -> None:
        """Somebody else may have changed it."""
        self.set(None)

    def set(self, frequency_hz: int | None) -> None:
        """STARTADC was served; None when it is not known with what."""
        if frequency_hz is None:
            self.control, self.is_locked, self.rate_hz = None, None, 0
        elif frequency_hz == 0:
            # The lock of PLL A stays what it was (incident F4).
            self.control = POWER_DOWN
        else:
            self.control = CLK0_ON
            self.rate_hz = rate_of(frequency_hz)
            self.is_locked = True if self.rate_hz else None

    def write(self, register: int, data: bytes) -> bool:
        """The host wrote registers itself; returns whether that may touch the sample clock."""
        touched = [(register + offset & 0xFF, value) for offset, value in enumerate(data)]
        is_harmless = True
        for number, value in touched:
            if number == CLK0_REGISTER:
                self.control = value
                is_harmless = False
            elif number not in HARMLESS_REGISTERS:
                self.is_locked = None
                self.rate_hz = 0
                is_harmless = False
        return not is_harmless

    @property
    def is_ready(self) -> bool | None:
        """The preflight of STARTFX3 passes: CLK0 on, then PLL A locked."""
        if self.control is None:
            return None
        return False if self.control & POWER_DOWN else self.is_locked

    @property
    def runs(self) -> bool:
        """The state machine certainly has its clock, at :attr:`rate_hz`."""
        return (
            self.control == CLK0_ON
            and self.is_locked is True
            and self.rate_hz > 0
            and not self.may_be_asleep
        )
