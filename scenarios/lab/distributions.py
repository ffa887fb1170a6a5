"""Distributions of whole numbers, drawn by integer arithmetic: the same in any library version.

A draw is a fraction of whole numbers in [0, 1). Logarithms are those of :mod:`decimal`, which are
rounded correctly on every machine; a C library's need not be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Context, Decimal
from itertools import pairwise
from typing import Any

from scenarios.errors import InputError, not_known
from sim.streams import Stream

CONTEXT = Context(prec=28, rounding=ROUND_FLOOR)
DRAW_BITS = 32
DRAW = 1 << DRAW_BITS
MILLION = 1_000_000
EXAMPLE = '{ distribution = "uniform", low = 0, high = 2999, source = "assumed" }'
FIELDS: dict[str, tuple[str, ...]] = {
    "uniform": ("low", "high"),
    "log_uniform": ("low", "high"),
    "exponential": ("mean",),
    "choice": ("values", "weights"),
    "quantiles": ("points",),
}
"""What each distribution takes beside its source; weights may be left out."""
EXAMPLES = {
    "low": "low = 0",
    "high": "high = 2999",
    "mean": "mean = 500",
    "values": "values = [0, 500]",
    "weights": "weights = [9, 1]",
    "points": "points = [[0, 100], [500000, 300], [1000000, 5000]]",
}


@dataclass(frozen=True)
class Distribution:
    """A distribution of a whole number.

    Attributes:
        kind: a key of :data:`FIELDS`, or ``fixed``.
        source: where it comes from, or ``assumed``; empty for a fixed value.
        numbers: its parameters, in the order of :data:`FIELDS`; flat.
        weights: of a choice.
    """

    kind: str
    source: str
    numbers: tuple[int, ...]
    weights: tuple[int, ...] = ()

    @classmethod
    def fixed(cls, value: int) -> Distribution:
        """Return the distribution that is always this."""
        return cls("fixed", "", (value,))

    @classmethod
    def parse(cls, given: object, where: str) -> Distribution:
        """Return what a campaign file says.

        Args:
            given: a whole number, or a table with distribution, its parameters and source.
            where: file and key, for errors.

        Raises:
            InputError: it says nothing that can be drawn from; with a right example.
        """
        if isinstance(given, int) and not isinstance(given, bool):
            return cls.fixed(given)
        if not isinstance(given, Mapping):
            raise InputError(
                f"{where}: {given!r} is neither a whole number nor a distribution; "
                f"a right one is {EXAMPLE}"
            )
        kind = given.get("distribution")
        if kind not in FIELDS:
            error = not_known("distribution", str(kind), FIELDS)
            raise InputError(f"{where}: {error}; a right one is {EXAMPLE}")
        for name in given:
            if name not in ("distribution", "source", *FIELDS[kind]):
                takes = ", ".join(FIELDS[kind])
                raise InputError(f"{where}: {kind} takes {takes} and source, not {name!r}")
        source = given.get("source")
        if not isinstance(source, str) or not source.strip():
            raise InputError(
                f'{where}: say where it comes from, source = "..." or source = "assumed"'
            )
        return _CHECKS[kind](kind, source, given, where)

    @property
    def is_fixed(self) -> bool:
        """Whether it has one value alone."""
        return self.kind == "fixed"

    def value(self, part: int, of: int) -> int:
        """Return the value below which a part of all draws lies.

        Args:
            part: 0 to *of* - 1.
            of: what it is a part of.
        """
        return _VALUES[self.kind](self, part, of)

    def as_dict(self) -> dict[str, Any]:
        """The distribution for a summary."""
        return {
            "distribution": self.kind,
            "numbers": list(self.numbers),
            "weights": list(self.weights),
            "source": self.source,
        }

    def __str__(self) -> str:
        """In words."""
        numbers = self.numbers
        match self.kind:
            case "fixed":
                return str(numbers[0])
            case "uniform" | "log_uniform":
                return f"{self.kind.replace('_', '-')} {numbers[0]} to {numbers[1]}"
            case "exponential":
                return f"exponential, mean {numbers[0]}"
            case "choice":
                return f"one of {', '.join(map(str, numbers))}"
        return f"quantiles from {numbers[1]} to {numbers[-1]}"


class Draws:
    """The draws of one parameter over the runs of a campaign.

    Args:
        seed: of the campaign.
        name: of the parameter; each has a stream of its own.
        runs: how many.
        is_stratified: a Latin hypercube: each of *runs* equal parts of the distribution is drawn
            from once, in an order of this parameter's own.
    """

    def __init__(self, seed: int, name: str, runs: int, is_stratified: bool) -> None:
        self._fine = Stream(seed, f"{name}, fine").many_below(DRAW, runs)
        self._strata: list[int] | None = None
        if is_stratified:
            self._strata = shuffled(Stream(seed, f"{name}, order"), runs)
        self._runs = runs

    def of(self, distribution: Distribution, run: int) -> int:
        """Return the value of one run."""
        if self._strata is None:
            return distribution.value(self._fine[run], DRAW)
        part = self._strata[run] * DRAW + self._fine[run]
        return distribution.value(part, self._runs * DRAW)


def shuffled(random: Stream, count: int) -> list[int]:
    """Return 0 to *count* - 1 in an order of chance (Fisher and Yates)."""
    order = list(range(count))
    for last in range(count - 1, 0, -1):
        other = random.below(last + 1)
        order[last], order[other] = order[other], order[last]
    return order


# ---------------------------------------------------------------- values


def _uniform(item: Distribution, part: int, of: int) -> int:
    low, high = item.numbers
    return low + part * (high - low + 1) // of


def _log_uniform(item: Distribution, part: int, of: int) -> int:
    low, high = item.numbers
    ratio = CONTEXT.ln(CONTEXT.divide(Decimal(high + 1), Decimal(low)))
    share = CONTEXT.divide(Decimal(part), Decimal(of))
    drawn = CONTEXT.multiply(Decimal(low), CONTEXT.exp(CONTEXT.multiply(ratio, share)))
    # Rounding down may leave the lowest draw just below its own bound.
    return min(max(int(drawn), low), high)


def _exponential(item: Distribution, part: int, of: int) -> int:
    left = CONTEXT.divide(Decimal(of - part), Decimal(of))
    return int(CONTEXT.multiply(Decimal(-item.numbers[0]), CONTEXT.ln(left)))


def _choice(item: Distribution, part: int, of: int) -> int:
    weights = item.weights or (1,) * len(item.numbers)
    ahead = part * sum(weights)
    for value, weight in zip(item.numbers, weights, strict=True):
        ahead -= weight * of
        if ahead < 0:
            return value
    return item.numbers[-1]


def _quantiles(item: Distribution, part: int, of: int) -> int:
    points = list(zip(item.numbers[::2], item.numbers[1::2], strict=True))
    at = part * MILLION
    for (left, low), (right, high) in pairwise(points):
        if at < right * of:
            return low + (at - left * of) * (high - low) // ((right - left) * of)
    return points[-1][1]


_VALUES: dict[str, Callable[[Distribution, int, int], int]] = {
    "fixed": lambda item, part, of: item.numbers[0],
    "uniform": _uniform,
    "log_uniform": _log_uniform,
    "exponential": _exponential,
    "choice": _choice,
    "quantiles": _quantiles,
}


# ---------------------------------------------------------------- checks


def _number(given: Mapping[str, Any], name: str, where: str) -> int:
    value = given.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise InputError(
            f"{where}: {name} is a whole number, as in {EXAMPLES[name]}, not {value!r}"
        )
    return value


def _numbers(given: Mapping[str, Any], name: str, where: str) -> tuple[int, ...]:
    values = given.get(name)
    is_list = isinstance(values, list) and bool(values)
    if not is_list or not all(isinstance(item, int) for item in values or ()):
        raise InputError(
            f"{where}: {name} is a list of whole numbers, as in {EXAMPLES[name]}, not {values!r}"
        )
    return tuple(values or ())


def _check_range(kind: str, source: str, given: Mapping[str, Any], where: str) -> Distribution:
    low, high = _number(given, "low", where), _number(given, "high", where)
    if low > high:
        raise InputError(f"{where}: low = {low} lies above high = {high}; {EXAMPLE}")
    if kind == "log_uniform" and low < 1:
        raise InputError(f"{where}: log_uniform begins at 1 or above, as in low = 1, not {low}")
    return Distribution(kind, source, (low, high))


def _check_mean(kind: str, source: str, given: Mapping[str, Any], where: str) -> Distribution:
    mean = _number(given, "mean", where)
    if mean < 1:
        raise InputError(f"{where}: mean is 1 or above, as in {EXAMPLES['mean']}, not {mean}")
    return Distribution(kind, source, (mean,))


def _check_choice(kind: str, source: str, given: Mapping[str, Any], where: str) -> Distribution:
    values = _numbers(given, "values", where)
    weights = _numbers(given, "weights", where) if "weights" in given else ()
    if weights and (len(weights) != len(values) or min(weights) < 0 or not any(weights)):
        raise InputError(
            f"{where}: weights are as many as values, none negative and not all 0, as in "
            f"{EXAMPLES['values']}, {EXAMPLES['weights']}"
        )
    return Distribution(kind, source, values, weights)


def _check_points(kind: str, source: str, given: Mapping[str, Any], where: str) -> Distribution:
    points: Sequence[Any] = given.get("points") or ()
    right = (
        f"{where}: points are pairs of parts in a million and values, as in {EXAMPLES['points']}"
    )
    for point in points:
        is_pair = isinstance(point, list) and len(point) == 2
        if not is_pair or not all(isinstance(item, int) for item in point):
            raise InputError(right)
    shares = [share for share, _ in points]
    values = [value for _, value in points]
    rises = shares == sorted(set(shares)) and values == sorted(values)
    if len(points) < 2 or shares[0] != 0 or shares[-1] != MILLION or not rises:
        raise InputError(f"{right}; they rise from 0 to {MILLION}")
    return Distribution(kind, source, tuple(number for point in points for number in point))


_CHECKS: dict[str, Callable[[str, str, Mapping[str, Any], str], Distribution]] = {
    "uniform": _check_range,
    "log_uniform": _check_range,
    "exponential": _check_mean,
    "choice": _check_choice,
    "quantiles": _check_points,
}
