"""What the timeline picture is drawn with: colours, bands, strokes and texts, in lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.collections import LineCollection
from matplotlib.patches import Rectangle

from scenarios.timeline import Band, Timeline

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK = "#222222"
FAINT = "#6E6E6E"
ORANGE = "#E69F00"
SKY = "#56B4E9"
GREEN = "#009E73"
YELLOW = "#F0E442"
BLUE = "#0072B2"
VERMILION = "#D55E00"
PURPLE = "#CC79A7"
DARK_PURPLE = "#8F3F6B"
GREY = "#C4C4C4"
PALE = "#E9E9E9"
STRIPE = "#F7F7F7"
WHITE = "#FFFFFF"

FONT = 8.5
CHARACTER_INCHES = 0.068
"""Width of a character at that size, for what fits into a band."""


class Canvas:
    """An axes with the lines of one episode below each other.

    Args:
        axes: where to draw; its y axis counts line heights from the top.
        line: what to draw.
        width_inches: of the axes.
    """

    def __init__(self, axes: Axes, line: Timeline, width_inches: float) -> None:
        self.axes = axes
        self.line = line
        self.top = 0.0
        self.height = 1.0
        self.per_inch = (line.end - line.shown_from) / width_inches

    def y(self, part: float) -> float:
        """Height in the present line: 0 is its bottom, 1 its top."""
        return self.top + self.height * (1 - part)

    def band(
        self,
        band: Band,
        colour: str,
        text: str = "",
        *,
        short: str = "",
        hatch: str = "",
        low: float = 0.16,
        high: float = 0.84,
        ink: str = INK,
    ) -> None:
        """A filled stretch with its text inside, or a shorter one, or none: what fits."""
        start, end = max(band.start, self.line.shown_from), min(band.end, self.line.end)
        if end <= start:
            return
        self.axes.add_patch(
            Rectangle(
                (start, self.y(high)),
                end - start,
                self.height * (high - low),
                facecolor=colour,
                edgecolor=INK if hatch else WHITE,
                linewidth=0.7,
                hatch=hatch,
                zorder=2,
            )
        )
        room = (end - start) / self.per_inch / CHARACTER_INCHES
        fitting = next((item for item in (text, short) if item and len(item) < room), "")
        if fitting:
            box = WHITE if hatch else ""
            self.text((start + end) / 2, (low + high) / 2, fitting, ink, box=box)

    def text(
        self,
        at: float,
        part: float,
        text: str,
        ink: str = INK,
        *,
        align: str = "center",
        box: str = "",
        size: float = FONT,
    ) -> None:
        """Some text in the present line, on a box of its own colour if need be."""
        self.axes.text(
            at,
            self.y(part),
            text,
            ha=align,
            va="center",
            fontsize=size,
            color=ink,
            bbox={"facecolor": box, "edgecolor": "none", "pad": 1.2} if box else None,
            clip_on=False,
            zorder=5,
        )

    def ticks(self, times: list[float], colour: str, low: float = 0.22, high: float = 0.78) -> None:
        """Short strokes."""
        shown = [at for at in times if self.line.shown_from <= at <= self.line.end]
        strokes = [((at, self.y(low)), (at, self.y(high))) for at in shown]
        self.axes.add_collection(
            LineCollection(strokes, colors=colour, linewidths=1.1, zorder=2), autolim=False
        )

    def text_width(self, text: str) -> float:
        """How much time a text is wide."""
        return len(text) * CHARACTER_INCHES * self.per_inch

    def level_line(self, part: float, colour: str = PALE) -> None:
        """A thin line through the whole picture."""
        height = self.y(part)
        self.axes.plot(
            [self.line.shown_from, self.line.end], [height] * 2, color=colour, linewidth=0.8
        )

    def span(self, at: float, text: str, colour: str, height: float) -> None:
        """A double arrow above the picture from the onset to ``at``, and a line down from there."""
        axes = self.axes
        axes.axvline(at, color=colour, linestyle="--", linewidth=1.2, zorder=3)
        axes.annotate(
            "",
            xy=(at, height),
            xytext=(0, height),
            xycoords=("data", "axes fraction"),
            arrowprops={"arrowstyle": "<->", "color": colour, "shrinkA": 0, "shrinkB": 0},
            annotation_clip=False,
        )
        fits = at > self.text_width(text) + 0.5 * self.per_inch
        axes.text(
            at / 2 if fits else at + 0.08 * self.per_inch,
            height,
            text,
            transform=axes.get_xaxis_transform(),
            ha="center" if fits else "left",
            va="center",
            fontsize=9.5,
            color=colour,
            bbox={"facecolor": WHITE, "edgecolor": "none", "pad": 1.5},
        )
