"""The timeline: what it is made of, and that a picture comes out."""

from __future__ import annotations

import struct

import pytest

from hw.trace import Kind
from scenarios import demo, plots, trace_file
from scenarios.registry import SCENARIOS, find
from scenarios.runner import run_episode
from scenarios.timeline import build, closed_at_resets


@pytest.fixture(scope="module")
def drawn(demo_episodes):
    return demo.pictured(list(demo_episodes(1)))


def png_size(path):
    """Width and height from the header."""
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    return struct.unpack(">II", data[16:24])


def test_the_picture_of_the_demo(drawn, tmp_path):
    """A PNG of two columns, large enough to read."""
    path = tmp_path / "timeline.png"
    plots.write(drawn, path, demo.HEADING)
    width, height = png_size(path)
    assert 1600 <= width <= 3000
    assert 800 <= height <= 1600
    assert 50_000 < path.stat().st_size < 1_000_000


def test_equal_runs_give_equal_pictures(drawn, tmp_path):
    """No date and no random name in the file."""
    for name in ("a.svg", "b.svg", "a.png", "b.png"):
        plots.write(drawn[:1], tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("position", ["device", "host"])
def test_every_scenario_can_be_drawn(name, position, tmp_path):
    """With and without an incident, from both positions."""
    episode = run_episode(find(name), position=position, look_interval_ms=50)
    path = tmp_path / "one.png"
    plots.write([episode], path)
    assert min(png_size(path)) > 500


def test_the_timeline_of_a_block_and_of_a_spin(drawn):
    """The blocked thread leaves the main loop polling; the spinning one starves it."""
    blocked, spinning = (build(episode) for episode in drawn)
    assert [band.name for band in blocked.usb] == ["blocked"]
    assert [band.name for band in spinning.usb] == ["spinning"]
    assert blocked.silences == []
    (silence,) = spinning.silences
    assert silence.end == spinning.resets[0].at
    for line, row in ((blocked, drawn[0].row), (spinning, drawn[1].row)):
        # The hang lasts from the onset to the reset that ends it.
        assert line.usb[0].start == 0
        assert line.usb[0].end == line.resets[0].at
        (hung,) = [band for band in line.handlers if band.end - band.start > 0.5]
        assert (hung.name, hung.end) == ("STOPFX3", line.resets[0].at)
        assert line.remedies == [(row.detected_after_ms / 1000, row.detected_level)] or (
            abs(line.remedies[0][0] - row.detected_after_ms / 1000) < 1e-6
        )
        assert [band.name for band in line.bus][-4:] == ["gone", "boot ROM", "gone", "application"]
    assert blocked.watchdog is None
    assert max(left for _, left in spinning.watchdog if left == left) == 5.15625


def test_nothing_outlives_a_reset_in_the_trace(drawn):
    """A hung slice ends where the reset kills its thread."""
    for episode in drawn:
        depth = 0
        for kind, track, *_ in closed_at_resets(episode.facts.trace.records):
            if track == "fx3/EP0":
                depth += {Kind.BEGIN: 1, Kind.END: -1}.get(kind, 0)
                assert depth in (0, 1)


def test_the_trace_file_holds_both_episodes(drawn, tmp_path):
    """Two groups of tracks, each with its manner and policy in its name."""
    path = tmp_path / "trace.json"
    trace_file.write(drawn, path)
    text = path.read_text()
    assert "F16 blocked level-1-4: fx3" in text
    assert "F16 spinning level-1-4-5: fx3" in text
