"""The worst runs of a sweep, made again from its campaign, with their traces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hw.trace import Recorder
from scenarios.errors import InputError
from scenarios.lab import campaign_file, trial
from scenarios.lab.campaign import Campaign
from scenarios.lab.campaign_folder import CAMPAIGN
from scenarios.lab.campaign_table import milliseconds
from scenarios.lab.trial import VOID, Outcome
from scenarios.page.lanes import lanes_of, story_of
from scenarios.page.model import Note, Timeline, tone_of
from scenarios.page.sweep_rows import Row, worst_rows
from scenarios.page.text import duration, words
from scenarios.timeline import closed_at_resets
from scenarios.trace_file import MARKS_TRACK, ONSET, SERVES_AGAIN

WORST_RUNS = 3


def worst(folder: Path, summary: Mapping[str, Any], rows: Sequence[Row]) -> list[Timeline | Note]:
    """Return timelines of the worst runs, or why there are none.

    Args:
        folder: of the sweep.
        summary: its ``summary.json``.
        rows: its ``runs.csv``.
    """
    chosen = worst_rows((row for row in rows if row["verdict"] not in VOID), WORST_RUNS)
    if not chosen:
        return []
    try:
        campaign = campaign_file.load(str(folder / CAMPAIGN))
    except InputError as error:
        return [Note(f"The runs cannot be made again: {error}")]
    if campaign.digest != summary.get("digest"):
        return [Note(f"The runs cannot be made again: {CAMPAIGN} is not that of the summary.")]
    if campaign.life is not None:
        return [Note("Runs in a device's life depend on what came before: none is made again.")]
    return [_again(campaign, row) for row in chosen]


def _again(campaign: Campaign, row: Row) -> Timeline | Note:
    planned = campaign.planned(int(row["row"]))
    recorder = Recorder()
    outcome = trial.run(planned.trial, recorder)
    if (outcome.verdict, milliseconds(outcome.detection_ns)) != (
        row["verdict"],
        row["detection_ms"],
    ):
        return Note(
            f"Row {row['row']} ends {words(outcome.verdict)} now, and was {words(row['verdict'])}: "
            "the programs have changed since."
        )
    whole = Recorder()
    whole.records.extend(closed_at_resets(recorder.records))
    whole.instant(MARKS_TRACK, ONSET, outcome.onset_ns)
    if outcome.recovery_ns:
        whole.instant(MARKS_TRACK, SERVES_AGAIN, outcome.onset_ns + outcome.recovery_ns)
    return Timeline(
        title=f"Row {row['row']}: {words(row['fault'])} under {row['policy']}",
        verdict=words(row["verdict"]),
        tone=tone_of(row["verdict"]),
        facts=_facts(row, outcome),
        data=lanes_of(whole),
        story=story_of(whole),
    )


def _facts(row: Row, outcome: Outcome) -> tuple[str, ...]:
    found = [row["fault_text"], f"seed {row['seed']}", f"firmware {row['firmware']}"]
    if outcome.levels:
        levels = ", ".join(map(str, outcome.levels))
        found.append(f"levels {levels} from {duration(float(row['detection_ms']))} on")
    if row["recovery_ms"] not in ("", "0"):
        found.append(f"serves again after {duration(float(row['recovery_ms']))}")
    return tuple(found)
