"""The two names of one connector: its port on the USB 2 bus, and its port on the USB 3 bus.

A USB 3 host controller shows two root hubs, and they need not number their ports alike: what is
port 1 of bus 2 at SuperSpeed may be port 5 of bus 1 at high speed. The FX3's boot ROM is a high
speed device and its application a SuperSpeed one, so the device changes from one to the other.
Linux knows which ports belong together and says so by a link.

Source: Linux, Documentation/ABI/testing/sysfs-bus-usb, ``<hub>:1.0/<hub>-port<X>/peer``.
"""

import re
from pathlib import Path
from typing import TypeAlias

SYSFS = Path("/sys/bus/usb/devices")

Port: TypeAlias = tuple[int, tuple[int, ...]]
"""Bus number, and the port path from its root hub."""

_PORT_NAME = re.compile(r"(?:usb(\d+)|(\d+)-([\d.]+))-port(\d+)")


def label(port: Port) -> str:
    """The name of a port as the kernel writes that of the device on it, such as ``2-1.4``."""
    bus, path = port
    return f"{bus}-{'.'.join(map(str, path))}"


def parse(text: str) -> Port | None:
    """Return the port that such a name means, or None where it is none."""
    bus, dash, path = text.partition("-")
    numbers = [bus, *path.split(".")]
    if not dash or not all(item.isascii() and item.isdigit() for item in numbers):
        return None
    return int(bus), tuple(map(int, numbers[1:]))


def serial_at(port: Port) -> str | None:
    """Return the serial number that the system read at a port, or ``None`` where nobody tells.

    Args:
        port: bus and port path, such as ``(2, (1, 4))``.

    Source: Linux ``drivers/usb/core/sysfs.c``: the string that was cached at the enumeration.
    """
    try:
        text = (SYSFS / label(port) / "serial").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    return text.rstrip("\n") or None


def folder_of(port: Port, sysfs: Path | None = None) -> Path:
    """Return where Linux tells about a port of a hub.

    Args:
        port: bus and port path, such as ``(2, (1, 4))``.
        sysfs: what to take for ``/sys/bus/usb/devices``.
    """
    bus, path = port
    hub = f"{bus}-{'.'.join(map(str, path[:-1]))}" if path[1:] else f"usb{bus}"
    interface = f"{hub}:1.0" if path[1:] else f"{bus}-0:1.0"
    return (sysfs or SYSFS) / hub / interface / f"{hub}-port{path[-1]}"


def peer_of(port: Port, sysfs: Path | None = None) -> Port | None:
    """Return the other name of a port, or ``None`` where there is none or nobody tells.

    Args:
        port: bus and port path, such as ``(2, (1, 4))``.
        sysfs: what to take for ``/sys/bus/usb/devices``.
    """
    try:
        found = _PORT_NAME.fullmatch((folder_of(port, sysfs) / "peer").readlink().name)
    except OSError:
        # No Linux, no such hub, or a port of one speed alone.
        return None
    if found is None:
        return None
    root, hub_bus, hub_path, number = found.groups()
    above = tuple(map(int, hub_path.split("."))) if hub_path else ()
    return int(root or hub_bus), (*above, int(number))
