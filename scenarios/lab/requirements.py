"""What a policy has to do, as a line of text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from scenarios.errors import InputError, not_known
from scenarios.lab.bounds import MILLISECOND_NS, Condition
from scenarios.lab.campaign import Campaign
from scenarios.lab.campaign_summary import conditions_of
from sim.faults import KINDS, Fault

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
        found = Requirement(text, timed[1], timed[2], condition, strike, limit_ns)
        kind = strike_of(found, campaign)[0].kind
        if found.kind == "survive" and "for_ms" not in KINDS[kind][1]:
            raise InputError(f"--require {text!r}: {kind} does not pass by itself")
        return found
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
    known = list(dict.fromkeys(known))
    raise InputError(f"--require {kind} {name}: {not_known('fault', name, known)}")


def strike_of(requirement: Requirement, campaign: Campaign) -> tuple[Fault, str]:
    """Return the fault that a requirement is about, and what the host asks for at its onset."""
    if requirement.strike is not None:
        strike = campaign.strikes[requirement.strike]
        return strike.fault, strike.request
    assert requirement.condition is not None
    return STRIKES[requirement.condition]
