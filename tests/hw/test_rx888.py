"""The driver on pyusb's public interface, over a scripted backend."""

import errno
import threading
from array import array
from dataclasses import replace

import pytest
from usb.backend import libusb1

from hw import ports, protocol
from hw.bus import Selector
from hw.errors import (
    AccessDeniedError,
    AmbiguousError,
    BadReplyError,
    BusyError,
    DeniedError,
    DeviceTimeoutError,
    NoBackendError,
    NoDeviceError,
    StalledError,
    TransferError,
)
from hw.guard import Acknowledgement, Authority, HostState, Operation, RiskMode, Target, gate
from hw.protocol import Argument, DeviceInfo, GpioBit, Request
from hw.runtime import ThreadRuntime
from hw.rx888 import Rx888
from tests.hw.fake_usb import (
    IMAGE,
    SERIAL,
    STATS,
    FakeBackend,
    FakeDevice,
    FakeRuntime,
    WorldBackend,
    usb_error,
)
from tests.sim.bench import booted, driver


@pytest.fixture
def device():
    return FakeDevice()


@pytest.fixture
def backend(device):
    return WorldBackend(device)


@pytest.fixture
def runtime():
    return FakeRuntime()


@pytest.fixture
def rx(backend, runtime):
    with Rx888.open(backend, runtime) as opened:
        yield opened


def last(device):
    return device.log[-1]


def test_open_claims_and_clears_the_halt(rx, device, backend):
    assert backend.claimed == [0]
    assert last(device) == (0x02, 1, 0, 0x81, b"")


def test_close_releases_and_may_be_repeated(backend, runtime):
    with Rx888.open(backend, runtime) as rx:
        rx.info()
    rx.close()
    assert backend.released == [0]
    assert backend.closed == 1


def test_the_halt_is_left_alone_on_request(backend, device, runtime):
    with Rx888.open(backend, runtime, clear_halt=False):
        assert device.log == []


@pytest.mark.parametrize("fault", [errno.EIO, errno.EPIPE, errno.ETIMEDOUT])
def test_a_failing_clear_halt_does_not_keep_a_device_closed(backend, device, runtime, fault):
    device.halt_fault = fault
    with Rx888.open(backend, runtime) as rx:
        with pytest.raises((TransferError, StalledError, DeviceTimeoutError)):
            rx.clear_halt()
        assert rx.info().hardware == protocol.HARDWARE_RX888MK2


