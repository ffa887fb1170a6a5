"""The command line: what it prints, how it ends, what it says about wrong input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from health import Policy
from scenarios import option_text
from scenarios.cli import cli
from scenarios.registry import SCENARIOS

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-c", "from scenarios.cli import main; main()"]


def fx3loop(*arguments):
    """Run a command in this process."""
    return CliRunner().invoke(cli, [str(item) for item in arguments], prog_name="fx3loop")


def process(*arguments, **named):
    """Run a command as users do."""
    return subprocess.run(
        [*COMMAND, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, **named
    )


# ---------------------------------------------------------------- help and version


def test_help_names_every_command():
    """One line each, with the exit codes."""
    done = fx3loop("--help")
    assert done.exit_code == 0
    for name in ("demo", "list", "run", "policies"):
        assert f"  {name} " in done.stdout
    assert "130 interrupted" in done.stdout


def test_help_imports_nothing_that_takes_time():
    """No simulator, no numbers, no pictures: help is for people who wait."""
    script = (
        "import sys\n"
        "from scenarios.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit:\n    print(*sorted(sys.modules), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "--help"], cwd=ROOT, capture_output=True, text=True
    )
    loaded = set(done.stderr.split())
    heavy = {"numpy", "simpy", "usb", "matplotlib", "rich", "health", "sim", "hw", "greenlet"}
    assert heavy & loaded == set()
    assert "click" in loaded


@pytest.mark.parametrize("command", ["demo", "list", "run", "policies"])
def test_every_command_has_help_and_json(command):
    """The same two options everywhere."""
    done = fx3loop(command, "--help")
    assert done.exit_code == 0
    assert "--json" in done.stdout


def test_version():
    """Name and version."""
    assert fx3loop("--version").stdout.startswith("fx3loop ")


def test_no_command_shows_help_and_is_a_usage_error():
    """Nothing was asked for."""
    done = fx3loop()
    assert done.exit_code == 2
    assert "Commands" in done.stderr


# ---------------------------------------------------------------- results


def test_demo_writes_table_picture_and_trace(tmp_path):
    """One table on standard output, three files in the folder that it names."""
    folder = tmp_path / "deep" / "demo"
    done = fx3loop("demo", "--out", folder)
    assert done.exit_code == 0, done.stderr
    assert str(folder) in done.stdout
    for verdict in ("recovered", "locked_up", "degraded", "left_alone"):
        assert verdict in done.stdout
    table = json.loads((folder / "table.json").read_text())
    assert table["schema"] == "fx3loop.demo/1"
    trace = json.loads((folder / "trace.json").read_text())
    names = {event["name"] for event in trace["traceEvents"]}
    assert {"STOPFX3", "pet", "device_reset", "watchdog"} <= names
    assert (folder / "timeline.png").read_bytes().startswith(b"\x89PNG")


def test_demo_as_json(tmp_path):
    """Schema and rows, each with what the table shows; the same as in table.json."""
    done = fx3loop("demo", "--json", "--out", tmp_path, "--seed", 2)
    assert done.exit_code == 0
    document = json.loads(done.stdout)
    assert document == json.loads((tmp_path / "table.json").read_text())
    assert document["schema"] == "fx3loop.demo/1"
    wanted = {"firmware", "policy", "position", "fault", "manner", "host_saw", "verdict"}
    wanted |= {"detected_level", "detected_after_ms", "serving_after_ms"}
    assert all(wanted <= set(row) for row in document["rows"])
    assert len(document["rows"]) >= 30


def test_run_ends_by_its_verdict():
    """0 when the device serves in the end, 1 when it does not."""
    assert fx3loop("run", "stopfx3_hang", "--policy", "level-1-4").exit_code == 0
    assert fx3loop("run", "stopfx3_hang", "--policy", "none").exit_code == 1
    assert fx3loop("run", "main_death", "--policy", "level-1").exit_code == 1
    assert fx3loop("run", "paused_reader", "--policy", "level-1").exit_code == 0


def test_run_as_json():
    """Schema, counts and one row."""
    document = json.loads(fx3loop("run", "stop_start_wedge", "--json", "--seed", 7).stdout)
    assert document["schema"] == "fx3loop.run/2"
    (row,) = document["rows"]
    assert (row["seed"], row["verdict"], row["outcome"]) == (7, "recovered", "passed")
    assert document["counts"]["passed"] == 1


def test_run_with_faults_of_ones_own_leaves_the_scenarios_out():
    """Given faults replace those that the scenario brings."""
    fault = "hang:call=CyU3PUsbFlushEp,thread=usb,during=STOPFX3,nth=4,manner=spinning"
    done = fx3loop("run", "stopfx3_hang", "--fault", fault, "--json")
    (row,) = json.loads(done.stdout)["rows"]
    assert row["injected"] == [fault.replace("CyU3PUsbFlushEp", "usb_flush_ep")]
    assert (row["manner"], row["detected_level"]) == ("spinning", 5)


def test_run_with_an_option():
    """A knob of the bench changes the outcome, and the row says that it was turned."""
    arguments = ("run", "stop_start_wedge", "--option", "socket_disable_hangs=off", "--json")
    (row,) = json.loads(fx3loop(*arguments).stdout)["rows"]
    assert row["options"] == ["socket_disable_hangs=off"]
    assert row["host_saw"] == "no data for 2 s"


def test_an_option_of_words():
    """In any case of letters, and written back as it is read."""
    options = option_text.parse(("usb_speed=High",))
    assert options.usb_speed == "high"
    assert option_text.changed(options) == ("usb_speed=high",)


def test_run_reports_an_unused_fault():
    """A fault that did nothing is a broken test: exit 1, and it is named."""
    done = fx3loop("run", "steady_stream", "--fault", "main_hang:at_ms=500000")
    assert done.exit_code == 1
    assert "main_hang:at_ms=500000 never triggered" in done.stderr


def test_run_under_a_policy_file(tmp_path):
    """A policy of one's own, by its file."""
    path = tmp_path / "bench.toml"
    text = Policy.preset("level-1-4").to_toml().replace('"level-1-4"', '"bench-7"')
    path.write_text(text.replace("ep0_limit_ms = 2000", "ep0_limit_ms = 3000"))
    done = fx3loop("run", "stopfx3_hang", "--policy", path, "--json")
    (row,) = json.loads(done.stdout)["rows"]
    assert row["policy"] == "bench-7"
    assert 2997 < row["detected_after_ms"] <= 3101


