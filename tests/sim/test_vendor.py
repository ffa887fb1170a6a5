"""The vendor requests as a host finds them: what counts, what is cut, what stalls and when."""

from __future__ import annotations

import pytest

from hw.errors import DeviceTimeoutError
from hw.protocol import BUFFER_BYTES, Argument, GpifState, GpioBit, Request
from sim.front_end import Pin
from sim.si5351 import SI5351_ADDRESS

from .bench import (
    DONE,
    MHZ,
    STALLED,
    alive,
    booted,
    clocked,
    driver,
    levels,
    pause,
    request,
    stats,
    streaming,
    word,
)

FIRMWARES = ("original", "fw-2.2", "fw-2.3", "reference")
ABSENT = (0x90, 0xC2)


@pytest.fixture
def shipped():
    """Firmware 2.3 under its own policy, enumerated."""
    with booted() as world:
        yield world


def i2c_read(world, address: int, register: int, count: int):
    return request(world, Request.I2CRFX3, address, index=register, length=count, into=True)


def i2c_write(world, address: int, register: int, data: bytes):
    transfer = request(world, Request.I2CWFX3, address, index=register, data=data)
    pause(world, 2)
    return transfer


def argument(world, index: int, value: int, data: bytes = b"\0"):
    transfer = request(world, Request.SETARGFX3, value, index=index, data=data)
    pause(world, 1)
    return transfer.status


def counter(world) -> int:
    """The request counter, without the TESTFX3 that asks for it."""
    return request(world, Request.TESTFX3, length=4, into=True).reply[3]


# ---------------------------------------------------------------- I2C


@pytest.mark.parametrize("firmware", FIRMWARES)
@pytest.mark.parametrize("address", ABSENT)
def test_trap_01_an_i2c_write_that_nobody_answers_looks_like_success(firmware, address):
    """USBHandler.c: the data is acknowledged before the transfer; one failure is counted."""
    with booted(firmware) as world:
        before = stats(world).i2c_failures
        assert i2c_write(world, address, 0, b"\0").status is DONE
        assert stats(world).i2c_failures == before + 1
        assert alive(world)


@pytest.mark.parametrize("firmware", FIRMWARES)
@pytest.mark.parametrize("address", ABSENT)
def test_trap_01_an_i2c_read_that_nobody_answers_stalls(firmware, address):
    """USBHandler.c, fw_test.sh: a real stall, one failure, no retry; the bus works on."""
    with booted(firmware) as world:
        before = stats(world).i2c_failures
        assert i2c_read(world, address, 0, 1).status is STALLED
        assert stats(world).i2c_failures == before + 1
        assert len(i2c_read(world, SI5351_ADDRESS, 0, 8).reply) == 8
        assert stats(world).i2c_failures == before + 1


def test_trap_01_a_refused_start_shows_as_no_data(shipped):
    """fx3_cmd.c pll_preflight: success at the host, then nothing but a time-out."""
    assert word(shipped, Request.STARTADC, 0) is DONE
    assert word(shipped, Request.STARTFX3) is DONE
    with pytest.raises(DeviceTimeoutError):
        driver(shipped).read(BUFFER_BYTES, timeout_ms=1_000)
    assert stats(shipped).dma_count == 0


@pytest.mark.parametrize("index", [0, 9, 12, 13, 15, 42, 0xFFFF])
@pytest.mark.parametrize(
    ("firmware", "status"),
    [("original", DONE), ("fw-2.2", DONE), ("fw-2.3", DONE), ("reference", STALLED)],
)
def test_trap_01_an_unknown_argument_is_refused_late_or_in_time(firmware, status, index):
    """USBHandler.c stalls after the data stage; the reference looks before it."""
    with booted(firmware) as world:
        before = counter(world)
        assert argument(world, index, 1) is status
        assert counter(world) == before + 1
        assert world.board.front_end.attenuator == 0


def test_no_bytes_are_no_bus_traffic(shipped):
    """i2cmodule.c: a read of nothing succeeds even where nobody answers."""
    before = stats(shipped).i2c_failures
    transfer = i2c_read(shipped, ABSENT[0], 0, 0)
    assert (transfer.status, transfer.reply) == (DONE, b"")
    assert stats(shipped).i2c_failures == before


