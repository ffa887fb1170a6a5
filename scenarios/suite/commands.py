"""The plain commands of the original's tool, one request each, for a command line to offer.

Each returns the text of its PASS line and raises :class:`~scenarios.errors.Trouble` or a
:class:`~hw.errors.DeviceError` where the original fails. :data:`COMMANDS` has them by name.

Source: ``fx3_cmd.c``.
"""

from __future__ import annotations

from collections.abc import Callable

from hw.connection import request_name
from hw.errors import StalledError
from hw.protocol import EP0_BUFFER_BYTES, Argument, Stats
from scenarios.station import Station
from scenarios.suite.moves import (
    require_image,
    send_word,
    set_argument,
    stalled_or_taken,
    upload,
)

RESET_SETTLE_MS = 3_000


def test(station: Station) -> str:
    """TESTFX3: hardware, firmware version, request counter."""
    info = station.device.info()
    return (
        f"hwconfig={info.hardware:#04x} fw={info.firmware_major}."
        f"{info.firmware_minor} count={info.request_count}"
    )


def gpio(station: Station, word: int) -> str:
    """GPIOFX3: all front-end pins at once."""
    station.device.set_gpio(word)
    return f"{word:#010x}"


def adc(station: Station, rate_hz: int) -> str:
    """STARTADC: the sample clock in Hz; 0 turns it off."""
    station.device.start_adc(rate_hz)
    return f"{rate_hz} Hz"


def start(station: Station) -> str:
    """STARTFX3."""
    station.device.start()
    return "started"


def stop(station: Station) -> str:
    """STOPFX3."""
    station.device.stop()
    return "stopped"


def att(station: Station, value: int) -> str:
    """Attenuator, in steps of 0.5 dB; the firmware keeps the low 6 bits."""
    set_argument(station, Argument.ATTENUATOR, value)
    return str(value)


def vga(station: Station, value: int) -> str:
    """Gain code; the firmware keeps the low 8 bits."""
    set_argument(station, Argument.VGA, value)
    return str(value)


def wdg_max(station: Station, value: int) -> str:
    """The streaming watchdog's cap; 0 is none."""
    set_argument(station, Argument.WATCHDOG_CAP, value)
    return str(value)


def i2cr(station: Station, address: int, register: int, size_bytes: int) -> str:
    """Read I2C registers, 64 bytes at most."""
    data = station.device.i2c_read(address, register, min(size_bytes, EP0_BUFFER_BYTES))
    return data.hex(" ")


def i2cw(station: Station, address: int, register: int, data: bytes) -> str:
    """Write I2C registers."""
    station.device.i2c_write(address, register, data)
    return f"{len(data)} bytes"


def raw(station: Station, code: int) -> str:
    """Any vendor request with a word of zero; a stall is as good as an acceptance."""
    stalled = stalled_or_taken(request_name(code), lambda: send_word(station, code))
    return "STALL" if stalled else "accepted"


def reset(station: Station) -> str:
    """RESETFX3: to the boot ROM; a device that leaves at once has not failed."""
    try:
        station.device.reset()
    except StalledError:
        return "STALL"
    return "reset"


def stats(station: Station) -> str:
    """GETSTATS, field by field."""
    return stats_text(station.device.stats())


def stats_text(found: Stats) -> str:
    """Return the fields of GETSTATS as the original's tool prints them."""
    return (
        f"dma={found.dma_count} gpif={found.gpif_state} pib={found.pib_errors} "
        f"last_pib={found.last_pib_error:#06x} i2c={found.i2c_failures} "
        f"faults={found.streaming_faults} pll={found.clock_status:#04x} boot={found.boot_count} "
        f"clk0_reg16={found.clk0_control} clk0_result={found.clk0_on}"
    )


def load(station: Station) -> str:
    """Reset to the boot ROM, wait 3 s, and upload the station's image."""
    image = require_image(station)
    station.device.reset()
    station.sleep_ms(RESET_SETTLE_MS)
    upload(station)
    return f"{image.data_bytes} bytes uploaded"


COMMANDS: dict[str, Callable[..., str]] = {
    command.__name__: command
    for command in (
        test,
        gpio,
        adc,
        start,
        stop,
        att,
        vga,
        wdg_max,
        i2cr,
        i2cw,
        raw,
        reset,
        stats,
        load,
    )
}
IN_TWO_WORDS = {"i2c read": "i2cr", "i2c write": "i2cw"}
"""Other names of some of them."""
