"""What ``fx3loop run FILE`` does: a fault schedule again, with the same trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click

from scenarios import trace_file
from scenarios.cli import output, results_text
from scenarios.cli.codes import CHECK_FAILED, OK
from scenarios.cli.running import LOOK_INTERVAL_MS, require_writable
from scenarios.expected import Expectations
from scenarios.lab import schedule as schedules
from scenarios.lab.schedule import Recorded
from scenarios.results import Outcome, Result, is_failure, result_of
from scenarios.runner import Episode


@dataclass(frozen=True)
class Places:
    """Where the results of a replay go; None for nowhere.

    Attributes:
        trace: file for the trace.
        plot: file for the picture.
        junit: file for JUnit XML.
        tap: file for TAP.
    """

    trace: Path | None
    plot: Path | None
    junit: Path | None
    tap: Path | None


def replay(
    names: Sequence[str], given: Sequence[str], places: Places, *, as_json: bool, as_tap: bool
) -> int:
    """Replay one schedule and say what happened.

    Args:
        names: what was asked for; one file.
        given: names of options that the file itself decides.
        places: where files go.
        as_json: print the result as JSON.
        as_tap: print it as TAP.

    Returns:
        The exit code: 1 where the run is red or shows what was recorded, or its trace is not the
        recorded one.

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
    require_writable((places.junit, places.tap), places.trace, places.plot)
    recorded = schedules.read(Path(names[0]))
    episode = recorded.schedule.run()
    result = _counted(recorded, episode)
    results_text.report(
        [result], is_one=True, as_json=as_json, as_tap=as_tap, junit=places.junit, tap=places.tap
    )
    if places.trace is not None or places.plot is not None:
        _show(recorded, places.trace, places.plot)
    if episode.facts.trace.digest() == recorded.trace:
        click.echo("fx3loop: the trace is the recorded one", err=True)
    else:
        for text in recorded.shows:
            click.echo(f"fx3loop: was recorded as: {text}", err=True)
    return CHECK_FAILED if is_failure([result]) else OK


def _counted(recorded: Recorded, episode: Episode) -> Result:
    """How the run counts: the same trace shows what was recorded, another is a failure itself."""
    digest = episode.facts.trace.digest()
    if digest == recorded.trace:
        found = tuple(f"recorded as: {text}" for text in recorded.shows)
    else:
        found = (
            f"the trace is not the recorded one: {digest[:12]}, was {recorded.trace[:12]}; the "
            "programs have changed since",
        )
    result = result_of(episode.row, episode.facts.scenario.group, Expectations())
    if not found:
        return result
    return replace(result, outcome=Outcome.FAILED, reasons=(*found, *result.reasons))


def _show(recorded: Recorded, trace: Path | None, plot: Path | None) -> None:
    # Each look at the chip is in the trace, so the run that is compared has none.
    transfers = trace_file.transfers_for(trace)
    episode = recorded.schedule.run(LOOK_INTERVAL_MS, transfers)
    if trace is not None:
        with output.Writing(trace):
            trace_file.write([episode], trace, transfers)
    if plot is not None:
        from scenarios import plots

        with output.Writing(plot):
            plots.write([episode], plot)
