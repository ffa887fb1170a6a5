"""The catalogue of faults: every kind happens, does what it says, and can be written down.

Facts: the ThreadX guide, S131, incidents F1 to F26.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from health import Level, Outcome
from hw.errors import TransferError
from hw.protocol import GpifState, Request, SdkStatus
from sim import faults
from sim.chip.usb import Setup
from sim.errors import FaultError, TaskFailed
from sim.faults import CHOICES, KINDS, Fault
from sim.sdk import Sdk
from sim.world import BenchWorld

from .bench import (
    CANCELLED,
    DONE,
    MS,
    PERIOD_NS,
    SECOND_NS,
    STALLED,
    alive,
    booted,
    clocked,
    driver,
    levels,
    pause,
    request,
    stats,
    streaming,
    word,
)

BLOCKED = (GpifState.TH0_BUSY, GpifState.TH1_BUSY, GpifState.TH0_WAIT, GpifState.TH1_WAIT)


def faulty(*texts: str, firmware: str = "fw-2.3", policy: str = "none", **more) -> BenchWorld:
    """A booted bench with these faults."""
    return booted(firmware, policy, faults=[Fault.parse(text) for text in texts], **more)


def triggered(world: BenchWorld) -> list[list[int]]:
    return [armed.triggered_ns for armed in world.injector.armed]


def beats(world: BenchWorld, duration_ms: int = 1_000) -> int:
    """How often the main loop passes in a time."""
    firmware = world.firmware
    count = 0
    poll = firmware.poll

    def counted() -> None:
        nonlocal count
        count += 1
        poll()

    firmware.poll = counted
    pause(world, duration_ms)
    firmware.poll = poll
    return count


# ---------------------------------------------------------------- every kind does what it says


def test_hang_blocked_stops_its_thread_alone():
    """ThreadX guide: a blocked USB thread leaves the main loop running, EP0 dead for good."""
    with faulty("hang:call=usb_flush_ep,thread=usb,during=STOPFX3") as world:
        streaming(world)
        assert word(world, Request.STOPFX3) is DONE
        assert not alive(world)
        assert beats(world) == 10
        pause(world, 60_000)
        assert not alive(world)
        assert world.injector.unused == []


def test_hang_spinning_starves_the_main_thread():
    """ThreadX guide: a spin at priority 4 stops the main loop at 8."""
    with faulty("hang:call=usb_flush_ep,thread=usb,during=STOPFX3,manner=spinning") as world:
        streaming(world)
        assert word(world, Request.STOPFX3) is DONE
        assert not alive(world)
        assert beats(world) == 0
        assert [name for _, name in world.chip.spins] == ["USB thread"]


@pytest.mark.parametrize(("manner", "beaten"), [("blocked", 10), ("spinning", 5)])
def test_a_hang_for_a_time_ends(manner, beaten):
    """The thread goes on afterwards and the call does what it always does."""
    text = f"hang:call=usb_flush_ep,during=STOPFX3,for_ms=500,manner={manner}"
    with faulty(text) as world:
        streaming(world)
        assert word(world, Request.STOPFX3) is DONE
        begun_ns = world.now_ns
        assert beats(world) == beaten
        assert alive(world)
        assert stats(world).gpif_state == GpifState.IDLE
        assert word(world, Request.STOPFX3) is DONE
        assert triggered(world) == [[triggered(world)[0][0]]]
        assert abs(triggered(world)[0][0] - begun_ns) < 3 * MS


def test_delay_makes_a_call_take_longer():
    """A slow I2C bus as a fault: every register read takes 20 ms more."""
    with faulty("delay:call=i2c_receive_bytes,during=GETSTATS,for_ms=20,times=0") as world:
        for _ in range(3):
            begun_ns = world.now_ns
            stats(world)
            assert 57 * MS < world.now_ns - begun_ns < 62 * MS


def test_error_answers_its_code_and_does_nothing():
    """The call is not made: a channel that SetXfer refuses stays unarmed."""
    text = "error:call=CyU3PDmaMultiChannelSetXfer,during=STARTFX3,code=0x43"
    with faulty(text) as world:
        clocked(world)
        assert word(world, Request.STARTFX3) is DONE
        pause(world, 100)
        assert not world.chip.stream.flow.armed
        assert stats(world).dma_count == 0
        assert word(world, Request.STARTFX3) is DONE
        pause(world, 100)
        assert stats(world).dma_count == 8


@pytest.mark.parametrize(
    ("manner", "for_ms"), [("blocked", 0), ("spinning", 0), ("blocked", 2_000)]
)
def test_main_hang_stops_the_main_loop_alone(manner, for_ms):
    """ThreadX guide: EP0 still answers; with a time the loop goes on afterwards."""
    with faulty(f"main_hang:at_ms=1000,manner={manner},for_ms={for_ms}") as world:
        world.run_until(1_000 * MS)
        assert beats(world) <= 1
        assert alive(world)
        pause(world, 2_000)
        assert beats(world) == (10 if for_ms else 0)
        assert 1_000 * MS <= triggered(world)[0][0] <= 1_100 * MS


def test_timer_death_ends_every_wait_with_a_time():
    """ThreadX guide: sleeps and time-outs are the timer thread's; interrupts go on."""
    with faulty("timer_death:at_ms=1000", policy="level-1-4-5") as world:
        world.run_until(1_000 * MS)
        assert beats(world) == 0
        assert alive(world)
        assert request(world, Request.HANGFX3, 10).status is CANCELLED
        pause(world, 10_000)
        assert [reset.cause for reset in world.chip.resets] == ["watchdog"]


