"""The pyusb backend: what a program on libusb would see of this device."""

from __future__ import annotations

import errno
import random
import struct
from array import array
from contextlib import suppress
from itertools import pairwise

import pytest
import usb.backend
import usb.core
import usb.util

from hw.protocol import BUFFER_BYTES, CONFIGURATION_DESCRIPTOR_SS, DEVICE_DESCRIPTOR_SS, Request
from hw.rx888 import Rx888
from hw.trace import Recorder
from sim.faults import Fault
from sim.host.backend import get_backend
from sim.host.drain import Drain
from sim.host.runtime import WorldRuntime
from sim.host.world_backend import WorldBackend
from sim.kernel import World
from sim.options import Options
from sim.world import BenchWorld
from tests.sim.bench import MHZ, MS, alive, booted, clocked, pause, stats, word

EP1 = 0x81
FULL_BYTES = 8 * BUFFER_BYTES
LIBUSB_OTHER = -99


def find(world: BenchWorld, process: str = "") -> usb.core.Device:
    device = usb.core.find(
        idVendor=0x04B4, idProduct=0x00F1, backend=get_backend(world, process=process)
    )
    assert device is not None
    return device


def send(device: usb.core.Device, request: int, number: int = 0) -> None:
    assert device.ctrl_transfer(0x40, request, 0, 0, struct.pack("<I", number)) == 4


def started(world: BenchWorld, rate_hz: int = 64 * MHZ) -> usb.core.Device:
    """A stream, and a program that has read all that was waiting."""
    device = find(world)
    send(device, Request.STARTADC, rate_hz)
    send(device, Request.STARTFX3)
    for _ in range(40):
        device.read(EP1, 4 * BUFFER_BYTES)
    return device


def number_of(caught: pytest.ExceptionInfo[OSError]) -> int | None:
    return caught.value.errno


@pytest.fixture
def world():
    with booted() as world:
        yield world


# ------------------------------------------------------------------ completeness


def test_no_method_of_pyusbs_interface_is_left_out():
    methods = [
        name
        for name, value in vars(usb.backend.IBackend).items()
        if callable(value) and not name.startswith("_")
    ]
    assert len(methods) > 20
    for name in methods:
        assert getattr(WorldBackend, name) is not getattr(usb.backend.IBackend, name), name


def test_descriptors_are_the_devices_own_bytes(world):
    device = find(world)
    fields = struct.unpack("<BBHBBBBHHHBBBB", DEVICE_DESCRIPTOR_SS)
    assert (device.bLength, device.bcdUSB, device.idVendor) == (fields[0], fields[2], fields[7])
    assert (device.speed, device.port_numbers, device.parent) == (4, (1,), None)
    (configuration,) = device
    (interface,) = configuration
    (endpoint,) = interface
    raw = CONFIGURATION_DESCRIPTOR_SS
    assert configuration.wTotalLength == len(raw)
    assert (configuration.bMaxPower, interface.bInterfaceClass) == (raw[8], 0xFF)
    assert (endpoint.bEndpointAddress, endpoint.wMaxPacketSize) == (EP1, 1024)
    # The SuperSpeed companion belongs to no class that pyusb knows.
    assert bytes(endpoint.extra_descriptors) == raw[-6:]
    assert "Bulk" in str(device)


def test_the_boot_rom_has_one_interface_and_no_endpoint():
    with BenchWorld() as world:
        world.power_on()
        pause(world, 2_000)
        device = usb.core.find(idProduct=0x00F3, backend=get_backend(world))
        assert device.speed == 3
        (interface,) = device.get_active_configuration()
        assert list(interface) == []
        device.ctrl_transfer(0x40, 0xA0, 0, 0x4000, b"\x01\x02\x03\x04")
        assert bytes(device.ctrl_transfer(0xC0, 0xA0, 0, 0x4000, 4)) == b"\x01\x02\x03\x04"


