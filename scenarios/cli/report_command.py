"""``fx3loop report``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from scenarios.cli.codes import CHECK_FAILED, OK

SCHEMA = "fx3loop.report/1"
FILE = click.Path(path_type=Path)
KILOBYTE = 1_000


class Report(click.Command):
    """A command some of whose words are other commands: ``calibration`` and ``positions``."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,  # noqa: ANN401 - click's signature
    ) -> click.Context:
        """Understand the command line."""
        for other in (calibration, positions):
            if args[:1] == [other.name]:
                name = f"{info_name} {other.name}"
                return other.make_context(name, args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)

    def invoke(self, context: click.Context) -> Any:  # noqa: ANN401 - click's signature
        """Run the command that the line was understood as."""
        other = context.command
        return super().invoke(context) if other is self else other.invoke(context)


@click.command(
    "report",
    cls=Report,
    epilog="fx3loop report calibration: the published figures beside ours. "
    "fx3loop report positions: what each position recovers.",
)
@click.argument("source", metavar="RESULTS|RUN|CERTIFICATE", required=False)
@click.option(
    "-o",
    "--out",
    "page_file",
    type=FILE,
    default=Path("report.html"),
    show_default=True,
    metavar="FILE.html",
    help="Write the page there.",
)
@click.option(
    "--figures",
    type=FILE,
    metavar="DIR",
    help="Write the figures for a paper as well, each as SVG and PNG.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
def command(source: str | None, page_file: Path, figures: Path | None, as_json: bool) -> int:
    """Make one self-contained HTML page, which needs no network.

    Of the certificate of "fx3loop verify --out", the JSON of "fx3loop run --json" (- reads it from
    standard input), a trace of "fx3loop run --trace FILE.json", a fault schedule, the folder of
    "fx3loop sweep --out", or a scenario that is run for it.
    """
    if source is None:
        raise click.UsageError(
            "which report? Give a certificate, results, a trace or a sweep's folder, for example: "
            "fx3loop report results.json; or fx3loop report calibration"
        )
    from scenarios.cli import inputs, output
    from scenarios.errors import InputError
    from scenarios.page import render
    from scenarios.page.source import page_of

    if page_file.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"cannot write {page_file}: its name has to end in .html")
    output.writable_file(page_file)
    folder = None if figures is None else output.writable_folder(figures)
    text = inputs.text_of(Path(source)) if source == "-" else None
    page = page_of(source, text)
    html = render.render(page)
    with output.Writing(page_file):
        page_file.write_text(html, encoding="utf-8", newline="\n")
    drawn: list[Path] = []
    if folder is not None:
        from scenarios.page.figures import write as draw

        with output.Writing(folder):
            drawn = draw(page, folder)
    if as_json:
        output.print_json(
            {
                "schema": SCHEMA,
                "kind": page.kind.lower(),
                "title": page.title,
                "verdict": page.verdict.text,
                "page": str(page_file),
                "figures": [str(path) for path in drawn],
            }
        )
        return OK
    size = len(html.encode())
    click.echo(
        f"{page_file}: {page.kind.lower()}, {page.verdict.text.lower()}, {size // KILOBYTE} kB"
    )
    for path in drawn:
        click.echo(str(path))
    return OK


@click.command("calibration")
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


@click.command("positions")
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
