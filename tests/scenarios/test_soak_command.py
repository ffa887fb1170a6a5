"""``fx3loop soak`` as users run it: what it prints, how it ends, what it says to wrong input."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from scenarios.cli import cli
from scenarios.soak.record import SCHEMA
from scenarios.soak.tables import table

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-c", "from scenarios.cli import main; main()", "soak"]
BRIEF = ("--table", "510e55a", "--seed", "1771373722", "--weight", "sustained_stream=0")


def soak(*arguments):
    """Run the command in this process."""
    return CliRunner().invoke(cli, ["soak", *map(str, arguments)], prog_name="fx3loop")


def no_weight(names):
    """Arguments that leave these scenarios out."""
    return [word for name in names for word in ("--weight", f"{name}=0")]


# ---------------------------------------------------------------- results


def test_a_short_soak_passes_and_says_so(tmp_path):
    """Header, cycles, status, summary; the document has the same figures."""
    path = tmp_path / "soak.json"
    done = soak(*BRIEF, "--max-cycles", 12, "--json", path)
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0] == "=== SOAK TEST START ==="
    assert "Seed: 1771373722" in lines[1]
    assert any(line.startswith("[00:00:") and "cycle=10 pass=10" in line for line in lines)
    assert lines[-1] == "Result: ALL PASSED (12 cycles)"
    document = json.loads(path.read_text())
    assert document["schema"] == SCHEMA
    assert (document["cycles"], document["passed"], document["failed"]) == (12, 12, 0)
    assert document["health_checks"]["passed"] == 12
    assert document["firmware"] == document["policy"] == "reference"


def test_the_same_seed_gives_the_same_document_byte_for_byte(tmp_path):
    """Counters and simulated time included, in processes of their own."""
    texts = []
    for name in ("a", "b"):
        path = tmp_path / name
        command = [*PROGRAM, *BRIEF, "--max-cycles", "15", "-q", "--json", str(path)]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
        texts.append(path.read_bytes())
    assert texts[0] == texts[1]


def test_the_document_on_standard_output_stands_alone():
    """Everything else goes to standard error then."""
    done = soak(*BRIEF, "--max-cycles", 2, "--json", "-")
    assert json.loads(done.stdout)["cycles"] == 2
    assert "=== SOAK TEST SUMMARY ===" in done.stderr


def test_a_firmware_that_wedges_ends_with_1():
    """STOP does not stop the state machine of the first firmware, and EP0 dies at a START."""
    done = soak(*BRIEF, "--firmware", "original", "--policy", "none", "--max-cycles", 3)
    assert done.exit_code == 1
    assert "FAILURES in 3 cycles" in done.stdout
    assert ">>> FAIL " in done.stdout


def test_help_says_how_it_ends():
    """And that there is JSON."""
    done = soak("--help")
    assert done.exit_code == 0
    assert "--json" in done.stdout
    assert "130 after Ctrl-C" in " ".join(done.stdout.split())


def test_both_recoveries_come_back_and_the_soak_goes_on():
    """Each resets the device into its boot ROM; the counters go on over the new boots."""
    recoveries = ("test_health_recovery", "test_main_recovery")
    weights = no_weight(name for name in table("v0.1.0").names if name not in recoveries)
    done = soak("--seed", 3, "--max-cycles", 4, "--json", "-", "-q", *weights)
    document = json.loads(done.stdout)
    assert document["cycles"] == 4
    assert document["aborted"] is None
    assert document["counters"]["boots"] == 5


def test_chunks_upload_again():
    """Two chunks are two boots, with the seeds S and S + 1."""
    done = soak(*BRIEF, "--max-cycles", 4, "--reload-interval", 2, "--json", "-")
    document = json.loads(done.stdout)
    assert (document["chunks"], document["cycles"]) == (2, 4)
    assert document["counters"]["boots"] == 2
    assert done.exit_code == 0


def test_without_a_seed_a_new_one_is_drawn_and_printed():
    """So that the run can be repeated."""
    seeds = {json.loads(soak("--max-cycles", 1, "--json", "-").stdout)["seed"] for _ in range(3)}
    assert len(seeds) > 1


# ---------------------------------------------------------------- Ctrl-C


@pytest.mark.skipif(os.name != "posix", reason="no SIGINT to send")
@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_ends_with_130_and_a_summary(times, tmp_path):
    """One finishes the cycle, two end it; the document is written either way."""
    path = tmp_path / "soak.json"
    command = [*PROGRAM, "--hours", "1000", "--seed", "1", "--json", str(path)]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for line in process.stdout:
        if line.startswith("[") and "cycle=10 " in line:
            break
    for _ in range(times):
        process.send_signal(signal.SIGINT)
    text, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "=== SOAK TEST SUMMARY ===" in text
    assert errors == ""
    document = json.loads(path.read_text())
    assert document["was_interrupted"]
    assert document["cycles"] >= 10


# ---------------------------------------------------------------- wrong input


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--weight", "clok_pull=1"), "did you mean clock_pull"),
        (("--weight", "clock_pull"), "for example hw_smoke=3"),
        (("--weight", "clock_pull=x"), "'x' is not a whole number"),
        (("--table", "v9"), "no soak table 'v9'"),
        (("--seed", "today"), "for example --seed 25"),
        (("--seed", "-1"), "not within 0 to 4294967295"),
        (("--hours", "nan"), "for example --hours 0.5"),
        (("--hours", "long"), "'long'"),
        (("--max-cycles", "-1"), "-1"),
        (("--firmware", "fw-9"), "fw-9"),
        (("--policy", "referenc"), "reference"),
        (("--option", "tick=1"), "tick_ppm"),
        (("--json", "/nowhere/soak.json"), "there is no folder /nowhere"),
        (("--journal", "/nowhere/soak.jsonl"), "cannot write the journal /nowhere/soak.jsonl"),
    ],
)
def test_wrong_input_is_one_line_and_exit_2(arguments, message, monkeypatch):
    """Before a world is made or a device touched."""
    monkeypatch.setattr("sim.world.BenchWorld.__init__", None)
    done = soak(*arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_no_weight_left_is_exit_2():
    """Nothing to run."""
    done = soak("--table", "510e55a", *no_weight(table("510e55a").names))
    assert done.exit_code == 2
    assert "nothing to run" in done.stderr