@pytest.mark.parametrize(("configuration", "interface", "endpoint"), [(0, 0, 1), (0, 1, 0)])
def test_there_is_nothing_past_the_last_descriptor(world, configuration, interface, endpoint):
    backend = get_backend(world)
    with pytest.raises(IndexError, match="Invalid"):
        backend.get_endpoint_descriptor(world.host.device, endpoint, interface, 0, configuration)
    with pytest.raises(usb.core.USBError) as caught:
        backend.get_configuration_descriptor(world.host.device, 1)
    assert number_of(caught) == errno.ENOENT


def test_transfers_that_no_endpoint_takes_are_io_errors(world):
    backend = get_backend(world)
    handle = backend.open_device(world.host.device)
    data = array("B", bytes(64))
    for call in (
        backend.bulk_write,
        backend.intr_read,
        backend.intr_write,
        backend.iso_read,
        backend.iso_write,
    ):
        with pytest.raises(usb.core.USBError) as caught:
            call(handle, EP1, 0, data, 100)
        assert (number_of(caught), caught.value.backend_error_code) == (errno.EIO, -1)
    with pytest.raises(usb.core.USBError) as caught:
        backend.bulk_read(handle, 0x82, 0, data, 100)
    assert number_of(caught) == errno.EIO


def test_there_is_no_kernel_driver(world):
    device = find(world)
    assert not device.is_kernel_driver_active(0)
    for call in (device.detach_kernel_driver, device.attach_kernel_driver):
        with pytest.raises(usb.core.USBError) as caught:
            call(0)
        assert number_of(caught) == errno.ENOENT


def test_control_transfers_of_more_than_4096_bytes_are_refused_by_libusb(world):
    with pytest.raises(usb.core.USBError) as caught:
        find(world).ctrl_transfer(0x40, Request.STOPFX3, 0, 0, bytes(4097))
    assert number_of(caught) == errno.EINVAL


def test_replies_go_into_any_array(world):
    device = find(world)
    reply = array("B", bytes(8))
    assert device.ctrl_transfer(0xC0, Request.TESTFX3, 0, 0, reply) == 4
    assert bytes(reply) == bytes([4, 2, 3, 0]) + bytes(4)
    send(device, Request.STARTADC, 64 * MHZ)
    send(device, Request.STARTFX3)
    samples = array("h", bytes(4096))
    assert device.read(EP1, samples) == 4096
    assert samples.tobytes() == world.board.samples.read(0, 4096)


# ------------------------------------------------------------------ reads


def test_reads_before_start_time_out_without_a_byte(world):
    clocked(world)
    before_ns = world.now_ns
    with pytest.raises(usb.core.USBTimeoutError) as caught:
        find(world).read(EP1, 16_384, timeout=250)
    assert number_of(caught) == errno.ETIMEDOUT
    assert world.now_ns - before_ns == 250 * MS


def test_a_read_that_times_out_returns_what_came(world):
    device = find(world)
    send(device, Request.STARTADC, 64 * MHZ)
    send(device, Request.STARTFX3)
    pause(world, 50)
    send(device, Request.STOPFX3)
    send(device, Request.STARTFX3)
    # 8 ms at 128 MB/s are about 1 MB; the rest of the 64 MB does not come.
    data = device.read(EP1, 64 << 20, timeout=8)
    assert 900_000 < len(data) < 1_100_000
    assert len(data) % 1024 == 0
    assert bytes(data) == world.board.samples.read(0, len(data))


def test_a_read_may_be_much_longer_than_a_urb(world):
    device = started(world)
    assert len(device.read(EP1, 32 << 20, timeout=0)) == 32 << 20


@pytest.mark.parametrize("length", [1000, 1500, 0])
def test_a_read_of_no_whole_packets_overflows_when_data_comes(world, length):
    device = find(world)
    clocked(world)
    buffer = array("B", bytes(length))
    with pytest.raises(usb.core.USBTimeoutError):
        device.read(EP1, buffer, timeout=50)
    send(device, Request.STARTFX3)
    with pytest.raises(usb.core.USBError) as caught:
        device.read(EP1, buffer, timeout=50)
    assert (number_of(caught), caught.value.backend_error_code) == (errno.EOVERFLOW, -8)
    assert len(device.read(EP1, 2048)) == 2048


