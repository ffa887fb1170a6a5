"""The link: enumeration, speeds, bus reset, suspend, disconnect, unplugging.

Sources: S131 usb/cyu3usbpp.c, soak_test.sh, USBHandler.c, USB 2.0 and 3.2, Linux drivers/usb/core.
"""

import pytest

from hw import protocol
from hw.protocol import (
    APPLICATION_PRODUCT_ID,
    BOOT_PRODUCT_ID,
    DescriptorType,
    Request,
    SdkStatus,
    StandardRequest,
    UsbEvent,
)
from sim.chip.usb import BusSignal, Setup, TransferStatus, UsbSpeed
from sim.faults import Fault
from sim.firmware import Firmware
from sim.host.drain import Drain
from sim.options import Options
from sim.sdk.usb_standard import StandardRequests
from sim.world import BenchWorld

from .bench import (
    CANCELLED,
    DONE,
    MHZ,
    MS,
    SECOND_NS,
    STALLED,
    BareBench,
    alive,
    booted,
    clocked,
    pause,
    register_descriptors,
    request,
    stats,
    streaming,
    word,
)

TESTFX3 = Setup(protocol.VENDOR_IN, Request.TESTFX3, 0, 0, 4)
STAYS = Options(usb_reset_ends_in_boot_rom=False)


def events_of(world) -> list:
    """What the firmware's event callback is told from here on."""
    events: list = []
    callback = world.chip.sdk._event_callback

    def note(event, data) -> None:
        events.append((event, data))
        callback(event, data)

    world.chip.sdk.usb_register_event_callback(note)
    return events


def log_of(world) -> list[str]:
    return [text for _, text in world.host.log]


# ---------------------------------------------------------------- enumeration


@pytest.fixture
def asked(monkeypatch):
    """Every standard request that the driver serves, as (request, value, length)."""
    seen: list = []
    original = StandardRequests._standard

    def note(self, transfer):
        seen.append((transfer.setup.request, transfer.setup.value, transfer.setup.length))
        return original(self, transfer)

    monkeypatch.setattr(StandardRequests, "_standard", note)
    return seen


def test_a_host_really_asks_the_firmware_for_all_that_it_knows(asked):
    """Linux hub.c, config.c, message.c: in this order; SET_CONFIGURATION comes last."""
    get = StandardRequest.GET_DESCRIPTOR
    string = DescriptorType.STRING << 8
    with booted() as world:
        assert asked == [
            (StandardRequest.SET_ISOCH_DELAY, 0, 0),
            (get, DescriptorType.DEVICE << 8, 18),
            (get, DescriptorType.BOS << 8, 5),
            (get, DescriptorType.BOS << 8, 22),
            (get, DescriptorType.CONFIGURATION << 8, 9),
            (get, DescriptorType.CONFIGURATION << 8, 31),
            (get, string, 255),
            (get, string | 2, 255),
            (get, string | 1, 255),
            (get, string | 3, 255),
            (StandardRequest.SET_SEL, 0, 6),
            (StandardRequest.SET_CONFIGURATION, 1, 0),
        ]
        device = world.host.device
        assert device.descriptors.device == protocol.DEVICE_DESCRIPTOR_SS
        assert device.descriptors.configuration == protocol.CONFIGURATION_DESCRIPTOR_SS
        assert device.descriptors.bos == protocol.BOS_DESCRIPTOR
        names = (device.manufacturer, device.product, device.serial_number)
        assert names == ("sdr prototypes", "RX888mk2", "9ABCDEF012345678")


def test_the_descriptors_are_read_in_the_last_3_ms(monkeypatch):
    """Seen on hardware: about 3 ms from first sight to the configuration, of 430 ms in all."""
    starts = []
    original = Firmware.on_usb_event

    def note(self, event, data):
        starts.append((event, self.sdk.world.now_ns))
        original(self, event, data)

    monkeypatch.setattr(Firmware, "on_usb_event", note)
    with booted() as world:
        at_ns = dict(starts)
        assert at_ns[UsbEvent.SETCONF] - at_ns[UsbEvent.CONNECT] == 3 * MS
        appeared_ns = world.host.log[-1][0]
        # 1.4 ms of I2C come before the connection.
        assert 401 * MS <= appeared_ns < 402 * MS


