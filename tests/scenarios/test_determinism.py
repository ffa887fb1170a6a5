"""Same seed, same rows, same trace; in this process, in another, with a picture or without."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scenarios import demo
from scenarios.registry import find
from scenarios.runner import run_episode

ROOT = Path(__file__).parents[2]
CASES = (
    ("stop_start_wedge", "reference", "device"),
    ("stopfx3_hang", "level-1-4-5", "device"),
    ("stopfx3_hang", "reference", "host"),
    ("main_death", "reference", "device"),
    ("paused_reader", "level-1", "device"),
    ("cold_start", "reference", "host"),
)


def fingerprints(seed):
    """Row and trace digest of each case, as JSON can hold them."""
    found = []
    for name, policy, position in CASES:
        episode = run_episode(find(name), policy=policy, position=position, seed=seed)
        row = json.loads(json.dumps(episode.row.as_dict()))
        found.append([row, episode.facts.trace.digest()])
    return found


def test_same_seed_same_rows_and_same_trace():
    """Two runs in one process are equal to the last record."""
    assert fingerprints(5) == fingerprints(5)


def test_another_process_with_another_hash_seed_agrees():
    """Nothing depends on the order of sets or on the process."""
    script = (
        "import json, runpy, sys;"
        f"module = runpy.run_path({str(Path(__file__))!r});"
        "json.dump(module['fingerprints'](5), sys.stdout)"
    )
    for hash_seed in ("0", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", script],
            env=environment,
            capture_output=True,
            check=True,
            timeout=60,
        )
        assert json.loads(done.stdout) == fingerprints(5)


def test_another_seed_gives_other_times():
    """The seed reaches the phases."""
    first, second = (
        run_episode(find("main_death"), seed=seed).row.detected_after_ms for seed in (1, 2)
    )
    assert first != second


@pytest.mark.parametrize("case", [case for case in demo.cases() if case.is_pictured])
def test_looking_for_a_picture_changes_nothing(case):
    """The row is the same with and without the looks at the chip."""
    blind, seen = (
        run_episode(case.scenario, policy=case.policy, seed=3, look_interval_ms=interval).row
        for interval in (0, 10)
    )
    assert blind == seen


def test_the_demo_is_reproducible(demo_episodes):
    """A second run of the whole demo gives the same table."""
    again = demo.document(demo.run(1), 1)
    assert again == demo.document(list(demo_episodes(1)), 1)
    assert again["schema"] == "fx3loop.demo/1"
