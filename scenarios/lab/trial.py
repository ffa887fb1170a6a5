"""One run of a sweep: a fault strikes a device that streams, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import lcm

from health import Policy
from hw.trace import Recorder
from scenarios.errors import InputError
from scenarios.judge import HANGS, LASTING
from scenarios.lab.bench import LabBench
from scenarios.lab.bounds import Bound, Condition, bounds
from scenarios.lab.claims import CONDITIONS
from scenarios.lab.receiver import LOOK_MS, MILLISECOND_NS, Behaviour, Receiver
from sim.chip.fx3 import Program
from sim.errors import SimulationError
from sim.faults import Fault
from sim.firmware.app import MAIN_THREAD
from sim.injector import Armed
from sim.options import Options
from sim.probe import Probe
from sim.sdk import Sdk
from sim.streams import Stream
from sim.world import BenchWorld

SETTLED_MS = 1_600
"""From the end of the enumeration on every device has booted, set its clock and streams."""
LOOK_AT_CHIP_MS = 10
WATCH_MS = 2_000
"""Longer than the closed forms say, so that a later answer is seen as one."""
PATIENCE_MS = 30_000
"""So long a station waits for its device (host_program.PATIENCE_MS)."""
PROOF_MS = 1_000
"""A stream that came back has to last so long before it is believed."""
STOP_BEFORE_MS = 50
"""A START that is to be met by a fault follows a STOP so much earlier."""

SERVED = "served"
RECOVERED = "recovered"
FALSE_RESET = "false_reset"
CAPPED = "capped"
UNRECOVERED = "unrecovered"
NOT_REACHED = "not_reached"
BENCH_FAILED = "bench_failed"
WORKER_DIED = "worker_died"
VERDICTS = {
    SERVED: "it served on, or again, without a reset or remedy",
    RECOVERED: "remedies brought it back",
    FALSE_RESET: "it serves, but was reset in vain: the fault passed sooner, or was legal use",
    CAPPED: "it does not serve, and level 1 has spent its cap",
    UNRECOVERED: "it does not serve",
    NOT_REACHED: "the fault never took effect, so nothing was shown",
    BENCH_FAILED: "the simulator could not go on",
    WORKER_DIED: "the process that ran it died, twice",
}
"""Every verdict, from good to bad; the last three are no verdict on the policy."""
VOID = (NOT_REACHED, BENCH_FAILED, WORKER_DIED)


@dataclass(frozen=True)
class Trial:
    """What is run.

    Attributes:
        policy: what decides.
        firmware: revision.
        fault: what strikes; its ``at_ms`` is 0 here.
        request: what the host asks for at the onset, one of `receiver.REQUESTS`; empty for nothing.
        onset_ms: how long after a look of the heartbeat gate it strikes, in ms.
        seed: of the world, and of the phase of the host's looks.
        options: the bench's knobs.
        behaviour: the host's.
        poll_jitter_ms: each pass of the main loop comes up to so many ms late.
        rate_hz: of the stream.
    """

    policy: Policy
    firmware: str
    fault: Fault
    request: str = ""
    onset_ms: int = 0
    seed: int = 0
    options: Options = Options()  # noqa: RUF009 - frozen
    behaviour: Behaviour = Behaviour()  # noqa: RUF009 - frozen
    poll_jitter_ms: int = 0
    rate_hz: int = 64_000_000


@dataclass(frozen=True)
class Outcome:
    """What became of it. Times in ns; None where there is none.

    Attributes:
        verdict: one of :data:`VERDICTS`.
        onset_ns: when it struck, by the world's clock.
        detection_ns: from there to the first remedy, or to the reset of level 5.
        recovery_ns: from there until it served again, of a paused reader from when it reads again;
            0 when it never stopped serving.
        levels: every level that answered, in order; 5 is the watchdog.
        downtime_ns: how long data was missing that the host would have taken.
        resets: how often the device was reset.
        false_resets: of these, in vain: without one it would have served again sooner.
        observed_ns: how long the run was watched after the onset.
        is_lasting: the fault does not pass by itself.
        reason: why the bench failed.
        uptime_ns: since the last boot; None where nobody counts it.
        bound_ns: the latest detection by the closed form on this very bench; None without a form.
    """

    verdict: str
    onset_ns: int = 0
    detection_ns: int | None = None
    recovery_ns: int | None = None
    levels: tuple[int, ...] = ()
    downtime_ns: int = 0
    resets: int = 0
    false_resets: int = 0
    observed_ns: int = 0
    is_lasting: bool = True
    reason: str = ""
    uptime_ns: int | None = None
    bound_ns: int | None = None


def condition_of(fault: Fault) -> Condition | None:
    """Return the condition of the closed forms that a fault makes; None where there is no form."""
    if fault.kind == "hang":
        if fault.manner == "spinning":
            return Condition.USB_SPIN
        return Condition.EP0_BLOCKED if fault.during else Condition.USB_EVENT_BLOCKED
    if fault.kind == "host_paused":
        return Condition.STREAM_STALL
    return CONDITIONS.get(fault.kind)


def is_legal(fault: Fault, policy: Policy) -> bool:
    """Return whether a fault is something that hosts and handlers may do."""
    if fault.kind == "delay":
        return fault.for_ms <= policy.longest_handler_ms
    return fault.kind in ("host_paused", "clock_loss")


def is_lasting(fault: Fault) -> bool:
    """Return whether a fault stays until something is done about it."""
    return not fault.for_ms and fault.kind not in ("delay", "error")


def bound_ns(trial: Trial) -> int | None:
    """Return the latest detection by the closed form; None where there is none.

    A main loop with jitter has none.
    """
    condition = condition_of(trial.fault)
    if condition is None or trial.poll_jitter_ms:
        return None
    detection = _forms(trial)[condition].detection
    return None if detection is None else detection.high_ns


def _forms(trial: Trial) -> dict[Condition, Bound]:
    return bounds(trial.policy, LabBench.of(trial.firmware, trial.options))


def watch_ms(trial: Trial) -> int:
    """Return how long a run is watched at least: longer than any closed form of its policy."""
    latest_ns = max(
        (item.detection.high_ns for item in _forms(trial).values() if item.detection),
        default=0,
    )
    jitter_ms = trial.poll_jitter_ms * 10
    return -(-latest_ns // MILLISECOND_NS) + trial.fault.for_ms + jitter_ms + WATCH_MS


def onset_base_ms(trial: Trial) -> int:
    """Return the tick, near enough in ms, of a look at which every world has settled."""
    settled_ms = trial.options.application_enumeration_ms + SETTLED_MS
    bench = LabBench.of(trial.firmware, trial.options)
    interval_ns = trial.policy.pet_interval_ms * bench.tick_ns
    looks = -(-settled_ms * MILLISECOND_NS // interval_ns)
    return -(-looks * interval_ns // MILLISECOND_NS)


def phase_ms(trial: Trial) -> int:
    """Return the onset without the whole periods that only repeat what main loop and gate do.

    Where chance moves polls or reads, or a tick is no ms, nothing is left out.
    """
    if trial.poll_jitter_ms or trial.behaviour.reader_jitter_us or trial.options.tick_ppm:
        return trial.onset_ms
    return trial.onset_ms % lcm(trial.policy.poll_interval_ms, trial.policy.pet_interval_ms)


def run(trial: Trial, trace: Recorder | None = None) -> Outcome:
    """Run one trial in a world of its own.

    Args:
        trial: what is run.
        trace: for a picture: a recorder that is also shown the chip, every :data:`LOOK_AT_CHIP_MS`.
    """
    at_ms = onset_base_ms(trial) + phase_ms(trial)
    fault = replace(trial.fault, at_ms=at_ms)
    try:
        with BenchWorld(
            trial.firmware,
            trial.policy,
            seed=trial.seed,
            options=trial.options,
            faults=(fault,),
            trace=trace,
        ) as world:
            if trial.poll_jitter_ms:
                make_polls_late(world, trial.poll_jitter_ms)
            world.boot()
            if trace is not None:
                Probe(world, LOOK_AT_CHIP_MS)
            receiver = Receiver(world, trial.rate_hz, behaviour_of(trial))
            receiver.set_clock()
            receiver.start()
            return strike(trial, receiver, at_ms * MILLISECOND_NS, armed_in(world)[0])
    except (SimulationError, InputError) as error:
        # Also a bench so odd that the closed forms do not hold, and nobody knows how long to watch.
        return Outcome(BENCH_FAILED, reason=" ".join(str(error).split()))


def behaviour_of(trial: Trial) -> Behaviour:
    """Return the host's behaviour; one that asks a single thing never sees a desync of EP0."""
    return replace(
        trial.behaviour, is_busy=trial.behaviour.is_busy or trial.fault.kind == "ep0_desync"
    )