def test_a_blocked_timer_thread_is_a_dead_one():
    """ThreadX guide: time-outs are handed out by that thread, so while it hangs none expires."""
    text = "hang:call=sys_watch_dog_clear,thread=timer,at_ms=2000"
    with faulty(text, policy="level-1-4-5") as world:
        world.run_until(3_001 * MS)
        assert world.injector.unused == []
        assert beats(world) == 0
        assert alive(world)
        pause(world, 10_000)
        assert [reset.cause for reset in world.chip.resets] == ["watchdog"]


def test_host_paused_fills_the_ring():
    """judgement: a paused reader; with a time it reads on and nothing is lost for good."""
    with faulty("host_paused:at_ms=2000,for_ms=3000") as world:
        drain = streaming(world)
        world.run_until(1_999 * MS)
        read = drain.bytes
        assert read > 0
        world.run_until(2_010 * MS)
        held = drain.bytes
        world.run_until(4_990 * MS)
        assert drain.bytes == held
        assert stats(world).gpif_state in BLOCKED
        world.run_until(6_000 * MS)
        assert drain.bytes - held > 125_000_000


def test_host_gone_sends_a_setup_and_no_data():
    """Trap 31: the handler is parked up to 5 s; the host's own call times out."""
    with faulty("host_gone:at_ms=1000,during=STOPFX3") as world:
        world.run_until(SECOND_NS)
        assert word(world, Request.STARTADC, 64_000_000) is DONE
        assert word(world, Request.STOPFX3) is CANCELLED
        begun_ns = world.now_ns
        assert alive(world)
        assert world.now_ns - begun_ns < 100 * MS
        assert word(world, Request.STOPFX3) is DONE


@pytest.mark.parametrize(("seen", "status"), [("no", 0x01), ("yes", 0x21)])
def test_clock_loss_freezes_the_machine_until_it_ends(seen, status):
    """F4: no edges, a frozen state; whether PLL A reports it is the fault's choice."""
    with faulty(f"clock_loss:at_ms=2000,for_ms=1000,seen={seen}") as world:
        drain = streaming(world)
        world.run_until(2_500 * MS)
        frozen = stats(world)
        assert frozen.clock_status == status
        pause(world, 400)
        assert stats(world) == frozen
        read = drain.bytes
        world.run_until(3_500 * MS)
        assert drain.bytes > read
        assert stats(world).clock_status == 0x01


