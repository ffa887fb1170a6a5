"""Keeps what tells who somebody is out of reports: identifiers of device and card, addresses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from hw.serial.redact import redact, redact_text

PERSONAL: Final = frozenset(("imei", "imsi", "iccid", "ip", "serial"))
"""Names of facts that are hidden."""
KNOWN_LENGTH: Final = 4
"""A shorter value is hidden in its own place alone: elsewhere it would hide other things."""


@dataclass(frozen=True, slots=True)
class Privacy:
    """Hides the identifiers of one report, wherever they stand in it.

    Attributes:
        known: their values.
        shows: nothing is hidden.
    """

    known: frozenset[str]
    shows: bool = False

    @classmethod
    def of(cls, facts: Iterable[Mapping[str, Any]], *, shows: bool = False) -> Self:
        """Return what hides the identifiers among some facts.

        Args:
            facts: all of the report.
            shows: hide nothing.
        """
        known = {value for item in facts for value in _personal(item)}
        return cls(frozenset(value for value in known if len(value) >= KNOWN_LENGTH), shows)

    def also(self, facts: Mapping[str, Any]) -> Self:
        """Return what hides the identifiers among these facts too."""
        return replace(self, known=self.known | self.of((facts,)).known)

    def text(self, text: str) -> str:
        """Return a text without identifiers."""
        # The longest first: one may be the beginning of another.
        known = sorted(self.known, key=lambda value: (-len(value), value))
        return text if self.shows else redact_text(text, known)

    def facts(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Return facts without identifiers."""
        return {name: self._fact(name, value) for name, value in facts.items()}

    def _fact(self, name: str, value: Any) -> Any:  # noqa: ANN401 - as JSON has it
        if self.shows:
            return value
        if isinstance(value, Mapping):
            return self.facts(value)
        if isinstance(value, list | tuple):
            return [self._fact(name, item) for item in value]
        if not isinstance(value, str):
            return value
        return redact(value) if name in PERSONAL else self.text(value)


def _personal(facts: Mapping[str, Any]) -> Iterable[str]:
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield from _personal(value)
        elif isinstance(value, list | tuple):
            yield from _personal_of_list(name, value)
        elif name in PERSONAL and isinstance(value, str):
            yield value


def _personal_of_list(name: str, values: Iterable[Any]) -> Iterable[str]:
    for value in values:
        if isinstance(value, Mapping):
            yield from _personal(value)
        elif name in PERSONAL and isinstance(value, str):
            yield value
