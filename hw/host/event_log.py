"""Event logs as files (``.evtx``), on any system, through the ``evtx`` package."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path
from typing import Any, Final

from hw.host.errors import EvidenceError
from hw.host.event_xml import Event, parse_events

MAGIC: Final = b"ElfFile\0"
"""The first eight bytes of every log (libevtx, "Windows XML Event Log (EVTX)", file header)."""
HEADER: Final = struct.Struct("<42xH")
"""How many chunks there are, at its place (likewise, file header)."""
HEADER_BYTES: Final = 4_096
CHUNK: Final = struct.Struct("<8sQQ")
"""The mark of a chunk, and the numbers of its first and last record (likewise, chunk header)."""
CHUNK_MAGIC: Final = b"ElfChnk\0"
CHUNK_BYTES: Final = 65_536
MOST_RECORDS: Final = CHUNK_BYTES // 28
"""A record is not shorter: its head, its length again (likewise, event record)."""


def read_event_log(path: Path) -> tuple[list[Event], int]:
    """Return what a log file holds.

    A log that was open when its system died is often damaged at its end, so records that cannot be
    read are counted and left out; a file without one readable record among damaged ones is refused.
    The package leaves out what was cut off, or stands behind a spoilt record, without a word, so
    what is read is held against what the chunks promise.

    Args:
        path: of the file.

    Returns:
        The events, and how many records at least could not be read.

    Raises:
        EvidenceError: it cannot be read, is no log, or nothing in it can be read.
    """
    source = str(path)
    try:
        with path.open("rb") as file:
            magic = file.read(len(MAGIC))
        promised = _promised(path)
    except OSError as error:
        raise EvidenceError(source, f"cannot be read ({error.strerror})") from error
    if magic != MAGIC:
        raise EvidenceError(source, "no event log", "export it with: wevtutil epl System FILE.evtx")
    try:
        from evtx import PyEvtxParser
    except ImportError as error:
        raise EvidenceError(
            source, "needs the package evtx", "install it with: pip install 'fx3loop[host]'"
        ) from error
    events: list[Event] = []
    spoilt: list[object] = []
    with warnings.catch_warnings(record=True) as damaged:
        warnings.simplefilter("always")
        try:
            # One thread: the order of records is that of the file.
            parser = PyEvtxParser(source, number_of_threads=1, skip_errors=True)
            records: Any = parser.records()
            for record in records:
                try:
                    events.extend(parse_events(record["data"], source))
                except EvidenceError as error:
                    spoilt.append(error.problem)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            raise EvidenceError(source, f"damaged ({_first_line(error)})") from error
    spoilt += [warning.message for warning in damaged]
    lost = max(len(spoilt), promised - len(events))
    if lost and not events:
        reason = _first_line(spoilt[0]) if spoilt else f"none of {lost} records can be read"
        raise EvidenceError(source, f"damaged ({reason})")
    return events, lost


def _promised(path: Path) -> int:
    """How many records the chunks of a log say that they have; one for a chunk that is not there.

    A file has room for chunks that were never used: those that its header does not count, and that
    have no mark.
    """
    with path.open("rb") as file:
        head = file.read(HEADER.size)
        chunks = HEADER.unpack(head)[0] if len(head) == HEADER.size else 0
        whole = max(path.stat().st_size - HEADER_BYTES, 0) // CHUNK_BYTES
        records = 0
        for number in range(whole + 1):
            file.seek(HEADER_BYTES + number * CHUNK_BYTES)
            head = file.read(CHUNK.size)
            magic, first, last = CHUNK.unpack(head) if len(head) == CHUNK.size else (b"", 0, 0)
            if magic == CHUNK_MAGIC:
                count = last - first + 1
                records += count if 0 <= count <= MOST_RECORDS else 0
            elif number < chunks:
                records += 1
    return records + max(chunks - whole - 1, 0)


def _first_line(error: object) -> str:
    return str(error).strip().splitlines()[0][:120] if str(error).strip() else type(error).__name__
