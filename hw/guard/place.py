"""Where the guard keeps what has to outlive a crash, and how it is written there."""

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

STATE_VARIABLE: Final = "FX3LOOP_STATE_DIR"
LINUX_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
BINARY: Final = getattr(os, "O_BINARY", 0)
"""Keeps Windows from writing a carriage return with each line feed."""
_DERIVED_STEP_S: Final = 100
"""A derived boot time is rounded: the wall clock is corrected by some seconds now and then."""


def state_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of journal, locks and persisted state; it need not exist yet.

    ``$FX3LOOP_STATE_DIR``, else ``$XDG_STATE_HOME/fx3loop``, else ``~/.local/state/fx3loop``.

    Source: XDG Base Directory Specification 0.8, which has paths that are not absolute ignored.
    """
    own = environ.get(STATE_VARIABLE)
    if own:
        return Path(own).absolute()
    return _base("XDG_STATE_HOME", Path(".local", "state"), environ)


def config_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of what the operator writes: ``$XDG_CONFIG_HOME/fx3loop`` or its default.

    Source: as :func:`state_dir`.
    """
    return _base("XDG_CONFIG_HOME", Path(".config"), environ)


def _base(variable: str, default: Path, environ: Mapping[str, str]) -> Path:
    chosen = Path(environ.get(variable) or "")
    home = chosen if chosen.is_absolute() else Path(environ.get("HOME") or Path.home()) / default
    return home / "fx3loop"


def atomic_write(path: Path, data: bytes) -> None:
    """Write a file so that after a crash at any point it is the old one or the new one, whole.

    Args:
        path: its folder is made if need be.
        data: all of it.

    Raises:
        OSError: it could not be written; the old one stands.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make names that came and went in a folder last; Windows has no such call and needs none."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def boot_id() -> str:
    """Return what names this run of the operating system: another after each boot.

    Linux tells it. Elsewhere it is derived from the time of the boot, rounded to 100 s: a larger
    correction of the wall clock looks like a boot, and two boots in that time like one.

    Source: Linux, Documentation/admin-guide/sysctl/kernel.rst, ``random``.
    """
    try:
        return LINUX_BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        booted_s = time.time() - time.monotonic()
        return f"derived-{round(booted_s / _DERIVED_STEP_S) * _DERIVED_STEP_S}"
