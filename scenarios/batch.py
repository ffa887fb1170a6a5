"""Runs many scenarios, each in a world of its own, in one process or in several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from health import Policy
from scenarios import custom_health
from scenarios.judge import Row
from scenarios.registry import find
from scenarios.runner import run_episode
from scenarios.workers import Workers
from sim.errors import SimulationError
from sim.faults import Fault
from sim.options import Options


@dataclass(frozen=True)
class Job:
    """One run, as data that another process can be given.

    Attributes:
        scenario: its name.
        firmware: the revision.
        policy: what the health module decides by.
        position: where it runs.
        seed: of the world.
        faults: instead of the scenario's own, or None.
        options: the bench's knobs.
        health: what makes the health module, see :func:`scenarios.custom_health.find`.
    """

    scenario: str
    firmware: str
    policy: Policy
    position: str
    seed: int
    faults: tuple[Fault, ...] | None
    options: Options
    health: str = ""


def run_job(job: Job) -> Row | str:
    """Run a job; returns its row, or in one line why there is none: the bench broke down."""
    try:
        return run_episode(
            find(job.scenario),
            firmware=job.firmware,
            policy=job.policy,
            position=job.position,
            seed=job.seed,
            faults=job.faults,
            options=job.options,
            health=custom_health.find(job.health),
        ).row
    except SimulationError as error:
        return " ".join(str(error).split())


def run_jobs(jobs: Sequence[Job], processes: int = 1) -> Iterator[Row | str]:
    """Run jobs and yield what :func:`run_job` returns for each, in their order.

    Args:
        jobs: what runs.
        processes: how many of them at a time; the results are the same with any number.
    """
    with Workers(min(processes, len(jobs))) as workers:
        yield from workers.map(run_job, jobs)