@pytest.mark.parametrize("call", ["usb_send_ep0_data", "usb_ack_setup"])
def test_a_hung_firmware_does_not_enumerate(call):
    """Linux: each request has 5 s and each connection four tries; then there is no device."""
    with BenchWorld("fw-2.3", "none") as world:
        world.chip.on_boot.append(
            lambda program, sdk: setattr(sdk, call, lambda *_: sdk.rtos.block(1_000_000, None))
        )
        with pytest.raises(Exception, match="did not enumerate"):
            world.boot(45_000)
        assert world.host.device is None
        assert log_of(world) == ["device descriptor read error"] * 4


def test_a_start_that_hangs_fails_at_set_configuration():
    """Linux: can't set config; the descriptors were fine."""
    with BenchWorld("fw-2.3", "none") as world:
        world.chip.on_boot.append(
            lambda program, sdk: setattr(sdk, "pib_init", lambda: sdk.rtos.block(1_000_000, None))
        )
        with pytest.raises(Exception, match="did not enumerate"):
            world.boot()
        assert log_of(world) == ["device not accepting its configuration"]


def test_a_device_does_without_its_strings():
    """Linux: strings that stall are left out."""
    with BareBench() as bench:

        def start() -> None:
            bench.sdk.usb_start()
            register_descriptors(bench.sdk)
            bench.sdk.connect_state(True, True)

        bench.thread(start)
        bench.run_until(SECOND_NS)
        device = bench.host.device
        assert device.descriptors.strings == {}
        assert (device.manufacturer, device.serial_number) == (None, None)


def test_a_device_that_leaves_during_enumeration_is_forgotten():
    """The firmware disconnects within the 3 ms: nothing appears, a later connection does."""
    with BareBench() as bench:

        def start() -> None:
            bench.sdk.usb_start()
            register_descriptors(bench.sdk)
            bench.sdk.connect_state(True, True)
            bench.sdk.thread_sleep(398)
            bench.sdk.connect_state(False, True)
            bench.sdk.thread_sleep(1_000)
            bench.sdk.connect_state(True, True)

        bench.thread(start)
        bench.run_until(SECOND_NS)
        assert bench.host.device is None
        assert bench.host.log == []
        bench.run_until(2 * SECOND_NS)
        assert log_of(bench) == ["new device 04b4:00f1, address 1"]


# ---------------------------------------------------------------- speeds


@pytest.mark.parametrize(
    ("speed", "link", "bus"),
    [("super", UsbSpeed.SUPER, 2), ("high", UsbSpeed.HIGH, 1), ("full", UsbSpeed.FULL, 1)],
)
def test_the_port_sets_the_speed(speed, link, bus):
    """cyu3usb.h: UsbGetSpeed; the boot ROM runs at high speed at most (AN76405)."""
    with booted(options=Options(usb_speed=speed)) as world:
        device = world.host.device
        assert (device.speed, device.bus, world.chip.sdk.link_speed) == (link, bus, link)
        assert word(world, Request.RESETFX3) is DONE
        pause(world, 2_000)
        assert world.host.device.speed == min(link, UsbSpeed.HIGH)
        assert world.host.device.bus == 1


