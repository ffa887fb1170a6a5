"""Every phase against the closed forms, and the argument that lets most of them be one run."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner
from hypothesis import given, settings, strategies as st

from health import Policy
from scenarios.cli import cli
from scenarios.errors import InputError
from scenarios.lab import phases, strikes
from scenarios.lab.bench import LabBench
from scenarios.lab.bounds import Condition, Interval, bounds
from scenarios.lab.phases import Search, combined, disagreement, explore, search
from sim.options import Options

MS = 1_000_000
LATEST = LabBench.of("reference")
SMALL = Policy(
    name="small",
    poll_interval_ms=20,
    pet_interval_ms=60,
    hwdt_period_ms=200,
    level_1_budget_ms=5,
    stream_stall_ms=50,
    ep0_limit_ms=1_010,
    host_control_timeout_ms=100,
    usb_event_limit_ms=1_000,
    usb_event_wedged_first_level=4,
    usb_event_wedged_ceiling=4,
    cold_start_ms=70,
    cold_start_first_level=1,
    cold_start_ceiling=1,
)
"""A whole space of 60 cells, with limits that are no multiple of the poll interval."""
QUICK = tuple(item for item in Condition if item is not Condition.DMA_ERROR)


@pytest.mark.parametrize("condition", QUICK)
def test_merged_onsets_are_what_each_would_be_alone(condition):
    """Unmerged runs all over a cell: within the merged extremes, and one decision a stretch."""
    offset_ticks = strikes.first_tick(SMALL, LATEST)
    (whole,) = [item for item in phases.searches(condition, SMALL, LATEST) if item.first == 0]
    for cell in (0, 17, 43):
        part = replace(whole, first=cell, last=cell + 1)
        found = search(part)
        searcher = phases._Searcher(part)
        ends = searcher.onsets_ns(cell)
        onsets = [*range(ends[0], ends[-1], 1_370_001), ends[-1]]
        offset_ms = (offset_ticks + cell) % SMALL.poll_interval_ms
        answers = [
            strikes.run(condition, SMALL, LATEST, offset_ms, onset_ns, searcher.horizon_ns)
            for onset_ns in onsets
        ]
        slack_ns = searcher.resolution_ns
        for answer in answers:
            assert answer.latency_ns >= found.best.latency_ns - slack_ns
            assert answer.latency_ns <= found.worst.latency_ns + slack_ns
        # The last of a cell's onsets may let a poll fall into START: a stretch of its own.
        held_up_ns = part.start_ns + LATEST.pet_ns(SMALL)
        decided = [item.at_ns for item in answers if item.onset_ns < ends[-1] - held_up_ns]
        assert decided == sorted(decided)
        if condition not in (Condition.STREAM_STALL, Condition.COLD_START):
            assert len({answer.decision for answer in answers}) == 1


@pytest.mark.parametrize("condition", QUICK)
def test_cells_tile_the_onsets_of_each_offset(condition):
    """One cell ends at the ns before the next of the same offset begins."""
    searcher = phases._Searcher(Search(condition, SMALL, LATEST, 0, 60, 220_000))
    interval = SMALL.poll_interval_ms
    for cell in range(SMALL.pet_interval_ms):
        following = searcher.onsets_ns(cell + interval)
        assert searcher.onsets_ns(cell)[-1] + 1 == following[0]


def test_cells_a_pet_interval_apart_are_the_same_run():
    """Nothing else knows the time: the same onset one pet interval later, shifted."""
    for condition in QUICK:
        searcher = phases._Searcher(Search(condition, SMALL, LATEST, 0, 60))
        for cell in (0, 7, 59):
            offset_ms = (searcher.base + cell) % SMALL.poll_interval_ms
            latencies = {
                strikes.run(
                    condition,
                    SMALL,
                    LATEST,
                    offset_ms,
                    searcher.onsets_ns(cell)[0] + periods * 60 * MS,
                    searcher.horizon_ns,
                ).latency_ns
                for periods in (0, 1, 5)
            }
            if condition is Condition.STREAM_STALL:
                assert max(latencies) - min(latencies) <= 20 * MS
            else:
                assert len(latencies) == 1


def test_the_whole_space_of_a_small_policy_agrees():
    """Each condition: equality, or within the slack that its bound states."""
    results = explore(SMALL, LATEST, QUICK)
    for result in results.values():
        assert result.disagreement == ""
        assert result.found is not None
        assert result.onsets == 60 * 20


@pytest.mark.parametrize(
    ("low_ns", "high_ns"),
    [(1, 0), (-1, 0), (0, 1), (0, -1)],
    ids=["low+", "low-", "high+", "high-"],
)
def test_a_formula_that_is_off_by_a_nanosecond_is_found(low_ns, high_ns):
    """Equality means equality: for a condition without slack each end counts."""
    bound = bounds(SMALL, LATEST)[Condition.MAIN_DEATH]
    assert bound.detection is not None
    whole = phases.searches(Condition.MAIN_DEATH, SMALL, LATEST)
    found = combined([search(part) for part in whole])
    assert disagreement(bound, found) == ""
    detection = Interval(bound.detection.low_ns + low_ns, bound.detection.high_ns + high_ns)
    assert disagreement(replace(bound, detection=detection), found)


def test_the_number_of_workers_changes_nothing():
    """Same cells, same runs, same extremes."""
    chosen = (Condition.MAIN_DEATH, Condition.STREAM_STALL)
    assert explore(SMALL, LATEST, chosen, jobs=1) == explore(SMALL, LATEST, chosen, jobs=2)


def test_what_is_not_seen_is_never_answered():
    """A policy without level 5 or limits: 20 s in many phases, and nothing happens."""
    blind = replace(Policy.preset("none"), name="blind", poll_interval_ms=100, pet_interval_ms=800)
    results = explore(blind, LATEST, QUICK)
    for result in results.values():
        assert result.found is None
        assert result.runs >= 16
        assert result.disagreement == ""


def test_without_pets_the_offset_alone_is_left():
    """No look of the gate, so polls I apart are the same: 100 cells instead of 3000."""
    assert phases.cells_of(Policy.preset("level-1-4")) == 100
    assert phases.cells_of(Policy.preset("level-1-4-5")) == 3_000
    (result,) = explore(Policy.preset("level-1-4"), LATEST, (Condition.EP0_BLOCKED,)).values()
    assert result.disagreement == ""
    assert result.runs == 200


def test_a_space_that_is_too_large_is_refused():
    """A pet each 70 s: the message names the field and the largest value."""
    slow = Policy(name="slow", pet_interval_ms=70_000, hwdt_period_ms=200_000)
    with pytest.raises(InputError, match=r"pet_interval_ms = 70000: 60000 ms"):
        explore(slow, LATEST)


def test_an_answer_to_what_is_said_to_be_unseen_is_found(monkeypatch):
    """A formula that forgets a level does not get away with it."""
    forgets = {
        condition: replace(bound, level=None, detection=None, unseen="forgotten")
        for condition, bound in bounds(SMALL, LATEST).items()
    }
    monkeypatch.setattr(phases, "bounds", lambda policy, bench: forgets)
    (result,) = explore(SMALL, LATEST, (Condition.EP0_BLOCKED,)).values()
    assert "level 4 answered" in result.disagreement


# ---------------------------------------------------------------- presets and random policies


def deciding_cells(policy: Policy, limit_ms: int) -> set[int]:
    """The cells that hold the extremes: beside a look, and where the deciding poll meets one."""
    interval, pets = policy.poll_interval_ms, policy.pet_interval_ms
    whole_ms = -(-limit_ms // interval) * interval
    return {0, 1, pets - 1, -(whole_ms + interval) % pets}


def agrees_at_its_extremes(policy: Policy, bench: LabBench, condition: Condition) -> None:
    bound = bounds(policy, bench)[condition]
    if bound.detection is None:
        return
    limit_ms = {
        Condition.EP0_BLOCKED: policy.ep0_limit_ms,
        Condition.USB_EVENT_BLOCKED: policy.usb_event_limit_ms,
        Condition.COLD_START: policy.cold_start_ms,
    }.get(condition, 0)
    (whole, *_) = phases.searches(condition, policy, bench)
    found = combined(
        [
            search(replace(whole, first=cell, last=cell + 1))
            for cell in sorted(deciding_cells(policy, limit_ms))
        ]
    )
    assert disagreement(bound, found) == "", f"{policy} {bench}"


@pytest.mark.parametrize("firmware", ["fw-2.3", "reference"])
@pytest.mark.parametrize("name", Policy.preset_names())
@pytest.mark.parametrize("condition", QUICK)
def test_every_preset_agrees_where_its_extremes_lie(condition, name, firmware):
    """The cells that the derivation names; all cells are among the heavy tests."""
    agrees_at_its_extremes(Policy.preset(name), LabBench.of(firmware), condition)


@pytest.mark.parametrize(
    ("name", "firmware"),
    [
        ("reference", "reference"),
        pytest.param("reference", "fw-2.3", marks=pytest.mark.heavy),
        pytest.param("level-1-4-5", "fw-2.3", marks=pytest.mark.heavy),
        pytest.param("level-1-4", "reference", marks=pytest.mark.heavy),
    ],
)
def test_a_dma_error_agrees_where_its_extremes_lie(name, firmware):
    """With the ring's level sampled, and without: then it is treated as a stall."""
    bench = LabBench.of(firmware)
    agrees_at_its_extremes(Policy.preset(name), bench, Condition.DMA_ERROR)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Policies of any rhythm: intervals that do not divide one another, limits beside them."""
    interval = draw(st.integers(2, 250))
    pets = draw(st.integers(interval + 1, 3_000))
    period = draw(st.integers(2 * pets + 3 * interval + 20, 9_000 + 2 * pets))
    return Policy(
        name="random",
        poll_interval_ms=interval,
        pet_interval_ms=pets,
        hwdt_period_ms=period,
        level_1_budget_ms=1,
        stream_stall_ms=draw(st.integers(interval, 900)),
        level_5_enabled=draw(st.booleans()),
        ep0_limit_ms=draw(st.integers(1_001, 3_000).filter(lambda limit: limit >= interval)),
        usb_event_limit_ms=draw(st.integers(1_001, 3_000)),
        usb_event_wedged_first_level=4,
        usb_event_wedged_ceiling=4,
        cold_start_ms=draw(st.integers(interval, 900)),
        cold_start_first_level=1,
        cold_start_ceiling=1,
    )


@settings(max_examples=12)
@given(
    policy=policies(),
    tick_ppm=st.integers(-40_000, 40_000),
    clock_ppm=st.integers(-40_000, 40_000),
    firmware=st.sampled_from(["fw-2.3", "reference"]),
)
@pytest.mark.parametrize("condition", QUICK)
def test_random_policies_on_random_clocks_agree(condition, policy, tick_ppm, clock_ppm, firmware):
    """Formula and simulator, for rhythms and clocks that nobody chose."""
    bench = LabBench.of(firmware, Options(tick_ppm=tick_ppm, watchdog_clock_ppm=clock_ppm))
    agrees_at_its_extremes(policy, bench, condition)


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("name", "firmware"), [("level-1-4-5", "fw-2.3"), ("reference", "reference")]
)
def test_every_phase_of_the_shipped_and_the_reference_policy(name, firmware):
    """300,000 and 150,000 onsets of each condition."""
    for result in explore(Policy.preset(name), LabBench.of(firmware), QUICK, jobs=2).values():
        assert result.disagreement == ""


# ---------------------------------------------------------------- the command


def test_the_command_runs_every_phase_and_writes_the_extremes(tmp_path):
    """Extremes beside the closed form, a trace of each that shows the reset, exit 0."""
    file = tmp_path / "small.toml"
    file.write_text(SMALL.to_toml())
    traces = tmp_path / "traces"
    arguments = ["bounds", str(file), "--exhaustive", "--condition", "main_death"]
    done = CliRunner().invoke(cli, [*arguments, "--trace-dir", str(traces)])
    assert done.exit_code == 0, done.output
    assert "1200" in done.stdout
    assert "as the closed form" in done.stdout
    names = sorted(path.name for path in traces.iterdir())
    assert names == ["small-main_death-best.json", "small-main_death-worst.json"]
    events = json.loads((traces / names[1]).read_text())["traceEvents"]
    shown = {event["name"] for event in events}
    assert {"main_death", "watchdog", "pet", "beat"} <= shown
    document = json.loads(CliRunner().invoke(cli, [*arguments, "--json"]).stdout)
    exhaustive = document["conditions"][0]["exhaustive"]
    assert exhaustive["onsets"] == 1_200
    detection = document["conditions"][0]["detection_ns"]
    assert exhaustive["best"]["latency_ns"] == detection["low"]
    assert exhaustive["worst"]["latency_ns"] == detection["high"]


def test_the_command_says_which_condition_it_left_out():
    """A DMA error takes 30 times as long as any other, so it runs when it is named."""
    arguments = ["bounds", "none", "--exhaustive"]
    done = CliRunner().invoke(cli, arguments)
    assert (done.exit_code, "not run    dma_error" in done.stdout) == (0, True)
    named = CliRunner().invoke(cli, [*arguments, "--condition", "main_death"])
    assert "not run" not in named.stdout


def test_the_command_ends_with_1_when_they_disagree(monkeypatch):
    """A formula that the simulator does not bear out is a failed check."""
    monkeypatch.setattr(phases, "disagreement", lambda bound, found: "the best is 1 ns, not 2 ns")
    policy = ("bounds", "level-1-4", "--exhaustive", "--condition", "stream_stall")
    monkeypatch.setattr(
        phases,
        "searches",
        lambda condition, policy, bench: [Search(condition, policy, bench, 0, 1)],
    )
    done = CliRunner().invoke(cli, list(policy))
    assert done.exit_code == 1
    assert "disagrees: the best is 1 ns" in done.stdout
