"""The pages over runs: the JSON of ``fx3loop run --json``, a schedule, a trace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from health import Policy
from health.errors import PolicyError
from scenarios import option_text, registry
from scenarios.errors import InputError
from scenarios.judge import Row
from scenarios.lab.schedule import Recorded
from scenarios.page import traces
from scenarios.page.model import (
    Block,
    Fact,
    Item,
    Lines,
    Note,
    Page,
    Section,
    Table,
    Timeline,
    Tone,
    Verdict,
    tone_of,
)
from scenarios.page.text import duration, plural, words
from scenarios.runner import Episode, run_episode
from sim.errors import FaultError, FirmwareNotKnown
from sim.faults import Fault

WORST_RUNS = 3
WORLD_POSITIONS = ("device", "host", "none")
COUNTED: tuple[tuple[str, Tone], ...] = (
    ("failed", "bad"),
    ("expected failure", "warn"),
    ("passed", "good"),
    ("skipped", "void"),
)


def of_results(document: Mapping[str, Any], source: str) -> Page:
    """Return the page over the results of ``fx3loop run --json``.

    Args:
        document: as it was printed.
        source: its file.
    """
    rows = list(document["rows"])
    counts = document["counts"]
    without = document["without_row"]
    worst = sorted(rows, key=_badness)
    shown = tuple(_again(row) for row in worst[:WORST_RUNS])
    sections = [
        Section(
            "runs",
            "Worst runs" if len(rows) > 1 else "The run",
            "Run again for this page: the same seed gives the same run.",
            shown or (Note("No scenario ran."),),
        ),
        Section("results", "Results", "The worst first.", (_table(worst),)),
    ]
    if without:
        lines = tuple(
            f"{item['scenario']}: {item['outcome']}: {'; '.join(item['reasons'])}"
            for item in without
        )
        sections.append(Section("without", "Without a run", "", (Lines("", lines),)))
    return Page(
        kind="Results",
        title=_title(rows),
        source=source,
        verdict=_verdict(counts, rows),
        facts=_facts(rows),
        sections=tuple(sections),
    )


def of_episode(episode: Episode, source: str, command: str) -> Page:
    """Return the page over one run.

    Args:
        episode: looked at at intervals.
        source: what was asked for.
        command: how to run it again.
    """
    row = episode.row
    timeline = traces.of_episode(episode, command)
    return Page(
        kind="Run",
        title=timeline.title,
        source=source,
        verdict=Verdict(
            words(row.verdict).capitalize(),
            "; ".join(row.reasons) or "Every rule that applies holds.",
            tone_of(row.verdict) if row.is_good else "bad",
        ),
        facts=(*_facts([row.as_dict()]), Fact("Seed", str(row.seed))),
        sections=(
            Section("run", "The run", "", (timeline,)),
            Section("said", "What it said", "", (Lines("", row.said, empty="Nothing."),)),
        ),
    )


def of_schedule(recorded: Recorded, source: str) -> Page:
    """Return the page over a fault schedule, which is run for it."""
    episode = recorded.schedule.run(traces.LOOK_INTERVAL_MS)
    page = of_episode(episode, source, f"fx3loop run {source}")
    shows = Section(
        "shows",
        "What it was kept for",
        "",
        (Lines("", recorded.shows, empty="Nothing was wrong in it.", tone="bad"),),
    )
    return Page("Schedule", page.title, source, page.verdict, page.facts, (shows, *page.sections))


def of_trace(timelines: Sequence[Timeline], source: str) -> Page:
    """Return the page over a trace file, of which the verdict is not known."""
    length = max((item.data["end"] - item.data["begin"] for item in timelines), default=0)
    return Page(
        kind="Trace",
        title=timelines[0].title if len(timelines) == 1 else plural(len(timelines), "run"),
        source=source,
        verdict=Verdict("Recorded", f"{duration(length / 1_000)} of simulated time.", ""),
        facts=(),
        sections=(
            Section(
                "runs",
                "Timeline" if len(timelines) == 1 else "Timelines",
                "",
                tuple(timelines) or (Note("The trace is empty: nothing was recorded."),),
            ),
        ),
    )


# ---------------------------------------------------------------- parts


def _title(rows: Sequence[Mapping[str, Any]]) -> str:
    if len(rows) == 1:
        return str(rows[0]["scenario"])
    return plural(len(rows), "scenario")


def _verdict(counts: Mapping[str, int], rows: Sequence[Mapping[str, Any]]) -> Verdict:
    detail = ", ".join(f"{counts[name]} {name}" for name, _ in COUNTED if counts.get(name))
    if counts.get("failed"):
        return Verdict(f"{plural(counts['failed'], 'run')} failed", detail, "bad")
    if not rows:
        return Verdict("Nothing ran", detail, "void")
    text = "Passed" if len(rows) == 1 else "All as expected"
    return Verdict(text, detail, "good")


def _facts(rows: Sequence[Mapping[str, Any]]) -> tuple[Fact, ...]:
    found = []
    for label, key in (("Firmware", "firmware"), ("Policy", "policy"), ("Position", "position")):
        values = dict.fromkeys(str(row[key]) for row in rows)
        if values:
            found.append(Fact(label, ", ".join(values)))
    return tuple(found)


def _badness(row: Mapping[str, Any]) -> tuple[int, float]:
    outcomes = [name for name, _ in COUNTED]
    serving_ms = row["serving_after_ms"]
    return outcomes.index(row["outcome"]), -1e18 if serving_ms is None else -serving_ms


def _table(rows: Sequence[Mapping[str, Any]]) -> Block:
    tones = dict(COUNTED)
    return Table(
        plural(len(rows), "run"),
        ("Scenario", "Group", "Answered by", "Detected", "Serves again", "Verdict", "Counts as"),
        tuple(
            (
                Item(row["scenario"], note="; ".join(row["reasons"])),
                Item(row["group"]),
                Item("–" if row["detected_level"] is None else f"level {row['detected_level']}"),
                Item(duration(row["detected_after_ms"]), is_number=True),
                Item(_serving(row["serving_after_ms"]), is_number=True),
                Item(words(row["verdict"]), tone_of(row["verdict"])),
                Item(row["outcome"], tones[row["outcome"]], note="; ".join(row["reasons"])),
            )
            for row in rows
        ),
    )


def _serving(serving_ms: float | None) -> str:
    if serving_ms is None:
        return "never"
    return duration(serving_ms) if serving_ms else "unnoticed"


def _again(row: Mapping[str, Any]) -> Block:
    """Run a row again, with looks at the chip; or say why that cannot be."""
    name = row["scenario"]
    if row["health"]:
        return Note(f"{name}: made with a health module of one's own, so it is not run again here.")
    if row["position"] not in WORLD_POSITIONS or row["policy"] == "device's own":
        return Note(f"{name}: run on a device, so it cannot be run again here.")
    try:
        episode = _episode(row, None)
        if list(episode.row.injected) != list(row["injected"]):
            # Not the scenario's own faults, but somebody's choice.
            episode = _episode(row, tuple(Fault.parse(text) for text in row["injected"]))
    except PolicyError:
        return Note(f"{name}: policy {row['policy']} is no preset, so it is not run again here.")
    except (InputError, FaultError, FirmwareNotKnown) as error:
        return Note(f"{name}: it cannot be run again: {error}")
    return traces.of_episode(episode, command_of(episode.row))


def _episode(row: Mapping[str, Any], faults: tuple[Fault, ...] | None) -> Episode:
    return run_episode(
        registry.find(row["scenario"]),
        firmware=row["firmware"],
        policy=Policy.preset(row["policy"]),
        position=row["position"],
        seed=row["seed"],
        faults=faults,
        options=option_text.parse(tuple(row["options"])),
        look_interval_ms=traces.LOOK_INTERVAL_MS,
    )


def command_of(row: Row) -> str:
    """Return the command line that runs a row again."""
    parts = ["fx3loop run", row.scenario, f"--firmware {row.firmware}", f"--policy {row.policy}"]
    if row.position != "device":
        parts.append(f"--position {row.position}")
    parts.append(f"--seed {row.seed}")
    parts += [f"--option {text}" for text in row.options]
    return " ".join(parts)


ROW_FIELDS = tuple(item.name for item in fields(Row))
"""What a row of the results has at least."""
