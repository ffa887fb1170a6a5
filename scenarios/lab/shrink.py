"""The smallest fault schedule that still shows what is wrong, found by Hypothesis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from scenarios.lab.schedule import Schedule
from sim.errors import SimulationError
from sim.faults import Fault

NUMBERS = {"nth": 1, "for_ms": 0, "times": 1, "before_ms": 0, "at_ms": 0}
"""Numbers of a fault that shrink, each with its simplest value."""
TRIES = 400
"""Runs that one pass may take; at 30 ms each a pass takes some 10 s."""
FAULTS_MAX = 10
"""Beyond so many faults not every subset is offered, but every one with few faults more or less."""

Shows = Callable[[Schedule], bool]


def smallest(schedule: Schedule, shows: Shows, tries: int = TRIES) -> Schedule:
    """Return the smallest schedule below one that still shows the same.

    First the fewest faults, then the smallest numbers in them. A schedule on which the bench
    breaks down shows nothing.

    Args:
        schedule: one that shows it.
        shows: whether a schedule does; it must answer the same each time.
        tries: how many schedules each pass may run.

    Returns:
        The smallest found; the given one where Hypothesis is not installed.

    Raises:
        ValueError: the given schedule does not show it.
    """
    if not _safely(shows, schedule):
        raise ValueError("the schedule does not show what it is shrunk for")
    try:
        from hypothesis import HealthCheck, Phase, find, settings
        from hypothesis.errors import NoSuchExample
        from hypothesis.strategies import SearchStrategy, builds, sampled_from, tuples
    except ModuleNotFoundError:
        return schedule
    # Derandomised and without a database: the same schedule in, the same out.
    chosen = settings(
        max_examples=tries,
        database=None,
        derandomize=True,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )

    def search(strategy: SearchStrategy[Schedule], known: Schedule) -> Schedule:
        try:
            return find(strategy, lambda item: _safely(shows, item), settings=chosen)
        except NoSuchExample:
            return known

    # Ordered from small to large: Hypothesis shrinks towards the first, and tries a small set
    # of choices to its end.
    fewest = sampled_from(_subsets(schedule.faults)).map(
        lambda faults: replace(schedule, faults=faults)
    )
    known = search(fewest, schedule)
    simpler = [sampled_from(_simpler(fault)) for fault in known.faults]
    least = builds(lambda faults: replace(known, faults=faults), tuples(*simpler))
    return search(least, known)


def _safely(shows: Shows, schedule: Schedule) -> bool:
    try:
        return shows(schedule)
    except SimulationError:
        return False


def _subsets(faults: Sequence[Fault]) -> list[tuple[Fault, ...]]:
    count = len(faults)
    sizes = [
        size for size in range(count + 1) if count <= FAULTS_MAX or size <= 2 or size >= count - 1
    ]
    return [chosen for size in sizes for chosen in combinations(faults, size)]


def _simpler(fault: Fault) -> list[Fault]:
    """The fault with every number of it at its simplest, halfway, round, or as it is."""
    found = [fault]
    for name, simplest in NUMBERS.items():
        value = getattr(fault, name)
        # A fault for ever is no simpler than one for a while, and a delay has to take some time.
        if name == "for_ms" and value:
            simplest = 1
        steps = {simplest, (simplest + value) // 2, value // 100 * 100, value}
        smaller = sorted(step for step in steps if simplest <= step <= value)
        found = [item for step in smaller for item in _with(found, name, step)]
    return sorted(dict.fromkeys(found), key=_size)


def _with(faults: Sequence[Fault], name: str, value: int) -> list[Fault]:
    made = []
    for fault in faults:
        times = {"before_ms": fault.before_ms, "at_ms": fault.at_ms, name: value}
        if not times["before_ms"] or times["before_ms"] > times["at_ms"]:
            changes: dict[str, Any] = {name: value}
            made.append(replace(fault, **changes))
    return made


def _size(fault: Fault) -> tuple[int, ...]:
    return tuple(getattr(fault, name) for name in NUMBERS)
