"""What got worse since a certificate was made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hw.guard.certificate import Certificate
from scenarios.errors import InputError
from scenarios.lab.matrix import VERDICTS

LATENCIES = {"detected_ms": "detected", "serving_ms": "serves again"}


def worse(before: Certificate, now: Certificate) -> list[str]:
    """Return each cell and scenario whose verdict or worst latency got worse, one a line.

    Args:
        before: the baseline.
        now: made with the same seed, so that the sampled onsets are the same.
    """
    common = [name for name in before.positions if name in now.positions]
    found = []
    for position in common:
        for part in ("cells", "scenarios"):
            old, new = before.positions[position][part], now.positions[position][part]
            found += [f"{position}: {text}" for text in _worse_part(old, new)]
    return found


def require_common(before: Certificate, positions: Sequence[str]) -> None:
    """Return if a baseline has something to say about one of these positions.

    Raises:
        InputError: it has not.
    """
    if not any(name in before.positions for name in positions):
        raise InputError(
            f"the baseline holds position {' and '.join(before.positions)}, not "
            f"{' and '.join(positions)}: give the same --position"
        )


def _worse_part(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name, was in old.items():
        if name not in new:
            # A call that the firmware no longer makes cannot get worse.
            continue
        yield from (f"{name}: {text}" for text in _worse_item(was, new[name]))


def _worse_item(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    if VERDICTS.index(now["verdict"]) < VERDICTS.index(was["verdict"]):
        yield f"verdict {now['verdict']}, was {was['verdict']}"
    if now.get("red") and not was.get("red"):
        yield f"red now: {now['red'][0]}"
    if was.get("is_good") and not now.get("is_good"):
        yield "not good any more"
    for key, words in LATENCIES.items():
        before_ms, after_ms = was.get(key), now.get(key)
        # What never answers may be a level that is no longer needed; what never serves is worse.
        if key == "detected_ms" and after_ms is None:
            continue
        if before_ms is not None and (after_ms is None or after_ms > before_ms):
            shown = "never" if after_ms is None else f"after {after_ms:g} ms"
            yield f"{words} {shown}, was {before_ms:g} ms"
