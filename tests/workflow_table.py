"""Writes the tables of ``docs/workflow.md``: each clause beside the tests that show it.

A test shows a clause by its mark, ``@pytest.mark.workflow("D.1")``, and beats a weakness by its
name, ``test_weakness_06_...``. Run as ``python -m tests.workflow_table``.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parent
DOCUMENT = TESTS.parent / "docs/workflow.md"
NAME = re.compile(r"test_weakness_(\d\d)_\w+")

CLAUSES = {
    "A.1": "freeze: no flash, no loops of vendor tools, no force kill, no soak that deploys",
    "A.2": "keep read-only probes: AT queries, one-shots, evidence",
    "A.3": "no loops of force kills, no reproduction of hangs, on an unstable host",
    "B.1": "evidence: the timeline of restarts (Kernel-Power 41)",
    "B.2": "evidence: bugchecks and where their dumps are (WER 1001)",
    "B.3": "evidence: crashes of programs, set beside those by time",
    "B.4": "evidence: security and USB filter signals",
    "C.1": "a smoke run is safe by default",
    "C.2": "a soak is safe by default",
    "C.3": "actions on the device's files need an acknowledgement",
    "C.4": "force kill needs the dual guard",
    "D.1": "escalate: repeated bugcheck within 24 h",
    "D.2": "escalate: the same code in several incidents",
    "D.3": "escalate: a restart before a safe probe ended",
    "D.r1": "escalation step: analyse the newest dump",
    "D.r2": "escalation step: security software",
    "D.r3": "escalation step: the USB and serial driver stack",
    "E.1": "exit: a complete safe smoke run passed",
    "E.2": "exit: no new bugcheck during the window",
    "E.3": "exit: the operator's word for the chosen operation",
}
"""Every clause of the workflow, restated; ``D.r`` are its recommended steps."""

WEAKNESSES = {
    1: "an echo counts as success",
    2: "a traceback, or a word that contains OK, passes",
    3: "an empty listing of files passes",
    4: "a run without a report, or with an old one, passes",
    5: '"no events" and "could not look" are one answer',
    6: "escalation for one code alone, and without comparing times",
    7: "the safe mode interrupts and runs code",
    8: "ports are guessed",
    9: "paths leave their folder, and a push deletes first",
    10: "arguments reach a shell",
    11: "processes are killed by name",
    12: "abbreviated options arm the guards",
    13: "programs are taken from the working folder",
    14: "firmware is matched and flashed loosely",
    15: "personal identifiers stand in reports",
    16: "one step that hangs costs the whole report",
    17: "a crash of the host leaves no mark of what was under way",
    18: "a soak does not look at the host between its rounds",
    19: "fixed sleeps and one read lose replies",
    20: "errors are known by their text",
    21: "the bugcheck code comes from localised text",
    22: "dumps are sought in one fixed folder",
    23: "an absent or locked SIM is not understood",
    24: "times are local and naive, reports have no schema",
    25: "only on Windows",
    26: "no seams for tests",
}
"""What the workflow's reference scripts get wrong, in short (quecpython-dev-skill, e8eb185)."""


def tests() -> Iterator[tuple[str, ast.FunctionDef]]:
    """Every test function with its file, in order."""
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield f"tests/{path.relative_to(TESTS).as_posix()}", node


def clauses_of(node: ast.FunctionDef) -> list[str]:
    """The clauses that a test's marks name."""
    return [
        ast.literal_eval(call.args[0])
        for call in node.decorator_list
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.workflow"
    ]


@cache
def shown() -> tuple[dict[str, list[str]], dict[int, list[str]]]:
    """The tests of each clause and of each weakness."""
    by_clause: dict[str, list[str]] = defaultdict(list)
    by_weakness: dict[int, list[str]] = defaultdict(list)
    for path, node in tests():
        place = f"`{path}` {node.name}"
        for clause in clauses_of(node):
            by_clause[clause].append(place)
        if match := NAME.fullmatch(node.name):
            by_weakness[int(match[1])].append(place)
    return by_clause, by_weakness


def clause_table() -> str:
    """The table of the clauses."""
    by_clause, _ = shown()
    rows = [f"| {key} | {text} | {_cell(by_clause[key])} |" for key, text in CLAUSES.items()]
    return "\n".join(["| clause | what it asks for | shown by |", "|---|---|---|", *rows])


def weakness_table() -> str:
    """The table of the weaknesses."""
    _, by_weakness = shown()
    rows = [f"| {key} | {text} | {_cell(by_weakness[key])} |" for key, text in WEAKNESSES.items()]
    return "\n".join(["| | weakness | that ours has it not is shown by |", "|---|---|---|", *rows])


def _cell(places: list[str]) -> str:
    return "<br>".join(places) or "–"


TABLES = {"clauses": clause_table, "weaknesses": weakness_table}


def block(name: str) -> re.Pattern[str]:
    """Where a table stands in the document."""
    return re.compile(rf"(<!-- {name}:.*?-->\n)(.*?)(\n<!-- end of {name} -->)", re.DOTALL)


def main() -> None:
    """Write both tables."""
    text = DOCUMENT.read_text(encoding="utf-8")
    for name, table in TABLES.items():
        text = block(name).sub(lambda found, table=table: found[1] + table() + found[3], text)
    DOCUMENT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