def test_cold_start_until_restart_is_mended_by_the_next_start():
    """F25: armed and clocked, the machine idle, the count stays 0."""
    with faulty("cold_start:until=restart") as world:
        clocked(world)
        assert word(world, Request.STARTFX3) is DONE
        pause(world, 5_000)
        cold = stats(world)
        assert (cold.dma_count, cold.gpif_state) == (0, GpifState.IDLE)
        assert word(world, Request.STARTFX3) is DONE
        pause(world, 10)
        assert stats(world).dma_count == 8


def test_cold_start_until_reset_survives_stop_and_start():
    """F25: it outlasts many STOP and START; only a reset mends it."""
    with faulty("cold_start:until=reset") as world:
        clocked(world)
        for _ in range(5):
            assert word(world, Request.STARTFX3) is DONE
            pause(world, 100)
            assert stats(world).dma_count == 0
            assert word(world, Request.STOPFX3) is DONE
        word(world, Request.RESETFX3)
        pause(world, 1_000)
        world.boot()
        clocked(world)
        word(world, Request.STARTFX3)
        pause(world, 10)
        assert stats(world).dma_count == 8


def test_ep0_desync_answers_with_the_previous_reply():
    """F26: replies are stale and data stages of OUT requests fail, until EP0 is stalled."""
    with faulty("ep0_desync:at_ms=2000") as world:
        world.run_until(1_999 * MS)
        good = request(world, Request.TESTFX3, length=4, into=True).reply
        world.run_until(2_001 * MS)
        wrong = request(world, Request.GETSTATS, length=26, into=True)
        assert wrong.reply == good
        wrong = request(world, Request.TESTFX3, length=4, into=True)
        assert wrong.reply != good
        assert word(world, Request.STARTADC, 64_000_000) is not DONE
        assert request(world, 0xCC, length=4, into=True).status is STALLED
        assert request(world, Request.TESTFX3, length=4, into=True).reply[0] == 4
        assert word(world, Request.STARTADC, 64_000_000) is DONE


def test_dma_error_stops_the_stream_without_a_word():
    """S131: the firmware asks for PROD_EVENT alone; the count freezes, the machine waits."""
    with faulty("dma_error:at_ms=2000") as world:
        drain = streaming(world)
        world.run_until(2_100 * MS)
        frozen = stats(world)
        read = drain.bytes
        assert frozen.gpif_state in BLOCKED
        assert frozen.dma_count > 0
        pause(world, 5_000)
        assert stats(world).dma_count == frozen.dma_count
        assert drain.bytes == read
        assert word(world, Request.STARTFX3) is DONE
        pause(world, 100)
        assert drain.bytes > read


def test_watchdog_stuck_counts_and_does_not_reset():
    """Level 5 itself fails: the dead main loop stays dead."""
    with faulty("watchdog_stuck", "main_hang:at_ms=1000", policy="level-1-4-5") as world:
        pause(world, 60_000)
        assert world.chip.resets == []
        assert alive(world)


def test_remedy_fails_does_nothing_and_says_so():
    """DESIGN 4: a remedy ends done, failed or refused; this one fails."""
    with faulty("remedy_fails:level=1,times=2", policy="level-1-4-5") as world:
        seen = []
        recover = world.firmware.health.recover
        health = world.firmware.health

        class Listening:
            def __getattr__(self, name):
                return getattr(health, name)

            def recover(self, status):
                recovery = recover(status)
                if recovery.level is not None:
                    seen.append((recovery.level, recovery.outcome))
                return recovery

        world.firmware.health = Listening()
        clocked(world)
        word(world, Request.STARTFX3)
        pause(world, 2_000)
        assert seen[:3] == [
            (Level.STREAM, Outcome.FAILED),
            (Level.STREAM, Outcome.FAILED),
            (Level.STREAM, Outcome.DONE),
        ]
        assert len(triggered(world)[0]) == 2