@pytest.mark.parametrize(
    ("speed", "packet_bytes", "packet_ns"),
    [("super", 1024, 2_560), ("high", 512, 12_800), ("full", 64, 52_632)],
)
def test_a_slow_link_carries_what_its_packets_allow(speed, packet_bytes, packet_ns):
    """Options packet_ns, packet_hs_ns, packet_fs_ns: 64 MS/s is more than USB 2.0 carries."""
    with booted(policy="none", options=Options(usb_speed=speed)) as world:
        drain = streaming(world)
        pause(world, 100)
        before, before_ns = drain.bytes, world.now_ns
        pause(world, 1_000)
        rate = (drain.bytes - before) / ((world.now_ns - before_ns) / 1e9)
        link = packet_bytes * 1e9 / packet_ns
        assert rate == pytest.approx(min(link, 127_999_998), rel=0.001)
        assert (stats(world).pib_errors > 0) == (speed != "super")


def test_a_slow_stream_fits_a_slow_link():
    """16 MS/s are 32 MB/s: high speed carries them without an error."""
    with booted(policy="none", options=Options(usb_speed="high")) as world:
        drain = streaming(world, 16 * MHZ)
        pause(world, 1_000)
        assert drain.bytes == pytest.approx(32_000_000, rel=0.01)
        assert stats(world).pib_errors == 0


def test_a_firmware_that_keeps_to_usb_2_gets_that_links_packets():
    """cyu3usb.h: ConnectState without SuperSpeed."""
    with BareBench() as bench:

        def start() -> None:
            bench.sdk.usb_start()
            register_descriptors(bench.sdk)
            bench.sdk.connect_state(True, False)

        bench.thread(start)
        bench.run_until(SECOND_NS)
        assert bench.host.device.speed is UsbSpeed.HIGH
        assert bench.host.device.bulk.packet_bytes == bench.chip.stream.packet_bytes == 512


def test_start_refuses_low_power_and_stop_accepts_it_again():
    """USBHandler.c: LPMDisable in STARTFX3, LPMEnable in STOPFX3."""
    with booted() as world:
        sdk = world.chip.sdk
        assert sdk.lpm_enabled
        streaming(world)
        assert not sdk.lpm_enabled
        assert word(world, Request.STOPFX3) is DONE
        assert sdk.lpm_enabled


# ---------------------------------------------------------------- bus reset


def test_a_port_reset_configures_the_device_again():
    """S131: event RESET(1), configuration gone, then read and configured as at first."""
    with booted(options=STAYS) as world:
        streaming(world)
        events = events_of(world)
        old = world.host.device
        begun_ns = world.now_ns
        assert world.host.port_reset(old)
        assert 60 * MS <= world.now_ns - begun_ns < 64 * MS
        assert events == [(UsbEvent.RESET, 1), (UsbEvent.SET_SEL, 0), (UsbEvent.SETCONF, 1)]
        new = world.host.device
        assert new is not old
        assert not old.present
        assert new.address == old.address + 1
        assert stats(world).dma_count == 0
        assert not world.host.port_reset(old)


@pytest.mark.parametrize("policy", ["none", "level-1-4-5", "reference"])
def test_trap_26_usbreset_ends_in_the_boot_rom(policy):
    """soak_test.sh: 2 to 7 s after usbreset the device is 04B4:00F3, its firmware lost."""
    with booted("fw-2.3", policy) as world:
        old = world.host.device
        begun_ns = world.now_ns
        assert not world.host.port_reset(old)
        while world.host.device is None:
            pause(world, 1)
        assert world.host.device.function.product_id == BOOT_PRODUCT_ID
        assert 2 * SECOND_NS <= world.now_ns - begun_ns <= 7 * SECOND_NS
        assert world.firmware is None
        assert world.host.control(old, TESTFX3, b"", 100).status is TransferStatus.NO_DEVICE


@pytest.mark.parametrize("code", [Request.RESETFX3, Request.HANGFX3, Request.HANGMAIN])
def test_trap_26_every_other_way_out_ends_there_too(code):
    """USBHandler.c, health.c: RESETFX3, level 4 and level 5 lose the firmware; old handles too."""
    with booted("fw-2.3", "level-1-4-5") as world:
        old = world.host.device
        if code == Request.RESETFX3:
            word(world, code)
        else:
            request(world, code, 5_000)
        pause(world, 10_000)
        assert world.host.device.function.product_id == BOOT_PRODUCT_ID
        assert world.host.control(old, TESTFX3, b"", 100).status is TransferStatus.NO_DEVICE


