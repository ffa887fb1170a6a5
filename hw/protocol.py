"""Wire facts of the RX888mk2 firmware, its boot ROM and its SDK. No behaviour, no dependency.

Everything here is visible on the bus or in a status word: request codes, identifiers,
descriptors, reply layouts, error codes, image format. The only code is the packing and unpacking
of the two fixed replies.

Sources: RX888mk2 firmware 2.3 (public repository ringof/rx888-firmware, ``protocol.h``,
``USBHandler.c``, ``USBDescriptor.c``, ``tests/fx3_cmd.c``); EZ-USB FX3 SDK 1.3.4 public headers
``cyu3error.h`` and ``cyu3pib.h``; FX3 Technical Reference Manual, boot chapter; AN76405 (boot
options); USB 2.0 and USB 3.2 chapter 9.
"""

import struct
from dataclasses import dataclass, fields, replace
from enum import IntEnum, IntFlag
from typing import Final, Self

# --- Identity ---------------------------------------------------------------------------------

VENDOR_ID: Final = 0x04B4
APPLICATION_PRODUCT_ID: Final = 0x00F1
BOOT_PRODUCT_ID: Final = 0x00F3

INTERFACE_NUMBER: Final = 0
CONFIGURATION_VALUE: Final = 1

# --- Endpoints, buffers, limits ---------------------------------------------------------------

BULK_IN_ENDPOINT: Final = 0x81
EP0_BUFFER_BYTES: Final = 64
"""A vendor request with a larger wLength stalls before its data phase."""
EP0_PACKET_SS_BYTES: Final = 512
EP0_PACKET_HS_BYTES: Final = 64
BULK_PACKET_SS_BYTES: Final = 1024
BULK_PACKET_HS_BYTES: Final = 512
BULK_PACKET_FS_BYTES: Final = 64
BULK_BURST_PACKETS: Final = 16

SAMPLE_BYTES: Final = 2
"""One sample is a little-endian int16."""
BUFFER_BYTES: Final = 16384
BUFFER_COUNT: Final = 8
"""Four per producer socket, two sockets: 128 KiB in all."""
SAMPLES_PER_BUFFER: Final = BUFFER_BYTES // SAMPLE_BYTES

CONTROL_TIMEOUT_MS: Final = 1000
"""The host's control time-out in every test of the firmware project, and libusb's usual one."""

# --- Requests ---------------------------------------------------------------------------------


class Request(IntEnum):
    """Vendor requests: ``bRequest`` values of the firmware, and the one of the boot ROM."""

    RAM_ACCESS = 0xA0
    """Boot ROM alone: OUT writes, IN reads back, OUT without data jumps."""
    STARTFX3 = 0xAA
    STOPFX3 = 0xAB
    TESTFX3 = 0xAC
    GPIOFX3 = 0xAD
    I2CWFX3 = 0xAE
    I2CRFX3 = 0xAF
    RESETFX3 = 0xB1
    STARTADC = 0xB2
    GETSTATS = 0xB3
    SETARGFX3 = 0xB6
    READINFODEBUG = 0xBA
    HANGFX3 = 0xCE
    """Test hook: the EP0 handler sleeps wValue milliseconds before it acknowledges."""
    HANGMAIN = 0xCF
    """Test hook: the main thread spins for ever from its next loop on."""


class Argument(IntEnum):
    """SETARGFX3 identifiers (``wIndex``); the value travels in ``wValue``."""

    ATTENUATOR = 10
    VGA = 11
    WATCHDOG_CAP = 14


ATTENUATOR_MAX: Final = 63
"""Half decibels; of the value the firmware keeps the low six bits (``USBHandler.c``)."""
VGA_MAX: Final = 255
"""Gain code; the firmware keeps the low byte, of which bit 7 chooses the high range."""
WATCHDOG_CAP_MAX: Final = 255
"""Recoveries after a START; the firmware keeps the low byte, and 0 is without limit."""


class StandardRequest(IntEnum):
    """USB chapter 9 standard requests, by ``bRequest``."""

    GET_STATUS = 0
    CLEAR_FEATURE = 1
    SET_FEATURE = 3
    SET_ADDRESS = 5
    GET_DESCRIPTOR = 6
    SET_DESCRIPTOR = 7
    GET_CONFIGURATION = 8
    SET_CONFIGURATION = 9
    GET_INTERFACE = 10
    SET_INTERFACE = 11
    SYNCH_FRAME = 12
    SET_SEL = 48
    SET_ISOCH_DELAY = 49


