"""Paths on a module: contained below one folder, and without anything a terminal would act on."""

from __future__ import annotations

import posixpath
import unicodedata
from typing import Final

from hw.serial.errors import ChoiceError

ROOT: Final = "/usr"
"""Where a module keeps the user's files (QuecPython wiki, file system)."""
NAME_BYTES_MAX: Final = 63
"""Assumed; LittleFS allows 255 at most, smaller builds less."""
PATH_BYTES_MAX: Final = 255


def contained(path: str, *, may_be_root: bool = False) -> str:
    """Return a path in its plain form, below :data:`ROOT`.

    Args:
        path: absolute, as the user wrote it.
        may_be_root: the folder itself will do.

    Raises:
        ChoiceError: it leads elsewhere, is the folder itself, or has characters that are no text.
    """
    if any(unicodedata.category(letter)[0] == "C" for letter in path):
        raise ChoiceError(f"path {path!r}", "it holds a control character")
    plain = posixpath.normpath(path)
    if plain == ROOT and not may_be_root:
        raise ChoiceError(f"path {path!r}", f"{ROOT} itself stays; name something in it")
    if plain != ROOT and not plain.startswith(f"{ROOT}/"):
        raise ChoiceError(f"path {path!r}", f"it is not below {ROOT}; try {ROOT}/main.py")
    if len(plain.encode()) > PATH_BYTES_MAX:
        raise ChoiceError(f"path {path[:40]!r}", f"it is longer than {PATH_BYTES_MAX} bytes")
    longest = max(len(name.encode()) for name in plain.split("/"))
    if longest > NAME_BYTES_MAX:
        raise ChoiceError(f"path {path[:40]!r}", f"a name is longer than {NAME_BYTES_MAX} bytes")
    return plain


def child(folder: str, name: str) -> str:
    """Return the path of a new file in a folder.

    Args:
        folder: absolute; the user's folder itself will do.
        name: one name, no path.

    Raises:
        ChoiceError: as :func:`contained`, or the name is a path or none.
    """
    if name in ("", ".", "..") or "/" in name or "\\" in name:
        raise ChoiceError(f"name {name!r}", "it is no file name; try main.py")
    return contained(f"{contained(folder, may_be_root=True)}/{name}")
