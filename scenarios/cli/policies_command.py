"""``fx3loop policies``."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from health import Policy

SCHEMA = "fx3loop.policies/1"
LEVELS = range(1, 6)
DIGEST_SHOWN = 12


@click.command("policies")
@click.argument("name", metavar="[NAME|FILE]", required=False)
@click.option("--toml", "as_toml", is_flag=True, help="Print the policy as TOML.")
@click.option("--c-header", "as_header", is_flag=True, help="Print the policy as a C header.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def command(name: str | None, as_toml: bool, as_header: bool, as_json: bool) -> None:
    """Show the watchdog policies, or one: a preset's NAME, or a TOML FILE of your own.

    A file is checked when it is read: an unknown key, a wrong type or a broken rule is named.
    """
    from health import Policy
    from scenarios.cli import inputs, output

    if as_toml + as_header + as_json > 1:
        raise click.UsageError("choose one of --toml, --c-header and --json")
    if name is None:
        if as_toml or as_header:
            raise click.UsageError(
                f"which policy? Give one of {', '.join(Policy.preset_names())}, or a file"
            )
        chosen = [Policy.preset(preset) for preset in Policy.preset_names()]
    else:
        chosen = [inputs.policy(name)]
    if as_toml:
        click.echo(chosen[0].to_toml(), nl=False)
    elif as_header:
        click.echo(chosen[0].to_c_header(), nl=False)
    elif as_json:
        output.print_json({"schema": SCHEMA, "policies": [as_dict(item) for item in chosen]})
    elif name is None:
        _print_table(chosen)
    else:
        _print_one(chosen[0])


def as_dict(policy: Policy) -> dict[str, Any]:
    """Return a policy as data: its fields, and what follows from them."""
    return {
        "name": policy.name,
        "digest": policy.digest,
        "levels": _levels(policy),
        "hwdt_effective_ms": policy.hwdt_effective_us / 1_000,
        "survivable_stall_ms": policy.survivable_stall_ms,
        "fields": {item.name: getattr(policy, item.name) for item in fields(policy)},
        "warnings": [{"rule": rule, "text": text} for rule, text in policy.warnings()],
    }


def _levels(policy: Policy) -> list[int]:
    return [level for level in LEVELS if policy.is_enabled(level)]


def _print_table(policies: list[Policy]) -> None:
    from scenarios.cli import output

    made = output.table(
        "policy",
        "levels",
        "stall",
        "level 1 cap",
        "handler limit",
        "watchdog",
        "pet",
        "warnings",
        "digest",
    )
    for item in policies:
        has_watchdog = item.level_5_enabled
        made.add_row(
            item.name,
            output.words(_levels(item)),
            _limit(item.stream_stall_ms),
            (str(item.level_1_cap) if item.level_1_cap else "no cap")
            if item.level_1_enabled
            else "–",
            _limit(item.ep0_limit_ms),
            f"{item.hwdt_period_ms} ms" if has_watchdog else "–",
            f"{item.pet_interval_ms} ms" if has_watchdog else "–",
            output.words([rule for rule, _ in item.warnings()]),
            item.digest[:DIGEST_SHOWN],
        )
    output.print_table(made)


def _print_one(policy: Policy) -> None:
    from scenarios.cli import output

    click.echo(f"{policy.name}  sha256:{policy.digest}")
    click.echo(f"levels    {output.words(_levels(policy))}")
    if policy.level_5_enabled:
        click.echo(
            f"watchdog  {policy.hwdt_period_ms} ms configured, "
            f"{policy.hwdt_effective_us / 1_000:g} ms in truth, pet each {policy.pet_interval_ms} "
            f"ms; a stall of the main loop below {policy.survivable_stall_ms} ms is survived"
        )
    for rule, text in policy.warnings():
        click.echo(f"warning   {rule}: {text}")
    click.echo("")
    click.echo(policy.to_toml(), nl=False)


def _limit(limit_ms: int) -> str:
    return f"{limit_ms} ms" if limit_ms else "–"
