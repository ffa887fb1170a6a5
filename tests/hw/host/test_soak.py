"""The soak: what stops it is fixed before, the host is looked at, the report survives anything."""

from __future__ import annotations

import json
import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from hw.guard import HostState
from hw.guard.disk import Disk
from hw.host.errors import EvidenceError
from hw.host.smoke import Stage, Told
from hw.host.soak import Plan, Soak
from hw.host.soak_record import PLANNED, SCHEMA, SoakReport, StopReason, read_soak, summary_of
from tests.hw.host.made import ago
from tests.hw.host.smoke_bench import PlayedHost, PlayedTime, fail, hang, step


class QuickDisk(Disk):
    """Without waiting for the disk: nothing is unplugged here."""

    def _sync(self, descriptor):
        """Nothing."""


class Bench:
    """A soak in played time; ``script`` says for each iteration what its step does."""

    def __init__(self, tmp_path, plan, script=(), **more):
        self.time, self.host = PlayedTime(), more.pop("host", PlayedHost())
        self.script = list(script)
        self.path = tmp_path / "soak.jsonl"
        self.asked = []
        self.noted = []
        report = SoakReport(self.path, "run", self.time.clock(), more.pop("disk", QuickDisk()))
        self.soak = Soak(
            plan,
            self.steps,
            {"kind": "x", "serial": "0009072C00D52B1F"},
            self.host,
            report,
            runtime=self.time,
            clock=self.time.clock(),
            sleep_ms=more.pop("sleep_ms", self.time.sleep_ms),
            noted=lambda smoke: self.noted.append(smoke) or "",
            **more,
        )

    def steps(self, iteration):
        self.asked.append(iteration)
        do = self.script[iteration - 1] if iteration <= len(self.script) else None
        return (step("a", do), step("b", stage=Stage.IDENTITY, needs=("a",)))

    def run(self):
        self.summary = self.soak.run()
        return self.summary


def plan(**more):
    """No threshold, ten seconds between iterations, a hundred in all."""
    given = {"max_failures": 0, "max_consecutive": 0, **more}
    return Plan(given.pop("duration_ms", 100_000), given.pop("interval_ms", 10_000), **given)


P, F = None, fail


@pytest.mark.parametrize(
    ("thresholds", "script", "stopped_after", "reason"),
    [
        ({"max_iterations": 3}, [P] * 9, 3, StopReason.ITERATIONS),
        ({"max_failures": 2}, [F, P, P, F, P], 4, StopReason.FAILURES),
        ({"max_failures": 1}, [P, F, P], 2, StopReason.FAILURES),
        ({"max_failures": 3, "max_iterations": 4}, [F, P, F, P], 4, StopReason.ITERATIONS),
        ({"max_consecutive": 2}, [F, P, F, F, P], 4, StopReason.CONSECUTIVE),
        ({"max_consecutive": 2, "max_iterations": 4}, [F, P, F, P], 4, StopReason.ITERATIONS),
        ({"abort_on": frozenset((Stage.LINK,))}, [P, F, P], 2, StopReason.STAGE),
        (
            {"abort_on": frozenset((Stage.IDENTITY,)), "max_iterations": 2},
            [F, F],
            2,
            StopReason.ITERATIONS,
        ),
    ],
)
def test_thresholds(tmp_path, thresholds, script, stopped_after, reason):
    """Each at its number, not before; a failure of another stage does not abort."""
    bench = Bench(tmp_path, plan(**thresholds), script)
    summary = bench.run()
    assert summary["iterations"]["ended"] == stopped_after
    assert summary["stop_reason"] == reason.value
    assert summary["iterations"]["failed"] == script[:stopped_after].count(F)
    assert summary["is_pass"] is (F not in script[:stopped_after])


