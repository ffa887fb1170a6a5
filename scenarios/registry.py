"""All scenarios by name."""

from __future__ import annotations

from scenarios.errors import not_known
from scenarios.incidents import (
    application_wedge,
    cold_start,
    ep0_desync,
    main_death,
    paused_reader,
    steady_stream,
    stop_start_wedge,
    stopfx3_hang,
)
from scenarios.scenario import Scenario
from scenarios.suite import SCENARIOS as SUITE

INCIDENTS: tuple[Scenario, ...] = tuple(
    module.SCENARIO
    for module in (
        stop_start_wedge,
        stopfx3_hang,
        main_death,
        paused_reader,
        cold_start,
        ep0_desync,
        application_wedge,
        steady_stream,
    )
)
SCENARIOS: dict[str, Scenario] = {item.name: item for item in (*INCIDENTS, *SUITE)}


def suite() -> tuple[Scenario, ...]:
    """Return the scenarios of the firmware's own test suite, in its order."""
    return SUITE


def find(name: str) -> Scenario:
    """Return the scenario of this name.

    Raises:
        InputError: there is none; the message names the nearest ones.
    """
    if name not in SCENARIOS:
        raise not_known("scenario", name, SCENARIOS)
    return SCENARIOS[name]