class DescriptorType(IntEnum):
    """USB chapter 9 descriptor types, as they stand in the upper byte of ``wValue``."""

    DEVICE = 1
    CONFIGURATION = 2
    STRING = 3
    INTERFACE = 4
    ENDPOINT = 5
    DEVICE_QUALIFIER = 6
    OTHER_SPEED_CONFIGURATION = 7
    OTG = 9
    BOS = 15
    DEVICE_CAPABILITY = 16
    ENDPOINT_COMPANION = 48


FEATURE_ENDPOINT_HALT: Final = 0
FEATURE_FUNCTION_SUSPEND: Final = 0
"""To an interface, at SuperSpeed."""
FEATURE_U1_ENABLE: Final = 48
FEATURE_U2_ENABLE: Final = 49

# bmRequestType = direction | type | recipient.
DIRECTION_OUT: Final = 0x00
DIRECTION_IN: Final = 0x80
TYPE_STANDARD: Final = 0x00
TYPE_CLASS: Final = 0x20
TYPE_VENDOR: Final = 0x40
TYPE_MASK: Final = 0x60
RECIPIENT_DEVICE: Final = 0x00
RECIPIENT_INTERFACE: Final = 0x01
RECIPIENT_ENDPOINT: Final = 0x02
RECIPIENT_OTHER: Final = 0x03
RECIPIENT_MASK: Final = 0x1F

VENDOR_OUT: Final = DIRECTION_OUT | TYPE_VENDOR | RECIPIENT_DEVICE
VENDOR_IN: Final = DIRECTION_IN | TYPE_VENDOR | RECIPIENT_DEVICE
STANDARD_DEVICE_OUT: Final = DIRECTION_OUT | TYPE_STANDARD | RECIPIENT_DEVICE
STANDARD_DEVICE_IN: Final = DIRECTION_IN | TYPE_STANDARD | RECIPIENT_DEVICE
STANDARD_INTERFACE_OUT: Final = DIRECTION_OUT | TYPE_STANDARD | RECIPIENT_INTERFACE
STANDARD_INTERFACE_IN: Final = DIRECTION_IN | TYPE_STANDARD | RECIPIENT_INTERFACE
STANDARD_ENDPOINT_OUT: Final = DIRECTION_OUT | TYPE_STANDARD | RECIPIENT_ENDPOINT
STANDARD_ENDPOINT_IN: Final = DIRECTION_IN | TYPE_STANDARD | RECIPIENT_ENDPOINT

# --- Descriptors of the application (firmware 2.3) ---------------------------------------------

DEVICE_DESCRIPTOR_SS: Final = bytes.fromhex("12010003000000 09 B404 F100 0000 01 02 03 01")
DEVICE_DESCRIPTOR_HS: Final = bytes.fromhex("12011002000000 40 B404 F100 0000 01 02 03 01")
"""High and full speed: bcdUSB 2.10 because a BOS descriptor exists."""
BOS_DESCRIPTOR: Final = bytes.fromhex("050F160002 07100202000000 0A1003000E00030AFF07")
"""U1 exit latency 10 us, U2 exit latency 2047 us; answered at every speed."""
QUALIFIER_DESCRIPTOR: Final = bytes.fromhex("0A060002000000400100")
"""Stalls at SuperSpeed."""

_INTERFACE = "09040000 01 FF0000 00"
CONFIGURATION_DESCRIPTOR_SS: Final = bytes.fromhex(
    "09021F000101008064" + _INTERFACE + "07058102000400" + "06300F000000"
)
"""800 mA in 8 mA units, bulk 1024 bytes, burst 16."""
CONFIGURATION_DESCRIPTOR_HS: Final = bytes.fromhex(
    "09021900010100 80 96" + _INTERFACE + "07058102000200"
)
CONFIGURATION_DESCRIPTOR_FS: Final = bytes.fromhex(
    "09021900010100 80 32" + _INTERFACE + "07058102400000"
)

LANGUAGE_ID: Final = 0x0409
STRING_LANGUAGES: Final = bytes.fromhex("04030904")
STRING_MANUFACTURER: Final = b"\x20\x03" + "sdr prototypes".encode("utf-16-le") + b"\x00\x00"
"""Claims 32 bytes while 30 are defined; the last two lie past the array (alignment padding)."""
STRING_PRODUCT: Final = b"\x12\x03" + "RX888mk2".encode("utf-16-le")
STRING_INDEX_MANUFACTURER: Final = 1
STRING_INDEX_PRODUCT: Final = 2
STRING_INDEX_SERIAL: Final = 3
SERIAL_DIGITS: Final = 16
"""Upper-case hexadecimal: die-ID word 1 (register E0055014), then word 0 (E0055010)."""

