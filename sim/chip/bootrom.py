"""The boot ROM: serves RAM writes, read-back and the jump, and nothing else.

Source: AN76405 and the TRM's boot chapter: vendor request 0xA0 alone; OUT writes at value +
(index << 16), IN reads back, OUT without data jumps; at most 4096 bytes each; others stall.
"""

from __future__ import annotations

from collections.abc import Callable

from hw.protocol import BOOT_TRANSFER_BYTES, TYPE_MASK, TYPE_VENDOR, Request
from sim.chip.usb import ControlTransfer, TransferStatus

RAM_BASE = 0x4000_0000
RAM_BYTES = 512 * 1024
HIGH_SPEED_BYTE_NS = 25
"""About 40 MB/s for control data at high speed."""


class BootRom:
    """One stay in the ROM: RAM starts from zero, as after every reset of this chip.

    Args:
        jump: called with the RAM and the entry address when the host says so.
        status_ns: from the status stage to the host's return.
    """

    def __init__(self, jump: Callable[[bytearray, int], None], status_ns: int) -> None:
        self.jump = jump
        self.status_ns = status_ns
        self.ram = bytearray()
        """What was written so far; all behind it is zero."""

    def control(self, transfer: ControlTransfer) -> None:
        """Answer one control request; the ROM has no threads and never hangs."""
        setup = transfer.setup
        vendor = setup.request_type & TYPE_MASK == TYPE_VENDOR
        address = setup.value | setup.index << 16
        start = address - RAM_BASE
        end = start + setup.length
        inside = start >= 0 and end <= RAM_BYTES
        served = vendor and setup.request == Request.RAM_ACCESS and inside
        if not served or setup.length > BOOT_TRANSFER_BYTES:
            transfer.end(TransferStatus.STALLED, after_ns=self.status_ns)
            return
        after_ns = self.status_ns + setup.length * HIGH_SPEED_BYTE_NS
        if transfer.is_in:
            reply = bytes(self.ram[start:end]).ljust(setup.length, b"\0")
            transfer.end(TransferStatus.DONE, reply, after_ns)
            return
        if end > len(self.ram):
            self.ram.extend(bytes(end - len(self.ram)))
        self.ram[start:end] = transfer.data
        transfer.end(TransferStatus.DONE, after_ns=after_ns)
        if not setup.length:
            self.jump(self.ram, address)