def test_trap_21_windex_is_the_register_and_wvalue_the_address(shipped):
    """USBHandler.c; the project's api.md has them the other way round."""
    assert i2c_write(shipped, SI5351_ADDRESS, 0xA1, b"\x5a").status is DONE
    assert i2c_read(shipped, SI5351_ADDRESS, 0xA1, 1).reply == b"\x5a"
    assert i2c_read(shipped, 0xA1, SI5351_ADDRESS, 1).status is STALLED


def test_trap_21_both_are_cut_to_a_byte_and_the_direction_bit_is_ignored(shipped):
    """USBHandler.c: I2cTransfer takes bytes; i2cmodule.c sets the direction bit by itself."""
    assert i2c_write(shipped, 0x1200 | SI5351_ADDRESS, 0x34A1, b"\x5a").status is DONE
    assert i2c_read(shipped, 0xFF00 | SI5351_ADDRESS, 0x78A1, 1).reply == b"\x5a"
    assert i2c_read(shipped, SI5351_ADDRESS, 0x00A1, 1).reply == b"\x5a"
    assert i2c_read(shipped, SI5351_ADDRESS | 1, 0xA1, 1).reply == b"\x5a"
    assert i2c_read(shipped, SI5351_ADDRESS >> 1, 0xA1, 1).status is STALLED


def test_i2c_moves_up_to_the_whole_buffer(shipped):
    """USBHandler.c: 64 bytes are the most, 65 stall before anything happens."""
    data = bytes(range(64))
    assert i2c_write(shipped, SI5351_ADDRESS, 0x60, data).status is DONE
    assert i2c_read(shipped, SI5351_ADDRESS, 0x60, 64).reply == data
    assert i2c_write(shipped, SI5351_ADDRESS, 0x60, bytes(65)).status is STALLED
    assert i2c_read(shipped, SI5351_ADDRESS, 0x60, 65).status is STALLED
    assert i2c_read(shipped, SI5351_ADDRESS, 0x60, 64).reply == data


def test_i2c_write_read_as_the_tests_do_it(shipped):
    """fx3_cmd.c i2c_write_read: register 183, one bit flipped, read back, and restored."""
    device = driver(shipped)
    (before,) = device.i2c_read(SI5351_ADDRESS, 183, 1)
    assert before == 0x52
    device.i2c_write(SI5351_ADDRESS, 183, bytes([before ^ 1]))
    assert device.i2c_read(SI5351_ADDRESS, 183, 1) == bytes([before ^ 1])
    device.i2c_write(SI5351_ADDRESS, 183, bytes([before]))
    assert device.i2c_read(SI5351_ADDRESS, 183, 1) == bytes([before])


def test_i2c_while_streaming_disturbs_nothing(shipped):
    """fx3_cmd.c i2c_under_load."""
    drain = streaming(shipped)
    pause(shipped, 100)
    assert len(i2c_read(shipped, SI5351_ADDRESS, 0, 1).reply) == 1
    read = drain.bytes
    pause(shipped, 100)
    assert drain.bytes - read > 12_000_000
    assert stats(shipped).streaming_faults == 0


# ---------------------------------------------------------------- the clock and the stream


def test_trap_02_state_0_is_no_reason_to_stop(shipped):
    """USBHandler.c: before its first clock the machine is in state 0, and stays enabled."""
    assert stats(shipped).gpif_state == GpifState.RESET
    assert word(shipped, Request.STARTADC, 32 * MHZ) is DONE
    pause(shipped, 10)
    assert stats(shipped).gpif_state == GpifState.IDLE


def test_trap_04_the_stale_count_of_a_killed_stream_is_no_stall(shipped):
    """RunApplication.c: the stream watchdog looks at states 5, 7, 8 and 9 alone."""
    clocked(shipped)
    assert word(shipped, Request.STARTFX3) is DONE
    pause(shipped, 50)
    clocked(shipped, 32 * MHZ)
    pause(shipped, 2_000)
    reply = stats(shipped)
    assert (reply.gpif_state, reply.dma_count) == (GpifState.DISABLED, 8)
    assert reply.streaming_faults == 0
    assert levels(shipped) == []


@pytest.mark.parametrize("rate_hz", [16 * MHZ, 64 * MHZ, 128 * MHZ])
def test_trap_05_eight_buffers_at_any_rate(shipped, rate_hz):
    """cyu3dma.h: the channel's count of 4 is per producer; stuck at 8 in state 9."""
    clocked(shipped, rate_hz)
    assert word(shipped, Request.STARTFX3) is DONE
    pause(shipped, 20)
    reply = stats(shipped)
    assert (reply.dma_count, reply.gpif_state) == (8, GpifState.TH0_WAIT)


