"""The states of a host: frozen by what happened, normal only by what was proven."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, strategies as st

from hw.guard import HostState
from hw.host.findings import EvidenceKind, Finding, FindingKind
from hw.host.incidents import incidents
from hw.host.states import (
    Confirmation,
    Evidence,
    Interrupted,
    Memory,
    advance,
    before_confirmation,
    escalation,
)
from tests.hw.host.made import BEFORE, BOOT, NOW, ago, bugcheck

DAY = timedelta(hours=24)
SECOND = timedelta(seconds=1)


def evidence(*crashes: Finding, **more) -> Evidence:
    """Evidence of these crashes, now."""
    return Evidence(now_utc=more.pop("now", NOW), boot=BOOT, incidents=incidents(crashes), **more)


def names(criteria):
    return [criterion.name for criterion in criteria]


def power_loss(time_utc):
    return Finding(FindingKind.UNEXPECTED_RESTART, time_utc, "Kernel-Power 41")


@pytest.mark.workflow("D.1")
@pytest.mark.parametrize(
    ("apart", "is_repeated"), [(DAY - SECOND, True), (DAY, True), (DAY + SECOND, False)]
)
def test_weakness_06_two_bugchecks_of_any_code_within_24_hours_escalate(apart, is_repeated):
    """The window slides: no calendar day, and no special code."""
    later = ago(days=3)
    found = escalation(
        evidence(bugcheck(later - apart, "0x0000009f"), bugcheck(later, "0x000000fe")), None, DAY
    )
    assert names(found) == (["repeated-bugcheck"] if is_repeated else [])


@pytest.mark.workflow("D.2")
@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("0x0000009f", "0x0000009f", ["same-code"]),
        ("0x0000009f", "0x000000fe", []),
        ("", "", []),
    ],
)
def test_weakness_06_the_same_code_in_two_incidents_escalates(first, second, expected):
    """Days apart; a code that is not known is no code that is the same."""
    found = escalation(
        evidence(bugcheck(ago(days=6), first), bugcheck(ago(days=2), second)), None, DAY
    )
    assert names(found) == expected


@pytest.mark.workflow("D.3")
def test_weakness_17_a_restart_before_a_probe_ended_escalates():
    """The journal has its beginning, in another boot, and no end."""
    probe = Interrupted("probe", "serial 1", ago(hours=2), BEFORE)
    memory, status = advance(Memory(), evidence(interrupted=(probe,)))
    assert status.state is HostState.FROZEN
    assert names(status.escalation) == ["interrupted-probe"]
    assert "probe on serial 1" in status.escalation[0].reason
    assert memory.state is HostState.FROZEN


@pytest.mark.parametrize(
    ("planned_boot", "crash", "expected"),
    [
        (BEFORE, None, []),
        ("", None, []),
        (BOOT, None, ["interrupted-probe"]),
        (BEFORE, ago(hours=1, minutes=50), ["interrupted-probe"]),
    ],
)
def test_a_planned_restart_during_a_probe_is_no_escalation(planned_boot, crash, expected):
    """If it was that boot's, and nothing crashed before it."""
    probe = Interrupted("probe", "serial 1", ago(hours=2), BEFORE)
    planned = Finding(FindingKind.PLANNED_RESTART, ago(hours=1), "User32 1074", "", planned_boot)
    crashes = [power_loss(crash)] if crash else []
    found = escalation(evidence(*crashes, interrupted=(probe,), planned=(planned,)), None, DAY)
    assert names(found) == expected


def test_a_calm_host_is_normal():
    """Evidence was read, and nothing happened."""
    memory, status = advance(Memory(), evidence())
    assert (status.state, status.missing, status.escalation) == (HostState.NORMAL, (), ())
    assert memory.since_utc == NOW


@pytest.mark.workflow("A.1")
@pytest.mark.parametrize(
    ("crash", "state"),
    [
        (bugcheck(ago(days=6)), HostState.FROZEN),
        (power_loss(NOW - DAY), HostState.FROZEN),
        (power_loss(NOW - DAY - SECOND), HostState.NORMAL),
    ],
)
def test_any_symptom_freezes(crash, state):
    """A bugcheck as long as there is evidence of it, a restart without a code for a window."""
    assert advance(Memory(), evidence(crash))[1].state is state


