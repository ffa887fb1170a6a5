"""Many runs: what is chosen, how it counts, what other programs get, in processes, on a device."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from health import Level, Policy
from hw.boot import Image
from hw.errors import DeniedError
from hw.rx888 import Rx888
from hw.trace.transfers import TransferLog
from scenarios import batch, expected, registry, selection
from scenarios.batch import Job, run_jobs
from scenarios.cli import cli
from scenarios.contract import Examiner, WorldLedger
from scenarios.errors import InputError, Trouble
from scenarios.on_device import run_on_device
from scenarios.performance import perform
from scenarios.reports import junit, tap
from scenarios.reports.document import document
from scenarios.results import Outcome, Result, is_failure, result_of, summary
from scenarios.runner import run_episode
from scenarios.scenario import Scenario
from scenarios.station import Station
from sim.host.backend import get_backend
from sim.host.runtime import WorldRuntime
from sim.options import Options
from tests.sim.bench import booted, driver

MHZ = 1_000_000


def fx3loop(*arguments):
    return CliRunner().invoke(cli, [str(item) for item in arguments], prog_name="fx3loop")


def good(station):
    """Stream one block and say so."""
    station.say("about to stream")
    station.set_clock(64 * MHZ)
    station.primed_start()
    station.stop()
    return "16384 bytes"


def unread(station):
    """Read nothing for a second: level 1 acts twice."""
    station.set_clock(64 * MHZ)
    station.start()
    station.sleep_ms(1_000)
    station.stop()


def wedged(station):
    """Fail by the original's rule."""
    raise Trouble("no data for 2 s")


GOOD = Scenario("good", good, "one block", group="streaming")


# ---------------------------------------------------------------- one performance


def performed(scenario, firmware="fw-2.3", policy="level-1-4-5"):
    """Play a scenario under the strict eye."""
    with booted(firmware, policy) as world:
        device = driver(world)
        station = Station(device, WorldRuntime(world))
        return perform(scenario, station, Examiner(firmware, device, WorldLedger(world)))


def test_a_performance_says_what_both_rules_say():
    """The text of the PASS line, the original's failure, and the strict checks beside it."""
    made = performed(GOOD)
    assert (made.failure, made.passed, made.text) == (None, True, "16384 bytes")
    assert made.ended_ns > made.began_ns
    failed = performed(replace(GOOD, run=wedged))
    assert (failed.failure, failed.passed) == ("no data for 2 s", False)

    def strict(station):
        station.strictly(False, "state 255, expected 1")
        station.strictly(True, "never said")

    found = performed(replace(GOOD, run=strict))
    assert (found.failure, found.passed) == (None, False)
    assert found.violations == ("state 255, expected 1",)


@pytest.mark.parametrize(
    ("remedies", "is_right"),
    [
        ({}, False),
        ({Level.STREAM: (1, 1)}, False),
        ({Level.STREAM: (2, 2)}, True),
        ({Level.STREAM: (3, 9)}, False),
        ({Level.STREAM: (2, 2), Level.EP0: (1, 1)}, False),
    ],
)
@pytest.mark.parametrize("has_witness", [True, False])
def test_exactly_the_remedies_that_a_scenario_names(remedies, is_right, has_witness):
    """One more or one less than it names is a violation; without a witness GETSTATS counts."""
    scenario = replace(GOOD, run=unread, remedies=remedies)
    with booted() as world:
        device = driver(world)
        ledger = WorldLedger(world) if has_witness else None
        station = Station(device, WorldRuntime(world))
        made = perform(scenario, station, Examiner("fw-2.3", device, ledger))
    if not has_witness and Level.EP0 in remedies:
        # Nobody can tell from outside whether level 2 acted.
        is_right = True
    assert made.passed == is_right


@pytest.mark.parametrize(
    ("resets", "is_right"),
    [
        (("device_reset",), True),
        ((), False),
        (("watchdog",), False),
        (("device_reset",) * 2, False),
    ],
)
def test_exactly_the_resets_that_a_scenario_names(resets, is_right):
    """Cause by cause, in order."""

    def reset(station):
        station.device.reset()
        station.sleep_ms(500)

    made = performed(replace(GOOD, run=reset, resets=resets))
    assert made.failure is None
    assert made.passed == is_right


