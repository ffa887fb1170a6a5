"""I2C from the host, and what GETSTATS counts. Functions are as in :mod:`scenarios.suite.protocol`.

Source: ``fx3_cmd.c``.
"""

from __future__ import annotations

from hw.errors import StalledError
from hw.protocol import CLOCK_INITIALISING, CLOCK_PLL_A_UNLOCKED
from scenarios.errors import Trouble
from scenarios.station import Station
from scenarios.suite.moves import (
    CLOCK_ADDRESS,
    MHZ,
    SILENT_ADDRESSES,
    ask,
    failure_of,
    start_at,
)

CRYSTAL_LOAD_REGISTER = 183
MULTIBYTE_BYTES = 8
UNREAD_MS = 2_000


def stats_i2c(station: Station) -> str:
    """A read from an address without a chip is counted."""
    before = station.device.stats().i2c_failures
    failure_of(lambda: station.device.i2c_read(SILENT_ADDRESSES[1], 0, 1))
    after = station.device.stats().i2c_failures
    if after <= before:
        raise Trouble(f"I2C failures {before}, then {after}")
    _strictly_one_more(station, before, after)
    return f"{before}, then {after}"


def stats_pib(station: Station) -> str:
    """A stream that nobody reads makes PIB errors, and they are counted."""
    counted = station.device.stats().pib_errors
    if counted == 0:
        start_at(station, 64 * MHZ)
        station.sleep_ms(UNREAD_MS)
        station.device.stop()
        station.sleep_ms(200)
        counted = station.device.stats().pib_errors
    if counted == 0:
        raise Trouble("no PIB error counted")
    return f"{counted} PIB errors"


def stats_pll(station: Station, rate_hz: int = 0) -> str:
    """The clock generator is up and PLL A locked, CLK0 on or off.

    The original meets a device that its uploader has streamed from. On one that has just booted
    PLL A was never programmed, and whether it reports lock then is not known.

    Args:
        station: where it runs.
        rate_hz: clock to set first, as the uploader does; 0 leaves it as it is.
    """
    if rate_hz:
        station.set_clock(rate_hz)
    status = station.device.stats().clock_status
    if status & (CLOCK_INITIALISING | CLOCK_PLL_A_UNLOCKED):
        raise Trouble(f"clock generator's status {status:#04x}")
    return f"status {status:#04x}"


def i2c_bad_addr(station: Station) -> str:
    """A read from an address without a chip is refused, and the device lives on."""
    before = station.device.stats().i2c_failures
    error = failure_of(lambda: station.device.i2c_read(SILENT_ADDRESSES[0], 0, 1))
    ask(station)
    after = station.device.stats().i2c_failures
    station.strictly(isinstance(error, StalledError), "a read without an answer was not stalled")
    _strictly_one_more(station, before, after)
    return f"failures {before}, then {after}"


def i2c_write_bad_addr(station: Station) -> str:
    """A write to an address without a chip is counted, and the device lives on."""
    before = station.device.stats().i2c_failures
    failure_of(lambda: station.device.i2c_write(SILENT_ADDRESSES[0], 0, b"\x00"))
    ask(station)
    after = station.device.stats().i2c_failures
    _strictly_one_more(station, before, after)
    return f"failures {before}, then {after}"


def i2c_write_read(station: Station) -> str:
    """A register of the clock generator takes a bit and gives it back."""
    device = station.device
    (original,) = device.i2c_read(CLOCK_ADDRESS, CRYSTAL_LOAD_REGISTER, 1)
    changed = original ^ 1
    device.i2c_write(CLOCK_ADDRESS, CRYSTAL_LOAD_REGISTER, bytes([changed]))
    (found,) = device.i2c_read(CLOCK_ADDRESS, CRYSTAL_LOAD_REGISTER, 1)
    device.i2c_write(CLOCK_ADDRESS, CRYSTAL_LOAD_REGISTER, bytes([original]))
    if found != changed:
        raise Trouble(f"wrote {changed:#04x}, read {found:#04x}")
    return f"{original:#04x} became {changed:#04x}"


def i2c_multibyte(station: Station) -> str:
    """Eight registers written with what they hold, the status among them, read the same."""
    device = station.device
    before = device.i2c_read(CLOCK_ADDRESS, 0, MULTIBYTE_BYTES)
    device.i2c_write(CLOCK_ADDRESS, 0, before)
    after = device.i2c_read(CLOCK_ADDRESS, 0, MULTIBYTE_BYTES)
    if len(before) != MULTIBYTE_BYTES or after != before:
        raise Trouble(f"read {before.hex(' ')}, then {after.hex(' ')}")
    return after.hex(" ")


def _strictly_one_more(station: Station, before: int, after: int) -> None:
    station.strictly(after == before + 1, f"I2C failures {before}, then {after}, not one more")
