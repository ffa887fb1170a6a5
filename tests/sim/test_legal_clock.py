"""A host may write the clock generator as it likes; the reference answers by level 1 alone.

Source: USBHandler.c (I2CWFX3 reaches every register), AN619 (what each of them does to CLK0).
"""

from __future__ import annotations

import pytest

from hw.protocol import GpioBit, Request
from sim.faults import Fault
from tests.sim.bench import DONE, MHZ, booted, levels, pause, request, stats, streaming, word

CLOCK = 0xC0
OFF = {
    "output disabled": (3, b"\x01"),
    "powered down": (16, b"\x80"),
    "no source": (16, b"\x47"),
    "from PLL B, which is not locked": (16, b"\x6f"),
    "PLL A out of range": (26, b"\xff\xff\x03\xfe\x00\xf0\x00\x00"),
    "multisynth without a denominator": (42, bytes(8)),
    "divided by 900 and by 128": (42, b"\x00\x01\x71\xc0\x00\x00\x00\x00"),
}
"""Register and values that stop CLK0, or make it too slow to fill a buffer in half a second."""
ON = {3: b"\x00", 16: b"\x4f"}


def written(world, register: int, data: bytes) -> None:
    transfer = request(world, Request.I2CWFX3, CLOCK, index=register, data=data)
    assert transfer.status is DONE


@pytest.mark.parametrize("is_running", [False, True])
@pytest.mark.parametrize("name", OFF)
def test_a_clock_that_the_host_stopped_costs_level_1_at_most(name, is_running):
    """Written before the start or in mid-stream: no application restart and no reset follows."""
    with booted("reference", "reference") as world:
        word(world, Request.STARTADC, 64 * MHZ)
        pause(world, 10)
        if not is_running:
            written(world, *OFF[name])
            pause(world, 5)
        world.host.device.bulk.submit(1 << 26)
        word(world, Request.STARTFX3)
        pause(world, 50)
        if is_running:
            written(world, *OFF[name])
        pause(world, 20_000)
        assert max(levels(world), default=0) <= 1
        assert world.chip.resets == []


@pytest.mark.parametrize("name", [name for name, (register, _) in OFF.items() if register in ON])
def test_the_stream_goes_on_when_the_clock_is_back(name):
    """The host writes the register back, and data comes again without another START."""
    with booted("reference", "reference") as world:
        drain = streaming(world)
        pause(world, 50)
        register, data = OFF[name]
        written(world, register, data)
        pause(world, 3_000)
        before = drain.bytes
        written(world, register, ON[register])
        pause(world, 1_000)
        assert drain.bytes > before
        assert world.chip.resets == []


def test_an_adc_that_was_put_to_sleep_costs_nothing_above_level_1():
    """GPIO bit 5, in mid-stream, for 20 s; and the stream goes on afterwards."""
    with booted("reference", "reference") as world:
        drain = streaming(world)
        pause(world, 50)
        word(world, Request.GPIOFX3, GpioBit.ADC_SHUTDOWN)
        pause(world, 20_000)
        assert max(levels(world), default=0) <= 1
        before = drain.bytes
        word(world, Request.GPIOFX3, 0)
        pause(world, 1_000)
        assert drain.bytes > before
        assert world.chip.resets == []


def test_a_cold_start_with_a_sound_clock_is_still_answered():
    """What is looked at more closely than before still says that the clock is there."""
    fault = Fault.parse("cold_start:until=reset")
    with booted("reference", "reference", faults=[fault]) as world:
        word(world, Request.STARTADC, 64 * MHZ)
        world.host.device.bulk.submit(1 << 20)
        word(world, Request.STARTFX3)
        pause(world, 10_000)
        assert [reset.cause for reset in world.chip.resets] == ["device_reset"]


@pytest.mark.parametrize("frequency_hz", [1, 1_000, MHZ, 200 * MHZ])
def test_slow_and_fast_clocks_of_startadc_are_no_lost_clocks(frequency_hz):
    """STARTADC makes 65,536 Hz of 1 Hz; the stream of such a clock is left alone."""
    with booted("reference", "reference") as world:
        drain = streaming(world, frequency_hz)
        pause(world, 5_000)
        assert levels(world) == []
        assert drain.bytes > 0
        assert stats(world).streaming_faults == 0