@pytest.mark.parametrize(
    ("duration_ms", "iterations", "slept_ms"),
    [(1, 1, 0), (10_000, 1, 0), (10_001, 2, 10_000), (20_000, 2, 10_000), (20_001, 3, 20_000)],
)
def test_weakness_18_the_last_interval_is_not_slept(tmp_path, duration_ms, iterations, slept_ms):
    """A wait after which nothing could begin is left out, at T and not at T + 1."""
    bench = Bench(tmp_path, plan(duration_ms=duration_ms))
    summary = bench.run()
    assert (summary["iterations"]["ended"], summary["stop_reason"]) == (
        iterations,
        "duration-reached",
    )
    assert sum(bench.time.sleeps) == slept_ms


@pytest.mark.workflow("A.1")
def test_weakness_18_a_new_incident_stops_it_within_one_poll(tmp_path):
    """In the middle of an interval; old incidents do not."""
    bench = Bench(tmp_path, plan())
    slept = []

    def sleep_ms(duration_ms):
        bench.time.sleep_ms(duration_ms)
        slept.append(duration_ms)
        if len(slept) == 3:
            bench.host.crash()

    bench.soak._sleep_ms = sleep_ms
    summary = bench.run()
    assert summary["stop_reason"] == "new-incident"
    assert "0x00000139" in summary["reason"]
    assert slept == [1_000] * 3


def test_incidents_from_before_the_soak_do_not_stop_it(tmp_path):
    """A safe soak is allowed on a host that is not normal; a second crash stops it there too."""
    host = PlayedHost()
    host.crash(ago(hours=9))
    host.state = HostState.FROZEN
    bench = Bench(tmp_path / "one", plan(max_iterations=2), host=host)
    assert bench.run()["stop_reason"] == "max-iterations-reached"

    def crash():
        host.crash(ago(hours=8))
        return Told("done")

    bench = Bench(tmp_path / "two", plan(max_iterations=2), [crash], host=host)
    assert bench.run()["stop_reason"] == "new-incident"


def test_a_crash_between_two_looks_is_told_as_what_it_is(tmp_path):
    """The state is asked for first: what froze the host is among the incidents after it."""
    bench = Bench(tmp_path, plan())
    status = bench.host.status

    def crash_then_answer():
        if bench.time.ms >= 3_000 and not bench.host.found:
            bench.host.crash()
            bench.host.state = HostState.FROZEN
        return status()

    bench.host.status = crash_then_answer
    assert bench.run()["stop_reason"] == "new-incident"


def test_weakness_18_a_host_that_turns_frozen_is_left_alone_before_the_next_step(tmp_path):
    """Whatever froze it; the iteration is not counted as the smoke that an exit needs."""

    def freeze():
        bench.host.state = HostState.FROZEN
        return Told("done")

    bench = Bench(tmp_path, plan(), [P, freeze])
    summary = bench.run()
    assert summary["stop_reason"] == "host-frozen"
    steps = [item for item in read_soak(bench.path).records if item["kind"] == "step"]
    assert [item["outcome"] for item in steps] == ["passed", "passed", "passed", "not run"]
    assert len(bench.noted) == 1


@pytest.mark.parametrize(("look_ms", "looks"), [(1_000, 3), (1_001, 2)])
def test_weakness_16_slow_looks_at_the_host_do_not_outlast_the_steps(tmp_path, look_ms, looks):
    """They are in no budget: before each step where they are quick, else a tenth of the time.

    The one after the iteration is always taken.
    """
    bench = Bench(tmp_path, plan(max_iterations=1))
    status = bench.host.status

    def slow():
        bench.time.ms += look_ms
        return status()

    bench.host.status = slow
    bench.host.looks = 0
    bench.run()
    assert bench.host.looks == looks


def test_weakness_16_an_iteration_is_bounded_by_the_sum_of_its_budgets(tmp_path):
    """Which stands in the report before the first step; a hang costs its own budget."""
    bench = Bench(tmp_path, plan(max_iterations=1), [hang])
    bench.run()
    begin = read_soak(bench.path).records[0]
    assert begin["budgets_ms"] == {"a": 1_000, "b": 1_000}
    assert begin["iteration_budget_ms"] == sum(begin["budgets_ms"].values())
    assert begin["limit_ms"] == begin["plan"]["duration_ms"] + 2_000
    assert bench.time.ms == 1_000


