"""The acceptance run and the plain commands.

Facts: ``fw_test.sh``: 41 lines, whatever its own plan says, with the stream test and without it;
each step on a freshly opened device; quiesce before lines 30 to 37.
"""

from __future__ import annotations

import re
from contextlib import contextmanager

import pytest

from hw.boot import Image
from hw.errors import NoDeviceError, StalledError
from hw.protocol import Request
from hw.rx888 import Rx888
from scenarios.errors import Trouble
from scenarios.station import Station
from scenarios.suite import commands
from scenarios.suite.tap import PLANNED, fw_test, tap_text
from sim.host.backend import get_backend
from sim.host.runtime import WorldRuntime
from sim.world import BenchWorld

from .suite_bench import HEALTHY, fails, lie, stations, swallows

RATE_HZ = 32_000_000


@contextmanager
def openers(firmware="fw-2.3", policy="level-1-4-5", doctor=lambda station: None, **more):
    """A world, and what opens a station on it; every opening is noted."""
    with BenchWorld(firmware, policy, **more) as world:
        world.boot()
        runtime = WorldRuntime(world)
        image = Image.parse(world.image)
        opened = []

        def open_station():
            station = Station(Rx888.open(get_backend(world), runtime), runtime, image=image)
            opened.append(station)
            doctor(station)
            return station

        yield open_station, opened, world


@pytest.mark.parametrize(("firmware", "policy"), HEALTHY)
def test_all_41_lines_are_ok_on_a_healthy_device(firmware, policy):
    """In order, without a strict violation, and the device is left stopped."""
    with openers(firmware, policy) as (open_station, opened, _):
        lines = list(fw_test(open_station))
        assert [line.number for line in lines] == list(range(1, PLANNED + 1))
        assert [str(line) for line in lines if not line.is_ok] == []
        assert not [text for line in lines for text in line.diagnostics if "strict" in text]
        # 38 steps, 8 times quiesce, and one stream for the last three lines.
        assert len(opened) == 38 + 8 + 1
        assert open_station().device.stats().gpif_state == 1


def test_the_stream_can_be_skipped_and_there_are_41_lines_still():
    """Lines 39 to 41 are ok, with a SKIP."""
    with openers() as (open_station, _, _):
        lines = list(fw_test(open_station, streams=False))
    assert len(lines) == PLANNED
    assert all(line.is_skipped and line.is_ok for line in lines[38:])
    assert str(lines[38]) == "ok 39 - stream delivers data # SKIP"


def test_the_text_is_tap():
    """A plan, one line a test, diagnostics behind a hash."""
    with openers() as (open_station, _, _):
        text = list(tap_text(fw_test(open_station, streams=False)))
    assert text[0] == "1..41"
    tests = [line for line in text if re.fullmatch(r"(not )?ok \d+ - .+", line)]
    assert len(tests) == PLANNED
    assert all(line.startswith("# ") for line in text[1:] if line not in tests)
    assert text[1] == "ok 1 - firmware uploaded, 04b4:00f1 on the bus"


def test_a_device_that_is_not_there_ends_the_run():
    """One line, not ok, and a bail-out."""
    with openers() as (open_station, _, world):
        world.chip.power_off()
        world.run_until(world.now_ns + 1_000_000_000)
        text = list(tap_text(fw_test(open_station)))
    assert text[:3] == [
        "1..41",
        "not ok 1 - firmware uploaded, 04b4:00f1 on the bus",
        "# device gone",
    ]
    assert text[-1].startswith("Bail out!")


@pytest.mark.parametrize(
    ("number", "doctor"),
    [
        (2, lambda station: lie(station, Request.TESTFX3, lambda true, _: b"\0" + true()[1:])),
        (11, lambda station: lie(station, 0xB5, swallows)),
        (13, lambda station: lie(station, Request.I2CRFX3, lambda true, _: b"\0")),
    ],
)
def test_a_step_that_fails_is_told_and_the_run_goes_on(number, doctor):
    """A wrong board, a code that is taken, an address that answers."""
    with openers(doctor=doctor) as (open_station, _, _):
        lines = list(fw_test(open_station, streams=False))
    assert len(lines) == PLANNED
    assert not lines[number - 1].is_ok


def test_a_slow_bus_fails_the_stream_lines_that_it_should():
    """Data comes, but less than half: line 39 is ok, line 40 is not, nor 41 for zeros alone."""
    from sim.options import Options

    with openers(options=Options(packet_ns=50_000)) as (open_station, _, _):
        lines = list(fw_test(open_station, stream_s=1))
    assert [line.is_ok for line in lines[38:]] == [True, False, True]


@pytest.fixture
def station():
    with stations() as (station, _):
        yield station


def test_every_command_is_offered():
    """The original's table of plain commands."""
    assert set(commands.COMMANDS) == {
        "test", "gpio", "adc", "start", "stop", "att", "vga", "wdg_max", "i2cr", "i2cw", "raw",
        "reset", "stats", "load",
    }  # fmt: skip


def test_commands_say_what_they_found(station):
    """Hardware, version and counter; every field of GETSTATS."""
    assert commands.test(station) == "hwconfig=0x04 fw=2.3 count=0"
    assert commands.test(station).endswith("count=1")
    assert "boot=1" in commands.stats(station)
    assert commands.adc(station, 64_000_000) == "64000000 Hz"
    assert (commands.start(station), commands.stop(station)) == ("started", "stopped")
    for command in (commands.att, commands.vga, commands.wdg_max):
        assert command(station, 3) == "3"


def test_raw_passes_with_a_stall_and_with_an_acceptance(station):
    """A time-out is the only failure."""
    assert commands.raw(station, 0xB4) == "STALL"
    assert commands.raw(station, Request.STOPFX3) == "accepted"
    lie(station, 0xB4, fails())
    with pytest.raises(Trouble):
        commands.raw(station, 0xB4)


def test_i2c_commands_read_and_write(station):
    """A register of the clock generator, and an address without a chip."""
    assert commands.i2cw(station, 0xC0, 183, b"\xd2") == "1 bytes"
    assert commands.i2cr(station, 0xC0, 183, 1) == "d2"
    assert len(commands.i2cr(station, 0xC0, 0, 99).split()) == 64
    with pytest.raises(StalledError):
        commands.i2cr(station, 0xC2, 0, 1)


def test_reset_passes_however_the_device_leaves(station):
    """0, PIPE, NO_DEVICE and IO are all right."""
    lie(station, Request.RESETFX3, fails(StalledError))
    assert commands.reset(station) == "STALL"
    lie(station, Request.RESETFX3, fails(NoDeviceError))
    assert commands.reset(station) == "reset"


def test_load_resets_and_uploads(station):
    """9 s: 3 s after the reset, then the uploader's six."""
    began_ns = station.runtime.now_ns()
    assert commands.load(station).endswith("bytes uploaded")
    assert station.runtime.now_ns() - began_ns == pytest.approx(9e9, abs=20e6)
    assert station.device.stats().boot_count == 1
