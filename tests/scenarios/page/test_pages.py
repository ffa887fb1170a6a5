"""What the pages say about certificates, results and sweeps."""

import json
from dataclasses import replace

import pytest

from health import Policy
from hw.guard.certificate import HealthClass
from scenarios.page import certificate_page, run_page, source
from scenarios.page.model import (
    Bars,
    Distributions,
    Matrix,
    Note,
    Page,
    Pareto,
    Table,
    Timeline,
)
from tests.scenarios.page_bench import (
    BLOCK,
    ROW,
    SPIN,
    cell,
    certificate,
    fx3loop,
    policy_summary,
    sweep,
)


def only(page: Page, kind: type):
    (found,) = [block for block in page.blocks() if isinstance(block, kind)]
    return found


def section(page: Page, key: str):
    return next(item for item in page.sections if item.key == key)


# ---------------------------------------------------------------- certificate


def test_the_matrix_has_a_row_for_each_call_and_a_column_for_each_fault():
    """A cell shows its level and its latest detection; the rest stands in its notes."""
    matrix = only(certificate_page.build(certificate(), "x"), Matrix)
    (row,) = matrix.rows
    assert (row.request, row.call, row.nth) == ("STOPFX3", "usb_flush_ep", 1)
    blocked, spinning = row.cells[0], row.cells[3]
    assert (blocked.text, blocked.tone) == ("4", "good")
    assert (spinning.text, spinning.latency) == ("5", "6.655\u202fs")
    assert row.cells[1] is None
    assert "claimed: level 5 within 7.000\u202fs" in spinning.notes
    assert sum(span for _, span in matrix.groups) == len(matrix.columns) == len(row.cells)


def test_of_another_health_module_nothing_is_run_again():
    """Its file is not part of the certificate."""
    other = HealthClass("mine.py:Mine", is_reference=False, file_sha256="ab" * 32)
    page = certificate_page.build(replace(certificate(), health=other), "x")
    assert section(page, "worst-device").blocks == (
        Note(
            "The health module mine.py:Mine (abababababab) is not at hand: nothing was run again."
        ),
    )
    assert ("Health module", "mine.py:Mine (abababababab)") in [
        (fact.label, fact.value) for fact in page.facts
    ]


def test_a_claim_with_two_levels_is_told_with_both():
    """Level 5 where level 1 waits for a lock, level 4 where it does not."""
    sooner = {"kind": "recovers", "level": 4, "within_ms": 2_103, "instead": None}
    claim = {"kind": "recovers", "level": 5, "within_ms": 10_263, "instead": sooner}
    cells = {BLOCK: cell("recovered", [5], 8_154.913, claim=claim)}
    (row,) = only(certificate_page.build(certificate(cells), "x"), Matrix).rows
    told = "claimed: level 5 within 10.263\u202fs, or level 4 within 2.103\u202fs"
    assert told in row.cells[0].notes


def test_latencies_stand_against_the_closed_forms_of_the_policy():
    """The interval is that of ``fx3loop bounds reference``: 1.5 s and 5 s give 5.057 to 6.656 s."""
    page = certificate_page.build(certificate(), "x")
    items = {item.label: item for item in only(page, Distributions).items}
    assert list(items) == ["Main death", "USB spin", "EP0 blocked"]
    spin = items["USB spin"]
    assert spin.values_ms == (6_655.25,)
    assert (round(spin.low_ms), round(spin.high_ms), spin.level) == (5_057, 6_656, 5)
    assert spin.outside == 0


def test_a_cell_that_climbed_on_is_not_held_against_the_first_level():
    """Its time is that of the level that ended it, which the closed form does not tell."""
    cells = {
        "STARTFX3: cold_start:until=restart": cell("recovered", [1], 582.1),
        "STARTFX3: cold_start": cell("recovered", [1, 4], 2_612.0),
    }
    (item,) = only(certificate_page.build(certificate(cells), "x"), Distributions).items
    assert (item.values_ms, item.climbed, item.outside) == ((582.1,), 1, 0)


def test_what_no_level_answered_is_counted():
    cells = {SPIN: cell("locked_up", [], None)}
    (item,) = only(certificate_page.build(certificate(cells), "x"), Distributions).items
    assert (item.values_ms, item.missing) == ((), 1)


