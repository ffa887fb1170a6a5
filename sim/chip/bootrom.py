"""The boot ROM: enumerates, serves RAM writes, read-back and the jump, and nothing else.

Source: AN76405 and the TRM's boot chapter: vendor request 0xA0 alone; OUT writes at value +
(index << 16), IN reads back, OUT without data jumps; at most 4096 bytes each; others stall. High
speed at most. Its strings are from a public kernel log.
"""

from __future__ import annotations

from collections.abc import Callable

from hw.protocol import (
    BOOT_CONFIGURATION_DESCRIPTOR,
    BOOT_DEVICE_DESCRIPTOR,
    BOOT_STRINGS,
    BOOT_TRANSFER_BYTES,
    RECIPIENT_DEVICE,
    RECIPIENT_MASK,
    STRING_LANGUAGES,
    TYPE_MASK,
    TYPE_STANDARD,
    TYPE_VENDOR,
    DescriptorType,
    Request,
    StandardRequest,
)
from sim.chip.usb import DONE, BusSignal, ControlTransfer, TransferStatus

RAM_BASE = 0x4000_0000
RAM_BYTES = 512 * 1024
INSTRUCTION_RAM_BASE = 0x0000_0000
INSTRUCTION_RAM_BYTES = 16 * 1024
"""I-TCM: an image's exception vectors and handlers, from 0x100 on (TRM memory map; elf2img leaves
the vectors themselves out)."""
DATA_RAM_BASE = 0x1000_0000
DATA_RAM_BYTES = 8 * 1024
"""D-TCM (TRM memory map)."""
HIGH_SPEED_BYTE_NS = 25
"""About 40 MB/s for control data at high speed."""


class Memory:
    """One memory of the chip; what was never written reads zero.

    Args:
        base: its first address.
        size_bytes: its length.
    """

    def __init__(self, base: int, size_bytes: int) -> None:
        self.base = base
        self.end = base + size_bytes
        self.data = bytearray()
        """What was written so far; all behind it is zero."""

    def holds(self, address: int, length: int) -> bool:
        """Whether all of these bytes lie in it."""
        return self.base <= address and address + length <= self.end

    def read(self, address: int, length: int) -> bytes:
        """Read bytes that it holds."""
        start = address - self.base
        return bytes(self.data[start : start + length]).ljust(length, b"\0")

    def write(self, address: int, data: bytes) -> None:
        """Write bytes that it holds."""
        start = address - self.base
        end = start + len(data)
        if end > len(self.data):
            self.data.extend(bytes(end - len(self.data)))
        self.data[start:end] = data


def _string(text: str) -> bytes:
    return bytes([2 + 2 * len(text), DescriptorType.STRING]) + text.encode("utf-16-le")


DESCRIPTORS: dict[tuple[int, int], bytes] = {
    (DescriptorType.DEVICE, 0): BOOT_DEVICE_DESCRIPTOR,
    (DescriptorType.CONFIGURATION, 0): BOOT_CONFIGURATION_DESCRIPTOR,
    (DescriptorType.STRING, 0): STRING_LANGUAGES,
    **{
        (DescriptorType.STRING, index): _string(text)
        for index, text in enumerate(BOOT_STRINGS, start=1)
    },
}
"""What GET_DESCRIPTOR finds; bcdUSB 2.00 has no BOS."""


class BootRom:
    """One stay in the ROM: memories start from zero, as after every reset of this chip.

    Args:
        jump: called with the RAM and the entry address when the host says so.
        status_ns: from the status stage to the host's return.

    Attributes:
        configuration: what SET_CONFIGURATION set.
    """

    def __init__(self, jump: Callable[[bytearray, int], None], status_ns: int) -> None:
        self.jump = jump
        self.status_ns = status_ns
        self.configuration = 0
        self.system_ram = Memory(RAM_BASE, RAM_BYTES)
        self.instruction_ram = Memory(INSTRUCTION_RAM_BASE, INSTRUCTION_RAM_BYTES)
        self.data_ram = Memory(DATA_RAM_BASE, DATA_RAM_BYTES)

    def signal(self, signal: BusSignal) -> None:
        """What the port does: a bus reset takes the configuration, RAM stays."""
        if signal is BusSignal.RESET:
            self.configuration = 0

    def control(self, transfer: ControlTransfer) -> None:
        """Answer one control request; the ROM has no threads and never hangs."""
        setup = transfer.setup
        kind = setup.request_type & TYPE_MASK
        if kind == TYPE_VENDOR and setup.request == Request.RAM_ACCESS:
            served = self._access(transfer)
        else:
            served = kind == TYPE_STANDARD and self._standard(transfer)
        if not served:
            transfer.end(TransferStatus.STALLED, after_ns=self.status_ns)

    # ------------------------------------------------------------ RAM

    def _access(self, transfer: ControlTransfer) -> bool:
        """Write, read back or jump; the entry address is not checked."""
        setup = transfer.setup
        address = setup.value | setup.index << 16
        if not setup.length and not transfer.is_in:
            transfer.end(DONE, after_ns=self.status_ns)
            self.jump(self.system_ram.data, address)
            return True
        memory = self._memory(address, setup.length)
        if memory is None or setup.length > BOOT_TRANSFER_BYTES:
            return False
        after_ns = self.status_ns + setup.length * HIGH_SPEED_BYTE_NS
        if transfer.is_in:
            transfer.end(DONE, memory.read(address, setup.length), after_ns)
        else:
            memory.write(address, transfer.data)
            transfer.end(DONE, after_ns=after_ns)
        return True

    def _memory(self, address: int, length: int) -> Memory | None:
        for memory in (self.system_ram, self.instruction_ram, self.data_ram):
            if memory.holds(address, length):
                return memory
        return None

    # ------------------------------------------------------------ enumeration

    def _standard(self, transfer: ControlTransfer) -> bool:
        """The requests of an enumeration, each with its one right answer."""
        setup = transfer.setup
        if setup.request == StandardRequest.GET_DESCRIPTOR:
            return self._reply(transfer, DESCRIPTORS.get((setup.value >> 8, setup.value & 0xFF)))
        if setup.request == StandardRequest.GET_STATUS:
            return self._reply(transfer, b"\x00\x00")
        if setup.request_type & RECIPIENT_MASK != RECIPIENT_DEVICE:
            return False
        if setup.request == StandardRequest.GET_CONFIGURATION:
            return self._reply(transfer, bytes([self.configuration]))
        if setup.request == StandardRequest.SET_CONFIGURATION and setup.value in (0, 1):
            self.configuration = setup.value
            transfer.end(DONE, after_ns=self.status_ns)
            return True
        return False

    def _reply(self, transfer: ControlTransfer, data: bytes | None) -> bool:
        if data is not None:
            transfer.end(DONE, data[: transfer.setup.length], self.status_ns)
        return data is not None
