"""What a scenario is: a plain function over a station, and what is to be known about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sim.faults import Fault
from sim.firmware import REVISIONS
from sim.streams import Stream


def no_parameters(random: Stream) -> dict[str, int]:
    """A scenario that draws nothing."""
    del random
    return {}


def no_faults(random: Stream) -> tuple[Fault, ...]:
    """A scenario that needs no fault."""
    del random
    return ()


@dataclass(frozen=True)
class Scenario:
    """A scenario with its metadata.

    Attributes:
        name: what users call it.
        run: the function: a :class:`~scenarios.station.Station`, then its own parameters by name.
        summary: one line.
        incident: the failure in history that it stands for, such as ``F16``.
        title: what went wrong, in a few words for a table.
        firmware: the revision that had it.
        firmwares: all revisions that it can run on.
        rate_hz: sample rate that it streams at.
        is_legal: no more than what hosts may do, so nothing above level 1 may follow from it.
        draw: parameters for ``run``, from the seed.
        faults: what has to be injected, from the seed.
    """

    name: str
    run: Callable[..., None]
    summary: str
    incident: str
    title: str
    firmware: str
    firmwares: tuple[str, ...] = tuple(REVISIONS)
    rate_hz: int = 32_000_000
    is_legal: bool = False
    draw: Callable[[Stream], dict[str, int]] = no_parameters
    faults: Callable[[Stream], tuple[Fault, ...]] = no_faults
