"""Sweeps as they are run: the same rows whoever does it, after a kill, and with dying workers."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from scenarios.cli import cli
from scenarios.errors import InputError
from scenarios.lab import campaign_file, campaign_folder, campaign_summary, campaign_table
from scenarios.lab.campaign_run import Engine, results
from scenarios.lab.campaign_table import COLUMNS, Table, columns, milliseconds, row_of
from scenarios.lab.trial import VERDICTS, WORKER_DIED
from tests.scenarios.lab import dying

ROOT = Path(__file__).parents[3]
PROGRAM = [sys.executable, "-c", "from scenarios.cli import main; main()", "sweep"]
SMALL = """
name = "small"
runs = 12
[policy]
base = "level-1-4-5"
pet_interval_ms = [1500, 3000]
[[fault]]
name = "stall"
fault = "main_hang"
duration_ms = { distribution = "uniform", low = 2000, high = 6000, source = "assumed" }
[[fault]]
name = "stop_hang"
fault = "hang:call=usb_flush_ep,thread=usb,during=STOPFX3"
"""
ROWS = 48


@pytest.fixture
def campaign_path(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of the whole sweep, by one process."""
    folder = tmp_path_factory.mktemp("whole")
    run(folder, Engine())
    return folder


def run(folder, engine, text=SMALL):
    campaign = campaign_file.parse(text, "small.toml")
    campaign_folder.prepare(folder, campaign, text)
    return campaign_folder.sweep(folder, campaign, engine)


def sweep(*arguments):
    return CliRunner().invoke(cli, ["sweep", *map(str, arguments)], prog_name="fx3loop")


def rows_of(folder):
    return list(campaign_table.read(folder / "runs.csv"))


# ---------------------------------------------------------------- the table


def test_the_table_is_tidy(whole):
    """A row a run, known columns, whole numbers or exact decimals, known verdicts."""
    found = rows_of(whole)
    assert [row["row"] for row in found] == [str(number) for number in range(ROWS)]
    assert set(found[0]) - {"pet_interval_ms"} <= set(COLUMNS)
    assert {row["verdict"] for row in found} <= set(VERDICTS)
    for row in found:
        for name in ("detection_ms", "recovery_ms", "downtime_ms", "bound_ms"):
            assert "e" not in row[name]
            assert row[name].replace(".", "").isdigit() or not row[name]


def test_times_are_exact_decimals_of_ms():
    """No float on the way."""
    assert milliseconds(6_656_149_999) == "6656.149999"
    assert milliseconds(5_000_000) == "5"
    assert milliseconds(-1) == "-0.000001"
    assert milliseconds(None) == ""


def test_two_workers_give_the_same_file(whole, tmp_path):
    """Byte for byte."""
    run(tmp_path, Engine(jobs=2))
    assert (tmp_path / "runs.csv").read_bytes() == (whole / "runs.csv").read_bytes()
    assert (tmp_path / "summary.json").read_bytes() == (whole / "summary.json").read_bytes()


@pytest.mark.parametrize("cut", [0, 300, 5_000, -1])
def test_a_torn_table_goes_on_where_it_is_whole(whole, tmp_path, cut):
    """Whatever a power failure leaves of the file, the end is the same."""
    complete = (whole / "runs.csv").read_bytes()
    run(tmp_path, Engine())
    (tmp_path / "runs.csv").write_bytes(complete[:cut])
    run(tmp_path, Engine())
    assert (tmp_path / "runs.csv").read_bytes() == complete


def test_only_what_is_missing_is_run(whole, tmp_path, monkeypatch):
    """A finished sweep runs nothing; one with 20 whole rows begins at the second job."""
    run(tmp_path, Engine())
    begun = []
    monkeypatch.setattr(campaign_folder, "results", lambda jobs, engine: begun.extend(jobs) or ())
    run(tmp_path, Engine())
    assert begun == []
    lines = (whole / "runs.csv").read_bytes().splitlines(keepends=True)
    (tmp_path / "runs.csv").write_bytes(b"".join(lines[:21]))
    run(tmp_path, Engine())
    assert begun[0].planned[0].row == 16


def test_a_killed_sweep_resumes(campaign_path, tmp_path):
    """SIGKILL in the middle; the same command again gives what one go would have given."""
    text = SMALL.replace("runs = 12", "runs = 40")
    campaign_path.write_text(text)
    out = tmp_path / "out"
    command = [*PROGRAM, str(campaign_path), "--out", str(out)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if (out / "runs.csv").exists() and (out / "runs.csv").stat().st_size > 4_000:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = len((out / "runs.csv").read_bytes().splitlines()) - 1
    assert 0 < done < 160
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=120, check=True)
    assert finished.returncode == 0
    straight = tmp_path / "straight"
    straight.mkdir()
    run(straight, Engine(), text)
    assert (out / "runs.csv").read_bytes() == (straight / "runs.csv").read_bytes()


