"""Chapter 9 at every speed: descriptors byte for byte, and what the driver answers by itself.

Sources: USBDescriptor.c, S131 usb/cyu3usbpp.c, cyu3usb.h, USB 3.2 chapter 9.
"""

import pytest

from hw import protocol
from hw.protocol import (
    STANDARD_DEVICE_IN,
    STANDARD_DEVICE_OUT,
    STANDARD_ENDPOINT_IN,
    STANDARD_ENDPOINT_OUT,
    STANDARD_INTERFACE_IN,
    STANDARD_INTERFACE_OUT,
    DescriptorType,
    Request,
    SdkStatus,
    StandardRequest,
    UsbEvent,
)
from sim.chip.usb import ControlTransfer, Setup, TransferStatus, UsbSpeed
from sim.options import Options
from sim.sdk.types import EndpointConfig, SetDescriptor

from .bench import (
    CANCELLED,
    DONE,
    MS,
    SECOND_NS,
    STALLED,
    BareBench,
    booted,
    clocked,
    pause,
    register_descriptors,
    request,
    stats,
    word,
)

SPEEDS = ("super", "high", "full")
EP1 = 0x81
U1, U2 = protocol.FEATURE_U1_ENABLE, protocol.FEATURE_U2_ENABLE
SUPER = {
    "device": "12 01 00 03 00 00 00 09 B4 04 F1 00 00 00 01 02 03 01",
    "configuration": "09 02 1F 00 01 01 00 80 64 09 04 00 00 01 FF 00 00 00"
    "07 05 81 02 00 04 00 06 30 0F 00 00 00",
}
DEVICE_USB2 = "12 01 10 02 00 00 00 40 B4 04 F1 00 00 00 01 02 03 01"
HIGH = {
    "device": DEVICE_USB2,
    "configuration": "09 02 19 00 01 01 00 80 96 09 04 00 00 01 FF 00 00 00 07 05 81 02 00 02 00",
}
FULL = {
    "device": DEVICE_USB2,
    "configuration": "09 02 19 00 01 01 00 80 32 09 04 00 00 01 FF 00 00 00 07 05 81 02 40 00 00",
}
BY_SPEED = {"super": SUPER, "high": HIGH, "full": FULL}
BOS = "05 0F 16 00 02 07 10 02 02 00 00 00 0A 10 03 00 0E 00 03 0A FF 07"
QUALIFIER = "0A 06 00 02 00 00 00 40 01 00"


@pytest.fixture(params=SPEEDS)
def any_speed(request):
    with booted(options=Options(usb_speed=request.param)) as world:
        yield request.param, world


@pytest.fixture
def world():
    with booted() as world:
        yield world


def ask(world, kind, code, value=0, index=0, length=0, data=b"", limit_ms=1_000):
    assert world.host.device is not None
    setup = Setup(kind, code, value, index, len(data) or length)
    return world.host.control(world.host.device, setup, data, limit_ms)


def descriptor(world, kind: int, index: int = 0, length: int = 255) -> ControlTransfer:
    return ask(
        world,
        STANDARD_DEVICE_IN,
        StandardRequest.GET_DESCRIPTOR,
        kind << 8 | index,
        length=length,
    )


def hexadecimal(text: str) -> bytes:
    return bytes.fromhex(text)


# ---------------------------------------------------------------- descriptors


def test_device_configuration_and_bos_are_those_of_the_speed(any_speed):
    """USBDescriptor.c: the exact bytes at super, high and full speed; one BOS for all."""
    speed, world = any_speed
    for kind in (DescriptorType.DEVICE, DescriptorType.CONFIGURATION):
        transfer = descriptor(world, kind)
        expected = hexadecimal(BY_SPEED[speed][kind.name.lower()])
        assert (transfer.status, transfer.reply) == (DONE, expected)
    assert descriptor(world, DescriptorType.BOS).reply == hexadecimal(BOS)


