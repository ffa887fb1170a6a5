"""One run: a condition strikes a world at a nanosecond, and the first answer to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from simpy.events import Event

from health import Level, Policy
from hw.protocol import CONFIGURATION_VALUE, STANDARD_DEVICE_OUT, Request, StandardRequest
from hw.trace import Recorder
from scenarios.lab.bench import RATE_HZ, LabBench
from scenarios.lab.bounds import Condition
from sim.chip.fx3 import Reset
from sim.chip.usb import Setup, TransferStatus
from sim.errors import SimulationError
from sim.faults import Fault
from sim.host.drain import Drain
from sim.world import BenchWorld

MILLISECOND_NS = 1_000_000
VENDOR_OUT = 0x40
HANG_MS = 60_000
"""HANGFX3 sleeps as long as it is told; no policy waits for so long."""
PATIENCE_MS = 1_000
"""A host program's own time-out (fx3_cmd.c)."""
SETTLED_MS = 1_600
"""Booted, clocked and streaming, from the end of the application's enumeration on."""

SPIN = Fault("hang", call="thread_sleep", thread="usb", during="HANGFX3", manner="spinning")
EVENT_HANG_CALL = "gpif_disable"
"""The first call of StopApplication, which SET_CONFIGURATION begins with."""

Strike = Callable[[BenchWorld, int], None]


@dataclass(frozen=True)
class Answer:
    """How a run was answered first.

    Attributes:
        offset_ms: phase of the main loop against the pet timer.
        onset_ns: when the cause came.
        struck_ns: when the condition began; the same, but for what a request causes later.
        level: the level that answered; None when nothing did.
        at_ns: the begin of its remedy, or the reset of level 5; 0 when nothing answered.
    """

    offset_ms: int
    onset_ns: int
    struck_ns: int
    level: int | None
    at_ns: int

    @property
    def latency_ns(self) -> int:
        """From the onset of the condition to the answer."""
        return self.at_ns - self.struck_ns

    @property
    def decision(self) -> tuple[int | None, int]:
        """What was done and when: all that one onset can change against another."""
        return self.level, self.at_ns