def test_a_reset_before_set_configuration_has_nothing_to_tear_down():
    """USBHandler.c: RESET stops the application only while it is active."""
    with booted() as world:
        world.host.set_configuration(world.host.device, 0)
        assert world.host.port_reset(world.host.device)
        pause(world, 10_000)
        assert world.host.device.is_application


def test_a_hung_usb_thread_does_not_come_back_from_a_port_reset():
    """Linux: the descriptor read times out after 5 s, and so do three more tries."""
    with booted("fw-2.3", "none", options=STAYS) as world:
        assert request(world, Request.HANGFX3, 60_000).status is CANCELLED
        begun_ns = world.now_ns
        assert not world.host.port_reset(world.host.device)
        assert world.now_ns - begun_ns > 20 * SECOND_NS
        assert log_of(world)[-4:] == ["device descriptor read error"] * 4


@pytest.mark.parametrize(("failures", "tries"), [(2, 0), (3, 1), (9, 3), (11, 3)])
def test_the_host_asks_again_for_a_descriptor_that_fails(failures, tries):
    """Linux: three requests a try (usb_get_descriptor), four tries (PORT_INIT_TRIES)."""
    fault = Fault("error", call="usb_send_ep0_data", thread="usb", times=failures)
    with BenchWorld("fw-2.3", "none", faults=[fault]) as world:
        world.boot()
        assert log_of(world)[:tries] == ["device descriptor read error"] * tries
        assert log_of(world)[tries].startswith("new device 04b4:00f1")


def test_after_four_tries_the_host_gives_up():
    """Only a new connection makes Linux look again."""
    fault = Fault("error", call="usb_send_ep0_data", thread="usb", times=12)
    with BenchWorld("fw-2.3", "none", faults=[fault]) as world:
        with pytest.raises(Exception, match="did not enumerate"):
            world.boot(20_000)
        assert log_of(world) == ["device descriptor read error"] * 4


def test_a_bus_reset_ends_a_wait_for_data():
    """S131: GetEP0Data answers XFER_CANCELLED 0x51 at once, and the device enumerates again."""
    with booted("fw-2.3", "none", options=STAYS) as world:
        sdk = world.chip.sdk
        original = sdk.usb_get_ep0_data
        answers = []

        def get(count):
            begun_ns = world.now_ns
            status, data = original(count)
            answers.append((status, world.now_ns - begun_ns))
            return status, data

        sdk.usb_get_ep0_data = get
        world.host.withhold_data = lambda code: True
        assert word(world, Request.SETARGFX3) is CANCELLED
        assert answers == []
        assert world.host.port_reset(world.host.device)
        (status, waited_ns), *later = answers
        assert status == SdkStatus.XFER_CANCELLED
        assert SECOND_NS - MS < waited_ns < SECOND_NS + MS
        assert [status for status, _ in later] == [0]  # SET_SEL
        assert alive(world)


def test_a_request_begun_before_a_bus_reset_answers_nobody():
    """S131: a handler that outlasts the reset finds its request cancelled, without any wait."""
    answers = []
    with BareBench(options=STAYS) as bench:

        def handle(first, second) -> bool:
            bench.sdk.thread_sleep(30)
            begun_ns = bench.now_ns
            answers.append(bench.sdk.usb_get_ep0_data(4)[0])
            answers.append(bench.sdk.usb_send_ep0_data(b"late"))
            bench.sdk.usb_ack_setup()
            answers.append(bench.now_ns - begun_ns)
            return True

        def start() -> None:
            bench.sdk.usb_start()
            bench.sdk.usb_register_setup_callback(handle, True)
            register_descriptors(bench.sdk)
            bench.sdk.connect_state(True, True)

        bench.thread(start)
        bench.run_until(SECOND_NS)
        request(bench, 1, data=b"1234", limit_ms=10)
        assert bench.host.port_reset(bench.host.device)
        assert answers == [SdkStatus.XFER_CANCELLED, 0, 0]