def test_what_happens_between_two_scenarios_is_told_with_the_second():
    """An examiner sees through many scenarios in a row."""
    with booted() as world:
        device = driver(world)
        examiner = Examiner("fw-2.3", device, WorldLedger(world))
        station = Station(device, WorldRuntime(world))
        assert perform(GOOD, station, examiner).passed
        world.firmware.vendor.request_count += 5
        device.info()
        second = perform(GOOD, station, examiner)
        assert [text.partition(": TESTFX3")[0] for text in second.violations] == ["before it"]
        assert perform(GOOD, station, examiner).passed


def test_a_new_boot_is_believed_anew():
    """After a reset and an upload counters begin again, and nothing is held against them."""

    def reset(station):
        station.device.reset()
        station.device.reacquire(station.image)

    with booted() as world:
        device = driver(world)
        station = Station(device, WorldRuntime(world), image=Image.parse(world.image))
        examiner = Examiner("fw-2.3", device, WorldLedger(world))
        assert perform(GOOD, station, examiner).passed
        again = perform(replace(GOOD, run=reset, resets=("device_reset",)), station, examiner)
        assert again.violations == ()
        assert perform(GOOD, station, examiner).violations == ()


# ---------------------------------------------------------------- one runner


def test_a_strict_run_carries_both_rules():
    """The row has the original's word, the strict rule's, and what the scenario said."""
    row = run_episode(GOOD, is_strict=True).row
    assert (row.original, row.strict, row.is_good) == ("pass", (), True)
    assert row.said == ("about to stream", "16384 bytes")
    failed = run_episode(replace(GOOD, run=wedged), is_strict=True).row
    assert (failed.original, failed.is_good) == ("fail: no data for 2 s", False)
    found = run_episode(replace(GOOD, run=unread), is_strict=True, firmware="fw-2.3").row
    assert found.original == "pass"
    assert found.strict == ("level 1 acted 2 times, expected 0",)
    assert not found.is_good


def test_a_strict_run_shows_that_the_device_serves_afterwards():
    """A scenario that passes and leaves a dead device is no good."""

    def kills(station):
        station.device.hang_handler(60_000, timeout_ms=1)

    def swallowed(station):
        with pytest.raises(Exception, match="HANGFX3"):
            kills(station)

    row = run_episode(
        replace(GOOD, run=swallowed), policy="none", is_strict=True, firmware="fw-2.3"
    ).row
    assert (row.original, row.verdict) == ("pass", "locked_up")
    assert row.host_saw == "no stream afterwards"


def test_incidents_and_runs_with_faults_are_not_examined():
    """Their row says so with None."""
    assert run_episode(registry.find("paused_reader")).row.original is None


def test_every_scenario_of_the_suite_is_registered():
    """By name, none twice, incidents beside them."""
    names = [item.name for item in (*registry.INCIDENTS, *registry.suite())]
    assert len(set(names)) == len(names)
    assert list(registry.SCENARIOS) == names


# ---------------------------------------------------------------- selection


def test_names_patterns_and_all():
    """Names in their order and once; a pattern is a part, or a whole name with wildcards."""

    def names(*arguments, **more):
        return [item.scenario.name for item in selection.choose(arguments, **more)]

    assert names("main_death", "cold_start", "main_death") == ["main_death", "cold_start"]
    assert names(is_all=True) == list(registry.SCENARIOS)
    assert "stop_start_wedge" in names(pattern="start")
    assert names(pattern="cold_*") == ["cold_start"]
    assert names("main_death", "cold_start", pattern="cold") == ["cold_start"]
    with pytest.raises(InputError, match="did you mean main_death"):
        names("main_deth")
    with pytest.raises(InputError, match="no scenario matches 'zzz'"):
        names(pattern="zzz")


def test_what_does_not_run_on_a_firmware_is_left_out_or_refused():
    """Refused when it was asked for by name, left out with a reason otherwise."""
    with pytest.raises(InputError, match=r"use fw-2.3 or reference"):
        selection.choose(["main_death"], firmware="original")
    chosen = selection.choose((), is_all=True, firmware="original")
    left_out = [item.left_out for item in chosen if item.scenario.name == "main_death"]
    assert left_out == ["main_death does not run on firmware 'original'; use fw-2.3 or reference"]


# ---------------------------------------------------------------- expected failures

