"""Streams of numpy arrays: whole, in order, and never left running."""

import errno
import threading
from array import array
from dataclasses import fields

import numpy as np
import pytest

from hw import stream as stream_module
from hw.errors import BadReplyError, DeniedError, DeviceTimeoutError, NoDeviceError, TransferError
from hw.guard import Authority, HostState, RiskMode
from hw.protocol import Request
from hw.runtime import ThreadRuntime
from hw.rx888 import Rx888
from sim.options import Options
from tests.hw.fake_usb import FakeBackend, FakeDevice, WorldBackend
from tests.sim.bench import booted, driver

PACKET = 512
BLOCK = 16 * PACKET


class Counting(FakeDevice):
    """Counts up in its samples, as a test of readers wants it; each read may fail by script."""

    def __init__(self):
        super().__init__()
        self.next_sample = 0
        self.reads = 0
        self.script: dict[int, int] = {}
        self.short: dict[int, int] = {}


class CountingBackend(WorldBackend):
    def bulk_read(self, dev_handle, ep, intf, buff, timeout):
        device = dev_handle
        device.reads += 1
        if device.reads in device.script:
            raise_os(device.script[device.reads])
        count = device.short.get(device.reads, len(buff)) // 2
        samples = np.arange(device.next_sample, device.next_sample + count).astype("<u2")
        device.next_sample += count
        buff[: 2 * count] = array("B", samples.tobytes())
        return 2 * count + device.short.get(-device.reads, 0)


def raise_os(code):
    raise OSError(code, "scripted")


@pytest.fixture
def device():
    return Counting()


@pytest.fixture
def rx(device):
    with Rx888.open(CountingBackend(device), ThreadRuntime()) as opened:
        yield opened


def requests(device):
    return [request for kind, request, *_ in device.log if kind == 0x40]


def gaps(blocks):
    """How often a sample is not the one after the sample before it, 16 bits wrapping."""
    return int(np.count_nonzero(np.diff(np.concatenate(blocks)) != 1))


def is_contiguous(blocks):
    return gaps(blocks) == 0


def counting_world():
    """A world whose samples count up; where that is an option, it is chosen."""
    chosen = {field.name: True for field in fields(Options) if field.name == "sample_counter"}
    return booted(options=Options(**chosen))


# --- on a scripted device, with threads ----------------------------------------------------------


def test_blocks_are_int16_arrays_of_the_size_asked_for_in_order(rx, device):
    with rx.stream(block_samples=PACKET, limit_blocks=20) as stream:
        blocks = list(stream)
    assert [(block.dtype, block.size) for block in blocks] == [(np.dtype("<i2"), PACKET)] * 20
    assert is_contiguous(blocks)
    assert (stream.blocks, stream.bytes, stream.short_reads) == (20, 20 * 2 * PACKET, 0)
    assert device.reads == 20


def test_the_first_read_is_queued_before_the_start(device):
    """The driver starts the device after it has slept, and the reader needs no longer here."""
    begun = threading.Event()
    slept = []

    class Queueing(CountingBackend):
        def bulk_read(self, *arguments):
            begun.set()
            return super().bulk_read(*arguments)

    class Patient(ThreadRuntime):
        def sleep_ms(self, duration_ms):
            slept.append(duration_ms)
            assert begun.wait(5)
            assert Request.STARTFX3 not in requests(device)

    with Rx888.open(Queueing(device), Patient()) as rx:
        with rx.stream(block_samples=PACKET, limit_blocks=1):
            pass
        assert requests(device) == [Request.STARTFX3, Request.STOPFX3]
        begun.clear()
        device.log.clear()
        assert len(rx.primed_start(1024, timeout_ms=500)) == 1024
        assert requests(device) == [Request.STARTFX3]
    assert len(slept) == 2


def test_the_clock_is_set_only_when_a_rate_is_given(rx, device):
    with rx.stream(block_samples=PACKET, limit_blocks=1):
        pass
    with rx.stream(rate_hz=32_000_000, block_samples=PACKET, limit_blocks=1):
        pass
    start, stop, clock = Request.STARTFX3, Request.STOPFX3, Request.STARTADC
    assert requests(device) == [start, stop, clock, start, stop]


def test_a_block_is_the_programs_own(rx):
    with rx.stream(block_samples=PACKET, limit_blocks=3) as stream:
        first, second, third = stream
    first[:] = 0
    assert second[0] == PACKET
    assert third[0] == 2 * PACKET