def test_a_bus_reset_takes_stale_replies_with_it():
    """S131: every endpoint is flushed, so what incident F26 left queued is gone."""
    with booted("fw-2.3", "none", options=STAYS) as world:
        world.chip.ep0.desynchronised = True
        assert request(world, Request.TESTFX3, length=4, into=True).reply != b"\x04\x02\x03\x00"
        assert world.host.port_reset(world.host.device)
        reply = request(world, Request.TESTFX3, length=4, into=True).reply
        assert reply[:3] == b"\x04\x02\x03"


def test_a_bus_reset_takes_the_configuration_before_the_event():
    """S131: the driver is CONNECTED again when the application hears of it; halts are gone."""
    with booted(options=STAYS) as world:
        sdk = world.chip.sdk
        seen = []
        sdk.usb_register_event_callback(lambda event, data: seen.append(sdk.configuration))
        sdk.halted_endpoints = frozenset({0x82})
        sdk.u1_enabled = True
        world.host.port_reset(world.host.device)
        assert seen == [0, 0, 1]
        assert (sdk.halted_endpoints, sdk.u1_enabled) == (frozenset(), False)


def test_a_chip_that_resets_during_a_port_reset_is_not_waited_for():
    """The device that the kernel reset is gone: it gives up at once and finds the boot ROM."""
    with BareBench() as bench:

        def on_event(event, data) -> None:
            if event is UsbEvent.RESET:
                bench.sdk.device_reset(False)

        def start() -> None:
            bench.sdk.usb_start()
            bench.sdk.usb_register_event_callback(on_event)
            register_descriptors(bench.sdk)
            bench.sdk.connect_state(True, True)

        bench.thread(start)
        bench.run_until(SECOND_NS)
        begun_ns = bench.now_ns
        assert not bench.host.port_reset(bench.host.device)
        assert bench.now_ns - begun_ns == 60 * MS
        bench.run_until(bench.now_ns + SECOND_NS)
        assert bench.host.device.function.product_id == BOOT_PRODUCT_ID


def test_reads_that_a_reset_ended_do_not_take_the_next_sessions_data():
    """What was asked for belongs to the old device."""
    with booted(policy="none", options=STAYS) as world:
        clocked(world)
        old = world.host.device.bulk.submit(1 << 20)
        assert world.host.port_reset(world.host.device)
        assert old.status is TransferStatus.NO_DEVICE
        clocked(world)
        assert word(world, Request.STARTFX3) is DONE
        pause(world, 50)
        assert stats(world).dma_count == 8
        assert world.chip.stream.flow.delivered_packets(world.now_ns) == 0


# ---------------------------------------------------------------- suspend


def test_a_suspended_bus_carries_nothing_and_tells_the_firmware():
    """cyu3usb.h: events SUSPEND and RESUME; the stream waits and goes on."""
    with booted(policy="none") as world:
        drain = streaming(world)
        events = events_of(world)
        device = world.host.device
        world.host.suspend(device)
        world.host.suspend(device)
        pause(world, 1)
        before = drain.bytes
        assert request(world, Request.TESTFX3, length=4, into=True, limit_ms=50).status is CANCELLED
        pause(world, 100)
        assert drain.bytes == before
        world.host.resume(device)
        world.host.resume(device)
        pause(world, 100)
        assert drain.bytes > before
        assert alive(world)
        assert events == [(UsbEvent.SUSPEND, 0), (UsbEvent.RESUME, 0)]
        assert log_of(world)[-2:] == ["suspend", "resume"]


