"""Numbers, scales, lanes, charts and figures."""

import itertools
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given, strategies as st

from hw.trace import Recorder, chrome
from scenarios.page import charts, figures, source, text, traces
from scenarios.page.axis import Axis, nice_step, padded, tick_text
from scenarios.page.lanes import lanes_of, story_of
from scenarios.page.model import Bar, Bars, Distribution, Pareto, Point
from tests.scenarios.page_bench import ROW, sweep

US = 1_000
MS = 1_000_000


def svg(markup: str) -> ElementTree.Element:
    """The chart, if it is well-formed."""
    return ElementTree.fromstring(markup)


def shapes(markup: str, kind: str) -> list[dict[str, str]]:
    return [item.attrib for item in svg(markup).iter() if kind in item.get("class", "").split()]


# ---------------------------------------------------------------- numbers


@pytest.mark.parametrize(
    ("time_ms", "shown"),
    [
        (None, "–"),
        (0, "0 ms"),
        (0.25, "250 µs"),
        (96.44, "96.4 ms"),
        (999.9, "999.9 ms"),
        (2_098.61, "2.099 s"),
        (119_999, "119.999 s"),
        (120_000, "2.0 min"),
        (7_200_000, "2 h"),
    ],
)
def test_a_duration_has_the_unit_that_suits_it(time_ms, shown):
    assert text.duration(time_ms).replace(text.NARROW, " ") == shown


def test_a_share_never_claims_a_round_100_percent_that_is_none():
    assert text.share(1.0) == "100\u202f%"
    assert text.share(0.99996) == "99.996\u202f%"
    assert text.share(0.999999999) == "<\u202f100\u202f%"
    assert text.share(0.0) == "0\u202f%"


def test_shares_that_differ_are_told_apart():
    assert [item.replace(text.NARROW, "") for item in text.shares(0.99999, 0.999985, 0.999993)] == [
        "99.999%",
        "99.9985%",
        "99.9993%",
    ]


def test_a_setting_has_no_empty_decimals():
    assert text.setting(1_000).replace(text.NARROW, " ") == "1 s"
    assert text.setting(1_250).replace(text.NARROW, " ") == "1.25 s"


# ---------------------------------------------------------------- scales


@given(st.floats(1e-6, 1e9))
def test_a_step_is_round_and_not_below_what_was_asked(rough):
    step = nice_step(rough)
    assert rough * 0.999999 <= step <= rough * 10.1
    assert f"{step:.6e}".rstrip("0").split("e")[0].rstrip("0") in ("1.", "2.", "2.5", "5.")


def test_ticks_line_up():
    ticks = Axis(1.99, 2.11, 0, 100).ticks(6)
    assert [tick_text(tick, ticks) for tick in ticks] == [
        "2.00",
        "2.02",
        "2.04",
        "2.06",
        "2.08",
        "2.10",
    ]


def test_equal_values_still_have_a_scale():
    low, high = padded([5.0, 5.0], 0.1)
    assert low < 5 < high
    assert padded([0.0], 0.1) == (-1.0, 1.0)


# ---------------------------------------------------------------- charts


def test_few_values_are_dots_and_many_a_histogram():
    few = Distribution("x", "", tuple(map(float, range(1, 41))))
    many = Distribution("x", "", tuple(map(float, range(1, 142))))
    assert (
        len(shapes(charts.distribution(few), "dot")),
        shapes(charts.distribution(few), "bin"),
    ) == (
        40,
        [],
    )
    assert not shapes(charts.distribution(many), "dot")
    tips = [item["data-tip"] for item in shapes(charts.distribution(many), "bin")]
    assert sum(int(tip.rpartition(": ")[2]) for tip in tips) == 141


def test_a_value_past_the_worst_case_stands_out_where_that_is_a_promise():
    item = Distribution("x", "", (5.0, 9.0), low_ms=4.0, high_ms=8.0)
    assert len(shapes(charts.distribution(item), "out")) == item.outside == 1
    nominal = Distribution("x", "", (5.0, 9.0), low_ms=4.0, high_ms=8.0, is_promise=False)
    assert not shapes(charts.distribution(nominal), "out")


def test_the_closed_form_s_interval_lies_where_its_values_lie():
    item = Distribution("x", "", (100.0, 300.0), low_ms=100.0, high_ms=300.0)
    (band,) = shapes(charts.distribution(item), "bound")
    first, last = shapes(charts.distribution(item), "dot")
    assert float(band["x"]) == float(first["cx"])
    assert float(band["x"]) + float(band["width"]) == pytest.approx(float(last["cx"]), abs=0.1)


@given(
    st.lists(st.floats(0, 1e7), min_size=1, max_size=80),
    st.one_of(st.none(), st.tuples(st.floats(0, 1e6), st.floats(0, 1e6))),
)
def test_every_distribution_can_be_drawn(values, bound):
    """Nothing lies outside of the picture."""
    low, high = (None, None) if bound is None else sorted(bound)
    markup = charts.distribution(Distribution("x", "", tuple(sorted(values)), low, high))
    for item in [*shapes(markup, "dot"), *shapes(markup, "bin"), *shapes(markup, "bound")]:
        at = float(item.get("cx") or item["x"])
        assert 0 <= at <= charts.WIDTH


@given(
    st.lists(st.tuples(st.floats(0, 100), st.floats(0, 1e6), st.booleans()), min_size=1, max_size=9)
)
def test_every_pareto_front_can_be_drawn(points):
    block = Pareto("c", "x", "y", tuple(Point("p", x, y, front) for x, y, front in points))
    assert len(shapes(charts.pareto(block), "point")) == len(points)


