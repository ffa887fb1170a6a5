"""The page over a sweep's folder: metrics, latencies with bounds, Pareto front, worst runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from scenarios.page.model import (
    Bar,
    Bars,
    Block,
    Distribution,
    Distributions,
    Fact,
    Item,
    Lines,
    Note,
    Page,
    Pareto,
    Point,
    Section,
    Table,
    Timeline,
    Verdict,
    tone_of,
)
from scenarios.page.text import DASH, count, duration, heading, number, plural, share, shares, words

WORST_ROWS = 12
POLICIES_DRAWN = 12
"""Of more policies, only those on the Pareto front have their latencies drawn."""
BARS_DRAWN = 8
MILLISECOND_NS = 1_000_000
VERDICT_ORDER = (
    "unrecovered",
    "false_reset",
    "capped",
    "recovered",
    "served",
    "not_reached",
    "bench_failed",
    "worker_died",
)
"""From worst to best; the last three say nothing about a policy."""
VOID = VERDICT_ORDER[-3:]
GOOD = ("recovered", "served")
SHARES = ("availability", "served_share", "recovered", "undetected", "false_resets")
METRICS = (
    "availability",
    "recovered",
    "undetected",
    "false_resets",
    "mean_recovery_ms",
    "p99_recovery_ms",
    "worst_recovery_ms",
    "worst_detection_ms",
)
"""Metrics on the page, in this order; the rest stands in ``summary.json``."""
COLUMNS = (
    "row",
    "seed",
    "policy",
    "firmware",
    "fault",
    "verdict",
    "detection_ms",
    "recovery_ms",
    "levels",
    "downtime_ms",
)
"""Columns of ``runs.csv`` that the page reads."""

Row = Mapping[str, str]
Summary = Mapping[str, Any]


def build(
    summary: Summary, rows: Sequence[Row], source: str, shown: Sequence[Timeline | Note] = ()
) -> Page:
    """Return the page.

    Args:
        summary: ``summary.json`` of the folder.
        rows: ``runs.csv`` of it, every value as text.
        source: the folder.
        shown: worst runs that were made again, of :func:`worst_rows`.
    """
    tally = Counter(row["verdict"] for row in rows)
    sections = [
        Section(
            "policies",
            "Policies",
            "Each figure with its 95 % confidence interval below it, where it has one.",
            (_policies(summary["policies"]), _meanings(summary.get("meanings", {}))),
        ),
        Section(
            "pareto",
            "Pareto front",
            "False resets against the worst recovery: no policy on the front is better in one "
            "without being worse in the other. A policy that left a run unrecovered is not drawn.",
            (_pareto(summary),),
        ),
        Section("verdicts", "Verdicts", "", (_tally(tally, len(rows)), _by_fault(rows))),
        Section(
            "latency",
            "Detection latency",
            "From the onset to the first answer. The tinted stretch is what the closed forms say "
            "of a nominal board; what a campaign varies of the board moves the ends.",
            tuple(_latencies(summary, rows)) or (Note("No run has a detection latency."),),
        ),
        Section(
            "sensitivity",
            "Sensitivity",
            "How each result goes along with each parameter: rank correlation, from -1 to 1.",
            tuple(_sensitivity(summary.get("sensitivity", ())))
            or (Note("Nothing was varied, or nothing goes along with it."),),
        ),
        Section(
            "worst",
            "Worst runs",
            "The worst verdicts, then the longest. One of a kind was run again for this page: the "
            "same seed gives the same run.",
            (_worst(rows), *shown),
        ),
        Section(
            "drawn",
            "What was drawn",
            "Where each distribution comes from. What is assumed decides the figures above as much "
            "as what is known.",
            (_drawn(summary.get("distributions", {})), _rates(summary.get("rates", {}))),
        ),
    ]
    return Page(
        kind="Sweep",
        title=str(summary["campaign"]),
        source=source,
        verdict=_verdict(tally, len(rows)),
        facts=_facts(summary, rows),
        sections=tuple(sections),
    )


def _verdict(tally: Mapping[str, int], total: int) -> Verdict:
    void = sum(tally.get(name, 0) for name in VOID)
    if total == void:
        return Verdict("Nothing was shown", f"{plural(total, 'run')}, none with a verdict.", "void")
    good = sum(tally.get(name, 0) for name in GOOD)
    lost = tally.get("unrecovered", 0) + tally.get("capped", 0)
    false = tally.get("false_reset", 0)
    detail = f"{share(good / (total - void))} of {plural(total - void, 'run')} serve in the end "
    detail += "without a false reset, over all policies together."
    if void:
        detail += f" {plural(void, 'run')} without a verdict."
    if lost:
        return Verdict(f"{plural(lost, 'run')} did not recover", detail, "bad")
    if false:
        return Verdict(f"Every run recovers; {plural(false, 'false reset')}", detail, "warn")
    return Verdict("Every run serves in the end", detail, "good")


def _facts(summary: Summary, rows: Sequence[Row]) -> tuple[Fact, ...]:
    firmwares = dict.fromkeys(row["firmware"] for row in rows)
    return (
        Fact("Runs", count(len(rows))),
        Fact("Policies", count(len({item["policy"] for item in summary["policies"]}))),
        Fact("Firmware", ", ".join(firmwares) or DASH),
        Fact("Seed", str(summary.get("seed", DASH))),
        Fact("Campaign digest", str(summary.get("digest", DASH))[:16], is_code=True),
    )


def _name(item: Mapping[str, Any], items: Sequence[Mapping[str, Any]]) -> str:
    """A policy's name, with its firmware where there are several."""
    is_one = len({other.get("firmware") for other in items}) == 1
    return str(item["policy"]) if is_one else f"{item['policy']} on {item['firmware']}"


