"""Which policy does what is asked, or what is in the way.

Closed forms rule candidates out, simulation confirms what is left: first the policies of the
campaign, then variations of the first of them in watchdog period, pet interval and handler limits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from health import Policy
from health.errors import PolicyError
from scenarios.lab.bench import LabBench
from scenarios.lab.bounds import Condition, bounds
from scenarios.lab.campaign import Campaign
from scenarios.lab.campaign_run import Engine, results
from scenarios.lab.campaign_summary import summarise
from scenarios.lab.campaign_table import row_of
from scenarios.lab.requirement_checks import Check, by_closed_form, by_metrics, by_phases
from scenarios.lab.requirements import Requirement

PERIODS_MS = range(1_000, 20_001, 250)
PETS_MS = range(250, 10_001, 250)
LIMITS_MS = (500, 750, 1_000, 1_250, 1_500, 1_750, 2_000, 2_500, 3_000)
LIMITED = (Condition.EP0_BLOCKED, Condition.USB_EVENT_BLOCKED)
CONFIRMED_MAX = 6
"""So many candidates are simulated before the search gives up."""
METRICS = ("false_resets", "availability", "undetected")


@dataclass(frozen=True)
class Proposal:
    """What came of the requirements.

    Attributes:
        policy: the proposal, or None.
        is_from_campaign: it is one of the campaign's own.
        checks: how it does; without a policy, the best that any candidate does.
        in_the_way: requirements without which another policy would do, each with that policy.
        candidates: how many were looked at.
    """

    policy: Policy | None
    is_from_campaign: bool
    checks: tuple[Check, ...]
    in_the_way: tuple[tuple[str, str], ...]
    candidates: int

    @property
    def is_found(self) -> bool:
        """Whether a policy does it all."""
        return self.policy is not None

    def lines(self) -> Iterator[str]:
        """Yield it in words."""
        if self.policy is not None:
            where = "of this campaign" if self.is_from_campaign else "beyond this campaign"
            yield f"proposal   {self.policy.name}, {where} ({self.candidates} candidates)"
            if not self.is_from_campaign:
                yield f"           {difference(self.policy)}"
        else:
            yield f"proposal   none of {self.candidates} candidates meets all requirements"
        met = "met" if self.is_found else "can be met"
        for check in self.checks:
            yield (
                f"{met if check.is_met else 'NOT MET':10} {check.requirement.text}: {check.text} "
                f"({check.by})"
            )
        for text, name in self.in_the_way:
            yield f"in the way {text}: without it {name} would do"

    def as_dict(self) -> dict[str, Any]:
        """For the summary."""
        policy = self.policy
        return {
            "policy": None if policy is None else policy.name,
            "digest": None if policy is None else policy.digest,
            "toml": None if policy is None else policy.to_toml(),
            "is_from_campaign": self.is_from_campaign,
            "candidates": self.candidates,
            "checks": [
                {
                    "requirement": check.requirement.text,
                    "is_met": check.is_met,
                    "by": check.by,
                    "found": check.text,
                }
                for check in self.checks
            ],
            "in_the_way": [
                {"requirement": text, "policy_without_it": name} for text, name in self.in_the_way
            ],
        }


def difference(policy: Policy) -> str:
    """Return the fields that a variation sets, for people."""
    names = ("hwdt_period_ms", "pet_interval_ms", "ep0_limit_ms", "usb_event_limit_ms")
    return ", ".join(f"{name} = {getattr(policy, name)}" for name in names)


@dataclass(frozen=True)
class _Candidate:
    policy: Policy
    metrics: dict[str, dict[str, Any]] | None
    closed: tuple[Check, ...]

    @property
    def is_possible(self) -> bool:
        return all(check.is_met for check in self.closed)

    def meets_but(self, requirement: Requirement) -> bool:
        """Whether the closed forms rule it out by this requirement alone."""
        return all(check.is_met or check.requirement is requirement for check in self.closed)


def propose(
    campaign: Campaign,
    summary: dict[str, Any],
    asked: Sequence[Requirement],
    engine: Engine | None = None,
) -> Proposal:
    """Return the policy that does what is asked, or what is in the way.

    Args:
        campaign: whose policies come first.
        summary: of its table.
        asked: the requirements.
        engine: who runs the campaign's faults on a variation.
    """
    worker = engine or Engine()
    nearest: tuple[Check, ...] = ()
    nearest_name = ""
    tried = 0
    seen: list[_Candidate] = []
    for candidate in _candidates(campaign, summary, asked):
        seen.append(candidate)
        is_own = candidate.metrics is not None
        if not candidate.is_possible or (tried >= CONFIRMED_MAX and not is_own):
            continue
        tried += not is_own
        checks = _confirmed(candidate, campaign, asked, worker)
        if all(check.is_met for check in checks):
            return Proposal(candidate.policy, is_own, checks, (), len(seen))
        if _met(checks) > _met(nearest):
            nearest, nearest_name = checks, candidate.policy.name
    ways = _in_the_way(seen, asked, nearest, nearest_name)
    return Proposal(None, False, nearest or _best(seen, asked), ways, len(seen))


def _candidates(
    campaign: Campaign, summary: dict[str, Any], asked: Sequence[Requirement]
) -> Iterator[_Candidate]:
    """Yield the campaign's policies, then variations of the first, the nearest first."""
    yield from _own(campaign, summary, asked)
    varies_limits = any(item.condition in LIMITED for item in asked)
    for policy in _variations(campaign.policies[0], varies_limits):
        yield _Candidate(policy, None, _closed(policy, campaign, asked))


