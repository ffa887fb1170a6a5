"""Which program holds a device: as far as Linux lets this user see it.

Source: Linux, Documentation/filesystems/proc.rst (``/proc/<pid>/fd``); usbfs device nodes
``/dev/bus/usb/BBB/DDD``.
"""

from __future__ import annotations

import os
from pathlib import Path

PROC = Path("/proc")


def owners_of(bus: int, address: int, proc: Path = PROC) -> tuple[str, ...]:
    """Return the programs that have a device open, this one left out.

    Args:
        bus: its bus number.
        address: its address there.
        proc: what to take for ``/proc``.

    Returns:
        Each as ``name (process number)``, in order of the numbers; those of other users are seen
        by root alone, and no system but Linux tells.
    """
    node = f"/dev/bus/usb/{bus:03d}/{address:03d}"
    try:
        processes = sorted(int(item.name) for item in proc.iterdir() if item.name.isdecimal())
    except OSError:
        return ()
    return tuple(
        f"{_name(proc / str(process))} ({process})"
        for process in processes
        if process != os.getpid() and _holds(proc / str(process), node)
    )


def _holds(process: Path, node: str) -> bool:
    try:
        links = list((process / "fd").iterdir())
    except OSError:
        return False
    return any(_target(link) == node for link in links)


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text().strip()
    except OSError:
        return "?"
