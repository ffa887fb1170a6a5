"""The smoke run: whatever a step does, the report has all of them and says why."""

from __future__ import annotations

import json
import threading
from datetime import datetime, timedelta

import pytest

from hw.errors import DeniedError, JournalError
from hw.guard import HostState, RiskMode
from hw.host.errors import EvidenceError
from hw.host.smoke import NotRun, Outcome, Stage, StepFailed, Told, budget_ms, run_smoke
from hw.host.smoke_host import count, evidence_step
from hw.runtime import ThreadRuntime
from tests.hw.host.smoke_bench import PlayedHost, PlayedTime, fail, hang, step


def run(*steps, time=None, **more):
    """Run steps in no time."""
    time = time or PlayedTime()
    return run_smoke(
        steps, run_id="r", about={"kind": "x"}, runtime=time, clock=time.clock(), **more
    )


def outcomes(report):
    """Name and outcome of each step."""
    return {item.step.name: item.outcome.value for item in report.results}


def raising(error):
    """A step that raises."""

    def do():
        raise error

    return do


def test_weakness_16_a_step_that_hangs_costs_its_budget_and_no_report():
    """It is left behind; what does not need it is run; the run ends within the sum of budgets."""
    time = PlayedTime()
    steps = (step("a", hang), step("b", needs=("a",)), step("c", budget_ms=500))
    report = run(*steps, time=time)
    assert outcomes(report) == {"a": "failed", "b": "not run", "c": "passed"}
    assert "its budget of 1000 ms is spent" in report.results[0].text
    assert report.results[1].text == "it needs the step a, which failed"
    assert time.ms == 1_000 <= budget_ms(steps) == 2_500
    assert json.loads(json.dumps(report.as_dict()))["counts"] == {
        "passed": 1,
        "failed": 1,
        "not run": 1,
    }


def test_weakness_16_a_real_thread_that_hangs_is_left_behind():
    """Not only in played time."""
    let_go = threading.Event()

    def wait():
        let_go.wait(30)
        return Told("late")

    report = run_smoke(
        (step("a", wait, budget_ms=50), step("b")),
        run_id="r",
        about={},
        runtime=ThreadRuntime(),
        clock=PlayedTime().clock(),
    )
    let_go.set()
    assert outcomes(report) == {"a": "failed", "b": "passed"}


@pytest.mark.parametrize(
    ("error", "outcome", "text"),
    [
        (StepFailed("no", {"why": "x"}), "failed", "no"),
        (NotRun("cannot say"), "not run", "cannot say"),
        (DeniedError("repl", "mode safe", "mode"), "not run", "mode safe"),
        (EvidenceError("journal", "gone"), "failed", "journal: gone"),
        (ZeroDivisionError(), "failed", "ZeroDivisionError"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), "failed", "utf-8"),
    ],
)
def test_whatever_a_step_raises_is_its_outcome(error, outcome, text):
    """And the next is run."""
    report = run(step("a", raising(error)), step("b"))
    assert outcomes(report) == {"a": outcome, "b": "passed"}
    assert text in report.results[0].text
    json.dumps(report.as_dict())


def test_ctrl_c_leaves_a_whole_report_and_gives_the_device_back():
    """What is left is not run, but for the release."""
    report = run(
        step("a"),
        step("b", raising(KeyboardInterrupt())),
        step("c"),
        step("release", stage=Stage.RELEASE),
    )
    assert outcomes(report) == {
        "a": "passed",
        "b": "not run",
        "c": "not run",
        "release": "passed",
    }
    assert report.was_interrupted
    assert not report.is_pass


def test_weakness_04_a_run_of_which_nothing_was_run_does_not_pass():
    """Neither does one whose only pass is a step that does not touch the device."""
    assert not run().is_pass
    assert not run().is_complete
    assert not run(step("a", why_not="no")).is_pass
    host = run(step("a", why_not="no"), step("evidence", touches_device=False))
    assert not host.is_pass
    assert run(step("a")).is_pass
    assert not run(step("a"), step("b", fail)).is_pass


def test_complete_is_every_required_step_passed():
    """A step that is not part of the safe smoke may be left out."""
    assert run(step("a"), step("r", why_not="x", is_required=False)).is_complete
    assert not run(step("a"), step("b", why_not="x")).is_complete
    left_out = run(step("a"), step("b", raising(NotRun("x"))))
    assert (left_out.is_pass, left_out.is_complete) == (True, False)


