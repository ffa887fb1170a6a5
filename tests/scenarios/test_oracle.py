"""The oracle sees what it is there for: facts of real runs, bent one at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from health import Policy
from hw.trace import Recorder
from scenarios import oracle
from scenarios.registry import find
from scenarios.runner import run_episode
from sim.chip.fx3 import Reset
from sim.faults import Fault

SECOND_NS = 1_000_000_000


@pytest.fixture(scope="module")
def paused():
    """The facts of a paused reader: five uses of level 1, two sessions, no reset."""
    return run_episode(find("paused_reader"), policy="level-1-4-5").facts


def with_remedy(facts, text, at_ns=None):
    """The same facts with one more remedy in their trace."""
    trace = Recorder()
    trace.records.extend(facts.trace.records)
    trace.instant("fx3/health", text, facts.ended_ns - 1 if at_ns is None else at_ns)
    return replace(facts, trace=trace)


def test_a_real_run_is_clean(paused):
    """Nothing to complain about."""
    assert oracle.check(paused) == ()


def test_a_level_that_is_off(paused):
    """level-1-4-5 has no level 3."""
    found = oracle.check(with_remedy(paused, "level 3: STREAM_WEDGE"))
    assert any("level 3 applied though level-1-4-5 has it off" in text for text in found)


def test_a_level_above_the_ceiling_of_its_status(paused):
    """A stall is answered by level 1 alone; this is the rule that protects a paused reader."""
    found = oracle.check(with_remedy(paused, "level 4: STREAM_STALL"))
    assert any("level 4 for STREAM_STALL is not within 1 to 1" in text for text in found)
    assert any("level 4 applied in legal use" in text for text in found)


def test_a_status_without_a_remedy(paused):
    """A lost clock is reported only."""
    found = oracle.check(with_remedy(paused, "level 1: CLOCK_LOST"))
    assert any("CLOCK_LOST, which has no remedy" in text for text in found)


def test_a_cap_that_is_passed(paused):
    """A sixth use of level 1 within the session."""
    last_ns = paused.remedies[-1].at_ns
    found = oracle.check(with_remedy(paused, "level 1: STREAM_STALL", last_ns + 1))
    assert found == ("level 1 applied 6 times in one session, its cap is 5",)


def test_a_cap_begins_again_with_a_session(paused):
    """A use before the START belongs to another session."""
    start_ns = paused.requests_ns("STARTFX3")[0]
    assert oracle.check(with_remedy(paused, "level 1: STREAM_STALL", start_ns - 1)) == ()


def test_a_higher_cap(paused):
    """Levels 2 to 4 have their caps, given back by proven health."""
    policy = replace(Policy.preset("reference"), name="bent", level_2_cap=1)
    facts = replace(paused, policy=policy, scenario=find("main_death"))
    for offset in range(4):
        facts = with_remedy(facts, "level 2: EP0_DESYNC", facts.ended_ns - 10 + offset)
    assert any("level 2 applied 4 times, its cap is 1" in text for text in oracle.check(facts))


def test_a_watchdog_that_fires_while_main_beats(paused):
    """A watchdog reset right after a beat is a false reset."""
    bent = replace(paused, resets=(Reset(paused.beats_ns[30] + 1_000_000, "watchdog"),), uploads=1)
    found = oracle.check(bent)
    assert any("the watchdog fired 1 ms after a beat" in text for text in found)
    assert any("legal use ended in a reset (watchdog)" in text for text in found)


def test_a_watchdog_that_does_not_fire(paused):
    """A main thread that is silent for longer than P + C must have been reset."""
    bent = replace(paused, ended_ns=paused.ended_ns + 9 * SECOND_NS)
    assert any("without a beat" in text for text in oracle.check(bent))


def test_a_watchdog_that_cannot_is_excused(paused):
    """With the watchdog stuck, or its timer dead, the promise is off."""
    for text in ("watchdog_stuck", "timer_death", "hang:call=sys_watch_dog_clear"):
        bent = replace(
            paused,
            ended_ns=paused.ended_ns + 9 * SECOND_NS,
            triggered=((0, Fault.parse(text)),),
        )
        assert not any("without a beat" in text for text in oracle.check(bent))


def test_a_remedy_where_nobody_decides(paused):
    """With position none no level may act."""
    nobody = replace(paused, position="none")
    assert any("has it off" in text for text in oracle.check(nobody))


def test_a_restart_by_the_host_is_no_session_of_its_own():
    """Level 1 from the host sends STOP and START; its own cap is not renewed by them."""
    facts = run_episode(find("paused_reader"), position="host").facts
    assert [int(item.level) for item in facts.remedies] == [1] * 5
    assert {item.position for item in facts.remedies} == {"host"}
    assert oracle.check(facts) == ()
    tight = replace(facts, policy=replace(facts.policy, name="tight", level_1_cap=4))
    assert any("its cap is 4" in text for text in oracle.check(tight))


def test_remedies_are_read_from_the_trace_in_order():
    """Level, status and time of each, as the firmware noted them before it acted."""
    facts = run_episode(find("cold_start"), firmware="reference").facts
    assert [int(item.level) for item in facts.remedies] == [1, 3, 4]
    assert {item.code.name for item in facts.remedies} <= {"COLD_START", "STREAM_WEDGE"} | {
        "APPLICATION_WEDGED"
    }
    times = [item.at_ns for item in facts.remedies]
    assert times == sorted(times)
