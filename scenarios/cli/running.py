"""What ``fx3loop run`` does: in worlds, one or many, or on a device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from health import Policy
from hw.boot import Image
from hw.bus import Selector
from hw.guard import AuthoritySource
from scenarios import (
    custom_health,
    expected as known_failures,
    option_text,
    registry,
    trace_file,
)
from scenarios.batch import Job, run_jobs
from scenarios.cli import inputs, output
from scenarios.expected import Expectations
from scenarios.on_device import run_on_device
from scenarios.results import Outcome, Result, result_of
from scenarios.runner import run_episode
from scenarios.selection import Chosen
from sim.faults import Fault
from sim.options import Options
from sim.streams import Stream

LOOK_INTERVAL_MS = 10
DEVICE_FIRMWARE = "fw-2.3"
"""What a device is taken to run when nothing else is said: the latest release."""


@dataclass(frozen=True)
class Bench:
    """Worlds as the command line asked for them.

    Attributes:
        policy: what the health module decides by.
        position: where it runs.
        seed: of all worlds.
        faults: instead of each scenario's own, or None.
        options: the bench's knobs.
        jobs: processes.
        health: what makes the health module; empty for the reference one.
    """

    policy: Policy
    position: str
    seed: int
    faults: tuple[Fault, ...] | None
    options: Options
    jobs: int
    health: str = ""

    @classmethod
    def of(
        cls,
        policy: str,
        position: str,
        seed: int,
        faults: Sequence[str],
        options: tuple[str, ...],
        jobs: int,
        health: str,
    ) -> Bench:
        """Return them from what was typed.

        Raises:
            PolicyError: there is no such policy.
            FaultError: a fault cannot be understood.
            InputError: an option or the health module cannot.
        """
        bench = cls(
            policy=inputs.policy(policy),
            position=position,
            seed=seed,
            faults=tuple(Fault.parse(text) for text in faults) or None,
            options=option_text.parse(options),
            jobs=jobs,
            health=health,
        )
        custom_health.find(health)
        return bench


@dataclass(frozen=True)
class Device:
    """A real device as the command line asked for it.

    Attributes:
        authority: what the guard is told.
        selector: which device.
        image: firmware for its boot ROM, or None.
        seed: of what scenarios draw.
    """

    authority: AuthoritySource
    selector: Selector
    image: Image | None
    seed: int

    @classmethod
    def of(
        cls,
        risk_mode: str,
        acknowledged: tuple[str, ...],
        serial: str | None,
        image: Image | None,
        seed: int,
    ) -> Device:
        """Return it from what was typed; see :func:`scenarios.cli.inputs.authority`."""
        selector = Selector(serial=serial)
        authority = inputs.authority(risk_mode, acknowledged, selector)
        return cls(authority, selector, image, seed)


def expectations_of(expected: str | None, *, is_faulted: bool) -> Expectations:
    """Return the known failures; under faults of the user's own there are none.

    Args:
        expected: a file, ``none``, or None for the built-in ones.
        is_faulted: faults were given.

    Raises:
        InputError: the file cannot be read or is wrong.
    """
    if expected == "none" or is_faulted:
        return Expectations()
    known = Path(expected) if expected else known_failures.BUILT_IN
    return known_failures.load(known, registry.SCENARIOS)


def require_writable(reports: Sequence[Path | None], trace: Path | None, plot: Path | None) -> None:
    """Find out before a run whether its files can be written.

    Raises:
        InputError: one cannot, or has the wrong ending.
    """
    for path in reports:
        output.writable_file(path)
    output.writable_trace(trace)
    output.writable_picture(plot)


def run_one(
    chosen: Chosen,
    bench: Bench,
    expectations: Expectations,
    trace: Path | None,
    plot: Path | None,
) -> Result:
    """Run one scenario in this process, with a trace and a picture where they are wanted."""
    transfers = trace_file.transfers_for(trace)
    episode = run_episode(
        chosen.scenario,
        firmware=chosen.firmware,
        policy=bench.policy,
        position=bench.position,
        seed=bench.seed,
        faults=bench.faults,
        options=bench.options,
        health=custom_health.find(bench.health),
        look_interval_ms=LOOK_INTERVAL_MS if trace or plot else 0,
        transfers=transfers,
    )
    if trace is not None:
        with output.Writing(trace):
            trace_file.write([episode], trace, transfers)
    if plot is not None:
        from scenarios import plots

        with output.Writing(plot):
            plots.write([episode], plot)
    return result_of(episode.row, chosen.scenario.group, expectations)


def run_worlds(chosen: Sequence[Chosen], bench: Bench, expectations: Expectations) -> list[Result]:
    """Run scenarios, each in a world of its own; the results are in the order of ``chosen``."""
    able = [item for item in chosen if not item.left_out]
    jobs = [
        Job(
            item.scenario.name,
            item.firmware,
            bench.policy,
            bench.position,
            bench.seed,
            bench.faults,
            bench.options,
            bench.health,
        )
        for item in able
    ]
    following = [*(item.scenario.name for item in able[1:]), ""]
    made: dict[str, Result] = {}
    with output.progress_bar("scenarios", len(jobs)) as step:
        for item, row, name in zip(able, run_jobs(jobs, bench.jobs), following, strict=True):
            scenario = item.scenario
            if isinstance(row, str):
                result = Result(scenario.name, scenario.group, Outcome.FAILED, (row,))
            else:
                result = result_of(row, scenario.group, expectations)
            made[scenario.name] = result
            step(name)
    return [made.get(item.scenario.name) or _skipped(item, item.left_out) for item in chosen]


def run_device(
    chosen: Sequence[Chosen],
    device: Device,
    firmware: str | None,
    expectations: Expectations,
    trace: Path | None = None,
) -> list[Result]:
    """Run scenarios on a real device, one after the other.

    Args:
        chosen: what runs.
        device: where.
        firmware: that it is expected to run.
        expectations: the known failures.
        trace: file for a capture, or None.

    Raises:
        DeniedError: the guard does not allow it.
        DeviceError: there is no device, or it cannot be opened.
    """
    results = []
    transfers = trace_file.transfers_for(trace)
    with output.progress_bar("scenarios", len(chosen)) as step:
        for item in chosen:
            scenario = item.scenario
            reason = item.left_out
            if scenario.needs_world:
                reason = "it needs a simulated world"
            elif scenario.faults(Stream(device.seed, scenario.name)):
                reason = "its faults cannot be injected into a device"
            if reason:
                results.append(_skipped(item, reason))
            else:
                row = run_on_device(
                    scenario,
                    firmware=firmware or DEVICE_FIRMWARE,
                    seed=device.seed,
                    authority=device.authority,
                    selector=device.selector,
                    image=device.image,
                    transfers=transfers,
                )
                results.append(result_of(row, scenario.group, expectations))
            step("")
    if trace is not None:
        with output.Writing(trace):
            trace_file.write((), trace, transfers)
    return results


def _skipped(item: Chosen, reason: str) -> Result:
    return Result(item.scenario.name, item.scenario.group, Outcome.SKIPPED, (reason,))