def test_another_campaign_in_the_folder_is_refused(whole):
    """Its rows would be mixed."""
    text = SMALL.replace("runs = 12", "runs = 13")
    with pytest.raises(InputError, match="another campaign"):
        campaign_folder.prepare(whole, campaign_file.parse(text, "x"), text)


def test_another_version_is_refused(whole, tmp_path):
    """A result may depend on it."""
    campaign = campaign_file.parse(SMALL, "x")
    campaign_folder.prepare(tmp_path, campaign, SMALL)
    origin = json.loads((tmp_path / "origin.json").read_text())
    origin["versions"]["greenlet"] = "0.1"
    (tmp_path / "origin.json").write_text(json.dumps(origin))
    with pytest.raises(InputError, match=r"begun with greenlet 0\.1"):
        campaign_folder.prepare(tmp_path, campaign, SMALL)


def test_two_sweeps_cannot_share_a_folder(whole):
    """The second is told so; the lock ends with its owner."""
    names = columns(campaign_file.parse(SMALL, "x"))
    with Table(whole / "runs.csv", names), pytest.raises(InputError, match="another sweep is"):
        Table(whole / "runs.csv", names)
    with Table(whole / "runs.csv", names) as table:
        assert table.rows == ROWS


def test_the_table_is_parquet_too(whole):
    """With the extra installed: the same rows."""
    parquet = pytest.importorskip("pyarrow.parquet")
    assert parquet.read_table(whole / "runs.parquet").to_pylist() == rows_of(whole)


# ---------------------------------------------------------------- workers


def test_the_row_that_kills_its_worker_is_reported(whole):
    """It alone, however many rows its job has; all others are as ever."""
    campaign = campaign_file.parse(SMALL, "x")
    found = [
        row_of(campaign, planned, outcome)
        for part in results(campaign.jobs(), Engine(jobs=2), dying.dies_at_one_row)
        for planned, outcome in part
    ]
    expected = rows_of(whole)
    assert found[dying.DEADLY_ROW]["verdict"] == WORKER_DIED
    assert "died, twice" in found[dying.DEADLY_ROW]["reason"]
    found[dying.DEADLY_ROW] = expected[dying.DEADLY_ROW]
    assert found == expected


def test_a_worker_that_dies_by_accident_costs_nothing(whole, tmp_path):
    """What it was at is done again."""
    call = partial(dying.dies_once, str(tmp_path / "mark"))
    campaign = campaign_file.parse(SMALL, "x")
    found = [
        row_of(campaign, planned, outcome)
        for part in results(campaign.jobs(), Engine(jobs=2), call)
        for planned, outcome in part
    ]
    assert (tmp_path / "mark").exists()
    assert found == rows_of(whole)


@pytest.mark.heavy
def test_a_dask_cluster_gives_the_same_file(whole, campaign_path, tmp_path):
    """Two workers of a real cluster on this machine."""
    distributed = pytest.importorskip("distributed")
    out = tmp_path / "out"
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None
    ) as cluster:
        command = [*PROGRAM, campaign_path, "--engine", "dask", "--out", out]
        command += ["--scheduler", cluster.scheduler_address]
        subprocess.run(list(map(str, command)), cwd=ROOT, check=True, timeout=120)
    assert (out / "runs.csv").read_bytes() == (whole / "runs.csv").read_bytes()