def test_list_names_everything():
    """Scenarios, firmware, policies, faults with fields, options; the calls when asked for."""
    document = json.loads(fx3loop("list", "--json").stdout)
    assert document["schema"] == "fx3loop.list/1"
    assert [item["name"] for item in document["scenarios"]] == list(SCENARIOS)
    assert document["policies"] == list(Policy.preset_names())
    assert "calls" not in document
    calls = json.loads(fx3loop("list", "--calls", "--json").stdout)["calls"]
    assert calls["usb_flush_ep"] == "CyU3PUsbFlushEp"
    text = fx3loop("list", "--calls").stdout
    assert "CyU3PDmaMultiChannelReset" in text
    assert "socket_disable_hangs" in text


def test_policies_as_table_and_one_by_one():
    """The table has every preset; one is shown with its warnings and its text."""
    text = fx3loop("policies").stdout
    for name in Policy.preset_names():
        assert name in text
        assert Policy.preset(name).digest[:12] in text
    shown = fx3loop("policies", "level-1-4-5").stdout
    assert "one-skipped-pet-is-fatal" in shown
    assert "5156.25 ms in truth" in shown


@pytest.mark.parametrize("name", Policy.preset_names())
def test_policies_in_every_form(name):
    """TOML that reads back as the same policy, a C header with its digest, JSON."""
    policy = Policy.preset(name)
    assert Policy.from_toml(fx3loop("policies", name, "--toml").stdout) == policy
    header = fx3loop("policies", name, "--c-header").stdout
    assert policy.digest in header
    assert f"#define HEALTH_HWDT_PERIOD_MS {policy.hwdt_period_ms}u" in header
    (shown,) = json.loads(fx3loop("policies", name, "--json").stdout)["policies"]
    assert (shown["name"], shown["digest"]) == (name, policy.digest)


# ---------------------------------------------------------------- wrong input

