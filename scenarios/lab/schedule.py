"""A fault schedule: one whole run as a value, and the file that replays it with the same trace."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from health import Policy
from hw.trace.transfers import TransferLog
from scenarios import custom_health, option_text, registry
from scenarios.errors import InputError
from scenarios.lab.histories import HISTORIES
from scenarios.runner import Episode, run_episode
from scenarios.scenario import Scenario
from sim.faults import Fault

SCHEMA = "fx3loop.schedule/1"
KINDS: dict[str, type] = {
    "scenario": str,
    "parameters": dict,
    "firmware": str,
    "policy": str,
    "position": str,
    "health": str,
    "seed": int,
    "faults": list,
    "options": list,
    "trace": str,
    "shows": list,
}
"""Every field of the file beside its schema, with its kind."""


@dataclass(frozen=True)
class Schedule:
    """Everything that a run follows from.

    Attributes:
        scenario: name of a scenario, or of a history of the lab.
        firmware: revision.
        policy: what the health module decides by.
        position: where it runs.
        seed: of the world.
        faults: what is injected.
        parameters: of the scenario's function, over those that it draws.
        options: bench knobs that are turned, as text.
        health: what makes the health module, see :func:`scenarios.custom_health.find`.
    """

    scenario: str
    firmware: str
    policy: Policy
    position: str
    seed: int
    faults: tuple[Fault, ...]
    parameters: tuple[tuple[str, int], ...] = ()
    options: tuple[str, ...] = ()
    health: str = custom_health.REFERENCE

    def run(self, look_interval_ms: int = 0, transfers: TransferLog | None = None) -> Episode:
        """Run it.

        Args:
            look_interval_ms: how often the chip is looked at for a picture; each look is in the
                trace, so a run to compare has none.
            transfers: is told every USB transfer; None for nobody.
        """
        return run_episode(
            scenario_of(self.scenario),
            firmware=self.firmware,
            policy=self.policy,
            position=self.position,
            seed=self.seed,
            faults=self.faults,
            options=option_text.parse(self.options),
            parameters=dict(self.parameters),
            health=custom_health.find(self.health),
            look_interval_ms=look_interval_ms,
            transfers=transfers,
        )


@dataclass(frozen=True)
class Recorded:
    """A schedule with what its run showed.

    Attributes:
        schedule: what runs.
        trace: digest of the trace.
        shows: what was wrong in it, one a line.
    """

    schedule: Schedule
    trace: str
    shows: tuple[str, ...]


def scenario_of(name: str) -> Scenario:
    """Return a history of the lab, or a scenario.

    Raises:
        InputError: there is none of this name.
    """
    return HISTORIES.get(name) or registry.find(name)


def write(schedule: Schedule, shows: Sequence[str], path: Path) -> Recorded:
    """Run a schedule once more and write it with the digest of its trace.

    Args:
        schedule: what to write.
        shows: what is wrong in its run.
        path: where to.

    Raises:
        OSError: the file cannot be written.
    """
    digest = schedule.run().facts.trace.digest()
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "shows": list(shows),
        "scenario": schedule.scenario,
        "parameters": dict(schedule.parameters),
        "firmware": schedule.firmware,
        "position": schedule.position,
        "health": schedule.health,
        "seed": schedule.seed,
        "faults": [str(fault) for fault in schedule.faults],
        "options": list(schedule.options),
        "policy": schedule.policy.to_toml(),
        "trace": digest,
    }
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return Recorded(schedule, digest, tuple(shows))


def read(path: Path) -> Recorded:
    """Return the schedule in a file.

    Raises:
        InputError: it cannot be read or is no schedule; the message names the field.
        FaultError, PolicyError: a fault or the policy in it is wrong.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{path} is no JSON: {error}") from error
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != SCHEMA:
        raise InputError(f"{path} is no fault schedule: its schema is {schema!r}, not {SCHEMA!r}")
    # Written before there was another health module than the reference one.
    document.setdefault("health", custom_health.REFERENCE)
    for name, kind in KINDS.items():
        if type(document.get(name)) is not kind:
            raise InputError(f"{path}: {name} is missing or no {kind.__name__}")
    schedule = Schedule(
        scenario=document["scenario"],
        firmware=document["firmware"],
        policy=Policy.from_toml(document["policy"], source=str(path)),
        position=document["position"],
        seed=document["seed"],
        faults=tuple(Fault.parse(str(text)) for text in document["faults"]),
        parameters=tuple((name, int(value)) for name, value in document["parameters"].items()),
        options=tuple(str(text) for text in document["options"]),
        health=document["health"],
    )
    return Recorded(schedule, document["trace"], tuple(str(text) for text in document["shows"]))
