"""Results in the Test Anything Protocol, version 14 (https://testanything.org)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from scenarios.results import Outcome, Result


def lines(results: Sequence[Result]) -> Iterator[str]:
    """Yield the lines: version, plan, one for each result, and what there is to say of it.

    Args:
        results: in their order.
    """
    yield "TAP version 14"
    yield f"1..{len(results)}"
    for number, item in enumerate(results, 1):
        ok = "not ok" if item.outcome in (Outcome.FAILED, Outcome.EXPECTED) else "ok"
        yield f"{ok} {number} - {item.scenario}{_directive(item)}"
        if item.outcome in (Outcome.FAILED, Outcome.EXPECTED):
            yield "  ---"
            yield "  reasons:"
            # A JSON text is a YAML text too.
            yield from (f"    - {json.dumps(reason)}" for reason in item.reasons)
            if item.row is not None:
                yield f"  seed: {item.row.seed}"
                yield f"  verdict: {item.row.verdict}"
            yield "  ..."


def write(results: Sequence[Result], path: Path) -> None:
    """Write them to a file.

    Raises:
        OSError: the file cannot be written.
    """
    path.write_text("\n".join(lines(results)) + "\n", encoding="utf-8", newline="\n")


def _directive(item: Result) -> str:
    if item.outcome is Outcome.EXPECTED:
        return f" # TODO {_one_line(item.reasons[0])}"
    if item.outcome is Outcome.SKIPPED:
        return f" # SKIP {_one_line(item.reasons[0])}"
    return ""


def _one_line(text: str) -> str:
    """A ``#`` would begin a directive of its own."""
    return " ".join(text.replace("#", "no.").split())
