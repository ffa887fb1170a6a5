"""Rare faults over long times: each incident is simulated, the healthy time between them is not.

A device that streams in good health is periodic. Main loop and heartbeat gate come round together
after a common period, the two producers' buffers after one of their own, and nothing else in it
knows the time but three counters: ticks and buffers, of 32 bits each, and how often level 1 was
used in this session. So an incident after months is run in a fresh world whose uptime is the same
modulo the first period, whose stream was started so that its buffers lie where they would, to an
edge of the sample clock, whose tick counter shows what it would show (it wraps after 49.7 days),
and whose module has used what it has used. It is the same run, shifted;
`tests/scenarios/lab/test_life.py` compares it with a world that lives through the time between.

What a device carries from one incident to the next is a :class:`Health`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import lcm

from health import Level, Policy
from health.health import Health as HealthModule
from scenarios.lab import trial as trials
from scenarios.lab.bench import LabBench
from scenarios.lab.campaign import Life, Planned
from scenarios.lab.receiver import LOOK_MS, MILLISECOND_NS, SECOND_NS, Receiver
from scenarios.lab.trial import Outcome, Trial
from sim.chip.flow_steady import Steady
from sim.chip.fx3 import Program
from sim.errors import SimulationError
from sim.firmware.app import MAIN_THREAD
from sim.firmware.state import FirmwareState
from sim.options import Options
from sim.rtos import Rtos
from sim.sdk import Sdk
from sim.world import BenchWorld

TICKS_MASK = 0xFFFF_FFFF
APART_MS = 60_000
"""A fault strikes no sooner after the device has proven its health again."""
START_MS = 2_500
"""Uptime at which every fresh world has enumerated and set its clock."""
STEADY_MS = 4_000
"""A stream of this age moves, and every window of the policy's past is empty."""
AFTER_POLL_NS = 2 * MILLISECOND_NS
"""A START so long after a poll sees its first buffer before the next, which then reads no clock."""
PHASE_ERROR_NS = 40
"""Two edges of the slowest clock worth the name: START meets the next edge of a clock that was set
before it."""
PROOF_LIMIT_MS = 120_000
"""A device that has not proven its health by then is left to whoever repairs it."""
MINUTE_NS = 60 * SECOND_NS


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