# --- Boot ROM ----------------------------------------------------------------------------------

BOOT_DEVICE_DESCRIPTOR: Final = bytes.fromhex("12010002000000 40 B404 F300 0001 01 02 03 01")
"""High speed, bcdDevice 1.00; the ROM serves no vendor request but RAM_ACCESS."""
BOOT_CONFIGURATION_DESCRIPTOR: Final = bytes.fromhex("09021200010100 80 32 09040000 00 FF0000 00")
"""One interface without endpoints; not published, assumed from what the ROM serves."""
BOOT_STRINGS: Final = ("Cypress", "WestBridge ", "0000000004BE")
"""Strings 1 to 3; the product name ends in a blank and the serial number is not unique."""
BOOT_TRANSFER_BYTES: Final = 4096
"""Largest RAM_ACCESS transfer."""

IMAGE_MAGIC: Final = b"CY"
IMAGE_CONTROL: Final = 0x1C
"""Default bImageCTL; bit 0 set would mean: not executable."""
IMAGE_CONTROL_DATA_BIT: Final = 0x01
IMAGE_TYPE_NORMAL: Final = 0xB0
IMAGE_TYPE_IDS: Final = 0xB2
"""Carries vendor and product id for the ROM, no firmware."""
IMAGE_HEADER_BYTES: Final = 4
IMAGE_MAX_BYTES: Final = 512 * 1024
IMAGE_SECTION_MAX_WORDS: Final = 0x4000
"""The longest section that the vendor's converter writes; readers take longer ones."""
IMAGE_WORD_BYTES: Final = 4
RAM_AREAS: Final = ((0x0000_0000, 0x4000), (0x1000_0000, 0x2000), (0x4000_0000, 0x8_0000))
"""Start and size of instruction TCM, data TCM and system RAM (TRM, memory map)."""
# After the header: sections {length in words, address, data}; then a length of 0, the entry
# address, and the sum of all data words modulo 2^32, each a little-endian 32-bit word.

# --- GETSTATS ----------------------------------------------------------------------------------

GPIF_DISABLED: Final = 255
"""GPIF state reported while the block is disabled."""

CLOCK_INITIALISING: Final = 0x80
"""Clock generator register 0, SYS_INIT (Si5351 data sheet)."""
CLOCK_PLL_A_UNLOCKED: Final = 0x20
"""Clock generator register 0, LOL_A (Si5351 data sheet)."""
CLOCK_READ_FAILED: Final = 0xFF
"""What stands in for register 16 when it could not be read."""

STATS_BYTES: Final = 26
STATS_CLOCK_BYTES: Final = 22
"""Form of firmware 2.2 development builds: the first 20 bytes, then CLK0 control and its flag."""
STATS_SHORT_BYTES: Final = 20
"""Form before the clock query: ends with the clock generator's status register."""

_STATS_SHORT = struct.Struct("<IBIHIIB")
STATS_LAYOUT: Final = struct.Struct("<IBIHIIBIB?")
"""The 26 bytes in the order of the fields of :class:`Stats`; older forms are its beginning."""


