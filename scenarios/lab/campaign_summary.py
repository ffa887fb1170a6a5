"""What a sweep's table says: shares and times with their confidence, and what they depend on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from health import Policy
from scenarios.errors import InputError
from scenarios.lab import claims, intervals
from scenarios.lab.bench import LabBench
from scenarios.lab.bounds import Bound, Condition, bounds
from scenarios.lab.campaign import DURATION, ONSET, Campaign
from scenarios.lab.campaign_table import Row
from scenarios.lab.distributions import MILLION
from scenarios.lab.intervals import Estimate
from scenarios.lab.trial import FALSE_RESET, RECOVERED, SERVED, VOID, condition_of

SCHEMA = "fx3loop.sweep/1"
DAY_MS = 86_400_000
MINUTE_MS = 60_000
SERVES = (SERVED, RECOVERED, FALSE_RESET)
MEANINGS = {
    "availability": "share of the time in which data came, over a life or by the rates given",
    "served_share": "share of the watched time in which data came, each run counting alike",
    "recovered": "share of the runs after which it served",
    "undetected": "share of the lasting faults that no level answered and that stayed",
    "false_resets": "share of the runs with a reset in vain: the fault passed sooner, or was legal",
    "mean_recovery_ms": "mean time to serve again, of those that were interrupted and came back",
    "median_recovery_ms": "median of the same",
    "p95_recovery_ms": "19 of 20 are back by then",
    "p99_recovery_ms": "99 of 100 are back by then",
    "worst_recovery_ms": "the longest seen",
    "worst_detection_ms": "the longest seen from the onset to the first answer",
    "mean_downtime_ms": "mean time without data, a run",
}
"""Every metric."""


@dataclass(frozen=True)
class Seen:
    """What the rows of one policy, or of one of its faults, come to.

    Attributes:
        policy: its name.
        verdicts: how many rows ended in each.
        metrics: by their names.
    """

    policy: str
    verdicts: dict[str, int]
    metrics: dict[str, Estimate]


def summarise(campaign: Campaign, rows: Sequence[Row]) -> dict[str, Any]:
    """Return the summary of a table, for `summary.json`.

    Args:
        campaign: which.
        rows: of the whole table.
    """
    policies = []
    by_policy = _grouped(rows, "policy", "firmware")
    points = []
    for policy in campaign.policies:
        for firmware in campaign.firmwares:
            own = by_policy.get((policy.name, firmware), [])
            seen = _seen(campaign, policy, own)
            points.append(_Point(policy.name, firmware, seen))
            policies.append(
                {
                    "policy": policy.name,
                    "digest": policy.digest,
                    "firmware": firmware,
                    "varied": {name: getattr(policy, name) for name in campaign.varied},
                    "runs": len(own),
                    "verdicts": seen.verdicts,
                    "metrics": _metrics(seen),
                    "faults": _faults(campaign, policy, own),
                    "bounds": bounds_of(policy, firmware),
                }
            )
    return {
        "schema": SCHEMA,
        "campaign": campaign.name,
        "digest": campaign.digest,
        "seed": campaign.seed,
        "rows": len(rows),
        "void": sum(row["verdict"] in VOID for row in rows),
        "left_out": list(campaign.left_out),
        "distributions": {name: item.as_dict() for name, item in campaign.distributions.items()},
        "rates": _rates(campaign),
        "life": _life(campaign),
        "meanings": MEANINGS,
        "policies": policies,
        "pareto": _pareto(points),
        "sensitivity": _sensitivity(campaign, rows),
    }


def _grouped(rows: Iterable[Row], *names: str) -> dict[tuple[str, ...], list[Row]]:
    found: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(row[name] for name in names), []).append(row)
    return found


def _metrics(seen: Seen) -> dict[str, dict[str, float | int | None]]:
    return {name: estimate.as_dict() for name, estimate in seen.metrics.items()}


def _faults(campaign: Campaign, policy: Policy, rows: list[Row]) -> dict[str, Any]:
    by_fault = _grouped(rows, "fault")
    found = {}
    for strike in campaign.strikes:
        seen = _seen(campaign, policy, by_fault.get((strike.name,), []))
        condition = condition_of(strike.fault)
        found[strike.name] = {
            "fault": str(strike.fault),
            "condition": None if condition is None else condition.value,
            "verdicts": seen.verdicts,
            "metrics": _metrics(seen),
            **_beside_closed_form(by_fault.get((strike.name,), [])),
        }
    return found


def _beside_closed_form(rows: list[Row]) -> dict[str, Any]:
    """The latest detection that the closed forms allow on any row's bench, and who was later."""
    known = [row for row in rows if row["bound_ms"]]
    later = [
        row
        for row in known
        if row["detection_ms"]
        and float(row["detection_ms"]) > float(row["bound_ms"]) + claims.SLACK_MS
    ]
    return {
        "bound_ms": max((float(row["bound_ms"]) for row in known), default=None),
        "beyond_bound": len(later),
    }