def _met(checks: Sequence[Check]) -> int:
    return sum(check.is_met for check in checks)


def _own(
    campaign: Campaign, summary: dict[str, Any], asked: Sequence[Requirement]
) -> list[_Candidate]:
    """The campaign's policies, the one with the fewest false resets first."""
    metrics = {
        item["policy"]: item["metrics"]
        for item in summary["policies"]
        if item["firmware"] == campaign.firmwares[0]
    }
    found = [
        _Candidate(policy, metrics[policy.name], _closed(policy, campaign, asked))
        for policy in campaign.policies
    ]

    def order(item: _Candidate) -> tuple[float, float]:
        assert item.metrics is not None
        values = [item.metrics[name]["value"] for name in ("false_resets", "worst_recovery_ms")]
        return values[0] or 0.0, values[1] or 0.0

    return sorted(found, key=order)


def _closed(policy: Policy, campaign: Campaign, asked: Sequence[Requirement]) -> tuple[Check, ...]:
    forms = bounds(policy, LabBench.of(campaign.firmwares[0]))
    checks = (by_closed_form(item, forms) for item in asked)
    return tuple(check for check in checks if check is not None)


def _variations(base: Policy, varies_limits: bool) -> Iterator[Policy]:
    """Yield policies around a base, the nearest first.

    Args:
        base: what is varied.
        varies_limits: the limits of handlers too, where the base has them.
    """
    limits = LIMITS_MS if varies_limits and base.ep0_limit_ms else (base.ep0_limit_ms,)
    found: list[tuple[int, int, dict[str, int]]] = []
    for period_ms, pet_ms, limit_ms in product(PERIODS_MS, PETS_MS, limits):
        changes = {"hwdt_period_ms": period_ms, "pet_interval_ms": pet_ms, "ep0_limit_ms": limit_ms}
        if varies_limits and base.usb_event_limit_ms:
            changes["usb_event_limit_ms"] = limit_ms
        distance = sum(abs(value - getattr(base, name)) for name, value in changes.items())
        if pet_ms < period_ms:
            found.append((distance, len(found), changes))
    for _, number, changes in sorted(found, key=lambda item: item[:2]):
        chosen: dict[str, Any] = {"name": f"{base.name}-variation-{number}", **changes}
        try:
            yield replace(base, **chosen)
        except PolicyError:
            continue


def _confirmed(
    candidate: _Candidate, campaign: Campaign, asked: Sequence[Requirement], engine: Engine
) -> tuple[Check, ...]:
    metrics = candidate.metrics
    needs_metrics = any(item.kind in METRICS for item in asked)
    if metrics is None and needs_metrics:
        metrics = _metrics_of(candidate.policy, campaign, engine)
    found = []
    for item in asked:
        if item.kind in METRICS:
            assert metrics is not None
            found.append(by_metrics(item, metrics))
        else:
            found.append(by_phases(item, candidate.policy, campaign))
    return tuple(found)


def _metrics_of(policy: Policy, campaign: Campaign, engine: Engine) -> dict[str, dict[str, Any]]:
    """Run the campaign's faults under another policy."""
    alone = replace(campaign, policies=(policy,), varied=())
    rows = [
        row_of(alone, planned, outcome)
        for part in results(alone.jobs(), engine)
        for planned, outcome in part
    ]
    metrics: dict[str, dict[str, Any]] = summarise(alone, rows)["policies"][0]["metrics"]
    return metrics


def _best(candidates: Sequence[_Candidate], asked: Sequence[Requirement]) -> tuple[Check, ...]:
    """The best that any candidate does, requirement by requirement."""
    found = []
    for item in asked:
        checks = [
            check
            for candidate in candidates
            for check in candidate.closed
            if check.requirement is item
        ]
        if checks:
            found.append(min(checks, key=_reached))
    return tuple(found)


def _reached(check: Check) -> float:
    return float("inf") if check.reached is None else check.reached


def _in_the_way(
    candidates: Sequence[_Candidate],
    asked: Sequence[Requirement],
    nearest: Sequence[Check],
    nearest_name: str,
) -> tuple[tuple[str, str], ...]:
    """Requirements without which somebody would do, each with the nearest who would."""
    if nearest:
        return tuple(
            (check.requirement.text, nearest_name) for check in nearest if not check.is_met
        )
    found = []
    for item in asked:
        without = next((one for one in candidates if one.meets_but(item)), None)
        if without is not None:
            policy = without.policy
            found.append((item.text, f"{policy.name} ({difference(policy)})"))
    return tuple(found)