@pytest.mark.parametrize("at_ms", [0, 5_000])
def test_a_remedy_fails_from_its_time_on(at_ms):
    """The field at_ms of every fault: not before this simulated time."""
    with faulty(f"remedy_fails:level=1,at_ms={at_ms},times=0", policy="level-1-4-5") as world:
        clocked(world)
        word(world, Request.STARTFX3)
        pause(world, 4_000)
        assert stats(world).streaming_faults == (5 if at_ms else 0)


def test_an_endpoint_error_fails_reads_from_its_time_on():
    """More of it stands in test_backend.py (trap 29)."""
    with faulty("endpoint_error:cause=late_read,at_ms=1000") as world:
        clocked(world)
        reader = driver(world)
        for fails in (False, True):
            word(world, Request.STARTFX3)
            pause(world, 3)
            if fails:
                with pytest.raises(TransferError):
                    reader.read(16_384, timeout_ms=100)
            else:
                assert len(reader.read(16_384, timeout_ms=100)) == 16_384
            word(world, Request.STOPFX3)
            pause(world, 1_000)
        assert len(triggered(world)[0]) == 1


def test_remedy_refused_does_nothing_and_says_refused():
    """A guard's no: the level is asked for and not applied, and the module does not climb."""
    with faulty("remedy_refused:level=1,times=2", policy="level-1-4-5") as world:
        outcomes = [
            world.firmware.platform.apply(Level.STREAM, world.firmware.health.evaluate())
            for _ in range(2)
        ]
        assert outcomes == [Outcome.REFUSED, Outcome.REFUSED]
        assert not world.firmware.remedies_applied


@pytest.mark.parametrize("offset_ms", [-1, 0, 1])
def test_tick_wrap_passes_zero_at_its_time(offset_ms):
    """The OS tick is 2**32 - 1 one ms before, 0 at the time, and 1 after it."""
    with faulty("tick_wrap:at_ms=9000") as world:
        world.run_until((9_000 + offset_ms) * 1_000_000)
        assert world.firmware.sdk.get_time() == offset_ms % 2**32
        assert len(world.injector.armed[0].triggered_ns) == (offset_ms >= 0)


def test_every_kind_has_a_test_that_triggers_it():
    """A kind that is added to the catalogue needs a behaviour above."""
    tested = "".join(name for name in globals() if name.startswith("test_"))
    assert [kind for kind in KINDS if kind not in tested] == []


# ---------------------------------------------------------------- when and where


def test_a_fault_counts_the_calls_of_its_thread():
    """By thread: the main loop's own sleeps do not count for the USB thread."""
    text = "hang:call=thread_sleep,thread=usb,for_ms=300"
    with faulty(text) as world:
        pause(world, 1_000)
        assert world.injector.unused == [Fault.parse(text)]
        assert request(world, Request.HANGFX3, 1).status is DONE
        assert world.injector.unused == []


@pytest.mark.parametrize("nth", [1, 3, 7])
def test_the_nth_call_is_hit(nth):
    """By number: those before it run as ever, and with times=1 those after it too."""
    with faulty(f"hang:call=usb_flush_ep,during=STOPFX3,nth={nth},for_ms=400") as world:
        clocked(world)
        slow = []
        for number in range(1, 9):
            begun_ns = world.now_ns
            word(world, Request.STOPFX3)
            alive(world)
            if world.now_ns - begun_ns > 300 * MS:
                slow.append(number)
        assert slow == [nth]


