"""The module's file system, in memory: folders are dictionaries, files are bytes."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import TypeAlias

Folder: TypeAlias = "dict[str, bytearray | Folder]"

FOLDER = 0x4000
FILE = 0x8000
"""Types of an entry (MicroPython ``os.ilistdir``)."""
CAPACITY_BYTES = 512 * 1024


def new_files() -> Folder:
    """What a module holds when it comes from the bench."""
    return {
        "usr": {
            "_main.py": bytearray(b"print('application running')\n"),
            "config.json": bytearray(b'{"apn": ""}\n'),
            "lib": {"util.py": bytearray(b"ANSWER = 42\n"), "empty": {}},
        },
        "bak": {},
    }


class FileSystem:
    """Files and folders by absolute path, with the errors that MicroPython raises.

    Args:
        root: what is in it; :func:`new_files` when left out.
        rename_replaces: renaming onto a file replaces it.
        writes: ``normal``, ``flipped``, ``short`` or ``full``, see ``ModemOptions``.
    """

    def __init__(
        self, root: Folder | None = None, *, rename_replaces: bool = True, writes: str = "normal"
    ) -> None:
        self.root = new_files() if root is None else root
        self.here = "/"
        self._rename_replaces = rename_replaces
        self._writes = writes

    def _parts(self, path: str) -> list[str]:
        whole = path if path.startswith("/") else f"{self.here}/{path}"
        parts: list[str] = []
        for part in whole.split("/"):
            if part == "..":
                del parts[-1:]
            elif part not in ("", "."):
                parts.append(part)
        return parts

    def _find(self, path: str) -> bytearray | Folder:
        node: bytearray | Folder = self.root
        for part in self._parts(path):
            if not isinstance(node, dict) or part not in node:
                raise OSError(errno.ENOENT, "ENOENT")
            node = node[part]
        return node

    def _place(self, path: str) -> tuple[Folder, str]:
        *above, name = self._parts(path) or [""]
        folder = self._find("/" + "/".join(above))
        if not name or not isinstance(folder, dict):
            raise OSError(errno.ENOENT, "ENOENT")
        return folder, name

    def folder(self, path: str) -> Folder:
        """Return a folder.

        Raises:
            OSError: there is none.
        """
        found = self._find(path)
        if not isinstance(found, dict):
            raise OSError(errno.ENOTDIR, "ENOTDIR")
        return found

    def content(self, path: str) -> bytearray:
        """Return the bytes of a file.

        Raises:
            OSError: there is none.
        """
        found = self._find(path)
        if isinstance(found, dict):
            raise OSError(errno.EISDIR, "EISDIR")
        return found

    def exists(self, path: str) -> bool:
        """Whether there is a file or folder."""
        try:
            self._find(path)
        except OSError:
            return False
        return True

    def stat(self, path: str) -> tuple[int, ...]:
        """Ten numbers; the first is the type, the seventh the size."""
        found = self._find(path)
        if isinstance(found, dict):
            return (FOLDER, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        return (FILE, 0, 0, 0, 0, 0, len(found), 0, 0, 0)

    def entries(self, path: str) -> Iterator[tuple[str, int, int]]:
        """Name, type and size of all that is in a folder."""
        for name, node in self.folder(path).items():
            if isinstance(node, dict):
                yield name, FOLDER, 0
            else:
                yield name, FILE, len(node)

    def mkdir(self, path: str) -> None:
        """Make a folder; the one above must be there."""
        folder, name = self._place(path)
        if name in folder:
            raise OSError(errno.EEXIST, "EEXIST")
        folder[name] = {}

    def remove(self, path: str) -> None:
        """Remove a file."""
        self.content(path)
        folder, name = self._place(path)
        del folder[name]

    def rmdir(self, path: str) -> None:
        """Remove an empty folder."""
        if self.folder(path):
            raise OSError(errno.ENOTEMPTY, "ENOTEMPTY")
        folder, name = self._place(path)
        del folder[name]

    def rename(self, old: str, new: str) -> None:
        """Give a file or folder a new name."""
        node = self._find(old)
        target, new_name = self._place(new)
        if new_name in target and not (self._rename_replaces and isinstance(node, bytearray)):
            raise OSError(errno.EEXIST, "EEXIST")
        source, old_name = self._place(old)
        del source[old_name]
        target[new_name] = node

    def write(self, path: str, content: bytes) -> None:
        """Keep the content of a file that was closed.

        Raises:
            OSError: the memory is full.
        """
        if self._writes == "full" or self._used() + len(content) > CAPACITY_BYTES:
            raise OSError(errno.ENOSPC, "ENOSPC")
        folder, name = self._place(path)
        kept = bytearray(content)
        if self._writes == "flipped" and kept:
            kept[len(kept) // 2] ^= 1
        if self._writes == "short":
            del kept[-1:]
        folder[name] = kept

    def _used(self) -> int:
        def size(folder: Folder) -> int:
            return sum(
                size(node) if isinstance(node, dict) else len(node) for node in folder.values()
            )

        return size(self.root)