@dataclass(frozen=True, slots=True)
class Stats:
    """Reply to GETSTATS.

    Fields that an older firmware does not send are ``None``; :attr:`capabilities` names those
    that it does send.

    Attributes:
        dma_count: buffers produced since START; 0 after START, STOP and a level 1 recovery.
        gpif_state: state number, or ``GPIF_DISABLED``.
        pib_errors: number of PIB errors since SET_CONFIGURATION.
        last_pib_error: code of the last one (PIB part low, GPIF part high).
        i2c_failures: failed I2C transfers since SET_CONFIGURATION.
        streaming_faults: level 1 recoveries plus EP1 underruns since SET_CONFIGURATION.
        clock_status: clock generator register 0, 0 if the read failed.
        boot_count: start-ups since the firmware was loaded (reads 1 after every reset).
        clk0_control: clock generator register 16, 0xFF if the read failed.
        clk0_on: whether CLK0 is powered and its control register could be read.

    Source: firmware 2.3 ``USBHandler.c``, GETSTATS handler; 26 bytes little-endian.
    """

    dma_count: int
    gpif_state: int
    pib_errors: int
    last_pib_error: int
    i2c_failures: int
    streaming_faults: int
    clock_status: int
    boot_count: int | None = None
    clk0_control: int | None = None
    clk0_on: bool | None = None

    @classmethod
    def unpack(cls, reply: bytes) -> Self:
        """Read a reply of 26 bytes, or one of the older forms of 22 or 20 bytes.

        Later firmware appends fields to the 26 bytes; those are not read.

        Args:
            reply: the bytes as received.

        Returns:
            The statistics, with ``None`` where the form has no such field.

        Raises:
            ValueError: for any other length, which belongs to no known firmware.
        """
        size_bytes = len(reply)
        if size_bytes >= STATS_BYTES:
            return cls(*STATS_LAYOUT.unpack_from(reply))
        if size_bytes == STATS_CLOCK_BYTES:
            short = cls(*_STATS_SHORT.unpack_from(reply))
            return replace(short, clk0_control=reply[20], clk0_on=bool(reply[21]))
        if size_bytes == STATS_SHORT_BYTES:
            return cls(*_STATS_SHORT.unpack(reply))
        raise ValueError(
            f"GETSTATS reply of {size_bytes} bytes: known forms have "
            f"{STATS_SHORT_BYTES}, {STATS_CLOCK_BYTES} or at least {STATS_BYTES}"
        )

    def pack(self) -> bytes:
        """Return the reply bytes: 26, or the older form that these fields make up.

        Raises:
            ValueError: when the optional fields belong to no known form.
            struct.error: when a field does not fit its width.
        """
        short = _STATS_SHORT.pack(
            self.dma_count,
            self.gpif_state,
            self.pib_errors,
            self.last_pib_error,
            self.i2c_failures,
            self.streaming_faults,
            self.clock_status,
        )
        if self.clk0_control is None and self.clk0_on is None and self.boot_count is None:
            return short
        if self.clk0_control is None or self.clk0_on is None:
            raise ValueError("boot_count is never sent without clk0_control and clk0_on")
        boot = b"" if self.boot_count is None else struct.pack("<I", self.boot_count)
        return short + boot + struct.pack("<BB", self.clk0_control, self.clk0_on)

    @property
    def capabilities(self) -> frozenset[str]:
        """Names of the fields that the device sent."""
        return frozenset(f.name for f in fields(self) if getattr(self, f.name) is not None)


# --- TESTFX3 -----------------------------------------------------------------------------------

DEVICE_INFO_BYTES: Final = 4
HARDWARE_RX888MK2: Final = 0x04
HARDWARE_UNKNOWN: Final = 0x00


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """Reply to TESTFX3: four bytes.

    Attributes:
        hardware: board code, ``HARDWARE_RX888MK2`` when the board was recognised.
        firmware_major: 2 in firmware 2.3.
        firmware_minor: 3 in firmware 2.3.
        request_count: 8-bit counter before this request; TESTFX3, a valid SETARGFX3 and a
            READINFODEBUG with text move it.
    """

    hardware: int
    firmware_major: int
    firmware_minor: int
    request_count: int

    @classmethod
    def unpack(cls, reply: bytes) -> Self:
        """Read the four bytes.

        Raises:
            ValueError: when the reply has another length.
        """
        if len(reply) != DEVICE_INFO_BYTES:
            raise ValueError(f"TESTFX3 reply of {len(reply)} bytes, expected {DEVICE_INFO_BYTES}")
        return cls(*reply)

    def pack(self) -> bytes:
        """Return the four bytes.

        Raises:
            ValueError: when a field exceeds one byte.
        """
        return bytes((self.hardware, self.firmware_major, self.firmware_minor, self.request_count))


# --- GPIO word ---------------------------------------------------------------------------------


class GpioBit(IntFlag):
    """Bits of the GPIOFX3 word that reach a pin; all others are ignored."""

    ADC_SHUTDOWN = 1 << 5
    DITHER = 1 << 6
    RANDOMIZER = 1 << 7
    BIAS_HF = 1 << 8
    BIAS_VHF = 1 << 9
    LED_BLUE = 1 << 11
    VHF_ENABLE = 1 << 15
    PGA = 1 << 16
    """The pin is the inverse of the bit."""


GPIO_BOOT_WORD: Final = int(GpioBit.LED_BLUE)

# --- SDK status codes --------------------------------------------------------------------------


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


# --- PIB and GPIF error codes ------------------------------------------------------------------


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


# --- GPIF states -------------------------------------------------------------------------------


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


# --- USB events of the SDK ---------------------------------------------------------------------


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
