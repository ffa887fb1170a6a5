"""``fx3loop host``: what this host allows, and what is known of it."""

from __future__ import annotations

import click

from scenarios.cli.codes import USAGE
from scenarios.cli.lazy import LazyGroup

SUBCOMMANDS = {
    "policy": "The rules: what may be done to a real target, by host state and risk mode.",
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
