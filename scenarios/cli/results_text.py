"""Results for people, and where those for programs go."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from scenarios.cli import output
from scenarios.cli.rows import COLOURS
from scenarios.cli.story import print_story
from scenarios.judge import Row
from scenarios.reports import junit as junit_report, tap as tap_report
from scenarios.reports.document import document
from scenarios.results import Outcome, Result, summary

OUTCOME_COLOURS = {
    Outcome.PASSED: "green",
    Outcome.FAILED: "red",
    Outcome.EXPECTED: "yellow",
    Outcome.SKIPPED: "dim",
}


def report(
    results: Sequence[Result],
    *,
    is_one: bool,
    as_json: bool,
    as_tap: bool,
    junit: Path | None,
    tap: Path | None,
) -> None:
    """Print the results and write the files; why something failed goes to standard error.

    Args:
        results: in their order.
        is_one: one scenario was asked for by its name: its story is told.
        as_json: print JSON.
        as_tap: print TAP.
        junit: file for JUnit XML, or None.
        tap: file for TAP, or None.
    """
    if as_json:
        output.print_json(document(results))
    elif as_tap:
        for line in tap_report.lines(results):
            click.echo(line)
    elif is_one and results[0].row is not None:
        _print_one(results[0], results[0].row)
    else:
        _print_table(results)
        click.echo(summary(results))
    if junit is not None:
        with output.Writing(junit):
            junit_report.write(results, junit)
    if tap is not None:
        with output.Writing(tap):
            tap_report.write(results, tap)
    for item in results:
        if item.outcome is Outcome.FAILED:
            for reason in item.reasons:
                click.echo(f"fx3loop: {item.scenario}: {reason}", err=True)


def _print_one(result: Result, row: Row) -> None:
    print_story(row)
    if result.outcome is Outcome.EXPECTED:
        click.echo(f"{'expected':13} {result.reasons[0]}")
    elif result.outcome is Outcome.FAILED and result.reasons != row.reasons:
        # The story tells what the run did; this is why that counts as a failure all the same.
        click.echo(f"{'failed':13} {result.reasons[0]}")


def _print_table(results: Sequence[Result]) -> None:
    made = output.table(
        "scenario", "group", "firmware", "outcome", "verdict", "simulated", "why", folds=("why",)
    )
    for item in results:
        row = item.row
        outcome = f"[{OUTCOME_COLOURS[item.outcome]}]{item.outcome.value}[/]"
        why = "; ".join(item.reasons).replace("[", r"\[")
        if row is None:
            made.add_row(item.scenario, item.group, "–", outcome, "–", "–", why)
        else:
            made.add_row(
                item.scenario,
                item.group,
                row.firmware,
                outcome,
                f"[{COLOURS[row.verdict]}]{row.verdict}[/]",
                output.seconds(row.simulated_ms),
                why,
            )
    output.print_table(made)
