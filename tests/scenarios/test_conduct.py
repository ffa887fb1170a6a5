"""The rules of conduct see what they are there for: real runs, bent one at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from health import Level, Outcome, Policy, StatusCode, level_bit
from scenarios import conduct, oracle
from scenarios.registry import INCIDENTS, find
from scenarios.runner import run_episode
from scenarios.witness import Act, Life

MILLION = 1_000_000
ALL_LEVELS = sum(level_bit(level) for level in Level if level is not Level.WATCHDOG)


def act(at_ns, level, code, outcome=Outcome.DONE, available=ALL_LEVELS):
    """One act that took a millisecond."""
    return Act(at_ns, level, code, 0, available, True, outcome, at_ns + MILLION)


def bent(facts, *acts):
    """The same facts with other acts in the first life."""
    life = facts.lives[0]
    other = Life(list(acts), life.armed_ms, life.looks_ms, life.pets_ns)
    return replace(facts, lives=(other, *facts.lives[1:]))


@pytest.fixture(scope="module")
def slow():
    """Four handlers that hang below their limit, and nothing that acts."""
    return run_episode(find("slow_handler")).facts


def test_a_remedy_in_the_middle_of_a_handler(slow):
    """Level 2 or 3 while a setup handler is in progress; before and after it is right."""
    begin, end = max(conduct.handlers_ns(slow), key=lambda span: span[1] - span[0])
    assert 1_840 * MILLION < end - begin < 1_860 * MILLION
    rule = conduct.no_remedy_waits_for_a_handler
    for at_ns, is_wrong in ((begin, False), (begin + 1, True), (end - 1, True), (end, False)):
        facts = bent(slow, act(at_ns, Level.EP0, StatusCode.EP0_DESYNC))
        assert bool(list(rule(facts))) is is_wrong
        assert not list(rule(bent(slow, act(at_ns, Level.STREAM, StatusCode.STREAM_STALL))))


def test_a_handler_that_was_not_over_its_limit(slow):
    """Level 4 for a handler that ends in time is a false reset."""
    _, end = max(conduct.handlers_ns(slow), key=lambda span: span[1] - span[0])
    facts = bent(slow, act(end - 1, Level.DEVICE_RESET, StatusCode.EP0_WEDGED))
    assert any("no handler was over its limit" in text for text in oracle.check(facts))


@pytest.mark.parametrize(("after_ms", "is_wrong"), [(997, True), (999, False), (1_000, False)])
def test_a_remedy_has_a_second_to_settle(slow, after_ms, is_wrong):
    """The next level comes 1000 ticks after the end of the last, which are 999 ms or more."""
    first = act(5_000 * MILLION, Level.STREAM, StatusCode.COLD_START)
    second = act(first.ended_ns + after_ms * MILLION, Level.APPLICATION, StatusCode.STREAM_WEDGE)
    found = list(conduct.remedies_settle(bent(slow, first, second)))
    assert bool(found) is is_wrong
    failed = replace(first, outcome=Outcome.FAILED)
    assert not list(conduct.remedies_settle(bent(slow, failed, second)))


def test_a_rung_that_was_left_out(slow):
    """From 1 to 4 without 3; where 3 is not available it is right."""
    first = act(5_000 * MILLION, Level.STREAM, StatusCode.COLD_START)
    second = act(8_000 * MILLION, Level.DEVICE_RESET, StatusCode.STREAM_WEDGE)
    found = list(conduct.climbs_are_kept(bent(slow, first, second)))
    assert found == ["level 4 for STREAM_WEDGE though level 3 was not tried"]
    without_3 = replace(second, available=ALL_LEVELS & ~level_bit(Level.APPLICATION))
    assert not list(conduct.climbs_are_kept(bent(slow, first, without_3)))


@pytest.mark.parametrize(("after_ms", "is_wrong"), [(9_998, True), (9_999, False)])
def test_down_only_after_proven_health(slow, after_ms, is_wrong):
    """The first level again within 10 s says that nothing was learnt."""
    first = act(5_000 * MILLION, Level.APPLICATION, StatusCode.APPLICATION_WEDGED)
    again = act(first.ended_ns + after_ms * MILLION, Level.STREAM, StatusCode.STREAM_WEDGE)
    found = [text for text in conduct.climbs_are_kept(bent(slow, first, again)) if "health" in text]
    assert bool(found) is is_wrong


@pytest.mark.parametrize("seed", range(2, 8))
@pytest.mark.parametrize("scenario", INCIDENTS, ids=lambda scenario: scenario.name)
def test_the_reference_answers_in_every_phase(scenario, seed):
    """Levels and windows hold whatever the phase of the main loop."""
    row = run_episode(scenario, firmware="reference", seed=seed).row
    assert row.is_good, row.reasons


@pytest.fixture(scope="module")
def wedged():
    """A wedge that level 1 does not mend."""
    return run_episode(find("application_wedge")).facts


@pytest.mark.parametrize(("late_ms", "is_wrong"), [(-6, True), (-4, False), (3, False), (5, True)])
def test_the_second_level_comes_in_its_time(wedged, late_ms, is_wrong):
    """Four looks after a level that failed: 404 ms here, 399 to 408 at all."""
    first, second = wedged.lives[0].acts
    assert second.at_ns - first.ended_ns == 404 * MILLION
    other = replace(second, at_ns=second.at_ns + late_ms * MILLION)
    found = list(conduct.reference_answers(bent(wedged, first, other)))
    assert any("after the end of level 1, expected 399 to 408 ms" in text for text in found) is (
        is_wrong
    )


def reporting(facts, *codes):
    """The same facts with a module of somebody's own that reported these."""
    return replace(facts, lives=(replace(facts.lives[0], reported=list(codes)), *facts.lives[1:]))


def test_a_status_by_another_name(wedged):
    """A module has to say what it saw; the reference module's own words are not looked at."""
    right = (StatusCode.STREAM_WEDGE, StatusCode.APPLICATION_WEDGED)
    assert not list(conduct.reference_answers(wedged))
    assert not list(conduct.reference_answers(reporting(wedged, *right)))
    for codes in ((), right[:1], right[::-1]):
        found = list(conduct.reference_answers(reporting(wedged, *codes)))
        assert any("expected STREAM_WEDGE, APPLICATION_WEDGED" in text for text in found)


def test_a_status_that_nobody_looks_for(wedged):
    """A limit of 0 is off: level-1-4-5 looks for stalls and wedged setup handlers alone."""
    rule = conduct.only_what_is_looked_for_is_reported
    shipped = replace(wedged, policy=Policy.preset("level-1-4-5"))
    for code in StatusCode:
        if code is StatusCode.OK:
            continue
        assert not list(rule(reporting(wedged, code)))
        is_off = code not in (StatusCode.STREAM_STALL, StatusCode.EP0_WEDGED)
        assert bool(list(rule(reporting(shipped, code)))) is is_off