def test_trap_06_a_clock_pulled_by_its_host_freezes_the_machine(shipped):
    """fx3_cmd.c clock_pull: a write to register 16 in mid stream; STOP has to force."""
    streaming(shipped, 32 * MHZ)
    pause(shipped, 100)
    i2c_write(shipped, SI5351_ADDRESS, 16, b"\x80")
    frozen = stats(shipped)
    assert frozen.gpif_state in (GpifState.TH0_RD, GpifState.TH1_RD)
    pause(shipped, 5_000)
    assert stats(shipped) == frozen
    assert word(shipped, Request.STOPFX3) is DONE
    assert stats(shipped).gpif_state == GpifState.DISABLED
    clocked(shipped, 32 * MHZ)
    assert word(shipped, Request.STARTFX3) is DONE
    pause(shipped, 100)
    assert stats(shipped).dma_count > 100


def test_trap_07_a_failed_preflight_stops_nothing(shipped):
    """USBHandler.c: the stream that stands still goes on where it was, with its count."""
    drain = streaming(shipped, 32 * MHZ)
    pause(shipped, 100)
    i2c_write(shipped, SI5351_ADDRESS, 16, b"\x80")
    before, read = stats(shipped), drain.bytes
    assert word(shipped, Request.STARTFX3) is DONE
    pause(shipped, 100)
    assert stats(shipped) == before
    i2c_write(shipped, SI5351_ADDRESS, 16, b"\x4f")
    pause(shipped, 100)
    assert drain.bytes > read + 6_000_000
    assert stats(shipped).dma_count > before.dma_count


def test_trap_25_a_nack_is_counted_until_set_configuration(shipped):
    """USBHandler.c: START and STOP leave the counter alone."""
    i2c_read(shipped, 0xC2, 0, 1)
    clocked(shipped)
    assert word(shipped, Request.STARTFX3) is DONE
    assert word(shipped, Request.STOPFX3) is DONE
    assert stats(shipped).i2c_failures == 1


def test_trap_28_the_overflow_precedes_a_late_read(shipped):
    """fx3_cmd.c pib_overflow: 10 ms after STARTFX3 the PIB error is there; the read still works."""
    clocked(shipped)
    assert word(shipped, Request.STARTFX3) is DONE
    pause(shipped, 10)
    reply = stats(shipped)
    assert (reply.pib_errors, reply.last_pib_error) == (1, 0x1005)
    assert len(driver(shipped).read(BUFFER_BYTES, timeout_ms=500)) == BUFFER_BYTES


# ---------------------------------------------------------------- arguments and pins


@pytest.mark.parametrize(
    ("value", "latched"), [(0, 0), (1, 1), (63, 63), (64, 0), (65, 1), (0xFFFF, 63)]
)
def test_trap_22_the_attenuator_takes_six_bits(shipped, value, latched):
    """rx888r2.c: no value is refused."""
    for before in (0, 63):
        assert argument(shipped, Argument.ATTENUATOR, before) is DONE
        assert argument(shipped, Argument.ATTENUATOR, value) is DONE
        assert shipped.board.front_end.attenuator == latched
        assert shipped.board.front_end.vga == 0


@pytest.mark.parametrize(
    ("value", "latched"), [(0, 0), (127, 127), (128, 128), (255, 255), (256, 0), (0xFFFF, 255)]
)
def test_trap_22_the_amplifier_takes_a_byte(shipped, value, latched):
    """rx888r2.c: bit 7 is the high gain range, what is above is cut."""
    for before in (0, 255):
        assert argument(shipped, Argument.VGA, before) is DONE
        assert argument(shipped, Argument.VGA, value) is DONE
        assert shipped.board.front_end.vga == latched
        assert shipped.board.front_end.attenuator == 0


@pytest.mark.parametrize("payload", [b"\xff", b"\xff\xff\xff\xff", bytes(64)])
def test_trap_22_the_payload_is_ignored(shipped, payload):
    """USBHandler.c: the value travels in wValue."""
    assert argument(shipped, Argument.ATTENUATOR, 21, payload) is DONE
    assert shipped.board.front_end.attenuator == 21


def test_trap_23_a_short_word_is_completed_by_the_last_one(shipped):
    """USBHandler.c: one EP0 buffer for all requests; GPIOFX3 takes four bytes of it."""
    assert word(shipped, Request.GPIOFX3, int(GpioBit.PGA | GpioBit.BIAS_HF)) is DONE
    assert request(shipped, Request.GPIOFX3, data=b"\x40").status is DONE
    pause(shipped, 1)
    assert shipped.board.front_end.word == GpioBit.PGA | GpioBit.BIAS_HF | GpioBit.DITHER


