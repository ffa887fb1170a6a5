"""``fx3loop host policy``."""

from __future__ import annotations

from typing import Any

import click

SCHEMA = "fx3loop.host-policy/1"


@click.command("policy")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def command(as_json: bool) -> None:
    """Print the rules: what may be done to a real target, by host state and risk mode.

    A simulated world is free, but for what writes persistent memory, which is never allowed.
    """
    from hw.guard import tables
    from scenarios.cli import output

    if as_json:
        output.print_json(document())
        return
    for headings, rows in (
        (tables.RULE_HEADINGS, tables.rule_rows()),
        (tables.OPERATION_HEADINGS, tables.operation_rows()),
        (tables.LEVEL_HEADINGS, tables.level_rows()),
    ):
        made = output.table(*headings)
        for row in rows:
            made.add_row(*row)
        output.print_table(made)
        click.echo("")
    for verdict, meaning in tables.MEANINGS.items():
        click.echo(f"{verdict.value:10}  {meaning}")


def document() -> dict[str, Any]:
    """Return the rules as data, one entry for each class and host state."""
    from hw.guard import LEVEL_OPERATIONS, RULES, Operation
    from hw.guard.force import PHRASE, VARIABLE
    from hw.guard.grants import default_path
    from hw.guard.tables import MEANINGS

    return {
        "schema": SCHEMA,
        "rules": [
            {
                "class": kind.value,
                "host_state": state.value,
                **{mode.value: verdict.value for mode, verdict in verdicts.items()},
            }
            for (kind, state), verdicts in RULES.items()
        ],
        "operations": {item.label: item.operation_class.value for item in Operation},
        "levels": {
            str(level.value): [item.label for item in Operation if item in granted]
            for level, granted in LEVEL_OPERATIONS.items()
        },
        "verdicts": {verdict.value: meaning for verdict, meaning in MEANINGS.items()},
        "force": {"variable": VARIABLE, "phrase": PHRASE},
        "grants_file": str(default_path()),
    }
