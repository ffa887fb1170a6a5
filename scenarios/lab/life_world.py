"""What a healthy device remembers, and a world that is told so.

It reads what no request tells: the phase of the main loop, of the buffers, and of the cascade.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from math import lcm

from health import Level, Policy
from health.health import Health as HealthModule
from scenarios.lab import trial as trials
from scenarios.lab.bench import BUFFER_SAMPLES, LabBench
from scenarios.lab.receiver import MILLISECOND_NS, SECOND_NS, Receiver
from scenarios.lab.trial import Trial
from sim.chip.flow_steady import Steady
from sim.chip.fx3 import Program
from sim.errors import SimulationError
from sim.faults import Fault
from sim.firmware.app import MAIN_THREAD
from sim.firmware.state import FirmwareState
from sim.options import Options
from sim.rtos import Rtos
from sim.sdk import Sdk
from sim.world import BenchWorld

START_MS = 2_500
"""Uptime at which every fresh world has enumerated and set its clock."""
AFTER_POLL_NS = 2 * MILLISECOND_NS
"""A START so long after a poll sees its first buffer before the next, which then reads no clock."""


@dataclass(frozen=True)
class Health:
    """All that a healthy device remembers. Times in ns of its life.

    Attributes:
        boot_ns: when its kernel started.
        poll_tick: ticks since then at which a poll came, modulo the poll interval.
        lap_ns: when its state machine began some buffer of the first producer; exact.
        buffers: made since the state machine was triggered, at `since_ns`.
        uses: of level 1 in this session.
        since_ns: since when it is healthy.
    """

    boot_ns: int
    poll_tick: int
    lap_ns: Fraction
    buffers: int
    uses: int
    since_ns: int


class Watcher:
    """Knows of a world when it was booted and triggered last.

    Args:
        world: whose; before it boots.
        first_tick: what the first boot's tick counter shows at its start.
        poll_offset_ms: the first boot's own phase of the polls; None is the bench's option.

    Attributes:
        booted_ns: when the kernel of the last boot started.
        triggered_ns: when its state machine was last triggered.
        made_before: buffers that it had made until then.
    """

    def __init__(
        self, world: BenchWorld, first_tick: int = 0, poll_offset_ms: int | None = None
    ) -> None:
        self.booted_ns = 0
        self.triggered_ns = 0
        self.made_before = 0
        self._world = world
        self._first_tick = first_tick
        self._poll_offset_ms = poll_offset_ms
        world.chip.on_boot.append(self._booted)

    def _booted(self, program: Program, sdk: Sdk) -> None:
        self.booted_ns = sdk.rtos.started_ns
        sdk.rtos.first_tick = self._first_tick
        self._first_tick = 0
        if self._poll_offset_ms is not None and isinstance(program, FirmwareState):
            program.poll_offset_ms = self._poll_offset_ms
        self._poll_offset_ms = None
        original = sdk.gpif_control_sw_input

        def watched(on: bool) -> None:
            if on:
                self.triggered_ns = self._world.now_ns
                flow = self._world.chip.stream.flow
                self.made_before = flow.produced(self._world.now_ns)
            original(on)

        sdk.gpif_control_sw_input = watched  # type: ignore[method-assign]


def started(world: BenchWorld, watcher: Watcher, trial: Trial) -> Receiver:
    """Boot a world and start its stream so soon after a poll that this moves no other."""
    receiver = clocked(world, watcher, trial)
    world.run_until(next_poll_ns(world) + AFTER_POLL_NS)
    receiver.start()
    return receiver


def clocked(world: BenchWorld, watcher: Watcher, trial: Trial) -> Receiver:
    """Boot a world and set its clock; return its host program at :data:`START_MS`."""
    world.boot()
    receiver = Receiver(world, trial.rate_hz, trials.behaviour_of(trial))
    receiver.set_clock()
    world.run_until(watcher.booted_ns + START_MS * MILLISECOND_NS)
    return receiver


def shifted(health: Health, by_ns: int) -> Health:
    """Return the same health at other times."""
    return replace(
        health,
        boot_ns=health.boot_ns + by_ns,
        lap_ns=health.lap_ns + by_ns,
        since_ns=health.since_ns + by_ns,
    )


def health_now(
    world: BenchWorld, watcher: Watcher, receiver: Receiver, policy: Policy
) -> Health | None:
    """Return what a device remembers now; None while it is not in good health."""
    firmware, rtos = world.firmware, world.chip.rtos
    if firmware is None or rtos is None or not receiver.is_served or not rtos.ticking:
        return None
    poll_ns = _poll_due_ns(rtos)
    module = firmware.health
    if poll_ns is None or not isinstance(module, HealthModule):
        return None
    cascade = module._cascade
    if cascade._stream.level or cascade._ep0.level:
        return None
    steady = world.chip.stream.flow._look(world.now_ns)
    if steady is None:
        return None
    is_of_session = cascade._uses_session == module._record.session
    return Health(
        boot_ns=watcher.booted_ns,
        poll_tick=(poll_ns - rtos.started_ns) // rtos.tick_ns % policy.poll_interval_ms,
        lap_ns=lap_of(steady),
        buffers=world.chip.stream.flow.produced(world.now_ns) - watcher.made_before,
        uses=cascade._uses[Level.STREAM] if is_of_session else 0,
        since_ns=world.now_ns,
    )


def lap_of(steady: Steady) -> Fraction:
    """Return when the state machine began a buffer of the first producer."""
    clock = steady.clock
    edge = steady.first_edge + steady.thread * steady.buffer_words
    return clock.anchor_ns + Fraction(edge * clock.span_ns, clock.edges_per_span)


def _poll_due_ns(rtos: Rtos) -> int | None:
    """Return when the main loop wakes next; None where it hangs."""
    for thread in rtos.threads:
        if thread.name == MAIN_THREAD and thread.wake_alarm is not None:
            return thread.wake_alarm.at_ns
    return None


def next_poll_ns(world: BenchWorld) -> int:
    """Return when the main loop of a healthy device wakes next.

    Raises:
        SimulationError: it does not sleep.
    """
    rtos = world.chip.rtos
    poll_ns = None if rtos is None else _poll_due_ns(rtos)
    if poll_ns is None:
        raise SimulationError("the main loop does not sleep in a healthy device")
    return poll_ns


@dataclass(frozen=True)
class StreamStart:
    """How a stream begins on a bench.

    Attributes:
        delay_ns: from the host's START to a lap.
        lap_ns: both producers' buffers, one after the other.
    """

    delay_ns: Fraction
    lap_ns: Fraction

    @property
    def phase_error_ns(self) -> Fraction:
        """Two edges of the clock: START meets the next edge of a clock that was set before it."""
        return self.lap_ns / BUFFER_SAMPLES + 2


@lru_cache(maxsize=256)
def stream_start(firmware: str, policy: Policy, options: Options, rate_hz: int) -> StreamStart:
    """Return how a stream begins on a bench; looked at once.

    Args:
        firmware: revision.
        policy: decides; any does.
        options: of the bench.
        rate_hz: of the stream.
    """
    trial = Trial(policy, firmware, Fault("main_hang"), options=options, rate_hz=rate_hz)
    with BenchWorld(firmware, policy, options=options) as world:
        receiver = started(world, Watcher(world), trial)
        world.run_until(world.now_ns + SECOND_NS)
        steady = world.chip.stream.flow._look(world.now_ns)
        if steady is None:
            raise SimulationError("a stream that is read is not steady")
        clock = steady.clock
        lap_ns = Fraction(2 * steady.buffer_words * clock.span_ns, clock.edges_per_span)
        return StreamStart(lap_of(steady) - receiver.started_ns, lap_ns)


def period_of(policy: Policy, bench: LabBench) -> int:
    """Return after how long polls and looks of a healthy device come round, in ns."""
    ticks = policy.poll_interval_ms
    if policy.level_5_enabled:
        ticks = lcm(ticks, policy.pet_interval_ms)
    return ticks * bench.tick_ns
