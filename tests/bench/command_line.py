"""How long ``fx3loop --help`` takes as a whole process, beside Python's own start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from time import perf_counter


def _whole_process_s(*command: str) -> float:
    began = perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return perf_counter() - began


def measure(rounds: int) -> dict[str, float]:
    """Seconds, the best of the rounds."""
    command = str(Path(sys.executable).with_name("fx3loop"))
    helps, pythons = [], []
    for _ in range(rounds):
        helps.append(_whole_process_s(command, "--help"))
        pythons.append(_whole_process_s(sys.executable, "-c", "pass"))
    return {"help_s": min(helps), "python_s": min(pythons)}
