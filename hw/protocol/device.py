"""Who the device is on the bus: ids, endpoints, buffers, and its descriptors byte for byte.

Source: firmware 2.3 ``USBDescriptor.c``, ``Application.h``, ``tests/fx3_cmd.c``.
"""

from typing import Final

VENDOR_ID: Final = 0x04B4
APPLICATION_PRODUCT_ID: Final = 0x00F1
BOOT_PRODUCT_ID: Final = 0x00F3

INTERFACE_NUMBER: Final = 0
CONFIGURATION_VALUE: Final = 1

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
