"""The sample clock: off, changed, pulled away from under a stream, and out of range.

A STARTFX3 without a clock is refused; firmware up to 2.3 refuses so late that the host sees
success, and only absent data tells. Functions are as in :mod:`scenarios.suite.protocol`.

Source: ``fx3_cmd.c``; ``USBHandler.c`` for the preflight.
"""

from __future__ import annotations

from functools import partial

from hw.errors import DeviceError, StalledError
from hw.protocol import CLOCK_PLL_A_UNLOCKED, Request
from scenarios.errors import Trouble
from scenarios.station import Station
from scenarios.suite.moves import (
    CLOCK_ADDRESS,
    MHZ,
    ask,
    failure_of,
    primed_start_with_retry,
    read_enough,
    read_up_to,
    send_word_with_retry,
    start_at,
)

CLK0_CONTROL_REGISTER = 16
CLK0_POWER_DOWN = 0x80
HOP_RATES_HZ = tuple(rate * MHZ for rate in (16, 32, 48, 64, 128))
REPROGRAM_RATES_HZ = tuple(rate * MHZ for rate in (16, 32, 48, 64, 128, 64, 48, 32, 16, 128))
EXTREME_RATES_HZ = (1_000_000, 200_000_000, 1)
REST_RATE_HZ = 32 * MHZ


def _start_is_refused(station: Station) -> str:
    """STARTFX3 without a clock: how it was refused, or an empty text when data came."""
    error = failure_of(station.device.start)
    if isinstance(error, StalledError):
        return "stalled"
    if error is not None:
        raise error
    received = read_up_to(station, 4_096, 1_000)
    station.device.stop()
    return "" if received else "taken, no data"


def pll_preflight(station: Station) -> str:
    """STARTFX3 with the clock off starts nothing."""
    station.device.start_adc(0)
    station.sleep_ms(200)
    try:
        refusal = _start_is_refused(station)
    finally:
        failure_of(lambda: station.device.start_adc(REST_RATE_HZ))
    if not refusal:
        raise Trouble("data without a clock")
    return refusal


def clk0_chip_query(station: Station) -> str:
    """The clock turned off behind the firmware's back, by I2C, is seen by STARTFX3 as well."""
    station.device.i2c_write(CLOCK_ADDRESS, CLK0_CONTROL_REGISTER, bytes([CLK0_POWER_DOWN]))
    station.sleep_ms(50)
    try:
        refusal = _start_is_refused(station)
        if not refusal:
            raise Trouble("data without a clock")
    except (DeviceError, Trouble):
        failure_of(lambda: station.device.start_adc(REST_RATE_HZ))
        raise
    station.device.start_adc(REST_RATE_HZ)
    station.sleep_ms(50)
    received = station.enough(primed_start_with_retry(station))
    station.device.stop()
    return f"{refusal}; with the clock {received} bytes"


def clock_pull(station: Station) -> str:
    """The clock goes away in mid-stream and comes back; the next stream runs."""
    start_at(station, 32 * MHZ)
    read_enough(station, 1_000)
    station.begin("clock off")
    failure_of(lambda: station.device.start_adc(0))
    station.sleep_ms(200)
    failure_of(station.device.stop)
    station.sleep_ms(100)
    station.begin("clock on")
    station.device.start_adc(32 * MHZ)
    station.sleep_ms(100)
    station.device.start()
    received = read_enough(station, 2_000)
    station.device.stop()
    return f"{received} bytes after it"


def freq_hop(station: Station) -> str:
    """Five sample rates, a stream at each."""
    for rate_hz in HOP_RATES_HZ:
        station.begin(f"{rate_hz // MHZ} MHz")
        send_word_with_retry(station, Request.STARTADC, rate_hz)
        station.sleep_ms(100)
        send_word_with_retry(station, Request.STARTFX3)
        read_enough(station, 2_000)
        station.device.stop()
        station.sleep_ms(50)
    station.device.start_adc(REST_RATE_HZ)
    return f"{len(HOP_RATES_HZ)} rates"


def startadc_mid_stream(station: Station) -> str:
    """STARTADC in mid-stream stops the stream; a START brings it back at the new rate."""
    station.device.stats()
    start_at(station, 32 * MHZ)
    read_enough(station, 2_000)
    station.begin("new rate")
    station.device.start_adc(64 * MHZ)
    station.sleep_ms(200)
    station.device.start()
    received = read_enough(station, 2_000)
    station.device.stop()
    return f"{received} bytes at the new rate"


def rapid_adc_reprogram(station: Station) -> str:
    """Ten rates, 10 ms apart: PLL A is locked after each."""
    for rate_hz in REPROGRAM_RATES_HZ:
        station.begin(f"{rate_hz // MHZ} MHz")
        station.device.start_adc(rate_hz)
        station.sleep_ms(10)
        if station.device.stats().clock_status & CLOCK_PLL_A_UNLOCKED:
            raise Trouble(f"PLL A not locked at {rate_hz // MHZ} MHz")
    station.device.start_adc(REST_RATE_HZ)
    return f"locked at {len(REPROGRAM_RATES_HZ)} rates"


def adc_freq_extremes(station: Station) -> str:
    """Rates at and beyond the ends of what the clock generator can do: the device lives on."""
    for rate_hz in EXTREME_RATES_HZ:
        station.begin(f"{rate_hz} Hz")
        failure_of(partial(station.device.start_adc, rate_hz))
        station.sleep_ms(50)
        ask(station)
    station.device.start_adc(REST_RATE_HZ)
    return f"alive after {len(EXTREME_RATES_HZ)} rates"
