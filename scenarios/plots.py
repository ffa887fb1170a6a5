"""The timeline picture: one column an episode, one line for each thing that matters.

All columns have one scale of time. It is drawn with the object interface of matplotlib, so no
window system is touched. Colours are those of Okabe and Ito, which colour-blind people tell apart,
and every colour carries its name beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from scenarios.plot_canvas import INK, Canvas
from scenarios.plot_lines import LINES, draw_lines
from scenarios.runner import Episode
from scenarios.timeline import Timeline, build

DPI = 100
WIDTH_INCHES = 18.0
NARROW_INCHES = 12.0
HEIGHT_INCHES = 9.4
LEFT, RIGHT, BOTTOM, BETWEEN = 0.085, 0.985, 0.07, 0.035
TOP, TOP_WITH_HEADING = 0.84, 0.80
NARROWEST = 0.32
"""No column gets less than this part of the width, whatever the scale asks for."""
GREEN = "#00775A"
RED = "#B04A00"


def figure(episodes: Sequence[Episode], heading: str = "") -> Figure:
    """Return the picture of some episodes, side by side.

    Args:
        episodes: one or more, looked at at intervals.
        heading: over all of them.
    """
    lines = [build(episode) for episode in episodes]
    total = sum(line.end - line.shown_from for line in lines)
    shares = [max(NARROWEST, (line.end - line.shown_from) / total) for line in lines]
    width = WIDTH_INCHES if len(episodes) > 1 else NARROW_INCHES
    made = Figure(figsize=(width, HEIGHT_INCHES), dpi=DPI)
    FigureCanvasAgg(made)
    top = TOP_WITH_HEADING if heading else TOP
    left = LEFT if len(episodes) > 1 else 1.1 * LEFT * WIDTH_INCHES / NARROW_INCHES
    room = (RIGHT - left - BETWEEN * (len(episodes) - 1)) / sum(shares)
    for number, (episode, line, share) in enumerate(zip(episodes, lines, shares, strict=True)):
        axes = made.add_axes((left, BOTTOM, share * room, top - BOTTOM))
        left += share * room + BETWEEN
        canvas = Canvas(axes, line, share * room * width)
        draw_lines(canvas, with_labels=number == 0)
        _finish(canvas, episode, line)
    if heading:
        made.text(0.012, 0.985, heading, fontsize=14.5, fontweight="bold", va="top", color=INK)
    return made


def write(episodes: Sequence[Episode], path: Path, heading: str = "") -> None:
    """Write the picture of some episodes; the file's ending says as what.

    Raises:
        OSError: the file cannot be written.
    """
    # No date goes into the file, and no random name: equal runs give equal pictures.
    metadata = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(path.suffix.lower())
    with rc_context({"svg.hashsalt": "fx3loop"}):
        figure(episodes, heading).savefig(path, metadata=metadata)


def _finish(canvas: Canvas, episode: Episode, line: Timeline) -> None:
    """The axis of time, the lines over everything, the title and the two spans above."""
    axes = canvas.axes
    axes.set_xlim(line.shown_from, line.end)
    axes.set_ylim(sum(item.height for item in LINES), 0)
    axes.set_yticks([])
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(12, steps=[1, 2, 5, 10], integer=True))
    axes.set_xlabel("seconds since things went wrong")
    row = episode.row
    manner = f", {row.manner}" if row.manner else ""
    name = f"{row.incident} · " if row.incident else ""
    where = "" if row.position == "device" else f" ({row.position})"
    axes.text(
        0,
        1.175,
        f"{name}{row.fault}{manner}\n"
        f"firmware {row.firmware} · policy {row.policy}{where} · {row.verdict.replace('_', ' ')}",
        transform=axes.transAxes,
        fontsize=11.5,
        va="top",
        color=INK,
        linespacing=1.35,
    )
    axes.axvline(0, color=RED, linestyle="--", linewidth=1.2, zorder=3)
    if row.detected_after_ms is not None:
        text = f"level {row.detected_level} after {row.detected_after_ms / 1000:.2f} s"
        canvas.span(row.detected_after_ms / 1000, text, RED, 1.025)
    if row.serving_after_ms:
        text = f"serving again after {row.serving_after_ms / 1000:.2f} s"
        canvas.span(row.serving_after_ms / 1000, text, GREEN, 1.065)