def armed_in(world: BenchWorld) -> list[Armed]:
    """Return the faults of a world."""
    assert world.injector is not None
    return world.injector.armed


def strike(trial: Trial, receiver: Receiver, onset_ns: int, armed: Armed, uses: int = 0) -> Outcome:
    """Let a world run through one fault, and return what became of it.

    Args:
        trial: what strikes, and whom.
        receiver: streams.
        onset_ns: when.
        armed: the fault in its world.
        uses: of level 1 in this session so far.
    """
    world = receiver.world
    if trial.request == "STARTFX3":
        world.run_until(onset_ns - STOP_BEFORE_MS * MILLISECOND_NS)
        receiver.halt()
    world.run_until(onset_ns)
    programs, resets = world.programs.total, world.chip.resets.total
    remedies = 0 if world.firmware is None else world.firmware.remedies_applied.total
    bytes_before = receiver.bytes
    receiver.trouble_ended_ns = None
    if trial.request:
        receiver.ask(trial.request)
    ended_ns = _observe(trial, receiver, onset_ns, armed)
    struck_ns = _struck_ns(trial.fault, armed, onset_ns)
    answers = sorted(_answers(world, programs, remedies, resets))
    new_resets = world.chip.resets.total - resets
    reset_ns = [item.at_ns for item in world.chip.resets[len(world.chip.resets) - new_resets :]]
    serves = _serves(trial.fault, receiver, armed, reset_ns)
    again_ns = (receiver.trouble_ended_ns if serves else None) or ended_ns
    false = len(reset_ns) if _passes_by(trial, armed, again_ns) else 0
    missing_ns = ended_ns - onset_ns - receiver.duration_ns(receiver.bytes - bytes_before)
    wanted_ns = onset_ns
    if trial.fault.kind == "host_paused":
        # What the host does not take is not missed.
        pause_ns = trial.fault.for_ms * MILLISECOND_NS
        wanted_ns = min(onset_ns + pause_ns, ended_ns) if pause_ns else ended_ns
        missing_ns -= wanted_ns - onset_ns
    levels = tuple(level for _, level in answers)
    back_ns = receiver.trouble_ended_ns
    return Outcome(
        verdict=_verdict(trial, armed, serves, levels, false, uses),
        onset_ns=onset_ns,
        detection_ns=answers[0][0] - struck_ns if answers else None,
        recovery_ns=max((back_ns or wanted_ns) - wanted_ns, 0) if serves else None,
        levels=levels,
        downtime_ns=max(missing_ns, 0),
        resets=len(reset_ns),
        false_resets=false,
        observed_ns=ended_ns - onset_ns,
        is_lasting=is_lasting(trial.fault),
        bound_ns=bound_ns(trial),
    )


