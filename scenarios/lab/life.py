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
from dataclasses import replace
from fractions import Fraction

from health import Level, Policy
from health.health import Health as HealthModule
from scenarios.errors import InputError
from scenarios.lab import trial as trials
from scenarios.lab.bench import LabBench
from scenarios.lab.campaign import Life, Planned
from scenarios.lab.life_world import (
    AFTER_POLL_NS,
    START_MS,
    Health,
    Watcher,
    clocked,
    health_now,
    lap_of,
    next_poll_ns,
    period_of,
    shifted,
    started,
    stream_start,
)
from scenarios.lab.receiver import LOOK_MS, MILLISECOND_NS, SECOND_NS, Receiver
from scenarios.lab.trial import Outcome, Trial
from sim.errors import SimulationError
from sim.world import BenchWorld

TICKS_MASK = 0xFFFF_FFFF
APART_MS = 60_000
"""A fault strikes no sooner after the device has proven its health again."""
STEADY_MS = 4_000
"""A stream of this age moves, and every window of the policy's past is empty."""
PROOF_LIMIT_MS = 120_000
"""A device that has not proven its health by then is left to whoever repairs it."""
MINUTE_NS = 60 * SECOND_NS


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
        except (SimulationError, InputError) as error:
            reason = " ".join(str(error).split())
            outcome, after = Outcome(trials.BENCH_FAILED, onset_ns, reason=reason), None
        found.append(replace(outcome, uptime_ns=onset_ns - health.boot_ns))
        if after is None:
            # Somebody goes there and takes the power away; the device begins anew.
            begins_ns = onset_ns + outcome.observed_ns + life.repair_min * MINUTE_NS
            after = shifted(first_health(trial), begins_ns)
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
        self.stream_start = stream_start(trial.firmware, trial.policy, trial.options, trial.rate_hz)
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
        receiver = clocked(world, watcher, self.trial)
        first_ns = next_poll_ns(world) + AFTER_POLL_NS
        wanted_ns = self.health.lap_ns - self._shift_ns - start.delay_ns
        world.run_until(first_ns + int((wanted_ns - first_ns) % start.lap_ns))
        receiver.start()
        world.run_until(world.now_ns + AFTER_POLL_NS)
        return receiver

    def remember(self, world: BenchWorld, watcher: Watcher) -> None:
        """Tell the fresh device what it counted in the time that is skipped."""
        flow, now_ns = world.chip.stream.flow, world.now_ns
        steady = flow._look(now_ns)
        if (
            steady is None
            or self._out_of_phase_ns(lap_of(steady)) > self.stream_start.phase_error_ns
        ):
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
        found = shifted(after, self._shift_ns)
        # What lies before the time that is skipped did not move with it.
        if after.boot_ns == self.boot_ns:
            found = replace(found, boot_ns=self.health.boot_ns)
        if watcher.triggered_ns == self._triggered_ns:
            lived_ns = found.since_ns - self.health.since_ns
            made = self.health.buffers + round(2 * lived_ns / self.stream_start.lap_ns)
            found = replace(found, buffers=made)
        if self._out_of_phase_ns(after.lap_ns) <= self.stream_start.phase_error_ns:
            found = replace(found, lap_ns=self.health.lap_ns)
        return found


def _wraps_too_soon(skipped_ns: int, tick_ns: int) -> bool:
    """Whether the tick counter would pass 2**32 before a fresh stream is steady."""
    first = skipped_ns // tick_ns & TICKS_MASK
    return first + (START_MS + STEADY_MS) * MILLISECOND_NS // tick_ns > TICKS_MASK