@pytest.mark.parametrize(
    ("call", "request_code", "value", "index", "payload"),
    [
        (lambda rx: rx.start(), Request.STARTFX3, 0, 0, bytes(4)),
        (lambda rx: rx.stop(), Request.STOPFX3, 0, 0, bytes(4)),
        (
            lambda rx: rx.start_adc(64_000_000),
            Request.STARTADC,
            0,
            0,
            bytes.fromhex("0090d003"),
        ),
        (lambda rx: rx.reset(), Request.RESETFX3, 0, 0, bytes(4)),
        (
            lambda rx: rx.set_argument(Argument.WATCHDOG_CAP, 3),
            Request.SETARGFX3,
            3,
            14,
            b"\x00",
        ),
        (lambda rx: rx.set_argument(12, 0xFFFF), Request.SETARGFX3, 0xFFFF, 12, b"\x00"),
        (lambda rx: rx.set_attenuator(63), Request.SETARGFX3, 63, 10, b"\x00"),
        (lambda rx: rx.set_vga(0x80), Request.SETARGFX3, 0x80, 11, b"\x00"),
        (lambda rx: rx.set_watchdog_cap(0), Request.SETARGFX3, 0, 14, b"\x00"),
        (lambda rx: rx.set_gpio(0x800), Request.GPIOFX3, 0, 0, bytes.fromhex("00080000")),
        (
            lambda rx: rx.set_gpio(GpioBit.PGA | GpioBit.LED_BLUE),
            Request.GPIOFX3,
            0,
            0,
            bytes.fromhex("00080100"),
        ),
        (lambda rx: rx.i2c_write(0xC0, 16, b"\x80"), Request.I2CWFX3, 0xC0, 16, b"\x80"),
        (lambda rx: rx.hang_handler(900), Request.HANGFX3, 900, 0, b""),
        (lambda rx: rx.hang_main(), Request.HANGMAIN, 0, 0, b""),
    ],
)
def test_out_requests_on_the_wire(rx, device, call, request_code, value, index, payload):
    call(rx)
    assert last(device) == (0x40, request_code, value, index, payload)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda rx: rx.set_attenuator(64), r"attenuator 64 is not in 0\.\.63"),
        (lambda rx: rx.set_attenuator(-1), "attenuator -1"),
        (lambda rx: rx.set_vga(256), r"vga 256 is not in 0\.\.255"),
        (lambda rx: rx.set_watchdog_cap(256), r"watchdog_cap 256 is not in 0\.\.255"),
        (lambda rx: rx.start_adc(1 << 32), "STARTADC 4294967296: not 32 bits"),
        (lambda rx: rx.start_adc(-1), "STARTADC -1"),
        (lambda rx: rx.set_gpio(-1), "GPIOFX3 -1"),
        (lambda rx: rx.hang_handler(1 << 16), "a hang of 65536 ms"),
        (lambda rx: rx.hang_handler(-1), "a hang of -1 ms"),
    ],
)
def test_what_the_firmware_would_cut_is_refused_before_it_is_sent(rx, device, call, words):
    """SETARGFX3 cuts its values (USBHandler.c): 64 half decibels would be none at all."""
    count = len(device.log)
    with pytest.raises(ValueError, match=words):
        call(rx)
    assert len(device.log) == count


def test_in_requests(rx, device):
    assert rx.info() == DeviceInfo(4, 2, 3, 7)
    assert last(device)[:4] == (0xC0, Request.TESTFX3, 0, 0)
    rx.info(debug=True)
    assert last(device)[2] == 1
    assert rx.stats() == STATS


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (errno.ETIMEDOUT, DeviceTimeoutError),
        (errno.EPIPE, StalledError),
        (errno.ENODEV, NoDeviceError),
        (errno.EIO, TransferError),
    ],
)
def test_errors_are_typed(rx, device, fault, kind):
    device.faults[Request.STARTFX3] = fault
    with pytest.raises(kind, match="STARTFX3"):
        rx.start()


@pytest.mark.parametrize(
    ("reply_bytes", "boot_count", "clock_state"),
    [(20, False, False), (22, False, True), (26, True, True)],
)
def test_capabilities_follow_the_form_of_the_statistics(
    rx, device, reply_bytes, boot_count, clock_state
):
    device.replies[Request.GETSTATS] = bytes(reply_bytes)
    found = rx.capabilities()
    assert found.has_stats
    assert (found.has_boot_count, found.has_clock_state) == (boot_count, clock_state)
    assert "dma_count" in found.stats_fields


def test_a_firmware_without_statistics_can_do_without(rx, device):
    device.faults[Request.GETSTATS] = errno.EPIPE
    found = rx.capabilities()
    assert (found.has_stats, found.has_boot_count, found.stats_fields) == (
        False,
        False,
        frozenset(),
    )


@pytest.mark.parametrize(
    ("version", "has_hooks"), [((2, 2), False), ((2, 3), True), ((2, 10), True), ((3, 0), True)]
)
def test_hang_hooks_are_told_by_the_version_and_never_tried(rx, device, version, has_hooks):
    device.replies[Request.TESTFX3] = DeviceInfo(4, *version, 0).pack()
    found = rx.capabilities()
    assert (found.firmware, found.hang_hooks) == (version, has_hooks)
    assert {entry[1] for entry in device.log} <= {Request.TESTFX3, Request.GETSTATS, 1}


@pytest.mark.parametrize("firmware", ["original", "fw-2.2", "fw-2.3", "reference"])
def test_capabilities_of_every_revision_on_a_world(firmware):
    with booted(firmware) as world:
        found = driver(world).capabilities()
        assert found.firmware == world.revision.version
        assert found.hang_hooks is world.revision.test_hooks
        assert found.has_boot_count is (world.revision.stats_bytes == 26)