def test_trap_08_stop_never_ends_a_read_and_the_next_session_fills_it(world):
    device = started(world)
    ended: list[tuple[int, bytes]] = []

    def reader() -> None:
        data = bytes(device.read(EP1, 64 << 20, timeout=0))
        ended.append((world.now_ns, data[:0]))

    world.spawn("reader", reader)
    pause(world, 20)
    send(device, Request.STOPFX3)
    assert stats(world).dma_count == 0  # zeroed by STOP, so it is read before
    pause(world, 60_000)
    assert not ended
    send(device, Request.STARTFX3)
    pause(world, 1_000)
    assert len(ended) == 1


def test_re_enumeration_is_a_new_device_and_stale_handles_say_so(world):
    device = started(world)
    lost: list[int | None] = []

    def reader() -> None:
        with pytest.raises(usb.core.USBError) as caught:
            device.read(EP1, 64 << 20, timeout=0)
        lost.append(number_of(caught))

    world.spawn("reader", reader)
    send(device, Request.RESETFX3)
    pause(world, 3_000)
    assert lost == [errno.ENODEV]
    for call in (
        lambda: device.read(EP1, 1024),
        lambda: device.ctrl_transfer(0xC0, Request.TESTFX3, 0, 0, 4),
        lambda: device.clear_halt(EP1),
        lambda: get_backend(world).open_device(device._ctx.dev),
    ):
        with pytest.raises(usb.core.USBError) as caught:
            call()
        assert number_of(caught) == errno.ENODEV
    again = usb.core.find(idProduct=0x00F3, backend=get_backend(world))
    assert again != device


def test_closing_a_handle_cancels_its_reads(world):
    device = find(world)
    ended: list[int | None] = []

    def reader() -> None:
        with pytest.raises(usb.core.USBError) as caught:
            device.read(EP1, 1 << 20, timeout=0)
        ended.append(number_of(caught))

    world.spawn("reader", reader)
    pause(world, 1)
    usb.util.dispose_resources(device)
    pause(world, 1)
    assert ended == [errno.ETIMEDOUT]


# ------------------------------------------------------------------ the short way of a read

PROGRAMS = 30


def run_program(seed: int, skips_ahead: bool) -> tuple:
    """A random program of reads, sleeps and requests; everything that it could see."""
    draw = random.Random(seed)  # noqa: S311
    seen = []
    trace = Recorder()
    with booted(seed=seed, trace=trace) as world:
        device = find(world)
        device.set_configuration()
        world.host.device.bulk.skips_ahead = skips_ahead
        send(device, Request.STARTADC, draw.choice([16, 32, 64]) * MHZ)
        send(device, Request.STARTFX3)
        beside = []
        if draw.random() < 0.3:
            size = draw.randrange(1, 200) * 1024
            world.spawn("beside", lambda: beside.append(len(device.read(EP1, size))))
        for _ in range(60):
            what = draw.random()
            try:
                if what < 0.75:
                    size = draw.choice([1024, 16_384, 65_536, draw.randrange(1, 3000) * 1024])
                    limit_ms = draw.choice([1000, 0, draw.randrange(1, 30)])
                    data = device.read(EP1, size, timeout=limit_ms)
                    seen.append((len(data), hash(bytes(data))))
                elif what < 0.85:
                    pause(world, draw.choice([0.001, 0.3, 2, 150]))
                elif what < 0.93:
                    reply = device.ctrl_transfer(0xC0, Request.GETSTATS, 0, 0, 26)
                    seen.append(bytes(reply))
                elif what < 0.96:
                    send(device, Request.STOPFX3)
                    send(device, Request.STARTFX3)
                else:
                    device.clear_halt(EP1)
            except usb.core.USBError as error:
                seen.append(error.errno)
            seen.append(world.now_ns)
        flow, now_ns = world.chip.stream.flow, world.now_ns
        ended = (flow.state(now_ns), flow.produced(now_ns), flow.pib_errors(now_ns), beside)
    return seen, ended, trace.digest()