def test_a_short_read_is_a_short_block_and_nothing_is_missing_after_it(rx, device):
    device.short[2] = 1024
    with rx.stream(block_samples=BLOCK, limit_blocks=3) as stream:
        blocks = list(stream)
    assert [block.size for block in blocks] == [BLOCK, 512, BLOCK]
    assert stream.short_reads == 1
    assert is_contiguous(blocks)


def test_half_a_sample_is_a_bad_reply(rx, device):
    device.short = {1: 1024, -1: 1}
    with rx.stream(block_samples=BLOCK) as stream, pytest.raises(BadReplyError, match="1025 bytes"):
        next(stream)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (errno.ETIMEDOUT, DeviceTimeoutError),
        (errno.ENODEV, NoDeviceError),
        (errno.EIO, TransferError),
    ],
)
def test_an_error_comes_typed_after_the_blocks_before_it_and_ends_the_stream(
    rx, device, fault, kind
):
    device.script[3] = fault
    with rx.stream(block_samples=PACKET) as stream:
        assert [next(stream)[0], next(stream)[0]] == [0, PACKET]
        with pytest.raises(kind, match="bulk read"):
            next(stream)
        assert list(stream) == []
    assert device.reads == 3
    assert requests(device)[-1] == Request.STOPFX3


def test_a_full_queue_stops_the_reader_and_loses_nothing(rx, device):
    """Two blocks wait in the queue and one in the reader's hand; it reads no further."""
    full = threading.Event()
    rx.observe(lambda exchange: full.set() if device.reads == 3 else None)
    with rx.stream(block_samples=PACKET, depth=2, limit_blocks=10) as stream:
        assert full.wait(5)
        blocks = [next(stream)]
        blocks += stream
    assert stream.waits >= 1
    assert is_contiguous(blocks)
    assert len(blocks) == 10


def test_leaving_early_frees_a_reader_that_waits_for_room(rx, device):
    with rx.stream(block_samples=PACKET, depth=1) as stream:
        next(stream)
    assert requests(device)[-1] == Request.STOPFX3
    reads = device.reads
    assert reads <= 4
    assert not [t for t in threading.enumerate() if t.name == "stream reader"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError, SystemExit])
def test_whatever_happens_the_device_is_left_stopped(rx, device, error):
    with pytest.raises(error), rx.stream(block_samples=PACKET):
        raise error
    assert requests(device)[-2:] == [Request.STARTFX3, Request.STOPFX3]


def test_a_second_interrupt_while_the_reader_is_waited_for_does_not_prevent_the_stop(device):
    class Impatient(ThreadRuntime):
        def spawn(self, name, call):
            handle = super().spawn(name, call)
            handle.join = interrupted
            return handle

    def interrupted(timeout_ms):
        raise KeyboardInterrupt

    with Rx888.open(CountingBackend(device), Impatient()) as rx:
        with pytest.raises(KeyboardInterrupt), rx.stream(block_samples=PACKET, limit_blocks=1):
            raise KeyboardInterrupt
        assert requests(device)[-1] == Request.STOPFX3


def test_a_read_that_never_ends_is_a_time_out_and_the_device_is_stopped_all_the_same(
    device, monkeypatch
):
    monkeypatch.setattr(stream_module, "READ_GRACE_MS", 0)
    forever = threading.Event()

    class Stuck(CountingBackend):
        def bulk_read(self, *arguments):
            forever.wait()
            return 0

    with Rx888.open(Stuck(device), ThreadRuntime()) as rx:
        with (
            pytest.raises(DeviceTimeoutError, match="the read itself does not end"),
            rx.stream(block_samples=PACKET, timeout_ms=1) as stream,
        ):
            next(stream)
        assert requests(device)[-1] == Request.STOPFX3
    forever.set()


def test_a_start_that_fails_is_followed_by_a_stop(rx, device):
    device.faults[Request.STARTFX3] = errno.EIO
    with pytest.raises(TransferError, match="STARTFX3"), rx.stream(block_samples=PACKET):
        raise AssertionError("never entered")
    assert requests(device)[-1] == Request.STOPFX3


def test_a_stop_that_fails_does_not_hide_why_the_program_left(rx, device):
    def leave():
        with rx.stream(block_samples=PACKET):
            device.faults[Request.STOPFX3] = errno.ETIMEDOUT
            raise KeyError("mine")

    with pytest.raises(KeyError) as caught:
        leave()
    assert "may still be streaming: STOPFX3" in caught.value.__notes__[0]


