"""Programs that sleep: in virtual time, and in step with the wall clock."""

from __future__ import annotations

import runpy
import struct
import threading
import time
from pathlib import Path

import pytest
import usb.backend.libusb1
import usb.core

from hw.protocol import Request
from sim.host.backend import get_backend
from sim.host.pacing import Pace
from sim.host.virtual_time import EPOCH_NS, FREE_READS
from sim.world import BenchWorld
from tests.sim.bench import MS, SECOND_NS, booted, pause

STRANGER = Path(__file__).with_name("stranger.py")
CLOCKS = ("sleep", "time", "time_ns", "monotonic", "monotonic_ns", "perf_counter_ns")
REAL = {name: getattr(time, name) for name in CLOCKS}


@pytest.fixture
def world():
    with booted() as world:
        yield world


def run_stranger(world: BenchWorld, monkeypatch, capsys, **more) -> str:
    """Run the program as it stands, where the system's libusb would be."""
    backend = get_backend(world, **more)
    monkeypatch.setattr(usb.backend.libusb1, "get_backend", lambda find_library=None: backend)
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(STRANGER), run_name="__main__")
    assert ended.value.code == 0
    return capsys.readouterr().out


# ------------------------------------------------------------------ the stranger


def test_a_program_that_knows_nothing_of_us_runs_in_virtual_time(world, monkeypatch, capsys):
    wall_s, begun_ns = time.perf_counter(), world.now_ns
    with world.virtual_time():
        text = run_stranger(world, monkeypatch, capsys)
    assert time.perf_counter() - wall_s < 0.35  # it sleeps 0.4 s
    assert world.now_ns - begun_ns > 400 * MS
    lines = text.splitlines()
    assert lines[0] == "found RX888mk2"
    # 8 MiB at 128 MB/s, but for the 128 KiB that the first read finds waiting.
    assert lines[1].startswith("8388608 bytes in 0.06")
    assert lines[2].startswith("512 buffers, state ")


def test_it_says_the_same_in_every_run(monkeypatch, capsys):
    texts = set()
    for _ in range(2):
        with booted() as world, world.virtual_time():
            texts.add(run_stranger(world, monkeypatch, capsys))
    assert len(texts) == 1


def test_it_runs_in_step_with_the_wall_clock(world, monkeypatch, capsys):
    """Twenty times as fast as a desk, so that the test is short."""
    begun_ns = world.now_ns
    wall_s = time.perf_counter()
    run_stranger(world, monkeypatch, capsys, pace="wall", speed=20.0)
    elapsed_s = time.perf_counter() - wall_s
    simulated_s = (world.now_ns - begun_ns) / SECOND_NS
    # The program's own 0.4 s of sleep are wall time, and so 8 s of the device's life.
    assert simulated_s > 6
    assert simulated_s < 20 * elapsed_s + 1


# ------------------------------------------------------------------ virtual time


def test_a_sleep_passes_in_the_world_and_the_clocks_agree(world):
    before_ns = world.now_ns
    with world.virtual_time():
        begun = time.time_ns(), time.monotonic_ns(), time.perf_counter_ns()
        time.sleep(1.5)
        ended = time.time_ns(), time.monotonic_ns(), time.perf_counter_ns()
        assert time.time() == (EPOCH_NS + world.now_ns) / 1e9
        assert time.monotonic() == time.perf_counter() == world.now_ns / 1e9
        with pytest.raises(ValueError, match="non-negative"):
            time.sleep(-1)
    assert {after - before for before, after in zip(begun, ended, strict=True)} == {1_500 * MS}
    assert world.now_ns - before_ns == 1_500 * MS


def test_the_devices_life_goes_on_while_a_program_sleeps(world):
    """HANGFX3(5000) sleeps in the USB thread; level 4 ends it after 2 s (judgement)."""
    device = usb.core.find(idProduct=0x00F1, backend=get_backend(world))
    with world.virtual_time():
        with pytest.raises(usb.core.USBTimeoutError):
            device.ctrl_transfer(0x40, Request.HANGFX3, 5_000, 0, b"", 1_000)
        time.sleep(0.9)
        assert world.host.device is not None
        time.sleep(0.3)
        assert world.host.device is None


def test_everything_is_restored_even_after_an_error(world):
    def fail() -> None:
        with world.virtual_time():
            assert time.sleep is not REAL["sleep"]
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert {name: getattr(time, name) for name in CLOCKS} == REAL


def test_it_nests_for_one_world_and_refuses_another(world):
    with booted() as other, world.virtual_time() as outer:
        with world.virtual_time():
            time.sleep(1)
        before_ns = world.now_ns
        time.sleep(1)
        assert world.now_ns - before_ns == SECOND_NS
        with pytest.raises(RuntimeError, match="another world"), other.virtual_time():
            pass
        with pytest.raises(RuntimeError, match="another one"), outer:
            pass
        time.sleep(1)
        assert world.now_ns - before_ns == 2 * SECOND_NS
    assert time.sleep is REAL["sleep"]
    with booted() as other, other.virtual_time():
        time.sleep(1)


