"""The report on published figures: complete, honest, measured, and as it stands in docs/."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from scenarios.calibration import soak_outcome
from scenarios.calibration.catalogue import GROUPS
from scenarios.calibration.document import SCHEMA, measured, row, troubles
from scenarios.calibration.figure import (
    Figure,
    Group,
    Interval,
    Rule,
    Verdict,
    about,
    deviation,
    exactly,
    judge,
    over,
    rounded,
)
from scenarios.calibration.markdown import rendered
from scenarios.cli import cli

DOCS = Path(__file__).resolve().parents[2] / "docs"
FIGURES = {figure.key: figure for group in GROUPS for figure in group.figures}

PUBLISHED_TIMINGS = {
    "host control time-out": ("control_timeout", "control_timeout_tools"),
    "longest legal handler": ("longest_handler",),
    "GETSTATS round trip": ("stats_round_trip_20", "stats_round_trip_26"),
    "one I2C read": ("register_read_slow", "register_read_fast"),
    "preflight": ("preflight",),
    "STARTADC": ("set_clock", "set_clock_polls", "set_clock_before"),
    "soft stop": ("soft_stop",),
    "main loop": ("main_loop",),
    "level 1": ("level_1_detection", "level_1_duration", "restart_interval"),
    "level 4": ("level_4_detection", "level_4_boot_rom"),
    "level 5": ("watchdog_period", "main_death"),
    "recovery tests": ("main_recovery_test", "health_recovery_test"),
    "upload": ("upload",),
    "last byte to enumerated": ("enumeration",),
    "first visible to usable": ("host_setup",),
    "RESETFX3, usbreset, reload": (
        "reset_request",
        "boot_rom",
        "port_reset",
        "harness_waits",
        "reload",
    ),
    "EP0 data wait": ("data_wait",),
    "error blink": ("blink",),
    "buffer period": ("buffer_period_64", "buffer_period_32", "buffer_period_129_6"),
    "drain deadline": (
        "fill_time_64",
        "fill_time_32",
        "fill_time_64_documents",
        "fill_time_32_documents",
    ),
    "rate of the DMA count": ("count_rate_64", "count_rate_32", "count_rate_129_6"),
    "throughput": (
        "throughput_32",
        "sustained_stream",
        "lossless_3_h",
        "throughput_129_6",
        "freq_hop",
    ),
    "rx888_stream's queue": ("host_queue",),
    "ADC wake": ("adc_wake",),
    "debug console": ("debug_poll", "debug_page", "debug_buffer", "event_queue"),
    "stack": ("stack",),
    "image": ("image",),
}
"""Every timing that the firmware project published, and the rows that answer it."""

PUBLISHED_SOAKS = {
    "367 cycles": ("soak_367",),
    "252 cycles": ("order_252_triple", "order_252_failed", "soak_252_failures"),
    "hours in chunks": ("soak_chunks",),
    "390 cycles": (
        "runs_390_dma_count_reset",
        "replay_390_dma_count_reset_failed",
        "replay_390_sustained_stream_failed",
        "replay_390_failures",
    ),
    "380 cycles": ("soak_380",),
    "688 cycles": (
        "replay_688_dma_count_monotonic_failed",
        "replay_688_dma_count_monotonic_slow_host",
        "replay_688_others_slow_host",
        "replay_688_faults",
        "replay_688_pib_errors",
    ),
    "534 cycles": (
        "replay_534_stop_start_cycle_passed",
        "replay_534_dma_count_monotonic_passed",
        "replay_534_dma_count_reset_passed",
        "replay_534_sustained_stream_passed",
        "replay_534_scenarios",
        "replay_534_health",
        "soft_stops",
    ),
    "2099 cycles": ("replay_2099_pace", "replay_2099_rapid_start_stop_failed"),
    "pull request 93": ("soak_pr93",),
    "1275 cycles": ("soak_1275",),
    "the pet mended": ("soak_pet_fixed",),
    "3368 cycles": (
        "replay_3368_pace",
        "replay_3368_wedge_recovery_passed",
        "replay_3368_test_health_recovery_passed",
        "replay_3368_test_main_recovery_passed",
        "replay_3368_failures",
        "replay_3368_health",
    ),
    "1816 cycles": (
        "replay_1816_pace",
        "replay_1816_clk0_chip_query_passed",
        "replay_1816_failures",
    ),
    "firmware 2.4": ("soak_fw_2_4",),
    "the PPS rig": ("lossless_3_h",),
    "acceptance runs": ("acceptance_run", "tap_38"),
}

VERDICTS_OF_JUDGEMENT = {
    "P": ("watchdog_period_exact",),
    "main death": ("main_death_exact",),
    "blocked EP0": ("level_4_detection_exact",),
    "test_main_recovery": ("missed_main_recoveries",),
    "unread stream": ("restart_interval", "restarts_in_5_s", "growth_13_13", "tick_error_implied"),
    "32 MS/s": ("throughput_32_ideal",),
    "GETSTATS": ("stats_round_trip_26",),
    "stuck count": ("stuck_count", "stuck_count_recovered"),
    "pace": ("pace_spread", "replay_3368_pace", "replay_1816_pace", "replay_2099_pace"),
    "outcomes": (
        "stop_start_wedge",
        "replay_688_dma_count_monotonic_slow_host",
        "replay_688_others_slow_host",
        "replay_688_faults",
        "replay_534_scenarios",
    ),
    "a paused reader": ("paused_reader",),
    "locks of levels 2 and 3": ("level_4_at_once",),
    "clock lost": ("lost_clock",),
    "usbfs": ("claimed_by_another",),
    "passing after level 4": ("serves_again", "spin_without_level_5"),
    "rates in the field": ("field_rates",),
}


@pytest.fixture(scope="module")
def stored():
    """The data of the report as committed."""
    return json.loads((DOCS / "calibration.json").read_text(encoding="utf-8"))


def rows_of(document):
    return {item["key"]: item for group in document["groups"] for item in group["figures"]}


def figure(**fields):
    """A figure whose measure gives 5."""
    known = {
        "key": "five",
        "quantity": "a quantity",
        "published": "about 5",
        "source": "somewhere",
        "unit": "ms",
        "expected": Interval(4, 6),
        "measure": lambda: exactly(5),
    }
    return Figure(**(known | fields))


# ---------------------------------------------------------------- the report itself


@pytest.mark.parametrize("published", [PUBLISHED_TIMINGS, PUBLISHED_SOAKS, VERDICTS_OF_JUDGEMENT])
def test_every_published_figure_has_a_row_with_a_verdict(published, stored):
    """Nothing that was published is left out, and the full report leaves nothing out either."""
    rows = rows_of(stored)
    for name, keys in published.items():
        for key in keys:
            assert rows[key]["verdict"] in ("within", "outside", "not compared"), (name, key)


def test_the_committed_report_has_every_figure_and_is_honest(stored):
    """All rows of the code and no other; each deviation has its reason, and no reason is stale."""
    assert stored["schema"] == SCHEMA
    assert not stored["is_quick"]
    assert list(rows_of(stored)) == list(FIGURES)
    assert troubles(stored) == []
    assert sum(stored["verdicts"].values()) == len(FIGURES)


def test_the_committed_page_is_what_the_data_renders_to(stored):
    """docs/calibration.md is never edited by hand."""
    assert (DOCS / "calibration.md").read_text(encoding="utf-8") == rendered(stored)


def test_the_quick_rows_measured_again_are_those_committed(stored):
    """The model still gives what the report says; make calibration after a change of behaviour."""
    before = rows_of(stored)
    now = rows_of(measured(GROUPS, is_quick=True))
    for key, item in now.items():
        if item["verdict"] == Verdict.LEFT_OUT:
            assert FIGURES[key].is_long
        else:
            assert item == before[key]


@pytest.mark.heavy
def test_the_long_rows_measured_again_are_those_committed(stored):
    """The replays of all published soaks."""
    before = rows_of(stored)
    for key, item in FIGURES.items():
        if item.is_long:
            assert row(item) == before[key]


def test_every_source_is_public():
    """Rows name commits, files and keys of docs/sources.md, never this project's own notes."""
    for item in FIGURES.values():
        assert item.source
        text = " ".join((item.source, item.published, item.reason, item.remark))
        assert not re.search(r"\b(history|scenarios|judgement|fx3|anchors)\.md\b", text)


