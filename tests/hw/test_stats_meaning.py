"""What each field of GETSTATS means: on a world, each moves for its own reason alone.

api.md of the firmware project says otherwise for several of them: [5-8] a free-running counter of
the main loop, byte [8] the GPIF state, [11-14] unclean stops, [15-18] endpoint underruns alone.
USBHandler.c is right, and so is :class:`hw.protocol.Stats`.
"""

from dataclasses import fields

import pytest

from hw.protocol import (
    CLOCK_READ_FAILED,
    OVERRUN_THREAD_0,
    OVERRUN_THREAD_1,
    GpifState,
    Request,
    Stats,
    UsbEvent,
)
from sim.faults import Fault
from tests.sim.bench import MHZ, booted, driver, pause

BLOCK_BYTES = 1 << 20


def moved(before: Stats, after: Stats) -> set[str]:
    """The names of the fields that differ."""
    return {f.name for f in fields(Stats) if getattr(before, f.name) != getattr(after, f.name)}


@pytest.fixture
def world():
    with booted() as bench:
        yield bench


@pytest.fixture
def rx(world):
    opened = driver(world)
    opened.start_adc(64 * MHZ)
    return opened


def test_trap_30_nothing_moves_in_an_idle_device(world, rx):
    """No field is a counter of the main loop: fifty of its loops change none."""
    before = rx.stats()
    pause(world, 5_000)
    assert moved(before, rx.stats()) == set()


def test_trap_30_gpif_state_is_byte_4_and_byte_8_belongs_to_the_pib_errors(rx):
    idle = rx.request_in(Request.GETSTATS, 26)
    assert (idle[4], idle[8]) == (GpifState.IDLE, 0)
    with rx.stream(limit_blocks=50) as stream:
        next(stream)
        raw = rx.request_in(Request.GETSTATS, 26)
    assert raw[4] not in (GpifState.RESET, GpifState.IDLE)
    assert raw[5:9] == bytes(4)


def test_trap_30_reading_a_stream_moves_its_count_and_state_alone(rx):
    with rx.stream() as stream:
        next(stream)
        before = rx.stats()
        for _ in range(50):
            next(stream)
        after = rx.stats()
    assert after.dma_count > before.dma_count > 0
    assert moved(before, after) <= {"dma_count", "gpif_state"}


def test_trap_30_an_overflow_moves_the_pib_errors_and_names_the_thread(world, rx):
    """Nobody reads: the buffers are full after 1 ms, long before the stream watchdog looks."""
    before = rx.stats()
    rx.start()
    pause(world, 20)
    after = rx.stats()
    assert moved(before, after) == {"dma_count", "gpif_state", "pib_errors", "last_pib_error"}
    assert (after.dma_count, after.gpif_state) == (8, GpifState.TH0_WAIT)
    assert after.last_pib_error in (OVERRUN_THREAD_0, OVERRUN_THREAD_1)


def test_trap_30_a_recovery_moves_the_streaming_faults_by_one(world, rx):
    """Level 1 is what they count, an endpoint underrun or not: three silent ticks, then one."""
    rx.start()
    pause(world, 200)
    before = rx.stats()
    assert before.streaming_faults == 0
    pause(world, 400)
    after = rx.stats()
    assert after.streaming_faults == 1
    assert "i2c_failures" not in moved(before, after)


def test_trap_30_an_underrun_moves_the_streaming_faults_too(world, rx):
    before = rx.stats()
    world.chip.sdk.raise_usb_event(UsbEvent.EP_UNDERRUN, 0)
    pause(world, 1)
    after = rx.stats()
    assert moved(before, after) == {"streaming_faults"}
    assert after.streaming_faults == 1


def test_trap_30_unclean_stops_are_counted_nowhere(world, rx):
    """STOP twice, STOP in mid-stream, STOP of a stream that nobody read: no [11-14]."""
    rx.stop()
    before = rx.stats()
    rx.stop()
    rx.start()
    rx.stop()
    assert moved(before, rx.stats()) <= {"pib_errors", "last_pib_error"}
    assert rx.stats().i2c_failures == 0


def test_trap_30_a_failed_transfer_to_the_clock_generator_moves_the_i2c_failures():
    """GETSTATS reads it itself, so asking can be the cause; the fields it could not read say so."""
    silent = Fault("error", call="i2c_receive_bytes", during="GETSTATS", at_ms=3_000, times=3)
    with booted(faults=[silent]) as world:
        rx = driver(world)
        rx.start_adc(64 * MHZ)
        before = rx.stats()
        world.run_until(3_100_000_000)
        after, later = rx.stats(), rx.stats()
        assert before.i2c_failures == 0
        assert (after.clock_status, after.clk0_control, after.clk0_on) == (
            0,
            CLOCK_READ_FAILED,
            False,
        )
        assert later.i2c_failures == 3
        assert moved(before, later) == {"i2c_failures"}


def test_trap_30_the_clock_fields_tell_of_clk0_and_pll_a_apart(rx):
    """STARTADC(0) powers CLK0 down and leaves PLL A locked."""
    on = rx.stats()
    rx.start_adc(0)
    off = rx.stats()
    assert (on.clock_status, on.clk0_control, on.clk0_on) == (1, 0x4F, True)
    assert (off.clock_status, off.clk0_control, off.clk0_on) == (1, 0x80, False)


def test_trap_30_start_and_stop_zero_the_count_and_nothing_else(world, rx):
    rx.start()
    pause(world, 600)
    before = rx.stats()
    rx.stop()
    after = rx.stats()
    assert (before.dma_count, after.dma_count) == (8, 0)
    assert before.pib_errors > 0
    assert before.streaming_faults > 0
    assert moved(before, after) == {"dma_count", "gpif_state"}


def test_trap_30_the_boot_count_counts_no_sessions(rx):
    for _ in range(3):
        rx.start()
        rx.stop()
    assert rx.stats().boot_count == 1
