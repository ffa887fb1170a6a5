"""What the suite shows about the levels: each earns its place, and F16 ends as history says.

Facts: ``PLAN_RECOVERY.md`` (F16 and the tests named there); judgement: passing after level 4 means
re-acquired, uploaded again, serving and in bound, and a spin must still fail without level 5.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from health import Level, Policy
from scenarios import expected, registry, selection
from scenarios.cli.running import Bench, run_worlds
from scenarios.incidents import stopfx3_hang
from scenarios.registry import find
from scenarios.results import Outcome
from scenarios.runner import run_episode
from sim.options import Options
from sim.streams import Stream

from .suite_bench import played

REBUILT = (
    "rapid_stress_with_concurrent_stats",
    "rapid_start_stop_extreme",
    "stop_during_starting",
    "health_latency_after_stress",
)
F16 = (*REBUILT, "rapid_start_stop")
SEEDS = range(3)
BLOCKED_LIMIT_MS = 2_101 + 1_000 + 400 + 1_000
"""Level 4 after 2.1 s at the latest, boot ROM, application, and a second for upload and start."""
SPINNING_LIMIT_MS = 8_157 + 1_000 + 400 + 1_000
"""P + C instead of level 4's time."""

REFERENCE = Policy.preset("reference")
LEVELS = {
    Level.STREAM: "wedge_recovery",
    Level.EP0: "ep0_desync",
    Level.APPLICATION: "application_wedge",
    Level.DEVICE_RESET: "test_health_recovery",
    Level.WATCHDOG: "test_main_recovery",
}
"""The scenario that needs each level."""


def f16(name, policy, manner, seed):
    """A scenario with the hang of F16 in one of its STOPs."""
    fault = stopfx3_hang.hang(Stream(seed, name), manner)
    return run_episode(find(name), firmware="fw-2.3", policy=policy, seed=seed, faults=(fault,)).row


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("manner", ["blocked", "spinning"])
@pytest.mark.parametrize("name", F16)
def test_f16_locks_level_1_up(name, manner, seed):
    """The streaming watchdog sees nothing of a dead EP0."""
    row = f16(name, "level-1", manner, seed)
    assert (row.verdict, row.ep0, row.uploads) == ("locked_up", "EP0 dead", 0)
    assert row.host_saw.startswith("time-out of ")
    assert row.unused_faults == ()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("policy", ["level-1-4", "level-1-4-5", "reference"])
@pytest.mark.parametrize("name", F16)
def test_f16_blocked_is_ended_by_level_4(name, policy, seed):
    """Reset, re-acquired, uploaded again, serving, and in bound."""
    row = f16(name, policy, "blocked", seed)
    assert (row.verdict, row.remedies, row.uploads) == ("recovered", (4,), 1)
    assert row.serving_after_ms <= BLOCKED_LIMIT_MS
    assert row.violations == ()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", F16)
def test_f16_spinning_is_ended_by_level_5_alone(name, seed):
    """A spin at priority 4 starves the main loop, and level 4 with it."""
    assert f16(name, "level-1-4", "spinning", seed).verdict == "locked_up"
    for policy in ("level-1-4-5", "reference"):
        row = f16(name, policy, "spinning", seed)
        assert (row.verdict, row.remedies, row.uploads) == ("recovered", (5,), 1)
        assert row.serving_after_ms <= SPINNING_LIMIT_MS


def shown(name, policy):
    """A scenario with what it needs, on the reference firmware under a policy."""
    scenario = find(name)
    return played(name, "reference", policy, faults=scenario.faults(Stream(0, name)))


@pytest.mark.parametrize("level", LEVELS)
def test_without_a_level_the_scenario_that_needs_it_turns_red(level):
    """Each level of ``reference`` has a scenario that passes with it and not without it."""
    scenario = find(LEVELS[level])
    good = run_episode(scenario, firmware="reference", policy=REFERENCE).row
    assert good.is_good
    without = REFERENCE.without_level(level)
    assert not run_episode(scenario, firmware="reference", policy=without).row.is_good


def test_every_level_has_such_a_scenario():
    """None of the five is decoration."""
    assert set(LEVELS) == set(Level)


@pytest.mark.parametrize(
    ("name", "level"), [("ep0_desync", Level.EP0), ("application_wedge", Level.APPLICATION)]
)
@pytest.mark.parametrize("seed", range(4))
def test_what_levels_2_and_3_mend_in_place_costs_a_firmware_without_them(name, level, seed):
    """With the level nothing is uploaded; without it level 4 ends it, and the host pays."""
    row = run_episode(find(name), seed=seed).row
    assert (row.verdict, row.host_saw, row.uploads) == ("recovered", "nothing", 0)
    assert int(level) == max(row.remedies)
    without = replace(REFERENCE.without_level(level))
    row = run_episode(find(name), policy=without, seed=seed).row
    assert (row.host_saw, row.uploads) == ("device gone", 1)
    assert max(row.remedies) == 4


@pytest.mark.parametrize("name", ["ep0_desync", "application_wedge"])
def test_nobody_mends_them_under_no_policy(name):
    """The strict note is there too: not mended in place."""
    result = shown(name, "none")
    assert "not well for" in result.failure
    assert result.violations == (result.failure,)


# ---------------------------------------------------------------- the whole list, as --all runs it


def red(firmware, policy):
    """What ``fx3loop run --all`` calls failed, through the same runner."""
    known = expected.load(expected.BUILT_IN, registry.SCENARIOS)
    bench = Bench(policy, "device", 0, None, Options(), 1)
    results = run_worlds(selection.choose((), is_all=True, firmware=firmware), bench, known)
    return {item.scenario for item in results if item.outcome is Outcome.FAILED}


@pytest.mark.parametrize("level", LEVELS)
def test_all_turns_red_without_a_level(level):
    """``run --all`` on ``reference`` has no failure, and has that of the level when it is gone."""
    assert LEVELS[level] in red("reference", REFERENCE.without_level(level))


@pytest.mark.parametrize(
    ("firmware", "policy", "failing"),
    [
        ("reference", "reference", set()),
        ("fw-2.3", "level-1-4-5", set()),
        (
            "reference",
            "level-1",
            {
                "stopfx3_hang",
                "main_death",
                "cold_start",
                "ep0_desync",
                "application_wedge",
                "port_reset_hang",
                "restart_in_vain",
                "dead_after_restart",
                "second_wedge",
                "wedge_after_desync",
                "test_health_recovery",
                "test_main_recovery",
            },
        ),
        (
            "fw-2.3",
            "level-1",
            {
                "stopfx3_hang",
                "main_death",
                "ep0_desync",
                "port_reset_hang",
                "test_health_recovery",
                "test_main_recovery",
            },
        ),
    ],
)
def test_all_is_as_red_as_the_policy_deserves(firmware, policy, failing):
    """Listed failures do not count: on fw-2.3 they are expected under its own policy."""
    assert red(firmware, Policy.preset(policy)) == failing


@pytest.mark.parametrize("firmware", ["fw-2.3", "reference"])
def test_all_is_red_under_no_policy(firmware):
    """One scenario for each of the levels 1, 2, 4 and 5 at least."""
    needed = {"wedge_recovery", "ep0_desync", "test_health_recovery", "test_main_recovery"}
    assert needed <= red(firmware, Policy.preset("none"))