def _seen(campaign: Campaign, policy: Policy, all_rows: list[Row]) -> Seen:
    verdicts = Counter(row["verdict"] for row in all_rows)
    rows = [row for row in all_rows if row["verdict"] not in VOID]
    lasting = [row for row in rows if row["lasting"] == "1"]
    undetected = [row for row in lasting if not row["levels"] and row["verdict"] not in SERVES]
    back = [float(row["recovery_ms"]) for row in rows if row["recovery_ms"] not in ("", "0")]
    detected = [float(row["detection_ms"]) for row in rows if row["detection_ms"]]
    down = [float(row["downtime_ms"]) for row in rows]
    served = [
        1 - min(float(row["downtime_ms"]) / float(row["observed_ms"]), 1.0)
        for row in rows
        if float(row["observed_ms"])
    ]
    metrics = {
        "availability": _availability(campaign, rows),
        "served_share": intervals.mean(served, f"{policy.digest} served"),
        "recovered": intervals.share(sum(row["verdict"] in SERVES for row in rows), len(rows)),
        "undetected": intervals.share(len(undetected), len(lasting)),
        "false_resets": intervals.share(sum(row["false_resets"] != "0" for row in rows), len(rows)),
        "mean_recovery_ms": intervals.mean(back, f"{policy.digest} recovery"),
        "median_recovery_ms": intervals.quantile(back, 0.5),
        "p95_recovery_ms": intervals.quantile(back, 0.95),
        "p99_recovery_ms": intervals.quantile(back, 0.99),
        "worst_recovery_ms": intervals.greatest(back),
        "worst_detection_ms": intervals.greatest(detected),
        "mean_downtime_ms": intervals.mean(down, f"{policy.digest} downtime"),
    }
    return Seen(policy.name, dict(sorted(verdicts.items())), metrics)


def _availability(campaign: Campaign, rows: list[Row]) -> Estimate:
    """Return the share of the time in which data came; nothing where no rate is known."""
    life = campaign.life
    if life is not None:
        days = _grouped(rows, "device")
        shares = [
            1 - min(sum(_lost_ms(campaign, row) for row in own) / (life.days * DAY_MS), 1.0)
            for own in days.values()
        ]
        # A device that nothing befell has no row.
        shares += [1.0] * (life.devices - len(shares))
        return intervals.mean(shares, "availability") if rows else intervals.NOTHING
    by_fault = _grouped(rows, "fault")
    low = value = high = 1.0
    for strike in campaign.strikes:
        own = by_fault.get((strike.name,), [])
        if strike.per_day is None:
            return intervals.NOTHING
        if not own:
            continue
        lost = intervals.mean([float(row["downtime_ms"]) for row in own], strike.name)
        a_day = strike.per_day.millionths / MILLION / DAY_MS
        assert lost.value is not None
        assert lost.low is not None
        assert lost.high is not None
        low, value, high = (
            low - lost.high * a_day,
            value - lost.value * a_day,
            high - lost.low * a_day,
        )
    return Estimate(max(value, 0.0), max(low, 0.0), min(high, 1.0), len(rows))


def _lost_ms(campaign: Campaign, row: Row) -> float:
    repair_ms = 0
    if campaign.life is not None and row["verdict"] not in SERVES:
        repair_ms = campaign.life.repair_min * MINUTE_MS
    return float(row["downtime_ms"]) + repair_ms


