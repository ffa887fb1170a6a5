"""The errors of this package: what a scenario saw go wrong, and what a user got wrong."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from hw.errors import DeviceError, DeviceTimeoutError, NoDeviceError, StalledError

NAMES_MAX = 16
"""More names than these are not listed in an error message."""


class ScenarioError(Exception):
    """Root of all errors that this package raises."""


class Trouble(ScenarioError):
    """A host program saw something that a healthy device does not do.

    Attributes:
        saw: what it saw, in a few words for a table, such as ``no data for 2 s``.
    """

    def __init__(self, saw: str) -> None:
        super().__init__(saw)
        self.saw = saw


class InputError(ScenarioError):
    """Something that was asked for does not exist or cannot be; the message is one line."""


class NotAvailable(ScenarioError):
    """Something outside of this program is missing or does not answer; the message is one line."""


def not_known(what: str, given: str, known: Iterable[str]) -> InputError:
    """Return the error for an unknown name, with the nearest right ones.

    Args:
        what: kind of thing, such as ``scenario``.
        given: what was asked for.
        known: all right names.
    """
    names = list(known)
    near = get_close_matches(given, names, n=2, cutoff=0.4)
    if near:
        return InputError(f"no {what} {given!r}; did you mean {' or '.join(near)}?")
    few = names if len(names) <= NAMES_MAX else [*names[:3], f"and {len(names) - 3} more"]
    return InputError(f"no {what} {given!r}; there are {', '.join(few)}")


def describe(error: DeviceError | Trouble) -> str:
    """Return in a few words what a host sees of an error."""
    if isinstance(error, Trouble):
        return error.saw
    if isinstance(error, DeviceTimeoutError):
        return f"time-out of {error.operation}"
    if isinstance(error, NoDeviceError):
        return "device gone"
    if isinstance(error, StalledError):
        return f"stall of {error.operation}"
    return f"{error.operation} {error.happened}"
