"""The flagship run: real incidents and injected deadlocks, under every policy and from the host.

It makes the rows of one table; what they say comes from the runs. Two of the runs are looked at
closely, for a picture and a trace: a hang in STOPFX3 that blocks, which level 4 ends, and the same
hang as a spin, which starves level 4 and is ended by level 5.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from health import Policy
from scenarios.incidents import (
    cold_start,
    main_death,
    paused_reader,
    stop_start_wedge,
    stopfx3_hang,
)
from scenarios.runner import Episode, run_episode
from scenarios.scenario import Scenario
from sim.options import Options

SCHEMA = "fx3loop.demo/1"
HOST_POLICY = "reference"
LOOK_INTERVAL_MS = 10
BLOCKED = stopfx3_hang.SCENARIO
SPINNING = stopfx3_hang.spinning()
PICTURED = ((BLOCKED, "level-1-4"), (SPINNING, "level-1-4-5"))
"""The two runs that are drawn: the same hang, in both manners."""
HEADING = "One hang inside STOPFX3, two manners: the USB thread blocks, or it spins"


@dataclass(frozen=True)
class Case:
    """One row to be: what runs, under what, from where."""

    scenario: Scenario
    policy: str
    position: str
    options: Options | None = None

    @property
    def is_pictured(self) -> bool:
        """It is looked at closely."""
        return self.position == "device" and (self.scenario, self.policy) in PICTURED


def cases() -> Iterator[Case]:
    """Yield every case of the demo, in the order of the table."""
    yield from _under_all(stop_start_wedge.SCENARIO)
    # The same wedge if the socket lets go after all: EP0 lives, the stream is dead.
    letting_go = Options(socket_disable_hangs=False)
    for position in ("device", "host"):
        yield Case(stop_start_wedge.SCENARIO, HOST_POLICY, position, options=letting_go)
    for scenario in (BLOCKED, SPINNING):
        yield from _under_all(scenario)
    yield from _under_all(main_death.SCENARIO)
    yield from _under_all(paused_reader.SCENARIO)
    for position in ("device", "host"):
        yield Case(cold_start.SCENARIO, HOST_POLICY, position)


def _under_all(scenario: Scenario) -> Iterator[Case]:
    for policy in Policy.preset_names():
        yield Case(scenario, policy, "device")
    yield Case(scenario, HOST_POLICY, "host")


def run(seed: int, progress: Callable[[int, int], None] | None = None) -> list[Episode]:
    """Run every case.

    Args:
        seed: of all worlds.
        progress: called after each with the number done and the number of all.
    """
    chosen = list(cases())
    episodes = []
    for case in chosen:
        episodes.append(
            run_episode(
                case.scenario,
                policy=case.policy,
                position=case.position,
                seed=seed,
                options=case.options,
                look_interval_ms=LOOK_INTERVAL_MS if case.is_pictured else 0,
            )
        )
        if progress is not None:
            progress(len(episodes), len(chosen))
    return episodes


def pictured(episodes: list[Episode]) -> list[Episode]:
    """Return the episodes that were looked at closely, in the order of :data:`PICTURED`."""
    return [episode for case, episode in zip(cases(), episodes, strict=True) if case.is_pictured]


def document(episodes: list[Episode], seed: int) -> dict[str, Any]:
    """Return what ``--json`` prints and ``table.json`` holds."""
    return {
        "schema": SCHEMA,
        "seed": seed,
        "rows": [episode.row.as_dict() for episode in episodes],
    }


def write_table(episodes: list[Episode], seed: int, path: Path) -> None:
    """Write the rows as JSON.

    Raises:
        OSError: the file cannot be written.
    """
    text = json.dumps(document(episodes, seed), indent=2)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")
