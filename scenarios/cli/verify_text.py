"""What ``fx3loop verify`` found, for people: the worst first."""

from __future__ import annotations

from collections.abc import Sequence

import click

from hw.guard.certificate import Certificate
from scenarios.cli.output import print_table, seconds, table, words
from scenarios.judge import Row
from scenarios.lab.claims import Claim
from scenarios.lab.matrix import Group, Result, grouped
from scenarios.lab.verify import Verified

COLOURS = {
    "recovered": "green",
    "left_alone": "green",
    "degraded": "yellow",
    "locked_up": "red",
    "broke_down": "red",
}
CALLS_SHOWN = 3
"""So many different calls of a group are named; of more their number is told."""


def report(
    found: Sequence[Verified], certificate: Certificate, worse: Sequence[str] | None
) -> None:
    """Print matrix, scenarios, soak, invariants and a summary; violations to standard error.

    Args:
        found: one for each position.
        certificate: made of it.
        worse: what got worse since a baseline; None without one.
    """
    for item in found:
        print_matrix(item)
        _print_others(item)
        for text in item.violations:
            click.echo(f"fx3loop: {item.place.position}: {text}", err=True)
    gaps = len(certificate.not_covered)
    module = "" if certificate.health.is_reference else f", health module {certificate.health.text}"
    ended = "every claim holds" if certificate.is_good else "BROKEN"
    click.echo(
        f"policy {certificate.policy_name} ({certificate.policy_digest[:12]}) on firmware "
        f"{certificate.firmware.name}{module}: {ended}, {gaps} lines not covered"
    )
    if worse is not None:
        click.echo(f"against the baseline: {len(worse)} worse")


def print_matrix(item: Verified) -> None:
    """Print the matrix of one position, cells that ended alike in one line, the worst first."""
    click.echo(f"position {item.place.position}: {len(item.matrix)} cells")
    made = table(
        "request",
        "fault",
        "calls",
        "level",
        "answers within",
        "claimed",
        "serves again within",
        "verdict",
        folds=("calls", "fault"),
    )
    for group in grouped(item.matrix):
        made.add_row(*_row(group))
    print_table(made)


def _row(group: Group) -> tuple[str, ...]:
    first = group.results[0]
    detected = [result.detected_ms for result in group.results if result.detected_ms is not None]
    verdict = f"[{COLOURS[first.verdict]}]{first.verdict}[/]"
    if first.reds:
        verdict += " [red]CLAIM BROKEN[/]"
    return (
        group.request,
        group.fault,
        _calls(group.calls),
        words(first.levels),
        seconds(max(detected)) if detected else "–",
        _claimed(first.claim),
        _serves(group.results),
        verdict,
    )


def _calls(calls: Sequence[str]) -> str:
    names = list(dict.fromkeys(filter(None, calls)))
    if not names:
        return "–"
    return f"{len(calls)} calls" if len(names) > CALLS_SHOWN else ", ".join(names)


def _claimed(claim: Claim | None) -> str:
    if claim is None:
        return "nothing"
    if claim.kind != "recovers":
        return claim.kind
    within = f", {seconds(claim.within_ms)}" if claim.within_ms else ""
    instead = f" or {_claimed(claim.instead)}" if claim.instead else ""
    return f"level {claim.level}{within}{instead}"


def _serves(results: Sequence[Result]) -> str:
    times = [result.serving_ms for result in results]
    known = [time for time in times if time is not None]
    if len(known) < len(times):
        return "never"
    return seconds(max(known)) if max(known) else "unnoticed"


def _print_others(item: Verified) -> None:
    rows = [row for _, row in item.rows if isinstance(row, Row)]
    good = sum(row.is_good for row in rows)
    click.echo(f"scenarios: {len(item.rows)} run, {good} good, {len(item.rows) - good} not covered")
    soak = item.soak
    if soak is not None:
        ended = f"{len(soak.failures)} failures" if soak.failures else "all good"
        left_out = f", without {words(soak.left_out)}" if soak.left_out else ""
        click.echo(
            f"soak: {soak.hours:g} h, seed {soak.seed}, {soak.cycles} cycles, {ended}{left_out}"
        )
    count = len(item.violations)
    click.echo(f"invariants and claims: {f'{count} broken' if count else 'all hold'}")