def test_a_host_that_freezes_holds_what_touches_the_device():
    """From the next step on; the host itself is still looked at."""
    held = []

    def freeze():
        held.append("host-frozen: oops")
        return Told("done")

    report = run(
        step("a", freeze),
        step("b"),
        step("evidence", touches_device=False),
        hold=lambda: held[0] if held else "",
    )
    assert outcomes(report) == {"a": "passed", "b": "not run", "evidence": "passed"}
    assert report.results[1].text == "host-frozen: oops"


def test_a_step_whose_begin_cannot_be_recorded_is_not_done():
    """Nothing is done that a crash would leave unknown."""
    done = []

    def begins(which):
        raise JournalError("note", "disk full")

    with pytest.raises(JournalError):
        run(step("a", lambda: done.append(1)), begins=begins)
    assert done == []


def test_weakness_24_times_are_utc_and_durations_monotonic():
    """A wall clock that jumps changes no duration; each time names its zone; there is a schema."""
    time = PlayedTime()

    def jump():
        time.ms += 250
        time.wall_jump_s = -3_600
        return Told("done")

    told = run(step("a", jump), time=time).as_dict()
    assert next(iter(told)) == "schema"
    assert told["schema"] == "fx3loop.host-smoke/1"
    (only,) = told["steps"]
    assert (only["duration_ms"], told["duration_ms"]) == (250, 250)
    assert only["ended_monotonic_ns"] - only["begun_monotonic_ns"] == 250_000_000
    begun = datetime.fromisoformat(only["begun_utc"])
    assert begun.utcoffset() == timedelta(0)
    assert datetime.fromisoformat(only["ended_utc"]) < begun


def test_weakness_15_identifiers_are_hidden_wherever_they_stand():
    """In their own field, in any text, in nested facts; two digits tell two apart."""
    facts = {
        "imei": "867723039999989",
        "ports": [{"serial": "0009072C00D52B1F", "port": "/dev/ttyUSB2"}],
    }
    text = "867723039999989 at 10.0.0.17, serial 0009072C00D52B1F"
    report = run(step("a", lambda: Told(text, facts)), step("b", raising(StepFailed(text))))
    hidden = json.dumps(report.as_dict())
    assert "867723039999989" not in hidden
    assert "0009072C00D52B1F" not in hidden
    assert "10.0.0.17" not in hidden
    assert report.as_dict()["steps"][0]["facts"]["imei"] == "***89"
    assert report.as_dict()["steps"][0]["facts"]["ports"][0]["port"] == "/dev/ttyUSB2"
    shown = json.dumps(report.as_dict(shows_identifiers=True))
    assert shown.count("867723039999989") == 3
    assert report.as_dict()["identifiers"] == "hidden"


# ---------------------------------------------------------------- the host


@pytest.mark.parametrize("state", list(HostState))
@pytest.mark.parametrize("is_real", [True, False])
def test_evidence_passes_where_it_can_be_had(state, is_real):
    """Frozen is no failure of the device; unknown is one where the device is real."""
    host = PlayedHost()
    host.state = state
    (result,) = run(evidence_step(host, is_real=is_real)).results
    unknown = Outcome.FAILED if is_real else Outcome.NOT_RUN
    assert result.outcome is (unknown if state is HostState.UNKNOWN else Outcome.PASSED)


@pytest.mark.workflow("E.1")
def test_only_a_complete_safe_pass_of_a_real_device_counts():
    """Each of the four is missing once."""
    good = run(step("a"))
    left_out = run(step("a"), step("b", why_not="x"))
    bad = run(step("a", fail))
    safe, standard = RiskMode.SAFE, RiskMode.STANDARD
    cases = [
        (good, True, safe, "", (True, True)),
        (good, False, safe, "the target is simulated", None),
        (good, True, standard, "risk mode standard is not safe", None),
        (left_out, True, safe, "it is not complete", (True, False)),
        (bad, True, safe, "it did not pass", (False, False)),
    ]
    for report, is_real, mode, told, noted in cases:
        host = PlayedHost()
        assert count(report, host, is_real=is_real, risk_mode=mode) == told
        assert host.noted == ([noted] if noted else [])
