"""The lines of the timeline picture, from the host program down to the bus."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from scenarios.plot_canvas import (
    BLUE,
    DARK_PURPLE,
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
    YELLOW,
    Canvas,
)
from scenarios.timeline import Band

HANG_S = 0.3
"""A handler that takes longer than this hangs; the longest legal one takes 0.2 s."""
STEP_COLOURS = {"tries": PALE, "probes": GREY, "gave": VERMILION, "streams": GREEN}
GPIF_COLOURS = {
    "takes samples": GREEN,
    "waits for a buffer": ORANGE,
    "idle": SKY,
    "off": GREY,
    "no firmware": WHITE,
}
BUS_COLOURS = {"application": SKY, "boot ROM": PURPLE, "gone": WHITE}
THREAD_TEXTS = {
    "spinning": ("spins for ever at priority 4", VERMILION, "xxxx"),
    "blocked": ("blocked for ever, the CPU is free", ORANGE, "////"),
}


def draw_lines(canvas: Canvas, with_labels: bool) -> None:
    """Draw every line, from the top.

    Args:
        canvas: where.
        with_labels: with the name of each line at its left.
    """
    axes = canvas.axes
    for number, item in enumerate(LINES):
        canvas.height = item.height
        if number % 2 == 0:
            axes.axhspan(
                canvas.top, canvas.top + item.height, facecolor=STRIPE, linewidth=0, zorder=0
            )
        if with_labels:
            axes.text(
                -0.035,
                canvas.y(0.5),
                item.label,
                transform=axes.get_yaxis_transform(),
                ha="right",
                va="center",
                fontsize=9.5,
                color=INK,
            )
        item.draw(canvas)
        canvas.top += item.height


def host(canvas: Canvas) -> None:
    """What the program does, and what it sees."""
    for band in canvas.line.steps:
        colour = STEP_COLOURS.get(band.name.split()[0], YELLOW)
        canvas.band(band, colour, band.name, low=0.48, high=0.92)
    free_from = canvas.line.shown_from
    for mark in canvas.line.sights:
        canvas.axes.plot(mark.at, canvas.y(0.36), "^", color=INK, markersize=4.5, zorder=4)
        half = canvas.text_width(mark.name) / 2
        if mark.at - half >= free_from and mark.at + half <= canvas.line.end:
            canvas.text(mark.at, 0.16, mark.name, box=STRIPE)
            free_from = mark.at + half


def requests(canvas: Canvas) -> None:
    """What the host asks of EP0, and what it gets no answer to."""
    waits = [band for band in canvas.line.requests if band.end - band.start > 0.01]
    canvas.ticks([band.start for band in canvas.line.requests if band not in waits], BLUE)
    for band in waits:
        name, _, ending = band.name.rpartition(" ")
        text = f"{name}: time-out" if ending == "cancelled" else name
        canvas.band(band, ORANGE, text, short=name)


def handler(canvas: Canvas) -> None:
    """What the firmware's EP0 handler is at."""
    hung = [band for band in canvas.line.handlers if band.end - band.start > HANG_S]
    canvas.ticks([band.start for band in canvas.line.handlers if band not in hung], BLUE)
    for band in hung:
        text = f"handler of {band.name} does not return"
        canvas.band(band, VERMILION, text, short=f"{band.name} hangs", hatch="////")


def usb_thread(canvas: Canvas) -> None:
    """The USB thread, which runs every handler."""
    _alive(canvas)
    for band in canvas.line.usb:
        text, colour, hatch = THREAD_TEXTS[band.name]
        canvas.band(band, colour, text, short=band.name, hatch=hatch)


def main_thread(canvas: Canvas) -> None:
    """The main thread's polls, and where there are none."""
    _alive(canvas)
    canvas.ticks(canvas.line.beats, GREEN)
    starved = any(band.name == "spinning" for band in canvas.line.usb)
    text = "starved at priority 8: no poll, so no level 1 to 4" if starved else "no poll"
    for band in canvas.line.silences:
        canvas.band(Band(band.name, band.start + 0.02, band.end), PALE, text, short="no poll")
    for band in canvas.line.main:
        _, colour, hatch = THREAD_TEXTS[band.name]
        text = f"{band.name} for ever: nobody watches any more"
        canvas.band(band, colour, text, short=band.name, hatch=hatch)


def _alive(canvas: Canvas) -> None:
    resets = [reset.at for reset in canvas.line.resets]
    for band in canvas.line.bus:
        if band.name == "application":
            end = min([band.end, *(at for at in resets if at >= band.start)])
            start = max(band.start, canvas.line.shown_from)
            canvas.axes.plot([start, end], [canvas.y(0.5)] * 2, color=GREY, linewidth=1, zorder=1)


