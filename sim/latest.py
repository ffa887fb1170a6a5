"""Lists that a long run cannot make grow without end."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


class Latest(list[T]):
    """The latest items of all that were appended, and how many there were.

    Args:
        keep: how many are kept; the oldest go first.

    Attributes:
        total: how many were ever appended.
    """

    def __init__(self, keep: int) -> None:
        super().__init__()
        self.keep = keep
        self.total = 0

    def append(self, item: T) -> None:
        """Append an item; past ``keep`` of them the oldest is forgotten."""
        super().append(item)
        self.total += 1
        if len(self) > self.keep:
            del self[0]
