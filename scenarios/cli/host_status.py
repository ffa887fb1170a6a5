"""``fx3loop host status``."""

from __future__ import annotations

import click

from scenarios.cli.codes import CHECK_FAILED, ESCALATION_REQUIRED, NOT_AVAILABLE, OK

SCHEMA = "fx3loop.host-status/1"
CODES = {
    "normal": OK,
    "observing": CHECK_FAILED,
    "frozen": ESCALATION_REQUIRED,
    "unknown": NOT_AVAILABLE,
}
"""Exit code by state; an escalation that is required has its own in every state."""


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """Say how stable this host is, by its evidence and its journal.

    Exit codes: 0 normal, 1 observing, 4 unknown, 5 frozen or escalation required.
    """
    from hw.host import current_state
    from hw.host.findings import utc_text
    from scenarios.cli import output

    status = current_state()
    if as_json:
        output.print_json({"schema": SCHEMA, **status.as_dict()})
    else:
        click.echo(f"{status.state.value} since {utc_text(status.since_utc)[:19]} UTC")
        for reason in status.reasons:
            click.echo(f"  because: {reason}")
        for criterion in status.escalation:
            click.echo(f"  escalate: {criterion.name}: {criterion.reason}")
        for item in status.missing:
            click.echo(f"  needs: {item}")
    context.exit(ESCALATION_REQUIRED if status.escalation else CODES[status.state.value])
