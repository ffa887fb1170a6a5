"""The health module in the host position, over a scripted device."""

import errno
from dataclasses import replace

import pytest

from health import Event, Evidence, Health, Intent, Level, Outcome, Policy, Status, StatusCode
from health.status import HANDLER_EP0
from hw.errors import DeniedError, DeviceTimeoutError, NoDeviceError
from hw.guard import Authority, HostState, RiskMode
from hw.platform import HostPlatform, HostSampler
from hw.platform.platform import SETTLE_MS
from hw.protocol import Request
from hw.rx888 import Rx888
from tests.hw.fake_usb import (
    IMAGE,
    STATS,
    FakeBackend,
    FakeDevice,
    FakeRuntime,
    WorldBackend,
)

HUNG = Status(StatusCode.EP0_WEDGED, 1, Evidence(handler=HANDLER_EP0))
STALLED = Status(StatusCode.STREAM_STALL, 1, Evidence())
WEDGED = Status(StatusCode.APPLICATION_WEDGED, 1, Evidence())
DEAD = (*Request, 6)
"""Every request code of a device whose control endpoint is dead, string descriptors included."""


class Bench:
    """A device, its driver, and what stands on it."""

    def __init__(self, backend_type=WorldBackend, authority=None):
        self.device = FakeDevice()
        self.runtime = FakeRuntime()
        self.backend = backend_type(self.device)
        self.backend.on_timeout = self.runtime.sleep_ms
        self.rx = Rx888.open(self.backend, self.runtime, authority=authority)
        self.platform = HostPlatform(self.rx, IMAGE, self.runtime)
        self.sampler = HostSampler(self.rx)
        self.events = []

    def record(self, event, first=0, second=0, third=0):
        self.events.append((event, first, second, third))

    def sample(self):
        self.events.clear()
        self.sampler.sample(self.record)
        return [event for event, *_ in self.events]

    def die(self, fault=errno.ETIMEDOUT):
        self.device.faults = dict.fromkeys(DEAD, fault)


@pytest.fixture
def bench():
    made = Bench()
    yield made
    made.rx.close()


# --- sampler -----------------------------------------------------------------------------------


def test_a_streaming_device(bench):
    assert bench.sample() == [
        Event.EP0_ENTER,
        Event.EP0_EXIT,
        Event.CLOCK_STATE,
        Event.STREAM_START,
        Event.STREAM_SAMPLE,
    ]
    assert bench.events[2:] == [
        (Event.CLOCK_STATE, 1, 0, 0),
        (Event.STREAM_START, 0, 0, 0),
        (Event.STREAM_SAMPLE, 5, 2, 255),
    ]
    assert bench.sampler.last_error is None
    assert Event.STREAM_START not in bench.sample()


@pytest.mark.parametrize("state", [0, 1, 255])
def test_start_and_stop_are_inferred_from_the_state(bench, state):
    bench.sample()
    bench.device.replies[Request.GETSTATS] = replace(STATS, gpif_state=state).pack()
    assert Event.STREAM_STOP in bench.sample()
    assert Event.STREAM_STOP not in bench.sample()
    bench.device.replies[Request.GETSTATS] = replace(STATS, gpif_state=9).pack()
    assert Event.STREAM_START in bench.sample()


@pytest.mark.parametrize(
    ("change", "recorded"),
    [
        ({}, 1),
        ({"clk0_on": False}, 0),
        ({"clock_status": 0x20}, 0),
        ({"clock_status": 0x80}, 0),
        ({"clk0_control": 0xFF, "clk0_on": False}, None),
        ({"boot_count": None}, 1),
        ({"boot_count": None, "clk0_control": None, "clk0_on": None}, None),
    ],
)
def test_the_clock_is_reported_only_where_it_is_known(bench, change, recorded):
    bench.device.replies[Request.GETSTATS] = replace(STATS, **change).pack()
    bench.sample()
    clock = [first for event, first, *_ in bench.events if event is Event.CLOCK_STATE]
    assert clock == ([] if recorded is None else [recorded])


def test_a_device_that_left_has_nothing_in_progress(bench):
    """ENODEV is the system's answer: no handler hangs, nothing streams, and nothing is repeated."""
    bench.sample()
    bench.die(errno.ENODEV)
    assert bench.sample() == [Event.EP0_ENTER, Event.EP0_EXIT, Event.DECONFIGURED]
    assert bench.sampler.is_absent
    assert bench.sample() == [Event.EP0_ENTER, Event.EP0_EXIT]
    assert isinstance(bench.sampler.last_error, NoDeviceError)
    bench.device.faults.clear()
    bench.rx.reacquire(IMAGE, in_place=True)
    assert bench.sample()[0] is Event.CONFIGURED
    assert not bench.sampler.is_absent


def test_an_unanswered_probe_stays_in_progress_until_an_answer(bench):
    bench.die()
    assert bench.sample() == [Event.EP0_ENTER]
    assert bench.sample() == []
    assert isinstance(bench.sampler.last_error, DeviceTimeoutError)
    bench.device.faults.clear()
    assert bench.sample()[0] is Event.EP0_EXIT


