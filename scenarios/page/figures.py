"""Figures for papers, from the data of the page: as SVG and PNG, equal runs in equal bytes.

They are drawn with the object interface of matplotlib, so no window system is touched. Colours are
those of Okabe and Ito, which colour-blind people tell apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from scenarios.page.axis import axis_unit, from_zero, padded
from scenarios.page.model import (
    Bars,
    Distribution,
    Distributions,
    Matrix,
    Page,
    Pareto,
    Timeline,
    Tone,
)
from scenarios.page.text import duration
from scenarios.plot_canvas import (
    BLUE,
    FAINT,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PALE,
    PURPLE,
    SKY,
    STRIPE,
    VERMILION,
    WHITE,
)

DPI = 200
WIDTH_INCHES = 7.0
"""Two columns of a paper."""
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "fx3loop",
    "svg.fonttype": "none",
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
}
TONE_COLOURS: dict[Tone, str] = {
    "good": GREEN,
    "calm": SKY,
    "warn": ORANGE,
    "bad": VERMILION,
    "void": PURPLE,
    "": GREY,
}
HISTOGRAM_FROM = 41
BINS = 56
SECOND_US = 1_000_000


def write(page: Page, folder: Path) -> list[Path]:
    """Draw every picture of a page.

    Args:
        page: what is drawn.
        folder: where to; files of the same names are replaced.

    Returns:
        The files, each figure's SVG before its PNG.

    Raises:
        OSError: a file cannot be written.
    """
    written = []
    with rc_context(STYLE):
        for name, figure in _figures(page):
            for suffix, metadata in ((".svg", {"Date": None}), (".png", {"Software": None})):
                path = folder / f"{name}{suffix}"
                figure.savefig(path, dpi=DPI, metadata=metadata)
                written.append(path)
    return written


def _figures(page: Page) -> Iterator[tuple[str, Figure]]:
    timelines = 0
    for section in page.sections:
        for block in section.blocks:
            if isinstance(block, Matrix):
                yield _file_name(section.key), matrix(block)
            elif isinstance(block, Distributions):
                yield _file_name(block.name), distributions(block)
            elif isinstance(block, Pareto):
                yield "pareto", pareto(block)
            elif isinstance(block, Bars):
                yield _file_name(block.name), bars(block)
            elif isinstance(block, Timeline):
                timelines += 1
                yield f"timeline-{timelines}", timeline(block)


def _file_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-")


def _new(height_inches: float) -> Figure:
    made = Figure(figsize=(WIDTH_INCHES, height_inches), dpi=DPI, layout="constrained")
    FigureCanvasAgg(made)
    return made


# ---------------------------------------------------------------- one for each kind of block


def distributions(block: Distributions) -> Figure:
    """Return the latencies, one axis for each condition, over the closed form's interval."""
    shown = [item for item in block.items if item.values_ms]
    made = _new(0.4 + 0.95 * max(len(shown), 1))
    grid = made.subplots(max(len(shown), 1), 1, squeeze=False)
    for axes, item in zip(grid[:, 0], shown, strict=False):
        _distribution(axes, item)
    return made


def _distribution(axes: Axes, item: Distribution) -> None:
    limits = from_zero(padded(item.scale_ms, 0.06))
    unit, factor = axis_unit(limits[1])
    values = [value / factor for value in item.values_ms]
    if item.low_ms is not None and item.high_ms is not None:
        low, high = item.low_ms / factor, item.high_ms / factor
        axes.axvspan(low, high, color="#F3E3B5", zorder=0, linewidth=0)
        for edge in (low, high):
            axes.axvline(edge, color=ORANGE, linestyle="--", linewidth=0.8)
    if len(values) >= HISTOGRAM_FROM:
        begin, end = limits[0] / factor, limits[1] / factor
        axes.hist(values, bins=BINS, range=(begin, end), color=BLUE)
    else:
        axes.plot(values, [0.5] * len(values), "o", color=BLUE, markersize=3.5)
        axes.set_ylim(0, 1)
    axes.set_xlim(limits[0] / factor, limits[1] / factor)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    level = f", level {item.level}" if item.level else ""
    closed = ""
    if item.low_ms is not None:
        closed = f"; closed form {duration(item.low_ms)} to {duration(item.high_ms)}"
    axes.set_title(
        _plain(f"{item.label}{level}: n = {len(values)}{closed}"), loc="left", fontsize=8, color=INK
    )
    axes.set_xlabel(unit, loc="right", labelpad=-2)


def pareto(block: Pareto) -> Figure:
    """Return the points and their front."""
    made = _new(3.6)
    axes = made.subplots()
    unit, factor = axis_unit(max(point.y_ms for point in block.points))
    others = [point for point in block.points if not point.is_on_front]
    front = sorted(
        (point for point in block.points if point.is_on_front), key=lambda item: (item.x, item.y_ms)
    )
    axes.plot([p.x for p in others], [p.y_ms / factor for p in others], "o", color=GREY, ms=3.5)
    axes.step(
        [p.x for p in front],
        [p.y_ms / factor for p in front],
        "o-",
        where="post",
        color=BLUE,
        ms=5,
        lw=1.2,
    )
    for point in front:
        axes.annotate(
            _plain(point.label),
            (point.x, point.y_ms / factor),
            xytext=(6, 5),
            textcoords="offset points",
            fontsize=7,
            color=INK,
        )
    axes.set_xlabel(block.x_label)
    axes.set_ylabel(f"{block.y_label}, {unit}")
    axes.grid(visible=True, color=PALE, linewidth=0.6)
    axes.set_axisbelow(True)
    return made


