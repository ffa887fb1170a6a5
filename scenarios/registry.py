"""All scenarios by name."""

from __future__ import annotations

from scenarios.errors import not_known
from scenarios.incidents import (
    cold_start,
    main_death,
    paused_reader,
    rapid_start_stop,
    steady_stream,
    stop_start_cycle,
)
from scenarios.scenario import Scenario

SCENARIOS: dict[str, Scenario] = {
    module.SCENARIO.name: module.SCENARIO
    for module in (
        stop_start_cycle,
        rapid_start_stop,
        main_death,
        paused_reader,
        cold_start,
        steady_stream,
    )
}


def find(name: str) -> Scenario:
    """Return the scenario of this name.

    Raises:
        InputError: there is none; the message names the nearest ones.
    """
    if name not in SCENARIOS:
        raise not_known("scenario", name, SCENARIOS)
    return SCENARIOS[name]