@pytest.mark.parametrize(("times", "hit"), [(1, [2]), (3, [2, 3, 4]), (0, [2, 3, 4, 5, 6])])
def test_a_fault_happens_as_often_as_it_says(times, hit):
    """From the n-th call on, ``times`` times; 0 is without limit."""
    text = f"delay:call=usb_flush_ep,during=STOPFX3,nth=2,times={times},for_ms=400"
    with faulty(text) as world:
        slow = []
        for number in range(1, 7):
            begun_ns = world.now_ns
            word(world, Request.STOPFX3)
            alive(world)
            if world.now_ns - begun_ns > 300 * MS:
                slow.append(number)
        assert slow == hit


def test_a_fault_keeps_to_its_window_of_time():
    """By time: not before at_ms, not from before_ms on."""
    text = "delay:call=usb_send_ep0_data,for_ms=100,at_ms=2000,before_ms=4000,times=0"
    with faulty(text) as world:
        slow = []
        for second in range(1, 6):
            world.run_until(second * SECOND_NS)
            begun_ns = world.now_ns
            alive(world)
            if world.now_ns - begun_ns > 90 * MS:
                slow.append(second)
        assert slow == [2, 3]


def test_a_fault_during_one_request_spares_the_others():
    """By request: the same call in another handler is not hit."""
    with faulty("hang:call=dma_multi_channel_reset,during=STOPFX3") as world:
        clocked(world)
        assert word(world, Request.STARTFX3) is DONE
        assert alive(world)
        assert word(world, Request.STOPFX3) is DONE
        assert not alive(world)


@pytest.mark.parametrize("lock", ["none", "usb", "channel"])
def test_a_hang_holds_the_lock_it_says(lock):
    """S131: who needs that lock waits too; here the main thread inside level 1."""
    text = f"hang:call=thread_sleep,thread=usb,during=HANGFX3,lock={lock}"
    with faulty(text, policy="level-1-4") as world:
        clocked(world)
        word(world, Request.STARTFX3)
        pause(world, 50)
        sdk = world.chip.sdk
        request(world, Request.HANGFX3, 1, limit_ms=10)
        owners = {
            "usb": sdk.usb_lock.owner,
            "channel": sdk.channel_lock.owner,
        }
        assert {name for name, owner in owners.items() if owner is not None} == {lock} - {"none"}
        pause(world, 5_000)
        # The level 1 of the unread stream hangs on the lock, and with it what answers EP0.
        assert levels(world)[-1:] == ([4] if lock == "none" else [1])
        assert len(world.chip.resets) == (1 if lock == "none" else 0)


@pytest.mark.parametrize("lock", ["usb", "channel"])
def test_a_hang_for_a_time_gives_its_lock_back(lock):
    """The lock is held meanwhile and not longer."""
    text = f"hang:call=thread_sleep,thread=usb,during=HANGFX3,lock={lock},for_ms=200"
    with faulty(text) as world:
        pause(world, 100)
        assert request(world, Request.HANGFX3, 1).status is DONE
        sdk = world.chip.sdk
        assert sdk.usb_lock.owner is None
        assert sdk.channel_lock.owner is None
        clocked(world)
        assert word(world, Request.STARTFX3) is DONE
        pause(world, 10)
        assert stats(world).dma_count == 8


def test_a_fault_waits_for_its_moment_over_a_reset():
    """An armed fault that did not happen yet is armed in the next boot too; a spent one is not."""
    with faulty(
        "hang:call=usb_flush_ep,during=STOPFX3,nth=2", "main_hang:at_ms=1,for_ms=10"
    ) as world:
        word(world, Request.STOPFX3)
        word(world, Request.RESETFX3)
        pause(world, 1_000)
        world.boot()
        word(world, Request.STOPFX3)
        assert not alive(world)
        assert [len(times) for times in triggered(world)] == [1, 1]


