"""Traces of episodes as a file that Perfetto opens (https://ui.perfetto.dev)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hw.trace import Recorder, chrome
from scenarios.runner import Episode
from scenarios.timeline import closed_at_resets


def write(episodes: Sequence[Episode], path: Path) -> None:
    """Write the traces of some episodes, one below the other.

    Args:
        episodes: each becomes a group of tracks that carries its incident and policy.
        path: where to.

    Raises:
        OSError: the file cannot be written.
    """
    merged = Recorder()
    for episode in episodes:
        row = episode.row
        label = " ".join(filter(None, (row.incident, row.manner, row.policy)))
        for kind, track, name, at_ns, extra, args in closed_at_resets(episode.facts.trace.records):
            merged.records.append((kind, f"{label}: {track}", name, at_ns, extra, args))
    chrome.write(merged, path, {"episodes": len(episodes)})
