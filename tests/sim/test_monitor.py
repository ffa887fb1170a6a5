"""What a USB monitor on a world's host sees."""

from collections import Counter
from itertools import pairwise

import pytest

from hw.errors import DeviceError, DeviceTimeoutError, StalledError
from hw.protocol import Request
from hw.trace.exchanges import follow
from hw.trace.transfers import (
    BUS_ERROR,
    DONE,
    GONE,
    STALLED,
    TAKEN_BACK,
    Stage,
    TransferEvent,
    TransferLog,
)
from scenarios.registry import find
from scenarios.runner import run_episode
from sim.host.drain import Drain
from sim.host.endpoint import FAILING, SILENT
from sim.host.monitor import UsbMonitor
from sim.world import BenchWorld
from tests.sim.bench import MS, clocked, driver, pause, streaming, word

MIB = 1 << 20


def watched(firmware: str = "fw-2.3", policy: str = "none") -> tuple[BenchWorld, TransferLog]:
    """A booted world whose every transfer is told."""
    log = TransferLog()
    world = BenchWorld(firmware, policy)
    world.host.monitor = UsbMonitor(world, log, world.board.samples.read)
    world.boot()
    return world, log


def pairs(log: TransferLog) -> list[tuple[TransferEvent, TransferEvent]]:
    """Submission and completion of each transfer that has ended, in order of submission."""
    begun = {event.number: event for event in log.events if event.stage is Stage.SUBMITTED}
    ended = {event.number: event for event in log.events if event.stage is Stage.COMPLETED}
    return [(event, ended[number]) for number, event in begun.items() if number in ended]


@pytest.mark.parametrize("name", ["main_death", "stopfx3_hang", "stop_start_wedge", "data_sanity"])
def test_a_monitor_changes_nothing(name):
    """Same trace and same row, with and without."""
    plain = run_episode(find(name), seed=3)
    log = TransferLog()
    seen = run_episode(find(name), seed=3, transfers=log)
    assert seen.facts.trace.digest() == plain.facts.trace.digest()
    assert seen.row == plain.row
    assert len(log.events) > 40


def test_enumeration_is_seen_with_its_descriptors():
    """The device's descriptor comes over the wire: 04b4:00f1."""
    with watched()[0] as world:
        log = world.host.monitor.log
        first = next(end for begin, end in pairs(log) if begin.setup[1:4] == b"\x06\x00\x01")
    assert (first.length, first.data[8:12]) == (18, bytes.fromhex("b404f100"))
    assert first.target[:2] == (2, 1)


def test_a_request_carries_its_setup_packet_data_and_end():
    world, log = watched()
    with world:
        device = driver(world)
        del log.events[:]
        device.start_adc(32_000_000)
        with pytest.raises(StalledError):
            device.request_in(0xCC, 4)
        (adc, adc_end), (unknown, unknown_end) = pairs(log)
    assert adc.setup == bytes.fromhex("40b2000000000400")
    assert adc.data == (32_000_000).to_bytes(4, "little")
    assert (adc_end.status, adc_end.length, adc_end.data) == (DONE, 4, b"")
    assert (unknown.setup[1], unknown_end.status, unknown_end.length) == (0xCC, STALLED, 0)


def test_a_request_to_a_hung_handler_is_taken_back_at_its_time_out():
    world, log = watched()
    with world:
        device = driver(world)
        with pytest.raises(DeviceTimeoutError):
            device.request_out(Request.HANGFX3, b"", value=5_000)
        pause(world, 1)
        begin, end = pairs(log)[-1]
    assert (end.status, end.at_ns - begin.at_ns) == (TAKEN_BACK, 1_000 * MS)


def test_a_blocking_read_is_one_bulk_transfer_with_the_samples_it_brought():
    """Its data is what the program got, up to the log's limit."""
    world, log = watched()
    with world:
        device = driver(world)
        clocked(world)
        data = device.primed_start(16_384, timeout_ms=2_000)
        begin, end = next(pair for pair in pairs(log) if not pair[0].setup)
    assert (begin.target.endpoint, begin.length) == (0x81, 16_384)
    assert (end.status, end.length) == (DONE, 16_384)
    assert end.data == bytes(data)[: log.data_bytes_max]