@pytest.mark.parametrize("seed", range(PROGRAMS))
def test_reads_that_pass_at_once_change_nothing_that_can_be_seen(seed):
    assert run_program(seed, True) == run_program(seed, False)


def test_most_reads_of_a_steady_stream_pass_at_once(world, monkeypatch):
    device = started(world)
    bulk = world.host.device.bulk
    queued = []
    submit = bulk.submit
    monkeypatch.setattr(bulk, "submit", lambda length: queued.append(length) or submit(length))
    before_ns = world.now_ns
    for _ in range(1000):
        assert len(device.read(EP1, 65_536)) == 65_536
    assert abs(world.now_ns - before_ns - 1000 * 512_000) < 2_000  # 64 MHz as the Si5351 makes it
    # Only where something else happens first, such as the main loop's 10 Hz.
    assert len(queued) < 20


@pytest.mark.parametrize("jitter_ns", [0, 200_000])
def test_reads_beside_a_drain_are_not_its_packets(jitter_ns):
    """What the drain has asked for comes first; afterwards reads pass at once again."""
    seen = []
    for skips_ahead in (True, False):
        with booted() as world:
            device = started(world)
            bulk = world.host.device.bulk
            bulk.skips_ahead = skips_ahead
            drain = Drain(world, world.host.device, depth=2, jitter_ns=jitter_ns)
            drain.start()
            pause(world, 5)  # it takes packets that no read has asked for
            ends = []
            for _ in range(20):
                with suppress(usb.core.USBTimeoutError):
                    ends.append(len(device.read(EP1, 16_384, timeout=3)))
                ends.append((world.now_ns, drain.bytes))
            drain.stop()
            ends += [(hash(bytes(device.read(EP1, 65_536))), world.now_ns) for _ in range(20)]
            seen.append(ends)
    assert seen[0] == seen[1]


def test_a_host_that_takes_nothing_gives_no_read_any_data(world):
    device = started(world)
    bulk = world.host.device.bulk
    bulk.pause()
    for _ in range(3):
        with pytest.raises(usb.core.USBTimeoutError):
            device.read(EP1, 16_384, timeout=5)
    bulk.resume()
    assert len(device.read(EP1, 65_536)) == 65_536


def test_the_clock_never_leaves_an_alarm_behind(world):
    device = started(world)
    for _ in range(200):
        device.read(EP1, 65_536)
        assert all(
            at_ns >= world.now_ns
            for at_ns, _, _, due in world._queue
            if getattr(due, "callback", None) is not None
        )


@pytest.mark.parametrize("reads", [1, 2, 3, 5, 40])
def test_a_reader_that_stops_meets_the_pib_error_in_time(world, reads):
    """However often reads have put it off: not a nanosecond before, and no later than a thread."""
    device = started(world)
    for _ in range(reads):
        device.read(EP1, 65_536)
    due_ns = world.chip.stream.flow.next_pib_error(world.now_ns)
    firmware = world.chip.program
    world.run_until(due_ns - 1)
    assert firmware.pib_errors == 0
    world.run_until(due_ns + 1_000)
    assert firmware.pib_errors == 1


@pytest.mark.parametrize("second_ns", [99, 100, 101])
def test_time_is_skipped_only_where_nothing_else_is_due(second_ns):
    world = World()
    called = []
    put_off = world.alarm(50, lambda: called.append(("put off", world.now_ns)))
    world.alarm(second_ns, lambda: called.append(("second", world.now_ns)))
    assert not world.skip_to(100)
    is_alone = second_ns > 100
    assert world.skip_to(100, put_off, 150) == is_alone
    assert world.now_ns == (100 if is_alone else 0)
    assert not called
    world.run_until(200)
    if is_alone:
        assert called == [("second", second_ns), ("put off", 150)]
    else:
        assert called == [("put off", 50), ("second", second_ns)]
    world.close()