# ---------------------------------------------------------------- verdicts and metrics


def _tally(tally: Mapping[str, int], total: int) -> Block:
    known = [name for name in VERDICT_ORDER if tally.get(name)]
    other = [name for name in tally if name not in VERDICT_ORDER]
    return Table(
        "All runs",
        ("Verdict", "Runs", "Share"),
        tuple(
            (
                Item(words(name), tone_of(name)),
                Item(count(tally[name]), is_number=True),
                Item(share(tally[name] / total), is_number=True),
            )
            for name in (*known, *other)
        ),
    )


def _by_fault(rows: Sequence[Row]) -> Block:
    faults = list(dict.fromkeys(row["fault"] for row in rows))
    verdicts = [name for name in VERDICT_ORDER if any(row["verdict"] == name for row in rows)]
    found = []
    for fault in faults:
        own = [row for row in rows if row["fault"] == fault]
        tally = Counter(row["verdict"] for row in own)
        recovery = _values(own, "recovery_ms")
        found.append(
            (
                Item(heading(fault)),
                *(
                    Item(
                        count(tally[name]) if tally[name] else DASH,
                        tone_of(name) if tally[name] and name not in GOOD else "",
                        is_number=True,
                    )
                    for name in verdicts
                ),
                Item(_recovery(recovery), is_number=True),
            )
        )
    headings = ("Fault", *(heading(name) for name in verdicts), "Worst recovery")
    return Table("By fault", headings, tuple(found))


def _recovery(ascending: Sequence[float]) -> str:
    if not ascending:
        return DASH
    return duration(ascending[-1]) if ascending[-1] else "did not stop"


def _policies(policies: Sequence[Mapping[str, Any]]) -> Block:
    names = [
        name
        for name in METRICS
        if any(_value(item["metrics"].get(name)) is not None for item in policies)
    ]
    if not names:
        return Note("The summary holds no figures for its policies.")
    varied = list(dict.fromkeys(name for item in policies for name in item.get("varied", {})))
    moving = [name for name in varied if len({str(item["varied"][name]) for item in policies}) > 1]
    rows = tuple(
        (
            Item(_name(item, policies), note=f"digest {item['digest'][:16]}"),
            *(Item(number(float(item["varied"][name])), is_number=True) for name in moving),
            *(_metric(name, item["metrics"].get(name)) for name in names),
        )
        for item in policies
    )
    headings = ("Policy", *(_column(name) for name in (*moving, *names)))
    return Table(plural(len(policies), "policy", "policies"), headings, rows)


def _column(name: str) -> str:
    return heading(name.removesuffix("_ms")) + (", ms" if name == "pet_interval_ms" else "")


def _metric(name: str, metric: Mapping[str, Any] | None) -> Item:
    value = _value(metric)
    if metric is None or value is None:
        return Item(DASH, is_number=True)
    low, high = metric.get("low"), metric.get("high")
    known = [value] if low is None or high is None else [value, float(low), float(high)]
    texts = _quantities(name, known)
    detail = f"{texts[1]} to {texts[2]}" if len(texts) > 1 else ""
    return Item(texts[0], is_number=True, detail=detail)


def _quantities(name: str, values: Sequence[float]) -> list[str]:
    if name.endswith("_ms"):
        return [duration(value) for value in values]
    return shares(*values) if name in SHARES else [number(value) for value in values]


def _value(metric: Mapping[str, Any] | None) -> float | None:
    if metric is None or metric.get("value") is None:
        return None
    return float(metric["value"])


def _meanings(meanings: Mapping[str, str]) -> Block:
    lines = tuple(f"{heading(name.removesuffix('_ms'))}: {text}" for name, text in meanings.items())
    return Lines("What they mean", tuple(lines), empty="The summary does not say.", is_folded=True)