def test_qualifier_and_other_speed_exist_below_super_speed_alone(any_speed):
    """S131: a SuperSpeed device stalls both; the other speed's configuration carries type 07."""
    speed, world = any_speed
    qualifier = descriptor(world, DescriptorType.DEVICE_QUALIFIER)
    other = descriptor(world, DescriptorType.OTHER_SPEED_CONFIGURATION)
    if speed == "super":
        assert (qualifier.status, other.status) == (STALLED, STALLED)
        return
    assert qualifier.reply == hexadecimal(QUALIFIER)
    expected = hexadecimal((FULL if speed == "high" else HIGH)["configuration"])
    assert other.reply == b"\x09\x07" + expected[2:]
    # What was rewritten for the request does not stick to the speed's own configuration.
    own = descriptor(world, DescriptorType.CONFIGURATION).reply
    assert own == hexadecimal(BY_SPEED[speed]["configuration"])


@pytest.mark.parametrize("length", [0, 1, 8, 17, 18, 19, 64, 255])
def test_a_descriptor_is_cut_to_the_shorter_of_its_length_and_the_hosts(world, length):
    """S131: min(wLength, own length)."""
    for kind in (DescriptorType.DEVICE, DescriptorType.BOS, DescriptorType.CONFIGURATION):
        whole = descriptor(world, kind).reply
        assert descriptor(world, kind, length=length).reply == whole[:length]


def test_trap_24_string_1_claims_32_bytes_and_unregistered_strings_stall(any_speed):
    """USBDescriptor.c: 30 bytes are defined; index EE was never registered; past 16 there is none.

    The two bytes behind are alignment, taken as zero. The qualifier stalls at SuperSpeed.
    """
    speed, world = any_speed
    assert descriptor(world, DescriptorType.STRING, 0).reply == hexadecimal("04 03 09 04")
    first = descriptor(world, DescriptorType.STRING, 1).reply
    assert len(first) == first[0] == 32
    assert first[2:30].decode("utf-16-le") == "sdr prototypes"
    assert first[30:] == b"\0\0"
    second = descriptor(world, DescriptorType.STRING, 2).reply
    assert second == b"\x12\x03" + "RX888mk2".encode("utf-16-le")
    for index in (4, 15, 16, 17, 0xEE):
        assert descriptor(world, DescriptorType.STRING, index).status is STALLED
    status = descriptor(world, DescriptorType.DEVICE_QUALIFIER).status
    assert status is (STALLED if speed == "super" else DONE)


def test_the_serial_number_is_the_die_id_word_1_first():
    """USBDescriptor.c: registers E0055014 and E0055010, sixteen upper-case digits."""
    with booted() as world:
        assert world.chip.die_id == (0x1234_5678, 0x9ABC_DEF0)
        third = descriptor(world, DescriptorType.STRING, 3).reply
        assert third == b"\x22\x03" + "9ABCDEF012345678".encode("utf-16-le")
        assert world.host.device.serial_number == "9ABCDEF012345678"


@pytest.mark.parametrize("kind", [DescriptorType.INTERFACE, DescriptorType.ENDPOINT, 0x21, 0])
def test_other_descriptors_stall(world, kind):
    """USB 3.2 9.4.3: interface and endpoint descriptors come with their configuration alone."""
    assert descriptor(world, kind).status is STALLED


# ---------------------------------------------------------------- configuration and interface


def test_set_configuration_takes_0_and_1(world):
    """S131: others stall and change nothing; GET_CONFIGURATION tells."""

    def configuration() -> bytes:
        return ask(world, STANDARD_DEVICE_IN, StandardRequest.GET_CONFIGURATION, length=1).reply

    assert configuration() == b"\x01"
    for value in (2, 255):
        transfer = ask(world, STANDARD_DEVICE_OUT, StandardRequest.SET_CONFIGURATION, value)
        assert transfer.status is STALLED
        assert configuration() == b"\x01"
    for value in (0, 1):
        assert world.host.set_configuration(world.host.device, value).status is DONE
        assert configuration() == bytes([value])
        assert world.firmware.active == bool(value)


def test_the_kernels_set_configuration_ends_the_reads_that_wait(world):
    """Linux: usb_set_configuration disables the old endpoints first."""
    clocked(world)
    transfer = world.host.device.bulk.submit(16_384)
    assert world.host.set_configuration(world.host.device, 1).status is DONE
    assert transfer.status is TransferStatus.CANCELLED
    assert world.host.device.configuration == 1


