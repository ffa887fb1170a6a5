"""The few ways in which the journal touches the disk, each a point at which a test can kill it."""

import os
from pathlib import Path

from hw.guard.place import BINARY, sync_folder


class Disk:
    """Files that outlive a crash, as far as the operating system keeps its word."""

    def read(self, path: Path) -> bytes:
        """Return a file's content; nothing when there is no such file.

        Raises:
            OSError: it cannot be read.
        """
        try:
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return b""

    def end_of(self, path: Path) -> tuple[int, bytes]:
        """Return a file's size in bytes and its last byte; none of both when there is no file.

        Raises:
            OSError: it cannot be read.
        """
        try:
            with path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - 1))
                return size, file.read(1)
        except FileNotFoundError:
            return 0, b""

    def append(self, path: Path, data: bytes) -> None:
        """Append to a file, made if need be; when this returns it is on the disk.

        Raises:
            OSError: it could not be written, or only a part of it.
        """
        is_new = not path.exists()
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | BINARY, 0o644)
        try:
            self._write(descriptor, data)
            self._sync(descriptor)
        finally:
            os.close(descriptor)
        if is_new:
            sync_folder(path.parent)

    def replace(self, path: Path, data: bytes) -> None:
        """Replace a file by another: after a crash it is the old one or the new one, whole.

        Raises:
            OSError: it could not be written.
        """
        temporary = path.with_name(f".{path.name}.new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | BINARY, 0o644)
        try:
            self._write(descriptor, data)
            self._sync(descriptor)
        finally:
            os.close(descriptor)
        self._rename(temporary, path)
        sync_folder(path.parent)

    def link(self, path: Path, other: Path) -> None:
        """Give a file a second name, which another file may have had; the first name stays.

        Raises:
            OSError: it could not be linked.
        """
        temporary = other.with_name(f".{other.name}.new")
        temporary.unlink(missing_ok=True)
        os.link(path, temporary)
        self._rename(temporary, other)
        sync_folder(path.parent)

    def _write(self, descriptor: int, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]

    def _sync(self, descriptor: int) -> None:
        os.fsync(descriptor)

    def _rename(self, temporary: Path, path: Path) -> None:
        temporary.replace(path)