def test_a_scheduler_that_does_not_answer_is_exit_4(campaign_path, monkeypatch):
    """What was tried, and how long."""
    pytest.importorskip("distributed")
    monkeypatch.setattr("scenarios.lab.campaign_run.SCHEDULER_WAIT_S", 1)
    done = sweep(campaign_path, "--engine", "dask", "--scheduler", "tcp://127.0.0.1:9")
    assert done.exit_code == 4
    assert "--scheduler tcp://127.0.0.1:9: no answer within 1 s" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_dask_that_is_not_installed_is_exit_4(campaign_path, monkeypatch):
    """How to get it."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    done = sweep(campaign_path, "--engine", "dask", "--scheduler", "tcp://127.0.0.1:9")
    assert done.exit_code == 4
    assert "fx3loop[dask]" in done.stderr


# ---------------------------------------------------------------- the summary


def test_the_summary_counts_what_the_table_says(whole):
    """Shares against a count by hand."""
    summary = json.loads((whole / "summary.json").read_text())
    assert summary["schema"] == "fx3loop.sweep/1"
    for policy in summary["policies"]:
        own = [row for row in rows_of(whole) if row["policy"] == policy["policy"]]
        false = sum(row["false_resets"] != "0" for row in own)
        assert policy["metrics"]["false_resets"]["value"] == pytest.approx(false / len(own))
        assert policy["metrics"]["false_resets"]["high"] > false / len(own)
        assert sum(policy["verdicts"].values()) == len(own) == 24
        assert policy["bounds"]["main_death"]["level"] == 5
        worst = max(float(row["recovery_ms"]) for row in own)
        assert policy["metrics"]["worst_recovery_ms"]["value"] == worst
        assert policy["faults"]["stop_hang"]["beyond_bound"] == 0


def test_sources_are_in_the_summary(whole):
    """Each distribution with where it comes from."""
    summary = json.loads((whole / "summary.json").read_text())
    assert summary["distributions"]["stall.duration_ms"]["source"] == "assumed"


def test_the_front_is_what_nobody_beats(whole):
    """Fewer false resets and a shorter worst recovery at once."""
    summary = json.loads((whole / "summary.json").read_text())
    points = {
        item["policy"]: (
            item["metrics"]["false_resets"]["value"],
            item["metrics"]["worst_recovery_ms"]["value"],
        )
        for item in summary["policies"]
    }
    front = {item["policy"] for item in summary["pareto"]}
    for name, point in points.items():
        beaten = any(
            other != point and other[0] <= point[0] and other[1] <= point[1]
            for other in points.values()
        )
        assert (name in front) is not beaten


def test_a_longer_stall_is_reset_more_often(whole):
    """The strongest sensitivity of the false resets is known from theory."""
    summary = json.loads((whole / "summary.json").read_text())
    found = {
        (item["fault"], item["parameter"], item["metric"]): item["value"]
        for item in summary["sensitivity"]
    }
    assert found["stall", "duration_ms", "downtime_ms"] > 0.2


def test_rows_that_say_nothing_are_counted_and_kept_out():
    """A bench that failed is no verdict on a policy."""
    campaign = campaign_file.parse(SMALL, "x")
    campaign = replace(campaign, policies=campaign.policies[:1])
    rows = [
        row_of(campaign, planned, outcome)
        for part in results(campaign.jobs(), Engine())
        for planned, outcome in part
    ]
    whole = campaign_summary.summarise(campaign, rows)["policies"][0]["metrics"]["recovered"]
    rows[0] = {**rows[0], "verdict": WORKER_DIED}
    summary = campaign_summary.summarise(campaign, rows)
    assert summary["void"] == 1
    assert summary["policies"][0]["metrics"]["recovered"]["count"] == whole["count"] - 1


# ---------------------------------------------------------------- the command


def test_the_command_prints_json_and_keeps_the_files(campaign_path, tmp_path):
    """Table, summary, and the campaign as it was given."""
    out = tmp_path / "out"
    done = sweep(campaign_path, "--out", out, "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout) == json.loads((out / "summary.json").read_text())
    assert (out / "campaign.toml").read_text() == SMALL
    with (out / "runs.csv").open() as file:
        assert len(list(csv.DictReader(file))) == ROWS


def test_the_command_says_it_in_words(whole):
    """Shares with their intervals, worst cases beside closed forms, sources."""
    done = sweep(whole / "campaign.toml", "--out", whole)
    assert done.exit_code == 0, done.stderr
    for words in ("false resets", "95 %", "assumed", "up to 8.156 s", "kept in"):
        assert words in done.stdout


def test_an_unmet_requirement_is_exit_1(whole):
    """And the summary holds the proposal."""
    done = sweep(
        whole / "campaign.toml", "--out", whole, "--require", "recover stop_hang within 1 ms"
    )
    assert done.exit_code == 1
    assert "none of" in done.stdout
    assert json.loads((whole / "summary.json").read_text())["proposal"]["policy"] is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["pet-intervall"], "did you mean pet-interval"),
        (["pet-interval", "--engine", "dask"], "--scheduler ADDRESS go together"),
        (["pet-interval", "--scheduler", "tcp://x"], "go together"),
        (["pet-interval", "--require", "be good"], "cannot be understood"),
        (["pet-interval", "--out", "/proc/nowhere"], "cannot make the folder"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(arguments, words):
    """No traceback."""
    done = sweep(*arguments)
    assert done.exit_code == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_is_no_table_is_not_touched(campaign_path, tmp_path):
    """Somebody's own runs.csv stays."""
    (tmp_path / "runs.csv").write_text("mine\n")
    done = sweep(campaign_path, "--out", tmp_path)
    assert done.exit_code == 2
    assert (tmp_path / "runs.csv").read_text() == "mine\n"
    assert not os.path.exists(tmp_path / "origin.json")