def test_the_last_alternate_setting_is_remembered(world):
    """S131: SET_INTERFACE takes any setting, GET_INTERFACE returns the last one."""

    def setting() -> bytes:
        return ask(world, STANDARD_INTERFACE_IN, StandardRequest.GET_INTERFACE, length=1).reply

    assert setting() == b"\x00"
    for alternate in (3, 255, 0):
        transfer = ask(world, STANDARD_INTERFACE_OUT, StandardRequest.SET_INTERFACE, alternate)
        assert transfer.status is DONE
        assert setting() == bytes([alternate])


def test_exit_latency_and_isochronous_delay_belong_to_super_speed(any_speed):
    """S131: SET_SEL takes six bytes; both are acknowledged at SuperSpeed."""
    speed, world = any_speed
    expected = DONE if speed == "super" else STALLED
    latency = ask(world, STANDARD_DEVICE_OUT, StandardRequest.SET_SEL, data=bytes(6))
    delay = ask(world, STANDARD_DEVICE_OUT, StandardRequest.SET_ISOCH_DELAY, 40)
    assert (latency.status, delay.status) == (expected, expected)
    short = ask(world, STANDARD_DEVICE_OUT, StandardRequest.SET_SEL, data=bytes(5))
    assert short.status is STALLED


# ---------------------------------------------------------------- status and features


def status_bits(world, kind: int, index: int = 0) -> bytes:
    transfer = ask(world, kind, StandardRequest.GET_STATUS, index=index, length=2)
    assert transfer.status is DONE
    return transfer.reply


def feature(world, code: int, kind: int, value: int, index: int = 0) -> TransferStatus:
    return ask(world, kind, code, value, index).status


def test_the_device_status_follows_u1_and_u2_at_super_speed(any_speed):
    """USB 3.2 9.4.5: bits 2 and 3; bus-powered, so bit 0 stays clear. USB 2.0 has no such bits."""
    speed, world = any_speed
    assert status_bits(world, STANDARD_DEVICE_IN) == b"\x00\x00"
    steps = (
        (StandardRequest.SET_FEATURE, U1, 0x04),
        (StandardRequest.SET_FEATURE, U2, 0x0C),
        (StandardRequest.CLEAR_FEATURE, U1, 0x08),
        (StandardRequest.CLEAR_FEATURE, U2, 0x00),
    )
    for code, value, bits in steps:
        answer = feature(world, code, STANDARD_DEVICE_OUT, value)
        assert answer is (DONE if speed == "super" else STALLED)
        expected = bits if speed == "super" else 0
        assert status_bits(world, STANDARD_DEVICE_IN) == bytes([expected, 0])


def test_a_feature_that_does_not_exist_stalls(world):
    """The device cannot wake its host (bmAttributes 80) and knows nothing above U2."""
    for value in (0, 1, 2, 47, 50):
        answer = feature(world, StandardRequest.SET_FEATURE, STANDARD_DEVICE_OUT, value)
        assert answer is STALLED


def test_an_interface_feature_needs_a_configured_device(world):
    """USBHandler.c: SET and CLEAR_FEATURE of wValue 0: acknowledged while active, else stalled."""
    codes = (StandardRequest.SET_FEATURE, StandardRequest.CLEAR_FEATURE)
    for code in codes:
        assert feature(world, code, STANDARD_INTERFACE_OUT, 0) is DONE
        assert feature(world, code, STANDARD_INTERFACE_OUT, 1) is STALLED
    assert status_bits(world, STANDARD_INTERFACE_IN) == b"\x00\x00"
    world.host.set_configuration(world.host.device, 0)
    for code in codes:
        assert feature(world, code, STANDARD_INTERFACE_OUT, 0) is STALLED


def test_an_endpoint_is_halted_and_cleared(world):
    """S131: the driver halts what the application leaves to it; the firmware clears EP1."""
    assert status_bits(world, STANDARD_ENDPOINT_IN, EP1) == b"\x00\x00"
    assert feature(world, StandardRequest.SET_FEATURE, STANDARD_ENDPOINT_OUT, 0, EP1) is DONE
    assert status_bits(world, STANDARD_ENDPOINT_IN, EP1) == b"\x01\x00"
    assert status_bits(world, STANDARD_ENDPOINT_IN, 0) == b"\x00\x00"
    assert feature(world, StandardRequest.CLEAR_FEATURE, STANDARD_ENDPOINT_OUT, 0, EP1) is DONE
    assert status_bits(world, STANDARD_ENDPOINT_IN, EP1) == b"\x00\x00"