@pytest.mark.parametrize("when", ["before", "iteration", "interval"])
def test_ctrl_c_finishes_the_iteration_and_has_a_summary(tmp_path, when):
    """Asked for at any time."""
    asked = [when == "before"]

    def ask():
        asked[0] = True
        return Told("done")

    bench = Bench(
        tmp_path, plan(), [ask if when == "iteration" else P], is_stopped=lambda: asked[0]
    )
    if when == "interval":
        bench.soak._sleep_ms = lambda duration_ms: ask()
    summary = bench.run()
    assert summary["stop_reason"] == "interrupted"
    ended = 0 if when == "before" else 1
    assert summary["iterations"] == {
        "begun": ended,
        "ended": ended,
        "passed": ended,
        "failed": 0,
    }
    assert read_soak(bench.path).is_finished


def test_a_second_ctrl_c_ends_the_iteration(tmp_path):
    """The report has the iteration as it was left."""

    def press():
        raise KeyboardInterrupt

    bench = Bench(tmp_path, plan(), [P, press])
    assert bench.run()["stop_reason"] == "interrupted"
    assert read_soak(bench.path).summary["iterations"]["failed"] == 1


@pytest.mark.parametrize("reason", StopReason)
def test_weakness_04_only_a_soak_that_ended_as_it_was_planned_passes(tmp_path, reason):
    """A crash of the host, or of the soak, between two good iterations leaves nothing but good."""
    bench = Bench(tmp_path, plan(max_iterations=2))
    assert bench.run()["is_pass"]
    lines = read_soak(bench.path).records[:-1]
    summary = summary_of(lines, reason)
    assert summary["iterations"]["passed"] == summary["iterations"]["begun"] == 2
    assert summary["is_pass"] is (reason in PLANNED)
    assert sorted(PLANNED) == ["duration-reached", "max-iterations-reached"]


def test_weakness_04_each_soak_has_a_report_of_its_own(tmp_path):
    """An old one is never taken for the new: the file must not exist."""
    bench = Bench(tmp_path, plan(max_iterations=1))
    bench.run()
    with pytest.raises(EvidenceError, match="there is a report already"):
        Bench(tmp_path, plan())


