"""The rules of the guard as tables, for the command line and the documents."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final

from hw.guard.operations import Operation, OperationClass
from hw.guard.rules import LEVEL_OPERATIONS, RULES, HostState, RiskMode, Verdict

RULE_HEADINGS: Final = ("class", "host", *(mode.value for mode in RiskMode))
OPERATION_HEADINGS: Final = ("class", "operations")
LEVEL_HEADINGS: Final = ("level", "operations")
MEANINGS: Final = {
    Verdict.YES: "allowed",
    Verdict.ACKNOWLEDGED: (
        "with an acknowledgement of this operation on this target; a grant will do on a normal host"
    ),
    Verdict.FORCED: "with an acknowledgement and the phrase in the environment",
    Verdict.GRANTED: "with a standing grant of the level that the supervisor acts for",
    Verdict.NO: "denied",
}
"""What each verdict asks for."""


def rule_rows() -> list[tuple[str, ...]]:
    """Return the rules: class, host states, and the verdict in each risk mode.

    States of one class with equal verdicts share a row.
    """
    rows = []
    for kind in OperationClass:
        verdicts = {state: tuple(RULES[kind, state].values()) for state in HostState}
        for row, states in groupby(HostState, key=verdicts.__getitem__):
            names = [state.value for state in states]
            hosts = "any" if len(names) == len(HostState) else ", ".join(names)
            rows.append((kind.value, hosts, *(verdict.value for verdict in row)))
    return rows


def operation_rows() -> list[tuple[str, str]]:
    """Return each class with the labels of its operations."""
    return [
        (kind.value, _labels(item for item in Operation if item.operation_class is kind))
        for kind in OperationClass
    ]


def level_rows() -> list[tuple[str, str]]:
    """Return each level that can be granted with the labels of what it may do."""
    return [
        (str(level.value), _labels(item for item in Operation if item in granted))
        for level, granted in LEVEL_OPERATIONS.items()
    ]


def markdown() -> str:
    """Return all of it for ``docs/guard.md``."""
    tables = (
        (RULE_HEADINGS, rule_rows()),
        (OPERATION_HEADINGS, operation_rows()),
        (LEVEL_HEADINGS, level_rows()),
    )
    return "\n\n".join(_markdown(headings, rows) for headings, rows in tables)


def _markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _labels(operations: Iterable[Operation]) -> str:
    return ", ".join(item.label for item in operations)