def test_from_the_host_no_closed_form_is_drawn():
    """They are those of a module on the device."""
    made = certificate()
    host = certificate_page.build(
        type(made)(**{**_fields(made), "positions": {"host": made.positions["device"]}}), "x"
    )
    assert {item.high_ms for item in only(host, Distributions).items} == {None}


def _fields(made):
    return {name: getattr(made, name) for name in made.__dataclass_fields__}


@pytest.mark.parametrize(
    ("cells", "more", "tone", "part"),
    [
        ({BLOCK: cell("recovered", [4], 2_098.6)}, {}, "good", "Every claim holds"),
        ({SPIN: cell("locked_up", [], None)}, {}, "warn", "but 1 cell without one ends badly"),
        (
            {SPIN: cell("locked_up", [], None, red=["claimed, but locked up"])},
            {"violations": ["STOPFX3: claimed, but locked up"]},
            "bad",
            "1 claim or invariant broken",
        ),
    ],
)
def test_the_verdict_tells_claims_from_silence(cells, more, tone, part):
    """That every claim holds says nothing about what is not claimed, so the page does."""
    verdict = certificate_page.build(certificate(cells, **more), "x").verdict
    assert (verdict.tone, part in verdict.text) == (tone, True)


def test_the_worst_cells_are_run_again_with_their_traces():
    """One of a kind, the worst first; the run is the certificate's own, so its times are too."""
    cells = {
        BLOCK: cell("recovered", [4], 2_098.61),
        SPIN: cell("recovered", [5], 6_655.25),
        SPIN + ",lock=usb": cell("recovered", [5], 6_655.0),
    }
    page = certificate_page.build(certificate(cells), "x")
    shown = [block for block in page.blocks() if isinstance(block, Timeline)]
    assert [block.title for block in shown] == [
        "usb_flush_ep hangs in STOPFX3, spinning",
        "usb_flush_ep hangs in STOPFX3, blocked",
    ]
    assert any("level 5 after 6.65" in text for text in shown[0].facts)


def test_a_certificate_without_cells_says_so():
    page = certificate_page.build(certificate({}), "x")
    notes = [block.text for block in page.blocks() if isinstance(block, Note)]
    assert "The certificate holds no cell at an SDK call." in notes
    assert "There is no run to show." in notes


# ---------------------------------------------------------------- results


def results(*arguments: str) -> dict:
    return json.loads(fx3loop("run", *arguments, "--json").stdout)


def test_a_row_is_run_again_with_the_same_times():
    """Which is why its picture may stand beside it."""
    document = results("stopfx3_hang", "--seed", "5")
    timeline = only(run_page.of_results(document, "x"), Timeline)
    detected_ms = document["rows"][0]["detected_after_ms"]
    assert any(f"level 4 after {detected_ms / 1000:.3f}" in text for text in timeline.facts)
    assert timeline.command == (
        "fx3loop run stopfx3_hang --firmware fw-2.2 --policy reference --seed 5"
    )


def test_faults_of_one_s_own_are_run_again_too():
    document = results("steady_stream", "--fault", "main_hang:at_ms=6000")
    timeline = only(run_page.of_results(document, "x"), Timeline)
    assert [text for _, text, where in timeline.story if where == "Faults"] == [
        "main_hang:at_ms=6000"
    ]


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"policy": "mine"}, "is no preset"),
        ({"health": "mine.py:Health"}, "a health module of one's own"),
        ({"policy": "device's own"}, "run on a device"),
        ({"scenario": "gone"}, "cannot be run again: no scenario 'gone'"),
    ],
)
def test_a_row_that_cannot_be_run_again_says_why(change, part):
    document = results("double_stop")
    document["rows"][0] |= change
    assert part in only(run_page.of_results(document, "x"), Note).text


def test_the_failed_stand_first_and_make_the_verdict():
    document = results("double_stop", "stack_check")
    document["rows"][1] |= {"outcome": "failed", "reasons": ["strict rule: it lied"]}
    document["counts"] |= {"passed": 1, "failed": 1}
    page = run_page.of_results(document, "x")
    assert (page.verdict.text, page.verdict.tone) == ("1 run failed", "bad")
    rows = only(page, Table).rows
    assert [row[0].text for row in rows] == ["stack_check", "double_stop"]
    assert rows[0][-1].note == "strict rule: it lied"


# ---------------------------------------------------------------- sweep


