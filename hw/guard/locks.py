"""Locks between processes: advisory, and gone with the process that held them.

A lock file is never deleted, because a lock on a deleted file guards nothing; its content says who
had it last, and counts only while somebody has.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

from hw.errors import JournalError, LockedError
from hw.guard.place import BINARY, state_dir

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

FOLDER: Final = "locks"
WAIT_S: Final = 5.0
"""A record takes some milliseconds, on a slow disk some hundred."""
_POLL_S: Final = 0.005
_CONTENT_MAX_BYTES: Final = 4096
_LOCKED_BYTE: Final = 1 << 30
"""On Windows a locked byte cannot be read, so it is one behind the content."""


class DeviceLock:
    """The right to work on a device, until it is released or this process ends.

    Args:
        descriptor: the locked file.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    @classmethod
    def take(cls, name: str, folder: Path | None = None) -> Self:
        """Lock a device.

        Args:
            name: of the device, the same for all who could want it, such as ``usb 2-1.4`` or
                ``/dev/ttyUSB2``.
            folder: of the lock files; by default the operator's.

        Raises:
            LockedError: another has it; the message names process and command.
            JournalError: the lock file cannot be written.
        """
        place = folder or state_dir() / FOLDER
        path = place / (re.sub(r"[^\w.-]+", "_", name).strip("_") + ".lock")
        try:
            place.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | BINARY, 0o644)
        except OSError as error:
            raise JournalError("lock", f"{path}: {error.strerror}") from error
        try:
            _lock(descriptor)
            os.ftruncate(descriptor, 0)
            os.lseek(descriptor, 0, os.SEEK_SET)
            os.write(descriptor, _own_content())
        except BlockingIOError as error:
            holder = _holder(descriptor)
            os.close(descriptor)
            raise LockedError("lock", f"{name} is held by {holder}") from error
        except OSError as error:
            os.close(descriptor)
            raise JournalError("lock", f"{path}: {error.strerror}") from error
        return cls(descriptor)

    def release(self) -> None:
        """Give it back; releasing twice is harmless."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


@contextmanager
def exclusive(path: Path, *, limit_s: float = WAIT_S) -> Iterator[None]:
    """Hold the lock of a file for the block; wait a while if another has it.

    Args:
        path: of the lock file.
        limit_s: how long to wait at most: who has it may have been stopped, and never go on.

    Raises:
        TimeoutError: another had it all the time.
        OSError: the file cannot be made or locked.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | BINARY, 0o644)
    try:
        _wait_for_lock(descriptor, limit_s)
        yield
    finally:
        os.close(descriptor)


def _wait_for_lock(descriptor: int, limit_s: float) -> None:
    deadline_s = time.monotonic() + limit_s
    while True:
        try:
            _lock(descriptor)
        except BlockingIOError:
            if time.monotonic() >= deadline_s:
                raise TimeoutError(
                    errno.ETIMEDOUT, f"another process has held the lock for {limit_s:g} s"
                ) from None
            time.sleep(_POLL_S)
        else:
            return


def _lock(descriptor: int) -> None:
    """Lock an open file until it is closed.

    Raises:
        BlockingIOError: another has it.
    """
    if sys.platform == "win32":
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError(error.errno, error.strerror) from error
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _own_content() -> bytes:
    program, *arguments = sys.argv or [""]
    command = shlex.join([Path(program).name or "python", *arguments])
    return json.dumps({"pid": os.getpid(), "command": command}).encode()


def _holder(descriptor: int) -> str:
    try:
        os.lseek(descriptor, 0, os.SEEK_SET)
        content = json.loads(os.read(descriptor, _CONTENT_MAX_BYTES))
        return f"process {content['pid']}, {content['command']}"
    except (ValueError, KeyError, TypeError):
        # It took the lock this very moment and has not written yet.
        return "a process that has not said its name"