def test_trap_23_replies_pass_through_the_same_buffer(shipped):
    """USBHandler.c: TESTFX3 leaves 04 02 03 and its count, I2CRFX3 zeros behind its bytes."""
    front_end = shipped.board.front_end
    counter(shipped)
    # 04 02 03 and the count, with 20 for its first byte: bits 5, 9 and 16.
    assert request(shipped, Request.GPIOFX3, data=b"\x20").status is DONE
    pause(shipped, 1)
    assert front_end.word == GpioBit.ADC_SHUTDOWN | GpioBit.BIAS_VHF | GpioBit.PGA
    assert word(shipped, Request.GPIOFX3, 0xFFFF_FFFF) is DONE
    assert i2c_read(shipped, SI5351_ADDRESS, 200, 1).status is DONE
    assert request(shipped, Request.GPIOFX3, data=b"\x40").status is DONE
    pause(shipped, 1)
    assert front_end.word == GpioBit.DITHER
    assert word(shipped, Request.GPIOFX3, 0xFFFF_FFFF) is DONE
    assert i2c_read(shipped, ABSENT[0], 200, 1).status is STALLED
    assert request(shipped, Request.GPIOFX3, data=b"\x40").status is DONE
    pause(shipped, 1)
    assert front_end.word == GpioBit.DITHER


def test_trap_23_i2c_writes_only_what_was_sent(shipped):
    """USBHandler.c: here the length counts, so no stale byte reaches a register."""
    assert word(shipped, Request.GPIOFX3, 0x1111_1111) is DONE
    assert i2c_write(shipped, SI5351_ADDRESS, 200, b"\x5a").status is DONE
    assert i2c_read(shipped, SI5351_ADDRESS, 200, 4).reply == b"\x5a\0\0\0"


def test_pins_and_arguments_while_streaming_disturb_nothing(shipped):
    """fx3_cmd.c gpio_during_stream: the patterns of the test, the last one clear of bit 5."""
    drain = streaming(shipped)
    for pattern in (0, 0xFFFF_FFFF, 0xAAAA_AAAA, 0x5555_5555, 0xFFFF, 0xFFFF_0000, 0):
        assert word(shipped, Request.GPIOFX3, pattern) is DONE
        pause(shipped, 10)
    read = drain.bytes
    pause(shipped, 100)
    assert drain.bytes - read > 12_000_000
    assert stats(shipped).streaming_faults == 0
    assert not shipped.board.front_end.level(Pin.ADC_SHUTDOWN)


def test_requests_that_do_not_count(shipped):
    """USBHandler.c: GPIO and I2C leave the request counter alone."""
    before = counter(shipped)
    word(shipped, Request.GPIOFX3, 0)
    i2c_write(shipped, SI5351_ADDRESS, 200, b"\0")
    i2c_read(shipped, SI5351_ADDRESS, 200, 1)
    i2c_read(shipped, ABSENT[0], 0, 1)
    assert counter(shipped) == before + 1


# ---------------------------------------------------------------- two threads, one channel


def first_recovery_ns() -> int:
    with booted() as world:
        unread_from(world)
        pause(world, 1_000)
        return world.firmware.remedies_applied[0][0]


def unread_from(world) -> None:
    clocked(world)
    pause(world, 10)
    assert word(world, Request.STARTFX3) is DONE


@pytest.mark.parametrize("late_us", [-500, -100, -50, -31, -30, 0, 100, 500, 950, 1_000, 1_500])
def test_trap_32_a_start_in_the_middle_of_a_recovery(late_us):
    """fx3_cmd.c watchdog_race: both rewrite the same channel; the recovery sleeps 1 ms in between.

    The handler itself is never interrupted by the main thread: its priority is higher, and it
    waits for nothing.
    """
    recovery_ns = first_recovery_ns()
    with booted() as world:
        unread_from(world)
        world.run_until(recovery_ns + late_us * 1_000)
        assert word(world, Request.STARTFX3) is DONE
        pause(world, 3_000)
        assert alive(world)
        assert word(world, Request.STOPFX3) is DONE
        device = driver(world)
        device.start_adc(64 * MHZ)
        assert len(device.primed_start(BUFFER_BYTES, timeout_ms=2_000)) == BUFFER_BYTES