@pytest.mark.parametrize("ending", ["bus reset", "disconnect", "chip reset"])
def test_whatever_ends_the_device_ends_its_suspension(ending):
    """USB 2.0 7.1.7.7: a reset wakes a suspended device; the new one streams."""
    with booted(policy="none", options=STAYS) as world:
        world.host.suspend(world.host.device)
        assert world.chip.suspended
        if ending == "chip reset":
            world.chip.reset("device_reset")
            assert not world.chip.suspended
            return
        if ending == "bus reset":
            assert world.host.port_reset(world.host.device)
        else:
            world.host.disconnect()
            world.host.reconnect()
            pause(world, 500)
        assert not world.chip.suspended
        drain = streaming(world)
        pause(world, 100)
        assert drain.bytes > 10_000_000


@pytest.mark.parametrize("halts", [False, True])
def test_the_watchdog_in_a_suspended_bus(halts):
    """cyu3system.h: it halts in suspend mode without a 32 kHz clock; an option for the bus's own.

    5156.25 ms run before or after the 60 s, the time in suspend aside.
    """
    options = Options(watchdog_halts_in_suspend=halts)
    with booted("fw-2.3", "level-1-4-5", options=options) as world:
        assert request(world, Request.HANGMAIN).status is DONE
        pause(world, 500)
        world.host.suspend(world.host.device)
        pause(world, 60_000)
        resets = [reset.cause for reset in world.chip.resets]
        assert resets == ([] if halts else ["watchdog"])
        if halts:
            resumed_ns = world.now_ns
            world.host.resume(world.host.device)
            pause(world, 8_300)
            (reset,) = world.chip.resets
            assert 0 < reset.at_ns - resumed_ns <= 8_157 * MS


def test_a_halted_watchdog_keeps_what_was_left():
    """To the nanosecond: halted at 1000 ms of 5156.25, it fires 4156.25 ms after it goes on."""
    with booted(policy="none") as world:
        watchdog = world.chip.watchdog
        watchdog.configure(True, 5_000)
        pause(world, 1_000)
        watchdog.halt(True)
        watchdog.halt(True)
        pause(world, 100_000)
        watchdog.halt(False)
        begun_ns = world.now_ns
        world.run_until(begun_ns + 4_156_249_999)
        assert not world.chip.resets
        world.run_until(begun_ns + 4_156_250_000)
        assert [reset.cause for reset in world.chip.resets] == ["watchdog"]


def test_a_pet_reloads_a_halted_watchdog():
    """S131 system/cyu3device.c: a pet writes the whole period, counting or not."""
    with booted(policy="none") as world:
        watchdog = world.chip.watchdog
        watchdog.configure(True, 5_000)
        pause(world, 1_000)
        watchdog.halt(True)
        watchdog.clear()
        watchdog.halt(False)
        begun_ns = world.now_ns
        world.run_until(begun_ns + 5_156_249_999)
        assert not world.chip.resets
        world.run_until(begun_ns + 5_156_250_000)
        assert world.chip.resets


# ---------------------------------------------------------------- disconnect and unplug


def test_a_lost_link_stops_the_application_and_a_new_one_starts_it():
    """USBHandler.c: DISCONNECT stops the application and accepts low power again."""
    with booted() as world:
        streaming(world)
        events = events_of(world)
        old = world.host.device
        world.host.disconnect()
        pause(world, 100)
        assert events == [(UsbEvent.DISCONNECT, 0)]
        assert world.host.device is None
        assert not old.present
        assert not world.firmware.active
        assert world.chip.sdk.link_speed is UsbSpeed.NOT_CONNECTED
        assert world.chip.sdk.lpm_enabled is False  # below CONNECTED the call is refused
        world.host.disconnect()
        world.host.reconnect()
        world.host.reconnect()
        pause(world, 500)
        assert world.host.device.is_application
        assert world.firmware.active
        assert events[1:] == [(UsbEvent.CONNECT, 1), (UsbEvent.SET_SEL, 0), (UsbEvent.SETCONF, 1)]
        assert [text for text in log_of(world) if text.startswith("link")] == [
            "link down",
            "link up",
        ]
        reader = Drain(world, world.host.device)
        clocked(world)
        reader.start()
        assert word(world, Request.STARTFX3) is DONE
        pause(world, 100)
        assert reader.bytes > 10_000_000