def test_what_is_frozen_stays_so_when_its_evidence_grows_old():
    """Time alone never thaws a host."""
    memory, _ = advance(Memory(), evidence(power_loss(ago(hours=1))))
    memory, status = advance(memory, evidence(now=NOW + timedelta(days=30)))
    assert status.state is HostState.FROZEN
    assert "fx3loop host triage" in status.missing[0]


def test_unknown_evidence_is_not_safe():
    """A host without evidence is unknown; a frozen one stays frozen; neither is remembered."""
    missing = ((EvidenceKind.RESTARTS, "access denied"),)
    memory, status = advance(Memory(), evidence(missing=missing))
    assert status.state is HostState.UNKNOWN
    assert status.missing == ("evidence of restarts: access denied",)
    assert memory.state is HostState.NORMAL
    frozen, _ = advance(Memory(), evidence(bugcheck(ago(hours=1))))
    _, status = advance(frozen, evidence(missing=missing))
    assert status.state is HostState.FROZEN
    observing = replace(memory, state=HostState.OBSERVING, triaged_utc=NOW, triaged_boot=BOOT)
    kept, status = advance(observing, evidence(missing=missing))
    assert (kept.state, status.state) == (HostState.OBSERVING, HostState.UNKNOWN)


CRASH = bugcheck(ago(hours=30))
FROZEN = advance(Memory(), evidence(CRASH))[0]


def triaged(memory, at=NOW):
    return replace(memory, triaged_utc=at, triaged_boot=BOOT)


def word(given=NOW, minutes=60):
    return Confirmation("reset", "usb", "serial 1", given, given + timedelta(minutes=minutes))


@pytest.mark.parametrize(
    ("at", "state"),
    [
        (ago(hours=30) - SECOND, HostState.FROZEN),
        (ago(hours=30), HostState.FROZEN),
        (ago(hours=30) + SECOND, HostState.OBSERVING),
    ],
)
def test_evidence_that_was_taken_after_the_incident_lets_it_observe(at, state):
    """A triage from before knows nothing of it."""
    assert advance(triaged(FROZEN, at), evidence(CRASH))[1].state is state


def test_a_triage_of_the_boot_that_was_interrupted_does_not_count():
    """It was made while the probe ran."""
    probe = Interrupted("probe", "serial 1", ago(hours=2), BEFORE)
    memory, _ = advance(Memory(), evidence(interrupted=(probe,)))
    early = replace(memory, triaged_utc=ago(hours=1), triaged_boot=BEFORE)
    assert advance(early, evidence(interrupted=(probe,)))[1].state is HostState.FROZEN
    assert advance(triaged(memory), evidence(interrupted=(probe,)))[1].state is (
        HostState.OBSERVING
    )


@pytest.mark.parametrize(
    "crashed",
    [
        {"crash": Finding(FindingKind.UNEXPECTED_RESTART, ago(hours=2), "journal", "", BEFORE)},
        {"interrupted": (Interrupted("probe", "serial 1", ago(hours=2), BEFORE),)},
    ],
)
@pytest.mark.parametrize(
    ("triage_boot", "smoke_boot", "state"),
    [
        (BEFORE, BOOT, HostState.FROZEN),
        (BOOT, BEFORE, HostState.OBSERVING),
        (BOOT, BOOT, HostState.NORMAL),
    ],
)
def test_what_was_done_in_the_boot_that_crashed_is_never_newer_than_the_crash(
    crashed, triage_boot, smoke_boot, state
):
    """Its last mark on the disk may be minutes older than its end: a soak runs on meanwhile."""
    crash = [crashed["crash"]] if "crash" in crashed else []
    seen = evidence(*crash, interrupted=crashed.get("interrupted", ()))
    memory, status = advance(
        Memory(
            triaged_utc=ago(hours=1),
            triaged_boot=triage_boot,
            smoke_utc=ago(hours=1),
            smoke_boot=smoke_boot,
        ),
        seen,
    )
    expected = HostState.FROZEN if state is HostState.FROZEN else HostState.OBSERVING
    assert status.state is expected
    after = replace(memory, confirmations=(word(),))
    assert advance(after, seen)[1].state is state
    assert ("fx3loop host smoke" in " ".join(status.missing)) is (smoke_boot == BEFORE)


