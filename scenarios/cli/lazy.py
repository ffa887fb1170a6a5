"""A group of commands that imports one of them only when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import click


class LazyGroup(click.Group):
    """A group whose help costs no import, and which answers a wrong name with the nearest.

    Args:
        table: every command with its line of help.
        module: where a command is, with ``{}`` for its name; the module has a ``command``.
        more: what click's own group takes.
    """

    def __init__(self, *, table: Mapping[str, str], module: str, **more: Any) -> None:  # noqa: ANN401 - click's signature
        super().__init__(**more)
        self._table = table
        self._module = module

    def list_commands(self, context: click.Context) -> list[str]:
        """All names, in the order of the help."""
        return list(self._table)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The command, imported now; None when there is none."""
        if name not in self._table:
            return None
        command: click.Command = import_module(self._module.format(name)).command
        return command

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; an unknown one is answered with the nearest."""
        name = arguments[0]
        if name not in self._table and not name.startswith("-"):
            near = get_close_matches(name, self._table, n=2)
            right = (
                f"did you mean {' or '.join(near)}?"
                if near
                else f"there are {', '.join(self._table)}"
            )
            raise click.UsageError(f"no command {name!r}; {right}")
        return super().resolve_command(context, arguments)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in the help, without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self._table.items()))
