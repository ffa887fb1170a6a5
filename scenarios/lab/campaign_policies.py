"""The policies of a campaign: a grid, a Latin hypercube or a list of values over base policies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from health import Policy
from health.errors import PolicyError
from scenarios.errors import InputError, not_known
from scenarios.lab.campaign import POLICY_FIELDS
from scenarios.lab.distributions import DRAW, shuffled
from sim.streams import Stream

DESIGNS = ("grid", "latin_hypercube", "list")
KEYS = ("base", "design", "count", "list", *POLICY_FIELDS)
POLICIES_MAX = 100_000
GRID_EXAMPLE = "pet_interval_ms = [1000, 1500, 3000]"
RANGE_EXAMPLE = "pet_interval_ms = { low = 500, high = 4000, step = 50 }"
LIST_EXAMPLE = "[[policy.list]] pet_interval_ms = 1500"


@dataclass(frozen=True)
class Policies:
    """What a campaign's policy table comes to.

    Attributes:
        policies: every one that keeps the rules.
        varied: the fields that differ, in the order of the file.
        left_out: the others, each with the rule it breaks.
    """

    policies: tuple[Policy, ...]
    varied: tuple[str, ...]
    left_out: tuple[str, ...]


def read(table: object, source: str, seed: int) -> Policies:
    """Return the policies that a campaign's table names.

    Args:
        table: `policy` of the campaign's document.
        source: the campaign's file, for errors; policy files are relative to it.
        seed: of a Latin hypercube.

    Raises:
        InputError: with file, key and a right example; or no policy keeps the rules.
    """
    where = f"{source}: policy"
    if not isinstance(table, Mapping):
        raise InputError(f'{where} is a table, with lines such as base = "reference"')
    for key in table:
        if key not in KEYS:
            raise InputError(f"{where}: {not_known('key', key, KEYS)}")
    bases = _bases(table.get("base", "reference"), where, source)
    points = list(_points(table, where, seed))
    if len(points) * len(bases) > POLICIES_MAX:
        raise InputError(f"{where}: {len(points)} policies are too many; use latin_hypercube")
    varied = tuple(dict.fromkeys(name for point in points for name in point))
    found, left_out = [], []
    for base in bases:
        for number, point in enumerate(points, 1):
            name = f"{base.name}-{number}" if varied else base.name
            try:
                found.append(replace(base, name=name, **point))
            except PolicyError as error:
                values = ", ".join(f"{key} = {value}" for key, value in point.items())
                left_out.append(f"{base.name} with {values}: {error}")
    if not found:
        raise InputError(f"{where}: no policy keeps the rules; the first: {left_out[0]}")
    return Policies(tuple(found), varied, tuple(left_out))


def _bases(given: object, where: str, source: str) -> list[Policy]:
    names = given if isinstance(given, list) else [given]
    if not names or not all(isinstance(name, str) for name in names):
        raise InputError(f'{where}: base is a preset or a file, as in base = "reference"')
    return [_base(str(name), where, source) for name in names]


def _base(name: str, where: str, source: str) -> Policy:
    try:
        if name.endswith(".toml"):
            return Policy.load(Path(source).parent / name)
        return Policy.preset(name)
    except PolicyError as error:
        raise InputError(f"{where}: base: {error}") from error


def _points(table: Mapping[str, Any], where: str, seed: int) -> Iterator[dict[str, Any]]:
    design = table.get("design", "grid")
    if design not in DESIGNS:
        raise InputError(f"{where}: design: {not_known('design', str(design), DESIGNS)}")
    fields = {name: table[name] for name in table if name in POLICY_FIELDS}
    _allow(table, "count", design == "latin_hypercube", where)
    _allow(table, "list", design == "list", where)
    if design == "list":
        if fields:
            raise InputError(f"{where}: {next(iter(fields))}: a list names it in {LIST_EXAMPLE}")
        yield from _listed(table.get("list"), where)
    elif design == "grid":
        choices = {name: _grid_values(name, value, where) for name, value in fields.items()}
        for values in product(*choices.values()):
            yield dict(zip(choices, values, strict=True))
    else:
        yield from _hypercube(fields, table.get("count"), where, seed)


def _allow(table: Mapping[str, Any], key: str, is_right: bool, where: str) -> None:
    if key in table and not is_right:
        owner = "latin_hypercube" if key == "count" else "list"
        raise InputError(f'{where}: {key} goes with design = "{owner}"')


def _grid_values(name: str, value: object, where: str) -> list[Any]:
    if isinstance(value, Mapping):
        low, high, step = _range(name, value, where)
        return list(range(low, high + 1, step))
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(item, int) for item in values):
        raise InputError(
            f"{where}: {name} is a value, a list or a range, as in {GRID_EXAMPLE}, not {value!r}"
        )
    return values


def _range(name: str, value: Mapping[str, Any], where: str) -> tuple[int, int, int]:
    numbers = [value.get("low"), value.get("high"), value.get("step", 1)]
    whole = [item for item in numbers if isinstance(item, int) and not isinstance(item, bool)]
    if len(whole) < len(numbers) or set(value) - {"low", "high", "step"}:
        raise InputError(f"{where}: {name} has low, high and step, as in {RANGE_EXAMPLE}")
    low, high, step = whole
    if low > high or step < 1:
        raise InputError(f"{where}: {name} rises from low to high, as in {RANGE_EXAMPLE}")
    return low, high, step


def _listed(given: object, where: str) -> Iterator[dict[str, Any]]:
    if not isinstance(given, list) or not given:
        raise InputError(f"{where}: list: there is none, as in {LIST_EXAMPLE}")
    for point in given:
        if not isinstance(point, Mapping):
            raise InputError(f"{where}: list: a table each, as in {LIST_EXAMPLE}")
        for name, value in point.items():
            if name not in POLICY_FIELDS:
                raise InputError(f"{where}: list: {not_known('policy field', name, POLICY_FIELDS)}")
            if not isinstance(value, int):
                raise InputError(f"{where}: list: {name}: a value each, as in {LIST_EXAMPLE}")
        yield dict(point)


def _hypercube(
    fields: Mapping[str, Any], count: object, where: str, seed: int
) -> Iterator[dict[str, Any]]:
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= POLICIES_MAX:
        raise InputError(f"{where}: count says how many policies are drawn, as in count = 40")
    if not fields:
        raise InputError(f"{where}: there is nothing to draw, as in {RANGE_EXAMPLE}")
    columns: dict[str, list[int]] = {}
    for name, value in fields.items():
        if not isinstance(value, Mapping):
            raise InputError(f"{where}: {name} is a range to draw from, as in {RANGE_EXAMPLE}")
        low, high, step = _range(name, value, where)
        steps = (high - low) // step + 1
        strata = shuffled(Stream(seed, f"policy.{name}, order"), count)
        fine = Stream(seed, f"policy.{name}, fine").many_below(DRAW, count)
        columns[name] = [
            low + step * ((stratum * DRAW + part) * steps // (count * DRAW))
            for stratum, part in zip(strata, fine, strict=True)
        ]
    for number in range(count):
        yield {name: values[number] for name, values in columns.items()}