@pytest.mark.workflow("E.1")
@pytest.mark.workflow("E.2")
@pytest.mark.workflow("E.3")
@pytest.mark.parametrize("has_smoke", [True, False])
@pytest.mark.parametrize("is_free", [True, False])
@pytest.mark.parametrize("has_word", [True, False])
def test_only_all_three_exit_criteria_end_it(has_smoke, is_free, has_word):
    """Each that is open is named."""
    crash = CRASH if is_free else bugcheck(ago(hours=23))
    memory = triaged(advance(Memory(), evidence(crash))[0])
    memory = replace(
        memory,
        smoke_utc=NOW if has_smoke else ago(hours=31),
        confirmations=(word(),) if has_word else (),
    )
    after, status = advance(memory, evidence(crash))
    is_normal = has_smoke and is_free and has_word
    assert status.state is (HostState.NORMAL if is_normal else HostState.OBSERVING)
    if is_normal:
        assert (after.closed_utc, after.closed_by) == (NOW, "reset on serial 1")
        assert "reset on serial 1" in status.reasons[-1]
    else:
        told = " ".join(status.missing)
        assert ("fx3loop host smoke" in told) is not has_smoke
        assert ("24 h without a bugcheck" in told) is not is_free


@pytest.mark.workflow("E.2")
@pytest.mark.parametrize(
    ("age", "state"),
    [
        (DAY - SECOND, HostState.OBSERVING),
        (DAY, HostState.NORMAL),
        (DAY + SECOND, HostState.NORMAL),
    ],
)
def test_the_window_ends_exactly(age, state):
    """24 h after the last mark of the last bugcheck."""
    crash = bugcheck(NOW - age)
    memory = triaged(advance(Memory(), evidence(crash))[0])
    memory = replace(memory, smoke_utc=NOW, confirmations=(word(),))
    assert advance(memory, evidence(crash))[1].state is state


@pytest.mark.parametrize(
    ("given_s_ago", "minutes", "counts"),
    [(60, 1, False), (59, 1, True), (-1, 60, False), (31 * 3600, 3000, False)],
)
def test_a_word_expires_and_one_from_before_the_incident_is_void(given_s_ago, minutes, counts):
    """At its time, not after it; from the future it does not count; and not from before."""
    memory = replace(
        triaged(FROZEN),
        smoke_utc=NOW,
        confirmations=(word(ago(seconds=given_s_ago), minutes),),
    )
    state = advance(memory, evidence(CRASH))[1].state
    assert (state is HostState.NORMAL) is counts


def test_the_word_comes_last():
    """Before the others are met it is refused with what is open; afterwards it is welcome."""
    told = before_confirmation(FROZEN, evidence(CRASH))
    assert ["triage" in told[0], "smoke" in told[1]] == [True, True]
    observing, _ = advance(triaged(FROZEN), evidence(CRASH))
    assert len(before_confirmation(observing, evidence(CRASH))) == 1
    ready = replace(observing, smoke_utc=NOW)
    assert before_confirmation(ready, evidence(CRASH)) == ()
    missing = ((EvidenceKind.RESTARTS, "access denied"),)
    assert before_confirmation(Memory(), evidence(missing=missing)) == (
        "evidence of restarts: access denied",
    )


def closed():
    """A host whose episode has ended."""
    memory = replace(triaged(FROZEN), smoke_utc=NOW, confirmations=(word(),))
    return advance(memory, evidence(CRASH))[0]


def test_history_does_not_freeze_again_but_counts_for_the_same_code():
    """What is closed is closed; a new crash of the same code escalates at once."""
    memory = closed()
    later = NOW + timedelta(hours=1)
    assert advance(memory, evidence(CRASH, now=later))[1].state is HostState.NORMAL
    again = bugcheck(NOW + timedelta(minutes=30))
    memory, status = advance(memory, evidence(CRASH, again, now=later))
    assert status.state is HostState.FROZEN
    assert names(status.escalation) == ["same-code"]
    assert memory.confirmations == ()


