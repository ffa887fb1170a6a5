"""All scenarios by name."""

from __future__ import annotations

from scenarios.errors import not_known
from scenarios.incidents import (
    application_wedge,
    clock_lost,
    cold_start,
    ep0_desync,
    impatient_host,
    late_reader,
    long_uptime,
    main_death,
    paused_reader,
    port_reset_hang,
    refused_remedy,
    relapse,
    restart_in_vain,
    restart_race,
    slow_handler,
    steady_stream,
    stop_start_wedge,
    stopfx3_hang,
    two_troubles,
    uncapped_reader,
    unseen_clock_loss,
)
from scenarios.scenario import Scenario
from scenarios.suite import SCENARIOS as SUITE

INCIDENTS: tuple[Scenario, ...] = (
    stop_start_wedge.SCENARIO,
    stopfx3_hang.SCENARIO,
    main_death.SCENARIO,
    paused_reader.SCENARIO,
    uncapped_reader.SCENARIO,
    clock_lost.SCENARIO,
    cold_start.SCENARIO,
    ep0_desync.SCENARIO,
    impatient_host.SCENARIO,
    application_wedge.SCENARIO,
    relapse.RELAPSE,
    relapse.SECOND_WEDGE,
    relapse.WEDGE_AFTER_REST,
    relapse.EP0_RELAPSE,
    relapse.EP0_DOUBT,
    relapse.EP0_DOUBT_BY_CLOCK,
    two_troubles.AFTER_PAUSE,
    two_troubles.AFTER_DESYNC,
    restart_in_vain.REMEDIES_FAIL,
    restart_in_vain.STAYS_DEAD,
    restart_race.SCENARIO,
    unseen_clock_loss.SCENARIO,
    refused_remedy.SCENARIO,
    slow_handler.SCENARIO,
    late_reader.SCENARIO,
    port_reset_hang.SCENARIO,
    long_uptime.SCENARIO,
    steady_stream.SCENARIO,
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