def test_weakness_04_a_line_of_another_run_is_none_of_this_report(tmp_path):
    """Neither is one out of its place, or without its fields."""
    bench = Bench(tmp_path, plan(max_iterations=1))
    bench.run()
    lines = bench.path.read_text().splitlines(keepends=True)
    foreign = json.loads(lines[-1]) | {"run_id": "other"}
    for added in (json.dumps(foreign), lines[1], "{}", "[]", '"x"', "{" * 100_000):
        bench.path.write_text("".join(lines[:-1]) + added + "\n")
        found = read_soak(bench.path)
        assert (len(found.records), found.damaged_lines) == (len(lines) - 1, 1)
        assert not found.is_finished
        assert found.summary["stop_reason"] == "not-ended"


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_a_file_that_is_none_is_the_typed_error(content):
    """Whatever it holds."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "soak.jsonl"
        path.write_bytes(content)
        with pytest.raises(EvidenceError):
            read_soak(path)


@given(st.data())
def test_a_report_that_anybody_changed_is_read_or_refused(data):
    """Each line loses, gains or changes fields: a summary, or the typed error."""
    begin = {"schema": SCHEMA, "run_id": "r", "number": 0, "kind": "begin", "utc": "t"}
    values = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.none())
    kinds = st.sampled_from(("begin", "iteration-begin", "step-begin", "step", "iteration", "end"))
    lines = [begin | {"monotonic_ns": 1}]
    for number in range(1, data.draw(st.integers(1, 6))):
        names = ("name", "is_pass", "failed", "stop_reason", "reason", "summary", "monotonic_ns")
        more = data.draw(st.dictionaries(st.sampled_from(names), values))
        lines.append(lines[0] | {"number": number, "kind": data.draw(kinds)} | more)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "soak.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        found = read_soak(path)
        assert len(found.records) + found.damaged_lines == len(lines)
        json.dumps(found.summary)


def test_looks_take_a_tenth_of_the_time_at_most(tmp_path):
    """Where one takes 500 ms the next is due after 5 s, and Ctrl-C is still heard each second."""
    bench = Bench(tmp_path, plan(max_iterations=2, interval_ms=20_000))
    at_ms = []
    status = bench.host.status

    def slow():
        at_ms.append(bench.time.ms)
        bench.time.ms += 500
        return status()

    bench.host.status = slow
    bench.run()
    waits = [later - earlier for earlier, later in pairwise(at_ms)]
    # The last one is the next iteration's own.
    assert [wait for wait in waits if wait > 500] == [5_500, 5_500, 5_500, 3_500]
    assert max(bench.time.sleeps) == 1_000


def test_identifiers_are_hidden_line_by_line(tmp_path):
    """In the first line too, before any step told them."""
    text = "serial 0009072C00D52B1F"
    bench = Bench(tmp_path, plan(max_iterations=1), [lambda: Told(text, {"imei": "8677230399"})])
    bench.run()
    written = bench.path.read_text()
    assert "0009072C00D52B1F" not in written
    assert "8677230399" not in written
    assert '"***1F"' in written


@pytest.mark.parametrize(("every", "deploys"), [(1, [1, 2, 3, 4]), (2, [2, 4]), (6, [])])
def test_which_iterations_deploy(every, deploys):
    """Every Nth, the first of which is the Nth."""
    made = Plan(1, 1, deploy_every=every)
    assert [number for number in range(1, 5) if made.deploys(number)] == deploys


# ---------------------------------------------------------------- killed at every write


class Killed(BaseException):
    """The process is gone."""


class KillingDisk(QuickDisk):
    """Ends at one of its writes, in one of the ways in which a crash can leave it."""

    def __init__(self, point, way):
        self.writes, self.point, self.way = 0, point, way

    def _write(self, descriptor, data):
        self.writes += 1
        if self.writes == self.point:
            length = {"before": 0, "torn": len(data) // 2, "after": len(data)}[self.way]
            super()._write(descriptor, data[:length])
            raise Killed
        super()._write(descriptor, data)


@pytest.mark.parametrize("way", ["before", "torn", "after"])
def test_weakness_17_killed_at_any_write_the_report_is_readable(tmp_path, way):
    """All that was written before stands; a torn line is counted; the summary is computed."""
    point, was_killed = 0, True
    while was_killed:
        point += 1
        bench = Bench(
            tmp_path / str(point),
            plan(max_iterations=2),
            [P, F],
            disk=KillingDisk(point, way),
        )
        try:
            bench.run()
            was_killed = False
        except Killed:
            was_killed = True
        if point == 1 and way != "after":
            with pytest.raises(EvidenceError, match="no line of"):
                read_soak(bench.path)
            continue
        found = read_soak(bench.path)
        written = point if way == "after" or not was_killed else point - 1
        if was_killed:
            assert len(found.records) == written, point
            assert found.damaged_lines == (way == "torn"), point
        kinds = [item["kind"] for item in found.records]
        assert found.is_finished is (kinds[-1] == "end")
        assert found.summary["iterations"]["begun"] == kinds.count("iteration-begin")
        assert found.summary["iterations"]["ended"] == kinds.count("iteration")
        assert not found.summary["is_pass"]
        if kinds[-1] == "step-begin":
            assert found.summary["unfinished_step"] == found.records[-1]["name"]
    assert point == 14


def test_a_report_that_cannot_be_written_stops_the_soak(tmp_path):
    """Nothing is done that it does not have."""

    class FullDisk(QuickDisk):
        writes = 0

        def _write(self, descriptor, data):
            self.writes += 1
            if self.writes > 2:
                raise OSError(28, "No space left on device")
            super()._write(descriptor, data)

    done = []
    bench = Bench(tmp_path, plan(), [lambda: done.append(1)], disk=FullDisk())
    with pytest.raises(EvidenceError, match="No space left"):
        bench.run()
    assert done == []