LINE = """[[expected]]
firmware = "fw-2.3"
scenario = "paused_reader"
fact = "F6"
reason = "why"
"""


def test_the_built_in_file_is_right_and_has_no_line_of_the_reference():
    """It loads with today's names."""
    loaded = expected.load(expected.BUILT_IN, registry.SCENARIOS)
    assert len(loaded)
    for policy in Policy.preset_names():
        for name in registry.SCENARIOS:
            assert loaded.find("reference", name, policy) is None


def test_an_entry_may_hold_under_one_policy_alone():
    """Firmware 2.3 as shipped has no level 2; under a policy that has it, EP0 comes back."""
    loaded = expected.load(expected.BUILT_IN, registry.SCENARIOS)
    assert loaded.find("fw-2.3", "ep0_desync", "level-1-4-5") is not None
    assert loaded.find("fw-2.3", "ep0_desync", "reference") is None
    assert loaded.find("fw-2.3", "cold_start", "reference") is not None


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("not toml", "is not TOML"),
        ("", "a list of [[expected]] tables"),
        ("expected = 1", "a list of [[expected]] tables"),
        (LINE + "more = 1", "the fields are"),
        (LINE.replace('fact = "F6"\n', ""), "fact has to be a text"),
        (LINE.replace('"why"', '""'), "reason has to be a text"),
        (LINE + "chance = 2.0", "above 0 and below 1"),
        (LINE + "chance = 1", "above 0 and below 1"),
        (LINE.replace("fw-2.3", "reference"), "nothing is expected to fail on reference"),
        (LINE.replace("fw-2.3", "fw-23"), "did you mean fw-2.3"),
        (LINE.replace("paused_reader", "pausd_reader"), "did you mean paused_reader"),
        (LINE + LINE, "entry 2: fw-2.3 paused_reader is there twice"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, text, part):
    """File, entry, what is wrong."""
    path = tmp_path / "known.toml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        expected.load(path, registry.SCENARIOS)
    assert part in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.fixture(scope="module")
def rows():
    """A good row and a bad one of the same scenario."""
    chosen = registry.find("paused_reader")
    well = run_episode(chosen).row
    return well, replace(well, verdict="locked_up", host_saw="no data", host_saw_in="cycle 2")


@pytest.mark.parametrize(
    ("is_listed", "chance", "of_good", "of_bad"),
    [
        (False, None, Outcome.PASSED, Outcome.FAILED),
        (True, None, Outcome.FAILED, Outcome.EXPECTED),
        (True, 0.034, Outcome.PASSED, Outcome.EXPECTED),
    ],
)
def test_how_a_row_counts(rows, is_listed, chance, of_good, of_bad):
    """A listed failure is expected; a listed one that passes fails, unless it has a chance."""
    item = expected.Expectation("fw-2.3", "paused_reader", "F6", "why", chance=chance)
    known = expected.Expectations([item] if is_listed else ())
    for row, outcome in zip(rows, (of_good, of_bad), strict=True):
        assert result_of(row, "incidents", known).outcome is outcome
    assert is_failure([result_of(rows[1], "incidents", known)]) == (of_bad is Outcome.FAILED)


# ---------------------------------------------------------------- reports


@pytest.fixture
def results(rows):
    """One of each outcome, with letters that XML and TAP have to treat with care."""
    well, bad = rows
    return [
        Result("a", "streaming", Outcome.PASSED, (), replace(well, said=("<&> \x00",))),
        Result("b", "console", Outcome.FAILED, ('said "<&>" \x07', "and # more"), bad),
        Result("c", "clock", Outcome.EXPECTED, ("F6: why # so", "no data"), bad),
        Result("d", "clock", Outcome.SKIPPED, ("it needs a world",)),
    ]