def test_a_stop_that_fails_is_an_error_when_nothing_else_is(rx, device):
    with pytest.raises(DeviceTimeoutError, match="STOPFX3"), rx.stream(block_samples=PACKET):
        device.faults[Request.STOPFX3] = errno.ETIMEDOUT


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"block_samples": 1000}, "block_samples 1000 is no multiple of 512"),
        ({"block_samples": 0}, "block_samples 0"),
        ({"depth": 0}, "depth 0 is less than 1"),
        ({"timeout_ms": 0}, "timeout_ms 0 is less than 1"),
        ({"limit_blocks": 0}, "None means no limit"),
    ],
)
def test_impossible_sizes_are_named(rx, arguments, words):
    with pytest.raises(ValueError, match=words):
        rx.stream(**arguments)


def test_a_stream_is_entered_once_and_iterated_inside(rx):
    stream = rx.stream(block_samples=PACKET, limit_blocks=1)
    with pytest.raises(RuntimeError, match=r"with device\.stream"):
        next(stream)
    with stream:
        pass
    assert list(stream) == []
    with pytest.raises(RuntimeError, match="another one"):
        stream.__enter__()


def test_without_leave_to_stream_nothing_is_sent(device):
    safe = Authority(RiskMode.STANDARD, frozenset(), HostState.NORMAL)
    with Rx888.open(FakeBackend(device), ThreadRuntime(), authority=safe) as rx:
        device.log.clear()
        with pytest.raises(DeniedError), rx.stream(rate_hz=1_000_000):
            raise AssertionError("never entered")
    assert device.log == []


def test_left_stopped_is_for_programs_that_read_by_themselves(rx, device):
    def interrupted():
        with rx.left_stopped() as same:
            assert same is rx
            rx.start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with rx.left_stopped():
        rx.start()
    assert requests(device) == [Request.STARTFX3, Request.STOPFX3] * 2


# --- on a world ----------------------------------------------------------------------------------


def test_on_a_world_the_first_block_is_there_before_the_buffers_are_full():
    """Incident F12: a read that is queued after the start finds them full."""
    with booted() as world:
        rx = driver(world)
        rx.start_adc(128_000_000)
        assert len(rx.primed_start(1 << 20, timeout_ms=500)) == 1 << 20
        rx.stop()
        assert rx.stats().pib_errors == 0
        rx.start()
        world.sleep(2_000_000)  # STARTFX3 looks at the clock first, for 0.6 ms
        rx.stop()
        assert rx.stats().pib_errors > 0


@pytest.mark.parametrize("rate_hz", [16_000_000, 64_000_000, 128_000_000])
def test_a_world_loses_no_sample(rate_hz):
    with counting_world() as world:
        rx = driver(world)
        with rx.stream(rate_hz=rate_hz, limit_blocks=40) as stream:
            blocks = list(stream)
        assert is_contiguous(blocks)
        stats = rx.stats()
        assert stats.pib_errors == stats.streaming_faults == 0
        assert stats.gpif_state == 1
        assert stream.waits == 0


def test_a_program_that_pauses_longer_than_the_queue_lasts_overruns_the_device():
    """4 blocks of 2 ms wait here and 1 ms in the device; the rest is lost there, and shows."""
    with counting_world() as world:
        rx = driver(world)
        with rx.stream(rate_hz=64_000_000, depth=4, limit_blocks=30) as stream:
            next(stream)
            world.sleep(8_000_000)
            assert (stream.waits, rx.stats().pib_errors) == (0, 0)
            world.sleep(92_000_000)
            assert stream.waits == 1
            assert rx.stats().pib_errors > 0
            blocks = list(stream)
        assert len(blocks) == 29
        assert gaps(blocks) <= 1


def test_a_stream_without_a_sample_clock_times_out_and_leaves_the_device_stopped():
    with booted() as world:
        rx = driver(world)
        with (
            pytest.raises(DeviceTimeoutError, match="bulk read"),
            rx.stream(timeout_ms=200) as stream,
        ):
            next(stream)
        assert rx.info().firmware_minor == 3


def test_a_device_that_vanishes_ends_the_stream():
    with booted() as world:
        rx = driver(world)

        def read_on():
            with rx.stream(rate_hz=64_000_000) as stream:
                for _ in stream:
                    if stream.blocks == 10:
                        rx.reset()

        with pytest.raises(NoDeviceError) as caught:
            read_on()
        assert "bulk read" in str(caught.value)
        assert "may still be streaming" in caught.value.__notes__[0]
