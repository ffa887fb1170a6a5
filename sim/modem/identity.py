"""Who the simulated module is: the numbers it tells, none of which belongs to anybody."""

from typing import Final

VENDOR_ID: Final = 0x2C7C
PRODUCT_ID: Final = 0x6001
"""Quectel EC600N and its family (QuecPython VSCode extension, ``productDevice``)."""
AT_INTERFACE: Final = 3
REPL_INTERFACE: Final = 5
"""Same source: ``atDevice`` and ``mainDevice``."""
DOWNLOAD_VENDOR_ID: Final = 0x2ECC
DOWNLOAD_PRODUCT_ID: Final = 0x3004
"""Same source: ``downloadPorts``; the ASR boot ROM."""
SERIAL_NUMBER: Final = "SIM0001"

MODEL: Final = "EC600N"
REVISION: Final = "EC600NCNLER06A01M08"
IMEI: Final = "001010123456789"
"""The test allocation of 3GPP TS 23.003: TAC 00101012 is reserved for tests."""
IMSI: Final = "001010123456789"
"""Network 001-01 is the test network (ITU-T E.212)."""
ICCID: Final = "89001012345678901234"
ADDRESS: Final = "192.0.2.17"
"""TEST-NET-1 (RFC 5737)."""
