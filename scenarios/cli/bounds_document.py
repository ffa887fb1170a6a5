"""What ``fx3loop bounds`` has to say, as JSON."""

from __future__ import annotations

from typing import Any

from health import Policy
from scenarios import option_text
from scenarios.lab import bounds as forms
from scenarios.lab.bench import LabBench
from scenarios.lab.bounds import Bound, Condition, Interval
from scenarios.lab.findings import BLIND_SPOTS, Finding
from scenarios.lab.phases import Result
from scenarios.lab.strikes import Answer

SCHEMA = "fx3loop.bounds/1"


def document(
    policy: Policy,
    bench: LabBench,
    bounds: dict[Condition, Bound],
    found: tuple[Finding, ...],
    results: dict[Condition, Result],
) -> dict[str, Any]:
    """Return all of it, times in ns.

    Args:
        policy: whose bounds they are.
        bench: firmware and board.
        bounds: the closed forms.
        found: what is wrong with the policy there.
        results: of the simulator; empty without --exhaustive.
    """
    return {
        "schema": SCHEMA,
        "policy": policy.name,
        "digest": policy.digest,
        "firmware": bench.revision.name,
        "options": list(option_text.changed(bench.options)),
        "main_loop": main_loop(policy, bench) if policy.level_5_enabled else None,
        "conditions": [
            {
                "condition": condition.value,
                "meaning": forms.MEANING[condition],
                "level": bound.level,
                "detection_ns": _interval(bound.detection),
                "slack_ns": bound.slack_ns,
                "slack_reason": bound.slack_reason,
                "remedy_ns": _interval(bound.remedy),
                "ladder": [int(level) for level in bound.ladder],
                "settle_ns": bound.settle_ns,
                "survivable_ns": bound.survivable_ns,
                "margin_ns": bound.margin_ns,
                "longest_legal": bound.legal,
                "unseen": bound.unseen,
                "exhaustive": _result(results[condition]) if condition in results else None,
            }
            for condition, bound in bounds.items()
        ],
        "blind_spots": {
            f"level_{level:d}": text
            for level, text in BLIND_SPOTS.items()
            if policy.is_enabled(level)
        },
        "findings": [
            {"severity": item.severity.value, "rule": item.rule, "text": item.text}
            for item in found
        ],
    }


def main_loop(policy: Policy, bench: LabBench) -> dict[str, int]:
    """Return what the main loop may be late by, and the watchdog's real period."""
    return {
        "survivable_stall_ns": forms.survivable_stall_ns(policy, bench),
        "certainly_fatal_stall_ns": forms.certainly_fatal_stall_ns(policy, bench),
        "promised_survivable_stall_ms": policy.survivable_stall_ms,
        "watchdog_period_ns": bench.watchdog_ns(policy),
    }


def _interval(interval: Interval | None) -> dict[str, int] | None:
    return None if interval is None else {"low": interval.low_ns, "high": interval.high_ns}


def _result(result: Result) -> dict[str, Any]:
    found = result.found
    return {
        "runs": result.runs,
        "onsets": result.onsets,
        "best": None if found is None else answer_of(found.best),
        "worst": None if found is None else answer_of(found.worst),
        "disagreement": result.disagreement,
    }


def answer_of(answer: Answer) -> dict[str, int | None]:
    """Return one answer of a level, at its phase."""
    return {
        "latency_ns": answer.latency_ns,
        "poll_offset_ms": answer.offset_ms,
        "onset_ns": answer.onset_ns,
        "level": answer.level,
    }