def test_a_sweep_shows_figures_with_their_intervals_and_leaves_unknown_ones_out(tmp_path):
    """Availability is not known without rates, so it has no column."""
    page = source.page_of(str(sweep(tmp_path / "s", [ROW])))
    table = section(page, "policies").blocks[0]
    assert table.headings == ("Policy", "False resets", "Worst recovery")
    item = table.rows[0][1]
    assert (item.text, item.detail) == ("0\u202f%", "0.3\u202f% to 4\u202f%")


def test_the_pareto_front_leaves_out_what_did_not_recover(tmp_path):
    lost = policy_summary("c", 0.0, 1.0, verdicts={"unrecovered": 1})
    policies = [policy_summary("a", 0.0, 9_000), policy_summary("b", 0.01, 7_600), lost]
    page = source.page_of(str(sweep(tmp_path / "s", [ROW], policies=policies)))
    points = {point.label: point for point in only(page, Pareto).points}
    assert set(points) == {"a", "b"}
    assert (points["a"].is_on_front, points["b"].is_on_front) == (True, False)
    assert (points["b"].x, points["b"].y_ms) == (1.0, 7_600)


def test_a_sweep_s_latencies_share_a_scale_and_the_nominal_bound(tmp_path):
    """The board may vary, so a value past the nominal bound breaks no promise."""
    rows = [ROW, {**ROW, "policy": "b", "detection_ms": "6700"}]
    page = source.page_of(str(sweep(tmp_path / "s", rows)))
    one, two = only(page, Distributions).items
    assert (one.label, two.label) == ("a", "b")
    assert one.limits_ms == two.limits_ms
    assert (two.outside, two.is_promise) == (1, False)
    assert (one.low_ms, one.high_ms) == (5_057.250001, 6_656.149999)


@pytest.mark.parametrize(
    ("verdicts", "tone", "text"),
    [
        (["recovered", "served"], "good", "Every run serves in the end"),
        (["recovered", "false_reset"], "warn", "Every run recovers; 1 false reset"),
        (["recovered", "unrecovered"], "bad", "1 run did not recover"),
        (["not_reached"], "void", "Nothing was shown"),
    ],
)
def test_the_verdict_of_a_sweep(tmp_path, verdicts, tone, text):
    rows = [{**ROW, "verdict": verdict} for verdict in verdicts]
    verdict = source.page_of(str(sweep(tmp_path / "s", rows))).verdict
    assert (verdict.tone, verdict.text) == (tone, text)


def test_the_worst_rows_come_first_and_an_unrecovered_one_never_came_back(tmp_path):
    rows = [ROW, {**ROW, "row": "1", "verdict": "unrecovered", "recovery_ms": ""}]
    page = source.page_of(str(sweep(tmp_path / "s", rows)))
    worst = section(page, "worst").blocks[0].rows
    assert [row[0].text for row in worst] == ["1", "0"]
    assert worst[0][5].text == "never"


def test_what_is_assumed_is_marked(tmp_path):
    page = source.page_of(str(sweep(tmp_path / "s", [ROW])))
    (row,) = section(page, "drawn").blocks[0].rows
    assert (row[0].text, row[3].text, row[3].tone) == ("main_stall.duration_ms", "assumed", "warn")


def test_a_sweep_that_has_no_rows_yet_makes_a_page(tmp_path):
    page = source.page_of(str(sweep(tmp_path / "s", [], sensitivity=[], pareto=[])))
    assert page.verdict.tone == "void"
    assert not [block for block in page.blocks() if isinstance(block, Distributions | Bars)]


def test_a_sweep_with_another_schema_or_a_torn_table_is_refused(tmp_path):
    from scenarios.errors import InputError

    with pytest.raises(InputError, match=r"its schema is 'x', not 'fx3loop\.sweep/1'"):
        source.page_of(str(sweep(tmp_path / "one", [ROW], schema="x")))
    folder = sweep(tmp_path / "two", [ROW])
    with (folder / "runs.csv").open("a") as file:
        file.write("1,0,7")
    with pytest.raises(InputError, match="or a row is torn"):
        source.page_of(str(folder))
    with pytest.raises(InputError, match="not what fx3loop sweep writes"):
        source.page_of(str(sweep(tmp_path / "three", [ROW], policies=[{}])))


def test_the_policy_in_a_certificate_is_the_one_that_is_shown():
    page = certificate_page.build(certificate(), "x")
    assert section(page, "policy").blocks[0].text == Policy.preset("reference").to_toml()