def test_junit_is_what_its_schema_says(results):
    """It parses; counts are right; each case has class, name, time, and its properties."""
    root = ElementTree.fromstring(junit.text(results))
    assert root.tag == "testsuites"
    (suite,) = root
    for element in (root, suite):
        wanted = {"tests": "4", "failures": "1", "errors": "0", "skipped": "2"}
        assert {name: element.get(name) for name in wanted} == wanted
        assert element.get("name")
        assert float(element.get("time")) == pytest.approx(
            sum(item.row.simulated_ms for item in results if item.row) / 1000, abs=0.001
        )
    assert [case.get("name") for case in suite] == ["a", "b", "c", "d"]
    assert all(case.get("classname").startswith("fx3loop.") for case in suite)
    names = [item.get("name") for item in suite[0].find("properties")]
    assert names == ["seed", "simulated_ms", "firmware", "policy", "position", "verdict"]
    assert [[child.tag for child in case if child.tag != "properties"] for case in suite] == [
        ["system-out"],
        ["failure"],
        ["skipped"],
        ["skipped"],
    ]
    assert suite[1].find("failure").get("message").startswith('said "<&>"')
    assert suite[2].find("skipped").get("message") == "expected failure: F6: why # so"


def test_tap_has_its_plan_and_directives(results):
    """Version, plan, numbers in order, TODO and SKIP, reasons as YAML."""
    lines = list(tap.lines(results))
    assert lines[:2] == ["TAP version 14", "1..4"]
    points = [line for line in lines if line.startswith(("ok", "not ok"))]
    assert points == [
        "ok 1 - a",
        "not ok 2 - b",
        "not ok 3 - c # TODO F6: why no. so",
        "ok 4 - d # SKIP it needs a world",
    ]
    assert lines.count("  ---") == lines.count("  ...") == 2


def test_json_counts_and_keeps_every_result(results):
    """Rows with their outcome; what has no row stands apart."""
    made = document(results)
    assert made["schema"] == "fx3loop.run/2"
    assert [row["outcome"] for row in made["rows"]] == ["passed", "failed", "expected failure"]
    assert made["without_row"][0]["reasons"] == ["it needs a world"]
    assert json.loads(json.dumps(made))["counts"]["skipped"] == 1
    assert summary(results) == "1 passed, 1 failed, 1 expected failure, 1 skipped"


# ---------------------------------------------------------------- many at a time


def job(name, seed=1):
    policy = Policy.preset("reference")
    return Job(name, registry.find(name).firmware, policy, "device", seed, None, Options())


def test_processes_change_nothing():
    """The same rows in the same order."""
    jobs = [job("paused_reader"), job("stopfx3_hang"), job("stopfx3_hang", seed=2)]
    assert list(run_jobs(jobs, 2)) == list(run_jobs(jobs))


def test_a_bench_that_breaks_down_is_a_result(monkeypatch):
    """One line in place of its row; the others go on."""
    from sim.errors import SimulationError

    def broken(*_, **__):
        raise SimulationError("it did not\nenumerate")

    monkeypatch.setattr(batch, "run_episode", broken)
    assert list(run_jobs([job("paused_reader")])) == ["it did not enumerate"]


# ---------------------------------------------------------------- the command


def test_run_all_is_good_and_says_so(tmp_path):
    """Every scenario on its own firmware, with the known failures; three reports at once."""
    xml, lines = tmp_path / "run.xml", tmp_path / "run.tap"
    done = fx3loop("run", "--all", "--junit", xml, "--tap", lines)
    assert done.exit_code == 0, done.stderr
    for name in registry.SCENARIOS:
        assert name in done.stdout
    assert " failed" not in done.stdout
    assert len(ElementTree.parse(xml).getroot()[0]) == len(registry.SCENARIOS)
    assert lines.read_text().splitlines()[1] == f"1..{len(registry.SCENARIOS)}"


def test_known_failures_decide_the_exit_code(tmp_path):
    """Expected: 0; the same without the file: 1; a listed one that passes: 1."""
    arguments = ("run", "cold_start", "--firmware", "fw-2.3")
    done = fx3loop(*arguments)
    assert done.exit_code == 0
    assert "F25" in done.stdout
    done = fx3loop(*arguments, "--expected", "none")
    assert done.exit_code == 1
    assert "cold_start: degraded" in done.stderr
    path = tmp_path / "known.toml"
    path.write_text(LINE)
    done = fx3loop("run", "paused_reader", "--expected", path)
    assert done.exit_code == 1
    assert "it passes though a failure is expected (F6: why)" in done.stderr


