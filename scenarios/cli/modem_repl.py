"""``fx3loop modem repl``."""

from __future__ import annotations

from pathlib import Path

import click

from scenarios.cli.modem_place import modem_options, opened, printable

SCHEMA = "fx3loop.modem.repl/1"
CHECK = "pass"


@click.command("repl")
@click.argument("code", required=False)
@click.option(
    "--file",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE",
    help="The program in a file of this host; - is standard input.",
)
@modem_options
@click.pass_context
def command(
    context: click.Context, /, code: str | None, file: Path | None, as_json: bool, **_: object
) -> None:
    """Ask the module's Python whether it runs programs, or have it run CODE.

    Ctrl-C ends the program that runs on the module, and nothing starts it again: the guard calls
    this repl. A program of your own can do anything, delete files too: that is fs-run beside it.

    Ends with 1 when the program raised an exception, 4 when nobody runs programs on the port.
    """
    from hw.guard import Operation
    from scenarios.cli import inputs, output

    if code is not None and file is not None:
        raise click.UsageError("CODE and --file together; give one of them")
    program = inputs.text_of(file) if file is not None else code
    operations = () if program is None else (Operation.FS_RUN,)
    with opened(context) as place:
        repl = place.repl(*operations)
        with place.gate.doing(operations[0] if operations else Operation.REPL):
            frame = repl.run(CHECK if program is None else program, place.asked.limit_ms)
        manner = "raw" if repl.is_raw else "friendly"
        about = place.about()
    if as_json:
        output.print_json(
            {"schema": SCHEMA, **about, "prompt": manner, "output": printable(frame.output)}
        )
    elif program is None:
        click.echo(f"PASS REPL: runs programs ({manner} prompt)")
    elif frame.output:
        click.echo(printable(frame.output))