def test_what_was_cancelled_does_not_hold_time_up():
    with World() as world:
        world.alarm(50, lambda: None).cancel()
        world.alarm(60, lambda: None).cancel()
        assert world.skip_to(100)
        assert world.now_ns == 100
        world.alarm(200, lambda: None)
        assert not world.skip_to(200)
        assert world.skip_to(199)


def test_tasks_do_not_skip_time_because_others_may_share_their_instant(world):
    seen = []
    world.spawn("task", lambda: seen.append(world.skip_to(world.now_ns + 1)))
    pause(world, 1)
    assert seen == [False]


def test_control_requests_of_many_programs_take_turns(world):
    """The kernel carries one after the other, in the order in which they came."""
    device = find(world)
    ended: list[tuple[str, int]] = []

    def ask(name: str) -> None:
        device.ctrl_transfer(0xC0, Request.TESTFX3, 0, 0, 4)
        ended.append((name, world.now_ns))

    for number in range(5):
        world.spawn(f"task {number}", lambda number=number: ask(f"task {number}"))
    ask("main")
    pause(world, 1)
    names, times = zip(*ended, strict=True)
    assert names == ("main", *(f"task {number}" for number in range(5)))
    assert {after - before for before, after in pairwise(times)} == {90_000}


def test_the_program_that_stops_reading_meets_the_same_errors(world):
    device = started(world)
    errors = stats(world).pib_errors
    for _ in range(100):
        device.read(EP1, 65_536)
    pause(world, 3)
    assert stats(world).pib_errors > errors


# ------------------------------------------------------------------ more than one program


def test_each_process_has_a_backend_of_its_own(world):
    assert get_backend(world) is get_backend(world)
    assert get_backend(world, process="other") is not get_backend(world)
    assert find(world, "a") != find(world, "b")


def test_an_interface_belongs_to_one_handle(world):
    owner, other = find(world), find(world, "other")
    usb.util.claim_interface(owner, 0)
    usb.util.claim_interface(owner, 0)
    for call in (
        lambda: usb.util.claim_interface(other, 0),
        lambda: other.read(EP1, 1024),
        lambda: other.set_configuration(),
        lambda: other.set_interface_altsetting(0, 0),
    ):
        with pytest.raises(usb.core.USBError) as caught:
            call()
        assert number_of(caught) == errno.EBUSY
    with pytest.raises(usb.core.USBError) as caught:
        other.clear_halt(EP1)
    assert (number_of(caught), caught.value.backend_error_code) == (None, LIBUSB_OTHER)
    # Vendor requests go to the device; a port reset asks nobody.
    assert len(other.ctrl_transfer(0xC0, Request.TESTFX3, 0, 0, 4)) == 4
    send(other, Request.STARTADC, 64 * MHZ)
    usb.util.release_interface(owner, 0)
    usb.util.claim_interface(other, 0)
    usb.util.dispose_resources(other)
    usb.util.claim_interface(owner, 0)


def test_beside_an_owner_the_kernel_refuses_what_touches_its_endpoint(world):
    owner, backend = find(world), get_backend(world, process="other")
    usb.util.claim_interface(owner, 0)
    handle = backend.open_device(world.host.device)
    halt = (0x02, 1, 0, EP1, array("B"), 100)
    with pytest.raises(usb.core.USBError) as caught:
        backend.ctrl_transfer(handle, *halt)
    assert number_of(caught) == errno.EIO
    with pytest.raises(usb.core.USBError) as caught:
        backend.bulk_read(handle, EP1, 0, array("B", bytes(1024)), 100)
    assert number_of(caught) == errno.EIO
    usb.util.release_interface(owner, 0)
    assert backend.ctrl_transfer(handle, *halt) == 0
    # usbfs has claimed the interface for it.
    with pytest.raises(usb.core.USBError) as caught:
        usb.util.claim_interface(owner, 0)
    assert number_of(caught) == errno.EBUSY


