"""A policy as text: flat TOML in and out, and the digest over it."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

from health.errors import PolicyError
from health.policy_fields import PolicyFields
from health.policy_rules import EXAMPLE_NAME

P = TypeVar("P", bound=PolicyFields)

FILE_MAX_BYTES = 1 << 20
"""A policy takes 3 KiB; a device file that never ends must not be read to its end."""
_TOO_LONG_BYTES = FILE_MAX_BYTES + 1
EXAMPLE = "ep0_limit_ms = 2000"


def nearest(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return up to three names of *known* that resemble *name*, the nearest first."""
    return tuple(get_close_matches(name, list(known), cutoff=0.5))


def read(path: Path) -> str:
    """Return the text of *path*.

    Raises:
        PolicyError: it cannot be read as UTF-8 text, or is too long to be a policy.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_TOO_LONG_BYTES)
        if len(content) == _TOO_LONG_BYTES:
            why = f"the file is no policy: longer than {FILE_MAX_BYTES} bytes"
            raise PolicyError("readable-file", why, source=str(path), example=EXAMPLE)
        return content.decode()
    except OSError as error:
        why = f"the file cannot be read: {error.strerror}"
        raise PolicyError("readable-file", why, source=str(path)) from error
    except UnicodeDecodeError as error:
        why = f"the file is not UTF-8 text: byte {error.start}"
        raise PolicyError("readable-file", why, source=str(path), example=EXAMPLE) from error


def parse(kind: type[P], text: str, source: str) -> P:
    """Return the policy in *text*.

    Args:
        kind: `Policy`.
        text: flat TOML.
        source: the name of the text for errors.

    Raises:
        PolicyError: no TOML, an unknown key, no name, a wrong type or a broken rule.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError("toml", str(error), source=source, example=EXAMPLE) from error
    known = [field.name for field in fields(kind)]
    for key in table:
        if key not in known:
            raise PolicyError(
                "known-key",
                "a policy has no such field",
                key=key,
                source=source,
                nearest=nearest(key, known),
                example=EXAMPLE,
            )
    if "name" not in table:
        raise PolicyError(
            "named", "a policy has a name", key="name", source=source, example=EXAMPLE_NAME
        )
    try:
        return kind(**table)
    except PolicyError as error:
        raise error.located(source) from None


def write(policy: PolicyFields) -> str:
    """Return every field of *policy* as one TOML line, in the order of the fields."""
    return "".join(f"{line}\n" for line in _lines(policy))


def digest(policy: PolicyFields) -> str:
    """Return the SHA-256 over the sorted lines of *policy* without its name, in hex."""
    lines = sorted(line for line in _lines(policy) if not line.startswith("name = "))
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


def _lines(policy: PolicyFields) -> list[str]:
    return [f"{field.name} = {_value(getattr(policy, field.name))}" for field in fields(policy)]


def _value(value: int | bool | str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    # A name is checked to hold nothing that TOML would have to escape.
    return f'"{value}"' if isinstance(value, str) else str(value)
