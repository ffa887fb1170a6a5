"""The command line: ``fx3loop``. Commands are imported when they run, so that help is instant."""

from scenarios.cli.group import cli, main

__all__ = ["cli", "main"]
