"""The bench's knobs as text: ``name=value``, checked, and back again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, TypeVar

from scenarios.errors import InputError, not_known
from sim.options import Options

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Knobs = TypeVar("Knobs", bound="DataclassInstance")

LARGEST = 60_000
"""Largest duration of a knob in its own unit, where no closer limit is given."""
RANGES = {
    "watchdog_clock_ppm": (-100_000, 100_000),
    "tick_ppm": (-40_000, 40_000),
    "poll_offset_ms": (0, 1_000),
    "i2c_byte_ns": (0, 10_000_000),
    "i2c_conditions_ns": (0, 10_000_000),
    "i2c_read_driver_ns": (0, 10_000_000),
    "vco_min_hz": (1, 1_000_000_000),
    "vco_max_hz": (1, 1_000_000_000),
    "tone_hz": (1, 1_000_000_000),
    "packet_ns": (1_000, 1_000_000),
    "packet_hs_ns": (1_000, 1_000_000),
    "packet_fs_ns": (1_000, 1_000_000),
    "control_setup_ns": (0, 1_000_000_000),
    "control_status_ns": (0, 1_000_000_000),
    "pll_lock_ms": (0, 1_000),
    "stack_free_bytes": (0, 2_048),
    "pib_errors_per_overflow": (1, 16),
    "string_1_tail": (0, 0xFFFF),
    "enumeration_tries": (1, 16),
}
"""Lowest and highest value where 0 to :data:`LARGEST` is not right; the OS tick is off by 4 % at
most (cyu3os.h)."""
CHOICES = {
    "usb_speed": ("super", "high", "full"),
    "clear_halt_handler": ("flush", "stall", "ack", "teardown", "deferred"),
    "hub": ("none", "per-port", "ganged", "fixed", "lying", "deaf", "usb2-only"),
}
"""What an option of words can be."""
WORDS = {"on": True, "yes": True, "true": True, "1": True}
WORDS |= {"off": False, "no": False, "false": False, "0": False}


def parse(texts: tuple[str, ...]) -> Options:
    """Return the bench's options with some of them turned; see :func:`parse_into`."""
    return parse_into(Options(), texts, CHOICES, RANGES)


def parse_into(
    defaults: Knobs,
    texts: tuple[str, ...],
    choices: Mapping[str, tuple[str, ...]],
    ranges: Mapping[str, tuple[int, int]],
) -> Knobs:
    """Return options with some of them turned.

    Args:
        defaults: a dataclass of switches, numbers and words.
        texts: ``name=value`` each; later ones win.
        choices: what an option of words can be.
        ranges: lowest and highest value where 0 to :data:`LARGEST` is not right.

    Raises:
        InputError: no such option, or a value that it cannot have; with a right example.
    """
    known = {item.name: getattr(defaults, item.name) for item in fields(defaults)}
    values: dict[str, bool | int | str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if name not in known:
            raise not_known("option", name, known)
        is_switch = isinstance(known[name], bool)
        example = f"{name}={'off' if is_switch else known[name]}"
        if not equals:
            raise InputError(f"option {name}: a value is missing, for example {example}")
        if is_switch:
            values[name] = _switch(name, value)
        elif name in choices:
            values[name] = _choice(name, value, choices[name])
        else:
            values[name] = _number(name, value, example, ranges.get(name, (0, LARGEST)))
    return replace(defaults, **values)


def changed(options: Options) -> tuple[str, ...]:
    """Return as text what differs from the defaults."""
    defaults = Options()
    return tuple(
        f"{item.name}={as_text(getattr(options, item.name))}"
        for item in fields(Options)
        if getattr(options, item.name) != getattr(defaults, item.name)
    )


def as_text(value: bool | int | str) -> str:
    """Return a value as it is written: on or off, a number, or a word."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


def _switch(name: str, value: str) -> bool:
    if value.lower() not in WORDS:
        raise InputError(f"option {name}: {value!r} is neither on nor off, for example {name}=off")
    return WORDS[value.lower()]


def _choice(name: str, value: str, choices: tuple[str, ...]) -> str:
    if value.lower() not in choices:
        known = ", ".join(choices)
        raise InputError(f"option {name}: {value!r} is none of {known}; use {name}={choices[0]}")
    return value.lower()


def _number(name: str, value: str, example: str, limits: tuple[int, int]) -> int:
    low, high = limits
    try:
        number = int(value)
    except ValueError:
        raise InputError(
            f"option {name}: {value!r} is not a whole number, for example {example}"
        ) from None
    if not low <= number <= high:
        raise InputError(f"option {name}: {number} is not within {low} to {high}")
    return number
