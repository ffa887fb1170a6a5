"""Values that SDK calls take: the fields of the SDK's structures, with its constants.

Source: SDK 1.3.4 headers cyu3dma.h, cyu3usb.h, cyu3gpio.h.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from hw.protocol import DescriptorType, UsbEvent as UsbEvent


class DmaType(IntEnum):
    """CyU3PDmaType_t, as far as the firmware uses it."""

    AUTO_MANY_TO_ONE = 5


class DmaState(IntEnum):
    """CyU3PDmaState_t."""

    NOT_CONFIGURED = 0
    CONFIGURED = 1
    ACTIVE = 2
    ERROR = 5
    ABORTED = 7


DMA_CB_PROD_EVENT = 8
"""Notification bit: one callback for each buffer that a producer has filled."""


@dataclass(frozen=True, slots=True)
class DmaMultiChannelConfig:
    """CyU3PDmaMultiChannelConfig_t.

    Attributes:
        size_bytes: size of a buffer.
        count: buffers per producer (a many-to-one channel allocates ``count`` for each).
        producers, consumer: socket ids.
        notification: which events call back.
        callback: called in the DMA thread with the number of buffers finished since last time.
        callback_uses_sdk: the callback calls the SDK, so it needs its thread to run in.
    """

    size_bytes: int
    count: int
    producers: tuple[int, int]
    consumer: int
    notification: int
    callback: Callable[[int], None]
    callback_uses_sdk: bool = False


class SetDescriptor(IntEnum):
    """CyU3PUSBSetDescType_t: what CyU3PUsbSetDesc registers."""

    SS_DEVICE = 0
    HS_DEVICE = 1
    DEVICE_QUALIFIER = 2
    FS_CONFIGURATION = 3
    HS_CONFIGURATION = 4
    STRING = 5
    SS_CONFIGURATION = 6
    SS_BOS = 7
    OTG = 8


DESCRIPTOR_TYPES = {
    SetDescriptor.SS_DEVICE: DescriptorType.DEVICE,
    SetDescriptor.HS_DEVICE: DescriptorType.DEVICE,
    SetDescriptor.DEVICE_QUALIFIER: DescriptorType.DEVICE_QUALIFIER,
    SetDescriptor.FS_CONFIGURATION: DescriptorType.CONFIGURATION,
    SetDescriptor.HS_CONFIGURATION: DescriptorType.CONFIGURATION,
    SetDescriptor.STRING: DescriptorType.STRING,
    SetDescriptor.SS_CONFIGURATION: DescriptorType.CONFIGURATION,
    SetDescriptor.SS_BOS: DescriptorType.BOS,
    SetDescriptor.OTG: DescriptorType.OTG,
}
"""The type byte that each descriptor carries."""
STRING_INDEX_MAX = 16
"""CY_U3P_USB_MAX_STRING_DESC_INDEX (cyu3usb.h)."""


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """CyU3PEpConfig_t of a bulk endpoint."""

    enabled: bool
    packet_bytes: int = 1024
    burst_packets: int = 16


@dataclass(frozen=True, slots=True)
class GpioSimpleConfig:
    """CyU3PGpioSimpleConfig_t, without its interrupt mode.

    Attributes:
        out_value: the level that it begins to drive.
        drive_low_enabled, drive_high_enabled: it drives these levels; neither leaves it floating.
        input_enabled: it can be read.
    """

    out_value: bool = False
    drive_low_enabled: bool = False
    drive_high_enabled: bool = False
    input_enabled: bool = False


SetupCallback = Callable[[int, int], bool]
EventCallback = Callable[[UsbEvent, int], None]