# ---------------------------------------------------------------- charts


def _pareto(summary: Summary) -> Block:
    policies = summary["policies"]
    front = {(item["policy"], item["firmware"]) for item in summary.get("pareto", ())}
    found = []
    for item in policies:
        false = _value(item["metrics"].get("false_resets"))
        worst = _value(item["metrics"].get("worst_recovery_ms"))
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
        label = _name(item, policies)
        found.append(Point(label, 100 * false, worst or 0.0, is_on_front, notes))
    if not found:
        return Note("There is no policy to draw: each left a run unrecovered, or has no run.")
    return Pareto(
        "False resets against worst recovery",
        "runs with a false reset, %",
        "worst recovery",
        tuple(found),
    )


def _latencies(summary: Summary, rows: Sequence[Row]) -> Iterator[Block]:
    """One figure a fault, a distribution for each policy, all on one scale."""
    policies = summary["policies"]
    front = {(item["policy"], item["firmware"]) for item in summary.get("pareto", ())}
    drawn = list(policies)
    if len(policies) > POLICIES_DRAWN:
        drawn = [item for item in policies if (item["policy"], item["firmware"]) in front]
    for fault in dict.fromkeys(row["fault"] for row in rows):
        items = [
            found
            for item in drawn
            if (found := _distribution(item, fault, rows, _name(item, policies))) is not None
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
    values = _values(own, "detection_ms")
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


def _sensitivity(items: Iterable[Mapping[str, Any]]) -> Iterator[Block]:
    by_metric: dict[str, list[Bar]] = {}
    for item in items:
        value = _value(item)
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


# ---------------------------------------------------------------- rows


def worst_rows(rows: Iterable[Row], limit: int) -> list[Row]:
    """Return the worst rows, one of each fault, verdict and levels.

    Args:
        rows: of the table.
        limit: how many at most.
    """
    kinds: dict[tuple[str, str, str], Row] = {}
    for row in sorted(rows, key=_badness):
        kinds.setdefault((row["fault"], row["verdict"], row["levels"]), row)
    return list(kinds.values())[:limit]


def _worst(rows: Sequence[Row]) -> Block:
    if not rows:
        return Note("There is no run.")
    order = sorted(rows, key=_badness)[:WORST_ROWS]
    headings = ("Row", "Policy", "Fault", "Verdict", "Detected", "Recovered", "Levels", "Downtime")
    return Table(
        f"The worst {len(order)} of {plural(len(rows), 'run')}",
        (*headings, "Seed"),
        tuple(
            (
                Item(row["row"], note=row.get("fault_text", "")),
                Item(row["policy"]),
                Item(words(row["fault"])),
                Item(words(row["verdict"]), tone_of(row["verdict"]), note=row.get("reason", "")),
                Item(duration(_number(row, "detection_ms")), is_number=True),
                Item(duration(_number(row, "recovery_ms"), "never"), is_number=True),
                Item(row["levels"] or DASH),
                Item(duration(_number(row, "downtime_ms")), is_number=True),
                Item(row["seed"], is_number=True),
            )
            for row in order
        ),
    )


def _badness(row: Row) -> tuple[int, float]:
    verdict = row["verdict"]
    rank = VERDICT_ORDER.index(verdict) if verdict in VERDICT_ORDER else len(VERDICT_ORDER)
    longest = _number(row, "recovery_ms")
    if longest is None:
        longest = _number(row, "downtime_ms")
    return rank, -(longest or 0.0)


def _values(rows: Iterable[Row], name: str) -> list[float]:
    return sorted(value for row in rows if (value := _number(row, name)) is not None)


def _number(row: Row, name: str) -> float | None:
    text = row[name]
    return float(text) if text else None


def _drawn(items: Mapping[str, Mapping[str, Any]]) -> Block:
    if not items:
        return Note("Nothing was drawn: every value is fixed.")
    return Table(
        "Distributions",
        ("Quantity", "Distribution", "Numbers", "Source"),
        tuple(
            (
                Item(name),
                Item(str(item["distribution"])),
                Item(", ".join(number(float(value)) for value in item["numbers"])),
                Item(str(item["source"]), "warn" if item["source"] == "assumed" else ""),
            )
            for name, item in items.items()
        ),
    )


def _rates(items: Mapping[str, Mapping[str, Any]]) -> Block:
    if not items:
        return Note("No rates are given, so no availability is claimed.")
    return Table(
        "Rates",
        ("Fault", "Times a day", "Source"),
        tuple(
            (
                Item(words(name)),
                Item(number(float(item["per_day"])), is_number=True),
                Item(str(item["source"]), "warn" if item["source"] == "assumed" else ""),
            )
            for name, item in items.items()
        ),
    )
