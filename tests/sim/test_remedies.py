"""What each level means inside the firmware, and that nothing else makes recovery calls.

Facts: S131 (the reload defect); incidents F6, F26.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import sim.firmware
from health import Level, Outcome, level_bit
from health.status import HEALTHY
from hw.protocol import GpifState, GpioBit, Request, SdkStatus
from sim.chip.usb import Setup
from sim.faults import Fault
from sim.sdk import Sdk

from .bench import (
    DONE,
    MS,
    SECOND_NS,
    STALLED,
    alive,
    booted,
    clocked,
    levels,
    pause,
    request,
    stats,
    streaming,
    word,
)

WAITING = (GpifState.TH0_WAIT, GpifState.TH1_WAIT)


@pytest.fixture(params=["fw-2.3", "reference"])
def world(request):
    """A configured device under a policy that does nothing by itself."""
    with booted(request.param, "none") as world:
        yield world


def apply(world, level: Level) -> list:
    """Have a firmware thread of the main loop's priority apply a remedy; returns [outcome]."""
    result: list[Outcome] = []
    firmware = world.firmware
    world.chip.rtos.create_thread(
        "remedy", 8, lambda: result.append(firmware.platform.apply(level, HEALTHY))
    )
    pause(world, 20)
    return result


def calls_of(world, names: list[str], run) -> list[tuple]:
    """Run something and list the calls of these names with their arguments and answers."""
    made: list[tuple] = []
    sdk = world.chip.sdk

    def listen(name: str) -> None:
        original = getattr(sdk, name)

        def heard(*arguments):
            answer = original(*arguments)
            made.append((name, arguments, answer))
            return answer

        setattr(sdk, name, heard)

    for name in names:
        listen(name)
    run()
    for name in names:
        delattr(sdk, name)
    return made


LEVEL_1 = [
    "gpif_control_sw_input",
    "thread_sleep",
    "gpif_disable",
    "dma_multi_channel_reset",
    "usb_flush_ep",
    "dma_multi_channel_set_xfer",
    "gpif_load",
    "gpif_sm_start",
]


def remedy_calls(made: list[tuple]) -> list:
    """The calls of one remedy: from trigger low to trigger high, with what matters of each."""
    first = made.index(("gpif_control_sw_input", (False,), None))
    told = []
    for name, arguments, answer in made[first:]:
        if name == "thread_sleep" and arguments != (1,):
            continue  # the main loop's own
        switch = arguments and type(arguments[0]) is bool
        told.append((name, arguments[0] if switch else answer))
        if (name, arguments) == ("gpif_control_sw_input", (True,)):
            break
    return told


# ---------------------------------------------------------------- level 1


def test_level_1_stops_softly_and_starts_again(world):
    """DESIGN 3: trigger low, IDLE, disable, reset, flush, arm, start, trigger high: 1 to 2 ms."""
    clocked(world)
    word(world, Request.STARTFX3)
    pause(world, 100)
    assert stats(world).gpif_state in WAITING
    outcome: list = []
    made = calls_of(world, LEVEL_1, lambda: outcome.extend(apply(world, Level.STREAM)))
    assert outcome == [Outcome.DONE]
    assert remedy_calls(made) == [
        ("gpif_control_sw_input", False),
        ("thread_sleep", 0),
        ("gpif_disable", False),
        ("dma_multi_channel_reset", 0),
        ("usb_flush_ep", 0),
        ("dma_multi_channel_set_xfer", 0),
        ("gpif_sm_start", 0),
        ("gpif_control_sw_input", True),
    ]
    reply = stats(world)
    assert reply.streaming_faults == 1
    assert reply.dma_count in (7, 8)
    assert reply.gpif_state in WAITING


def test_level_1_takes_one_to_two_milliseconds(world):
    """DESIGN 3: the typical time of the remedy itself."""
    clocked(world)
    word(world, Request.STARTFX3)
    pause(world, 100.3)
    took: list[int] = []

    def run() -> None:
        begun_ns = world.now_ns
        world.firmware.platform.apply(Level.STREAM, HEALTHY)
        took.append(world.now_ns - begun_ns)

    world.chip.rtos.create_thread("remedy", 8, run)
    pause(world, 10)
    assert 0 < took[0] <= 2 * MS


def test_level_1_lets_a_reading_host_go_on(world):
    """The stream comes back to a host whose transfers stayed queued."""
    drain = streaming(world)
    pause(world, 500)
    world.chip.stream.fail()
    pause(world, 100)
    read = drain.bytes
    assert apply(world, Level.STREAM) == [Outcome.DONE]
    pause(world, 1_000)
    assert drain.bytes - read > 125_000_000


