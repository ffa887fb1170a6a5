"""The report as data: every figure measured, with its deviation and verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from scenarios.calibration.figure import (
    Figure,
    Group,
    Verdict,
    deviation,
    judge,
    rounded,
)

SCHEMA = "fx3loop.calibration/1"

Watch = Callable[[int, int], None]
"""Told how many figures are measured, of how many."""


def nobody(done: int, of: int) -> None:
    """Nobody watches."""
    del done, of


def measured(
    groups: Sequence[Group], *, is_quick: bool = False, watch: Watch = nobody
) -> dict[str, Any]:
    """Measure everything and return the document.

    Args:
        groups: what to measure.
        is_quick: leave out what takes minutes.
        watch: told after each figure.
    """
    of = sum(len(group.figures) for group in groups)
    done = 0
    found = []
    verdicts: Counter[str] = Counter()
    for group in groups:
        rows = []
        for figure in group.figures:
            rows.append(row(figure, is_quick=is_quick))
            verdicts[rows[-1]["verdict"]] += 1
            done += 1
            watch(done, of)
        found.append({"title": group.title, "figures": rows})
    return {
        "schema": SCHEMA,
        "is_quick": is_quick,
        "verdicts": {verdict.value: verdicts[verdict.value] for verdict in Verdict},
        "groups": found,
    }


def row(figure: Figure, *, is_quick: bool = False) -> dict[str, Any]:
    """Measure one figure and return its row.

    Args:
        figure: what.
        is_quick: leave it out if it takes minutes.
    """
    expected, model, off, verdict = figure.expected, None, None, Verdict.NOT_COMPARED
    if figure.measure is not None and figure.is_long and is_quick:
        verdict = Verdict.LEFT_OUT
    elif figure.measure is not None and expected is not None:
        model = figure.measure()
        verdict = judge(expected, model, figure.rule)
        off = deviation(expected, model, figure.rule)
    return {
        "key": figure.key,
        "quantity": figure.quantity,
        "published": figure.published,
        "source": figure.source,
        "unit": figure.unit,
        "rule": figure.rule.value,
        "expected": None if expected is None else expected.as_dict(),
        "model": None if model is None else model.as_dict(),
        "deviation": None if off is None else rounded(off),
        "verdict": verdict.value,
        "reason": figure.reason,
        "remark": figure.remark,
        "is_long": figure.is_long,
    }


def troubles(document: dict[str, Any]) -> list[str]:
    """Return what makes a report dishonest: reasons that are missing, or that no longer hold.

    Args:
        document: of :func:`measured`.
    """
    found = []
    for group in document["groups"]:
        for item in group["figures"]:
            if item["verdict"] == Verdict.OUTSIDE and not item["reason"]:
                found.append(f"{item['key']} is outside and has no reason; write one")
            if item["verdict"] == Verdict.WITHIN and item["reason"]:
                found.append(f"{item['key']} is within, so its reason no longer holds; remove it")
    return found
