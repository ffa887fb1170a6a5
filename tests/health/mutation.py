"""Mutation testing of `health`: ``python -m tests.health.mutation``, as `make mutation` does.

Works on a copy in `build/mutation`, so that the tree stays as it is. Slow tests that draw or count
a lot are left out; what they alone would notice counts as survived.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COPY = ROOT / "build" / "mutation"
COPIED = ("health", "tests/health", "tests/vectors", "tests/conftest.py")
LEAST_PERCENT = 95

PROJECT = """\
[tool.pytest.ini_options]
addopts = ["--import-mode=importlib"]
filterwarnings = ["error"]
pythonpath = ["."]

[tool.mutmut]
source_paths = ["health"]
also_copy = ["health"]                       # the policies too
do_not_mutate = ["health/platform.py", "health/contract.py"]  # Protocols: nothing in them runs
pytest_add_cli_args = ["-p", "no:cacheprovider"]
pytest_add_cli_args_test_selection = [
  "tests/health",
  "--ignore=tests/health/test_machine.py",
  "--ignore=tests/health/test_allocation.py",
]
use_git_change_detection = false
"""


def make_copy() -> None:
    """Copy what the mutation needs, and nothing of an older run."""
    shutil.rmtree(COPY, ignore_errors=True)
    for name in COPIED:
        source = ROOT / name
        target = COPY / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    (COPY / "pyproject.toml").write_text(PROJECT, encoding="ascii")


def mutmut(*arguments: str) -> str:
    """Run mutmut on the copy and return what it wrote."""
    command = [sys.executable, "-m", "mutmut", *arguments]
    done = subprocess.run(command, cwd=COPY, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def main() -> int:
    """Run all mutants, name the survivors, and return 1 if too many survive."""
    make_copy()
    log = mutmut("run", "--max-children", "2")
    mutmut("export-cicd-stats")
    stats_path = COPY / "mutants" / "mutmut-cicd-stats.json"
    if not stats_path.exists():
        sys.stderr.write(log)
        return 1
    stats = json.loads(stats_path.read_text(encoding="utf-8"))
    survivors = [line.strip() for line in mutmut("results").splitlines() if ": " in line]
    noticed = stats["killed"] + stats["timeout"] + stats["segfault"]
    percent = 100 * noticed / stats["total"]
    sys.stdout.write("".join(f"{line}\n" for line in survivors))
    sys.stdout.write(f"{noticed} of {stats['total']} mutants killed: {percent:.1f} %\n")
    return 0 if percent >= LEAST_PERCENT else 1


if __name__ == "__main__":
    sys.exit(main())
