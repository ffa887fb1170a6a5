"""A sweep's summary as text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scenarios.cli import output

if TYPE_CHECKING:
    from scenarios.lab.proposal import Proposal

DIGEST_SHOWN = 12
SENSITIVITY_SHOWN = 12
POLICIES_SHOWN = 40


def report(summary: dict[str, Any], proposal: Proposal | None, folder: Path | None) -> None:
    """Print what a sweep found.

    Args:
        summary: of `campaign_summary.summarise`.
        proposal: what was made of the requirements, or None.
        folder: where the table is kept, or None.
    """
    click.echo(
        f"{summary['campaign']}  sha256:{summary['digest'][:DIGEST_SHOWN]}  "
        f"seed {summary['seed']}  {summary['rows']} rows\n"
    )
    _print_policies(summary["policies"])
    _print_faults(summary["policies"])
    _print_pareto(summary["pareto"])
    _print_sensitivity(summary["sensitivity"])
    _print_sources(summary)
    if summary["void"]:
        click.echo(f"\n{summary['void']} rows say nothing: see verdict and reason in the table")
    for text in summary["left_out"]:
        click.echo(f"left out   {text}")
    if proposal is not None:
        click.echo("")
        for line in proposal.lines():
            click.echo(line)
    if folder is not None:
        click.echo(f"\nkept in {folder}: runs.csv, summary.json, campaign.toml")


def _print_policies(policies: list[dict[str, Any]]) -> None:
    made = output.table(
        "policy",
        "firmware",
        *_varied(policies),
        "runs",
        "recovered",
        "undetected",
        "false resets",
        "mean recovery",
        "19 of 20 by",
        "worst",
        "availability",
    )
    for item in policies[:POLICIES_SHOWN]:
        metrics = item["metrics"]
        made.add_row(
            item["policy"],
            item["firmware"],
            *(str(value) for value in item["varied"].values()),
            str(item["runs"]),
            share(metrics["recovered"]),
            share(metrics["undetected"]),
            share(metrics["false_resets"]),
            time(metrics["mean_recovery_ms"]),
            time(metrics["p95_recovery_ms"]),
            time(metrics["worst_recovery_ms"]),
            _availability(metrics["availability"]),
        )
    output.print_table(made)
    if len(policies) > POLICIES_SHOWN:
        click.echo(f"and {len(policies) - POLICIES_SHOWN} more in summary.json")


def _varied(policies: list[dict[str, Any]]) -> tuple[str, ...]:
    return tuple(policies[0]["varied"]) if policies else ()


def _print_faults(policies: list[dict[str, Any]]) -> None:
    made = output.table("policy", "fault", "verdicts", "worst detection", "closed form", "worst")
    for item in policies[:POLICIES_SHOWN]:
        for name, fault in item["faults"].items():
            metrics = fault["metrics"]
            made.add_row(
                item["policy"],
                name,
                ", ".join(f"{count} {verdict}" for verdict, count in fault["verdicts"].items()),
                _worst(metrics["worst_detection_ms"]),
                _closed_form(fault),
                _worst(metrics["worst_recovery_ms"]),
            )
    click.echo("")
    output.print_table(made)


def _closed_form(fault: dict[str, Any]) -> str:
    if fault["bound_ms"] is None:
        return "–"
    later = f", {fault['beyond_bound']} LATER" if fault["beyond_bound"] else ""
    return f"up to {fault['bound_ms'] / 1000:.3f} s{later}"


def _print_pareto(front: list[dict[str, Any]]) -> None:
    click.echo("\nnone has both fewer false resets and a shorter worst recovery than")
    for point in front:
        worst = point["worst_recovery_ms"]
        shown = "some never recovered" if worst is None else f"worst {worst / 1000:.3f} s"
        click.echo(
            f"  {point['policy']}: false resets {100 * point['false_resets']:.2f} %, {shown}"
        )


def _print_sensitivity(items: list[dict[str, Any]]) -> None:
    known = [item for item in items if item["low"] * item["high"] > 0][:SENSITIVITY_SHOWN]
    if not known:
        return
    click.echo("\nwhat results go with (rank correlation, 95 %)")
    for item in known:
        click.echo(
            f"  {item['fault']}: {item['metric']} with {item['parameter']} "
            f"{item['value']:+.2f} ({item['low']:+.2f} to {item['high']:+.2f})"
        )


def _print_sources(summary: dict[str, Any]) -> None:
    click.echo("\ndrawn from")
    alike: dict[str, list[str]] = {}
    for name, item in summary["distributions"].items():
        numbers = " ".join(map(str, item["numbers"]))
        alike.setdefault(f"{item['distribution']} {numbers} – {item['source']}", []).append(name)
    for text, names in alike.items():
        click.echo(f"  {', '.join(names)}: {text}")
    for name, rate in summary["rates"].items():
        click.echo(f"  {name}: {rate['per_day']:g} a day – {rate['source']}")
    life = summary["life"]
    if life is not None:
        click.echo(f"  repair: {life['repair_min']} min – {life['repair_source']}")


def share(item: dict[str, Any]) -> str:
    """Return a share in percent with its interval."""
    if item["value"] is None:
        return "–"
    low, high = 100 * item["low"], 100 * item["high"]
    return f"{100 * item['value']:.1f} % ({low:.1f} to {high:.1f})"


def time(item: dict[str, Any]) -> str:
    """Return a time in s with its interval."""
    if item["value"] is None:
        return "–"
    ends = ["?" if end is None else f"{end / 1000:.3f}" for end in (item["low"], item["high"])]
    return f"{item['value'] / 1000:.3f} s ({ends[0]} to {ends[1]})"


def _worst(item: dict[str, Any]) -> str:
    return "–" if item["value"] is None else f"{item['value'] / 1000:.3f} s"


def _availability(item: dict[str, Any]) -> str:
    if item["value"] is None:
        return "–"
    return f"{100 * item['value']:.5f} % ({100 * item['low']:.5f} to {100 * item['high']:.5f})"
