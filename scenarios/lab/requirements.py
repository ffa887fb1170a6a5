"""What a policy has to do, as a line of text; which policy does it, or what is in the way.

Closed forms rule candidates out, simulation confirms what is left: first the policies of the
campaign, then variations of the first of them in watchdog period, pet interval and handler limits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from typing import Any

from health import Policy
from health.errors import PolicyError
from scenarios.errors import InputError, not_known
from scenarios.lab import trial as trials
from scenarios.lab.bench import LabBench
from scenarios.lab.bounds import MILLISECOND_NS, Bound, Condition, bounds
from scenarios.lab.campaign import Campaign, lasting_for
from scenarios.lab.campaign_run import Engine, results
from scenarios.lab.campaign_summary import conditions_of, summarise
from scenarios.lab.campaign_table import row_of
from scenarios.lab.trial import FALSE_RESET, RECOVERED, SERVED, Outcome, Trial
from sim.faults import Fault
from sim.options import Options

STALL = "stall"
"""Of the main loop: what `main_death` is when it passes."""
EXAMPLES = (
    "recover main_death within 6 s",
    "detect ep0_blocked within 2100 ms",
    "survive stall up to 2.5 s",
    "no false reset",
    "availability at least 99.9 %",
    "undetected at most 1 %",
)
UNITS_NS = {"ms": MILLISECOND_NS, "s": 1_000 * MILLISECOND_NS}
TIMED = re.compile(r"(recover|detect|survive) (\S+) (within|up to) (\d+(?:\.\d+)?) ?(ms|s)")
SHARED = re.compile(r"(availability|undetected) (at least|at most) (\d+(?:\.\d+)?) ?%")
WORDS = {
    "recover": "within",
    "detect": "within",
    "survive": "up to",
    "availability": "at least",
    "undetected": "at most",
}
STRIKES: dict[Condition, tuple[Fault, str]] = {
    Condition.MAIN_DEATH: (Fault("main_hang"), ""),
    Condition.USB_SPIN: (
        Fault("hang", call="usb_flush_ep", thread="usb", during="STOPFX3", manner="spinning"),
        "STOPFX3",
    ),
    Condition.EP0_BLOCKED: (
        Fault("hang", call="usb_flush_ep", thread="usb", during="STOPFX3"),
        "STOPFX3",
    ),
    Condition.USB_EVENT_BLOCKED: (
        Fault("hang", call="gpif_disable", thread="usb"),
        "SET_CONFIGURATION",
    ),
    Condition.STREAM_STALL: (Fault("host_paused"), ""),
    Condition.DMA_ERROR: (Fault("dma_error"), ""),
    Condition.COLD_START: (Fault("cold_start", until="restart"), "STARTFX3"),
}
"""How each condition is made to confirm a proposal."""
PHASES = 24
"""So many onsets over a pet interval confirm a proposal, at both ends of the poll's offset."""
PHASES_SLOW = 4
"""Of a DMA error, whose runs count thousands of PIB errors."""
PERIODS_MS = range(1_000, 20_001, 250)
PETS_MS = range(250, 10_001, 250)
LIMITS_MS = (500, 750, 1_000, 1_250, 1_500, 1_750, 2_000, 2_500, 3_000)
CONFIRMED_MAX = 6
"""So many candidates are simulated before the search gives up."""
FULL = Fraction(100)


