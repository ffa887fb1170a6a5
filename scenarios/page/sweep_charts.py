"""The charts of a sweep: Pareto front, latencies, sensitivity."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from scenarios.page.model import Bar, Bars, Block, Distribution, Distributions, Note, Pareto, Point
from scenarios.page.sweep_rows import Row, Summary, name_of, value_of, values_in
from scenarios.page.text import duration, heading, number, share, words

POLICIES_DRAWN = 12
"""Of more policies, only those on the Pareto front have their latencies drawn."""
BARS_DRAWN = 8
MILLISECOND_NS = 1_000_000


def pareto(summary: Summary) -> Block:
    """Return every policy that left no run unrecovered, with the front among them."""
    policies = summary["policies"]
    front = {(item["policy"], item["firmware"]) for item in summary.get("pareto", ())}
    found = []
    for item in policies:
        false = value_of(item["metrics"].get("false_resets"))
        worst = value_of(item["metrics"].get("worst_recovery_ms"))
        lost = sum(item["verdicts"].get(name, 0) for name in ("unrecovered", "capped"))
        if false is None or lost:
            continue
        varied = (f"{words(name)} {number(float(at))}" for name, at in item["varied"].items())
        notes = (
            *varied,
            f"false resets in {share(false)}",
            f"worst recovery {duration(worst or 0.0)}",
        )
        is_on_front = (item["policy"], item["firmware"]) in front
        label = name_of(item, policies)
        found.append(Point(label, 100 * false, worst or 0.0, is_on_front, notes))
    if not found:
        return Note("There is no policy to draw: each left a run unrecovered, or has no run.")
    return Pareto(
        "False resets against worst recovery",
        "runs with a false reset, %",
        "worst recovery",
        tuple(found),
    )


def latencies(summary: Summary, rows: Sequence[Row]) -> Iterator[Block]:
    """Yield one figure a fault, a distribution for each policy, all on one scale."""
    policies = summary["policies"]
    front = {(item["policy"], item["firmware"]) for item in summary.get("pareto", ())}
    drawn = list(policies)
    if len(policies) > POLICIES_DRAWN:
        drawn = [item for item in policies if (item["policy"], item["firmware"]) in front]
    for fault in dict.fromkeys(row["fault"] for row in rows):
        items = [
            found
            for item in drawn
            if (found := _distribution(item, fault, rows, name_of(item, policies))) is not None
        ]
        if items:
            ends = [value for item in items for value in (*item.values_ms, *item.bound_ms)]
            limits = (min(ends), max(ends))
            shared = tuple(replace(item, limits_ms=limits) for item in items)
            yield Distributions(f"detection-{fault}", heading(fault), shared)


def _distribution(
    policy: Mapping[str, Any], fault: str, rows: Sequence[Row], label: str
) -> Distribution | None:
    own = [
        row
        for row in rows
        if (row["policy"], row["firmware"], row["fault"])
        == (policy["policy"], policy["firmware"], fault)
    ]
    values = values_in(own, "detection_ms")
    if not values:
        return None
    condition = policy["faults"].get(fault, {}).get("condition")
    bound = policy["bounds"].get(condition) or {}
    interval = bound.get("detection_ns")
    return Distribution(
        label=label,
        detail="",
        values_ms=tuple(values),
        low_ms=None if interval is None else interval["low"] / MILLISECOND_NS,
        high_ms=None if interval is None else interval["high"] / MILLISECOND_NS,
        level=bound.get("level"),
        is_promise=False,
        untouched=len(own) - len(values),
    )


def sensitivity(items: Iterable[Mapping[str, Any]]) -> Iterator[Block]:
    """Yield bars for each result, the strongest parameter first."""
    by_metric: dict[str, list[Bar]] = {}
    for item in items:
        value = value_of(item)
        if value is None:
            continue
        label = f"{words(item['fault'])}: {words(item['parameter'].removesuffix('_ms'))}"
        note = f"{words(item['parameter'])} with {words(item['metric'])} of {words(item['fault'])}"
        if item.get("low") is not None:
            note += f"\n{item['low']:+.2f} to {item['high']:+.2f} (95 %)"
        by_metric.setdefault(item["metric"], []).append(Bar(label, value, note))
    for metric, found in by_metric.items():
        found.sort(key=lambda bar: -abs(bar.value))
        caption = heading(metric.removesuffix("_ms"))
        if len(found) > BARS_DRAWN:
            caption += f": the strongest {BARS_DRAWN} of {len(found)}"
        yield Bars(f"sensitivity-{metric}", caption, tuple(found[:BARS_DRAWN]))