@pytest.mark.parametrize("firmware", ["fw-2.3", "reference"])
def test_level_1_after_a_forced_stop(firmware):
    """S131: without a reload SMStart answers 0x44 and the machine stays dead, state 255.

    The clock does not reach the chip though its registers look well, so IDLE is never reached and
    the stop has to be forced. The shipped firmware does not load the table again.
    """
    with booted(firmware, "none") as world:
        drain = streaming(world)
        pause(world, 100)
        world.board.clock.cut(seen=False)
        pause(world, 10)
        outcome: list = []
        made = calls_of(world, LEVEL_1, lambda: outcome.extend(apply(world, Level.STREAM)))
        told = remedy_calls(made)
        assert ("gpif_disable", True) in told
        reloads = firmware == "reference"
        assert ("gpif_load", 0) in told if reloads else "gpif_load" not in dict(told)
        assert ("gpif_sm_start", 0 if reloads else SdkStatus.NOT_CONFIGURED) in told
        assert outcome == [Outcome.DONE if reloads else Outcome.FAILED]
        assert stats(world).gpif_state == (GpifState.RESET if reloads else GpifState.DISABLED)
        read = drain.bytes
        world.board.clock.restore()
        pause(world, 1_000)
        if reloads:
            assert drain.bytes - read > 125_000_000
        else:
            assert drain.bytes == read
            assert stats(world).gpif_state == GpifState.DISABLED
            assert word(world, Request.STARTFX3) is DONE
            pause(world, 1_000)
            assert drain.bytes - read > 125_000_000


def test_level_1_does_not_start_without_a_clock(world):
    """DESIGN 3: re-armed only if CLK0 is on and PLL A locked; the fault is counted all the same."""
    clocked(world)
    word(world, Request.STARTFX3)
    pause(world, 100)
    world.board.clock.cut(seen=True)
    assert apply(world, Level.STREAM) == [Outcome.FAILED]
    flow = world.chip.stream.flow
    assert not flow.armed
    assert not flow.running
    assert stats(world).streaming_faults == 1


# ---------------------------------------------------------------- level 2


def test_level_2_ends_a_desync_of_ep0(world):
    """F26, DESIGN 3: a stall of EP0 drops what was queued; the next SETUP is served."""
    assert alive(world)
    world.chip.ep0.desynchronised = True
    assert request(world, Request.GETSTATS, length=26, into=True).reply[:1] == b"\x04"
    assert apply(world, Level.EP0) == [Outcome.DONE]
    assert alive(world)
    assert stats(world).boot_count == 1


def test_level_2_spares_the_stream(world):
    """DESIGN 3: EP1's FIFO is flushed, the channel and the machine go on."""
    drain = streaming(world)
    pause(world, 500)
    read = drain.bytes
    before = stats(world).dma_count
    assert apply(world, Level.EP0) == [Outcome.DONE]
    pause(world, 500)
    assert stats(world).dma_count > before + 3_800
    assert drain.bytes - read > 62_000_000


def test_level_2_fails_a_request_that_is_in_progress():
    """The shipped firmware does not look: a stall of EP0 answers the host that waits for it."""
    with booted("fw-2.3", "none") as world:
        results = []
        world.spawn("host", lambda: results.append(request(world, Request.HANGFX3, 500).status))
        pause(world, 100)
        assert apply(world, Level.EP0) == [Outcome.DONE]
        assert results == [STALLED]
        pause(world, 1_000)
        assert alive(world)


# ---------------------------------------------------------------- level 3


def test_level_3_stops_and_starts_the_application_and_resumes_its_stream(world):
    """DESIGN 3: what SET_CONFIGURATION does, from inside; a stream that ran runs again."""
    drain = streaming(world)
    pause(world, 500)
    world.chip.stream.fail()
    pause(world, 100)
    read = drain.bytes
    assert apply(world, Level.APPLICATION) == [Outcome.DONE]
    assert alive(world)
    pause(world, 1_000)
    assert drain.bytes - read > 125_000_000
    reply = stats(world)
    assert reply.dma_count > 7_000
    assert reply.streaming_faults == 0


def test_level_3_starts_no_stream_that_was_not_running(world):
    """A remedy restores; it does not begin what the host did not ask for."""
    clocked(world)
    pause(world, 100)
    assert apply(world, Level.APPLICATION) == [Outcome.DONE]
    pause(world, 100)
    reply = stats(world)
    assert (reply.dma_count, reply.gpif_state) == (0, GpifState.IDLE)
    assert word(world, Request.STARTFX3) is DONE
    pause(world, 10)
    assert stats(world).dma_count == 8


