"""What every policy must fulfil; checked when one is made."""

from __future__ import annotations

import re
from dataclasses import MISSING, Field, fields
from typing import Any

from health import ladders
from health.errors import PolicyError
from health.levels import Level
from health.policy_fields import PolicyFields

LARGEST = 0x7FFF_FFFF
"""Largest number in a policy: half of the 32-bit time, so that no limit lies beyond all ages."""

LARGEST_DESYNC_LIMIT = 64
"""Time stamps kept for the desync window: a fixed array, made once."""

LARGEST_RING = 254
"""A ring of 255 could not be told from an unknown number of full buffers."""

LARGEST_HWDT_MS = 0xFFFF_FFFF // 33
"""Beyond it the SDK's 33 counts a ms overflow, and it loads the longest period instead."""

EXAMPLE_NAME = 'name = "bench-7"'

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

KINDS = {"str": str, "bool": bool, "int": int}
KIND_WORDS = {"str": "a string", "bool": "true or false", "int": "an integer"}

LIMITS = {
    "ep0_limit_ms": 2000,
    "usb_event_limit_ms": 2000,
    "stream_stall_ms": 300,
    "stream_wedge_ms": 300,
    "cold_start_ms": 500,
    "clock_lost_ms": 300,
    "unknown_ms": 5000,
}
"""The detection limits, each looked at once in a poll, with a common value in ms."""


def check(policy: PolicyFields) -> None:
    """Raise the first rule that *policy* breaks.

    Raises:
        PolicyError: with the rule, the reason, the values and a correct example.
    """
    _check_types(policy)
    _check_periods(policy)
    _check_handlers(policy)
    _check_desync(policy)
    _check_ladders(policy)
    if policy.level_5_enabled:
        _check_pets(policy)
        _check_blocking(policy)


def _broken(
    policy: PolicyFields, rule: str, why: str, example: str, key: str, *others: str
) -> PolicyError:
    """Return the error for a broken rule, with the values of the field and of *others*."""
    values = [f"{name} = {getattr(policy, name)!r}" for name in (key, *others)]
    return PolicyError(rule, why, values=values, example=example, key=key)


def _check_types(policy: PolicyFields) -> None:
    for field in fields(policy):
        value = getattr(policy, field.name)
        kind = str(field.type)
        example = _default_line(field)
        # bool is an int to Python but not to a reader: level_1_cap = true means nothing.
        if type(value) is not KINDS[kind]:
            why = f"must be {KIND_WORDS[kind]}, not {type(value).__name__}"
            raise _broken(policy, "type", why, example, field.name)
        if type(value) is int and not 0 <= value <= LARGEST:
            why = f"must lie in 0 to {LARGEST}, so that 32-bit times stay comparable"
            raise _broken(policy, "range", why, example, field.name)
    if not NAME.fullmatch(policy.name):
        why = "must be 1 to 64 letters, digits, '.', '_' or '-', and begin with a letter or digit"
        raise _broken(policy, "name", why, EXAMPLE_NAME, "name")
    if not 1 <= policy.ring_buffers <= LARGEST_RING:
        why = f"a ring has 1 to {LARGEST_RING} buffers"
        raise _broken(policy, "ring", why, "ring_buffers = 8", "ring_buffers")


def _default_line(field: Field[Any]) -> str:
    """Return a correct line for *field*: its default, which the name alone lacks."""
    if field.default is MISSING:
        return EXAMPLE_NAME
    return f"{field.name} = {field.default}".lower()


def _check_periods(policy: PolicyFields) -> None:
    for name, default_ms in (("poll_interval_ms", 100), ("pet_interval_ms", 1500)):
        if getattr(policy, name) == 0:
            why = "what comes again and again needs a period"
            raise _broken(policy, "period-above-zero", why, f"{name} = {default_ms}", name)
    for name, common_ms in LIMITS.items():
        if 0 < getattr(policy, name) < policy.poll_interval_ms:
            why = "a limit is looked at once in a poll, so a shorter one cannot be kept"
            example = f"{name} = {max(common_ms, policy.poll_interval_ms)}"
            raise _broken(policy, "poll-within-limit", why, example, name, "poll_interval_ms")