def first_tick(policy: Policy, bench: LabBench) -> int:
    """Return a tick at which the gate looks and every strike finds its world settled."""
    settled_ns = (bench.options.application_enumeration_ms + SETTLED_MS) * MILLISECOND_NS
    looks = -(-settled_ns // (policy.pet_interval_ms * bench.tick_ns))
    return looks * policy.pet_interval_ms


def run(
    condition: Condition,
    policy: Policy,
    bench: LabBench,
    offset_ms: int,
    onset_ns: int,
    horizon_ns: int,
    trace: Recorder | None = None,
) -> Answer:
    """Boot a world, let a condition strike, and return the first answer.

    Args:
        condition: what strikes.
        policy: what the health module decides by.
        bench: firmware and knobs.
        offset_ms: the option `poll_offset_ms`.
        onset_ns: when it strikes: when the main loop dies, the SETUP arrives, the host pauses or
            the DMA fails.
        horizon_ns: how long after the onset an answer is waited for.
        trace: records the run, or None.

    Raises:
        SimulationError: the world is not ready at the onset, or the strike had no effect.
    """
    options = replace(bench.options, poll_offset_ms=offset_ms)
    faults = FAULTS[condition](onset_ns) if condition in FAULTS else ()
    with BenchWorld(
        bench.revision.name, policy, options=options, faults=faults, trace=trace
    ) as world:
        world.boot()
        firmware = world.firmware
        assert firmware is not None
        STRIKES[condition](world, onset_ns)
        over = Event(world)

        def note(reset: Reset) -> None:
            del reset
            world.fire(over)

        world.chip.on_reset.append(note)
        world.wait(over, onset_ns + horizon_ns - world.now_ns)
        struck_ns = _struck_ns(condition, world, onset_ns)
        level: int | None = None
        at_ns = 0
        for begun_ns, applied in firmware.remedies_applied:
            level, at_ns = applied, begun_ns
            break
        else:
            for reset in world.chip.resets:
                level, at_ns = Level.WATCHDOG, reset.at_ns
                break
        return Answer(offset_ms, onset_ns, struck_ns, level, at_ns)


def _struck_ns(condition: Condition, world: BenchWorld, onset_ns: int) -> int:
    if world.injector is None:
        return onset_ns
    (armed,) = world.injector.armed
    if not armed.triggered_ns:
        raise SimulationError(f"{condition}: the strike at {onset_ns} ns had no effect")
    return armed.triggered_ns[0] if condition is Condition.COLD_START else onset_ns


def _run_to(world: BenchWorld, at_ns: int) -> None:
    if at_ns < world.now_ns:
        raise SimulationError(f"the world is not ready at {at_ns} ns; it is {world.now_ns} ns")
    world.run_until(at_ns)


def _die(world: BenchWorld, onset_ns: int) -> None:
    firmware = world.firmware

    def die() -> None:
        assert firmware is not None
        firmware.hang_main_requested = True

    world.alarm(onset_ns, die)


def _ask(setup: Setup, data: bytes = b"") -> Strike:
    """Return a strike that is a request whose SETUP arrives at the onset."""

    def ask(world: BenchWorld, onset_ns: int) -> None:
        device = world.host.device
        assert device is not None
        _run_to(world, onset_ns - world.options.control_setup_ns)
        world.spawn("host", lambda: world.host.control(device, setup, data, PATIENCE_MS))

    return ask


def _clock(world: BenchWorld) -> Drain:
    """STARTADC, and a reader that takes everything."""
    device = world.host.device
    assert device is not None
    setup = Setup(VENDOR_OUT, Request.STARTADC, 0, 0, 4)
    _done(world, setup, RATE_HZ.to_bytes(4, "little"))
    drain = Drain(world, device)
    drain.start()
    return drain


def _done(world: BenchWorld, setup: Setup, data: bytes) -> None:
    device = world.host.device
    assert device is not None
    transfer = world.host.control(device, setup, data, PATIENCE_MS)
    if transfer.status is not TransferStatus.DONE:
        raise SimulationError(f"request {setup.request:#04x} ended as {transfer.status.name}")


START = Setup(VENDOR_OUT, Request.STARTFX3, 0, 0, 4)


def _stream(world: BenchWorld) -> Drain:
    drain = _clock(world)
    _done(world, START, bytes(4))
    return drain


def _pause(world: BenchWorld, onset_ns: int) -> None:
    drain = _stream(world)
    _run_to(world, onset_ns)
    drain.stop()


def _fail(world: BenchWorld, onset_ns: int) -> None:
    _stream(world)
    _run_to(world, onset_ns)
    world.chip.stream.fail()


def _start(world: BenchWorld, onset_ns: int) -> None:
    _clock(world)
    _ask(START, bytes(4))(world, onset_ns)


HANG = Setup(VENDOR_OUT, Request.HANGFX3, HANG_MS, 0, 0)
CONFIGURE = Setup(STANDARD_DEVICE_OUT, StandardRequest.SET_CONFIGURATION, CONFIGURATION_VALUE, 0, 0)

STRIKES: dict[Condition, Strike] = {
    Condition.MAIN_DEATH: _die,
    Condition.USB_SPIN: _ask(HANG),
    Condition.EP0_BLOCKED: _ask(HANG),
    Condition.USB_EVENT_BLOCKED: _ask(CONFIGURE),
    Condition.STREAM_STALL: _pause,
    Condition.DMA_ERROR: _fail,
    Condition.COLD_START: _start,
}
"""What makes each condition come at its onset."""

FAULTS: dict[Condition, Callable[[int], tuple[Fault, ...]]] = {
    Condition.USB_SPIN: lambda onset_ns: (SPIN,),
    Condition.USB_EVENT_BLOCKED: lambda onset_ns: (
        Fault(
            "hang",
            call=EVENT_HANG_CALL,
            thread="usb",
            at_ms=onset_ns // MILLISECOND_NS,
        ),
    ),
    Condition.COLD_START: lambda onset_ns: (Fault("cold_start"),),
}
"""What has to be armed before the boot."""