# ---------------------------------------------------------------- level 4


def test_level_4_ends_in_the_boot_rom(world):
    """DESIGN 3: device reset, cold; it does not return, and the host uploads again."""
    assert apply(world, Level.DEVICE_RESET) == []
    assert [reset.cause for reset in world.chip.resets] == ["device_reset"]
    pause(world, 2_000)
    assert world.firmware is None
    assert world.host.device is not None
    assert not world.host.device.is_application


def test_level_5_is_never_applied(world):
    """DESIGN 4: the watchdog is autonomous; recover never selects it."""
    assert apply(world, Level.WATCHDOG) == [Outcome.REFUSED]
    assert world.chip.resets == []


def test_levels_1_to_3_need_a_configured_application(world):
    """DESIGN 3: before enumeration and after SET_CONFIGURATION(0) only the reset is left."""
    firmware = world.firmware
    every = sum(level_bit(level) for level in (1, 2, 3, 4))
    assert firmware.platform.available() == every
    firmware.active = False
    assert firmware.platform.available() == level_bit(Level.DEVICE_RESET)


def test_the_remedies_are_listed_with_their_time(world):
    """What was done, and when, for reports."""
    for level in (Level.STREAM, Level.EP0, Level.APPLICATION):
        apply(world, level)
    assert [level for _, level in world.firmware.remedies_applied] == [1, 2, 3]
    times = [at_ns for at_ns, _ in world.firmware.remedies_applied]
    assert times == sorted(times)
    assert times[-1] < SECOND_NS


# ---------------------------------------------------------------- beside a handler in progress


@pytest.mark.parametrize("handler_ms", [120, 700, 1_900])
@pytest.mark.parametrize("phase_ms", [0, 33, 66])
def test_a_streaming_fault_beside_a_legal_handler_does_not_cost_the_firmware(handler_ms, phase_ms):
    """DESIGN 3: a level that is not available now never counts as failed and never escalates.

    Levels 1 to 3 take locks that a handler in progress may hold. They wait for it; what they do
    not do is make room for level 4, whose time comes when the handler is over its limit.
    """
    fault = Fault("dma_error", at_ms=3_000 + phase_ms)
    with booted("reference", "reference", faults=[fault]) as world:
        drain = streaming(world)
        world.run_until(3_200 * MS)
        slow = Setup(0x40, Request.HANGFX3, handler_ms, 0, 0)
        world.spawn("host", lambda: world.host.control(world.host.device, slow, b"", 2_500))
        pause(world, 5_000)
        assert world.chip.resets == []
        assert levels(world) == [1]
        read = drain.bytes
        pause(world, 1_000)
        assert drain.bytes - read > 125_000_000


# ---------------------------------------------------------------- who may make recovery calls

RECOVERY_CALLS = {
    "device_reset",
    "dma_multi_channel_reset",
    "gpif_disable",
    "sys_watch_dog_clear",
    "sys_watch_dog_configure",
    "usb_flush_ep",
    "usb_stall",
}
"""Calls that reset or restart something; a stall of EP0 itself is an ordinary answer."""

PROTOCOL_SITES = {
    # SET_CONFIGURATION, bus reset, disconnect
    ("streaming.start_application", "usb_flush_ep"),
    ("streaming.stop_application", "gpif_disable"),
    ("streaming.stop_application", "usb_flush_ep"),
    # STARTFX3
    ("streaming.start", "gpif_disable"),
    ("streaming.start", "dma_multi_channel_reset"),
    ("streaming.start", "usb_flush_ep"),
    # STOPFX3
    ("streaming.stop", "dma_multi_channel_reset"),
    ("streaming.stop", "usb_flush_ep"),
    ("streaming.disable_state_machine", "gpif_disable"),
    # STARTADC's implicit stop
    ("streaming.stop_for_clock_change", "gpif_disable"),
    ("streaming.stop_for_clock_change", "dma_multi_channel_reset"),
    ("streaming.stop_for_clock_change", "usb_flush_ep"),
    # CLEAR_FEATURE(ENDPOINT_HALT)
    ("streaming.clear_halt", "dma_multi_channel_reset"),
    ("streaming.clear_halt", "usb_stall"),
    ("streaming.clear_halt", "usb_flush_ep"),
    # RESETFX3
    ("vendor.reset", "device_reset"),
    # the console's `reset`, and a set-up call that failed
    ("commands._reset", "device_reset"),
    ("support.blink_and_reset", "device_reset"),
}
"""The sites outside of the remedies: the protocol asks for each of them."""