def _rates(campaign: Campaign) -> dict[str, dict[str, Any]]:
    return {
        strike.name: {
            "per_day": strike.per_day.millionths / MILLION,
            "source": strike.per_day.source,
        }
        for strike in campaign.strikes
        if strike.per_day is not None
    }


def _life(campaign: Campaign) -> dict[str, Any] | None:
    life = campaign.life
    if life is None:
        return None
    return {item.name: getattr(life, item.name) for item in fields(life)}


# ---------------------------------------------------------------- closed forms


def bounds_of(policy: Policy, firmware: str) -> dict[str, Any]:
    """Return the closed forms of a policy on the nominal bench, for a summary."""
    try:
        forms = bounds(policy, LabBench.of(firmware))
    except InputError:
        return {}
    return {condition.value: _bound(bound) for condition, bound in forms.items()}


def _bound(bound: Bound) -> dict[str, Any]:
    detection = bound.detection
    return {
        "level": bound.level,
        "detection_ns": None
        if detection is None
        else {"low": detection.low_ns, "high": detection.high_ns},
        "survivable_ns": bound.survivable_ns,
        "unseen": bound.unseen,
    }


# ---------------------------------------------------------------- Pareto


@dataclass(frozen=True)
class _Point:
    policy: str
    firmware: str
    seen: Seen

    @property
    def false_resets(self) -> float | None:
        return self.seen.metrics["false_resets"].value

    @property
    def worst_ms(self) -> float:
        """Worst recovery; without end where a run did not recover."""
        if any(name not in (*SERVES, *VOID) for name in self.seen.verdicts):
            return float("inf")
        return self.seen.metrics["worst_recovery_ms"].value or 0.0

    def beats(self, other: _Point) -> bool:
        assert self.false_resets is not None
        assert other.false_resets is not None
        mine, others = (self.false_resets, self.worst_ms), (other.false_resets, other.worst_ms)
        return mine != others and mine[0] <= others[0] and mine[1] <= others[1]


def _pareto(points: list[_Point]) -> list[dict[str, Any]]:
    """Return the policies that none beats in false resets and worst recovery at once."""
    known = [point for point in points if point.false_resets is not None]
    front = [point for point in known if not any(other.beats(point) for other in known)]
    front.sort(key=lambda point: (point.false_resets or 0.0, point.worst_ms))
    return [
        {
            "policy": point.policy,
            "firmware": point.firmware,
            "false_resets": round(point.false_resets or 0.0, intervals.DIGITS),
            "worst_recovery_ms": None
            if point.worst_ms == float("inf")
            else round(point.worst_ms, intervals.DIGITS),
        }
        for point in front
    ]


# ---------------------------------------------------------------- sensitivity


def _sensitivity(campaign: Campaign, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return how the results of each fault go with each parameter, by rank, the strongest first."""
    parameters = (*campaign.varied, ONSET, DURATION, *campaign.drawn)
    by_fault = _grouped((row for row in rows if row["verdict"] not in VOID), "fault")
    found = []
    for (fault,), own in by_fault.items():
        for parameter in parameters:
            for metric, pairs in _pairs(own, parameter).items():
                ones = [one for one, _ in pairs]
                others = [other for _, other in pairs]
                rho = intervals.rank_correlation(ones, others) if pairs else intervals.NOTHING
                if rho.value is not None:
                    entry = {"fault": fault, "parameter": parameter, "metric": metric}
                    found.append({**entry, **rho.as_dict()})
    found.sort(key=lambda item: -abs(float(item["value"] or 0)))
    return found


def _pairs(rows: list[Row], parameter: str) -> dict[str, list[tuple[float, float]]]:
    return {
        "recovery_ms": [
            (float(row[parameter]), float(row["recovery_ms"]))
            for row in rows
            if row["recovery_ms"] not in ("", "0")
        ],
        "false_resets": [(float(row[parameter]), float(row["false_resets"])) for row in rows],
        "downtime_ms": [(float(row[parameter]), float(row["downtime_ms"])) for row in rows],
    }


def conditions_of(campaign: Campaign) -> dict[str, Condition | None]:
    """Return the closed form's condition of each fault of a campaign."""
    return {strike.name: condition_of(strike.fault) for strike in campaign.strikes}
