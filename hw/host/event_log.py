"""Event logs as files (``.evtx``), on any system, through the ``evtx`` package."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Final

from hw.host.errors import EvidenceError
from hw.host.event_xml import Event, parse_events

MAGIC: Final = b"ElfFile\0"
"""The first eight bytes of every log (libevtx, "Windows XML Event Log (EVTX)", file header)."""


def read_event_log(path: Path) -> tuple[list[Event], int]:
    """Return what a log file holds.

    A log that was open when its system died is often damaged at its end, so records that cannot be
    read are counted and left out; a file without one readable record among damaged ones is refused.

    Args:
        path: of the file.

    Returns:
        The events, and how many records could not be read.

    Raises:
        EvidenceError: it cannot be read, is no log, or nothing in it can be read.
    """
    source = str(path)
    try:
        with path.open("rb") as file:
            magic = file.read(len(MAGIC))
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
    with warnings.catch_warnings(record=True) as damaged:
        warnings.simplefilter("always")
        try:
            # One thread: the order of records is that of the file.
            parser = PyEvtxParser(source, number_of_threads=1, skip_errors=True)
            records: Any = parser.records()
            for record in records:
                events.extend(parse_events(record["data"], source))
        except (KeyboardInterrupt, SystemExit):
            raise
        except EvidenceError:
            raise
        except BaseException as error:
            raise EvidenceError(source, f"damaged ({_first_line(error)})") from error
    if damaged and not events:
        raise EvidenceError(source, f"damaged ({_first_line(damaged[0].message)})")
    return events, len(damaged)


def _first_line(error: object) -> str:
    return str(error).strip().splitlines()[0][:120] if str(error).strip() else type(error).__name__
