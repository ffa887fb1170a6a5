"""The moves of the firmware's own tests: what they send, and exactly when.

Facts: ``fx3_cmd.c``: retries after 500 and 1000 ms on time-out or failed transfer alone, a primed
start without a clear-halt but between its tries, 4 s and 2 s of waits around an upload.
"""

from __future__ import annotations

import pytest

from hw.errors import (
    DeviceTimeoutError,
    NoDeviceError,
    StalledError,
    TransferError,
)
from hw.protocol import Request
from scenarios.errors import Trouble
from scenarios.suite import moves
from sim.options import Options

from .suite_bench import fails, lie, stations, swallows

MS = 1_000_000


@pytest.fixture
def bench():
    with stations() as (station, world):
        yield station, world


def exchanges(station):
    """Every transfer from now on."""
    seen = []
    station.device.observe(seen.append)
    return seen


def failing(times, error):
    """An answer that fails some times and is true afterwards."""
    left = times

    def answer(true, payload):
        nonlocal left
        if left:
            left -= 1
            raise error("request", "a lie")
        return true()

    return answer


@pytest.mark.parametrize("error", [DeviceTimeoutError, TransferError])
@pytest.mark.parametrize(("failures", "waits_ms"), [(0, 0), (1, 500), (2, 1_500)])
def test_a_word_is_tried_three_times(bench, error, failures, waits_ms):
    """Again after 500 ms, and after 1000 ms more; each retry is said."""
    station, world = bench
    lie(station, Request.STARTADC, failing(failures, error))
    began_ns = world.now_ns
    moves.send_word_with_retry(station, Request.STARTADC, 32_000_000)
    assert waits_ms * MS <= world.now_ns - began_ns < waits_ms * MS + 20 * MS
    assert len(station.said) == failures


@pytest.mark.parametrize("error", [DeviceTimeoutError, TransferError])
def test_the_third_failure_of_a_word_counts(bench, error):
    """There is no fourth try."""
    station, world = bench
    lie(station, Request.STARTADC, failing(3, error))
    began_ns = world.now_ns
    with pytest.raises(error):
        moves.send_word_with_retry(station, Request.STARTADC, 32_000_000)
    assert world.now_ns - began_ns == 1_500 * MS


@pytest.mark.parametrize("error", [StalledError, NoDeviceError])
def test_other_failures_of_a_word_are_not_tried_again(bench, error):
    """A refusal stays a refusal."""
    station, world = bench
    lie(station, Request.STARTADC, fails(error))
    began_ns = world.now_ns
    with pytest.raises(error):
        moves.send_word_with_retry(station, Request.STARTADC, 32_000_000)
    assert world.now_ns == began_ns
    assert station.said == []


def test_a_short_write_is_a_failed_transfer(bench):
    """As the original maps it."""
    station, _ = bench
    lie(station, Request.STOPFX3, lambda true, payload: 3)
    with pytest.raises(TransferError, match="3 of 4 bytes"):
        moves.send_word(station, Request.STOPFX3)


def test_a_word_is_four_bytes_little_endian(bench):
    """The payload of every OUT request with a number."""
    station, _ = bench
    seen = exchanges(station)
    moves.send_word(station, Request.STARTADC, 64_000_000)
    (exchange,) = seen
    assert (exchange.sent, exchange.value, exchange.index) == (b"\x00\x90\xd0\x03", 0, 0)


def test_an_argument_travels_in_the_setup(bench):
    """The id is wIndex, the value wValue, and the one byte means nothing."""
    station, _ = bench
    seen = exchanges(station)
    moves.set_argument(station, 14, 3)
    (exchange,) = seen
    assert (exchange.request, exchange.index, exchange.value) == (0xB6, 14, 3)
    assert exchange.sent == b"\x00"


