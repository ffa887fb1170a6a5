"""``fx3loop demo``."""

from __future__ import annotations

from pathlib import Path

import click

from scenarios.cli.codes import CHECK_FAILED, OK

VERDICTS = (
    ("recovered", "serves again"),
    ("locked_up", "EP0 is dead or the device is gone, and will not come back without a visit"),
    ("degraded", "serves in part: EP0 without a stream, or a hung thread is left in it"),
    ("left_alone", "serves, and nothing beyond level 1 was done to it"),
)


@click.command("demo")
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("build/demo"),
    show_default=True,
    help="Folder for timeline.png, trace.json and table.json.",
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON.")
@click.pass_context
def command(context: click.Context, folder: Path, seed: int, as_json: bool) -> None:
    """Run real incidents and injected deadlocks under every policy.

    Each runs in a simulated world of its own, with the health module inside the firmware, and once
    with it on the host. The table says what each saw and did; the picture shows two of the runs.
    """
    from scenarios import demo, trace_file
    from scenarios.cli import output, rows

    output.writable_folder(folder)
    episodes = demo.run(seed, output.Progress("episodes"))
    made = [episode.row for episode in episodes]
    if as_json:
        output.print_json(demo.document(episodes, seed))
    else:
        rows.print_rows(made)
        click.echo("")
        for verdict, meaning in VERDICTS:
            count = sum(row.verdict == verdict for row in made)
            click.echo(f"  {count:3} {verdict:11} {meaning}")
    with output.Writing(folder / "table.json") as path:
        demo.write_table(episodes, seed, path)
    drawn = demo.pictured(episodes)
    with output.Writing(folder / "trace.json") as path:
        trace_file.write(drawn, path)
    with output.Writing(folder / "timeline.png") as path:
        from scenarios import plots

        plots.write(drawn, path, demo.HEADING)
    click.echo(f"{folder}: timeline.png, trace.json (for ui.perfetto.dev), table.json", err=as_json)
    bad = [row for row in made if row.unused_faults or row.violations]
    for row in bad:
        click.echo(
            f"fx3loop: {row.scenario} under {row.policy}: "
            f"{'; '.join((*row.unused_faults, *row.violations))}",
            err=True,
        )
    context.exit(CHECK_FAILED if bad else OK)
