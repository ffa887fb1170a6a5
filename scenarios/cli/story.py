"""One episode in words."""

from __future__ import annotations

import click

from scenarios.cli.output import seconds
from scenarios.cli.rows import detected, fault, host_saw, serving
from scenarios.judge import Row


def print_story(row: Row) -> None:
    """Print a row, one item a line."""
    lines = {
        "scenario": f"{row.scenario}: {fault(row)}",
        "firmware": row.firmware,
        "policy": f"{row.policy}, position {row.position}",
        "health": row.health,
        "seed": str(row.seed),
        "faults": ", ".join(row.injected) or "none injected",
        "manner": row.manner or "no thread hangs",
        "host saw": host_saw(row) + (f" (in: {row.host_saw_in})" if row.ep0 else ""),
        "then": row.ep0,
        "detected by": detected(row),
        "remedies": ", ".join(map(str, row.remedies)) or "none",
        "serves after": serving(row) + _uploads(row.uploads),
        "original": row.original or "",
        "strict": "; ".join(row.strict) or ("holds" if row.original is not None else ""),
        "verdict": row.verdict,
        "simulated": seconds(row.simulated_ms),
    }
    for label, text in lines.items():
        if text:
            click.echo(f"{label:13} {text}")


def _uploads(number: int) -> str:
    if not number:
        return ""
    return ", 1 upload included" if number == 1 else f", {number} uploads included"