@pytest.mark.parametrize(("failures", "waits_ms"), [(0, 0), (1, 500), (2, 1_500)])
def test_a_primed_start_stops_and_clears_the_halt_between_its_tries(bench, failures, waits_ms):
    """STOPFX3, 500 ms, clear-halt, again; STOPFX3, 1000 ms, clear-halt, again."""
    station, world = bench
    station.device.start_adc(32_000_000)
    seen = exchanges(station)
    lie(station, Request.STARTFX3, failing(failures, TransferError))
    began_ns = world.now_ns
    received = moves.primed_start_with_retry(station, timeout_ms=50)
    assert received == moves.BLOCK_BYTES
    kinds = [exchange.kind for exchange in seen]
    assert kinds.count("clear-halt") == failures
    stops = sum(exchange.request == Request.STOPFX3 for exchange in seen)
    assert stops == failures
    # Each failed try also waits for its read, which pyusb cannot cancel.
    spent_ns = world.now_ns - began_ns - failures * 50 * MS
    assert waits_ms * MS <= spent_ns < waits_ms * MS + 25 * MS


def test_a_primed_start_never_clears_the_halt(bench):
    """It is what broke the next transfer on hardware."""
    station, _ = bench
    station.device.start_adc(32_000_000)
    seen = exchanges(station)
    moves.primed_start(station)
    assert [exchange.kind for exchange in seen] == ["out", "bulk"]


def test_a_primed_start_without_a_clock_ends_in_a_time_out(bench):
    """0 bytes are a time-out, not a success (history: 9c8be5e)."""
    station, _ = bench
    station.device.start_adc(0)
    with pytest.raises(DeviceTimeoutError):
        moves.primed_start(station, timeout_ms=200)


def test_a_read_that_fails_counts_nothing_and_is_said(bench):
    """A time-out is no failure; what arrived in time counts."""
    station, _ = bench
    assert moves.read_up_to(station, 16_384, 20) == 0
    assert station.said == []

    def broken(buffer, timeout_ms):
        raise TransferError("bulk read", "a lie")

    station.device._connection.bulk_read_into = broken
    assert moves.read_up_to(station, 16_384, 20) == 0
    assert len(station.said) == 1


def test_a_partial_read_counts():
    """At 1 MS/s 8 ms fill one buffer; 30 ms of time-out bring three of them."""
    with stations() as (station, _):
        station.device.start_adc(1_000_000)
        station.device.start()
        received = moves.read_up_to(station, 1 << 20, 30)
        assert 0 < received < 1 << 20


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (swallows, "it taken, not stalled"),
        (fails(DeviceTimeoutError), "it no answer in time, not stalled"),
    ],
)
def test_must_stall_takes_nothing_else(bench, answer, text):
    """PIPE, and nothing but PIPE."""
    station, _ = bench
    lie(station, 0xCC, answer)
    with pytest.raises(Trouble, match=text):
        moves.must_stall("it", lambda: moves.send_word(station, 0xCC))


def test_stalled_or_taken(bench):
    """PIPE and success pass, a time-out does not."""
    station, _ = bench
    assert moves.stalled_or_taken("it", lambda: moves.send_word(station, 0xCC))
    assert not moves.stalled_or_taken("it", lambda: moves.send_word(station, Request.STOPFX3))
    lie(station, 0xCC, fails(DeviceTimeoutError))
    with pytest.raises(Trouble, match="it no answer in time"):
        moves.stalled_or_taken("it", lambda: moves.send_word(station, 0xCC))


@pytest.mark.parametrize("from_boot_rom", [False, True])
def test_an_upload_takes_six_seconds(bench, from_boot_rom):
    """4 s of streaming and 2 s of rest, whether there was anything to upload or not."""
    station, world = bench
    if from_boot_rom:
        station.device.reset()
        station.sleep_ms(3_000)
        assert moves.is_in_boot_rom(station)
    began_ns = world.now_ns
    moves.upload(station)
    assert world.now_ns - began_ns == pytest.approx(6_000 * MS, abs=10 * MS)
    assert len(world.programs) == 1 + from_boot_rom
    assert not moves.is_in_boot_rom(station)
    stats = station.device.stats()
    assert (stats.gpif_state, stats.dma_count, stats.clk0_on) == (1, 0, True)


def test_an_upload_that_does_not_come_back_is_an_error():
    """A device that enumerates too late for the 4 s."""
    with stations(options=Options(application_enumeration_ms=5_000)) as (station, _):
        station.device.reset()
        station.sleep_ms(3_000)
        with pytest.raises(NoDeviceError):
            moves.upload(station)