def outcomes_of(planned: Sequence[Planned], life: Life) -> list[Outcome]:
    """Run all that happens to one device, in order.

    Args:
        planned: its rows.
        life: how it lives.
    """
    found = []
    health: Health | None = None
    for row in planned:
        trial = row.trial
        if health is None:
            health = first_health(trial)
        onset_ns = max(trial.onset_ms, -(-health.since_ns // MILLISECOND_NS) + APART_MS)
        onset_ns *= MILLISECOND_NS
        try:
            outcome, after = incident(trial, health, onset_ns, life.is_session_kept)
        except SimulationError as error:
            reason = " ".join(str(error).split())
            outcome, after = Outcome(trials.BENCH_FAILED, onset_ns, reason=reason), None
        found.append(replace(outcome, uptime_ns=onset_ns - health.boot_ns))
        if after is None:
            # Somebody goes there and takes the power away; the device begins anew.
            begins_ns = onset_ns + outcome.observed_ns + life.repair_min * MINUTE_NS
            after = _shifted(first_health(trial), begins_ns)
        health = after
    return found


def first_health(trial: Trial) -> Health:
    """Return the health of a device that was plugged in at time 0 and streams."""
    with BenchWorld(trial.firmware, trial.policy, options=trial.options) as world:
        watcher = Watcher(world)
        receiver = started(world, watcher, trial)
        world.run_until(world.now_ns + SECOND_NS)
        found = health_now(world, watcher, receiver, trial.policy)
    assert found is not None
    return found


def started(world: BenchWorld, watcher: Watcher, trial: Trial) -> Receiver:
    """Boot a world and start its stream so soon after a poll that this moves no other."""
    receiver = _clocked(world, watcher, trial)
    world.run_until(_next_poll_ns(world) + AFTER_POLL_NS)
    receiver.start()
    return receiver


def _clocked(world: BenchWorld, watcher: Watcher, trial: Trial) -> Receiver:
    world.boot()
    receiver = Receiver(world, trial.rate_hz, trials.behaviour_of(trial))
    receiver.set_clock()
    world.run_until(watcher.booted_ns + START_MS * MILLISECOND_NS)
    return receiver


def _shifted(health: Health, by_ns: int) -> Health:
    return replace(
        health,
        boot_ns=health.boot_ns + by_ns,
        lap_ns=health.lap_ns + by_ns,
        since_ns=health.since_ns + by_ns,
    )


def incident(
    trial: Trial, health: Health, onset_ns: int, is_session_kept: bool = True
) -> tuple[Outcome, Health | None]:
    """Run one incident of a device's life in a world of its own.

    Args:
        trial: what strikes.
        health: what the device remembers.
        onset_ns: when, in its life; a whole ms.
        is_session_kept: the stream goes on afterwards; else the host starts it anew.

    Returns:
        What became of it, its onset in the device's life; and the health after it, or None.
    """
    plan = _Plan(trial, health, onset_ns)
    fault = replace(trial.fault, at_ms=plan.onset_ns // MILLISECOND_NS)
    with BenchWorld(
        trial.firmware, trial.policy, seed=trial.seed, options=trial.options, faults=(fault,)
    ) as world:
        watcher = Watcher(world, plan.first_tick, plan.poll_offset_ms)
        world.run_until(plan.boot_ns)
        receiver = plan.stream(world, watcher)
        plan.remember(world, watcher)
        armed = trials.armed_in(world)[0]
        outcome = trials.strike(trial, receiver, plan.onset_ns, armed, health.uses)
        after = prove(world, watcher, receiver, trial.policy, is_session_kept)
    outcome = replace(outcome, onset_ns=onset_ns)
    return outcome, None if after is None else plan.in_life(after, watcher)


def prove(
    world: BenchWorld,
    watcher: Watcher,
    receiver: Receiver,
    policy: Policy,
    is_session_kept: bool,
) -> Health | None:
    """Look on until the device has proven its health; return it, or None if it does not.

    Args:
        world: where an incident is over.
        watcher: of it.
        receiver: its host program.
        policy: what decides.
        is_session_kept: the stream goes on; else it is stopped and started first.
    """
    limit_ns = world.now_ns + PROOF_LIMIT_MS * MILLISECOND_NS
    if not is_session_kept and receiver.is_served:
        receiver.restart()
    while world.now_ns < limit_ns:
        found = health_now(world, watcher, receiver, policy)
        if found is not None:
            return found
        world.run_until(world.now_ns + LOOK_MS * MILLISECOND_NS)
        receiver.look()
    return None


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
        lap_ns=_lap_ns(steady),
        buffers=world.chip.stream.flow.produced(world.now_ns) - watcher.made_before,
        uses=cascade._uses[Level.STREAM] if is_of_session else 0,
        since_ns=world.now_ns,
    )


def _lap_ns(steady: Steady) -> Fraction:
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


def _next_poll_ns(world: BenchWorld) -> int:
    rtos = world.chip.rtos
    poll_ns = None if rtos is None else _poll_due_ns(rtos)
    if poll_ns is None:
        raise SimulationError("the main loop does not sleep in a healthy device")
    return poll_ns


class _Plan:
    """Where an incident lies in a fresh world, and what that world has to be told.

    Attributes:
        boot_ns: when its device boots, so that the onset is a whole ms.
        onset_ns: when the fault strikes.
        first_tick: what the tick counter shows at boot.
        poll_offset_ms: puts the polls where they are.
    """

    def __init__(self, trial: Trial, health: Health, onset_ns: int) -> None:
        self.trial = trial
        self.health = health
        bench = LabBench.of(trial.firmware, trial.options)
        tick_ns = bench.tick_ns
        self.stream_start = stream_start(trial)
        period_ns = period_of(trial.policy, bench)
        uptime_ns = onset_ns - health.boot_ns
        least_ns = (START_MS + trial.policy.poll_interval_ms + STEADY_MS) * MILLISECOND_NS
        fresh_ns = least_ns + (uptime_ns - least_ns) % period_ns
        while _wraps_too_soon(uptime_ns - fresh_ns, tick_ns):
            fresh_ns += period_ns
        if uptime_ns < fresh_ns:
            raise SimulationError(f"an uptime of {uptime_ns} ns is too short to be skipped")
        self.first_tick = (uptime_ns - fresh_ns) // tick_ns & TICKS_MASK
        interval = trial.policy.poll_interval_ms
        self.poll_offset_ms = (health.poll_tick + self.first_tick) % interval
        self.boot_ns = -fresh_ns % MILLISECOND_NS
        self.onset_ns = self.boot_ns + fresh_ns
        self._shift_ns = onset_ns - self.onset_ns
        self._triggered_ns = 0

    def stream(self, world: BenchWorld, watcher: Watcher) -> Receiver:
        """Boot, and start the stream at the moment that puts its buffers where they are."""
        start = self.stream_start
        receiver = _clocked(world, watcher, self.trial)
        first_ns = _next_poll_ns(world) + AFTER_POLL_NS
        wanted_ns = self.health.lap_ns - self._shift_ns - start.delay_ns
        world.run_until(first_ns + int((wanted_ns - first_ns) % start.lap_ns))
        receiver.start()
        world.run_until(world.now_ns + AFTER_POLL_NS)
        return receiver

    def remember(self, world: BenchWorld, watcher: Watcher) -> None:
        """Tell the fresh device what it counted in the time that is skipped."""
        flow, now_ns = world.chip.stream.flow, world.now_ns
        steady = flow._look(now_ns)
        if steady is None or self._out_of_phase_ns(_lap_ns(steady)) > PHASE_ERROR_NS:
            raise SimulationError("the fresh stream's buffers do not lie where they should")
        health, start = self.health, self.stream_start
        lived_ns = now_ns + self._shift_ns - health.since_ns
        made = health.buffers + round(2 * lived_ns / start.lap_ns)
        firmware = world.firmware
        assert firmware is not None
        firmware._dma_count += made - (flow.produced(now_ns) - watcher.made_before)
        module = firmware.health
        assert isinstance(module, HealthModule)
        # There is no request that says how often level 1 was used, so the memory itself is set.
        module._cascade._uses[Level.STREAM] = health.uses
        module._cascade._uses_session = module._record.session
        self._triggered_ns = watcher.triggered_ns

    def _out_of_phase_ns(self, lap_ns: Fraction) -> Fraction:
        """How far a fresh lap lies from where the device's own would."""
        off_ns = (lap_ns + self._shift_ns - self.health.lap_ns) % self.stream_start.lap_ns
        return min(off_ns, self.stream_start.lap_ns - off_ns)

    def in_life(self, after: Health, watcher: Watcher) -> Health:
        """Return the health after the incident in times of the device's life."""
        found = _shifted(after, self._shift_ns)
        # What lies before the time that is skipped did not move with it.
        if after.boot_ns == self.boot_ns:
            found = replace(found, boot_ns=self.health.boot_ns)
        if watcher.triggered_ns == self._triggered_ns:
            lived_ns = found.since_ns - self.health.since_ns
            made = self.health.buffers + round(2 * lived_ns / self.stream_start.lap_ns)
            found = replace(found, buffers=made)
        if self._out_of_phase_ns(after.lap_ns) <= PHASE_ERROR_NS:
            found = replace(found, lap_ns=self.health.lap_ns)
        return found


def _wraps_too_soon(skipped_ns: int, tick_ns: int) -> bool:
    """Whether the tick counter would pass 2**32 before a fresh stream is steady."""
    first = skipped_ns // tick_ns & TICKS_MASK
    return first + (START_MS + STEADY_MS) * MILLISECOND_NS // tick_ns > TICKS_MASK


@dataclass(frozen=True)
class StreamStart:
    """How a stream begins on a bench.

    Attributes:
        delay_ns: from the host's START to a lap.
        lap_ns: both producers' buffers, one after the other.
    """

    delay_ns: Fraction
    lap_ns: Fraction


_starts: dict[tuple[str, Options, int], StreamStart] = {}


def stream_start(trial: Trial) -> StreamStart:
    """Return how a stream begins on a trial's bench; looked at once."""
    key = (trial.firmware, trial.options, trial.rate_hz)
    if key not in _starts:
        with BenchWorld(trial.firmware, trial.policy, options=trial.options) as world:
            receiver = started(world, Watcher(world), trial)
            world.run_until(world.now_ns + SECOND_NS)
            steady = world.chip.stream.flow._look(world.now_ns)
            if steady is None:
                raise SimulationError("a stream that is read is not steady")
            clock = steady.clock
            lap_ns = Fraction(2 * steady.buffer_words * clock.span_ns, clock.edges_per_span)
            _starts[key] = StreamStart(_lap_ns(steady) - receiver.started_ns, lap_ns)
    return _starts[key]


def period_of(policy: Policy, bench: LabBench) -> int:
    """Return after how long polls and looks of a healthy device come round, in ns."""
    ticks = policy.poll_interval_ms
    if policy.level_5_enabled:
        ticks = lcm(ticks, policy.pet_interval_ms)
    return ticks * bench.tick_ns