PROTOCOL_ENTRIES = {
    "app.on_setup",
    "app.on_usb_event",
    "vendor.start",
    "vendor.stop",
    "vendor.start_adc",
    "vendor.reset",
    "commands._run_command",
    "support.blink_and_reset",
}
"""The functions by which a host's request or event comes to one of those sites."""


class Firmware:
    """The firmware's functions, the SDK calls in each, and who calls whom, from its source."""

    def __init__(self, folder: Path) -> None:
        self.sdk_calls: set[tuple[str, str]] = set()
        self.callers: dict[str, set[str]] = {}
        self.functions: set[str] = set()
        for path in sorted(folder.glob("*.py")):
            tree = ast.parse(path.read_text())
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef):
                    self._read(path.stem, node)

    def _read(self, module: str, function: ast.FunctionDef) -> None:
        here = f"{module}.{function.name}"
        self.functions.add(here)
        for node in ast.walk(function):
            if not isinstance(node, ast.Attribute):
                continue
            owner = ast.unparse(node.value)
            if node.attr in RECOVERY_CALLS and not self._is_ep0_stall(function, node):
                self.sdk_calls.add((here, node.attr))
            for there in self._targets(module, owner, node.attr):
                self.callers.setdefault(there, set()).add(here)

    @staticmethod
    def _is_ep0_stall(function: ast.FunctionDef, attribute: ast.Attribute) -> bool:
        if attribute.attr != "usb_stall":
            return False
        return any(
            isinstance(node, ast.Call)
            and node.func is attribute
            and isinstance(node.args[0], ast.Constant)
            and node.args[0].value == 0
            for node in ast.walk(function)
        )

    @staticmethod
    def _targets(module: str, owner: str, name: str) -> list[str]:
        if owner == "self":
            return [f"{module}.{name}"]
        last = owner.rsplit(".", 1)[-1]
        return [f"{last}.{name}"] if last in ("streaming", "vendor", "clock") else []


@pytest.fixture(scope="module")
def source() -> Firmware:
    return Firmware(Path(sim.firmware.__file__).parent)


def test_recovery_calls_stand_in_the_remedies_and_at_the_protocol_sites_alone(source):
    """Each site outside of the remedies is named one by one, and none is left over."""
    outside = {
        (place, call) for place, call in source.sdk_calls if not place.startswith("remedies.")
    }
    assert outside == PROTOCOL_SITES
    inside = {call for place, call in source.sdk_calls if place.startswith("remedies.")}
    assert {"device_reset", "sys_watch_dog_clear", "sys_watch_dog_configure"} <= inside


def test_the_protocol_sites_are_reached_from_the_protocol_and_the_remedies_alone(source):
    """No other way leads to them, from the main loop least of all."""
    sites = {place for place, _ in PROTOCOL_SITES}
    reached, entries = set(sites), set()
    pending = list(sites)
    while pending:
        place = pending.pop()
        if place in PROTOCOL_ENTRIES or place.startswith("remedies."):
            entries.add(place)
            continue
        callers = source.callers.get(place, set()) - {place}
        assert callers, f"nobody calls {place}: is it a new entry?"
        pending += callers - reached
        reached |= callers
    assert {entry for entry in entries if not entry.startswith("remedies.")} == PROTOCOL_ENTRIES
    assert entries <= source.functions


def test_the_recovery_calls_exist():
    """A renamed call must not slip through the net."""
    assert all(hasattr(Sdk, name) for name in RECOVERY_CALLS)


def test_no_call_is_made_by_a_name_in_a_string(source):
    """The net above reads attributes; getattr would go around it."""
    folder = Path(sim.firmware.__file__).parent
    for path in folder.glob("*.py"):
        names = {
            node.id for node in ast.walk(ast.parse(path.read_text())) if type(node) is ast.Name
        }
        assert not names & {"getattr", "setattr", "eval", "exec"}, path.name


def test_a_sleeping_converter_costs_the_firmware_nothing():
    """GPIOFX3 bit 5 takes the sample clock away, by the host's own choice.

    It is told as a lost clock, which has no remedy; the stream goes on once the converter wakes.
    """
    with booted("reference", "reference") as world:
        drain = streaming(world)
        word(world, Request.GPIOFX3, GpioBit.ADC_SHUTDOWN)
        pause(world, 5_000)
        assert levels(world) == []
        word(world, Request.GPIOFX3, 0)
        read = drain.bytes
        pause(world, 1_000)
        assert drain.bytes > read
        assert set(levels(world)) <= {1}
        assert len(world.chip.resets) == 0
