"""Hubs on the wire: their descriptors, and the class requests that switch a port's power.

Source: USB 2.0 11.23 and 11.24; USB 3.2 10.15 and 10.16, 9.6.2.3 (Container ID).
"""

from typing import Final

HUB_CLASS: Final = 9
HUB_DESCRIPTOR: Final = 0x29
HUB_DESCRIPTOR_SS: Final = 0x2A
"""Descriptor type of a hub at SuperSpeed."""
HUB_DESCRIPTOR_HEAD_BYTES: Final = 9
"""So much of either descriptor is asked for: length, type, ports, characteristics and more."""

HUB_POWER_SWITCHING_MASK: Final = 0x0003
"""Of wHubCharacteristics; 3 means the same as 2 (USB 2.0 table 11-13)."""
HUB_CHARACTERISTICS_GANGED: Final = 0
HUB_CHARACTERISTICS_PER_PORT: Final = 1
HUB_CHARACTERISTICS_NONE: Final = 2

PORT_FEATURE_POWER: Final = 8
PORT_CONNECTION: Final = 0x0001
PORT_ENABLE: Final = 0x0002
PORT_POWER: Final = 0x0100
"""Status bit of a port at USB 2."""
PORT_POWER_SS: Final = 0x0200
"""Status bit of a port at SuperSpeed."""

BOS_CONTAINER_ID: Final = 0x04
"""Device capability that both halves of one hub have in common."""
CONTAINER_ID_BYTES: Final = 16