@pytest.mark.parametrize("reply", [b"", b"\x04\x02\x03"])
def test_replies_of_the_wrong_shape(rx, device, reply):
    device.replies[Request.TESTFX3] = reply
    device.replies[Request.GETSTATS] = reply
    with pytest.raises(BadReplyError, match="TESTFX3"):
        rx.info()
    with pytest.raises(BadReplyError, match="GETSTATS"):
        rx.stats()


def test_a_short_out_transfer_is_a_bad_reply(rx, device):
    device.control = lambda kind, request, value, index, data: len(data) - 1
    with pytest.raises(BadReplyError, match=r"STOPFX3.*3 of 4 bytes"):
        rx.stop()


def test_reads(rx, device):
    assert len(rx.read(16384, timeout_ms=500)) == 16384
    device.bulk = b"\x01\x02"
    assert rx.read(16384, timeout_ms=500) == b"\x01\x02"
    device.bulk = b""
    with pytest.raises(DeviceTimeoutError, match="0 bytes in 500 ms"):
        rx.read(16384, timeout_ms=500)
    device.bulk = errno.ETIMEDOUT
    with pytest.raises(DeviceTimeoutError):
        rx.read(16384, timeout_ms=500)


def test_reads_into_a_buffer_of_the_callers(rx, device):
    buffer = array("B", bytes(4096))
    device.bulk = b"\x01\x02" * 512
    assert rx.read_into(buffer, timeout_ms=500) == 1024
    assert buffer.tobytes() == b"\x01\x02" * 512 + bytes(3072)
    device.bulk = b""
    with pytest.raises(DeviceTimeoutError, match="0 bytes in 500 ms"):
        rx.read_into(buffer, timeout_ms=500)


def test_what_one_read_returned_is_not_changed_by_the_next(rx, device):
    first = rx.read(2048, timeout_ms=500)
    device.bulk = b"\x07" * 4096
    assert rx.read(2048, timeout_ms=500) == b"\x07" * 2048
    assert rx.read(1024, timeout_ms=500) == b"\x07" * 1024
    assert rx.read(4096, timeout_ms=500) == b"\x07" * 4096
    assert first == b"\x01\x02" * 1024


def test_two_reads_at_once_do_not_share_a_buffer(device):
    inside = threading.Barrier(2)

    class Slow(WorldBackend):
        def bulk_read(self, dev_handle, ep, intf, buff, timeout):
            buff[:] = array("B", bytes((timeout,)) * len(buff))
            inside.wait(5)
            return len(buff)

    with Rx888.open(Slow(device), ThreadRuntime()) as rx:
        for _ in range(2):
            spawn = ThreadRuntime().spawn
            one = spawn("one", lambda: rx.read(1024, timeout_ms=1))
            two = spawn("two", lambda: rx.read(1024, timeout_ms=2))
            assert (one.join(5000), two.join(5000)) == (b"\1" * 1024, b"\2" * 1024)


def test_the_guard_decides_once_for_a_world_and_each_time_for_a_real_bus(
    device, runtime, monkeypatch
):
    asked = []
    monkeypatch.setattr(gate, "require", lambda operation, *more: asked.append(operation))
    for backend, count in ((WorldBackend(device), 1), (FakeBackend(device), 5)):
        rx = Rx888.open(backend, runtime)
        asked.clear()
        for _ in range(5):
            rx.stop()
        assert asked == [Operation.STREAM] * count


def test_primed_start(rx, device):
    assert len(rx.primed_start(16384, timeout_ms=2000)) == 16384
    assert last(device)[1] == Request.STARTFX3


def test_a_primed_start_that_fails_tells_of_its_read_too(rx, device):
    device.faults[Request.STARTFX3] = errno.EIO
    device.bulk = errno.ETIMEDOUT
    with pytest.raises(TransferError, match="STARTFX3") as caught:
        rx.primed_start(16384, timeout_ms=2000)
    assert "bulk read" in caught.value.__notes__[0]


