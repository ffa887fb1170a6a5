"""Results as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scenarios.results import Outcome, Result

SCHEMA = "fx3loop.run/2"


def document(results: Sequence[Result]) -> dict[str, Any]:
    """Return the document that ``--json`` prints.

    Args:
        results: in their order.
    """
    return {
        "schema": SCHEMA,
        "counts": {kind.value: sum(item.outcome is kind for item in results) for kind in Outcome},
        "rows": [
            {
                **item.row.as_dict(),
                "group": item.group,
                "outcome": item.outcome.value,
                "reasons": list(item.reasons),
            }
            for item in results
            if item.row is not None
        ],
        "without_row": [
            {
                "scenario": item.scenario,
                "group": item.group,
                "outcome": item.outcome.value,
                "reasons": list(item.reasons),
            }
            for item in results
            if item.row is None
        ],
    }
