"""The rows and figures of a sweep, as its page reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from scenarios.page.model import Block, Item, Note, Table, tone_of
from scenarios.page.text import DASH, duration, plural, words

Row = Mapping[str, str]
Summary = Mapping[str, Any]

WORST_ROWS = 12
VERDICT_ORDER = (
    "unrecovered",
    "false_reset",
    "capped",
    "recovered",
    "served",
    "not_reached",
    "bench_failed",
    "worker_died",
)
"""From worst to best; the last three say nothing about a policy."""
COLUMNS = (
    "row",
    "seed",
    "policy",
    "firmware",
    "fault",
    "verdict",
    "detection_ms",
    "recovery_ms",
    "levels",
    "downtime_ms",
)
"""Columns of ``runs.csv`` that the page reads."""


def name_of(item: Mapping[str, Any], items: Sequence[Mapping[str, Any]]) -> str:
    """Return a policy's name, with its firmware where there are several."""
    is_one = len({other.get("firmware") for other in items}) == 1
    return str(item["policy"]) if is_one else f"{item['policy']} on {item['firmware']}"


def value_of(metric: Mapping[str, Any] | None) -> float | None:
    """Return the value of a metric; None where it has none."""
    if metric is None or metric.get("value") is None:
        return None
    return float(metric["value"])


def worst_rows(rows: Iterable[Row], limit: int) -> list[Row]:
    """Return the worst rows, one of each fault, verdict and levels.

    Args:
        rows: of the table.
        limit: how many at most.
    """
    kinds: dict[tuple[str, str, str], Row] = {}
    for row in sorted(rows, key=_badness):
        kinds.setdefault((row["fault"], row["verdict"], row["levels"]), row)
    return list(kinds.values())[:limit]


def worst_table(rows: Sequence[Row]) -> Block:
    """Return the worst rows as a table."""
    if not rows:
        return Note("There is no run.")
    order = sorted(rows, key=_badness)[:WORST_ROWS]
    headings = ("Row", "Policy", "Fault", "Verdict", "Detected", "Recovered", "Levels", "Downtime")
    return Table(
        f"The worst {len(order)} of {plural(len(rows), 'run')}",
        (*headings, "Seed"),
        tuple(
            (
                Item(row["row"], note=row.get("fault_text", "")),
                Item(row["policy"]),
                Item(words(row["fault"])),
                Item(words(row["verdict"]), tone_of(row["verdict"]), note=row.get("reason", "")),
                Item(duration(number_in(row, "detection_ms")), is_number=True),
                Item(duration(number_in(row, "recovery_ms"), "never"), is_number=True),
                Item(row["levels"] or DASH),
                Item(duration(number_in(row, "downtime_ms")), is_number=True),
                Item(row["seed"], is_number=True),
            )
            for row in order
        ),
    )


def _badness(row: Row) -> tuple[int, float]:
    verdict = row["verdict"]
    rank = VERDICT_ORDER.index(verdict) if verdict in VERDICT_ORDER else len(VERDICT_ORDER)
    longest = number_in(row, "recovery_ms")
    if longest is None:
        longest = number_in(row, "downtime_ms")
    return rank, -(longest or 0.0)


def values_in(rows: Iterable[Row], name: str) -> list[float]:
    """Return the numbers in a column, ascending, without the empty ones."""
    return sorted(value for row in rows if (value := number_in(row, name)) is not None)


def number_in(row: Row, name: str) -> float | None:
    """Return the number in a column; None where it is empty."""
    text = row[name]
    return float(text) if text else None
