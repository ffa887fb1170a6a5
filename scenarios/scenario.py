"""What a scenario is: a plain function over a station, and what is to be known about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from health import Level, StatusCode
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
            It returns the text of its PASS line, or None; ``Trouble`` or ``DeviceError`` is FAIL.
        summary: one line.
        group: what it is about, for lists: ``protocol``, ``console``, ``streaming`` and so on.
        incident: the failure in history that it stands for, such as ``F16``; empty for none.
        title: what went wrong, in a few words for a table.
        firmware: the revision that it runs on by default; of an incident, the one that had it.
        firmwares: all revisions that it can run on.
        rate_hz: sample rate that it streams at.
        is_legal: no more than what hosts may do, so nothing above level 1 may follow from it.
        remedies: how often each level has to act when it runs without faults, at least and at
            most; a level that is not named must not act at all.
        resets: causes of the chip's resets that it provokes, in order, such as ``device_reset``.
        needs_world: it cannot run on a real device.
        draw: parameters for ``run``, from the seed.
        faults: what has to be injected, from the seed.
        sets_cap: it changes the cap of level 1 itself, and judges by that.
        answers: levels that answer it in order, under the reference policy in the reference
            firmware, with its own faults; None says nothing.
        answered_ms: then, from the onset to the first answer in ms, at least and at most.
        followed_ms: then, from the end of the first answer to the second.
        reports: then, every status that is reported, in order of the first time; None says nothing.
    """

    name: str
    run: Callable[..., str | None]
    summary: str
    group: str = "streaming"
    incident: str = ""
    title: str = ""
    firmware: str = "reference"
    firmwares: tuple[str, ...] = tuple(REVISIONS)
    rate_hz: int = 32_000_000
    is_legal: bool = False
    remedies: Mapping[Level, tuple[int, int]] = field(default_factory=dict, hash=False)
    resets: tuple[str, ...] = ()
    needs_world: bool = False
    draw: Callable[[Stream], dict[str, int]] = no_parameters
    faults: Callable[[Stream], tuple[Fault, ...]] = no_faults
    sets_cap: bool = False
    answers: tuple[int, ...] | None = None
    answered_ms: tuple[int, int] | None = None
    followed_ms: tuple[int, int] | None = None
    reports: tuple[StatusCode, ...] | None = None
