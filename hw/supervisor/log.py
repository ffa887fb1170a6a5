"""A supervisor's log: one line an event, for people, for grep and for machines."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeAlias

Fact: TypeAlias = str | int | float | bool | None


class Log:
    """Writes one line for each event.

    Args:
        write: takes a line without its end.
        stamp: the time as text.
        is_json: a JSON object a line instead of ``key=value``.
    """

    def __init__(
        self, write: Callable[[str], None], stamp: Callable[[], str], *, is_json: bool = False
    ) -> None:
        self._write = write
        self._stamp = stamp
        self._is_json = is_json
        self._said: dict[str, dict[str, Fact]] = {}

    def __call__(self, event: str, **facts: Fact) -> None:
        """Write an event.

        Args:
            event: one word, such as ``remedy``.
            facts: what belongs to it, in the order given.
        """
        whole: dict[str, Fact] = {"time": self._stamp(), "event": event, **facts}
        if self._is_json:
            self._write(json.dumps(whole))
        else:
            self._write(" ".join(f"{name}={_value(fact)}" for name, fact in whole.items()))

    def news(self, event: str, **facts: Fact) -> bool:
        """Write an event, unless the last of its kind said the same.

        Returns:
            Whether it was written.
        """
        if self._said.get(event) == facts:
            return False
        self._said[event] = facts
        self(event, **facts)
        return True

    def forget(self, *events: str) -> None:
        """Let these events be news again: what they told of is over."""
        for event in events:
            self._said.pop(event, None)


def _value(fact: Fact) -> str:
    if isinstance(fact, bool):
        return "yes" if fact else "no"
    text = "-" if fact is None else str(fact)
    plain = text and not any(character in text for character in ' "=\n\t')
    # A quoted value reads back as JSON, so nothing in it can break the line.
    return text if plain else json.dumps(text, ensure_ascii=False)


def silent() -> Log:
    """Return a log that writes nothing."""
    return Log(lambda line: None, lambda: "")
