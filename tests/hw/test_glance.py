"""What is there and how it does, asked without a claim.

Facts: USBHandler.c (GETSTATS without side effect), RunApplication.c (states that wait for a
buffer), judgement (usbfs: vendor requests pass beside an owner).
"""

import errno

import pytest

from hw.bus import Bus, Selector
from hw.errors import AccessDeniedError, NoDeviceError
from hw.glance import Look, condition_of, found_on, glance, look
from hw.guard import Authority
from hw.protocol import Request, Stats
from sim.host.backend import get_backend
from sim.host.drain import Drain
from sim.host.runtime import WorldRuntime
from tests.hw.fake_usb import SERIAL, FakeBackend, FakeDevice, FakeRuntime
from tests.sim.bench import booted, driver, pause


def bus_of(*devices, **selector):
    """A real bus, with nothing granted: looking is a probe."""
    backend = FakeBackend(*devices)
    return Bus(backend, FakeRuntime(), Authority(), Selector(**selector)), backend


def world_bus(world):
    return Bus(get_backend(world, process="onlooker"), WorldRuntime(world), Authority(), Selector())


def test_every_device_is_listed_in_order_of_its_port():
    """Applications with their serial number, boot ROMs too; nothing is claimed."""
    rom = FakeDevice(application=False, serial="0000000004BE")
    rom.bus, rom.ports = 1, (2,)
    bus, backend = bus_of(FakeDevice(), rom)
    assert [(found.port, found.what, found.serial) for found in found_on(bus)] == [
        ("1-2", "boot ROM", "0000000004BE"),
        ("2-1.4", "application", SERIAL),
    ]
    assert backend.claimed == []


@pytest.mark.parametrize("fault", [errno.ETIMEDOUT, errno.EACCES, errno.EPIPE])
def test_a_device_that_does_not_tell_its_serial_number_is_listed_too(fault):
    """Its control endpoint is dead, or this user may not open it."""
    device = FakeDevice()
    device.faults[6] = fault
    bus, _ = bus_of(device)
    (found,) = found_on(bus)
    assert (found.port, found.serial) == ("2-1.4", None)


def test_only_the_chosen_port_is_listed():
    """Serial numbers do not choose here: a dead device would be left out."""
    here, there = FakeDevice(), FakeDevice()
    there.ports = (1, 3)
    bus, _ = bus_of(here, there, port_numbers=(1, 3), serial="another")
    assert [found.port for found in found_on(bus)] == ["2-1.3"]


def test_speeds_are_words():
    """As the system tells them of a world's device."""
    with booted() as world:
        assert [found.speed for found in found_on(world_bus(world))] == ["super"]


def test_a_look_beside_a_program_that_streams():
    """GETSTATS passes, and the stream does not notice."""
    with booted() as world, driver(world) as device:
        device.start_adc(64_000_000)
        drain = Drain(world, world.host.device)
        drain.start()
        device.start()
        seen = glance(world_bus(world))
        assert (seen.condition, seen.is_healthy) == ("streams, clock on", True)
        assert seen.last.answer_ms < 2


def test_a_stream_that_nobody_reads_is_seen_from_its_beginning():
    """Its eight buffers fill after the first look, so a third one is needed."""
    with booted(policy="none") as world, driver(world) as device:
        device.start_adc(64_000_000)
        device.start()
        seen = glance(world_bus(world))
        assert not seen.is_healthy
        assert seen.condition.startswith("stalled: its buffers are full")


def test_a_handler_that_hangs_is_silence():
    """A time-out is no absence."""
    with booted(policy="none") as world, driver(world) as device:
        world.spawn("host", lambda: device.hang_handler(30_000, timeout_ms=29_000))
        pause(world, 10)
        seen = look(world_bus(world))
        assert (seen.what, seen.answer_ms) == ("silent", None)


def test_a_boot_rom_is_not_healthy():
    """It needs an image; it is not asked GETSTATS."""
    bus, _ = bus_of(FakeDevice(application=False))
    seen = glance(bus)
    assert (seen.condition, seen.is_healthy) == ("in its boot ROM: upload an image", False)


def test_old_firmware_answers_without_statistics():
    """GETSTATS stalls, TESTFX3 does not."""
    device = FakeDevice()
    device.faults[Request.GETSTATS] = errno.EPIPE
    seen = glance(bus_of(device)[0])
    assert (seen.condition, seen.is_healthy) == ("answers; this firmware has no GETSTATS", True)


def test_no_device_is_an_error():
    """And one that leaves between two looks a condition."""
    device = FakeDevice()
    device.is_present = False
    with pytest.raises(NoDeviceError):
        glance(bus_of(device)[0])
    assert condition_of(Look(0, "2-1", "application"), Look(0, "–", "absent")) == (
        "it left the bus meanwhile",
        False,
    )


def test_a_device_that_may_not_be_opened_is_not_called_silent():
    """Nobody can say how it does."""
    device = FakeDevice()
    device.faults[Request.GETSTATS] = errno.EACCES
    with pytest.raises(AccessDeniedError):
        look(bus_of(device)[0])


def test_a_garbled_reply_is_silence():
    """17 bytes belong to no firmware."""
    device = FakeDevice()
    device.replies[Request.GETSTATS] = bytes(17)
    assert look(bus_of(device)[0]).what == "silent"


@pytest.mark.parametrize(
    ("before", "now", "condition", "is_healthy"),
    [
        ((0, 1, 0), (0, 1, 0), "idle, clock on", True),
        ((0, 255, 0), (0, 255, 0), "idle, clock on", True),
        ((5, 2, 0), (900, 6, 0), "streams, clock on", True),
        ((5, 2, 0), (3, 2, 1), "recovers again and again", False),
        ((8, 9, 0), (8, 9, 0), "stalled: its buffers are full", False),
        ((5, 2, 0), (5, 2, 0), "frozen in state 2 with 5 buffers", False),
    ],
)
def test_two_looks_tell_a_condition(before, now, condition, is_healthy):
    """Count, state and faults before and after."""
    looks = [
        Look(0, "2-1", "application", 1.0, Stats(count, state, 0, 0, 0, faults, 1, 1, 0x4F, True))
        for count, state, faults in (before, now)
    ]
    said, healthy = condition_of(*looks)
    assert said.startswith(condition)
    assert healthy is is_healthy


@pytest.mark.parametrize(
    ("status", "is_on", "said"),
    [
        (0x01, True, "idle, clock on"),
        (0x21, True, "idle, clock on, PLL not locked"),
        (0x01, False, "idle, clock off"),
    ],
)
def test_the_clock_is_told_with_it(status, is_on, said):
    """CLK0 and the lock of PLL A."""
    seen = Look(0, "2-1", "application", 1.0, Stats(0, 1, 0, 0, 0, 0, status, 1, 0x4F, is_on))
    assert condition_of(seen, seen) == (said, True)


def test_a_frozen_read_state_without_a_clock_is_named():
    """CLK0 off in the middle of a stream."""
    seen = Look(0, "2-1", "application", 1.0, Stats(5, 2, 0, 0, 0, 0, 1, 1, 0x80, False))
    assert condition_of(seen, seen) == ("frozen: its sample clock is off", False)