def test_labels_of_near_points_do_not_lie_on_each_other():
    points = tuple(Point(f"p{n}", 1.0 + n / 1000, 5_000.0 - n, True) for n in range(4))
    labels = list(shapes(charts.pareto(Pareto("c", "x", "y", points)), "label"))
    heights = [float(item["y"]) for item in labels[-4:]]
    assert all(later - earlier >= 15 for earlier, later in itertools.pairwise(heights))


def test_a_bar_goes_to_the_side_of_its_sign():
    markup = charts.bars(Bars("n", "c", (Bar("up", 0.5), Bar("down", -0.25))))
    middle = float(shapes(markup, "axis")[0]["x1"])
    (up,), (down,) = shapes(markup, "pos"), shapes(markup, "neg")
    assert float(up["x"]) == middle
    assert float(down["x"]) + float(down["width"]) == pytest.approx(middle, abs=0.1)


def test_texts_in_charts_are_escaped():
    point = Point('<a&"', 1.0, 1.0, True)
    assert svg(charts.pareto(Pareto("<c>", "x", "y", (point,)))).get("aria-label") == "<c>"


# ---------------------------------------------------------------- lanes


def example() -> Recorder:
    recorder = Recorder()
    recorder.state("fx3/GPIF", "TH0_RD", 0)
    recorder.state("fx3/GPIF", "TH1_RD", 500 * US)
    recorder.state("fx3/GPIF", "TH0_BUSY", 1_000 * US)
    recorder.slice("host/control", "0xaa cancelled", 2 * MS, 5 * MS)
    recorder.slice("host/control", "0xac done", 5 * MS, 6 * MS)
    for at_ns, value in ((0, 0), (MS, 0), (2 * MS, 7), (3 * MS, 7)):
        recorder.counter("fx3/DMA count", "buffers", at_ns, value)
    recorder.instant("world/marks", "onset", 2 * MS)
    recorder.instant("world/marks", "serves again", 4 * MS)
    recorder.instant("fx3/reset", "watchdog", 3 * MS)
    return recorder


def lane(data, title):
    return next(item["items"] for item in data["lanes"] if item["title"] == title)


def test_times_are_counted_from_the_onset_in_microseconds():
    data = lanes_of(example())
    assert data["marks"] == [(0, "onset", "bad"), (2_000, "serves again", "good")]
    assert lane(data, "Chip resets") == [[1_000, "watchdog", ""]]
    assert (data["begin"], data["end"]) == (-2_000, 4_000)


def test_states_of_the_machine_become_conditions_and_neighbours_are_joined():
    assert lane(lanes_of(example()), "GPIF") == [
        [-2_000, -1_000, "takes samples", "good"],
        [-1_000, 4_000, "waits for a buffer", "warn"],
    ]


def test_requests_carry_their_names_and_how_they_failed():
    assert lane(lanes_of(example()), "EP0 requests") == [
        [0, 3_000, "STARTFX3 cancelled", "warn"],
        [3_000, 4_000, "TESTFX3", ""],
    ]


def test_a_counter_is_told_where_it_changes():
    assert lane(lanes_of(example()), "DMA count") == [[-2_000, 0], [0, 7]]


def test_without_an_onset_the_whole_run_is_shown_from_its_own_zero():
    recorder = Recorder()
    recorder.instant("x/y", "z", 5 * MS)
    data = lanes_of(recorder)
    assert (data["hasOnset"], data["from"], data["to"]) == (False, 5_000, 5_000)
    assert lane(data, "x/y") == [[5_000, "z", ""]]


def test_the_story_is_in_order_and_in_seconds():
    assert story_of(example()) == (
        ("+0.000000", "onset", "Mark"),
        ("+0.001000", "watchdog", "Chip resets"),
        ("+0.002000", "serves again", "Mark"),
    )


def test_a_trace_file_gives_the_lanes_of_the_run_that_wrote_it():
    """Through Chrome JSON and back, to the microsecond."""
    merged = Recorder()
    for kind, track, name, at_ns, extra, args in example().records:
        merged.records.append((kind, f"F1 reference: {track}", name, at_ns, extra, args))
    (found,) = traces.of_chrome(traces.loads(chrome.dumps(merged)))
    assert found.title == "F1 reference"
    assert found.data == lanes_of(example())
    assert found.story == story_of(example())


# ---------------------------------------------------------------- figures


def test_figures_are_written_as_svg_and_png_with_equal_bytes_each_time(tmp_path):
    page = source.page_of(str(sweep(tmp_path / "s", [ROW])))
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    names = [path.name for path in figures.write(page, one)]
    assert names == [
        "pareto.svg",
        "pareto.png",
        "detection-main_death.svg",
        "detection-main_death.png",
        "sensitivity-recovery_ms.svg",
        "sensitivity-recovery_ms.png",
    ]
    figures.write(page, two)
    for name in names:
        assert (one / name).read_bytes() == (two / name).read_bytes()
    assert not re.search(rb"<dc:date>", (one / "pareto.svg").read_bytes())


def test_the_figures_of_a_run_and_a_certificate(tmp_path):
    from scenarios.page import certificate_page
    from tests.scenarios.page_bench import BLOCK, cell, certificate

    made = certificate({BLOCK: cell("recovered", [4], 2_098.6)})
    names = {path.stem for path in figures.write(certificate_page.build(made, "x"), tmp_path)}
    assert names == {"matrix-device", "latency-device", "timeline-1"}