def test_a_task_of_the_world_sleeps_too(world):
    woke = []

    def program() -> None:
        time.sleep(0.25)
        woke.append(world.now_ns)

    begun_ns = world.now_ns
    with world.virtual_time():
        world.spawn("program", program)
        time.sleep(1)
    assert woke == [begun_ns + 250 * MS]


def test_other_threads_and_names_that_outlive_the_block_keep_the_real_clock(world):
    seen = []
    with world.virtual_time():
        kept = time.monotonic_ns
        thread = threading.Thread(target=lambda: seen.append(time.monotonic_ns()))
        thread.start()
        thread.join()
    assert seen[0] > world.now_ns
    assert abs(kept() - REAL["monotonic_ns"]()) < 60 * SECOND_NS


def test_a_loop_that_waits_by_reading_the_clock_comes_to_an_end(world):
    with world.virtual_time():
        begun_ns = world.now_ns
        for _ in range(FREE_READS):
            time.monotonic()
        assert world.now_ns == begun_ns
        end = time.monotonic() + 0.005
        while time.monotonic() < end:
            pass
        assert world.now_ns - begun_ns >= 5 * MS


# ------------------------------------------------------------------ the wall's pace


class Desk:
    """A wall clock that stands still unless somebody sleeps or works."""

    def __init__(self) -> None:
        self.now_ns = 7_000 * SECOND_NS
        self.slept_s: list[float] = []

    def clock_ns(self) -> int:
        return self.now_ns

    def sleep(self, duration_s: float) -> None:
        self.slept_s.append(duration_s)
        self.now_ns += round(duration_s * SECOND_NS)


def paced(world: BenchWorld, speed: float) -> tuple[Desk, usb.core.Device]:
    desk = Desk()
    backend = get_backend(world, pace="wall", speed=speed)
    backend.pace = Pace(world, speed, desk.clock_ns, desk.sleep)
    return desk, usb.core.find(idProduct=0x00F1, backend=backend)


@pytest.mark.parametrize("speed", [1.0, 4.0])
def test_the_world_catches_up_with_the_time_between_calls(world, speed):
    desk, device = paced(world, speed)
    begun_ns = world.now_ns
    desk.now_ns += 2 * SECOND_NS
    assert world.now_ns == begun_ns
    device.ctrl_transfer(0xC0, Request.TESTFX3, 0, 0, 4)
    # It ended a little ahead of the wall clock, and the program was held back for as long.
    ahead_ns = world.now_ns - begun_ns - round(2 * speed * SECOND_NS)
    assert 0 < ahead_ns < MS
    assert sum(desk.slept_s) == pytest.approx(ahead_ns / speed / SECOND_NS)


@pytest.mark.parametrize("speed", [1.0, 4.0])
def test_a_blocking_read_takes_its_time(world, speed):
    desk, device = paced(world, speed)
    device.ctrl_transfer(0x40, Request.STARTADC, 0, 0, struct.pack("<I", 64_000_000))
    begun_ns = desk.now_ns
    with pytest.raises(usb.core.USBTimeoutError):
        device.read(0x81, 16_384, timeout=300)
    assert desk.now_ns - begun_ns == pytest.approx(300 * MS / speed, abs=1_000)


def test_a_device_that_left_meanwhile_is_gone_at_the_next_call(world):
    desk, device = paced(world, 1.0)
    device.ctrl_transfer(0x40, Request.RESETFX3, 0, 0, bytes(4))
    assert usb.core.find(idProduct=0x00F1, backend=device.backend) is not None
    desk.now_ns += SECOND_NS
    assert usb.core.find(idProduct=0x00F1, backend=device.backend) is None
    assert world.now_ns >= SECOND_NS


def test_a_task_keeps_the_worlds_own_time_in_a_paced_world(world):
    desk, device = paced(world, 1.0)
    slept = len(desk.slept_s)
    replies = []
    world.spawn("task", lambda: replies.append(device.ctrl_transfer(0xC0, 0xAC, 0, 0, 4)))
    pause(world, 1)
    assert len(replies) == 1
    assert len(desk.slept_s) == slept


@pytest.mark.parametrize(
    ("more", "message"),
    [({"pace": "clock"}, "no pace 'clock'"), ({"pace": "wall", "speed": 0}, "speed above 0")],
)
def test_a_pace_that_makes_no_sense_is_refused(world, more, message):
    with pytest.raises(ValueError, match=message):
        get_backend(world, **more)
