"""The flagship runs and how their traces are written down.

A golden file holds what somebody would read in a log: requests, remedies, faults, spins, resets
and what the host's kernel saw, each with its simulated time in ns. The last line is the digest of
the whole trace, so that any other difference shows as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hw.trace import Kind
from scenarios.registry import find
from scenarios.runner import run_episode

FOLDER = Path(__file__).parent
RUNS = {
    "f1_original_level-1-4-5": ("stop_start_wedge", "level-1-4-5"),
    "f16_blocked_level-1-4": ("stopfx3_hang", "level-1-4"),
    "main_death_level-1-4-5": ("main_death", "level-1-4-5"),
    "paused_reader_reference": ("paused_reader", "reference"),
}
TRACKS = {"fx3/EP0", "fx3/health", "fx3/reset", "host/kernel", "host/health", "world/faults"}
SEED = 1


def lines(name: str) -> Iterator[str]:
    """The golden text of one run, line by line."""
    scenario, policy = RUNS[name]
    facts = run_episode(find(scenario), policy=policy, seed=SEED).facts
    for kind, track, text, at_ns, _, _ in facts.trace.records:
        spin = kind is Kind.INSTANT and text == "spins"
        if (track in TRACKS or spin) and kind is not Kind.COUNTER:
            yield f"{at_ns:>14} {track:12} {kind.value} {text}".rstrip()
    yield f"digest {facts.trace.digest()}"


def path(name: str) -> Path:
    """Where the golden text of this run is kept."""
    return FOLDER / f"{name}.txt"


if __name__ == "__main__":
    for run in RUNS:
        path(run).write_text("\n".join(lines(run)) + "\n")
