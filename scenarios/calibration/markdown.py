"""The report as Markdown, made from the document alone."""

from __future__ import annotations

from typing import Any

from scenarios.calibration.figure import Rule, Verdict

COLUMNS = ("quantity", "published", "where", "model", "deviation", "verdict", "why")
PERCENT_WHOLE = 10
MODEL_DIGITS = 6
"""Digits behind the point at most; trailing zeros are left out."""


def rendered(document: dict[str, Any]) -> str:
    """Return the page for a document of :func:`scenarios.calibration.document.measured`."""
    lines = ["# Published figures beside the model's", "", *_introduction(document)]
    for group in document["groups"]:
        lines += ["", f"## {group['title']}", ""]
        lines += [_cells(COLUMNS), _cells(("---",) * len(COLUMNS))]
        lines += [_cells(_row(item)) for item in group["figures"]]
    return "\n".join(lines) + "\n"


def _introduction(document: dict[str, Any]) -> list[str]:
    verdicts = document["verdicts"]
    counts = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items())
    lines = [
        "This page is made by `fx3loop report calibration --out docs/calibration.md`, which "
        "measures every model",
        "value anew on simulated worlds and replayed soaks. Nothing in the column *model* is "
        "written down in the",
        "code. The same rows as data, with more digits: [calibration.json](calibration.json).",
        "",
        f"**{counts}.**",
        "",
        "- *within*: all that the model gives lies in the published range; where the published "
        "value is a typical one",
        "  or an estimate (marked ~), the two ranges share a value.",
        "- *outside*: it does not; the last column says why, or that the cause is unknown.",
        "- *not compared*: nothing to compare, for the reason given.",
        "- *deviation* is how far the model lies outside the range; in percent of its nearer end.",
        "- Where two documents contradict each other, each has its row, and at most one can be "
        "within.",
    ]
    if document["is_quick"]:
        lines += ["- *left out*: a replay that takes minutes; this is a quick report."]
    return lines


def _row(item: dict[str, Any]) -> tuple[str, ...]:
    why = item["reason"] or item["remark"]
    verdict = item["verdict"]
    return (
        item["quantity"],
        _published(item),
        item["source"],
        _model(item),
        _deviation(item),
        f"**{verdict}**" if verdict == Verdict.OUTSIDE else verdict,
        "" if verdict == Verdict.LEFT_OUT else why,
    )


def _published(item: dict[str, Any]) -> str:
    expected = item["expected"]
    if expected is None or expected["low"] == expected["high"]:
        return str(item["published"])
    mark = "~" if item["rule"] == Rule.MEETS else ""
    return f"{item['published']} [{mark}{_span(expected, item['unit'])}]"


def _model(item: dict[str, Any]) -> str:
    model = item["model"]
    if model is None:
        return "–"
    note = f" ({model['note']})" if model["note"] else ""
    return _span(model, item["unit"]) + note


def _deviation(item: dict[str, Any]) -> str:
    off = item["deviation"]
    if off is None:
        return "–"
    if off == 0:
        return "0"
    expected = item["expected"]
    end = expected["low"] if off < 0 else expected["high"]
    percent = f" ({_percent(100 * off / abs(end))} %)" if end else ""
    return f"{'+' if off > 0 else ''}{_number(off)}{_unit(item['unit'])}{percent}"


def _span(interval: dict[str, Any], unit: str) -> str:
    low, high = _number(interval["low"]), _number(interval["high"])
    return (low if low == high else f"{low} to {high}") + _unit(unit)


def _unit(unit: str) -> str:
    return f" {unit}" if unit else ""


def _number(value: float) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.{MODEL_DIGITS}f}".rstrip("0").rstrip(".")


def _percent(value: float) -> str:
    """Two digits are enough; a large one has more before the point."""
    return f"{value:+,.0f}" if abs(value) >= PERCENT_WHOLE else f"{value:+.2g}"


def _cells(texts: tuple[str, ...]) -> str:
    return "| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"