@pytest.mark.parametrize("ends_in_boot_rom", [False, True])
def test_a_port_reset_beside_an_owner_takes_the_device_from_it(ends_in_boot_rom):
    """As itself or as its boot ROM, the device that comes back is another one."""
    options = Options(usb_reset_ends_in_boot_rom=ends_in_boot_rom)
    with booted(options=options) as world:
        owner, other = find(world), find(world, "other")
        usb.util.claim_interface(owner, 0)
        if ends_in_boot_rom:
            with pytest.raises(usb.core.USBError) as caught:
                other.reset()
            assert number_of(caught) == errno.ENOENT
        else:
            other.reset()
        with pytest.raises(usb.core.USBError) as caught:
            owner.ctrl_transfer(0xC0, Request.TESTFX3, 0, 0, 4)
        assert number_of(caught) == errno.ENODEV


@pytest.mark.parametrize(("name", "number"), [("super", 4), ("high", 3), ("full", 2)])
def test_a_program_sees_what_the_device_answered_at_its_speed(name, number):
    """Descriptors as they were read, libusb's number of the speed, data in whole packets."""
    with booted(options=Options(usb_speed=name)) as world:
        device = find(world)
        endpoint = device[0][(0, 0)][0]
        assert (device.speed, endpoint.wMaxPacketSize) == (number, world.host.device.packet_bytes)
        assert device.bcdUSB == (0x0300 if name == "super" else 0x0210)
        clocked(world, 16_000_000)
        assert word(world, Request.STARTFX3) == 1
        assert len(endpoint.read(64 * 1024, 1_000)) == 64 * 1024


def test_set_configuration_wants_no_claim_not_even_ones_own(world):
    device = find(world)
    device.set_configuration()
    usb.util.claim_interface(device, 0)
    with pytest.raises(usb.core.USBError) as caught:
        device.set_configuration()
    assert number_of(caught) == errno.EBUSY


def test_configuration_0_takes_the_endpoint_away(world):
    device = find(world)
    backend = get_backend(world)
    device.set_configuration(0)
    handle = device._ctx.handle
    assert backend.get_configuration(handle) == 0
    for call, expected in (
        (lambda: backend.claim_interface(handle, 0), errno.ENOENT),
        (lambda: backend.bulk_read(handle, EP1, 0, array("B", bytes(1024)), 10), errno.EIO),
        (lambda: backend.set_configuration(handle, 2), errno.ENOENT),
    ):
        with pytest.raises(usb.core.USBError) as caught:
            call()
        assert number_of(caught) == expected
    device.set_configuration(1)
    assert len(started(world).read(EP1, 4096)) == 4096


def test_without_permission_no_program_opens_the_device():
    with booted(options=Options(permissions=False)) as world:
        device = find(world)  # enumerating needs none
        with pytest.raises(usb.core.USBError) as caught:
            device.set_configuration()
        assert number_of(caught) == errno.EACCES


def test_an_interface_that_is_not_there_cannot_be_claimed(world):
    with pytest.raises(usb.core.USBError) as caught:
        usb.util.claim_interface(find(world), 1)
    assert number_of(caught) == errno.ENOENT


def test_the_kernel_waits_5_s_for_its_own_requests():
    with booted(options=Options(clear_halt_acked=False)) as world:
        device = find(world)
        before_ns = world.now_ns
        with pytest.raises(usb.core.USBError) as caught:
            device.clear_halt(EP1)
        assert caught.value.backend_error_code == LIBUSB_OTHER
        assert world.now_ns - before_ns == 5_000 * MS


def test_a_port_reset_that_the_device_does_not_survive_is_enoent_and_success_for_the_driver():
    faults = [Fault.parse("hang:call=thread_sleep,thread=usb,during=RESETFX3,manner=spinning")]
    with booted(policy="none", faults=faults) as world:
        device = find(world)
        send(device, Request.RESETFX3)
        with pytest.raises(usb.core.USBError) as caught:
            device.reset()
        assert number_of(caught) == errno.ENOENT
    with booted(policy="none", faults=faults) as world:
        driver = Rx888.open(get_backend(world), WorldRuntime(world), clear_halt=False)
        assert word(world, Request.RESETFX3) is not None
        driver.port_reset()


