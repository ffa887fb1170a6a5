"""The page over a sweep's folder: metrics, latencies with bounds, Pareto front, worst runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
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
    Verdict,
    tone_of,
)
from scenarios.page.text import DASH, count, duration, heading, number, plural, share, words

WORST_ROWS = 12
POLICIES_DRAWN = 6
"""Of more policies, the distributions are those of all together."""
SHARES = ("availability", "undetected_fraction", "recovered_fraction")
VERDICT_ORDER = (
    "unrecovered",
    "false_reset",
    "capped",
    "worker_died",
    "bench_failed",
    "not_reached",
    "recovered",
    "served",
)
"""From worst to best."""
GOOD = ("recovered", "served")


def build(summary: Mapping[str, Any], rows: Sequence[Mapping[str, str]], source: str) -> Page:
    """Return the page.

    Args:
        summary: ``summary.json`` of the folder.
        rows: ``runs.csv`` of it, every value as text.
        source: the folder.
    """
    policies = list(summary.get("policies", ()))
    tally = Counter(row["verdict"] for row in rows)
    sections = [
        Section("verdicts", "Verdicts", "", (_tally(tally, len(rows)), _by_fault(rows))),
        Section(
            "policies",
            "Policies",
            "Each figure with its confidence interval. " + str(summary.get("confidence", "")),
            (_policies(policies),),
        ),
        Section(
            "pareto",
            "Pareto front",
            "False resets against the worst recovery: no policy on the front is better in one "
            "without being worse in the other.",
            (_pareto(summary.get("pareto", ())),),
        ),
        Section(
            "latency",
            "Latencies",
            "From the onset to the first answer. The tinted stretch is what the closed forms say.",
            _latencies(rows, policies),
        ),
        Section(
            "sensitivity",
            "Sensitivity",
            "How much each varied value goes along with each outcome: rank correlation, from -1 to "
            "1.",
            _sensitivity(summary.get("sensitivity", ())),
        ),
        Section("worst", "Worst runs", "The worst verdicts, then the longest.", (_worst(rows),)),
        Section(
            "distributions",
            "What was drawn",
            "Where each distribution comes from. What is assumed decides the figures above as much "
            "as what is known.",
            (_drawn(summary.get("distributions", ())),),
        ),
    ]
    return Page(
        kind="Sweep",
        title=str(summary.get("name") or summary.get("campaign") or "Campaign"),
        source=source,
        verdict=_verdict(tally, len(rows)),
        facts=_facts(summary, rows, policies),
        sections=tuple(sections),
    )


def _verdict(tally: Mapping[str, int], total: int) -> Verdict:
    if not total:
        return Verdict("Nothing ran", "The sweep holds no rows yet.", "void")
    good = sum(tally.get(name, 0) for name in GOOD)
    lost = tally.get("unrecovered", 0)
    false = tally.get("false_reset", 0)
    detail = (
        f"{share(good / total)} of {plural(total, 'run')} serve in the end without a false reset; "
        f"{plural(lost, 'run')} did not recover, {plural(false, 'false reset')}."
    )
    if lost:
        return Verdict(f"{plural(lost, 'run')} never recovered", detail, "bad")
    if false:
        return Verdict(f"{plural(false, 'false reset')}", detail, "warn")
    return Verdict("Every run serves in the end", detail, "good")


def _facts(
    summary: Mapping[str, Any],
    rows: Sequence[Mapping[str, str]],
    policies: Sequence[Mapping[str, Any]],
) -> tuple[Fact, ...]:
    found = [Fact("Runs", count(len(rows))), Fact("Policies", count(len(policies)))]
    firmwares = dict.fromkeys(row["firmware"] for row in rows if row.get("firmware"))
    if firmwares:
        found.append(Fact("Firmware", ", ".join(firmwares)))
    digest = summary.get("campaign_digest") or summary.get("digest")
    if digest:
        found.append(Fact("Campaign digest", str(digest)[:16], is_code=True))
    if "seed" in summary:
        found.append(Fact("Seed", str(summary["seed"])))
    return tuple(found)


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


def _by_fault(rows: Sequence[Mapping[str, str]]) -> Block:
    kinds = list(dict.fromkeys(_fault(row) for row in rows))
    verdicts = [name for name in VERDICT_ORDER if any(row["verdict"] == name for row in rows)]
    found = []
    for kind in kinds:
        own = [row for row in rows if _fault(row) == kind]
        tally = Counter(row["verdict"] for row in own)
        recovery = _values(own, "recovery_ms")
        found.append(
            (
                Item(words(kind)),
                *(
                    Item(
                        count(tally[name]) if tally[name] else DASH,
                        tone_of(name) if tally[name] and name not in GOOD else "",
                        is_number=True,
                    )
                    for name in verdicts
                ),
                Item(duration(recovery[-1]) if recovery else DASH, is_number=True),
            )
        )
    headings = ("Fault", *(words(name) for name in verdicts), "Worst recovery")
    return Table("By fault", headings, tuple(found))


def _policies(policies: Sequence[Mapping[str, Any]]) -> Block:
    names = list(dict.fromkeys(name for item in policies for name in item.get("metrics", {})))
    if not policies or not names:
        return Note("The summary holds no figures for its policies.")
    rows = tuple(
        (
            Item(_policy_name(item), note=str(item.get("digest", ""))),
            *(_metric(name, item["metrics"].get(name)) for name in names),
        )
        for item in policies
    )
    return Table(
        plural(len(policies), "policy", "policies"), ("Policy", *map(_column, names)), rows
    )


def _policy_name(item: Mapping[str, Any]) -> str:
    return str(item.get("name") or item.get("policy") or item.get("digest", ""))


def _column(name: str) -> str:
    for ending in ("_ms", "_fraction", "_ns", "_s"):
        name = name.removesuffix(ending)
    return heading(name)


def _metric(name: str, metric: Mapping[str, Any] | None) -> Item:
    if metric is None or metric.get("value") is None:
        return Item(DASH, is_number=True)
    text = _quantity(name, float(metric["value"]))
    low, high = metric.get("low"), metric.get("high")
    if low is not None and high is not None and low != high:
        text += f" [{_quantity(name, float(low))} to {_quantity(name, float(high))}]"
    return Item(text, is_number=True)


def _quantity(name: str, value: float) -> str:
    if name.endswith("_ms"):
        return duration(value)
    if name in SHARES or name.endswith("_fraction"):
        return share(value)
    return number(value)


# ---------------------------------------------------------------- charts


def _pareto(points: Iterable[Mapping[str, Any]]) -> Block:
    found = []
    for item in points:
        x = _first(item, "false_resets", "false_reset_fraction", "false_reset_rate", "x")
        y = _first(item, "worst_recovery_ms", "recovery_ms", "y")
        if x is None or y is None:
            continue
        notes = (f"{number(x)} false resets", f"worst recovery {duration(y)}")
        is_on_front = bool(item.get("is_on_front", item.get("on_front", True)))
        found.append(Point(_policy_name(item), x, y, is_on_front, notes))
    if not found:
        return Note("The summary holds no Pareto front.")
    return Pareto(
        "False resets against worst recovery", "false resets", "worst recovery", tuple(found)
    )


def _first(item: Mapping[str, Any], *names: str) -> float | None:
    for name in names:
        value = item.get(name)
        if isinstance(value, Mapping):
            value = value.get("value")
        if value is not None:
            return float(value)
    return None


def _latencies(
    rows: Sequence[Mapping[str, str]], policies: Sequence[Mapping[str, Any]]
) -> tuple[Block, ...]:
    names = list(dict.fromkeys(row["policy"] for row in rows))
    groups: list[tuple[str, list[Mapping[str, str]]]] = [("", list(rows))]
    if 1 < len(names) <= POLICIES_DRAWN:
        groups = [(name, [row for row in rows if row["policy"] == name]) for name in names]
    found: list[Block] = []
    for name, own in groups:
        bounds = _bounds(policies, name)
        items = [
            item
            for kind in dict.fromkeys(_fault(row) for row in own)
            if (item := _distribution(kind, own, bounds.get(kind, {}))) is not None
        ]
        caption = f"Detection under {name}" if name else "Detection latency"
        key = f"detection-{name}" if name else "detection"
        if items:
            found.append(Distributions(key, caption, tuple(items)))
    return tuple(found) or (Note("No run has a detection latency."),)


def _bounds(policies: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    chosen = [item for item in policies if _policy_name(item) == name] if name else list(policies)
    if len(chosen) != 1:
        return {}
    bounds = chosen[0].get("bounds")
    return bounds if isinstance(bounds, Mapping) else {}


def _distribution(
    kind: str, rows: Sequence[Mapping[str, str]], bound: Mapping[str, Any]
) -> Distribution | None:
    own = [row for row in rows if _fault(row) == kind]
    values = _values(own, "detection_ms")
    if not values:
        return None
    return Distribution(
        label=heading(kind),
        detail="",
        values_ms=tuple(values),
        low_ms=_first(bound, "low_ms"),
        high_ms=_first(bound, "high_ms"),
        level=bound.get("level"),
        missing=len(own) - len(values),
    )


def _sensitivity(items: Iterable[Mapping[str, Any]]) -> tuple[Block, ...]:
    by_outcome: dict[str, list[Bar]] = {}
    for item in items:
        value = _first(item, "correlation", "rank_correlation", "value", "share")
        if value is None:
            continue
        label = str(item.get("parameter") or item.get("name") or "")
        outcome = str(item.get("outcome") or item.get("metric") or "")
        note = f"{label} and {words(outcome)}: {value:+.3f}" if outcome else label
        by_outcome.setdefault(outcome, []).append(Bar(words(label), value, note))
    found = tuple(
        Bars(
            f"sensitivity-{outcome}" if outcome else "sensitivity",
            f"Sensitivity of {words(outcome)}" if outcome else "Sensitivity",
            tuple(sorted(bars, key=lambda bar: -abs(bar.value))),
        )
        for outcome, bars in by_outcome.items()
    )
    return found or (Note("Nothing was varied, or nothing went along with it."),)


# ---------------------------------------------------------------- rows


def _worst(rows: Sequence[Mapping[str, str]]) -> Block:
    if not rows:
        return Note("There is no run.")
    order = sorted(rows, key=_badness)[:WORST_ROWS]
    return Table(
        f"The worst {len(order)} of {plural(len(rows), 'run')}",
        (
            "Row",
            "Policy",
            "Fault",
            "Verdict",
            "Detected",
            "Recovered",
            "Levels",
            "Downtime",
            "Seed",
        ),
        tuple(
            (
                Item(row.get("row") or row.get("index") or ""),
                Item(row["policy"]),
                Item(words(_fault(row)), note=_fault_note(row)),
                Item(words(row["verdict"]), tone_of(row["verdict"])),
                Item(duration(_number(row, "detection_ms")), is_number=True),
                Item(duration(_number(row, "recovery_ms"), "never"), is_number=True),
                Item(row.get("levels", "") or DASH),
                Item(duration(_number(row, "downtime_ms")), is_number=True),
                Item(row.get("seed", ""), is_number=True),
            )
            for row in order
        ),
    )


def _badness(row: Mapping[str, str]) -> tuple[int, float]:
    verdict = row["verdict"]
    rank = VERDICT_ORDER.index(verdict) if verdict in VERDICT_ORDER else len(VERDICT_ORDER)
    longest = _number(row, "recovery_ms")
    if longest is None:
        longest = _number(row, "downtime_ms")
    return rank, -(longest or 0.0)


def _fault(row: Mapping[str, str]) -> str:
    return row.get("fault_kind") or row.get("fault", "").partition(":")[0] or "no fault"


def _fault_note(row: Mapping[str, str]) -> str:
    return row.get("fault") or row.get("fault_parameters") or ""


def _values(rows: Iterable[Mapping[str, str]], name: str) -> list[float]:
    return sorted(value for row in rows if (value := _number(row, name)) is not None)


def _number(row: Mapping[str, str], name: str) -> float | None:
    text = row.get(name, "")
    return float(text) if text else None


def _drawn(items: Iterable[Mapping[str, Any]] | Mapping[str, Any]) -> Block:
    if isinstance(items, Mapping):
        items = [{"name": name, **value} for name, value in items.items()]
    rows = []
    for item in items:
        source = str(item.get("source") or "assumed")
        rest = ", ".join(
            f"{words(name)} {value}"
            for name, value in item.items()
            if name not in ("name", "source")
        )
        tone = "warn" if source == "assumed" else ""
        rows.append((Item(words(str(item.get("name", "")))), Item(rest), Item(source, tone)))  # type: ignore[arg-type]
    if not rows:
        return Lines("", (), empty="Nothing was drawn: every value is fixed.")
    return Table("Distributions", ("Quantity", "Distribution", "Source"), tuple(rows))
