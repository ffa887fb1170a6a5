"""What is legal in a policy but dangerous, said before it meets a device."""

from __future__ import annotations

from typing import NamedTuple

from health.policy_fields import PolicyFields
from health.status import StatusCode

FREQUENT_PET_MS = 1000
"""Pets closer than this come near the 100 ms that stopped streaming after some 900 test cycles."""


class Caution(NamedTuple):
    """One warning about a policy.

    Attributes:
        rule: short name of the rule.
        text: what can happen, in one line.
    """

    rule: str
    text: str


def cautions(policy: PolicyFields) -> tuple[Caution, ...]:
    """Return the cautions for *policy*, in order of the levels they concern."""
    return tuple(
        Caution(rule, text)
        for applies, rule, text in (*_blind_spots(policy), *_handlers(policy), *_watchdog(policy))
        if applies
    )


def _blind_spots(policy: PolicyFields) -> tuple[tuple[bool, str, str], ...]:
    return (
        (
            policy.level_1_enabled and policy.level_1_cap == 0,
            "uncapped-stream",
            "level_1_cap = 0: a host that died without STOPFX3 is answered by level 1 for ever",
        ),
        (
            policy.stream_stall_ms != 0 and policy.cold_start_ms == 0,
            "blind-to-cold-start",
            "cold_start_ms = 0: a stream whose first buffer never comes is not seen",
        ),
        (
            policy.stream_stall_ms != 0 and policy.clock_lost_ms == 0,
            "blind-to-clock",
            "clock_lost_ms = 0: a dead sample clock freezes the stream unseen",
        ),
    )


def _handlers(policy: PolicyFields) -> tuple[tuple[bool, str, str], ...]:
    return (
        (
            policy.ep0_limit_ms == 0 or not policy.ladder(StatusCode.EP0_WEDGED),
            "hung-handler-stays",
            "a blocked setup handler stays: the main loop beats on, so level 5 does not fire",
        ),
        (
            0 < policy.ep0_limit_ms < policy.sdk_data_wait_ms,
            "lazy-host-resets",
            f"ep0_limit_ms = {policy.ep0_limit_ms} lies below sdk_data_wait_ms = "
            f"{policy.sdk_data_wait_ms}: a host that vanishes in a data phase resets the device",
        ),
        (
            policy.ep0_limit_ms != 0 and policy.usb_event_limit_ms == 0,
            "blind-to-usb-events",
            "usb_event_limit_ms = 0: a hang in SET_CONFIGURATION or bus reset is not seen",
        ),
    )


def _watchdog(policy: PolicyFields) -> tuple[tuple[bool, str, str], ...]:
    if not policy.level_5_enabled:
        text = "level_5_enabled = false: a spin in the USB thread, or a dead main loop, is for ever"
        return ((True, "no-watchdog", text),)
    return (
        (
            2 * policy.pet_interval_ms > policy.hwdt_period_ms,
            "one-skipped-pet-is-fatal",
            f"2 x pet_interval_ms = {2 * policy.pet_interval_ms} exceeds hwdt_period_ms = "
            f"{policy.hwdt_period_ms}: a stall that has passed can still reset the device",
        ),
        (
            policy.pet_interval_ms < FREQUENT_PET_MS,
            "frequent-pets",
            f"pet_interval_ms = {policy.pet_interval_ms}: each pet blocks every thread for 100 us, "
            "and pets each 100 ms once stopped streaming",
        ),
    )