def test_a_failed_transfer_is_an_error_and_an_answer(bench):
    bench.die(errno.EIO)
    assert bench.sample() == [Event.EP0_ENTER, Event.EP0_ERROR, Event.EP0_EXIT]


def test_a_garbled_reply_is_an_error_and_an_answer(bench):
    bench.device.replies[Request.GETSTATS] = bytes(3)
    assert bench.sample() == [Event.EP0_ENTER, Event.EP0_ERROR, Event.EP0_EXIT]


def test_a_firmware_without_statistics_is_asked_for_its_name(bench):
    bench.device.faults[Request.GETSTATS] = errno.EPIPE
    assert bench.sample() == [Event.EP0_ENTER, Event.EP0_EXIT]
    assert bench.device.log[-1][1] == Request.TESTFX3
    bench.device.faults[Request.TESTFX3] = errno.ETIMEDOUT
    assert bench.sample() == [Event.EP0_ENTER]


def test_after_a_recovery_everything_begins_afresh(bench):
    bench.sample()
    bench.die()
    bench.sample()
    assert bench.platform.apply(Level.DEVICE_RESET, HUNG) is Outcome.DONE
    assert bench.sample()[:2] == [Event.EP0_EXIT, Event.CONFIGURED]
    assert Event.STREAM_START in [event for event, *_ in bench.events]


def test_a_reset_between_two_answered_probes_is_noticed(bench):
    bench.sample()
    bench.rx.reset()
    bench.rx.reacquire(IMAGE)
    assert bench.sample()[:2] == [Event.CONFIGURED, Event.EP0_ENTER]


def test_a_probe_that_is_denied_leaves_nothing_in_progress(monkeypatch):
    """No rule denies to look, but one could."""
    allowed = Authority(RiskMode.STANDARD, host_state=HostState.NORMAL)
    bench = Bench(FakeBackend, allowed)

    def deny(operation):
        raise DeniedError(operation.label)

    monkeypatch.setattr(bench.rx._bus.gate, "permit", deny)
    with pytest.raises(DeniedError):
        bench.sample()
    assert [event for event, *_ in bench.events] == [Event.EP0_ENTER, Event.EP0_EXIT]


# --- platform ----------------------------------------------------------------------------------


def test_time_is_32_bit_milliseconds(bench):
    bench.runtime.time_ns = (2**32 + 5) * 1_000_000 + 999_999
    assert bench.platform.now_ms() == 5


def mask(*levels):
    return sum(1 << level for level in levels)


def test_the_owner_of_the_interface_has_all_levels(bench):
    assert bench.platform.available() == mask(1, 2, 3, 4)


def test_without_an_image_there_is_no_level_4(bench):
    """A reset into the boot ROM would cost the firmware."""
    bare = HostPlatform(bench.rx, None, bench.runtime)
    assert bare.available() == mask(1, 2, 3)
    assert bare.apply(Level.DEVICE_RESET, WEDGED) is Outcome.REFUSED
    assert "no image" in bare.last_recovery.reason


def test_level_5_is_nobodys_from_the_host(bench):
    assert bench.platform.apply(Level.WATCHDOG, WEDGED) is Outcome.REFUSED
    assert bench.platform.last_recovery.reason == "no host can apply level 5"


def test_level_1_stops_settles_and_starts_and_sets_no_rate(bench):
    """DESIGN: it never sets a sample rate."""
    count, began_ns = len(bench.device.log), bench.runtime.time_ns
    assert bench.platform.apply(Level.STREAM, STALLED) is Outcome.DONE
    requests = [request for _, request, *_ in bench.device.log[count:]]
    assert requests == [Request.STOPFX3, Request.STARTFX3]
    assert bench.runtime.time_ns - began_ns >= SETTLE_MS * 1_000_000


def test_level_2_clears_the_halt_and_asks_two_questions(bench):
    count = len(bench.device.log)
    assert bench.platform.apply(Level.EP0, WEDGED) is Outcome.DONE
    requests = [request for _, request, *_ in bench.device.log[count:]]
    assert requests == [1, Request.GETSTATS, Request.TESTFX3]


def test_level_2_has_failed_where_one_question_gets_the_others_answer(bench):
    """F26: stale data answers the next request, so four bytes alone prove nothing."""
    bench.device.replies[Request.TESTFX3] = STATS.pack()[:4]
    assert bench.platform.apply(Level.EP0, WEDGED) is Outcome.FAILED
    assert "hardware 0x05" in bench.platform.last_recovery.reason


def test_level_3_gives_the_interface_back_for_the_call(bench):
    """SET_CONFIGURATION answers EBUSY while anybody has claimed, this program included."""
    assert bench.platform.apply(Level.APPLICATION, WEDGED) is Outcome.DONE
    assert bench.backend.configured == [(1, [])]
    assert bench.backend.claimed == [0]


def test_a_program_that_came_meanwhile_makes_level_3_refused(bench):
    bench.backend.claim_fault = errno.EBUSY
    assert bench.platform.apply(Level.APPLICATION, WEDGED) is Outcome.REFUSED


