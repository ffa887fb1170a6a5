"""Charts as inline SVG. Colours come from the page's style, so they follow light and dark."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from html import escape

from scenarios.page.axis import Axis, axis_unit, from_zero, padded, tick_text
from scenarios.page.model import Bars, Distribution, Pareto, Point
from scenarios.page.text import duration

WIDTH = 640
DOTS_MAX = 40
"""More values than these are drawn as a histogram."""
DOT_PIXELS = 9
DOTS_HIGH = 7
BINS = 56
LABEL_WIDTH = 92
"""Of a label beside the interval of the closed form."""
LABEL_APART = 15
"""Labels of points stand at least so far apart, above each other."""


def distribution(item: Distribution) -> str:
    """Return the values as dots or as a histogram, over the closed form's interval."""
    top, base, height = 24, 92, 118
    axis = Axis(*from_zero(padded(item.scale_ms, 0.18)), 12, WIDTH - 12)
    parts: list[str] = []
    summary = (
        f"{item.label}: {len(item.values_ms)} latencies from {duration(item.values_ms[0])} to "
        f"{duration(item.values_ms[-1])}"
    )
    if item.low_ms is not None and item.high_ms is not None:
        parts += _interval(axis, item.low_ms, item.high_ms, top, base)
        summary += f"; closed form {duration(item.low_ms)} to {duration(item.high_ms)}"
    if len(item.values_ms) <= DOTS_MAX:
        parts += _dots(axis, item, base)
    else:
        parts += _bins(axis, item, top, base)
    parts += _time_axis(axis, base)
    return _svg(height, summary, parts)


def pareto(block: Pareto) -> str:
    """Return the points with the front as a staircase; the lower left is best."""
    height, left, right, top, base = 340, 74, WIDTH - 24, 18, 290
    _, x_high = padded([point.x for point in block.points], 0.12)
    # Even a policy without a false reset stands clear of the edge.
    x = Axis(-0.05 * x_high, x_high, left, right)
    y = Axis(*from_zero(padded([point.y_ms for point in block.points], 0.15)), base, top)
    unit, factor = axis_unit(y.high)
    scaled = Axis(y.low / factor, y.high / factor, base, top)
    parts = []
    for tick in scaled.ticks(5):
        at = scaled.at(tick)
        parts.append(_line("grid", left, at, right, at))
        parts.append(_text("tick", left - 8, at + 4, tick_text(tick, scaled.ticks(5)), "end"))
    across = [tick for tick in x.ticks(6) if tick >= 0]
    parts += [
        _text("tick", x.at(tick), base + 18, tick_text(tick, across), "middle") for tick in across
    ]
    parts.append(_line("axis", left, base, right, base))
    parts.append(_text("label", (left + right) / 2, base + 40, block.x_label, "middle"))
    parts.append(
        f'<g transform="translate(18 {(top + base) / 2}) rotate(-90)">'
        f"{_text('label', 0, 0, f'{block.y_label}, {unit}', 'middle')}</g>"
    )
    front = sorted(
        (point for point in block.points if point.is_on_front), key=lambda item: (item.x, item.y_ms)
    )
    if len(front) > 1:
        path = f"M{x.at(front[0].x)} {y.at(front[0].y_ms)}"
        path += "".join(f"H{x.at(point.x)}V{y.at(point.y_ms)}" for point in front[1:])
        parts.append(f'<path class="front" d="{path}"/>')
    parts += [_point(point, x, y) for point in block.points if not point.is_on_front]
    parts += [_point(point, x, y) for point in front]
    parts += _point_labels(front, x, y)
    return _svg(height, block.caption, parts)


def bars(block: Bars) -> str:
    """Return bars from the middle, to the left below 0."""
    row, left, right = 30, 210, WIDTH - 70
    height = row * len(block.items) + 26
    x = Axis(-1, 1, left, right)
    parts = [_line("axis", x.at(0), 4, x.at(0), height - 22)]
    parts += [
        _text("tick", x.at(tick), height - 6, f"{tick:g}", "middle")
        for tick in (-1, -0.5, 0, 0.5, 1)
    ]
    for index, item in enumerate(block.items):
        y = 6 + index * row
        begin, end = sorted((x.at(0), x.at(item.value)))
        tone = "neg" if item.value < 0 else "pos"
        parts.append(_text("label", left - 12, y + 16, item.label, "end"))
        parts.append(
            f'<rect class="bar {tone}" x="{begin}" y="{y + 3}" width="{max(end - begin, 1):.1f}" '
            f'height="{row - 12}" rx="2" data-tip="{escape(item.note or item.label)}"/>'
        )
        at, anchor = (end + 6, "start") if item.value >= 0 else (begin - 6, "end")
        # What rounds to nothing has no sign.
        text = f"{item.value:+.2f}" if abs(item.value) >= 0.005 else "0"
        parts.append(_text("tick", at, y + 16, text, anchor))
    return _svg(height, block.caption, parts)