def test_two_faults_of_a_kind_both_happen():
    """A list of faults is a list: none replaces another of its kind."""
    with faulty(
        "host_gone:during=STARTFX3",
        "host_gone:during=STOPFX3",
        "remedy_fails:level=1",
        "remedy_fails:level=4",
        policy="level-1-4",
    ) as world:
        clocked(world)
        assert word(world, Request.STARTFX3) is CANCELLED
        assert word(world, Request.STOPFX3) is CANCELLED
        assert word(world, Request.STARTFX3) is DONE
        pause(world, 1_000)
        request(world, Request.HANGFX3, 3_000)
        pause(world, 3_000)
        assert [len(times) for times in triggered(world)] == [1, 1, 1, 1]


def test_faults_that_never_happened_are_reported():
    """An injected fault that did nothing is a broken test."""
    texts = [
        "hang:call=pib_deinit,nth=5",
        "error:call=usb_stall,at_ms=100000",
        "remedy_fails:level=3",
        "host_paused:at_ms=0",
        "main_hang:at_ms=500",
    ]
    with faulty(*texts) as world:
        pause(world, 5_000)
        assert [str(fault) for fault in world.injector.unused] == [
            "hang:call=pib_deinit,nth=5",
            "error:at_ms=100000,call=usb_stall",
            "remedy_fails:level=3",
            "host_paused",
        ]


def test_an_unarmed_world_has_no_wrapper():
    """DESIGN 5: an unarmed injection point costs nothing: no call is replaced."""
    with booted() as world:
        assert world.injector is None
        assert set(vars(world.chip.sdk)) & set(faults.calls()) == set()
    with faulty("hang:call=usb_flush_ep,nth=99") as world:
        assert set(vars(world.chip.sdk)) & set(faults.calls()) == {"usb_flush_ep"}


# ---------------------------------------------------------------- every injection point


def may_fail(call: str) -> bool:
    try:
        Fault("error", call=call)
    except FaultError:
        return False
    return True


STATUS_FREE = {
    "busy_wait",
    "device_reset",
    "get_time",
    "gpif_control_sw_input",
    "gpif_disable",
    "pib_register_callback",
    "sys_watch_dog_clear",
    "sys_watch_dog_configure",
    "usb_ack_setup",
    "usb_get_speed",
    "usb_register_event_callback",
    "usb_register_setup_callback",
}
"""cyu3*.h: these return nothing, a time or a speed, and so cannot answer an error."""


def test_calls_without_a_status_cannot_be_made_to_fail():
    """A fault that the SDK's own signature rules out is refused, with the call's C name."""
    assert {call for call in faults.calls() if not may_fail(call)} == STATUS_FREE
    with pytest.raises(FaultError, match="CyU3PGpifDisable returns no status"):
        Fault.parse("error:call=gpif_disable")


def is_shaped_like(answer: object, annotation: str) -> bool:
    if annotation == "int":
        return type(answer) is int
    inner = annotation.removeprefix("tuple[").removesuffix("]").split(", ", 1)
    kinds = {"bytes": (bytes,), "list[int]": (list,), "int | None": (int, type(None))}
    kinds |= {"bool | None": (bool, type(None)), "object | None": (object,)}
    return isinstance(answer, tuple) and isinstance(answer[1], kinds[inner[1]])


@pytest.mark.parametrize("call", sorted(set(faults.calls()) - STATUS_FREE))
def test_an_error_has_the_shape_that_its_call_returns(call):
    """A status where a status is returned; (status, nothing) where a value comes with it."""
    with faulty(f"error:call={call},code=0x49,at_ms=1001") as world:
        world.run_until(1_001 * MS)
        answer = getattr(world.chip.sdk, call)()
        annotation = getattr(Sdk, call).__annotations__["return"]
        assert is_shaped_like(answer, annotation), answer
        assert (answer if isinstance(answer, int) else answer[0]) == SdkStatus.DMA_FAILURE