@dataclass(frozen=True)
class Requirement:
    """One.

    Attributes:
        text: as it was given.
        kind: a key of :data:`WORDS`, or ``false_resets``.
        target: the fault's name as given; empty where there is none.
        condition: of the closed forms, or None.
        strike: number of the campaign's fault, or None.
        limit_ns: the time.
        percent: the share.
    """

    text: str
    kind: str
    target: str = ""
    condition: Condition | None = None
    strike: int | None = None
    limit_ns: int = 0
    percent: Fraction = FULL


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
        for check in self.checks:
            yield (
                f"{'met' if check.is_met else 'NOT MET':10} {check.requirement.text}: {check.text} "
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


def parse(text: str, campaign: Campaign) -> Requirement:
    """Return the requirement in a text.

    Args:
        text: see :data:`EXAMPLES`.
        campaign: whose faults it may name.

    Raises:
        InputError: it cannot be understood; with the nearest right one.
    """
    plain = " ".join(text.split())
    if plain in ("no false reset", "no false resets"):
        return Requirement(text, "false_resets")
    timed = TIMED.fullmatch(plain)
    if timed is not None and WORDS[timed[1]] == timed[3]:
        limit_ns = int(Fraction(timed[4]) * UNITS_NS[timed[5]])
        condition, strike = _target(timed[2], campaign, timed[1])
        return Requirement(text, timed[1], timed[2], condition, strike, limit_ns)
    shared = SHARED.fullmatch(plain)
    if shared is not None and WORDS[shared[1]] == shared[2]:
        percent = Fraction(shared[3])
        if percent > FULL:
            raise InputError(f"--require {text!r}: {shared[3]} % is more than all")
        if shared[1] == "availability" and not _knows_rates(campaign):
            raise InputError(
                f"--require {text!r}: the campaign does not say how often its faults come, as in "
                f'per_day = 1.0 and source = "assumed" of each fault'
            )
        return Requirement(text, shared[1], percent=percent)
    first = plain.split(" ")[0]
    near = [item for item in EXAMPLES if item.startswith(first)] or list(EXAMPLES)
    raise InputError(f"--require {text!r} cannot be understood; right ones: {'; '.join(near)}")


def _knows_rates(campaign: Campaign) -> bool:
    return campaign.life is not None or all(item.per_day for item in campaign.strikes)


def _target(name: str, campaign: Campaign, kind: str) -> tuple[Condition | None, int | None]:
    names = [item.name for item in campaign.strikes]
    if kind == "survive" and name in (STALL, "main_stall", "main_death"):
        return Condition.MAIN_DEATH, None
    if name in names:
        return conditions_of(campaign)[name], names.index(name)
    if name in [item.value for item in Condition]:
        return Condition(name), None
    known = [*names, *(item.value for item in Condition), *((STALL,) if kind == "survive" else ())]
    raise InputError(f"--require {kind} {name}: {not_known('fault', name, known)}")


# ---------------------------------------------------------------- closed forms


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
    fault, request = _strike_of(requirement, campaign)
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


def _strike_of(requirement: Requirement, campaign: Campaign) -> tuple[Fault, str]:
    if requirement.strike is not None:
        strike = campaign.strikes[requirement.strike]
        fault, request = strike.fault, strike.request
    else:
        assert requirement.condition is not None
        fault, request = STRIKES[requirement.condition]
    if requirement.kind == "survive":
        fault = lasting_for(fault, -(-requirement.limit_ns // MILLISECOND_NS))
    return fault, request


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


# ---------------------------------------------------------------- the proposal


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
    own = _own(campaign, summary, asked)
    varied = [
        _Candidate(policy, None, _closed(policy, campaign, asked))
        for policy in _variations(campaign.policies[0])
    ]
    candidates = [*own, *varied]
    possible = [item for item in candidates if item.is_possible]
    nearest: tuple[Check, ...] = ()
    for candidate in possible[: CONFIRMED_MAX + len(own)]:
        checks = _confirmed(candidate, campaign, asked, worker)
        if all(check.is_met for check in checks):
            return Proposal(candidate.policy, candidate in own, checks, (), len(candidates))
        if _met(checks) > _met(nearest):
            nearest = checks
    return Proposal(
        None, False, nearest or _best(candidates, asked), _in_the_way(candidates, asked, nearest),
        len(candidates),
    )  # fmt: skip


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


def _variations(base: Policy) -> list[Policy]:
    """Return policies around a base, the nearest first."""
    found: list[tuple[int, Policy]] = []
    limits = sorted({base.ep0_limit_ms, *LIMITS_MS}) if base.ep0_limit_ms else [0]
    for period_ms, pet_ms, limit_ms in product(PERIODS_MS, PETS_MS, limits):
        if pet_ms >= period_ms:
            continue
        changes = {
            "hwdt_period_ms": period_ms,
            "pet_interval_ms": pet_ms,
            "ep0_limit_ms": limit_ms,
            "usb_event_limit_ms": limit_ms if base.usb_event_limit_ms else 0,
        }
        distance = sum(abs(value - getattr(base, name)) for name, value in changes.items())
        found.append((distance, changes))  # type: ignore[arg-type]
    found.sort(key=lambda pair: pair[0])
    return list(_allowed(base, [changes for _, changes in found]))  # type: ignore[misc]


def _allowed(base: Policy, changes: Sequence[dict[str, int]]) -> Iterator[Policy]:
    for number, change in enumerate(changes, 1):
        try:
            yield replace(base, name=f"{base.name}-variation-{number}", **change)  # type: ignore[arg-type]
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


METRICS = ("false_resets", "availability", "undetected")


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
    candidates: Sequence[_Candidate], asked: Sequence[Requirement], nearest: Sequence[Check]
) -> tuple[tuple[str, str], ...]:
    """Requirements without which the closed forms leave somebody, each with the nearest."""
    if nearest:
        return tuple(
            (check.requirement.text, "the nearest") for check in nearest if not check.is_met
        )
    found = []
    for item in asked:
        able: Callable[[_Candidate], bool] = lambda candidate, item=item: candidate.meets_but(item)  # type: ignore[misc]  # noqa: E731
        without = next(filter(able, candidates), None)
        if without is not None:
            policy = without.policy
            found.append((item.text, f"{policy.name} ({difference(policy)})"))
    return tuple(found)