# ---------------------------------------------------------------- parts


def _svg(height: int, summary: str, parts: Iterable[str]) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(summary)}">{"".join(parts)}</svg>'
    )


def _text(kind: str, x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>'


def _interval(axis: Axis, low_ms: float, high_ms: float, top: int, base: int) -> Iterator[str]:
    begin, end = axis.at(low_ms), axis.at(high_ms)
    yield (
        f'<rect class="bound" x="{begin}" y="{top}" width="{max(end - begin, 1):.1f}" '
        f'height="{base - top}"/>'
    )
    yield _line("bound-edge", begin, top - 14, begin, base)
    yield _line("bound-edge", end, top - 14, end, base)
    # Where there is room each label stands outside of its edge, so that they never meet.
    first = (begin - 5, "end") if begin > LABEL_WIDTH else (begin + 5, "start")
    last = (end + 5, "start") if end < axis.end - LABEL_WIDTH else (end - 5, "end")
    yield _text("bound-text", first[0], top - 8, f"best {duration(low_ms)}", first[1])
    yield _text("bound-text", last[0], top - 8, f"worst {duration(high_ms)}", last[1])


def _dots(axis: Axis, item: Distribution, base: int) -> Iterator[str]:
    stacked: Counter[int] = Counter()
    for value in item.values_ms:
        at = axis.at(value)
        column = round(at / DOT_PIXELS)
        y = base - 6 - DOT_PIXELS * min(stacked[column], DOTS_HIGH - 1)
        stacked[column] += 1
        tone = _tone(item, value)
        yield (
            f'<circle class="dot {tone}" cx="{at}" cy="{y}" r="4" data-tip="{duration(value)}"/>'
        )


def _bins(axis: Axis, item: Distribution, top: int, base: int) -> Iterator[str]:
    span = (axis.high - axis.low) / BINS
    counts = Counter(min(int((value - axis.low) / span), BINS - 1) for value in item.values_ms)
    tallest = max(counts.values())
    for index, amount in sorted(counts.items()):
        begin_ms = axis.low + index * span
        begin, end = axis.at(begin_ms), axis.at(begin_ms + span)
        height = max((base - top - 6) * amount / tallest, 1.5)
        tone = _tone(item, begin_ms)
        tip = f"{duration(begin_ms)} to {duration(begin_ms + span)}: {amount}"
        yield (
            f'<rect class="bin {tone}" x="{begin + 0.4:.1f}" y="{base - height:.1f}" '
            f'width="{max(end - begin - 0.8, 1):.1f}" height="{height:.1f}" data-tip="{tip}"/>'
        )


def _tone(item: Distribution, value_ms: float) -> str:
    is_past = item.high_ms is not None and value_ms > item.high_ms
    return "out" if is_past and item.is_promise else "in"


def _time_axis(axis: Axis, base: int) -> Iterator[str]:
    unit, factor = axis_unit(axis.high)
    scaled = Axis(axis.low / factor, axis.high / factor, axis.start, axis.end)
    ticks = scaled.ticks(7)
    yield _line("axis", axis.start, base, axis.end, base)
    for tick in ticks:
        at = scaled.at(tick)
        text = tick_text(tick, ticks) + (f" {unit}" if tick == ticks[-1] else "")
        yield _line("axis", at, base, at, base + 4)
        yield _text("tick", at, base + 18, text, "middle")


def _point(point: Point, x: Axis, y: Axis) -> str:
    tone, radius = ("on", 6) if point.is_on_front else ("off", 4)
    tip = escape("\n".join((point.label, *point.notes)))
    return (
        f'<circle class="point {tone}" cx="{x.at(point.x)}" cy="{y.at(point.y_ms)}" r="{radius}" '
        f'data-tip="{tip}"/>'
    )


def _point_labels(front: Sequence[Point], x: Axis, y: Axis) -> Iterator[str]:
    last_y = float("inf")
    for point in front:
        at_x = x.at(point.x)
        # The front falls from left to right: a label that is too near to the last one sinks.
        at_y = y.at(point.y_ms) - 10
        if abs(at_y - last_y) < LABEL_APART:
            at_y = last_y + LABEL_APART
        last_y = at_y
        anchor, shift = ("end", -9) if at_x > WIDTH - 160 else ("start", 9)
        yield _text("label", at_x + shift, at_y, point.label, anchor)