def _observe(trial: Trial, receiver: Receiver, onset_ns: int, armed: Armed) -> int:
    """Look ten times a second until nothing more can happen; return when that was."""
    world = receiver.world
    watched_ns = onset_ns + watch_ms(trial) * MILLISECOND_NS
    limit_ns = watched_ns + PATIENCE_MS * MILLISECOND_NS
    phase_ms = 1 + Stream(trial.seed, "looks").below(LOOK_MS)
    next_ns = onset_ns + phase_ms * MILLISECOND_NS
    while True:
        # A request that was not answered may have taken a second.
        while next_ns < world.now_ns:
            next_ns += LOOK_MS * MILLISECOND_NS
        world.run_until(next_ns)
        receiver.look()
        now_ns = world.now_ns
        if now_ns >= limit_ns:
            return now_ns
        if now_ns >= watched_ns and receiver.is_served:
            proven_ns = receiver.trouble_ended_ns or onset_ns
            if now_ns - proven_ns >= PROOF_MS * MILLISECOND_NS:
                return now_ns
        next_ns += LOOK_MS * MILLISECOND_NS


def _struck_ns(fault: Fault, armed: Armed, onset_ns: int) -> int:
    """Return when the condition began: with the call that failed, or at the onset itself."""
    if fault.kind in ("hang", "delay", "error", "cold_start") and armed.triggered_ns:
        return armed.triggered_ns[0]
    return onset_ns


