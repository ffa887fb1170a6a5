"""``fx3loop run``."""

from __future__ import annotations

from pathlib import Path

import click

from scenarios.cli.codes import CHECK_FAILED, OK

SCHEMA = "fx3loop.run/1"
LOOK_INTERVAL_MS = 10


@click.command("run")
@click.argument("name")
@click.option("--firmware", metavar="R", help="Firmware; by default the one that had it.")
@click.option(
    "--policy", default="reference", show_default=True, metavar="P|FILE", help="Preset or TOML."
)
@click.option(
    "--position",
    type=click.Choice(["device", "host", "none"]),
    default="device",
    show_default=True,
    help="Where the health module runs.",
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@click.option(
    "--fault", "faults", multiple=True, metavar="SPEC", help="Instead of the scenario's own."
)
@click.option("--option", "options", multiple=True, metavar="NAME=VALUE", help="A bench knob.")
@click.option("--trace", type=click.Path(path_type=Path), help="Chrome JSON for Perfetto.")
@click.option("--plot", type=click.Path(path_type=Path), help="Timeline as PNG, SVG or PDF.")
@click.option("--json", "as_json", is_flag=True, help="Print the row as JSON.")
@click.pass_context
def command(
    context: click.Context,
    name: str,
    firmware: str | None,
    policy: str,
    position: str,
    seed: int,
    faults: tuple[str, ...],
    options: tuple[str, ...],
    trace: Path | None,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Run the scenario NAME once and say what happened.

    Ends with 0 when the device serves in the end, unharmed or recovered, and with 1 when it does
    not, when a hung thread is left in it, or when a fault never triggered.

    A fault reads kind:field=value,field=value; see "fx3loop list".
    """
    from scenarios import option_text, registry
    from scenarios.cli import inputs, output
    from scenarios.cli.story import print_story
    from scenarios.runner import run_episode
    from sim.faults import Fault

    scenario = registry.find(name)
    chosen = inputs.policy(policy)
    knobs = option_text.parse(options)
    injected = tuple(Fault.parse(text) for text in faults) or None
    output.writable_file(trace)
    output.writable_picture(plot)
    episode = run_episode(
        scenario,
        firmware=firmware,
        policy=chosen,
        position=position,
        seed=seed,
        faults=injected,
        options=knobs,
        look_interval_ms=LOOK_INTERVAL_MS if trace or plot else 0,
    )
    row = episode.row
    if as_json:
        output.print_json({"schema": SCHEMA, "row": row.as_dict()})
    else:
        print_story(row)
    if trace is not None:
        from scenarios import trace_file

        with output.Writing(trace):
            trace_file.write([episode], trace)
    if plot is not None:
        from scenarios import plots

        with output.Writing(plot):
            plots.write([episode], plot)
    for text in row.unused_faults:
        click.echo(
            f"fx3loop: fault {text} never triggered: a fault that did nothing is a broken test",
            err=True,
        )
    for text in row.violations:
        click.echo(f"fx3loop: invariant broken: {text}", err=True)
    context.exit(OK if row.is_good else CHECK_FAILED)