BAD = [
    (("rnu",), "no command 'rnu'; did you mean run?"),
    (("help",), "no command 'help'; there are demo, list, "),
    (("run", "stop_start"), "no scenario 'stop_start'; did you mean stop_start_wedge"),
    (("run", "zzz"), "no scenario 'zzz'; there are stop_start_wedge, "),
    (("run", "paused_reader", "--policy", "levle-1-4"), "level-1-4"),
    (("run", "paused_reader", "--firmware", "fw-23"), "did you mean fw-2.3"),
    (("run", "main_death", "--firmware", "original"), "use fw-2.3 or reference"),
    (("run", "paused_reader", "--fault", "main_hnag"), "no fault 'main_hnag'; did you mean"),
    (("run", "paused_reader", "--fault", "hang:call=usb_flush"), "did you mean usb_flush_ep"),
    (("run", "paused_reader", "--fault", "hang:cal=usb_flush_ep"), "no field 'cal'"),
    (("run", "paused_reader", "--fault", "main_hang:at_ms=soon"), "not a whole number"),
    (("run", "paused_reader", "--fault", "main_hang:manner=sleepy"), "manner=sleepy"),
    (("run", "paused_reader", "--fault", ""), "no fault ''"),
    (("run", "paused_reader", "--option", "tick_pm=1"), "did you mean tick_ppm"),
    (("run", "paused_reader", "--option", "tick_ppm"), "a value is missing"),
    (("run", "paused_reader", "--option", "tick_ppm=fast"), "not a whole number"),
    (("run", "paused_reader", "--option", "tick_ppm=-1000000"), "not within"),
    (("run", "paused_reader", "--option", "socket_disable_hangs=maybe"), "neither on nor off"),
    (("run", "paused_reader", "--option", "usb_speed=fast"), "none of super, high, full"),
    (("run", "paused_reader", "--position", "roof"), "roof"),
    (("run", "paused_reader", "--seed", "-1"), "-1"),
    (("run", "paused_reader", "--seed", "one"), "one"),
    (("run", "paused_reader", "--plot", "picture.gif"), ".png"),
    (("run", "paused_reader", "--trace", "/nowhere/trace.json"), "no folder /nowhere"),
    (("run", "paused_reader", "--trace", "/"), "it is a folder"),
    (("run", "paused_reader", "--polcy", "none"), "--polcy"),
    (("run",), "NAME"),
    (("policies", "refrence"), "reference"),
    (("policies", "/nowhere.toml"), "/nowhere.toml"),
    (("policies", "/"), "a folder"),
    (("policies", "--toml"), "which policy?"),
    (("policies", "none", "--toml", "--json"), "choose one of"),
    (("demo", "--out", "/dev/null/demo"), "/dev/null/demo"),
    (("demo", "--seed", "x"), "x"),
]


@pytest.mark.parametrize(("arguments", "part"), BAD, ids=lambda item: str(item)[:60])
def test_wrong_input_is_one_line_and_exit_2(arguments, part):
    """It names the input, what is wrong and the nearest right ones; no traceback."""
    done = fx3loop(*arguments)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("fx3loop: ")
    assert part in done.stderr


BAD_POLICIES = [
    ('name = "x"\nep0_limit_ms = "soon"\n', ("ep0_limit_ms", "an integer")),
    ('name = "x"\nep0_limit = 2000\n', ("ep0_limit", "ep0_limit_ms")),
    ('name = "x"\nep0_limit_ms = 500\n', ("ep0-above-host-timeout", "2000")),
    ('name = "x"\npet_interval_ms = 6000\n', ("pet-below-period", "pet_interval_ms")),
    ("ep0_limit_ms = 2000\n", ("name",)),
    ("not toml", ("toml",)),
    ("\udcff", ()),
]


@pytest.mark.parametrize(("text", "parts"), BAD_POLICIES, ids=lambda item: str(item)[:40])
@pytest.mark.parametrize("command", [("policies",), ("run", "paused_reader", "--policy")])
def test_a_bad_policy_file_is_named_with_key_and_rule(tmp_path, command, text, parts):
    """File, key, rule and an example, in one line."""
    path = tmp_path / "bad.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    done = fx3loop(*command, path)
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    for part in (str(path), *parts):
        assert part in done.stderr


def test_a_device_that_cannot_boot_is_a_failed_check():
    """One line, no traceback, exit 1: the input was right, the run was not."""
    done = fx3loop("run", "steady_stream", "--fault", "hang:call=device_init")
    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1
    assert "did not enumerate" in done.stderr


def test_an_interrupt_ends_with_130(monkeypatch, tmp_path):
    """Ctrl-C says so, without a traceback."""

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("scenarios.demo.run", interrupted)
    done = fx3loop("demo", "--out", tmp_path)
    assert done.exit_code == 130
    assert "Traceback" not in done.stderr


# ---------------------------------------------------------------- as a process


def test_a_real_process_keeps_results_and_progress_apart():
    """Results on standard output alone; nothing on standard error when all is well."""
    done = process("run", "stopfx3_hang", "--policy", "level-1-4", "--json")
    assert done.returncode == 0
    assert done.stderr == ""
    assert json.loads(done.stdout)["rows"][0]["verdict"] == "recovered"


def test_a_reader_that_has_seen_enough_is_no_error():
    """``fx3loop list --calls | head -1`` ends quietly."""
    with subprocess.Popen(
        [*COMMAND, "list", "--calls"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        running.stdout.close()
        assert running.stderr.read() == b""
        assert running.wait(30) == 0


def test_tables_are_not_folded_in_a_pipe():
    """Every row is one line, so that grep works."""
    done = process("policies")
    lines = [line for line in done.stdout.splitlines() if line.startswith("level-1-4-5")]
    assert len(lines) == 1
    assert "one-skipped-pet-is-fatal" in lines[0]
