"""The latencies in a certificate, and its worst cells run again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from health import Policy
from scenarios.judge import GOOD_ENDS
from scenarios.lab.bench import LabBench
from scenarios.lab.bounds import MEANING, MILLISECOND_NS, Condition, bounds
from scenarios.lab.cells import Cell, phases
from scenarios.lab.histories import HISTORIES
from scenarios.lab.matrix import SAMPLED, VERDICTS, Place
from scenarios.lab.trial import condition_of
from scenarios.page import traces
from scenarios.page.certificate_matrix import title_of
from scenarios.page.model import Block, Distribution, Distributions, Note, Timeline
from scenarios.page.text import heading
from scenarios.runner import run_episode

WORST_RUNS = 3
"""So many worst runs get a timeline."""


def latencies(
    policy: Policy, firmware: str, position: str, cells: Mapping[Cell, Mapping[str, Any]]
) -> tuple[Block, ...]:
    """Return the latest detections of the cells by condition, with the closed forms.

    Args:
        policy: its closed forms.
        firmware: that was verified.
        position: the closed forms are those of a module on the device.
        cells: with their results.
    """
    forms = bounds(policy, LabBench.of(firmware))
    found = []
    for condition in Condition:
        own = [item for cell, item in cells.items() if condition_of(cell.fault) is condition]
        if not own:
            continue
        bound = forms[condition]
        answered = [item for item in own if item["detected_ms"] is not None]
        # A cell's time is that of the level that the end is owed to, not of the first that tried.
        first = [
            item for item in answered if bound.level is None or max(item["levels"]) <= bound.level
        ]
        values = sorted(item["detected_ms"] for item in first)
        is_bound = position == "device" and bound.detection is not None
        low_ms, high_ms = None, None
        if is_bound and bound.detection is not None:
            low_ms = bound.detection.low_ns / MILLISECOND_NS
            high_ms = (bound.detection.high_ns + bound.slack_ns) / MILLISECOND_NS
        found.append(
            Distribution(
                label=heading(condition.value),
                detail=MEANING[condition] + (f"; {bound.unseen}" if bound.unseen else ""),
                values_ms=tuple(values),
                low_ms=low_ms,
                high_ms=high_ms,
                level=None if bound.level is None else int(bound.level),
                missing=len(own) - len(answered),
                climbed=len(answered) - len(first),
            )
        )
    if not found:
        return (Note("No cell has a condition with a closed form."),)
    return (Distributions(f"latency-{position}", "Detection latency by condition", tuple(found)),)


def worst(place: Place, cells: Mapping[Cell, Mapping[str, Any]]) -> Iterator[Timeline]:
    """Run the worst cells again, one of a kind, with looks at the chip.

    Args:
        place: where they were run.
        cells: with their results.
    """
    order = sorted(cells.items(), key=lambda pair: _badness(pair[1]))
    shown: set[tuple[str, str, str]] = set()
    for cell, item in order:
        kind = (cell.fault.kind, cell.fault.manner, str(item["levels"]))
        if kind in shown or len(shown) == WORST_RUNS or (not item["levels"] and _is_calm(item)):
            continue
        shown.add(kind)
        phase = phases(cell, place.firmware, place.policy, place.seed, SAMPLED)[0]
        episode = run_episode(
            HISTORIES[cell.scenario],
            firmware=place.firmware,
            policy=place.policy,
            position=place.position,
            seed=phase.seed,
            faults=(cell.at(phase.at_ms),),
            parameters={"at_ms": phase.at_ms},
            look_interval_ms=traces.LOOK_INTERVAL_MS,
        )
        yield traces.of_episode(episode, title=title_of(cell))


def _is_calm(item: Mapping[str, Any]) -> bool:
    return item["verdict"] in GOOD_ENDS


def _badness(item: Mapping[str, Any]) -> tuple[bool, int, float]:
    serving_ms = item["serving_ms"]
    latest = -1e18 if serving_ms is None else -serving_ms
    return not item["red"], VERDICTS.index(item["verdict"]), latest