def test_tap_goes_to_standard_output_without_a_file():
    """Nothing else is printed there then."""
    done = fx3loop("run", "paused_reader", "main_death", "--tap")
    assert done.stdout.splitlines() == [
        "TAP version 14",
        "1..2",
        "ok 1 - paused_reader",
        "ok 2 - main_death",
    ]


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("--all", "--trace", "x.json"), "for one NAME"),
        (("paused_reader", "--target", "usb", "--trace", "x.vcd"), "give FILE.pcap"),
        (("paused_reader", "--trace", "x.txt"), "end in .json (Perfetto), .vcd"),
        (("paused_reader", "cold_start", "--plot", "x.png"), "for one NAME"),
        (("paused_reader", "--json", "--tap"), "both want standard output"),
        (("--tap", "paused_reader", "--all"), "that is a scenario"),
        (("-k", "zzz"), "no scenario matches"),
        (("paused_reader", "--jobs", "0"), "0"),
        (("paused_reader", "--expected", "/nowhere.toml"), "cannot read /nowhere.toml"),
        (("paused_reader", "--junit", "/"), "it is a folder"),
        (("paused_reader", "--target", "usb", "--fault", "main_hang"), "--fault needs a world"),
        (("paused_reader", "--target", "usb", "--option", "tick_ppm=1"), "--option needs a world"),
        (("paused_reader", "--target", "usb", "--policy", "none"), "--policy needs a world"),
        (("paused_reader", "--target", "usb", "--acknowledge", "rest"), "did you mean reset"),
        (("paused_reader", "--target", "usb", "--image", "/nowhere"), "cannot read /nowhere"),
    ],
)
def test_wrong_input_of_run(arguments, part):
    """One line, exit 2, nothing run."""
    done = fx3loop("run", *arguments)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert part in done.stderr
    assert done.stderr.count("\n") == 1


def test_completion_knows_the_scenarios():
    """A shell is told the names that begin so."""
    from scenarios.cli.inputs import complete_scenario

    assert [item.value for item in complete_scenario(None, None, "cold")] == ["cold_start"]


# ---------------------------------------------------------------- a device


def on_device(world, scenario, **more):
    return run_on_device(
        scenario,
        firmware="fw-2.3",
        backend=get_backend(world),
        runtime=WorldRuntime(world),
        **more,
    )


def test_a_scenario_runs_on_a_device_without_a_changed_line():
    """Here the device is a world's; it is left stopped."""
    with booted() as world:
        row = on_device(world, GOOD)
        assert (row.original, row.strict, row.verdict) == ("pass", (), "left_alone")
        assert row.is_good
        assert world.chip.stream.flow.glance(world.now_ns)[1] in (1, 255)
        bad = on_device(world, replace(GOOD, run=wedged))
        assert (bad.original, bad.is_good) == ("fail: no data for 2 s", False)


def test_a_device_s_transfers_can_be_captured():
    """What the driver saw of each: the START of the scenario with its end."""
    log = TransferLog()
    with booted() as world:
        on_device(world, GOOD, transfers=log)
    starts = [event for event in log.in_order() if event.setup[1:2] == b"\xaa"]
    assert [event.stage.value for event in starts[:2]] == ["S", "C"]
    assert starts[0].target == (2, 1, 0)


@pytest.mark.usefixtures("stable_host")
def test_a_real_device_is_denied_by_default_and_missing_here(monkeypatch):
    """Exit 3 and the guard's reason; with leave, exit 4 where there is no device."""
    done = fx3loop("run", "paused_reader", "--target", "usb")
    assert (done.exit_code, done.stderr.count("\n")) == (3, 1)
    assert "denied by the safety rules" in done.stderr

    def absent(*_, **__):
        from hw.errors import NoDeviceError

        raise NoDeviceError("open", "04b4:00f1 not found, any device")

    monkeypatch.setattr(Rx888, "open", absent)
    leave = ("--risk", "aggressive")
    done = fx3loop("run", "paused_reader", "--target", "usb", *leave)
    assert (done.exit_code, done.stderr.count("\n")) == (4, 1)


def test_scenarios_that_need_a_world_are_left_out_on_a_device(monkeypatch):
    """Without touching the device."""

    def touched(*_, **__):
        raise DeniedError("open", "nothing may be opened here")

    monkeypatch.setattr(Rx888, "open", touched)
    done = fx3loop("run", "cold_start", "--target", "usb", "--tap")
    assert done.exit_code == 0
    assert "# SKIP its faults cannot be injected" in done.stdout