def _answers(world: BenchWorld, programs: int, remedies: int, resets: int) -> list[tuple[int, int]]:
    """(time in ns, level) of every answer since the onset, the watchdog's included."""
    found: list[tuple[int, int]] = []
    new_programs = world.programs.total - programs
    for program in world.programs[len(world.programs) - new_programs - 1 :]:
        applied = program.remedies_applied
        first = remedies if program is world.programs[len(world.programs) - new_programs - 1] else 0
        found += applied[max(len(applied) - (applied.total - first), 0) :]
    new_resets = world.chip.resets.total - resets
    found += [
        (item.at_ns, 5)
        for item in world.chip.resets[len(world.chip.resets) - new_resets :]
        if item.cause == "watchdog"
    ]
    return found


def _passes_by(trial: Trial, armed: Armed, again_ns: int) -> bool:
    """Return whether a fault is over by itself before a reset device serves again, or is legal."""
    fault = trial.fault
    if is_legal(fault, trial.policy):
        return True
    if not fault.for_ms or not armed.triggered_ns:
        return False
    return armed.triggered_ns[-1] + fault.for_ms * MILLISECOND_NS <= again_ns


def _serves(fault: Fault, receiver: Receiver, armed: Armed, reset_ns: list[int]) -> bool:
    if not receiver.is_served:
        return False
    is_left = fault.kind in LASTING and not (fault.kind in HANGS and fault.for_ms)
    last_reset_ns = max(reset_ns, default=-1)
    return not (is_left and any(at_ns > last_reset_ns for at_ns in armed.triggered_ns))


def _verdict(
    trial: Trial,
    armed: Armed,
    serves: bool,
    levels: tuple[int, ...],
    false_resets: int,
    uses: int,
) -> str:
    if not armed.triggered_ns:
        return NOT_REACHED
    if serves:
        if false_resets:
            return FALSE_RESET
        return RECOVERED if levels else SERVED
    cap = trial.policy.level_1_cap
    if cap and uses + levels.count(1) >= cap and set(levels) <= {1}:
        return CAPPED
    return UNRECOVERED


def make_polls_late(world: BenchWorld, jitter_ms: int) -> None:
    """Let each pass of the main loop come 0 to *jitter_ms* ticks late, drawn from the seed."""
    random = world.random("poll jitter")

    def booted(program: Program, sdk: Sdk) -> None:
        del program
        original = sdk.thread_sleep

        def sleep(ticks: int) -> int:
            if sdk.rtos.current().name != MAIN_THREAD:
                return original(ticks)
            return original(ticks + random.below(jitter_ms + 1))

        sdk.thread_sleep = sleep  # type: ignore[method-assign]

    world.chip.on_boot.insert(0, booted)
