"""Runs one scenario in one world: an episode."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from health import Health, HealthFactory, Policy
from hw.boot import Image
from hw.rx888 import Rx888
from hw.supervisor import Supervisor
from hw.trace import Recorder
from hw.trace.transfers import TransferLog
from scenarios import oracle, registry
from scenarios.contract import Examiner, WorldLedger
from scenarios.errors import InputError
from scenarios.facts import POSITIONS, Facts
from scenarios.host_program import HostProgram
from scenarios.judge import Row, judge
from scenarios.scenario import Scenario
from scenarios.station import Station
from scenarios.witness import Witness
from sim.faults import Fault
from sim.firmware import revision
from sim.host.backend import get_backend
from sim.host.monitor import UsbMonitor
from sim.host.runtime import WorldRuntime
from sim.options import Options
from sim.probe import Probe
from sim.streams import Stream
from sim.world import BenchWorld

UPTIME_US = (1_000_000, 3_999_999)
"""How long a device has been up when the program begins, drawn from the seed: over a whole pet
interval of 3 s, so that every phase of the main loop and of the watchdog is met."""
ON_DEVICE = ("device", "both")
ON_HOST = ("host", "both")
NOBODY = "none"
"""The policy of a device that nobody watches, and of one that its host watches."""


@dataclass(frozen=True)
class Episode:
    """A run and its row."""

    facts: Facts
    row: Row


def run_episode(
    scenario: Scenario,
    *,
    firmware: str | None = None,
    policy: Policy | str = "reference",
    position: str = "device",
    seed: int = 0,
    faults: Iterable[Fault] | None = None,
    options: Options | None = None,
    parameters: dict[str, int] | None = None,
    look_interval_ms: int = 0,
    is_strict: bool | None = None,
    health: HealthFactory = Health,
    transfers: TransferLog | None = None,
) -> Episode:
    """Run a scenario in a world of its own, and what a station does after it.

    Args:
        scenario: what runs.
        firmware: the revision; by default the one that had this incident.
        policy: a policy or a preset's name.
        position: where the health module runs: ``device``, ``host``, ``both`` or ``none``.
        seed: of the world, and of what scenario and faults draw.
        faults: what is injected; by default what the scenario needs.
        options: the bench's knobs.
        parameters: of the scenario's function, over those that it draws.
        look_interval_ms: how often the chip is looked at for a picture; 0 is never.
        is_strict: apply the strict rule and let the device show afterwards that it serves; by
            default to the real suite's scenarios without faults.
        health: class of the health module, in whichever position.
        transfers: is told every USB transfer, for a capture; None for nobody.

    Raises:
        InputError: the scenario does not run on this firmware, or there is no such position.
        FirmwareNotKnown, PolicyError: a name is wrong.
    """
    release = revision(firmware or scenario.firmware).name
    if release not in scenario.firmwares:
        able = " or ".join(scenario.firmwares)
        raise InputError(f"{scenario.name} does not run on firmware {release!r}; use {able}")
    if position not in POSITIONS:
        raise InputError(f"no position {position!r}; use {', '.join(POSITIONS)}")
    random = Stream(seed, scenario.name)
    drawn = {**scenario.draw(random), **(parameters or {})}
    armed = scenario.faults(random) if faults is None else tuple(faults)
    chosen = Policy.preset(policy) if isinstance(policy, str) else policy
    if is_strict is None:
        is_strict = not armed and scenario in registry.suite()
    trace = Recorder()
    # The witness is made before the world and asks for its time only while that runs.
    witness = Witness(health, lambda: world.now_ns)
    with BenchWorld(
        release,
        chosen if position in ON_DEVICE else NOBODY,
        seed=seed,
        options=options,
        faults=armed,
        trace=trace,
        health=witness if position in ON_DEVICE else Health,
    ) as world:
        if transfers is not None:
            world.host.monitor = UsbMonitor(world, transfers, world.board.samples.read)
        world.boot()
        uptime_us = Stream(seed, "uptime").between(*UPTIME_US)
        world.run_until(world.now_ns + uptime_us * 1_000)
        if look_interval_ms:
            Probe(world, look_interval_ms)
        facts = _run(
            world, scenario, drawn, chosen, position, faults is None, is_strict, trace, witness
        )
    if health is not Health:
        facts = replace(facts, health=getattr(health, "__name__", repr(health)))
    return Episode(facts, judge(facts, oracle.check(facts)))


def _run(
    world: BenchWorld,
    scenario: Scenario,
    parameters: dict[str, int],
    policy: Policy,
    position: str,
    has_own_faults: bool,
    is_strict: bool,
    trace: Recorder,
    witness: Witness,
) -> Facts:
    runtime = WorldRuntime(world)
    image = Image.parse(world.image)
    device = Rx888.open(get_backend(world), runtime, image=image)
    release = world.revision.name
    supervisor = None
    if position in ON_HOST:
        supervisor = Supervisor(device, runtime, policy, image, trace=trace, health=witness)
    examiner = Examiner(release, device, WorldLedger(world, supervisor)) if is_strict else None
    if supervisor is not None:
        station = Station(device, runtime, trace, supervisor.tell, image)
        program = HostProgram(station, scenario, image, lambda: supervisor.is_busy, examiner)
        supervisor.start()
        report = program.run(parameters)
        ended_ns = world.now_ns
        supervisor.stop()
    else:
        station = Station(device, runtime, trace, image=image)
        program = HostProgram(station, scenario, image, None, examiner)
        report = program.run(parameters)
        ended_ns = world.now_ns
    armed = [] if world.injector is None else world.injector.armed
    triggered = [(at_ns, item.fault) for item in armed for at_ns in item.triggered_ns]
    return Facts(
        scenario=scenario,
        parameters=parameters,
        firmware=release,
        policy=policy,
        position=position,
        seed=world.seed,
        options=world.options,
        faults=tuple(item.fault for item in armed),
        has_own_faults=has_own_faults,
        triggered=tuple(sorted(triggered, key=lambda item: item[0])),
        unused=tuple(item.fault for item in armed if not item.triggered_ns),
        spins=tuple(world.chip.spins),
        resets=tuple(world.chip.resets),
        # The first program is the one that the world was booted with.
        uploads=world.programs.total - 1,
        onset_ns=station.onset_ns,
        report=report,
        performance=program.performance,
        is_examined=is_strict,
        said=tuple(station.said),
        trace=trace,
        ended_ns=ended_ns,
        lives=tuple(witness.lives),
    )
