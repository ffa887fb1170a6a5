"""The errors of this package, under one root."""

from __future__ import annotations

from collections.abc import Sequence


class HealthError(Exception):
    """Root of all errors that the health package raises."""


class PolicyError(HealthError, ValueError):
    """A policy cannot be used. The message is one line; every part of it is a field too.

    Attributes:
        rule: short name of the broken rule.
        why: why the rule exists, or what is wrong.
        values: the offending values, as `name = value`.
        example: a correct setting.
        key: the field at fault; empty if it is none in particular.
        source: the file or text it came from; empty for a policy made in code.
        nearest: the known names nearest to an unknown one.
    """

    def __init__(
        self,
        rule: str,
        why: str,
        values: Sequence[str] = (),
        example: str = "",
        key: str = "",
        source: str = "",
        nearest: Sequence[str] = (),
    ) -> None:
        self.rule = rule
        self.why = why
        self.values = tuple(values)
        self.example = example
        self.key = key
        self.source = source
        self.nearest = tuple(nearest)
        super().__init__(rule, why, self.values, example, key, source, self.nearest)

    def located(self, source: str) -> PolicyError:
        """Return the same error, naming *source* as the place it came from."""
        return PolicyError(
            self.rule, self.why, self.values, self.example, self.key, source, self.nearest
        )

    def __str__(self) -> str:
        place = "".join(f"{part}: " for part in (self.source, self.key) if part)
        values = f" ({', '.join(self.values)})" if self.values else ""
        nearest = f"; nearest: {', '.join(self.nearest)}" if self.nearest else ""
        example = f"; for example {self.example}" if self.example else ""
        return f"{place}{self.rule}: {self.why}{values}{nearest}{example}"
