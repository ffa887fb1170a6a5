"""What a soak chooses from: the original harness's tables, and how a draw picks from one."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources

from scenarios.errors import InputError, not_known

FILE = "tables.toml"
DEFAULT = "v0.1.0"
SUITE_NAMES = {
    "debug_while_stream": "debug_while_streaming",
    "debug_cmd_stream": "debug_cmd_while_stream",
    "ep0_ctrl_streaming": "ep0_control_while_streaming",
}
"""The scenarios that the soak calls by another name than the command line does (fx3_cmd.c)."""


@dataclass(frozen=True)
class Table:
    """Scenarios with their weights, in the order of the scan.

    Attributes:
        name: the commit or release that had it.
        note: where else it stood, and its size.
        entries: soak name and weight.
    """

    name: str
    note: str
    entries: tuple[tuple[str, int], ...]

    @property
    def total_weight(self) -> int:
        """What a draw is taken modulo."""
        return sum(weight for _, weight in self.entries)

    @property
    def names(self) -> tuple[str, ...]:
        """The scenarios, those of weight 0 too."""
        return tuple(name for name, _ in self.entries)

    def pick(self, draw: int) -> str:
        """Return the scenario that a draw means.

        Args:
            draw: any number of the generator; its rest modulo the total weight is what counts.
        """
        left = draw % self.total_weight
        for name, weight in self.entries:
            if left < weight:
                return name
            left -= weight
        raise AssertionError("the rest of a division is below its divisor")

    def reweighted(self, weights: Mapping[str, int]) -> Table:
        """Return this table with some weights replaced; a negative one means 0, as in fx3_cmd.c.

        Args:
            weights: new weights by soak name.

        Raises:
            InputError: no such scenario in this table, or nothing is left to choose from.
        """
        for name in weights:
            if name not in self.names:
                raise not_known(f"scenario in the soak table {self.name}", name, self.names)
        entries = tuple((name, max(0, weights.get(name, weight))) for name, weight in self.entries)
        changed = replace(self, entries=entries)
        if changed.total_weight <= 0:
            raise InputError(
                "every weight is 0, so there is nothing to run; for example --weight hw_smoke=1"
            )
        return changed


def table(name: str) -> Table:
    """Return the table of this commit or release.

    Raises:
        InputError: there is none.
    """
    found = _tables()
    if name not in found:
        raise not_known("soak table", name, found)
    return found[name]


def parse_weights(texts: Iterable[str]) -> dict[str, int]:
    """Return weights given as ``name=number``; later ones win.

    Raises:
        InputError: a text of another form.
    """
    weights = {}
    for text in texts:
        name, equals, number = text.partition("=")
        try:
            weights[name] = int(number)
        except ValueError:
            what = f"{number!r} is not a whole number" if equals else "a number is missing"
            raise InputError(f"weight {text!r}: {what}, for example hw_smoke=3") from None
    return weights


@cache
def _tables() -> dict[str, Table]:
    content = resources.files(__package__).joinpath(FILE).read_text(encoding="utf-8")
    return {
        name: Table(name, item["note"], tuple((who, weight) for who, weight in item["scenarios"]))
        for name, item in tomllib.loads(content).items()
    }
