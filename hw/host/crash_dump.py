"""The header of a Windows kernel dump: bugcheck code and parameters, from the file itself.

Offsets of ``DUMP_HEADER32`` and ``DUMP_HEADER64`` in bytes. Sources: win32metadata,
``Windows.Win32.System.Diagnostics.Debug.DUMP_HEADER32``; QEMU ``include/qemu/win_dump_defs.h``; A.
Schuster, "64bit Crash Dumps" (computer.forensikblog.de, 2008).

===================  ==============  ==============
field                32 bit          64 bit
===================  ==============  ==============
signature            ``PAGEDUMP``    ``PAGEDU64``
minor version        0x00C           0x00C
bugcheck code        0x028, 4 bytes  0x038, 4 bytes
parameters, four     0x02C, 4 each   0x040, 8 each
system time          0xFC0, 8 bytes  0xFA8, 8 bytes
===================  ==============  ==============
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from hw.host.errors import EvidenceError

HEADER_BYTES: Final = {b"PAGEDUMP": 0x1000, b"PAGEDU64": 0x2000}
"""Length of the header by its signature."""
_TIME_AT: Final = {b"PAGEDUMP": 0xFC0, b"PAGEDU64": 0xFA8}
_EPOCH: Final = datetime(1601, 1, 1, tzinfo=UTC)
_EARLIEST: Final = datetime(1993, 1, 1, tzinfo=UTC)
"""No Windows with such dumps is older; an unset time lies before."""


@dataclass(frozen=True, slots=True)
class CrashDump:
    """What the header of a dump says.

    Attributes:
        bits: of the system, 32 or 64.
        build: of the system.
        code: the bugcheck code.
        parameters: its four parameters.
        time_utc: when the kernel stopped; None where the header does not say.
    """

    bits: int
    build: int
    code: int
    parameters: tuple[int, int, int, int]
    time_utc: datetime | None


def read_crash_dump(path: Path) -> CrashDump:
    """Return what the header of a dump file says.

    Raises:
        EvidenceError: it cannot be read, or is no kernel dump.
    """
    try:
        with path.open("rb") as file:
            header = file.read(max(HEADER_BYTES.values()))
    except OSError as error:
        raise EvidenceError(str(path), f"cannot be read ({error.strerror})") from error
    return parse_crash_dump(header, str(path))


def parse_crash_dump(header: bytes, source: str) -> CrashDump:
    """Return what a header says.

    Args:
        header: the first 8 KiB of the file, or all of it where it is shorter.
        source: what to call it in an error.

    Raises:
        EvidenceError: it is none of a kernel dump.
    """
    signature = header[:8]
    if signature not in HEADER_BYTES:
        raise EvidenceError(source, "no kernel dump: it begins with neither PAGEDUMP nor PAGEDU64")
    if len(header) < HEADER_BYTES[signature]:
        raise EvidenceError(source, f"cut off after {len(header)} bytes, inside of its header")
    (build,) = struct.unpack_from("<I", header, 0x0C)
    is_64_bit = signature == b"PAGEDU64"
    (code,) = struct.unpack_from("<I", header, 0x38 if is_64_bit else 0x28)
    first, second, third, fourth = struct.unpack_from(
        "<4Q" if is_64_bit else "<4I", header, 0x40 if is_64_bit else 0x2C
    )
    (ticks,) = struct.unpack_from("<Q", header, _TIME_AT[signature])
    return CrashDump(
        bits=64 if is_64_bit else 32,
        build=build,
        code=code,
        parameters=(first, second, third, fourth),
        time_utc=_file_time(ticks),
    )


def _file_time(ticks: int) -> datetime | None:
    try:
        time = _EPOCH + timedelta(microseconds=ticks // 10)
    except OverflowError:
        return None
    return time if time >= _EARLIEST else None