@pytest.mark.parametrize(
    ("kind", "call"),
    [
        (kind, call)
        for kind in ("error", "hang", "delay")
        for call in sorted(faults.calls())
        if kind != "error" or call not in STATUS_FREE
    ],
)
def test_the_firmware_survives_a_fault_at_any_call(call, kind):
    """The C firmware gets a status it may ignore; no exception of Python's may come out of it."""
    more = {"error": "code=0x4A", "hang": "manner=blocked", "delay": "for_ms=3"}[kind]
    fault = Fault.parse(f"{kind}:call={call},times=50,{more}")
    with BenchWorld("reference", "reference", faults=[fault]) as world:
        world.chip.start(bytearray(0x3000) + world.image[12:-12], 0x4000_3000)
        pause(world, 1_000)
        for code, data, length in (
            (Request.STARTADC, (64_000_000).to_bytes(4, "little"), 4),
            (Request.STARTFX3, bytes(4), 4),
            (Request.GETSTATS, b"", 26),
            (Request.STOPFX3, bytes(4), 4),
            (0xCC, bytes(4), 4),
        ):
            device = world.host.device
            if device is not None and device.is_application:
                kind_of = 0x40 if data else 0xC0
                world.host.control(device, Setup(kind_of, code, 0, 0, length), data, 300)
            pause(world, 700)
        pause(world, 10_000)


def test_a_loop_that_an_error_keeps_from_sleeping_is_named():
    """DESIGN 5: a world never hangs the process, not even in a loop without its sleep."""
    with (
        faulty("error:call=thread_sleep,thread=main,at_ms=1000,times=0") as world,
        pytest.raises(TaskFailed, match=r"HF103.*no progress"),
    ):
        pause(world, 5_000)


# ---------------------------------------------------------------- text


@st.composite
def any_fault(draw) -> Fault:
    """Any fault that the catalogue allows, with only the fields that its kind takes."""
    kind = draw(st.sampled_from(sorted(KINDS)))
    small = st.integers(0, 10**6)
    choices = {
        **{name: st.sampled_from(values) for name, values in CHOICES.items()},
        "call": st.sampled_from(sorted(call for call in faults.calls() if may_fail(call))),
        "nth": st.integers(1, 100),
        "code": st.integers(0, 255),
        "level": st.integers(1, 4),
        **dict.fromkeys(("at_ms", "times", "for_ms"), small),
    }
    needed = {"call", "level"} | ({"for_ms"} if kind == "delay" else set())
    values = {}
    for name in sorted({"at_ms", "times"} | KINDS[kind][1]):
        if name == "before_ms":
            continue
        if name in needed or draw(st.booleans()):
            values[name] = draw(choices[name])
    if kind == "delay":
        values["for_ms"] = max(values["for_ms"], 1)
    if "before_ms" in KINDS[kind][1] and draw(st.booleans()):
        values["before_ms"] = values.get("at_ms", 0) + draw(st.integers(1, 10**6))
    return Fault(kind, **values)


@settings(max_examples=300)
@given(any_fault())
def test_a_fault_is_read_back_from_its_text(fault):
    """DESIGN 4: a fault is a value that can be kept in a file and compared."""
    text = str(fault)
    assert Fault.parse(text) == fault
    assert str(Fault.parse(text)) == text
    assert "\n" not in text


def test_calls_may_be_written_as_in_c():
    """Users know the C names; both spellings are one fault."""
    assert Fault.parse("hang:call=CyU3PUsbFlushEp") == Fault.parse("hang:call=usb_flush_ep")
    assert Fault.parse("error:call=usb_flush_ep,code=0x1D").code == 0x1D
    assert Fault.parse(" hang:call=usb_flush_ep , nth=2 ").nth == 2


