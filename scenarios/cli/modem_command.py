"""``fx3loop modem``: cellular modules with a Python of their own."""

from __future__ import annotations

import click

from scenarios.cli.codes import USAGE
from scenarios.cli.lazy import LazyGroup

SUBCOMMANDS = {
    "probe": "The ports and their roles, and whether the module answers; interrupts nothing.",
    "info": "What the module tells of itself: device, card, network, data; what is missing.",
    "repl": "Whether its Python answers, or a program of yours; ends what runs there.",
    "fs": "Its files below /usr: ls, tree, mkdir, rm, rmdir, run, push.",
}
"""Every subcommand with its line of help; ``probe`` is the ``command`` in ``modem_probe``."""


@click.group(
    "modem",
    cls=LazyGroup,
    table=SUBCOMMANDS,
    module="scenarios.cli.modem_{}",
    invoke_without_command=True,
)
@click.pass_context
def command(context: click.Context) -> None:
    """Work with a cellular module on its serial ports, or with a simulated one.

    Try everything without hardware: fx3loop modem info --target sim --option sim=absent
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
        context.exit(USAGE)
