"""Codes of the SDK that can be seen from outside: status, errors, states and events.

Source: EZ-USB FX3 SDK 1.3.4 public headers ``cyu3error.h``, ``cyu3pib.h``, ``cyu3usb.h``.
"""

from enum import IntEnum
from typing import Final


class SdkStatus(IntEnum):
    """``CyU3PReturnStatus_t`` values (SDK 1.3.4, ``cyu3error.h``), without the storage block.

    0x60 to 0x7F belong to SD and eMMC storage, which the FX3 on this board does not have.
    """

    SUCCESS = 0x00
    DELETED = 0x01
    BAD_POOL = 0x02
    BAD_POINTER = 0x03
    INVALID_WAIT = 0x04
    BAD_SIZE = 0x05
    BAD_EVENT_GRP = 0x06
    NO_EVENTS = 0x07
    BAD_OPTION = 0x08
    BAD_QUEUE = 0x09
    QUEUE_EMPTY = 0x0A
    QUEUE_FULL = 0x0B
    BAD_SEMAPHORE = 0x0C
    SEMGET_FAILED = 0x0D
    BAD_THREAD = 0x0E
    BAD_PRIORITY = 0x0F
    MEMORY_ERROR = 0x10
    DELETE_FAILED = 0x11
    RESUME_FAILED = 0x12
    INVALID_CALLER = 0x13
    SUSPEND_FAILED = 0x14
    BAD_TIMER = 0x15
    BAD_TICK = 0x16
    ACTIVATE_FAILED = 0x17
    BAD_THRESHOLD = 0x18
    SUSPEND_LIFTED = 0x19
    WAIT_ABORTED = 0x1A
    WAIT_ABORT_FAILED = 0x1B
    BAD_MUTEX = 0x1C
    MUTEX_FAILURE = 0x1D
    MUTEX_PUT_FAILED = 0x1E
    INHERIT_FAILED = 0x1F
    NOT_IDLE = 0x20
    BAD_ARGUMENT = 0x40
    NULL_POINTER = 0x41
    NOT_STARTED = 0x42
    ALREADY_STARTED = 0x43
    NOT_CONFIGURED = 0x44
    TIMEOUT = 0x45
    NOT_SUPPORTED = 0x46
    INVALID_SEQUENCE = 0x47
    ABORTED = 0x48
    DMA_FAILURE = 0x49
    FAILURE = 0x4A
    BAD_INDEX = 0x4B
    BAD_ENUM_METHOD = 0x4C
    INVALID_CONFIGURATION = 0x4D
    CHANNEL_CREATE_FAILED = 0x4E
    CHANNEL_DESTROY_FAILED = 0x4F
    BAD_DESCRIPTOR_TYPE = 0x50
    XFER_CANCELLED = 0x51
    FEATURE_NOT_ENABLED = 0x52
    STALLED = 0x53
    BLOCK_FAILURE = 0x54
    LOST_ARBITRATION = 0x55
    STANDBY_FAILED = 0x56
    NO_REENUM_REQUIRED = 0xFE
    OPERN_DISABLED = 0xFF


class PibError(IntEnum):
    """PIB part of an error code: its low six bits (``cyu3pib.h``)."""

    NONE = 0
    THREAD_0_DIRECTION = 1
    THREAD_1_DIRECTION = 2
    THREAD_2_DIRECTION = 3
    THREAD_3_DIRECTION = 4
    THREAD_0_WRITE_OVERRUN = 5
    THREAD_1_WRITE_OVERRUN = 6
    THREAD_2_WRITE_OVERRUN = 7
    THREAD_3_WRITE_OVERRUN = 8
    THREAD_0_READ_UNDERRUN = 9
    THREAD_1_READ_UNDERRUN = 10
    THREAD_2_READ_UNDERRUN = 11
    THREAD_3_READ_UNDERRUN = 12
    THREAD_0_SOCKET_INACTIVE = 0x12
    THREAD_0_ADAPTER_OVERRUN = 0x13
    THREAD_1_SOCKET_INACTIVE = 0x1A
    THREAD_1_ADAPTER_OVERRUN = 0x1B
    THREAD_2_SOCKET_INACTIVE = 0x22
    THREAD_2_ADAPTER_OVERRUN = 0x23
    THREAD_3_SOCKET_INACTIVE = 0x2A
    THREAD_3_ADAPTER_OVERRUN = 0x2B


class GpifError(IntEnum):
    """GPIF part of an error code: the bits under ``GPIF_ERROR_MASK`` (``cyu3pib.h``)."""

    NONE = 0
    DATA_READ = 0x0C00
    DATA_WRITE = 0x1000
    ADDRESS_READ = 0x1400
    ADDRESS_WRITE = 0x1800
    INVALID_STATE = 0x2000


PIB_ERROR_MASK: Final = 0x003F
GPIF_ERROR_MASK: Final = 0x7C00
OVERRUN_THREAD_0: Final = GpifError.DATA_WRITE | PibError.THREAD_0_WRITE_OVERRUN
"""0x1005: what a host that does not read leaves behind, or 0x1006 on the other thread."""
OVERRUN_THREAD_1: Final = GpifError.DATA_WRITE | PibError.THREAD_1_WRITE_OVERRUN


GPIF_DISABLED: Final = 255
"""GPIF state reported while the block is disabled."""


class GpifState(IntEnum):
    """States of the firmware's GPIF II table, as GETSTATS numbers them."""

    RESET = 0
    IDLE = 1
    TH0_RD = 2
    TH1_RD_LD = 3
    TH0_RD_LD = 4
    TH0_BUSY = 5
    TH1_RD = 6
    TH1_BUSY = 7
    TH1_WAIT = 8
    TH0_WAIT = 9
    DISABLED = GPIF_DISABLED


class UsbEvent(IntEnum):
    """Events that the SDK's USB thread reports to the application (``cyu3usb.h``)."""

    CONNECT = 0
    DISCONNECT = 1
    SUSPEND = 2
    RESUME = 3
    RESET = 4
    SETCONF = 5
    SPEED = 6
    SETINTF = 7
    SET_SEL = 8
    SOF_ITP = 9
    EP0_STAT_CPLT = 10
    VBUS_VALID = 11
    VBUS_REMOVED = 12
    HOST_CONNECT = 13
    HOST_DISCONNECT = 14
    OTG_CHANGE = 15
    OTG_VBUS_CHG = 16
    OTG_SRP = 17
    EP_UNDERRUN = 18
    LNK_RECOVERY = 19
    USB3_LNKFAIL = 20
    SS_COMP_ENTRY = 21
    SS_COMP_EXIT = 22
    RESERVED = 23
    LMP_EXCH_FAIL = 24