def bars(block: Bars) -> Figure:
    """Return the bars, the longest on top."""
    made = _new(0.6 + 0.24 * len(block.items))
    axes = made.subplots()
    places = range(len(block.items))
    axes.barh(
        places,
        [item.value for item in block.items],
        color=[BLUE if item.value >= 0 else ORANGE for item in block.items],
        height=0.6,
    )
    axes.set_yticks(list(places), [_plain(item.label) for item in block.items])
    axes.invert_yaxis()
    axes.set_xlim(-1, 1)
    axes.axvline(0, color=FAINT, linewidth=0.8)
    axes.set_title(block.caption, loc="left", fontsize=8, color=INK)
    return made


def matrix(block: Matrix) -> Figure:
    """Return the matrix, a row for each call; the level stands in each cell."""
    made = _new(0.9 + 0.125 * len(block.rows))
    axes = made.subplots()
    for y, row in enumerate(block.rows):
        for x, cell in enumerate(row.cells):
            if cell is None:
                continue
            axes.add_patch(
                Rectangle(
                    (x + 0.04, y + 0.06),
                    0.92,
                    0.88,
                    facecolor=TONE_COLOURS[cell.tone],
                    alpha=0.55,
                    edgecolor=VERMILION if cell.is_red else WHITE,
                    linewidth=1.2 if cell.is_red else 0,
                )
            )
            axes.text(x + 0.5, y + 0.53, cell.text, ha="center", va="center", fontsize=5, color=INK)
    axes.set_xlim(0, len(block.columns))
    axes.set_ylim(len(block.rows), 0)
    labels = [
        f"{row.request} {row.call}" + (f" ×{row.nth}" if row.nth > 1 else "") for row in block.rows
    ]
    axes.set_yticks([y + 0.5 for y in range(len(labels))], labels, fontsize=5)
    heads, at = [], 0
    for text, span in block.groups:
        heads += [
            f"{text}\n{column}".replace(", ", ",\n") for column in block.columns[at : at + span]
        ]
        at += span
    axes.set_xticks([x + 0.5 for x in range(len(heads))], heads, fontsize=5.5)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.set_xlabel(", ".join(f"{text} {amount}" for text, _, amount in block.legend), fontsize=6)
    return made


def timeline(block: Timeline) -> Figure:
    """Return a run: the part that the page shows first."""
    lanes = block.data["lanes"]
    made = _new(0.7 + 0.22 * max(len(lanes), 1))
    axes = made.subplots()
    begin, end = block.data["from"] / SECOND_US, block.data["to"] / SECOND_US
    end = max(end, begin + 1e-4)
    draw: dict[str, Callable[[Axes, list[list[object]], int, float, float], None]] = {
        "spans": _spans,
        "ticks": _ticks,
        "steps": _steps,
    }
    for y, lane in enumerate(lanes):
        if y % 2 == 0:
            axes.axhspan(y, y + 1, facecolor=STRIPE, linewidth=0, zorder=0)
        draw[lane["kind"]](axes, lane["items"], y, begin, end)
    for at, _, tone in block.data["marks"]:
        axes.axvline(at / SECOND_US, color=TONE_COLOURS[tone], linestyle="--", linewidth=0.9)
    axes.set_xlim(begin, end)
    axes.set_ylim(len(lanes), 0)
    axes.set_yticks([y + 0.5 for y in range(len(lanes))], [lane["title"] for lane in lanes])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("seconds from the onset" if block.data["hasOnset"] else "seconds")
    ending = f": {block.verdict}" if block.verdict else ""
    axes.set_title(_plain(f"{block.title}{ending}"), loc="left", fontsize=8, color=INK)
    return made


def _spans(axes: Axes, items: list[list[object]], y: int, begin: float, end: float) -> None:
    for first, last, text, tone in items:
        start = max(_seconds(first), begin)
        width = min(_seconds(last), end) - start
        if width < 0:
            continue
        colour = TONE_COLOURS[tone]  # type: ignore[index]
        edge = WHITE if width > 0.004 * (end - begin) else colour
        axes.add_patch(
            Rectangle(
                (start, y + 0.15), width, 0.7, facecolor=colour, alpha=0.55, edgecolor=edge, lw=0.6
            )
        )
        room = width / (end - begin) * 75
        if len(str(text)) < room:
            axes.text(
                start + width / 2,
                y + 0.53,
                _plain(str(text)),
                ha="center",
                va="center",
                fontsize=5.5,
            )


def _ticks(axes: Axes, items: list[list[object]], y: int, begin: float, end: float) -> None:
    for at, _, tone in items:
        if begin <= _seconds(at) <= end:
            colour = TONE_COLOURS[tone] if tone else BLUE  # type: ignore[index]
            axes.plot([_seconds(at)] * 2, [y + 0.2, y + 0.8], color=colour, linewidth=0.7)


def _steps(axes: Axes, items: list[list[object]], y: int, begin: float, end: float) -> None:
    high = max(*(int(str(value)) for _, value in items), 1)
    times = [_seconds(at) for at, _ in items]
    heights = [y + 0.9 - 0.8 * int(str(value)) / high for _, value in items]
    axes.step([*times, end], [*heights, heights[-1]], where="post", color=BLUE, linewidth=0.8)
    axes.text(begin, y + 0.12, f" {high}", va="top", fontsize=5, color=FAINT)


def _seconds(at_us: object) -> float:
    return int(str(at_us)) / SECOND_US


def _plain(text: str) -> str:
    """A text without what matplotlib reads as mathematics, or has no glyph for."""
    return text.replace("$", r"\$").replace("\N{NARROW NO-BREAK SPACE}", " ")
