"""Locks between processes: advisory, and gone with the process that held them.

A lock file is never deleted, because a lock on a deleted file guards nothing; its content says who
had it last, and counts only while somebody has.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
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
            _lock(descriptor, is_patient=False)
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
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        mode = msvcrt.LK_LOCK if is_patient else msvcrt.LK_NBLCK
        try:
            msvcrt.locking(descriptor, mode, 1)
        except OSError as error:
            raise BlockingIOError(error.errno, error.strerror) from error
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if is_patient else fcntl.LOCK_NB))


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
