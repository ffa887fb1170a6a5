"""Locks between processes: advisory, and gone with the process that held them."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock of a file for the block; wait for it as long as another has it.

    Raises:
        OSError: the file cannot be made or locked.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _lock(descriptor, is_patient=True)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, *, is_patient: bool) -> None:
    """Lock an open file until it is closed.

    Raises:
        BlockingIOError: another has it, and nobody wanted to wait.
    """
    if sys.platform == "win32":
        mode = msvcrt.LK_LOCK if is_patient else msvcrt.LK_NBLCK
        try:
            msvcrt.locking(descriptor, mode, 1)
        except OSError as error:
            raise BlockingIOError(error.errno, error.strerror) from error
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if is_patient else fcntl.LOCK_NB))


def is_alive(pid: int) -> bool:
    """Return whether there is a process of this number; True where nobody can tell."""
    if sys.platform == "win32":
        # There os.kill ends what it is asked about.
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
