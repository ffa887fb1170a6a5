"""What is found in a recorded console log: moments on its time line, and their sum."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Source(StrEnum):
    """Who is behind a moment."""

    FIRMWARE = "firmware"
    """The log says that the firmware did it."""
    STATUS = "status"
    """The module saw it, where the policy was asked."""
    POLICY = "policy"
    """The module would have done it."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Something on the log's time line.

    Attributes:
        at_ms: when, from the log's beginning.
        is_inferred: the log has no time there.
        source: who is behind it.
        what: in words.
        line: of the log.
        level: the level that was or would have been applied, or None.
        is_trouble: it is not what a healthy device does.
    """

    at_ms: int
    is_inferred: bool
    source: Source
    what: str
    line: int
    level: int | None = None
    is_trouble: bool = True


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the log tells under one policy.

    Attributes:
        moments: in order.
        entries: how many texts were known.
        duration_ms: from the first to the last of them.
        is_inferred: some times are implied.
    """

    moments: tuple[Moment, ...]
    entries: int
    duration_ms: int
    is_inferred: bool

    @property
    def is_healthy(self) -> bool:
        """Nothing in it is trouble."""
        return not any(moment.is_trouble for moment in self.moments)

    def levels(self, source: Source) -> dict[int, int]:
        """Return how often each level was applied, or would have been, in order of the levels."""
        used = [item.level for item in self.moments if item.source is source and item.level]
        return {level: used.count(level) for level in sorted(set(used))}

    def statuses(self) -> dict[str, int]:
        """Return how often each status began, in order of its first time."""
        names = [item.what for item in self.moments if item.source is Source.STATUS]
        return {name: names.count(name) for name in dict.fromkeys(names) if name != "OK"}