def test_a_device_that_resets_behind_a_lost_link_is_found_in_its_boot_rom():
    """What hangs on the cable when the link returns is what enumerates."""
    with booted() as world:
        world.host.disconnect()
        world.chip.reset("device_reset")
        pause(world, 5_000)
        assert world.host.device is None
        world.host.reconnect()
        pause(world, 1_100)
        assert world.host.device.function.product_id == BOOT_PRODUCT_ID


def test_an_unplugged_board_loses_everything():
    """USBDescriptor.c: bus-powered; it comes back in its boot ROM."""
    with booted() as world:
        old = world.host.device
        world.host.unplug()
        world.host.unplug()
        pause(world, 5_000)
        assert world.host.device is None
        assert not old.present
        assert world.firmware is None
        assert [reset.cause for reset in world.chip.resets] == ["power_off"]
        world.host.plug()
        pause(world, 1_100)
        assert world.host.device.function.product_id == BOOT_PRODUCT_ID
        assert [reset.cause for reset in world.chip.resets] == ["power_off", "power_on"]


def test_a_port_without_a_board_cannot_be_unplugged():
    """The error says what is missing."""
    with booted() as world:
        world.host.vbus = None
        with pytest.raises(RuntimeError, match="set vbus"):
            world.host.unplug()


def test_high_speed_is_told_by_the_data_of_connect_and_reset():
    """cyu3usb.h: CONNECT and RESET carry 1 at SuperSpeed, 0 else; USB 2.0 hosts reset at first."""
    events = []
    with BareBench(options=Options(usb_speed="high")) as bench:

        def start() -> None:
            bench.sdk.usb_start()
            bench.sdk.usb_register_event_callback(lambda event, data: events.append((event, data)))
            register_descriptors(bench.sdk)
            bench.sdk.connect_state(True, True)

        bench.thread(start)
        bench.run_until(SECOND_NS)
        assert events == [(UsbEvent.CONNECT, 0), (UsbEvent.RESET, 0), (UsbEvent.SETCONF, 1)]
        assert bench.host.device.function.product_id == APPLICATION_PRODUCT_ID


def test_signals_without_a_driver_are_lost():
    """Before UsbStart nobody listens."""
    with BareBench() as bench:
        for signal in BusSignal:
            bench.chip._signal(signal)
        assert not bench.chip.suspended


def test_a_stall_is_not_a_dead_link():
    """A request that stalls leaves link and address as they are."""
    with booted() as world:
        device = world.host.device
        assert request(world, 0xCC).status is STALLED
        assert world.host.device is device


def test_a_descriptor_of_another_type_is_asked_for_again():
    """Linux does; strings are one late, and their type is the same (incident F26)."""
    with BenchWorld("fw-2.3", "none") as world:
        world.chip.on_boot.append(
            lambda program, sdk: setattr(sdk.chip.ep0, "desynchronised", True)
        )
        world.boot()
        assert log_of(world)[0].startswith("new device 04b4:00f1")
        assert world.host.device.manufacturer == "RX888mk2"


def test_a_configuration_that_is_cut_short_is_none():
    """Linux: descriptor too short; the port is reset and all is asked again."""
    with BenchWorld("fw-2.3", "none") as world:

        def cut(program, sdk):
            def send(data):
                return type(sdk).usb_send_ep0_data(sdk, data[:20])

            sdk.usb_send_ep0_data = send

        world.chip.on_boot.append(cut)
        with pytest.raises(Exception, match="did not enumerate"):
            world.boot(20_000)
        assert log_of(world) == ["unable to read config index 0 descriptor"] * 4