# --- finding -----------------------------------------------------------------------------------


def test_an_empty_bus(runtime):
    with pytest.raises(NoDeviceError, match="04b4:00f1 not found, any device"):
        Rx888.open(WorldBackend(), runtime)


def test_a_boot_rom_without_an_image_is_named(runtime):
    with pytest.raises(NoDeviceError, match="give an image"):
        Rx888.open(WorldBackend(FakeDevice(application=False)), runtime)


def test_a_boot_rom_with_an_image_is_uploaded_to(runtime):
    rom = FakeDevice(application=False)
    with Rx888.open(WorldBackend(rom), runtime, image=IMAGE) as rx:
        assert rx.info().hardware == protocol.HARDWARE_RX888MK2
    assert rom.is_application


def test_two_devices_are_not_guessed_between(runtime):
    one, two = FakeDevice(), FakeDevice(serial="FEDCBA9876543210")
    two.address, two.ports = 6, (2,)
    backend = WorldBackend(one, two)
    with pytest.raises(AmbiguousError, match="2 for any device"):
        Rx888.open(backend, runtime)
    for selector in (
        Selector(serial=two.serial),
        Selector(port_numbers=(2,)),
        Selector(port_numbers=(2,), bus=2),
    ):
        two.log.clear()
        with Rx888.open(backend, runtime, selector=selector) as rx:
            rx.stop()
        assert last(two)[1] == Request.STOPFX3
    with pytest.raises(NoDeviceError, match="bus 9"):
        Rx888.open(backend, runtime, selector=Selector(bus=9))


def test_a_dead_neighbour_does_not_hide_the_device_wanted(runtime):
    dead, wanted = FakeDevice(), FakeDevice(serial="FEDCBA9876543210")
    wanted.address = 6
    dead.faults[protocol.StandardRequest.GET_DESCRIPTOR] = errno.ETIMEDOUT
    backend = WorldBackend(dead, wanted)
    with Rx888.open(backend, runtime, selector=Selector(serial=wanted.serial)) as rx:
        assert rx.info().hardware == protocol.HARDWARE_RX888MK2
    with pytest.raises(DeviceTimeoutError, match="serial number"):
        Rx888.open(backend, runtime, selector=Selector(serial=SERIAL))


def test_a_garbled_serial_number_is_a_bad_reply(runtime):
    device = FakeDevice(serial="")
    device.control = lambda kind, request, value, index, data: 1
    with pytest.raises(BadReplyError, match="serial number"):
        Rx888.open(WorldBackend(device), runtime, selector=Selector(serial=SERIAL))


def test_an_owner_of_the_interface(runtime, backend):
    backend.claim_fault = errno.EBUSY
    with pytest.raises(BusyError, match="another program"):
        Rx888.open(backend, runtime)


@pytest.mark.parametrize("where", ["open", "claim"])
def test_a_user_without_leave_is_told_of_the_udev_rule(device, runtime, where):
    class Closed(WorldBackend):
        def open_device(self, dev):
            if where == "open":
                raise usb_error(errno.EACCES)
            return dev

    backend = Closed(device)
    backend.claim_fault = errno.EACCES
    with pytest.raises(AccessDeniedError, match="udev"):
        Rx888.open(backend, runtime)


@pytest.mark.parametrize("firmware", ["fw-2.3", "reference"])
def test_a_device_that_vanishes_in_the_middle_of_a_request(firmware):
    """HANGFX3 of 5 s: the watchdog of the control endpoint resets after 2 s, below the request."""
    with booted(firmware) as world:
        rx = driver(world)
        began_ns = world.now_ns
        with pytest.raises(NoDeviceError, match="HANGFX3"):
            rx.hang_handler(5_000, timeout_ms=4_000)
        assert 2_000_000_000 <= world.now_ns - began_ns <= 2_300_000_000
        for call in (rx.info, rx.stats, rx.stop, rx.clear_halt):
            with pytest.raises(NoDeviceError):
                call()


