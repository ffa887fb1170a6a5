"""Run all benchmarks: ``python -m tests.bench [--quick]``.

Every figure is the best of a few rounds, because a shared machine can only make a run slower;
what is compared is measured in turn in the same rounds.
"""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path

from tests.bench import command_line, driver, lab, matrix, soak, stream, sweep, worlds

OUTPUT = Path("build/bench.json")


def main() -> None:
    """Measure, print a line a figure, and write them all."""
    quick = "--quick" in sys.argv[1:]
    figures = {
        "schema": "fx3loop.bench/1",
        "python": platform.python_version(),
        "stream_hour": stream.measure(rounds=1 if quick else 3),
        "world": worlds.measure(rounds=1 if quick else 3),
        "driver": driver.measure(rounds=1 if quick else 5),
        "soak_hour": soak.measure(hours=0.1 if quick else 1.0, rounds=1 if quick else 2),
        "lab": lab.measure(quick),
        "matrix": matrix.measure(soak_hours=0.1 if quick else 1.0),
        "sweep": sweep.measure(rounds=1 if quick else 3),
        "cli": command_line.measure(rounds=3 if quick else 10),
    }
    for group, values in figures.items():
        if isinstance(values, dict):
            for name, value in values.items():
                print(f"{group}.{name:40s} {value:>12,.2f}")
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(figures, indent=2) + "\n")
    print(f"written to {OUTPUT}")


if __name__ == "__main__":
    main()