def test_a_crash_while_observing_freezes_again():
    """The evidence that was taken does not know of it."""
    observing, _ = advance(triaged(FROZEN), evidence(CRASH))
    later = NOW + timedelta(hours=1)
    new = bugcheck(NOW + timedelta(minutes=30), "0x0000009f")
    assert advance(observing, evidence(CRASH, new, now=later))[1].state is HostState.FROZEN


@st.composite
def histories(draw):
    """Looks at a host: time passes, things happen, the operator does things."""
    return draw(
        st.lists(
            st.tuples(
                st.integers(1, 30),
                st.sampled_from(
                    ["none", "bugcheck", "restart", "triage", "smoke", "word", "blind"]
                ),
            ),
            max_size=30,
        )
    )


@given(histories())
def test_normal_is_never_reached_but_by_the_exit_criteria(history):
    """After an incident, normal needs triage, smoke and word after it, in any order of looks."""
    memory, crashes, now = Memory(), [], NOW
    last = {"crash": None, "bugcheck": None, "triage": None, "smoke": None, "word": None}
    for hours, what in history:
        now += timedelta(hours=hours)
        if what in ("bugcheck", "restart"):
            crashes.append(bugcheck(now) if what == "bugcheck" else power_loss(now))
            last["crash"] = now
            last["bugcheck"] = now if what == "bugcheck" else last["bugcheck"]
        elif what == "triage":
            memory = triaged(memory, now)
        elif what == "smoke":
            memory = replace(memory, smoke_utc=now)
        elif what == "word":
            memory = replace(memory, confirmations=(word(now),))
        if what in ("triage", "smoke", "word"):
            last[what] = now
        blind = ((EvidenceKind.RESTARTS, "denied"),) if what == "blind" else ()
        before = memory.state
        memory, status = advance(memory, evidence(*crashes, now=now, missing=blind))
        if blind:
            assert status.state is not HostState.NORMAL
        if before is not HostState.NORMAL and memory.state is HostState.NORMAL:
            crash = last["crash"]
            assert all(last[step] and last[step] > crash for step in ("triage", "smoke", "word"))
            assert last["bugcheck"] is None or now - last["bugcheck"] >= DAY
        if what in ("bugcheck", "restart"):
            assert status.state is HostState.FROZEN


@pytest.mark.parametrize(
    ("smoke", "state"),
    [
        (ago(hours=30), HostState.OBSERVING),
        (ago(hours=30) + SECOND, HostState.NORMAL),
    ],
)
def test_a_smoke_run_counts_only_after_the_incident(smoke, state):
    """Not at the same moment."""
    memory = replace(triaged(FROZEN), smoke_utc=smoke, confirmations=(word(),))
    assert advance(memory, evidence(CRASH))[1].state is state


def test_a_word_from_before_the_incident_was_seen_is_void():
    """The crash is older than the word, but its traces came later: the operator did not know."""
    memory = replace(Memory(), confirmations=(word(ago(minutes=30)),))
    memory, _ = advance(memory, evidence(CRASH))
    memory = replace(triaged(memory), smoke_utc=NOW)
    assert advance(memory, evidence(CRASH))[1].state is HostState.OBSERVING


def test_a_restart_that_froze_the_host_is_not_forgotten_after_the_window():
    """A triage from before it is still too old."""
    loss = power_loss(ago(hours=1))
    memory, _ = advance(Memory(), evidence(loss))
    later = evidence(loss, now=NOW + timedelta(hours=30))
    assert advance(triaged(memory, ago(hours=2)), later)[1].state is HostState.FROZEN


def test_nothing_gets_better_while_evidence_is_missing():
    """Neither frozen to observing nor observing to normal, in what is remembered either."""
    missing = ((EvidenceKind.BUGCHECKS, "access denied"),)
    assert advance(triaged(FROZEN), evidence(CRASH, missing=missing))[0].state is HostState.FROZEN
    observing, _ = advance(triaged(FROZEN), evidence(CRASH))
    ready = replace(observing, smoke_utc=NOW, confirmations=(word(),))
    assert advance(ready, evidence(CRASH, missing=missing))[0].state is HostState.OBSERVING
    assert advance(ready, evidence(CRASH))[0].state is HostState.NORMAL
