"""Rows of episodes as a table for people."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from scenarios.cli.output import print_table, seconds, table
from scenarios.judge import Row

COLOURS = {
    "recovered": "green",
    "left_alone": "green",
    "degraded": "yellow",
    "locked_up": "red",
}


def host_saw(row: Row) -> str:
    """What the host saw, and when."""
    if row.host_saw_after_ms is None:
        return row.host_saw
    return f"{row.host_saw}, {seconds(row.host_saw_after_ms)}"


def detected(row: Row) -> str:
    """Which level answered, how often, and when first."""
    if row.detected_level is None:
        return "–"
    times = row.remedies.count(row.detected_level)
    often = f" ×{times}" if times > 1 else ""
    return f"level {row.detected_level}{often}, {seconds(row.detected_after_ms)}"


def serving(row: Row) -> str:
    """When data came again."""
    if row.serving_after_ms is None:
        return "never"
    return "unnoticed" if row.serving_after_ms == 0 else seconds(row.serving_after_ms)


def fault(row: Row) -> str:
    """What went wrong, with the incident's name and the knobs that were turned."""
    name = f"{row.incident} " if row.incident else ""
    return name + row.fault + "".join(f" ({text})" for text in row.options)


def print_rows(rows: Sequence[Row]) -> None:
    """Print the table, a gap between one incident and the next."""
    made = table(
        "fault",
        "manner",
        "firmware",
        "policy",
        "position",
        "host saw, after",
        "detected by, after",
        "serves again after",
        "verdict",
        folds=("fault", "host saw, after", "detected by, after", "serves again after"),
    )
    for _, members in groupby(rows, key=lambda row: (fault(row), row.manner)):
        for row in members:
            made.add_row(
                fault(row),
                row.manner or "–",
                row.firmware,
                row.policy,
                row.position,
                host_saw(row),
                detected(row),
                serving(row),
                f"[{COLOURS[row.verdict]}]{row.verdict}[/]",
            )
        made.add_section()
    print_table(made)
