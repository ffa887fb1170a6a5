"""How a host gets to know a device: each request is really asked of the firmware or the boot ROM.

The order is that of the Linux hub driver (drivers/usb/core/hub.c, config.c, message.c). SET_ADDRESS
is missing: the device's hardware answers it without the firmware.
"""

from __future__ import annotations

from collections.abc import Callable

from simpy.events import Event

from hw.protocol import (
    CONFIGURATION_VALUE,
    LANGUAGE_ID,
    STANDARD_DEVICE_IN,
    STANDARD_DEVICE_OUT,
    STRING_INDEX_MANUFACTURER,
    STRING_INDEX_PRODUCT,
    STRING_INDEX_SERIAL,
    DescriptorType,
    StandardRequest,
)
from sim.chip.hardware import UsbFunction
from sim.chip.usb import DONE, PENDING, ControlTransfer, Setup, TransferStatus
from sim.host.device import Descriptors
from sim.kernel import World
from sim.options import Options

DEVICE_BYTES = 18
CONFIGURATION_BYTES = 9
BOS_BYTES = 5
"""Of the headers alone, which say how long the whole is."""
STRING_BYTES = 255
BCD_USB_WITH_BOS = 0x0201
"""Hosts ask for a BOS from this bcdUSB on (USB 2.0 ECN: link power management)."""
DESCRIPTOR_TRIES = 3
"""drivers/usb/core/message.c, usb_get_descriptor: again after an error, an empty reply or one of
another type, not after a time-out."""
SYSTEM_EXIT_LATENCY = bytes(6)
"""Data of SET_SEL; the firmware does not look at it."""
SET_CONFIGURATION = Setup(
    STANDARD_DEVICE_OUT, StandardRequest.SET_CONFIGURATION, CONFIGURATION_VALUE, 0, 0
)


class EnumerationFailed(Exception):
    """The device did not answer what it has to; the text is the kernel's."""


class Enumeration:
    """One attempt, in a task of the host.

    Args:
        world: the clock.
        options: the bench's knobs.
        function: what hangs on the cable.
        tell: called with each request before it is sent, or None.

    Attributes:
        abandoned: the device left meanwhile.
        ended: event that triggers when it is over in any way.
    """

    def __init__(
        self,
        world: World,
        options: Options,
        function: UsbFunction,
        tell: Callable[[ControlTransfer], None] | None = None,
    ) -> None:
        self.world = world
        self.options = options
        self.function = function
        self.abandoned = False
        self.ended = Event(world)
        self._transfer: ControlTransfer | None = None
        self._tell = tell

    def abandon(self) -> None:
        """The device left: what is asked now ends, and nothing more is asked."""
        self.abandoned = True
        if self._transfer is not None:
            self._transfer.end(TransferStatus.NO_DEVICE)

    def read(self) -> Descriptors:
        """Read the descriptors.

        Raises:
            EnumerationFailed: when the device or its configuration cannot be known.
        """
        if self.function.super_speed:
            self._ask(STANDARD_DEVICE_OUT, StandardRequest.SET_ISOCH_DELAY)
        device = self._descriptor(DescriptorType.DEVICE, 0, DEVICE_BYTES)
        if device is None or len(device) < DEVICE_BYTES:
            raise EnumerationFailed("device descriptor read error")
        bos = b""
        if int.from_bytes(device[2:4], "little") >= BCD_USB_WITH_BOS:
            bos = self._whole(DescriptorType.BOS, BOS_BYTES) or b""
        configuration = self._whole(DescriptorType.CONFIGURATION, CONFIGURATION_BYTES)
        if configuration is None:
            raise EnumerationFailed("unable to read config index 0 descriptor")
        strings = self._strings()
        if self.function.super_speed:
            self._ask(STANDARD_DEVICE_OUT, StandardRequest.SET_SEL, data=SYSTEM_EXIT_LATENCY)
        return Descriptors(device, configuration, bos, strings)

    def configure(self) -> None:
        """SET_CONFIGURATION: the firmware starts its application before it acknowledges.

        Raises:
            EnumerationFailed: when it does not.
        """
        if self._carry(ControlTransfer(self.world, SET_CONFIGURATION)).status is not DONE:
            raise EnumerationFailed("device not accepting its configuration")

    def _strings(self) -> dict[int, bytes]:
        """The strings that answer; the kernel does without those that do not."""
        wanted = (0, STRING_INDEX_PRODUCT, STRING_INDEX_MANUFACTURER, STRING_INDEX_SERIAL)
        strings: dict[int, bytes] = {}
        for index in wanted:
            language = LANGUAGE_ID if index else 0
            string = self._descriptor(DescriptorType.STRING, index, STRING_BYTES, language)
            if string is not None:
                strings[index] = string
        return strings

    def _whole(self, kind: DescriptorType, header_bytes: int) -> bytes | None:
        """A descriptor whose header says at byte 2 how long it is with all that follows."""
        header = self._descriptor(kind, 0, header_bytes)
        if header is None or len(header) < header_bytes:
            return None
        length = int.from_bytes(header[2:4], "little")
        whole = self._descriptor(kind, 0, length)
        return None if whole is None or len(whole) < length else whole

    def _descriptor(
        self, kind: DescriptorType, index: int, length: int, language: int = 0
    ) -> bytes | None:
        value = kind << 8 | index
        setup = Setup(STANDARD_DEVICE_IN, StandardRequest.GET_DESCRIPTOR, value, language, length)
        for _ in range(DESCRIPTOR_TRIES):
            transfer = self._carry(ControlTransfer(self.world, setup))
            if transfer.status is DONE and transfer.reply[1:2] == bytes((kind,)):
                return transfer.reply
            if transfer.status is TransferStatus.CANCELLED:
                break
        return None

    def _ask(self, kind: int, request: StandardRequest, data: bytes = b"") -> None:
        self._carry(ControlTransfer(self.world, Setup(kind, request, 0, 0, len(data)), data))

    def _carry(self, transfer: ControlTransfer) -> ControlTransfer:
        if self.abandoned:
            transfer.end(TransferStatus.NO_DEVICE)
            return transfer
        self._transfer = transfer
        if self._tell is not None:
            self._tell(transfer)
        self.function.control(transfer)
        self.world.wait(transfer.ended, self.options.enumeration_timeout_ms * 1_000_000)
        if transfer.status is PENDING:
            transfer.end(TransferStatus.CANCELLED)
        return transfer
