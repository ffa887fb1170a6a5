"""The boot ROM and the images that it takes.

Source: FX3 Technical Reference Manual, boot chapter; AN76405 (boot options).
"""

from typing import Final

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
