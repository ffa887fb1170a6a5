"""Who has claimed the interface of a device: looked up without touching the device.

Linux binds an interface that a program has claimed to its driver ``usbfs``, and shows that as a
link; an interface without a link is free. Where nothing tells, nobody may act as if it were free.

Source: Linux ``drivers/usb/core/devio.c``, claimintf, and ``driver.c``, usb_driver_claim_interface.
"""

from enum import Enum

from hw import protocol
from hw.ports import SYSFS, label


class Owner(Enum):
    """Who has an interface."""

    NOBODY = "nobody"
    ANOTHER = "another program"
    UNKNOWN = "nobody can tell whom"


def owner_in_sysfs(bus: int, ports: tuple[int, ...]) -> Owner:
    """Return who has interface 0 of the device at a port, as Linux tells it.

    Args:
        bus: bus number.
        ports: port path from its root hub.
    """
    device = label((bus, ports))
    name = f"{device}:{protocol.CONFIGURATION_VALUE}.{protocol.INTERFACE_NUMBER}"
    interface = SYSFS / device / name
    if not interface.is_dir():
        # No Linux, a device that has left, or one without a configuration.
        return Owner.UNKNOWN
    return Owner.ANOTHER if (interface / "driver").is_symlink() else Owner.NOBODY