@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_a_hindrance_refuses_before_anything_is_sent_or_noted(bench, level):
    kept = []
    held = HostPlatform(
        bench.rx,
        IMAGE,
        bench.runtime,
        persist=kept.append,
        hindrance=lambda asked: f"not level {asked:d}",
    )
    count = len(bench.device.log)
    held.note(Intent(Level(level), WEDGED))
    assert held.apply(Level(level), WEDGED) is Outcome.REFUSED
    assert held.last_recovery.reason == f"not level {level}"
    assert (len(bench.device.log), kept) == (count, [])


def test_an_answering_device_is_asked_to_reset_itself(bench):
    assert bench.platform.apply(Level.DEVICE_RESET, WEDGED) is Outcome.DONE
    codes = [request for _, request, *_ in bench.device.log]
    assert codes.count(Request.RESETFX3) == 1
    assert codes[-1] == Request.TESTFX3
    recovery = bench.platform.last_recovery
    assert recovery.upload.written_bytes == IMAGE.data_bytes
    assert recovery.ended_ns >= recovery.began_ns
    assert (recovery.outcome, recovery.error) == (Outcome.DONE, None)


def test_a_hung_device_is_reset_by_its_port(bench):
    bench.die()
    assert bench.platform.apply(Level.DEVICE_RESET, HUNG) is Outcome.DONE
    assert Request.RESETFX3 not in [request for _, request, *_ in bench.device.log]


def test_a_reset_request_without_answer_is_followed_by_a_port_reset(bench):
    bench.die()
    assert bench.platform.apply(Level.DEVICE_RESET, WEDGED) is Outcome.DONE


def test_a_device_that_went_to_its_boot_rom_by_itself_is_uploaded_to(bench):
    bench.device.become(application=False)
    bench.device.port_reset_helps = False
    bench.device.reset_fault = errno.ENODEV
    assert bench.platform.apply(Level.DEVICE_RESET, HUNG) is Outcome.DONE


def test_a_port_reset_that_does_not_help_has_failed(bench):
    bench.die()
    bench.device.port_reset_helps = False
    assert bench.platform.apply(Level.DEVICE_RESET, HUNG) is Outcome.FAILED
    assert isinstance(bench.platform.last_recovery.error, NoDeviceError)
    assert "TESTFX3: no answer in time" in str(bench.platform.last_recovery.error)


def test_an_application_that_does_not_serve_has_failed(bench):
    bench.device.replies[Request.TESTFX3] = b""
    assert bench.platform.apply(Level.DEVICE_RESET, WEDGED) is Outcome.FAILED
    assert bench.platform.last_recovery.upload is not None


def test_the_guard_refuses_before_anything_is_sent():
    allowed = Authority(RiskMode.STANDARD, host_state=HostState.NORMAL)
    bench = Bench(FakeBackend, allowed)
    count = len(bench.device.log)
    assert bench.platform.apply(Level.DEVICE_RESET, WEDGED) is Outcome.REFUSED
    assert len(bench.device.log) == count


def test_intents_are_persisted_where_there_is_a_place(bench):
    kept = []
    intent = Intent(Level.DEVICE_RESET, HUNG)
    bench.platform.note(intent)
    HostPlatform(bench.rx, IMAGE, bench.runtime, persist=kept.append).note(intent)
    assert kept == [intent]


# --- the module on top -------------------------------------------------------------------------


def test_the_module_recovers_a_hung_device_over_usb(bench):
    policy = Policy.preset("level-1-4")
    health = Health(policy, bench.platform)
    bench.sampler.sample(health.record_event)
    assert health.evaluate().code is StatusCode.OK
    died_ms = bench.platform.now_ms()
    bench.die()
    outcomes = []
    while not outcomes:
        bench.runtime.sleep_ms(100)
        bench.sampler.sample(health.record_event)
        recovery = health.recover(health.evaluate())
        if recovery.level is not None:
            outcomes.append((recovery.level, recovery.outcome, recovery.started_ms - died_ms))
    # Two probes of 1 s, the first begun one poll after the death, reach the limit of 2 s.
    assert outcomes == [(Level.DEVICE_RESET, Outcome.DONE, 2200)]
    bench.sampler.sample(health.record_event)
    assert health.evaluate().code is StatusCode.OK
    assert bench.rx.stats() == STATS


def test_the_module_restarts_a_paused_readers_stream_up_to_the_cap(bench):
    """Level 1 and no more: a paused reader looks the same as a stalled stream."""
    paused = replace(STATS, dma_count=8, gpif_state=9)
    bench.device.replies[Request.GETSTATS] = paused.pack()
    policy = Policy.preset("reference")
    health = Health(policy, bench.platform)
    levels = []
    for _ in range(600):
        bench.runtime.sleep_ms(100)
        bench.sampler.sample(health.record_event)
        levels.append(health.recover(health.evaluate()).level)
    assert [level for level in levels if level is not None] == [Level.STREAM] * policy.level_1_cap
    assert bench.rx.generation == 0