def test_keys_are_unique():
    """A key names one row."""
    assert len(FIGURES) == sum(len(group.figures) for group in GROUPS)


# ---------------------------------------------------------------- judging


@pytest.mark.parametrize(
    ("low", "high", "within", "meets"),
    [
        (4, 6, True, True),
        (5, 5, True, True),
        (3.99, 6, False, True),
        (4, 6.01, False, True),
        (6, 9, False, True),
        (6.01, 9, False, False),
        (1, 3.99, False, False),
        (1, 9, False, True),
    ],
)
def test_a_range_is_judged_by_its_ends(low, high, within, meets):
    """Within: all of it; meets: any of it."""
    for rule, agrees in ((Rule.WITHIN, within), (Rule.MEETS, meets)):
        expected = Verdict.WITHIN if agrees else Verdict.OUTSIDE
        assert judge(Interval(4, 6), Interval(low, high), rule) is expected


@pytest.mark.parametrize(
    ("low", "high", "rule", "off"),
    [
        (4, 6, Rule.WITHIN, 0),
        (3, 5, Rule.WITHIN, -1),
        (5, 8, Rule.WITHIN, 2),
        (3, 8, Rule.WITHIN, 2),
        (1, 7, Rule.WITHIN, -3),
        (1, 9, Rule.MEETS, 0),
        (7, 9, Rule.MEETS, 1),
        (1, 2, Rule.MEETS, -2),
    ],
)
def test_a_deviation_counts_from_the_end_of_the_range(low, high, rule, off):
    """0 inside; else the farther end's distance, or for typical values the nearer one's."""
    assert deviation(Interval(4, 6), Interval(low, high), rule) == off