def test_a_closed_door_is_not_waited_at(runtime, backend, rx):
    backend.enumerate_fault = errno.EACCES
    with pytest.raises(AccessDeniedError, match="udev"):
        rx.wait_for(protocol.BOOT_PRODUCT_ID, timeout_ms=1000)
    assert runtime.time_ns == 0


def test_waiting_ends(rx, runtime):
    with pytest.raises(NoDeviceError, match="no 04b4:00f3 within 300 ms"):
        rx.wait_for(protocol.BOOT_PRODUCT_ID, timeout_ms=300)
    assert runtime.time_ns == 300_000_000


@pytest.mark.parametrize(
    ("selector", "label"),
    [
        (Selector(), "any device"),
        (Selector(bus=3), "any device on bus 3"),
        (Selector(port_numbers=(1, 4)), "port 1.4"),
        (Selector(port_numbers=(1, 4), bus=3), "port 3-1.4"),
        (Selector(serial="AB"), "serial AB"),
    ],
)
def test_labels(selector, label):
    assert selector.label == label


# --- coming back -------------------------------------------------------------------------------


def test_a_reset_device_is_found_uploaded_to_and_opened(rx, device, runtime):
    rx.reset()
    rx.wait_for(protocol.BOOT_PRODUCT_ID, timeout_ms=1000)
    report = rx.reacquire(IMAGE)
    assert report is not None
    assert report.written_bytes == IMAGE.data_bytes
    assert rx.info().firmware_major == 2
    assert rx.generation == 1


def test_the_device_before_its_reset_is_not_mistaken_for_the_one_after(rx, device, runtime):
    def reset_after_100_ms():
        if runtime.time_ns == 100_000_000:
            device.become(application=False)

    runtime.on_sleep.append(reset_after_100_ms)
    assert rx.reacquire(IMAGE) is not None
    assert runtime.time_ns == 100_000_000


def test_an_application_at_a_new_address_needs_no_upload(rx, device):
    device.become(application=True)
    assert rx.reacquire(IMAGE) is None


def test_in_place_an_application_must_answer_first(rx, device, runtime):
    device.faults[Request.TESTFX3] = errno.ETIMEDOUT

    def heal():
        if runtime.time_ns >= 2_000_000_000:
            device.faults.clear()

    runtime.on_sleep.append(heal)
    assert rx.reacquire(IMAGE, in_place=True) is None
    assert runtime.time_ns == 2_000_000_000


@pytest.fixture
def sysfs(tmp_path, monkeypatch):
    """Connectors: bus 2 port 1 is bus 1 port 5, and so on behind the hub at bus 2 port 3."""
    monkeypatch.setattr(ports, "SYSFS", tmp_path)
    for here, there in (
        ("usb2/2-0:1.0/usb2-port1", "usb1/1-0:1.0/usb1-port5"),
        ("usb1/1-0:1.0/usb1-port5", "usb2/2-0:1.0/usb2-port1"),
        ("2-3/2-3:1.0/2-3-port4", "1-7/1-7:1.0/1-7-port4"),
        ("2-3.1/2-3.1:1.0/2-3.1-port2", "1-7.1/1-7.1:1.0/1-7.1-port2"),
        ("2-3/2-3:1.0/2-3-port9", "somewhere/else"),
    ):
        (tmp_path / here).mkdir(parents=True)
        (tmp_path / here / "peer").symlink_to(f"../../../{there}")


@pytest.mark.parametrize(
    ("port", "peer"),
    [
        ((2, (1,)), (1, (5,))),
        ((1, (5,)), (2, (1,))),
        ((2, (3, 4)), (1, (7, 4))),
        ((2, (3, 1, 2)), (1, (7, 1, 2))),
        ((2, (2,)), None),
        ((2, (3, 9)), None),
    ],
)
@pytest.mark.usefixtures("sysfs")
def test_the_system_tells_a_connectors_other_port(port, peer):
    assert ports.peer_of(port) == peer


