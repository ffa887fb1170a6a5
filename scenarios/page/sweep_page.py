"""The page over a sweep's folder: metrics, latencies with bounds, Pareto front, worst runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from scenarios.page import sweep_charts
from scenarios.page.model import (
    Block,
    Fact,
    Item,
    Lines,
    Note,
    Page,
    Section,
    Table,
    Timeline,
    Verdict,
    tone_of,
)
from scenarios.page.sweep_rows import (
    VERDICT_ORDER,
    Row,
    Summary,
    name_of,
    value_of,
    values_in,
    worst_table,
)
from scenarios.page.text import DASH, count, duration, heading, number, plural, share, shares, words

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


def build(
    summary: Summary, rows: Sequence[Row], source: str, shown: Sequence[Timeline | Note] = ()
) -> Page:
    """Return the page.

    Args:
        summary: ``summary.json`` of the folder.
        rows: ``runs.csv`` of it, every value as text.
        source: the folder.
        shown: worst runs that were made again, of :mod:`scenarios.page.sweep_runs`.
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
            (sweep_charts.pareto(summary),),
        ),
        Section("verdicts", "Verdicts", "", (_tally(tally, len(rows)), _by_fault(rows))),
        Section(
            "latency",
            "Detection latency",
            "From the onset to the first answer. The tinted stretch is what the closed forms say "
            "of a nominal board; what a campaign varies of the board moves the ends.",
            tuple(sweep_charts.latencies(summary, rows))
            or (Note("No run has a detection latency."),),
        ),
        Section(
            "sensitivity",
            "Sensitivity",
            "How each result goes along with each parameter: rank correlation, from -1 to 1.",
            tuple(sweep_charts.sensitivity(summary.get("sensitivity", ())))
            or (Note("Nothing was varied, or nothing goes along with it."),),
        ),
        Section(
            "worst",
            "Worst runs",
            "The worst verdicts, then the longest. One of a kind was run again for this page: the "
            "same seed gives the same run.",
            (worst_table(rows), *shown),
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
        recovery = values_in(own, "recovery_ms")
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
        if any(value_of(item["metrics"].get(name)) is not None for item in policies)
    ]
    if not names:
        return Note("The summary holds no figures for its policies.")
    varied = list(dict.fromkeys(name for item in policies for name in item.get("varied", {})))
    moving = [name for name in varied if len({str(item["varied"][name]) for item in policies}) > 1]
    rows = tuple(
        (
            Item(name_of(item, policies), note=f"digest {item['digest'][:16]}"),
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
    value = value_of(metric)
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


def _meanings(meanings: Mapping[str, str]) -> Block:
    lines = tuple(f"{heading(name.removesuffix('_ms'))}: {text}" for name, text in meanings.items())
    return Lines("What they mean", tuple(lines), empty="The summary does not say.", is_folded=True)


# ---------------------------------------------------------------- what was drawn


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