def _check_handlers(policy: PolicyFields) -> None:
    if 0 < policy.ep0_limit_ms <= policy.host_control_timeout_ms:
        raise _broken(
            policy,
            "ep0-above-host-timeout",
            "the device would be reset while its host still waits for the answer",
            f"ep0_limit_ms = {2 * policy.host_control_timeout_ms}",
            "ep0_limit_ms",
            "host_control_timeout_ms",
        )
    for name in ("ep0_limit_ms", "usb_event_limit_ms"):
        if 0 < getattr(policy, name) <= policy.longest_handler_ms:
            why = "a legal handler would be taken for a hung one"
            example = f"{name} = {10 * policy.longest_handler_ms}"
            rule = "limit-above-longest-handler"
            raise _broken(policy, rule, why, example, name, "longest_handler_ms")


def _check_desync(policy: PolicyFields) -> None:
    limit = policy.ep0_desync_limit
    if limit > LARGEST_DESYNC_LIMIT:
        why = f"at most {LARGEST_DESYNC_LIMIT} time stamps are kept"
        raise _broken(policy, "desync-limit", why, "ep0_desync_limit = 4", "ep0_desync_limit")
    if (limit == 0) != (policy.ep0_desync_window_ms == 0):
        raise _broken(
            policy,
            "desync-pair",
            "a number of errors and the time they fall into go together, both or none",
            "ep0_desync_limit = 4 with ep0_desync_window_ms = 2000",
            "ep0_desync_window_ms",
            "ep0_desync_limit",
        )


def _check_ladders(policy: PolicyFields) -> None:
    for code, rungs in ladders.LADDERS.items():
        if not rungs:
            continue
        first_name, ceiling_name = ladders.field_names(code)
        first = getattr(policy, first_name)
        ceiling = getattr(policy, ceiling_name)
        example = f"{first_name} = {rungs[0]:d} with {ceiling_name} = {rungs[-1]:d}"
        for name in (first_name, ceiling_name):
            level = getattr(policy, name)
            if level and level not in rungs:
                allowed = ", ".join(f"{rung:d}" for rung in rungs)
                why = f"the remedies for this status are {allowed}, or 0 for none"
                raise _broken(policy, "level-on-ladder", why, example, name)
        if ceiling < first or (ceiling and not first):
            why = "the last level tried cannot lie below the first, nor stand without one"
            rule = "ceiling-above-first"
            raise _broken(policy, rule, why, example, ceiling_name, first_name)


def _check_pets(policy: PolicyFields) -> None:
    if policy.hwdt_period_ms > LARGEST_HWDT_MS:
        why = f"a period above {LARGEST_HWDT_MS} ms overflows the watchdog's 32-bit counter"
        raise _broken(policy, "hwdt-counts", why, "hwdt_period_ms = 5000", "hwdt_period_ms")
    if policy.pet_interval_ms + policy.pet_jitter_ms >= policy.hwdt_period_ms:
        raise _broken(
            policy,
            "pet-below-period",
            "the watchdog would fire before the first pet, however healthy the device",
            "pet_interval_ms = 1500 with hwdt_period_ms = 5000",
            "pet_interval_ms",
            "pet_jitter_ms",
            "hwdt_period_ms",
        )
    if policy.pet_interval_ms <= policy.poll_interval_ms:
        raise _broken(
            policy,
            "pet-above-poll",
            "between two looks of the gate the main loop must beat, or a pet is skipped in health",
            f"pet_interval_ms = {15 * policy.poll_interval_ms}",
            "pet_interval_ms",
            "poll_interval_ms",
        )


def _check_blocking(policy: PolicyFields) -> None:
    for level in (Level.STREAM, Level.EP0, Level.APPLICATION):
        blocked_ms = policy.budget_ms(level) + 2 * policy.poll_interval_ms
        if policy.is_enabled(level) and blocked_ms >= policy.survivable_stall_ms:
            name = f"level_{level:d}_budget_ms"
            raise _broken(
                policy,
                "remedy-below-watchdog",
                f"level {level:d} and two beats block the main loop for {blocked_ms} ms, but from "
                f"{policy.survivable_stall_ms} ms on level 5 may fire inside it",
                f"{name} = 500 with poll_interval_ms = 100 with pet_interval_ms = 1500 "
                "with hwdt_period_ms = 5000",
                name,
                "poll_interval_ms",
                "pet_interval_ms",
                "hwdt_period_ms",
            )
