"""``fx3loop report``."""

from __future__ import annotations

from pathlib import Path

import click

from scenarios.cli.codes import CHECK_FAILED, OK


@click.group("report", invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """Write a report on the simulator itself."""
    if context.invoked_subcommand is None:
        raise click.UsageError("which report? For example: fx3loop report calibration")


@command.command("calibration")
@click.option(
    "--out",
    "page",
    type=click.Path(path_type=Path),
    metavar="FILE.md",
    help="Write the page there and its data beside it, as FILE.json; else the page is printed.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the data as JSON.")
@click.option("--quick", is_flag=True, help="Leave out the replays that take minutes.")
@click.pass_context
def calibration(context: click.Context, page: Path | None, as_json: bool, quick: bool) -> None:
    """Set every published figure beside the model's: deviation, verdict, reason.

    Every value of the model is measured anew. Ends with 1 when a figure is outside without a
    reason, or has a reason although it is within.
    """
    from scenarios.calibration.catalogue import GROUPS
    from scenarios.calibration.document import measured, troubles
    from scenarios.calibration.markdown import rendered
    from scenarios.cli import output
    from scenarios.errors import InputError

    if page is not None and page.suffix != ".md":
        raise InputError(f"cannot write {page}: its name has to end in .md")
    output.writable_file(page)
    document = measured(GROUPS, is_quick=quick, watch=output.Progress("figures measured"))
    if page is not None:
        _write(page, rendered(document))
        _write(page.with_suffix(".json"), output.json_text(document) + "\n")
    if as_json:
        output.print_json(document)
    elif page is None:
        click.echo(rendered(document), nl=False)
    found = troubles(document)
    for trouble in found:
        click.echo(f"fx3loop: {trouble}", err=True)
    context.exit(CHECK_FAILED if found else OK)


@command.command("positions")
@click.option(
    "--out",
    "page",
    type=click.Path(path_type=Path),
    metavar="FILE.md",
    help="Write the page there; else it is printed.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the rows as JSON.")
@click.pass_context
def positions(context: click.Context, page: Path | None, as_json: bool) -> None:
    """Tell what the module recovers from the device, from the host, and from both.

    Every kind of fault runs in every position. Ends with 1 when a run breaks an invariant, or a
    fault never strikes.
    """
    from scenarios import positions as report
    from scenarios.cli import output

    output.writable_file(page)
    found = report.run(output.Progress("runs"))
    if page is not None:
        _write(page, report.page(found))
    if as_json:
        output.print_json(report.document(found))
    elif page is None:
        click.echo(report.page(found), nl=False)
    wrong = report.troubles(found)
    for trouble in wrong:
        click.echo(f"fx3loop: {trouble}", err=True)
    context.exit(CHECK_FAILED if wrong else OK)


def _write(path: Path, text: str) -> None:
    from scenarios.cli import output

    with output.Writing(path):
        path.write_text(text, encoding="utf-8")
