"""Scales of charts: where the ticks stand, and what they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from scenarios.page.text import count

STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Axis:
    """A linear scale from data to pixels."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Return the pixel of a value, to a tenth."""
        part = (value - self.low) / (self.high - self.low)
        return round(self.start + part * (self.end - self.start), 1)

    def ticks(self, about: int = 5) -> list[float]:
        """Return round values on the scale."""
        step = nice_step((self.high - self.low) / max(about, 1))
        first, last = ceil(self.low / step - 1e-9), floor(self.high / step + 1e-9)
        return [round(index * step, 9) for index in range(first, last + 1)]


def tick_text(tick: float, ticks: Sequence[float]) -> str:
    """Return a tick with as many decimals as all of them need, so that they line up."""
    decimals = max(len(f"{value:.6f}".rstrip("0").partition(".")[2]) for value in ticks)
    return f"{tick:.{decimals}f}" if decimals else count(round(tick))


def nice_step(rough: float) -> float:
    """Return the round step that is not below *rough*."""
    scale = 10.0 ** floor(log10(rough))
    return next(step * scale for step in STEPS if step * scale >= rough * (1 - 1e-9))


def padded(values: Sequence[float], part: float) -> tuple[float, float]:
    """Return a range around values with room at both ends.

    Args:
        values: at least one.
        part: of the range that is free at each end; equal values get a tenth of their size.
    """
    low, high = min(values), max(values)
    room = (high - low) * part or abs(high) * 0.1 or 1.0
    return low - room, high + room


def from_zero(limits: tuple[float, float]) -> tuple[float, float]:
    """Return a range of durations: none is negative, and one that nearly reaches 0 does."""
    low, high = limits
    return (0.0, high) if low < 0.25 * high else limits


def axis_unit(high_ms: float) -> tuple[str, float]:
    """Return the unit for an axis of durations, and how many ms it has."""
    if high_ms < 2_000:
        return "ms", 1.0
    return ("s", 1_000.0) if high_ms < 600_000 else ("min", 60_000.0)
