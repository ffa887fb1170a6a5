"""Firmware images for the simulated boot ROM.

An image is a valid CY image (AN76405). Where a real one carries ARM code, these carry a marker
with the revision's name at the entry address: the ROM's jump finds it, and the world runs the
Python firmware of that revision. The marker also says how much code follows and with what check
sum: a jump into an image of which a part is missing ends nowhere, as it would on the chip. Any
other image is code that this world cannot run.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from zlib import crc32

from hw.protocol import IMAGE_CONTROL, IMAGE_MAGIC, IMAGE_TYPE_NORMAL
from sim.chip.bootrom import RAM_BASE
from sim.firmware.revisions import REVISIONS, Revision, revision

ENTRY_ADDRESS = 0x4000_3000
"""Where the code of a real image starts (cyfxtx.c's memory map)."""
MARKER = b"fx3loop firmware:"
_HEADER = struct.Struct("<56sII")
MARKER_BYTES = _HEADER.size
_FILLING = bytes(range(1, 256))
"""What stands in for code: never zero, which RAM reads where nothing was written."""


@lru_cache
def image(name: str, size_bytes: int = 4_096) -> bytes:
    """A CY image of this revision.

    Args:
        name: a revision's name.
        size_bytes: length of its one section; a real image has about 129,000 bytes.

    Raises:
        FirmwareNotKnown: when no revision has this name.
    """
    words = max(size_bytes, MARKER_BYTES) // 4
    code_bytes = 4 * words - MARKER_BYTES
    code = (_FILLING * (code_bytes // len(_FILLING) + 1))[:code_bytes]
    data = _HEADER.pack(MARKER + revision(name).name.encode(), code_bytes, crc32(code)) + code
    checksum = sum(struct.unpack(f"<{words}I", data)) & 0xFFFF_FFFF
    return (
        IMAGE_MAGIC
        + bytes([IMAGE_CONTROL, IMAGE_TYPE_NORMAL])
        + struct.pack("<II", words, ENTRY_ADDRESS)
        + data
        + struct.pack("<III", 0, ENTRY_ADDRESS, checksum)
    )


def program_of(ram: bytearray, entry: int) -> Revision | None:
    """The revision that stands whole at the entry address, or None for any other code."""
    start = entry - RAM_BASE
    if not 0 <= start <= len(ram) - MARKER_BYTES:
        return None
    found, code_bytes, check_sum = _HEADER.unpack_from(ram, start)
    code_start = start + MARKER_BYTES
    code = memoryview(ram)[code_start : code_start + code_bytes]
    if not found.startswith(MARKER) or len(code) != code_bytes or crc32(code) != check_sum:
        return None
    return REVISIONS.get(found[len(MARKER) :].rstrip(b"\0").decode("ascii", "replace"))
