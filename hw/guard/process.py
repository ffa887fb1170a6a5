"""Processes as a journal remembers them: a number alone is given again."""

import os
import sys
from pathlib import Path
from typing import Final, NamedTuple

_PROC: Final = Path("/proc")
_START_FIELD: Final = 19
"""Of the fields after the command's name in parentheses: field 22 of the whole line."""


class Process(NamedTuple):
    """A process of this host.

    Attributes:
        pid: its number.
        started: when it was started, in clock ticks since the boot; 0 where nobody tells.
    """

    pid: int
    started: int = 0


def process_of(pid: int) -> Process:
    """Return a process as it is remembered.

    Source: Linux, Documentation/filesystems/proc.rst, table 1-4, ``start_time``.
    """
    try:
        fields = (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
        return Process(pid, int(fields[_START_FIELD]))
    except (OSError, IndexError, ValueError):
        return Process(pid)


def is_alive(process: Process) -> bool:
    """Return whether a process still runs; True where nobody can tell."""
    if sys.platform == "win32":
        # There os.kill ends what it is asked about.
        return True
    try:
        os.kill(process.pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    now = process_of(process.pid)
    return 0 in (process.started, now.started) or process == now
