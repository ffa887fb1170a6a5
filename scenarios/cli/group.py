"""The group of commands: what there is, how errors end, and nothing that takes time to import.

Exit codes: 0 ok, 1 a check failed, 2 usage, 3 denied by the safety rules, 4 device or evidence not
available, 5 escalation required, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from typing import Any, NoReturn

import click

from scenarios.cli.codes import OK, USAGE, exit_code
from scenarios.cli.lazy import LazyGroup
from scenarios.collector import relax_collector

COMMANDS = {
    "demo": "The flagship run: real incidents under every policy, one table, one picture.",
    "list": "What there is: scenarios, firmware, policies, faults, options.",
    "run": "Run scenarios, in a simulated world each or on a device.",
    "soak": "The original's random walk over its scenarios, for hours of simulated time.",
    "verify": "What a policy is worth: every fault at every SDK call, and its certificate.",
    "device": "The debug console and the plain commands: test, adc, start, stats, load ...",
    "supervise": "Watch a device beside the program that uses it, and recover it over USB.",
    "modem": "A cellular module: its ports, what it tells of itself, its Python and its files.",
    "host": "What this host allows: the guard's rules, and what is known of its stability.",
    "report": "A page of a certificate, a run or a sweep; published figures beside the model's.",
    "policies": "The watchdog policies: limits, levels, warnings; as TOML or a C header.",
    "sweep": "Many policies under many accidents: a table, confidence, a proposal.",
    "bounds": "How soon and how late each level of a policy answers, and what it cannot see.",
}
"""Every command with its line of help. Its module has the same name, and a ``command`` in it."""


class Commands(LazyGroup):
    """The group of all commands, which reports errors in one line."""

    def make_context(self, *arguments: Any, **named: Any) -> click.Context:  # noqa: ANN401 - click's signature
        """Understand the command line, which may end with our help."""
        try:
            return super().make_context(*arguments, **named)
        except BrokenPipeError:
            _print_no_more()
            raise click.exceptions.Exit(OK) from None

    def invoke(self, context: click.Context) -> Any:  # noqa: ANN401 - click's signature
        """Run a command; whoever reads our output may stop when he has seen enough."""
        try:
            return super().invoke(context)
        except BrokenPipeError:
            # ``| head`` is no error, and nothing more can be said there.
            _print_no_more()
            return OK

    def main(self, *arguments: Any, **named: Any) -> NoReturn:  # noqa: ANN401 - click's signature
        """Run, and end the process with the right code."""
        named["standalone_mode"] = False
        try:
            result = super().main(*arguments, **named)
        except Exception as error:
            code, message = exit_code(error)
            if message is None:
                raise
            if isinstance(error, OSError):
                _print_no_more()
            if message:
                click.echo(f"fx3loop: {message}", err=True)
            sys.exit(code)
        sys.exit(result if isinstance(result, int) else OK)


def _print_no_more() -> None:
    """Let what is still to be written go nowhere: the interpreter flushes when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _version(context: click.Context, parameter: click.Parameter, is_asked: bool) -> None:
    if not is_asked or context.resilient_parsing:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        text = version("fx3loop")
    except PackageNotFoundError:
        text = "(not installed)"
    click.echo(f"fx3loop {text}")
    context.exit(OK)


@click.group(
    cls=Commands,
    table=COMMANDS,
    module="scenarios.cli.{}_command",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    no_args_is_help=False,
    invoke_without_command=True,
)
@click.option(
    "-V",
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_version,
    help="Say the version and end.",
)
@click.pass_context
def cli(context: click.Context) -> None:
    """Firmware-in-the-loop simulator of the EZ-USB FX3 (RX888mk2) and its recovery module.

    Exit codes: 0 ok, 1 a check failed, 2 usage, 3 denied, 4 device not available, 5 escalation
    required, 130 interrupted.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
        context.exit(USAGE)


def main() -> NoReturn:
    """The entry point of the console script."""
    relax_collector()
    cli.main(prog_name="fx3loop")
