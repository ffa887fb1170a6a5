"""Worker processes: the same calls, in their order, in this process or in several."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

from scenarios.collector import relax_collector

Item = TypeVar("Item")
Found = TypeVar("Found")


class Workers:
    """Processes, or none: ``with Workers(jobs) as workers: workers.map(call, items)``.

    An error, or a program that stops asking, ends the calls that have not begun.

    Args:
        jobs: how many processes; with 1 the calls are made in this one.
    """

    def __init__(self, jobs: int) -> None:
        self._pool: ProcessPoolExecutor | None = None
        if jobs > 1:
            # Not forked: simulated threads do not survive that.
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(jobs, context, initializer=relax_collector)

    def map(
        self, call: Callable[[Item], Found], items: Iterable[Item], at_once: int = 1
    ) -> Iterator[Found]:
        """Yield what *call* returns for each item, in their order.

        Args:
            call: a function of a module, with an argument and a result that can be pickled.
            items: its arguments.
            at_once: how many a process is handed together; more pays where calls are short.
        """
        if self._pool is None:
            return map(call, items)
        return self._pool.map(call, items, chunksize=at_once)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=error is None, cancel_futures=error is not None)
