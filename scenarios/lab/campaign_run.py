"""Runs a campaign with any number of workers: the same rows, in the same order, in one file.

The work goes through joblib, with loky's processes or a Dask cluster. A worker that dies takes
unfinished work with it: what may have killed it is run alone, one part at a time, and the row that
kills its process twice is reported as such.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from scenarios.errors import NotAvailable
from scenarios.lab import trial as trials
from scenarios.lab.campaign import Job, Planned
from scenarios.lab.trial import WORKER_DIED, Outcome

SUSPECTS = 4
"""So many parts after the last one that came back are run alone when a worker dies."""
SCHEDULER_WAIT_S = 10
ENGINES = ("loky", "dask")

Outcomes = list[Outcome]


@dataclass(frozen=True)
class Engine:
    """Who does the work.

    Attributes:
        name: one of :data:`ENGINES`.
        jobs: how many workers; 1 with loky works in this process.
        scheduler: address of Dask's scheduler; empty for none.
    """

    name: str = "loky"
    jobs: int = 1
    scheduler: str = ""


def outcomes_of(job: Job) -> Outcomes:
    """Run the rows of a job, in whatever process."""
    if job.life is not None:
        from scenarios.lab import life

        return life.outcomes_of(job.planned, job.life)
    return [trials.run(planned.trial) for planned in job.planned]


def results(
    jobs: Iterator[Job], engine: Engine, call: Callable[[Job], Outcomes] = outcomes_of
) -> Iterator[list[tuple[Planned, Outcome]]]:
    """Do the work, and yield what came of each job, in order.

    Args:
        jobs: what is to be done.
        engine: who does it.
        call: what is done; for tests of dying workers.

    Raises:
        NotAvailable: the engine is not installed, or its scheduler cannot be reached.
    """
    given: deque[Job] = deque()

    def feed() -> Iterator[Job]:
        yield from tuple(given)
        for job in jobs:
            given.append(job)
            yield job

    with _connected(engine) as pool:
        is_done = False
        while not is_done:
            try:
                for outcomes in pool(call, feed()):
                    job = given.popleft()
                    yield list(zip(job.planned, outcomes, strict=True))
                is_done = True
            except _deaths():
                for _ in range(min(SUSPECTS, len(given))):
                    yield _alone(given.popleft(), pool, call)


def _alone(job: Job, pool: Pool, call: Callable[[Job], Outcomes]) -> list[tuple[Planned, Outcome]]:
    """Run one job while nothing else runs, and its rows apart if it kills its worker."""
    try:
        (outcomes,) = pool(call, [job])
        return list(zip(job.planned, outcomes, strict=True))
    except _deaths() as error:
        if job.is_divisible:
            parts = [Job((planned,)) for planned in job.planned]
            return [pair for part in parts for pair in _alone(part, pool, call)]
        death = error
    try:
        (outcomes,) = pool(call, [job])
        return list(zip(job.planned, outcomes, strict=True))
    except _deaths():
        reason = f"its process died, twice ({type(death).__name__})"
        return [(planned, Outcome(WORKER_DIED, reason=reason)) for planned in job.planned]


Pool = Callable[[Callable[[Job], Outcomes], Iterable[Job]], Iterator[Outcomes]]
"""Does a call for each job, and yields in order."""


def _deaths() -> tuple[type[BaseException], ...]:
    """Return the errors with which the death of a worker shows."""
    found: list[type[BaseException]] = [BrokenProcessPool]
    try:
        from distributed.scheduler import KilledWorker
    except ImportError:
        return tuple(found)
    return (*found, KilledWorker)


def _connected(engine: Engine) -> AbstractContextManager[Pool]:
    if engine.name == "dask":
        return _Dask(engine)
    if engine.jobs == 1:
        return nullcontext(lambda call, jobs: map(call, jobs))
    return nullcontext(_loky(engine.jobs))


def _loky(workers: int) -> Pool:
    def run(call: Callable[[Job], Outcomes], jobs: Iterable[Job]) -> Iterator[Outcomes]:
        from joblib import Parallel, delayed

        parallel = Parallel(
            n_jobs=workers, backend="loky", batch_size=1, pre_dispatch="2*n_jobs",
            return_as="generator",
        )  # fmt: skip
        found: Iterator[Outcomes] = parallel(delayed(call)(job) for job in jobs)
        return found

    return run


class _Dask:
    """A connection to Dask's scheduler, or a cluster of this machine's own."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._client: Any = None

    def __enter__(self) -> Pool:
        try:
            from distributed import Client
        except ImportError as error:
            raise NotAvailable(
                "--engine dask: distributed is not installed; "
                "pip install 'fx3loop[dask]', or use --engine loky"
            ) from error
        address = self.engine.scheduler
        try:
            self._client = Client(address, timeout=SCHEDULER_WAIT_S, set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            raise NotAvailable(
                f"--scheduler {address}: no answer within {SCHEDULER_WAIT_S} s "
                f"({' '.join(str(error).split())}); is it running, as with `dask scheduler`?"
            ) from error
        return self._run

    def _run(self, call: Callable[[Job], Outcomes], jobs: Iterable[Job]) -> Iterator[Outcomes]:
        from joblib import Parallel, delayed, parallel_config

        with parallel_config(
            backend="dask", client=self._client, wait_for_workers_timeout=SCHEDULER_WAIT_S
        ):
            parallel = Parallel(batch_size=1, return_as="generator")
            try:
                yield from parallel(delayed(call)(job) for job in jobs)
            except (OSError, TimeoutError) as error:
                raise NotAvailable(
                    f"--scheduler {self.engine.scheduler}: lost, or without a worker for "
                    f"{SCHEDULER_WAIT_S} s ({' '.join(str(error).split())}); what was done is "
                    f"kept, and the same command goes on with it"
                ) from error

    def __exit__(self, *error: object) -> None:
        self._client.close()
