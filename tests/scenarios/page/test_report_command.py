"""``fx3loop report``: what it takes, what it refuses, and what it writes."""

import json
import re

import pytest

from tests.scenarios.page_bench import ROW, certificate, fx3loop, sweep


@pytest.fixture
def results(tmp_path):
    """The JSON of one run."""
    path = tmp_path / "results.json"
    path.write_text(fx3loop("run", "main_death", "--json").stdout)
    return path


def written(tmp_path, source, *more):
    page = tmp_path / "page.html"
    done = fx3loop("report", source, "-o", page, *more)
    assert done.exit_code == 0, done.stderr
    return done, page.read_text()


def test_a_page_fetches_nothing_and_runs_nothing_from_elsewhere(tmp_path, results):
    """It opens offline: no address but the name of SVG, and a policy that forbids the rest."""
    _, html = written(tmp_path, results)
    addresses = set(re.findall(r"https?://[^\s\"'<>)]+", html))
    assert addresses <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r"<(link|script|img)[^>]+(src|href)=\"(?!data:)", html)
    assert "default-src 'none'" in html
    assert "@import" not in html
    assert "url(" not in html


def test_equal_sources_give_equal_bytes(tmp_path, results):
    _, one = written(tmp_path, results)
    _, two = written(tmp_path, results)
    assert one == two


@pytest.mark.parametrize("kind", ["results", "certificate", "trace", "schedule", "sweep", "name"])
def test_every_kind_of_source_is_told_by_what_is_in_it(tmp_path, results, kind):
    """The page says which it was; the exit code is 0."""
    source, told = results, "results"
    if kind == "certificate":
        source, told = tmp_path / "any.name", "certificate"
        certificate().write(source)
    elif kind == "trace":
        source, told = tmp_path / "trace.json", "trace"
        fx3loop("run", "main_death", "--trace", source)
    elif kind == "schedule":
        from health import Policy
        from scenarios.lab import schedule

        source, told = tmp_path / "violation.json", "schedule"
        policy = Policy.preset("reference")
        item = schedule.Schedule("main_death", "reference", policy, "device", 1, ())
        schedule.write(item, ("it died",), source)
    elif kind == "sweep":
        source, told = sweep(tmp_path / "sweep", [ROW]), "sweep"
    elif kind == "name":
        source, told = "main_death", "run"
    done, html = written(tmp_path, source, "--json")
    document = json.loads(done.stdout)
    assert (document["schema"], document["kind"]) == ("fx3loop.report/1", told)
    assert document["verdict"] in re.sub(r"&[#0-9a-z]+;", "'", html)


def test_results_may_come_from_standard_input(tmp_path, results):
    page = tmp_path / "page.html"
    done = fx3loop("report", "-", "-o", page, text=results.read_text())
    assert done.exit_code == 0
    assert "main_death" in page.read_text()


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (None, "there is no"),
        (
            "no JSON",
            "no file that a page can be made of; give a certificate (fx3loop verify --out)",
        ),
        ("[1]", "give a certificate"),
        ('{"schema": "other/1"}', "its schema is 'other/1', of which no page is made"),
        ('{"schema": "fx3loop.run/2", "rows": [{}], "counts": {}}', "row 0 has no incident"),
        ('{"schema": "fx3loop.run/2"}', "rows or counts are missing"),
        ('{"traceEvents": [{"ph": "X", "pid": 1}]}', "no trace of fx3loop run --trace"),
        ('{"schema": "fx3loop.certificate/2", "digest": "0"}', "was changed after it was written"),
        ('{"schema": "fx3loop.schedule/1"}', "scenario is missing"),
    ],
)
def test_bad_sources_give_one_line_that_names_what_is_accepted(tmp_path, content, part):
    source = tmp_path / "source.json"
    if content is not None:
        source.write_text(content)
    done = fx3loop("report", source, "-o", tmp_path / "page.html")
    assert done.exit_code == 2
    assert part in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "page.html").exists()


def test_a_file_that_is_no_text_is_refused(tmp_path):
    source = tmp_path / "picture.png"
    source.write_bytes(b"\x89PNG\xff\xfe")
    done = fx3loop("report", source, "-o", tmp_path / "page.html")
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)


@pytest.mark.parametrize("missing", ["summary.json", "runs.csv"])
def test_a_folder_that_is_no_sweep_is_refused(tmp_path, missing):
    folder = sweep(tmp_path / "sweep", [ROW])
    (folder / missing).unlink()
    done = fx3loop("report", folder, "-o", tmp_path / "page.html")
    assert done.exit_code == 2
    assert "no summary.json and runs.csv in this folder" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("main_death", "-o", "page.txt"), "its name has to end in .html"),
        (("main_death", "-o", "/nowhere/page.html"), "there is no folder /nowhere"),
        ((), "which report? Give a certificate"),
        (("stopfx3_hnag",), "did you mean stopfx3_hang"),
        (("calibratoin",), "did you mean calibration?"),
        (("main_death", "--figures", "/dev/null/x"), "cannot make the folder"),
    ],
)
def test_wrong_options_give_one_line(arguments, part):
    done = fx3loop("report", *arguments)
    assert done.exit_code == 2
    assert part in done.stderr
    assert done.stderr.count("\n") == 1


def test_calibration_is_still_a_report():
    """Its own options, its own help."""
    done = fx3loop("report", "calibration", "--help")
    assert done.exit_code == 0
    assert "--quick" in done.stdout
    assert "Usage: cli report calibration" in done.stdout
    assert "calibration" in fx3loop("report", "--help").stdout


def test_texts_from_files_cannot_become_markup(tmp_path, results):
    """Neither in the page nor in the script's data."""
    evil = "</script><img src=x onerror=alert(1)>"
    document = json.loads(results.read_text())
    document["rows"][0]["reasons"] = [evil]
    document["rows"][0]["host_saw"] = evil
    results.write_text(json.dumps(document))
    _, html = written(tmp_path, results)
    assert evil not in html
    trace = {
        "traceEvents": [
            {"ph": "M", "pid": 1, "tid": 0, "name": "process_name", "args": {"name": "fx3"}},
            {"ph": "M", "pid": 1, "tid": 1, "name": "thread_name", "args": {"name": evil}},
            {"ph": "i", "pid": 1, "tid": 1, "ts": 1.0, "name": evil},
        ]
    }
    path = tmp_path / "trace.json"
    path.write_text(json.dumps(trace))
    _, html = written(tmp_path, path)
    assert evil not in html
    assert html.count("</script>") == 2
