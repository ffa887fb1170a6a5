"""The pieces a scenario works with, in a world: readers, troubles, and the way back."""

from __future__ import annotations

import pytest

from hw.boot import Image
from hw.errors import (
    DeviceTimeoutError,
    NoDeviceError,
    StalledError,
    TransferError,
)
from hw.rx888 import Rx888
from scenarios import host_program
from scenarios.errors import InputError, Trouble, describe
from scenarios.host_program import HostProgram
from scenarios.reading import BlockingReader, open_reader
from scenarios.registry import find
from scenarios.runner import run_episode
from scenarios.station import Station
from sim.host.backend import get_backend
from sim.host.drain import Drain
from sim.host.runtime import WorldRuntime
from sim.world import BenchWorld


@pytest.fixture
def bench():
    with BenchWorld("fw-2.3", "none", seed=1) as world:
        world.boot()
        runtime = WorldRuntime(world)
        device = Rx888.open(get_backend(world), runtime, image=Image.parse(world.image))
        station = Station(device, runtime)
        station.set_clock(1_000_000)
        yield station, world


def test_a_world_is_read_by_a_drain(bench):
    """Bytes are accounted for, none are made."""
    station, _ = bench
    reader = open_reader(station.device, station.runtime)
    assert isinstance(reader, Drain)


@pytest.mark.parametrize("kind", ["drain", "blocking"])
def test_both_readers_read_at_the_sample_rate(bench, kind):
    """2 bytes a sample at 1 MS/s, whatever reads them."""
    station, _ = bench
    if kind == "drain":
        reader = open_reader(station.device, station.runtime)
    else:
        reader = BlockingReader(station.device, station.runtime)
    reader.start()
    station.start()
    station.sleep_ms(4_000)
    reader.stop()
    assert reader.bytes == pytest.approx(8_000_000, rel=0.15)
    seen = reader.bytes
    station.sleep_ms(1_000)
    assert reader.bytes == seen


def test_a_blocking_reader_ends_with_its_device(bench):
    """A device that leaves ends the thread; the count stands still."""
    station, world = bench
    reader = BlockingReader(station.device, station.runtime)
    reader.start()
    station.start()
    station.sleep_ms(300)
    world.chip.reset("device_reset")
    station.sleep_ms(300)
    seen = reader.bytes
    reader.stop()
    assert reader.bytes == seen


def test_silence_is_trouble(bench):
    """No data for 1 s, though EP0 answers."""
    station, _ = bench
    reader = station.read_on()
    with pytest.raises(Trouble, match="no data for 1 s"):
        station.watch(reader, 5_000)


def test_a_read_without_data_is_trouble(bench):
    """Nothing was started, so nothing comes."""
    station, _ = bench
    with pytest.raises(Trouble, match=r"no data for 0\.5 s"):
        station.read_block(500)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (DeviceTimeoutError("STARTFX3"), "time-out of STARTFX3"),
        (NoDeviceError("GETSTATS"), "device gone"),
        (StalledError("HANGMAIN"), "stall of HANGMAIN"),
        (TransferError("STOPFX3"), "STOPFX3 transfer failed"),
        (Trouble("no data for 1 s"), "no data for 1 s"),
    ],
)
def test_what_the_host_saw_in_words(error, text):
    """Short enough for a table."""
    assert describe(error) == text


def test_a_station_gives_up_after_its_patience(bench):
    """30 s of simulated time, then somebody has to go there; nothing hangs."""
    station, world = bench
    world.chip.power_off()
    program = HostProgram(station, find("steady_stream"), Image.parse(world.image))
    report = program.run({})
    assert (report.saw, report.ep0, report.served_ns) == ("device gone", "device gone", None)
    waited_ms = (world.now_ns - report.saw_ns) / 1e6
    assert host_program.PATIENCE_MS <= waited_ms < host_program.PATIENCE_MS + 15_000


def test_a_scenario_that_cannot_run_there_says_where():
    """HANGMAIN exists from firmware 2.3 on."""
    with pytest.raises(InputError, match=r"use fw-2\.3 or reference"):
        run_episode(find("main_death"), firmware="fw-2.2")


def test_a_position_that_does_not_exist():
    """Device, host, both or none."""
    with pytest.raises(InputError, match="device, host, both, none"):
        run_episode(find("main_death"), position="cloud")
