"""What the tests of the report page make pages of: small files of every kind that it reads."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from health import Policy
from hw.guard.certificate import Certificate, Firmware
from scenarios.cli.group import cli

SPIN = "STOPFX3: hang:call=usb_flush_ep,thread=usb,during=STOPFX3,manner=spinning"
BLOCK = "STOPFX3: hang:call=usb_flush_ep,thread=usb,during=STOPFX3"


def fx3loop(*arguments: object, text: str | None = None) -> Result:
    """Run the command line as a user does: errors are one line and an exit code."""
    return CliRunner().invoke(cli, list(map(str, arguments)), input=text)


def cell(verdict: str, levels: list[int], detected_ms: float | None, **more: Any) -> dict[str, Any]:
    """A cell of a certificate."""
    return {
        "claim": {"kind": "recovers", "level": levels[-1], "within_ms": 7_000} if levels else None,
        "verdict": verdict,
        "levels": levels,
        "detected_ms": detected_ms,
        "serving_ms": None if detected_ms is None else detected_ms + 1_600,
        "onsets": 3,
        "red": [],
        **more,
    }


def certificate(cells: dict[str, dict[str, Any]] | None = None, **more: Any) -> Certificate:
    """A certificate of the policy ``reference`` over a few cells."""
    policy = Policy.preset("reference")
    if cells is None:
        cells = {
            BLOCK: cell("recovered", [4], 2_098.61),
            SPIN: cell("recovered", [5], 6_655.25),
            "stream: main_hang": cell("recovered", [5], 5_656.25),
        }
    found = {
        "cells": cells,
        "scenarios": {
            "main_death": {"verdict": "recovered", "is_good": True, "serving_ms": 7_363.963}
        },
        "soak": {"hours": 1.0, "seed": 1, "cycles": 1_911, "failures": []},
        "violations": [],
        **more,
    }
    return Certificate(
        policy_name="reference",
        policy_digest=policy.digest,
        policy_toml=policy.to_toml(),
        firmware=Firmware("reference", (2, 3), 26, True),
        versions={"python": "3.11.7"},
        seed=1,
        is_good=not found["violations"],
        positions={"device": found},
        not_covered=("two faults at once",),
    )


def policy_summary(name: str, false_resets: float, worst_ms: float, **more: Any) -> dict[str, Any]:
    """A policy in the summary of a sweep."""
    return {
        "policy": name,
        "digest": name * 20,
        "firmware": "reference",
        "varied": {"pet_interval_ms": 1_500},
        "runs": 3,
        "verdicts": {"recovered": 3},
        "metrics": {
            "false_resets": {"value": false_resets, "low": 0.003, "high": 0.04, "count": 180},
            "worst_recovery_ms": {"value": worst_ms, "low": worst_ms, "high": None, "count": 180},
            "availability": {"value": None, "low": None, "high": None, "count": 0},
        },
        "faults": {"main_death": {"condition": "main_death", "verdicts": {}, "metrics": {}}},
        "bounds": {
            "main_death": {
                "level": 5,
                "detection_ns": {"low": 5_057_250_001, "high": 6_656_149_999},
                "survivable_ns": 4_400_000_000,
                "unseen": "",
            }
        },
        **more,
    }


ROW = {
    "row": "0",
    "run": "0",
    "seed": "7",
    "policy": "a",
    "policy_digest": "aaaa",
    "firmware": "reference",
    "fault": "main_death",
    "fault_text": "main_hang",
    "onset_ms": "10",
    "verdict": "recovered",
    "detection_ms": "5655.25",
    "recovery_ms": "7000.5",
    "levels": "5",
    "downtime_ms": "7001",
}


def sweep(folder: Path, rows: list[dict[str, str]], **more: Any) -> Path:
    """Write a sweep's folder."""
    folder.mkdir(exist_ok=True)
    summary = {
        "schema": "fx3loop.sweep/1",
        "campaign": "pets",
        "digest": "d" * 64,
        "seed": 1,
        "distributions": {
            "main_stall.duration_ms": {
                "distribution": "uniform",
                "numbers": [500, 6000],
                "weights": [],
                "source": "assumed",
            }
        },
        "rates": {},
        "meanings": {"false_resets": "share of the runs with a reset that no fault explains"},
        "policies": [policy_summary("a", 0.0, 9_000), policy_summary("b", 0.01, 7_600)],
        "pareto": [{"policy": "a", "firmware": "reference"}],
        "sensitivity": [
            {
                "fault": "main_death",
                "parameter": "pet_interval_ms",
                "metric": "recovery_ms",
                "value": -0.5,
                "low": -0.6,
                "high": -0.4,
                "count": 9,
            }
        ],
        **more,
    }
    (folder / "summary.json").write_text(json.dumps(summary))
    with (folder / "runs.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(ROW), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return folder