# ------------------------------------------------------------------ trouble on the host's side


def trouble(cause: str) -> BenchWorld:
    return booted(faults=[Fault.parse(f"endpoint_error:cause={cause},times=0")])


def test_trap_29_endpoint_trouble_is_an_optional_fault_of_the_host(world):
    """Without it a late read and a needless clear-halt are harmless."""
    device = find(world)
    clocked(world)
    send(device, Request.STARTFX3)
    pause(world, 3)
    assert len(device.read(EP1, FULL_BYTES)) == FULL_BYTES
    device.clear_halt(EP1)
    send(device, Request.STARTFX3)
    assert len(device.read(EP1, FULL_BYTES)) == FULL_BYTES


def test_trap_29_a_late_read_fails_until_a_clear_halt():
    with trouble("late_read") as world:
        device = find(world)
        clocked(world)
        outcomes = []
        for _ in range(3):
            send(device, Request.STARTFX3)
            pause(world, 3)  # the 128 KiB are full after about 1 ms
            for _ in range(2):
                before_ns = world.now_ns
                with pytest.raises(usb.core.USBError) as caught:
                    device.read(EP1, 16_384)
                outcomes.append(number_of(caught))
                assert world.now_ns > before_ns  # a loop of retries comes to an end
            send(device, Request.STOPFX3)
            device.clear_halt(EP1)
        assert outcomes == [errno.EIO] * 6
        assert len(world.injector.armed[0].triggered_ns) == 3
        assert alive(world)
        # A primed start never meets it.
        usb.util.dispose_resources(device)
        driver = Rx888.open(get_backend(world), WorldRuntime(world), clear_halt=False)
        assert len(driver.primed_start(1 << 20, timeout_ms=1000)) == 1 << 20


def test_trap_29_a_needless_clear_halt_after_data_breaks_the_endpoint():
    with trouble("clear_halt") as world:
        device = find(world)
        device.clear_halt(EP1)  # nothing has flowed yet
        usb.util.dispose_resources(device)  # and so it gives back what usbfs claimed for it
        device = started(world)
        device.clear_halt(EP1)
        send(device, Request.STARTFX3)
        with pytest.raises(usb.core.USBError) as caught:
            device.read(EP1, 16_384)
        assert number_of(caught) == errno.EIO
        device.clear_halt(EP1)  # this one had a reason
        send(device, Request.STARTFX3)
        assert len(device.read(EP1, 16_384)) == 16_384


def test_trap_29_a_close_with_reads_pending_leaves_the_endpoint_silent():
    with trouble("close") as world:
        first = find(world)
        clocked(world)

        def reader() -> None:
            with pytest.raises(usb.core.USBError):
                first.read(EP1, 1 << 20, timeout=0)

        world.spawn("reader", reader)
        pause(world, 1)
        usb.util.dispose_resources(first)
        pause(world, 1)
        second = find(world, "second")
        send(second, Request.STARTFX3)
        before_ns = world.now_ns
        with pytest.raises(usb.core.USBTimeoutError):
            second.read(EP1, 16_384, timeout=200)
        assert world.now_ns - before_ns == 200 * MS
        second.clear_halt(EP1)
        send(second, Request.STARTFX3)
        assert len(second.read(EP1, 16_384)) == 16_384


# ------------------------------------------------------------------ long runs


def test_nothing_grows_for_ever():
    with booted() as world:
        for kept in (world.host.log, world.chip.resets, world.chip.spins, world.programs):
            before = kept.total
            for number in range(kept.keep + 5):
                kept.append((number, ""))
            assert len(kept) == kept.keep
            assert kept.total == before + kept.keep + 5
            assert kept[-1] == (kept.keep + 4, "")
