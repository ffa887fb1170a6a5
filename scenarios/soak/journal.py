"""The journal of a soak: one JSON line a cycle, there even when the run does not end well."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from scenarios.errors import InputError

SYNC_INTERVAL_LINES = 100


class Journal:
    """A file that grows by one line a cycle, flushed each time.

    A flushed line survives the death of this process. What the death of the machine may cost is
    bounded: the file is synced every 100 lines (each sync takes milliseconds, a simulated cycle
    no more), and at once for a line that nobody may lose: a failure, an abort, the end.

    Args:
        path: appended to; made if it is not there.

    Raises:
        InputError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._unsynced = 0
        try:
            torn = _ends_in_a_torn_line(path)
            self._file = path.open("a", encoding="utf-8")
        except OSError as error:
            raise self._refusal(error) from error
        # Pipes and /dev/null cannot be synced, and need not be.
        self._can_sync = path.is_file()
        if torn:
            self._file.write("\n")

    def write(self, line: dict[str, Any], *, sync: bool = False) -> None:
        """Append a line.

        Args:
            line: what it says.
            sync: have it on the disk before this returns.

        Raises:
            InputError: the disk is full, say; the message names the file.
        """
        self._unsynced += 1
        try:
            self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
            self._file.flush()
            if self._can_sync and (sync or self._unsynced >= SYNC_INTERVAL_LINES):
                os.fsync(self._file.fileno())
                self._unsynced = 0
        except OSError as error:
            raise self._refusal(error) from error

    def close(self) -> None:
        """Close the file; twice is harmless. What could not be written was told by then."""
        with suppress(OSError):
            self._file.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _refusal(self, error: OSError) -> InputError:
        return InputError(f"cannot write the journal {self.path}: {error.strerror or error}")


def _ends_in_a_torn_line(path: Path) -> bool:
    """Return whether an earlier run died in the middle of its last line."""
    if not path.is_file() or path.stat().st_size == 0:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"