@pytest.mark.usefixtures("sysfs")
def test_a_device_is_found_at_its_connector_and_not_at_a_like_numbered_one(device, runtime):
    """Bus 2 port 1 at SuperSpeed; its boot ROM is on bus 1 port 5, a stranger on bus 1 port 1."""
    device.ports = (1,)
    stranger = FakeDevice(application=False)
    stranger.bus, stranger.ports, stranger.address = 1, (1,), 9
    granted = authority(RiskMode.AGGRESSIVE, Operation.RESET)
    with Rx888.open(FakeBackend(device, stranger), runtime, authority=granted) as rx:
        rx.reset()
        device.bus, device.ports = 1, (5,)
        assert rx.reacquire(IMAGE) is not None
        assert rx.info().firmware_major == 2
    assert device.is_application
    assert not stranger.ram


@pytest.mark.usefixtures("sysfs")
def test_a_device_that_stays_on_its_bus_is_found_at_its_connector_too(device, runtime):
    device.ports = (1,)
    granted = authority(RiskMode.AGGRESSIVE, Operation.RESET)
    with Rx888.open(FakeBackend(device), runtime, authority=granted) as rx:
        device.become(application=True)
        assert rx.reacquire(IMAGE) is None


@pytest.mark.usefixtures("sysfs")
def test_the_ports_of_this_machine_are_not_asked_about_a_world(device, runtime):
    device.ports = (1,)
    with Rx888.open(WorldBackend(device), runtime) as rx:
        rx.reset()
        device.bus = 1
        assert rx.reacquire(IMAGE) is not None


@pytest.mark.usefixtures("sysfs")
def test_a_port_chosen_at_one_speed_is_uploaded_to_at_the_other(runtime):
    rom = FakeDevice(application=False)
    rom.bus, rom.ports = 1, (5,)
    upload = Acknowledgement(Operation.UPLOAD, Target("usb", "port 2-1"))
    granted = Authority(RiskMode.STANDARD, frozenset((upload,)), HostState.NORMAL)
    chosen = Selector(port_numbers=(1,), bus=2)
    with Rx888.open(
        FakeBackend(rom), runtime, selector=chosen, authority=granted, image=IMAGE
    ) as rx:
        assert rx.info().hardware == protocol.HARDWARE_RX888MK2


def test_a_device_that_changes_its_bus_is_found_by_its_port_path(rx, device):
    rx.reset()
    device.bus, device.address = 1, 77
    assert rx.reacquire(IMAGE) is not None


def test_the_boot_rom_of_a_device_chosen_by_serial_is_found_at_its_port(runtime):
    """Its own serial number is the same on every chip, so it decides nothing."""
    wanted, other = FakeDevice(), FakeDevice(application=False, serial="0000000004BE")
    other.address, other.ports = 9, (2,)
    with Rx888.open(WorldBackend(wanted, other), runtime, selector=Selector(serial=SERIAL)) as rx:
        rx.reset()
        assert rx.reacquire(IMAGE) is not None
        assert not other.ram


def test_another_device_at_the_same_port_is_not_taken_for_the_one_chosen_by_serial(runtime):
    device = FakeDevice()
    with Rx888.open(WorldBackend(device), runtime, selector=Selector(serial=SERIAL)) as rx:
        device.become(application=True)
        device.serial = "FEDCBA9876543210"
        with pytest.raises(NoDeviceError, match=r"on the bus: 04b4:00f1 at 2-1\.4"):
            rx.reacquire(IMAGE, timeout_ms=300)


def test_a_device_that_stays_away(rx, device):
    device.is_present = False
    with pytest.raises(NoDeviceError, match="within 10000 ms"):
        rx.reacquire(IMAGE)
    assert rx.generation == 0


def test_reset_counts_a_device_that_left_as_reset(rx, device):
    for fault in (errno.ENODEV, errno.EIO):
        device.faults[Request.RESETFX3] = fault
        rx.reset()
    device.faults[Request.RESETFX3] = errno.EPIPE
    with pytest.raises(StalledError):
        rx.reset()