def test_a_new_configuration_clears_halts_and_alternate_settings(world):
    """S131: endpoints are configured anew, which clears their stall."""
    assert feature(world, StandardRequest.SET_FEATURE, STANDARD_ENDPOINT_OUT, 0, EP1) is DONE
    ask(world, STANDARD_INTERFACE_OUT, StandardRequest.SET_INTERFACE, 3)
    world.host.set_configuration(world.host.device, 1)
    assert status_bits(world, STANDARD_ENDPOINT_IN, EP1) == b"\x00\x00"
    setting = ask(world, STANDARD_INTERFACE_IN, StandardRequest.GET_INTERFACE, length=1)
    assert setting.reply == b"\x00"


def test_an_endpoint_has_the_halt_feature_alone(world):
    """USB 3.2 table 9-8."""
    assert feature(world, StandardRequest.SET_FEATURE, STANDARD_ENDPOINT_OUT, 1, EP1) is STALLED
    assert feature(world, StandardRequest.SET_FEATURE, STANDARD_ENDPOINT_OUT, 0, 0) is STALLED
    assert ask(world, STANDARD_ENDPOINT_OUT, StandardRequest.SYNCH_FRAME).status is STALLED


def test_clearing_a_halt_is_the_applications_and_may_stay_without_an_answer():
    """USBHandler.c never acknowledges it itself: option clear_halt_acked, on as hosts see it.

    Before SET_CONFIGURATION the driver answers instead of the application (S131).
    """
    for acked, expected in ((True, DONE), (False, CANCELLED)):
        with booted(options=Options(clear_halt_acked=acked)) as world:
            clear = StandardRequest.CLEAR_FEATURE
            assert feature(world, clear, STANDARD_ENDPOINT_OUT, 0, EP1) is expected
            world.host.set_configuration(world.host.device, 0)
            assert feature(world, clear, STANDARD_ENDPOINT_OUT, 0, EP1) is DONE


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (STANDARD_DEVICE_OUT, StandardRequest.SET_DESCRIPTOR),
        (STANDARD_DEVICE_OUT, 0x7F),
        (STANDARD_DEVICE_IN | protocol.RECIPIENT_OTHER, StandardRequest.GET_STATUS),
        (protocol.TYPE_CLASS, 0),
    ],
)
def test_what_nobody_serves_stalls(world, kind, code):
    """cyu3usb.h: the application is asked, or the driver knows no answer; EP0 lives on."""
    assert ask(world, kind, code).status is STALLED
    assert stats(world).boot_count == 1


# ---------------------------------------------------------------- EP0 in detail


@pytest.mark.parametrize("into", [False, True])
@pytest.mark.parametrize("code", [Request.GPIOFX3, Request.GETSTATS, Request.TESTFX3, 0xCC])
def test_more_than_64_bytes_stall_at_once(world, code, into):
    """USBHandler.c: wLength is looked at before anything else, for IN requests too."""
    data = b"" if into else bytes(65)
    begun_ns = world.now_ns
    assert request(world, code, data=data, length=65, into=into).status is STALLED
    assert world.now_ns - begun_ns < MS
    fits = request(world, Request.GETSTATS, length=64, into=True)
    assert (fits.status, len(fits.reply)) == (DONE, 26)


@pytest.mark.parametrize("recipient", range(4))
def test_the_recipient_of_a_vendor_request_is_not_looked_at(world, recipient):
    """USBHandler.c: the type bits decide alone."""
    transfer = ask(world, protocol.VENDOR_IN | recipient, Request.TESTFX3, length=4)
    assert transfer.reply[:3] == bytes([4, 2, 3])


def test_an_in_request_to_a_command_that_takes_data_waits_for_it(world):
    """S131: GetEP0Data waits for data that no IN request brings; the next SETUP ends that."""
    assert ask(world, protocol.VENDOR_IN, Request.STOPFX3, length=4).status is CANCELLED
    assert word(world, Request.STOPFX3) is DONE


@pytest.mark.parametrize("length", [0, 1, 4, 25, 26])
def test_a_reply_is_the_prefix_that_the_host_asked_for(world, length):
    """C4: GETSTATS with a smaller wLength gives its beginning."""
    assert len(request(world, Request.GETSTATS, length=length, into=True).reply) == length


