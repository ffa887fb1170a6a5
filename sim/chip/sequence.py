"""The sequence numbers of EP1: two ends count the same packets, each from its own last restart.

A bulk packet carries a number modulo 32 at SuperSpeed (USB 3.2 section 8.4.1), one toggle bit below
it (USB 2.0 section 8.6). A clear-halt makes both ends begin at 0 again: the host's controller on
its own (xHCI section 4.6.8), the device only when its software says so (CyU3PUsbStall with toggle,
cyu3usb.h). Ends that are not in step move no data: seen on hardware, incidents F8 and F10.
"""

from __future__ import annotations

from collections.abc import Callable

from hw.protocol import BULK_PACKET_SS_BYTES

NUMBERS_SS = 32
NUMBERS_USB2 = 2


class SequenceNumbers:
    """Where both ends of an endpoint began to count, in packets since power-on.

    Args:
        packet_bytes: size of a packet, which tells the link's speed.

    Attributes:
        device_restarts: how often the device began anew.
        stale: the endpoint holds a packet that was numbered before the device began anew; it goes
            out first, until a flush drops it (commit 309fb4e; that it is a packet of the ring is
            inferred).
        on_change: called when one end, or the stale packet, has changed.
    """

    __slots__ = ("device_restarts", "device_zero", "host_zero", "numbers", "on_change", "stale")

    def __init__(self, packet_bytes: int) -> None:
        self.numbers = NUMBERS_SS if packet_bytes == BULK_PACKET_SS_BYTES else NUMBERS_USB2
        self.device_zero = 0
        self.host_zero = 0
        self.device_restarts = 0
        self.stale = False
        self.on_change: Callable[[], None] | None = None

    @property
    def in_step(self) -> bool:
        """The next packet has the number that the host expects."""
        return not self.stale and (self.device_zero - self.host_zero) % self.numbers == 0

    def restart_device(self, packet: int, holds_packet: bool) -> None:
        """The device begins anew.

        Args:
            packet: how many have been delivered ever.
            holds_packet: the endpoint has one ready, with its old number.
        """
        self.device_zero = packet
        self.device_restarts += 1
        self.stale = holds_packet
        self._changed()

    def restart_host(self, packet: int) -> None:
        """The host begins anew with the packet of this number."""
        self.host_zero = packet
        self._changed()

    def restart_both(self, packet: int) -> None:
        """Bus reset or SET_CONFIGURATION: both ends begin anew, and nothing is left over."""
        self.device_zero = self.host_zero = packet
        self.stale = False
        self._changed()

    def flush(self) -> None:
        """The device drops what the endpoint holds; what comes next is numbered when it is sent."""
        if self.stale:
            self.stale = False
            self._changed()

    def refuse(self) -> None:
        """The host has refused a packet: neither end has counted it."""
        self.device_zero += 1
        self.host_zero += 1

    def _changed(self) -> None:
        if self.on_change is not None:
            self.on_change()
