"""Each of the 33 known traps of a naive simulator has a test that names its number."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TRAPS = 33
TESTS = Path(__file__).parent
NAME = re.compile(r"test_trap_(\d\d)_\w+")


def trap_tests() -> dict[str, set[int]]:
    """The numbers of the traps that each test file shows."""
    found: dict[str, set[int]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        names = (
            node.name
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.FunctionDef)
        )
        numbers = {int(match[1]) for name in names if (match := NAME.fullmatch(name))}
        if numbers:
            found[str(path.relative_to(TESTS))] = numbers
    return found


def test_every_trap_has_a_test():
    """01 to 33, none missing and none beyond."""
    assert set().union(*trap_tests().values()) == set(range(1, TRAPS + 1))