@pytest.mark.parametrize("acked", [False, True])
def test_a_command_without_its_data(acked):
    """cyu3usb.h: GetEP0Data of 0 bytes acknowledges nothing; api.md says it works (an option)."""
    with booted(options=Options(zero_length_data_acked=acked)) as world:
        transfer = request(world, Request.STOPFX3)
        assert transfer.status is (DONE if acked else CANCELLED)


def test_trap_09_an_out_request_completes_before_its_effect():
    """USBHandler.c: the host's STARTADC returns, and the next request waits for the PLL's poll."""
    with booted(options=Options(pll_lock_ms=50)) as world:
        begun_ns = world.now_ns
        assert word(world, Request.STARTADC, 64_000_000) is DONE
        assert world.now_ns - begun_ns < MS
        assert world.board.clock.pll_a.locked is False
        assert stats(world).clock_status == 0x01
        assert 50 * MS <= world.now_ns - begun_ns < 60 * MS
        begun_ns = world.now_ns
        stats(world)
        assert world.now_ns - begun_ns < 2 * MS


def test_trap_09_the_next_request_waits_for_all_100_polls_at_most():
    """USBHandler.c: 100 polls of 1 ms and their I2C reads, then STARTADC gives up silently."""
    with booted(options=Options(pll_lock_ms=1_000)) as world:
        assert word(world, Request.STARTADC, 64_000_000) is DONE
        begun_ns = world.now_ns
        assert stats(world).clock_status & 0x20
        assert 100 * MS <= world.now_ns - begun_ns < 130 * MS


@pytest.mark.parametrize(
    ("sleep_ms", "status"), [(0, DONE), (998, DONE), (1_001, CANCELLED), (1_900, CANCELLED)]
)
def test_hangfx3_below_the_hosts_time_out_is_an_ordinary_answer(sleep_ms, status):
    """fx3_cmd.c: under 1000 ms acknowledged; up to 2000 ms the host gives up, the device lives."""
    with booted("fw-2.3", "level-1-4-5") as world:
        assert request(world, Request.HANGFX3, sleep_ms).status is status
        pause(world, 3_000)
        assert request(world, Request.TESTFX3, length=4, into=True).status is DONE
        assert [reset.cause for reset in world.chip.resets] == []


def test_trap_31_a_host_without_data_parks_the_handler_until_the_ep0_watchdog_resets():
    """cyu3usb.h: the wait is 5 s, the EP0 watchdog's limit 2 s, so the reset comes first."""
    with booted("fw-2.3", "level-1-4-5") as world:
        world.host.withhold_data = lambda code: code == Request.STOPFX3
        begun_ns = world.now_ns
        assert word(world, Request.STOPFX3) is CANCELLED
        assert world.now_ns - begun_ns == SECOND_NS
        pause(world, 4_000)
        (reset,) = world.chip.resets
        assert reset.cause == "device_reset"
        assert 1_999 * MS < reset.at_ns - begun_ns <= 2_101 * MS
        assert not world.host.device.is_application


def test_trap_31_without_that_watchdog_the_wait_ends_after_five_seconds():
    """cyu3usb.h: 5 s, then TIMEOUT; EP0 is alive again."""
    with booted("fw-2.3", "none") as world:
        world.host.withhold_data = lambda code: code == Request.STOPFX3
        assert word(world, Request.STOPFX3) is CANCELLED
        pause(world, 3_990)
        assert world.firmware.in_callback
        pause(world, 20)
        assert not world.firmware.in_callback
        assert stats(world).boot_count == 1


# ---------------------------------------------------------------- the calls


def test_endpoint_calls_before_the_driver_is_started():
    """S131 usb/cyu3usb.c: NOT_STARTED 0x42; bad arguments are found first."""
    with BareBench() as bench:
        sdk = bench.sdk

        def run() -> list[int]:
            return [
                sdk.usb_flush_ep(EP1),
                sdk.usb_stall(EP1, False, True),
                sdk.set_ep_config(EP1, EndpointConfig(enabled=True)),
                sdk.usb_stall(16, True, False),
                sdk.usb_stall(0x90, False, True),
                sdk.usb_stall(0, False, False),
                sdk.usb_set_desc(SetDescriptor.HS_DEVICE, 0, protocol.DEVICE_DESCRIPTOR_HS),
            ]

        assert bench.call(run) == [0x42, 0x42, 0x42, 0x40, 0x40, 0x40, 0x42]


