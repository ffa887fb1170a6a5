"""What a supervisor remembers of its resets: the device forgets everything with each of them.

One small JSON file. An action is written down, with its reason, before it is taken, so that a
supervisor or a host that dies in the middle of it finds it there: begun, and never ended. The file
is replaced as a whole; after a crash at any point it is the old one or the new one.

Source: memfault-firmware-sdk, ``mark_reset_imminent``: the reason is stored before the reset.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

from hw.guard.place import atomic_write

SCHEMA: Final = "fx3loop.supervisor/1"
FILE_NAME: Final = "supervisor.json"
KEPT: Final = 64
"""Actions that are kept one by one; older ones stay in the counts alone."""
REASONS_KEPT: Final = 64
OTHER: Final = "other"
"""The count of reasons past the first so many: the file stays small whatever happens."""
BEGUN: Final = "BEGUN"
DIED: Final = "DIED"
"""Outcome of what was begun by a supervisor that never ended it."""
UPLOAD: Final = "upload"

Write = Callable[[Path, bytes], None]


class MemoryDamaged(Exception):
    """A file is no memory of a supervisor; the message is one line."""


@dataclass(frozen=True, slots=True)
class Action:
    """Something that was done to the device.

    Attributes:
        at_s: when it was begun, UTC in s since 1970.
        what: ``level-1`` to ``level-4``, or ``upload`` to a device found in its boot ROM.
        reason: the status that it answered, or what was found.
        outcome: ``BEGUN`` until it ended, ``DIED`` when nobody ended it, else the outcome's name.
    """

    at_s: int
    what: str
    reason: str
    outcome: str = BEGUN


class Memory:
    """The memory of one supervisor, in a file or in nothing but memory.

    Args:
        path: the file, or ``None`` for a world.
        write: writes a file so that a crash leaves the old or the new one.

    Attributes:
        actions: the latest, the oldest first.
        counts: how often each thing was done for each reason, ``level-4 EP0_WEDGED`` for example.
        was_cut_short: an action that an earlier supervisor had begun and did not end, or None.
    """

    def __init__(self, path: Path | None = None, write: Write = atomic_write) -> None:
        self.actions: tuple[Action, ...] = ()
        self.counts: dict[str, int] = {}
        self.was_cut_short: Action | None = None
        self._path = path
        self._write = write

    @classmethod
    def open(cls, path: Path, write: Write = atomic_write) -> Self:
        """Return the memory in a file; an empty one where there is no file.

        Args:
            path: the file.
            write: as for the class.

        Raises:
            MemoryDamaged: the file is no memory, so nothing in it is believed.
            OSError: it cannot be read.
        """
        memory = cls(path, write)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return memory
        memory.actions, memory.counts = _parsed(content, path)
        if memory.actions and memory.actions[-1].outcome == BEGUN:
            memory.was_cut_short = memory.actions[-1]
            memory._end_last(DIED)
            memory._save()
        return memory

    @property
    def resets_s(self) -> tuple[int, ...]:
        """When the device lost its firmware, or was given it again: level 4 and uploads."""
        return tuple(item.at_s for item in self.actions if item.what in ("level-4", UPLOAD))

    def begin(self, at_s: int, what: str, reason: str) -> None:
        """Write down what is about to be done; it may be done once this has returned.

        Args:
            at_s: the time, UTC in s since 1970.
            what: see :class:`Action`.
            reason: in a word.

        Raises:
            OSError: it could not be written, so it must not be done.
        """
        before = self.actions, self.counts
        self.actions = (*self.actions, Action(at_s, what, reason))[-KEPT:]
        name = f"{what} {reason}"
        if name not in self.counts and len(self.counts) >= REASONS_KEPT:
            name = OTHER
        self.counts = {**self.counts, name: self.counts.get(name, 0) + 1}
        try:
            self._save()
        except OSError:
            self.actions, self.counts = before
            raise

    def end(self, outcome: str) -> None:
        """Write down how it ended.

        Raises:
            OSError: it could not be written; the next supervisor will take it for cut short.
        """
        self._end_last(outcome)
        self._save()

    def _end_last(self, outcome: str) -> None:
        if self.actions:
            self.actions = (*self.actions[:-1], replace(self.actions[-1], outcome=outcome))

    def as_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {
            "schema": SCHEMA,
            "counts": dict(sorted(self.counts.items())),
            "actions": [asdict(action) for action in self.actions],
        }

    def _save(self) -> None:
        if self._path is not None:
            self._write(self._path, (json.dumps(self.as_dict(), indent=1) + "\n").encode())


def _parsed(content: bytes, path: Path) -> tuple[tuple[Action, ...], dict[str, int]]:
    try:
        document = json.loads(content)
    except ValueError as error:
        raise _damaged(path, f"no JSON ({error})") from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise _damaged(path, f"its schema is not {SCHEMA}")
    try:
        actions = tuple(Action(**item) for item in document["actions"])
        counts = dict(document["counts"])
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(path, "actions or counts are missing or wrong") from error
    whole = all(
        type(item.at_s) is int
        and all(isinstance(text, str) for text in (item.what, item.reason, item.outcome))
        for item in actions
    ) and all(type(count) is int for count in counts.values())
    if not whole:
        raise _damaged(path, "a value has the wrong type")
    return actions[-KEPT:], counts


def _damaged(path: Path, what: str) -> MemoryDamaged:
    return MemoryDamaged(
        f"{path}: {what}; it is no memory of a supervisor: move it away to begin a new one"
    )


def set_aside(path: Path) -> Path:
    """Move a damaged file out of the way, over an older one, and return where it is now.

    Raises:
        OSError: it cannot be moved.
    """
    return path.replace(path.with_name(f"{path.name}.damaged"))
