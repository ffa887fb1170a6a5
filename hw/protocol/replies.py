"""The two fixed replies of the firmware: GETSTATS and TESTFX3.

Source: firmware 2.3 ``USBHandler.c``.
"""

import struct
from dataclasses import dataclass, fields, replace
from typing import Final, Self

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