def gpif(canvas: Canvas) -> None:
    """The state machine."""
    for band in canvas.line.gpif:
        colour = GPIF_COLOURS[band.name]
        canvas.band(band, colour, band.name, ink=FAINT if colour == WHITE else INK)


def dma_count(canvas: Canvas) -> None:
    """How many buffers the firmware has counted."""
    points = [item for item in canvas.line.count if item[0] >= canvas.line.shown_from]
    if not points:
        return
    top_at, top = max(points, key=lambda item: item[1])
    times = [at for at, _ in points]
    heights = [canvas.y(0.08 + 0.8 * number / (top or 1)) for _, number in points]
    canvas.axes.fill_between(
        times, canvas.y(0.08), heights, step="post", color=SKY, alpha=0.4, linewidth=0, zorder=1
    )
    canvas.axes.step(times, heights, where="post", color=BLUE, linewidth=1.4, zorder=2)
    if not top:
        return
    text = f"{top:,} buffers".replace(",", " ")
    gap = 0.1 * canvas.per_inch
    rise = max((at for at, number in points if number <= 1 and at < top_at), default=top_at)
    fits = rise - canvas.line.shown_from > gap + canvas.text_width(text)
    canvas.text((rise if fits else top_at) - gap, 0.74 if fits else 0.93, text, BLUE, align="right")


def level(canvas: Canvas) -> None:
    """The remedies, each on the line of its level."""
    for number in range(1, 6):
        canvas.level_line(number / 6)
        canvas.text(
            canvas.line.shown_from - 0.05 * canvas.per_inch,
            number / 6,
            str(number),
            FAINT,
            align="right",
            size=7.5,
        )
    gap = 0.1 * canvas.per_inch
    for at, number in canvas.line.remedies:
        canvas.axes.plot(at, canvas.y(number / 6), "D", color=VERMILION, markersize=7, zorder=4)
    for number in sorted({number for _, number in canvas.line.remedies}):
        times = [at for at, other in canvas.line.remedies if other == number]
        fits = times[0] - canvas.line.shown_from > 2 * gap + canvas.text_width(REMEDIES[number])
        at, align = (times[0] - gap, "right") if fits else (times[-1] + gap, "left")
        canvas.text(at, number / 6, REMEDIES[number], align=align)


REMEDIES = {
    1: "level 1: stream restarted",
    2: "level 2: EP0 stalled",
    3: "level 3: application restarted",
    4: "level 4: device reset",
    5: "level 5: the watchdog resets",
}


def watchdog(canvas: Canvas) -> None:
    """Time left until the hardware watchdog resets."""
    points = canvas.line.watchdog
    if points is None:
        middle = (canvas.line.shown_from + canvas.line.end) / 2
        canvas.text(middle, 0.5, "no level 5 here: nothing counts down", FAINT, box=WHITE)
        return
    top = max(left for _, left in points if left == left)
    for part, text in ((0.86, f"{top:.2f} s"), (0.1, "0")):
        canvas.level_line(part, GREY)
        edge = canvas.line.shown_from - 0.05 * canvas.per_inch
        canvas.text(edge, part, text, FAINT, align="right", size=7.5)
    times = [at for at, _ in points]
    heights = [canvas.y(0.1 + 0.76 * left / top) for _, left in points]
    canvas.axes.plot(times, heights, color=PURPLE, linewidth=1.7, zorder=2)
    for reset in canvas.line.resets:
        pets = [at for at, left in points if left == top and at < reset.at]
        if reset.name == "watchdog" and pets:
            canvas.text(pets[-1] + 0.08 * canvas.per_inch, 0.94, "last pet", FAINT, align="left")


def bus(canvas: Canvas) -> None:
    """What the host finds on the bus."""
    for band in canvas.line.bus:
        ink = FAINT if band.name == "gone" else INK
        canvas.band(band, BUS_COLOURS[band.name], band.name, ink=ink, low=0.08, high=0.56)
        if band.name == "boot ROM":
            canvas.axes.plot(band.start, canvas.y(0.64), "v", color=DARK_PURPLE, markersize=5)
            canvas.text(band.start, 0.84, "boot ROM: upload", DARK_PURPLE)


class Line(NamedTuple):
    """One line of the picture: its label, its height and what draws it."""

    label: str
    height: float
    draw: Callable[[Canvas], None]


LINES = (
    Line("host program\ndoes, and sees", 1.7, host),
    Line("requests to EP0\norange: no answer", 1, requests),
    Line("EP0 handler\nin the device", 1, handler),
    Line("USB thread", 1, usb_thread),
    Line("main thread\npolls", 1, main_thread),
    Line("GPIF\nstate machine", 1, gpif),
    Line("DMA count", 1.4, dma_count),
    Line("recovery level", 1.6, level),
    Line("watchdog\ntime left", 1.5, watchdog),
    Line("device\non the bus", 1.5, bus),
)
"""From the top."""
