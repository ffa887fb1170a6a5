"""Programs that open, read and close under each handler of CLEAR_FEATURE (incident F10)."""

from __future__ import annotations

import pytest

from scenarios.lab.clear_feature import MEANING, Handler, Program, run, shares
from scenarios.option_text import CHOICES

VISITS = 12


def test_the_handlers_are_those_of_the_option():
    assert {handler.value for handler in Handler} == set(CHOICES["clear_halt_handler"])
    assert set(MEANING) == set(Handler)


@pytest.mark.parametrize("stops", [True, False])
@pytest.mark.parametrize("sets_clock", [True, False])
def test_as_shipped_every_program_is_served(stops, sets_clock):
    outcome = run(Handler.FLUSH, Program(stops=stops, sets_clock=sets_clock), visits=VISITS)
    assert (outcome.failed, outcome.never_served) == (0, 0)
    assert outcome.remedies == ()
    assert outcome.recovery_ms == ()


def test_with_an_acknowledgement_alone_only_the_first_is_served():
    """Commit 309fb4e: ACK-only broke all bulk transfers; retries do not help either."""
    outcome = run(Handler.ACK, Program(), visits=VISITS)
    assert outcome.never_served == VISITS - 1
    assert {
        (fail.buffers, fail.gpif_state) for item in outcome.visits for fail in item.failures
    } == {(8, 9)}


def test_with_a_stall_alone_the_next_program_after_a_kill_fails_once():
    """Commit a2d956c: I/O errors with DMA count 8 and state 9; the retry's STOPFX3 flushes."""
    killed = run(Handler.STALL, Program(stops=False, sets_clock=False), visits=VISITS)
    assert (killed.failed, killed.never_served) == (VISITS - 1, 0)
    assert all(500 < taken_ms < 600 for taken_ms in killed.recovery_ms)
    assert run(Handler.STALL, Program(), visits=VISITS).failed == 0


def test_a_teardown_amid_a_stream_costs_the_firmware():
    outcome = run(Handler.TEARDOWN, Program(stops=False), visits=4)
    assert outcome.failed == len(outcome.resets) == 3
    assert all(5_000 < taken_ms < 12_000 for taken_ms in outcome.recovery_ms)


def test_deferred_to_level_2_most_programs_fail_and_some_for_good():
    outcome = run(Handler.DEFERRED, Program(), visits=VISITS)
    assert outcome.failed > VISITS // 2
    assert outcome.never_served
    assert set(outcome.remedies) == {2}
    assert len(outcome.remedies) >= VISITS
    assert outcome.visits[0].failures[0].in_mid_stream


def test_who_waits_for_a_poll_is_served():
    """The share that fails falls to nothing with the poll interval, 100 ms."""
    (at_once, late) = shares(Handler.DEFERRED, (0, 101), visits=VISITS)
    assert at_once[1] > 0.5
    assert late == (101, 0.0)


def test_the_same_seed_gives_the_same_outcome():
    assert run(Handler.DEFERRED, Program(), visits=4) == run(Handler.DEFERRED, Program(), visits=4)
