"""Timelines of the page: from an episode, from a trace file, from a run that is made again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from hw.trace import Recorder
from scenarios import trace_file
from scenarios.judge import Row
from scenarios.page.lanes import lanes_of, story_of
from scenarios.page.model import Timeline, tone_of
from scenarios.page.text import duration, words
from scenarios.runner import Episode

LOOK_INTERVAL_MS = 10
"""How often the chip is looked at, so that state machine and counts show."""


def of_episode(episode: Episode, command: str = "", title: str = "") -> Timeline:
    """Return the timeline of an episode that was looked at at intervals.

    Args:
        episode: what ran.
        command: how to run it again.
        title: what ran; by default in the words of the row.
    """
    row = episode.row
    recorder = trace_file.recorder_of(episode)
    return Timeline(
        title=title or title_of(row),
        verdict=words(row.verdict),
        tone=tone_of(row.verdict),
        facts=facts_of(row),
        data=lanes_of(recorder),
        story=story_of(recorder),
        command=command,
    )


def title_of(row: Row) -> str:
    """Return what a run was about, in a few words."""
    manner = f", {row.manner}" if row.manner else ""
    what = row.fault if row.fault not in ("", "nothing") else words(row.scenario)
    return f"{what}{manner}"


def facts_of(row: Row) -> tuple[str, ...]:
    """Return what is worth knowing about a run, one a line."""
    found = [f"{row.scenario}, seed {row.seed}", f"firmware {row.firmware}", f"policy {row.policy}"]
    if row.position != "device":
        found.append(f"position {row.position}")
    if row.host_saw != "nothing" and row.is_good:
        found.append(f"the host saw: {row.host_saw}")
    if row.detected_level is not None:
        found.append(f"level {row.detected_level} after {duration(row.detected_after_ms)}")
    if row.serving_after_ms:
        found.append(f"serves again after {duration(row.serving_after_ms)}")
    return (*found, *row.reasons)


def of_chrome(document: Mapping[str, Any]) -> list[Timeline]:
    """Return the timelines in a trace that ``fx3loop run --trace FILE.json`` wrote.

    Args:
        document: read with times as decimals, see :func:`loads`.

    Raises:
        KeyError, TypeError, ValueError: it is no such trace.
    """
    runs: dict[str, Recorder] = {}
    processes: dict[int, str] = {}
    threads: dict[tuple[int, int], str] = {}
    for event in document["traceEvents"]:
        if event["ph"] == "M" and event["name"] == "process_name":
            processes[event["pid"]] = event["args"]["name"]
        elif event["ph"] == "M":
            threads[event["pid"], event["tid"]] = event["args"]["name"]
    for event in document["traceEvents"]:
        if event["ph"] not in ("X", "i", "C"):
            continue
        label, colon, process = processes[event["pid"]].rpartition(": ")
        thread = threads[event["pid"], event["tid"]]
        recorder = runs.setdefault(label if colon else "", Recorder())
        _record(recorder, f"{process}/{thread}", thread, event)
    return [
        Timeline(
            title=label or "One run",
            verdict="",
            tone="",
            facts=(),
            data=lanes_of(recorder),
            story=story_of(recorder),
        )
        for label, recorder in runs.items()
    ]


def loads(text: str) -> Any:  # noqa: ANN401 - any JSON
    """Return a JSON document, its times as decimals, so that none is rounded.

    Raises:
        ValueError: it is no JSON.
    """
    return json.loads(text, parse_float=Decimal)


def _record(recorder: Recorder, track: str, thread: str, event: Mapping[str, Any]) -> None:
    at_ns = int(event["ts"] * 1000)
    name = str(event["name"])
    if event["ph"] == "X":
        recorder.slice(track, name, at_ns, at_ns + int(event["dur"] * 1000))
    elif event["ph"] == "i":
        recorder.instant(track, name, at_ns)
    else:
        recorder.counter(track, name.removeprefix(f"{thread} "), at_ns, event["args"]["value"])
