"""What ``fx3loop run FILE`` does: a fault schedule again, with the same trace."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from scenarios import trace_file
from scenarios.cli import output, results_text
from scenarios.cli.codes import CHECK_FAILED, OK
from scenarios.cli.running import LOOK_INTERVAL_MS
from scenarios.expected import Expectations
from scenarios.lab import schedule as schedules
from scenarios.results import result_of


def replay(
    names: Sequence[str],
    given: Sequence[str],
    trace: Path | None,
    plot: Path | None,
    *,
    as_json: bool,
) -> int:
    """Replay one schedule and say what happened.

    Args:
        names: what was asked for; one file.
        given: names of options that the file itself decides.
        trace: file for the trace, or None.
        plot: file for the picture, or None.
        as_json: print the result as JSON.

    Returns:
        The exit code: 1 where the run is red, or its trace is not the recorded one.

    Raises:
        UsageError: more than one name, or an option that the file decides.
    """
    if len(names) != 1:
        raise click.UsageError(f"a schedule is replayed alone: fx3loop run {names[0]}")
    if given:
        raise click.UsageError(
            f"--{given[0].replace('is_', '').replace('_', '-').rstrip('s')}: the schedule says "
            "that itself; edit the file, or give a scenario's NAME"
        )
    output.writable_trace(trace)
    output.writable_picture(plot)
    recorded = schedules.read(Path(names[0]))
    episode = recorded.schedule.run()
    result = result_of(episode.row, episode.facts.scenario.group, Expectations())
    results_text.report([result], is_one=True, as_json=as_json, as_tap=False, junit=None, tap=None)
    if trace is not None or plot is not None:
        # Each look at the chip is in the trace, so the run that is compared has none.
        transfers = trace_file.transfers_for(trace)
        episode_seen = recorded.schedule.run(LOOK_INTERVAL_MS, transfers)
        if trace is not None:
            with output.Writing(trace):
                trace_file.write([episode_seen], trace, transfers)
        if plot is not None:
            from scenarios import plots

            with output.Writing(plot):
                plots.write([episode_seen], plot)
    for text in recorded.shows:
        click.echo(f"fx3loop: recorded as: {text}", err=True)
    digest = episode.facts.trace.digest()
    if digest != recorded.trace:
        click.echo(
            f"fx3loop: the trace is not the recorded one: {digest[:12]}, was "
            f"{recorded.trace[:12]}; the programs have changed since",
            err=True,
        )
        return CHECK_FAILED
    click.echo("fx3loop: the trace is the recorded one", err=True)
    return OK if episode.row.is_good and not recorded.shows else CHECK_FAILED