def test_what_can_be_registered():
    """cyu3usb.h: strings up to index 16 (0x4B past it), each of its own type (else 0x50)."""
    with BareBench() as bench:
        sdk = bench.sdk

        def run() -> list[int]:
            sdk.usb_start()
            codes = [
                sdk.usb_set_desc(SetDescriptor.STRING, index, protocol.STRING_PRODUCT)
                for index in (0, 16, 17)
            ]
            wrong = (protocol.STRING_PRODUCT, b"", b"\x12")
            codes += [sdk.usb_set_desc(SetDescriptor.HS_DEVICE, 0, raw) for raw in wrong]
            return codes

        assert bench.call(run) == [0, 0, 0x4B, 0x50, 0x50, 0x50]


@pytest.mark.parametrize("missing", [0, 1, 4, 6])
def test_connecting_needs_the_descriptors_of_each_speed(missing):
    """S131: 0x44 without them; a firmware that keeps to USB 2.0 needs none of the others."""
    with BareBench() as bench:
        sdk = bench.sdk

        def run() -> list[int]:
            sdk.usb_start()
            register_descriptors(sdk)
            del sdk._descriptors[SetDescriptor(missing), 0]
            return [sdk.connect_state(True, True), sdk.connect_state(True, False)]

        is_usb2 = missing in (SetDescriptor.HS_DEVICE, SetDescriptor.HS_CONFIGURATION)
        assert bench.call(run) == [0x44, 0x44 if is_usb2 else 0]


def test_low_power_calls_need_a_link():
    """S131: 0xFF below CONNECTED; then they switch whether U1 and U2 are accepted."""
    with BareBench() as bench:
        sdk = bench.sdk

        def start() -> list[int]:
            sdk.usb_start()
            register_descriptors(sdk)
            sdk.connect_state(True, True)
            return [sdk.usb_lpm_disable(), sdk.usb_lpm_enable(), sdk.usb_get_speed()]

        refused = SdkStatus.OPERN_DISABLED
        assert bench.call(start, 100 * MS) == [refused, refused, UsbSpeed.NOT_CONNECTED]
        assert sdk.lpm_enabled
        bench.run_until(SECOND_NS)
        assert bench.call(lambda: [sdk.usb_lpm_disable(), sdk.lpm_enabled]) == [0, False]
        assert bench.call(lambda: [sdk.usb_lpm_enable(), sdk.lpm_enabled]) == [0, True]
        assert bench.call(sdk.usb_get_speed) is UsbSpeed.SUPER


def test_a_stall_without_a_link_does_nothing():
    """S131: SUCCESS and nothing done while the speed is NOT_CONNECTED."""
    with BareBench() as bench:
        sdk = bench.sdk
        bench.thread(sdk.usb_start)
        assert bench.call(lambda: sdk.usb_stall(EP1, True, False)) == 0
        assert not sdk.halted_endpoints


@pytest.mark.parametrize(("speed", "packet_bytes"), [("super", 1024), ("high", 512), ("full", 64)])
def test_the_endpoints_packets_are_cut_to_the_speed(speed, packet_bytes):
    """S131: the firmware asks for 1024 at every speed, the library cuts that to 512 and 64."""
    with booted(options=Options(usb_speed=speed)) as world:
        assert world.chip.sdk.endpoint.packet_bytes == packet_bytes
        assert world.host.device.packet_bytes == packet_bytes


@pytest.mark.parametrize(
    ("speed", "option", "raised"),
    [("super", False, 0), ("super", True, 1), ("high", False, 1), ("full", False, 1)],
)
def test_the_event_of_a_completed_request(speed, option, raised):
    """S131: for requests that the application handled; judgement: none at SuperSpeed."""
    options = Options(usb_speed=speed, ep0_complete_events=option)
    with booted(options=options) as world:
        events = []
        world.chip.sdk.usb_register_event_callback(lambda event, data: events.append(event))
        assert request(world, Request.TESTFX3, length=4, into=True).status is DONE
        assert request(world, 0xCC).status is STALLED
        assert descriptor(world, DescriptorType.DEVICE).status is DONE
        pause(world, 1)
        assert events == [UsbEvent.EP0_STAT_CPLT] * raised
