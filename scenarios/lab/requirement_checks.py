"""How a policy does by a requirement: by the closed forms, over all phases, by its own rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from health import Policy
from scenarios.lab import trial as trials
from scenarios.lab.bounds import MILLISECOND_NS, Bound, Condition
from scenarios.lab.campaign import Campaign, lasting_for
from scenarios.lab.requirements import FULL, Requirement, strike_of
from scenarios.lab.trial import FALSE_RESET, RECOVERED, SERVED, Outcome, Trial
from sim.faults import Fault
from sim.options import Options

PHASES = 24
"""So many onsets over a pet interval confirm a proposal, at both ends of the poll's offset."""
PHASES_SLOW = 4
"""Of a DMA error, whose runs count thousands of PIB errors."""


@dataclass(frozen=True)
class Check:
    """How a policy does.

    Attributes:
        requirement: by which measure.
        is_met: whether it is.
        by: ``closed form`` or ``simulation``.
        text: what was found, in words.
        reached: the number behind it, less is better; None where there is none.
    """

    requirement: Requirement
    is_met: bool
    by: str
    text: str
    reached: float | None = None


def by_closed_form(requirement: Requirement, forms: dict[Condition, Bound]) -> Check | None:
    """Return what the closed forms say; None where they say nothing.

    The worst detection they name is reached, so a policy that fails here fails indeed.
    """
    if requirement.condition is None or requirement.kind in ("availability", "undetected"):
        return None
    bound = forms[requirement.condition]
    if requirement.kind == "survive":
        return _survives(requirement, bound)
    if bound.detection is None:
        return Check(requirement, False, "closed form", f"never: {bound.unseen}")
    reached_ns = bound.detection.high_ns - bound.slack_ns
    what = "detected"
    if requirement.kind == "recover" and bound.remedy is not None:
        reached_ns += bound.remedy.low_ns
        what = "at best serves again"
    text = f"{what} after up to {_seconds(reached_ns)}"
    is_met = reached_ns <= requirement.limit_ns
    return Check(requirement, is_met, "closed form", text, float(reached_ns))


def _survives(requirement: Requirement, bound: Bound) -> Check | None:
    if bound.level is None:
        text = f"nothing answers it: {bound.unseen}"
        return Check(requirement, True, "closed form", text, -float("inf"))
    if bound.survivable_ns is None:
        return None
    text = f"survived up to {_seconds(bound.survivable_ns)}"
    is_met = bound.survivable_ns >= requirement.limit_ns
    return Check(requirement, is_met, "closed form", text, -float(bound.survivable_ns))


def _seconds(duration_ns: int) -> str:
    return f"{duration_ns / 1e9:.3f} s"


# ---------------------------------------------------------------- simulation


def by_phases(requirement: Requirement, policy: Policy, campaign: Campaign) -> Check:
    """Run a fault over a pet interval, at both ends of the poll's offset.

    Args:
        requirement: about a fault.
        policy: what decides.
        campaign: whose firmware and fault.
    """
    fault, request = strike_of(requirement, campaign)
    if requirement.kind == "survive":
        fault = lasting_for(fault, -(-requirement.limit_ns // MILLISECOND_NS))
    outcomes = [
        trials.run(
            Trial(
                policy,
                campaign.firmwares[0],
                fault,
                request,
                onset_ms=onset_ms,
                options=replace(Options(), poll_offset_ms=offset_ms),
            )
        )
        for offset_ms in (0, policy.poll_interval_ms - 1)
        for onset_ms in _onsets_ms(policy, fault)
    ]
    if requirement.kind == "survive":
        answered = sum(bool(item.levels) for item in outcomes)
        text = f"answered in {answered} of {len(outcomes)} phases"
        return Check(requirement, not answered, "simulation", text, float(answered))
    reached = [_reached_ns(item, requirement.kind) for item in outcomes]
    if None in reached:
        text = f"never in {reached.count(None)} of {len(outcomes)} phases"
        return Check(requirement, False, "simulation", text)
    worst_ns = max(item for item in reached if item is not None)
    what = "detected" if requirement.kind == "detect" else "serves again"
    text = f"{what} after up to {_seconds(worst_ns)} in {len(outcomes)} phases"
    is_met = worst_ns <= requirement.limit_ns
    return Check(requirement, is_met, "simulation", text, float(worst_ns))


def _reached_ns(outcome: Outcome, kind: str) -> int | None:
    if kind == "detect":
        return outcome.detection_ns
    return outcome.recovery_ns if outcome.verdict in (SERVED, RECOVERED, FALSE_RESET) else None


def _onsets_ms(policy: Policy, fault: Fault) -> list[int]:
    phases = PHASES_SLOW if fault.kind == "dma_error" else PHASES
    interval = policy.pet_interval_ms
    # Just after the look, and just before it, lie the extremes of level 5.
    evenly = {interval * number // phases for number in range(phases)}
    return sorted(evenly | {1, interval - 1})


def by_metrics(requirement: Requirement, metrics: dict[str, dict[str, Any]]) -> Check:
    """Return what a policy's own rows say."""
    name = requirement.kind
    item = metrics[name]
    if item["value"] is None:
        return Check(requirement, False, "simulation", "no run tells")
    text = (
        f"{100 * item['value']:.4g} % ({100 * item['low']:.4g} to {100 * item['high']:.4g} %, "
        f"{item['count']} runs)"
    )
    if name == "false_resets":
        return Check(requirement, item["value"] == 0, "simulation", text, item["value"])
    limit = float(requirement.percent / FULL)
    if name == "availability":
        return Check(requirement, item["low"] >= limit, "simulation", text, -item["low"])
    return Check(requirement, item["high"] <= limit, "simulation", text, item["high"])
