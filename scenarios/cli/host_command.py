"""``fx3loop host``: what this host allows, and what is known of it."""

from __future__ import annotations

import click

from scenarios.cli.codes import USAGE
from scenarios.cli.lazy import LazyGroup

SUBCOMMANDS = {
    "policy": "The rules: what may be done to a real target, by host state and risk mode.",
    "triage": "Take the evidence of crashes, of this host or from files of any host.",
    "status": "The state of this host, why it is so, and what it needs to be normal.",
    "smoke": "Ask device and host whether all is well; safe, and the first exit criterion.",
    "soak": "Smoke runs for hours, until a threshold or the host itself stops them.",
    "release": "End the one process that holds a serial port.",
    "confirm": "Your word for one operation, the last step before a host is normal again.",
}
"""Every subcommand with its line of help; ``policy`` is the ``command`` in ``host_policy``."""


@click.group(
    "host",
    cls=LazyGroup,
    table=SUBCOMMANDS,
    module="scenarios.cli.host_{}",
    invoke_without_command=True,
)
@click.pass_context
def command(context: click.Context) -> None:
    """What may be done on this host, and what is known of its stability."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
        context.exit(USAGE)
