"""Confidence intervals of 95 %: for shares, for means and for quantiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, lgamma, log, log1p, sqrt, tanh

import numpy as np
from numpy.typing import NDArray

from sim.streams import Stream

Z = 1.959963984540054
"""Of the normal distribution, two-sided at 95 %."""
LEVEL = 0.95
RESAMPLES = 1_000
AT_ONCE = 1 << 20
"""So many values are resampled in one go."""
EXACT_MAX = 5_000
"""So many values have their order statistics counted by the binomial distribution itself."""
CORRELATED_MIN = 4
DIGITS = 9


@dataclass(frozen=True)
class Estimate:
    """A value and what it may be; None where nothing is known, for a bound: no bound.

    Attributes:
        value: the estimate.
        low: lower end of its interval.
        high: upper end.
        count: how many runs it rests on.
    """

    value: float | None
    low: float | None
    high: float | None
    count: int

    def as_dict(self) -> dict[str, float | int | None]:
        """For a summary, rounded to what means something."""
        return {
            "value": _rounded(self.value),
            "low": _rounded(self.low),
            "high": _rounded(self.high),
            "count": self.count,
        }


NOTHING = Estimate(None, None, None, 0)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)


def share(part: int, of: int) -> Estimate:
    """Return a share with Wilson's interval.

    Args:
        part: how many.
        of: of how many; with 0 nothing is known.
    """
    if not of:
        return NOTHING
    at = part / of
    spread = Z * Z / of
    middle = (at + spread / 2) / (1 + spread)
    half = Z * sqrt(at * (1 - at) / of + spread / (4 * of)) / (1 + spread)
    low = 0.0 if part == 0 else max(middle - half, 0.0)
    high = 1.0 if part == of else min(middle + half, 1.0)
    return Estimate(at, low, high, of)


def mean(values: Sequence[float], name: str) -> Estimate:
    """Return a mean with the interval of a seeded bootstrap.

    Args:
        values: what was measured.
        name: of the stream that draws the resamples; the same name gives the same interval.
    """
    if not values:
        return NOTHING
    given = np.asarray(values, dtype=np.float64)
    count = len(given)
    if count == 1 or given.min() == given.max():
        return Estimate(float(given[0]), float(given[0]), float(given[0]), count)
    random = Stream(0, f"bootstrap of {name}")
    rounds = max(1, min(AT_ONCE // count, RESAMPLES))
    means = np.sort(
        np.concatenate(
            [
                given[_drawn(random, lines * count, count)].reshape(lines, count).mean(axis=1)
                for lines in _lines(rounds)
            ]
        )
    )
    tail = int(RESAMPLES * (1 - LEVEL) / 2)
    return Estimate(float(given.mean()), float(means[tail]), float(means[-tail - 1]), count)


def _lines(rounds: int) -> list[int]:
    """All resamples, in parts."""
    return [min(rounds, RESAMPLES - first) for first in range(0, RESAMPLES, rounds)]


def _drawn(random: Stream, draws: int, count: int) -> NDArray[np.uint64]:
    high_words = random.raw(draws) >> np.uint64(32)
    return (high_words * np.uint64(count)) >> np.uint64(32)


def quantile(values: Sequence[float], part: float) -> Estimate:
    """Return a quantile with the order statistics that enclose it at 95 %.

    An end that lies beyond the least or the greatest value measured is None: there are too few
    runs to bound it.

    Args:
        values: what was measured.
        part: such as 0.95.
    """
    if not values:
        return NOTHING
    ordered = sorted(values)
    count = len(ordered)
    value = ordered[min(int(part * count), count - 1)]
    below, above = _ranks(count, part)
    low = None if below < 1 else ordered[below - 1]
    high = None if above > count else ordered[above - 1]
    return Estimate(value, low, high, count)


def _ranks(count: int, part: float) -> tuple[int, int]:
    """The ranks, from 1, between which the quantile lies with at least 95 %."""
    tail = (1 - LEVEL) / 2
    if count > EXACT_MAX:
        half = Z * sqrt(count * part * (1 - part))
        return int(count * part - half), int(count * part + half) + 2
    below, above = 0, count + 1
    reached = 0.0
    for successes in range(count + 1):
        reached += _binomial(count, successes, part)
        # So many or fewer values lie below the quantile with this probability.
        if reached <= tail:
            below = successes + 1
        if reached >= 1 - tail:
            above = successes + 1
            break
    return below, above


def _binomial(count: int, successes: int, part: float) -> float:
    ways = lgamma(count + 1) - lgamma(successes + 1) - lgamma(count - successes + 1)
    return exp(ways + successes * log(part) + (count - successes) * log1p(-part))


def greatest(values: Sequence[float]) -> Estimate:
    """Return the greatest value seen; how much greater it can be, runs alone do not tell."""
    if not values:
        return NOTHING
    return Estimate(max(values), max(values), None, len(values))


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> Estimate:
    """Return Spearman's rank correlation with Fisher's interval; nothing where one is constant."""
    count = len(one)
    if count < CORRELATED_MIN or min(one) == max(one) or min(other) == max(other):
        return Estimate(None, None, None, count)
    first, second = _ranks_of(one), _ranks_of(other)
    first -= first.mean()
    second -= second.mean()
    rho = float((first * second).sum() / sqrt((first**2).sum() * (second**2).sum()))
    if abs(rho) >= 1 - 1e-12:
        return Estimate(round(rho), round(rho), round(rho), count)
    # Bonett and Wright's standard error for ranks.
    half = Z * sqrt((1 + rho * rho / 2) / (count - 3))
    middle = 0.5 * log((1 + rho) / (1 - rho))
    return Estimate(rho, tanh(middle - half), tanh(middle + half), count)


def _ranks_of(values: Sequence[float]) -> NDArray[np.float64]:
    """Ranks; equal values share the mean of theirs."""
    given = np.asarray(values, dtype=np.float64)
    _, positions, counts = np.unique(given, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    means = ends - (counts - 1) / 2
    return means[positions].astype(np.float64)
