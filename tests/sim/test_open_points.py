"""What nobody knows for certain is an option with a default and a source, and has an effect.

The open points of the device, one each: how CLEAR_FEATURE and requests without data are
acknowledged, what the clock generator tells before its first programming, whether the ADC's sleep
stops the clock, PIB errors per overflow, the tail of string 1, the way of a bus reset into the
boot ROM, EP0-complete events, the hardware watchdog's clock, the randomizer.
"""

from __future__ import annotations

import pytest

from hw.protocol import Request
from scenarios.option_text import RANGES
from sim.chip.usb import Setup
from sim.options import Options, sources
from tests.sim.bench import DONE, MHZ, booted, pause, stats, word

OPEN_POINTS = {
    "clear_halt_acked": True,
    "zero_length_data_acked": False,
    "unprogrammed_pll_reports_loss": True,
    "shutdown_stops_clock": True,
    "pib_errors_per_overflow": 1,
    "string_1_tail": 0,
    "usb_reset_ends_in_boot_rom": True,
    "ep0_complete_events": False,
    "watchdog_clock_ppm": 0,
    "randomizer_wired": True,
    "vco_min_hz": 600_000_000,
    "vco_max_hz": 900_000_000,
}


def test_every_open_point_is_an_option_with_its_default():
    """And every option of all names where its default comes from."""
    listed = {name: default for name, default, _ in sources()}
    assert {name: listed.get(name) for name in OPEN_POINTS} == OPEN_POINTS
    assert all(len(source) > 10 for _, _, source in sources())


@pytest.mark.parametrize("count", [1, 3, 16])
def test_pib_errors_of_one_overflow(count):
    """Seen on hardware: 2 to 4 counts after a start that nobody reads, code 1005."""
    assert RANGES["pib_errors_per_overflow"] == (1, 16)
    with booted("fw-2.3", "none", options=Options(pib_errors_per_overflow=count)) as world:
        word(world, Request.STARTADC, 64 * MHZ)
        word(world, Request.STARTFX3)
        pause(world, 50)
        seen = stats(world)
        assert (seen.pib_errors, seen.last_pib_error) == (count, 0x1005)


@pytest.mark.parametrize("tail", [0, 0xBEEF])
def test_the_tail_of_string_1(tail):
    """USBDescriptor.c: 32 bytes are claimed, and what lies behind the array goes out too."""
    with booted(options=Options(string_1_tail=tail)) as world:
        setup = Setup(0x80, 6, 0x0301, 0x0409, 255)
        transfer = world.host.control(world.host.device, setup, b"", 1_000)
        assert transfer.status is DONE
        assert len(transfer.reply) == 32
        assert transfer.reply[-2:] == tail.to_bytes(2, "little")