@pytest.mark.parametrize("fault", [0, errno.ENODEV, errno.ENOENT])
def test_port_reset(rx, device, fault):
    device.reset_fault = fault
    rx.port_reset()
    assert rx.reacquire(IMAGE) is not None


# --- the guard ---------------------------------------------------------------------------------


def authority(mode, *operations):
    target = Target("usb", "any device")
    given = frozenset(Acknowledgement(operation, target) for operation in operations)
    return Authority(mode, given, HostState.NORMAL, is_force_guarded=True)


def test_a_real_device_is_denied_before_anything_is_touched(device, runtime):
    backend = FakeBackend(device)
    backend.enumerate_fault = errno.EIO
    with pytest.raises(DeniedError):
        Rx888.open(backend, runtime)
    with pytest.raises(DeniedError):
        Rx888.open(runtime=runtime)
    assert device.log == []


def test_a_granted_device_is_opened_and_each_operation_asked_for(device, runtime):
    backend = FakeBackend(device)
    with Rx888.open(backend, runtime, authority=authority(RiskMode.STANDARD)) as rx:
        assert rx.stats() == STATS
        count = len(device.log)
        for call in (rx.start, rx.stop, rx.reset, rx.port_reset, rx.hang_main):
            with pytest.raises(DeniedError):
                call()
        assert len(device.log) == count


def test_reads_of_a_real_device_end_when_its_host_turns_frozen(device, runtime):
    """The guard is asked at each of them: what allowed the first may be gone by the second."""
    told = [authority(RiskMode.STANDARD)]
    with Rx888.open(FakeBackend(device), runtime, authority=lambda: told[0]) as rx:
        buffer = array("B", bytes(1_024))
        assert rx.read_into(buffer, timeout_ms=100) == 1_024
        told[0] = replace(told[0], host_state=HostState.FROZEN)
        with pytest.raises(DeniedError, match="frozen"):
            rx.read_into(buffer, timeout_ms=100)


def test_without_a_usb_library_the_message_says_so(runtime, monkeypatch):
    monkeypatch.setattr(libusb1, "get_backend", lambda: None)
    with pytest.raises(NoBackendError, match="install libusb"):
        Rx888.open(runtime=runtime, authority=authority(RiskMode.STANDARD))


def test_a_kernel_driver_is_detached_only_by_force(device, runtime):
    device.kernel_driver = True
    backend = FakeBackend(device)
    with pytest.raises(DeniedError, match="detach-driver"):
        Rx888.open(backend, runtime, authority=authority(RiskMode.AGGRESSIVE))
    forced = authority(RiskMode.AGGRESSIVE, Operation.DETACH_DRIVER)
    with Rx888.open(backend, runtime, authority=forced):
        assert device.kernel_driver is False


def test_no_kernel_driver_needs_no_force(device, runtime):
    device.kernel_driver = False
    with Rx888.open(FakeBackend(device), runtime, authority=authority(RiskMode.STANDARD)) as rx:
        assert rx.info().hardware == protocol.HARDWARE_RX888MK2


def test_observers_are_told_of_each_transfer_that_ended(rx, device):
    seen = []
    rx.observe(seen.append)
    rx.set_argument(Argument.VGA, 300)
    rx.stats()
    device.faults[Request.STOPFX3] = errno.ETIMEDOUT
    with pytest.raises(DeviceTimeoutError):
        rx.stop()
    first, second, third = seen
    assert (first.kind, first.request, first.value, first.index, first.sent) == (
        "out",
        Request.SETARGFX3,
        300,
        Argument.VGA,
        b"\x00",
    )
    assert (second.kind, second.asked_bytes, second.reply) == ("in", 26, STATS.pack())
    assert isinstance(third.error, DeviceTimeoutError)


def test_an_unknown_request_is_the_guards_raw_operation(backend, runtime):
    raw = Operation.RAW
    assert raw.operation_class.value == "destructive"
    with Rx888.open(backend, runtime) as rx:
        assert rx.request_out(0xCC, b"\0\0\0\0") == 4