BAD = [
    ("hagn:call=usb_flush_ep", "hagn", "hang"),
    ("", "''", "hang"),
    ("hang", "SDK call", "hang:call="),
    ("hang:call=usb_flush", "usb_flush", "usb_flush_ep"),
    ("hang:call=CyU3PUsbFlushEP1", "CyU3PUsbFlushEP1", "CyU3PUsbFlushEp"),
    ("hang:cal=usb_flush_ep", "cal", "call"),
    ("hang:call=usb_flush_ep,manner=spining", "spining", "spinning"),
    ("hang:call=usb_flush_ep,lock=chanel", "chanel", "channel"),
    ("hang:call=usb_flush_ep,thread=usbs", "usbs", "usb"),
    ("hang:call=usb_flush_ep,during=STOPFX", "STOPFX", "STOPFX3"),
    ("hang:call=usb_flush_ep,nth=two", "two", "nth=100"),
    ("hang:call=usb_flush_ep,nth=-1", "nth", "not negative"),
    ("hang:call=usb_flush_ep,nth", "nth", "nth"),
    ("hang:call=usb_flush_ep,manner=", "manner", "blocked"),
    ("hang:call=usb_flush_ep,at_ms=5,before_ms=5", "before_ms", "after at_ms"),
    ("delay:call=usb_flush_ep", "for_ms", "for_ms=100"),
    ("main_hang:call=usb_flush_ep", "call", "example"),
    ("clock_loss:seen=maybe", "maybe", "yes"),
    ("clock_loss:seen=", "seen", "yes"),
    ("cold_start:until=restrt", "restrt", "restart"),
    ("remedy_fails", "level", "level=1"),
    ("remedy_fails:level=5", "level", "1 to 4"),
    ("error:call=gpif_disable", "CyU3PGpifDisable", "no status"),
]


@pytest.mark.parametrize(("text", "named", "right"), BAD)
def test_a_bad_fault_is_refused_in_one_line(text, named, right):
    """One line that names what is wrong and the nearest right."""
    with pytest.raises(FaultError) as caught:
        Fault.parse(text)
    message = str(caught.value)
    assert "\n" not in message
    assert named in message
    assert right in message
    assert len(message) < 300


def test_a_name_that_is_like_nothing_does_not_list_the_whole_sdk():
    """The nearest right names, in a line that a person reads."""
    with pytest.raises(FaultError) as caught:
        Fault.parse("hang:call=qqqq")
    assert len(str(caught.value)) < 300


def test_a_fault_made_in_code_is_checked_too():
    """The constructor checks what the parser checks; nothing wrong gets into a world."""
    for make in (
        lambda: Fault("hang", call="usb_flush"),
        lambda: Fault("nothing"),
        lambda: Fault("remedy_fails", level=7),
        lambda: Fault("clock_loss", for_ms=-1),
    ):
        with pytest.raises(FaultError):
            make()


# ---------------------------------------------------------------- with the cascade


def test_what_the_shipped_firmware_sees_of_an_ep0_hang():
    """F16: blocked, level 4 after 2.0 to 2.1 s; spinning, only the hardware watchdog."""
    for manner, cause, low_ns, high_ns in (
        ("blocked", "device_reset", 1_999 * MS, 2_102 * MS),
        ("spinning", "watchdog", PERIOD_NS - 100 * MS, PERIOD_NS + 3_000 * MS),
    ):
        text = f"hang:call=usb_flush_ep,thread=usb,during=STOPFX3,manner={manner}"
        with faulty(text, policy="level-1-4-5") as world:
            streaming(world)
            word(world, Request.STOPFX3)
            hung_ns = world.now_ns
            pause(world, 9_000)
            (reset,) = world.chip.resets
            assert reset.cause == cause
            assert low_ns < reset.at_ns - hung_ns <= high_ns


def test_a_fault_is_a_mark_in_the_trace():
    """A reader of the trace sees what was done to the device, and when."""
    from hw.trace import Recorder

    trace = Recorder()
    with faulty("dma_error:at_ms=700", trace=trace) as world:
        pause(world, 1_000)
    marks = [(record[2], record[3]) for record in trace.records if record[1] == "world/faults"]
    assert marks == [("dma_error:at_ms=700", 700 * MS)]