def test_ranges_are_made_from_values():
    """Helpers of the figures."""
    assert over([3, 1, 2]) == Interval(1, 3)
    assert about(100, 5) == Interval(95, 105)
    assert exactly(7) == Interval(7, 7)
    assert rounded(5.0) == 5
    assert isinstance(rounded(5.0), int)
    assert rounded(1_999.190_000_01) == 1_999.19
    with pytest.raises(ValueError, match="the least comes first"):
        Interval(2, 1)


def test_a_figure_outside_without_a_reason_is_an_error():
    """So the report cannot show a deviation that nobody has thought about."""
    bad = figure(expected=Interval(6, 7))
    document = measured([Group("a group", (bad,))])
    assert document["groups"][0]["figures"][0]["verdict"] == "outside"
    assert troubles(document) == ["five is outside and has no reason; write one"]
    explained = measured([Group("a group", (replace(bad, reason="because"),))])
    assert troubles(explained) == []


def test_a_reason_that_no_longer_holds_is_an_error():
    """A figure that came within again must not go on apologising."""
    (trouble,) = troubles(measured([Group("a group", (figure(reason="because"),))]))
    assert trouble == "five is within, so its reason no longer holds; remove it"


def test_a_figure_that_cannot_be_compared_needs_a_reason():
    """And a range without a measure, or the other way round, is a mistake."""
    nothing = {"expected": None, "measure": None}
    with pytest.raises(ValueError, match="needs a reason"):
        figure(**nothing)
    assert row(figure(**nothing, reason="because"))["verdict"] == "not compared"
    with pytest.raises(ValueError, match="come together"):
        figure(expected=None)


def test_a_quick_report_leaves_long_figures_out_unmeasured():
    """They are named, so that nobody takes them for within."""
    long = figure(is_long=True, measure=lambda: pytest.fail("measured"))
    document = measured([Group("a group", (long,))], is_quick=True)
    assert document["verdicts"]["left out"] == 1
    assert "left out" in rendered(document)


def test_the_page_depends_on_the_data_alone():
    """Two renderings are equal, through JSON as well, and a bar in a text does not break a row."""
    document = measured([Group("a group", (figure(quantity="a|b", remark="why"),))])
    page = rendered(document)
    assert page == rendered(json.loads(json.dumps(document)))
    assert "| a\\|b | about 5 [4 to 6 ms] | somewhere | 5 ms | 0 | within | why |" in page


def test_a_deviation_is_shown_in_its_unit_and_in_percent():
    """Negative below, positive above."""
    low = figure(expected=Interval(8, 10), reason="because")
    high = figure(expected=Interval(1, 2), reason="because")
    page = rendered(measured([Group("a group", (low, high))]))
    assert "| 5 ms | -3 ms (-38 %) | **outside** | because |" in page
    assert "| 5 ms | +3 ms (+150 %) | **outside** | because |" in page


def test_a_replay_is_of_the_whole_soak():
    """A row about N cycles rests on N cycles, whatever the hours."""
    for item in FIGURES.values():
        if item.key.endswith("_pace") and item.is_long:
            assert item.quantity.split()[0].isdigit()
    assert soak_outcome.HOUR_1816.cycles == 1_816


# ---------------------------------------------------------------- the command


@pytest.fixture
def few(monkeypatch):
    """A catalogue of one good figure."""
    groups = (Group("a group", (figure(),)),)
    monkeypatch.setattr("scenarios.calibration.catalogue.GROUPS", groups)
    return monkeypatch


def run(*arguments):
    return CliRunner().invoke(cli, ["report", "calibration", *arguments])


def test_the_page_is_printed_or_written_with_its_data_beside_it(few, tmp_path):
    """--out FILE.md makes FILE.json too; without it the page goes to standard output."""
    printed = run("--quick")
    assert printed.exit_code == 0
    assert printed.stdout.startswith("# Published figures")
    target = tmp_path / "page.md"
    assert run("--out", str(target)).exit_code == 0
    data = json.loads((tmp_path / "page.json").read_text(encoding="utf-8"))
    assert data["schema"] == SCHEMA
    assert target.read_text(encoding="utf-8") == rendered(data)


def test_json_goes_to_standard_output_alone(few):
    """Nothing else is printed there."""
    document = json.loads(run("--json").stdout)
    assert document["groups"][0]["figures"][0]["key"] == "five"


def test_an_unexplained_deviation_ends_with_1_and_is_named(few):
    """The report is made all the same."""
    groups = (Group("a group", (figure(expected=exactly(9)),)),)
    few.setattr("scenarios.calibration.catalogue.GROUPS", groups)
    result = run("--json")
    assert result.exit_code == 1
    assert "five is outside and has no reason" in result.stderr
    assert json.loads(result.stdout)["verdicts"]["outside"] == 1


def test_only_markdown_files_are_written(few, tmp_path):
    """The data would take the page's place otherwise."""
    result = run("--out", str(tmp_path / "page.json"))
    assert (result.exit_code, "its name has to end in .md" in result.stderr) == (2, True)
    assert not (tmp_path / "page.json").exists()