def test_reads_of_a_running_stream_are_all_seen():
    """Also those that a world without a monitor skips over in one step."""
    world, log = watched()
    with world:
        device = driver(world)
        clocked(world)
        device.primed_start(16_384, timeout_ms=2_000)
        del log.events[:]
        for _ in range(20):
            device.read(16_384, timeout_ms=1_000)
        ends = [end for begin, end in pairs(log) if not begin.setup]
    assert [(end.status, end.length) for end in ends] == [(DONE, 16_384)] * 20


def test_a_drain_shows_every_transfer_at_the_time_it_completes():
    """At 64 MHz a MiB takes 8.192 ms; 32 are queued at any time."""
    world, log = watched()
    with world:
        drain = streaming(world)
        pause(world, 100)
        bulk = [pair for pair in pairs(log) if not pair[0].setup]
        queued = Counter(event.stage for event in log.events if not event.setup)
        ends = [end.at_ns for _, end in bulk]
        assert len(bulk) == drain.bytes // MIB == 12
        assert queued[Stage.SUBMITTED] - queued[Stage.COMPLETED] == 32
        # The wire's times are no whole ns; each is seen at the first ns not before it.
        assert {later - earlier for earlier, later in pairwise(ends)} <= {8_192_000, 8_192_001}
        assert {end.length for _, end in bulk} == {MIB}


def test_stopping_a_drain_takes_its_transfers_back_with_what_they_had():
    world, log = watched()
    with world:
        drain = streaming(world)
        pause(world, 20)
        drain.stop()
        ends = [end for begin, end in pairs(log) if not begin.setup]
    taken = [end for end in ends if end.status == TAKEN_BACK]
    assert len(taken) == 32
    assert sum(end.length for end in ends) == drain.bytes
    assert [bool(end.length) for end in taken] == [True, *[False] * 31]


def test_a_device_that_leaves_ends_a_drain_s_transfers():
    world, log = watched()
    with world:
        streaming(world)
        pause(world, 20)
        word(world, Request.RESETFX3)
        pause(world, 1_000)
        ends = Counter(end.status for begin, end in pairs(log) if not begin.setup)
    assert ends[GONE] == 32


def test_an_endpoint_in_trouble_shows_in_the_status():
    """An I/O error is -EPROTO, a read without data is taken back."""
    world, log = watched()
    with world:
        device = driver(world)
        for health, status in ((FAILING, BUS_ERROR), (SILENT, TAKEN_BACK)):
            world.host.device.bulk.health = health
            with pytest.raises(DeviceError):
                device.read(1_024, timeout_ms=100)
            assert pairs(log)[-1][1].status == status


def test_without_a_monitor_a_drain_sets_no_alarm():
    """What is not wanted costs nothing."""
    with BenchWorld("fw-2.3", "none") as world:
        world.boot()
        drain = Drain(world, world.host.device)
        drain.start()
        assert drain._monitored is None


def test_the_driver_s_own_log_agrees_with_the_monitor():
    """One log for world and hardware: what a driver sees of its transfers is what the bus shows."""
    world, log = watched()
    own = TransferLog()
    with world:
        device = driver(world)
        del log.events[:]
        device.observe(follow(own, lambda: (2, 1)))
        device.start_adc(32_000_000)
        device.stats()
        device.primed_start(16_384, timeout_ms=2_000)
        device.clear_halt()
        device.stop()
        with pytest.raises(StalledError):
            device.request_in(0xCC, 4)

    def told(events: TransferLog) -> list[tuple]:
        return sorted(
            (begin.target, begin.setup, begin.length, end.status, end.length, end.at_ns)
            for begin, end in pairs(events)
        )

    assert told(own) == told(log)
