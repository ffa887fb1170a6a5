"""The recorder: cheap calls that append plain tuples.

A track is one line of the picture, named ``process/thread``, such as ``fx3/USB thread`` or
``host/EP0``. Times are integer nanoseconds, of the world's clock or of the monotonic clock.
Nothing is interpreted while recording: :mod:`hw.trace.spans` pairs begins with ends afterwards.
"""

import hashlib
from collections import deque
from collections.abc import Mapping
from enum import StrEnum
from typing import TypeAlias

Value: TypeAlias = str | int | float | bool | None
"""What an argument of a record may be."""


class Kind(StrEnum):
    """What a record says."""

    BEGIN = "begin"
    END = "end"
    SLICE = "slice"
    INSTANT = "instant"
    COUNTER = "counter"
    STATE = "state"


Record: TypeAlias = tuple[Kind, str, str, int, int, Mapping[str, Value]]
"""Kind, track, name, time in ns, end (slice, in ns) or value (counter) or 0, arguments."""

_NO_ARGUMENTS: Mapping[str, Value] = {}


class Recorder:
    """Collects records in memory, in the order of the calls.

    Args:
        limit: keep at most this many records and drop the oldest beyond it; ``None`` keeps all,
            0 keeps none.

    Attributes:
        records: what was kept, oldest first.
        dropped: how many records the limit has cost; exact as long as one thread records.

    Raises:
        ValueError: when the limit is negative.
    """

    __slots__ = ("dropped", "limit", "records")

    def __init__(self, limit: int | None = None) -> None:
        if limit is not None and limit < 0:
            raise ValueError(f"trace limit {limit}: give a number of records, 0 or more")
        self.limit = limit
        self.records: deque[Record] = deque(maxlen=limit)
        self.dropped = 0

    def begin(self, track: str, name: str, at_ns: int, **args: Value) -> None:
        """Open a slice on a track; slices of one track nest."""
        self._add((Kind.BEGIN, track, name, at_ns, 0, args))

    def end(self, track: str, at_ns: int, **args: Value) -> None:
        """Close the innermost open slice of a track; the arguments join those of its begin."""
        self._add((Kind.END, track, "", at_ns, 0, args))

    def slice(self, track: str, name: str, start_ns: int, end_ns: int, **args: Value) -> None:
        """Record a whole slice after the fact."""
        self._add((Kind.SLICE, track, name, start_ns, end_ns, args))

    def instant(self, track: str, name: str, at_ns: int, **args: Value) -> None:
        """Record something that happened at one instant."""
        self._add((Kind.INSTANT, track, name, at_ns, 0, args))

    def counter(self, track: str, name: str, at_ns: int, value: int) -> None:
        """Record the value that a counter has from now on."""
        self._add((Kind.COUNTER, track, name, at_ns, value, _NO_ARGUMENTS))

    def state(self, track: str, name: str, at_ns: int) -> None:
        """Record the state that a track has from now on; the previous state ends here."""
        self._add((Kind.STATE, track, name, at_ns, 0, _NO_ARGUMENTS))

    def digest(self) -> str:
        """Return a SHA-256 over all records and the number dropped, as hexadecimal text.

        Equal runs give equal digests in any process; the order of keyword arguments at the call
        does not matter.
        """
        sha = hashlib.sha256(f"dropped={self.dropped}\n".encode())
        for kind, track, name, at_ns, extra, args in self.records:
            row = (kind.value, track, name, at_ns, extra, sorted(args.items()))
            sha.update(f"{row!r}\n".encode())
        return sha.hexdigest()

    def _add(self, record: Record) -> None:
        records = self.records
        if len(records) == self.limit:
            self.dropped += 1
        records.append(record)
