"""The journal: what was begun on real targets, what ended, and what a crash left unfinished.

JSON lines, appended and synced to the disk one by one. SQLite in WAL mode would need a library to
read after a crash, keeps the truth in up to three files, and solves what is no problem here: there
is one short writer at a time, nothing is ever changed, and a reader wants all of it. A line can be
read with a pager on a machine that just crashed, and a torn one is told by its checksum.

A line is believed only if it is whole: a JSON object whose ``crc`` (CRC-32 of the line without that
field) is right. All else is left where it stands, counted and not believed; the next record begins
on a new line. When :meth:`Journal.begin` returns, its mark has
survived whatever comes; when it raises, the operation must not be done.

Each file is bounded. A full one becomes the older one (``.1``), and what it had unfinished goes
into the new one, with the newest note of each kind.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from hw.errors import JournalError
from hw.guard.decision import Target
from hw.guard.disk import Disk
from hw.guard.locks import exclusive
from hw.guard.operations import Operation
from hw.guard.place import boot_id as this_boot, state_dir
from hw.guard.process import Process, is_alive, process_of
from hw.guard.record import BEGIN, END, Record, line_of, records_of, unfinished_of

FILE_NAME: Final = "journal.jsonl"
LIMIT_BYTES: Final = 1 << 20
DONE: Final = "done"
ABANDONED: Final = "abandoned"
"""Outcome of what a process of this boot began and left unfinished when it ended."""

_counter = itertools.count(1)


def failed(error: BaseException) -> str:
    """Return the outcome of an operation that ended with an error."""
    return f"failed: {str(error) or type(error).__name__}"


class Entry:
    """An operation that was begun; also a context manager that ends it by how its block ends.

    Attributes:
        record: the mark of its beginning.
    """

    def __init__(self, journal: Journal, record: Record) -> None:
        self._journal = journal
        self._is_ended = False
        self.record = record

    def end(self, outcome: str = DONE) -> None:
        """Mark the end; only the first call counts.

        Raises:
            JournalError: it cannot be written.
        """
        if self._is_ended:
            return
        self._journal.settle(self.record, outcome)
        self._is_ended = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.end()
            return
        try:
            self.end(failed(error))
        except JournalError as unwritten:
            # The operation's own failure matters more; an end that is missing is on the safe side.
            error.add_note(str(unwritten))


class Journal:
    """An append-only journal in one folder, for all processes of this operator.

    Args:
        path: the file; its folder is made with the first record.
        boot_id: names this run of the operating system.
        clock: UTC in seconds since 1970.
        limit_bytes: at this size a file is put aside.
        disk: how it is written; tests break it.
    """

    def __init__(
        self,
        path: Path,
        boot_id: str,
        clock: Callable[[], float],
        *,
        limit_bytes: int = LIMIT_BYTES,
        disk: Disk | None = None,
    ) -> None:
        self.path = path
        self.boot_id = boot_id
        self._clock = clock
        self._limit_bytes = limit_bytes
        self._disk = disk or Disk()

    @classmethod
    def open_default(cls) -> Self:
        """Return the operator's journal.

        What processes of this boot left unfinished when they ended is marked abandoned first, so
        that a program that was killed is not taken for a crash of the host later.

        Raises:
            JournalError: it cannot be read or written.
        """
        journal = cls(state_dir() / FILE_NAME, this_boot(), time.time)
        journal.settle_abandoned(is_alive)
        return journal

    @property
    def older_path(self) -> Path:
        """Where a full file goes."""
        return self.path.with_name(f"{self.path.stem}.1{self.path.suffix}")

    def begin(self, operation: Operation, target: Target, **facts: object) -> Entry:
        """Mark that an operation begins; when this returns the mark is on the disk.

        Args:
            operation: what is to be done.
            target: to what.
            facts: what else a reader may want to know, as JSON can hold it.

        Raises:
            JournalError: it cannot be written, and the operation must not be done.
        """
        record = self._record(BEGIN, facts, operation=operation.label, target=target)
        self._append(record)
        return Entry(self, record)

    def note(self, kind: str, **facts: object) -> None:
        """Record a fact; the newest of each kind outlives every rotation.

        Args:
            kind: what happened, such as ``host.bugcheck``.
            facts: what there is to know of it.

        Raises:
            JournalError: it cannot be written.
            ValueError: the kind is that of a mark.
        """
        if kind in (BEGIN, END):
            raise ValueError(f"kind {kind!r} is that of a mark; try 'host.incident'")
        self._append(self._record(kind, facts))

    def settle(self, begun: Record, outcome: str) -> None:
        """End an operation that somebody began, which may have been another process.

        Raises:
            JournalError: it cannot be written.
        """
        self._append(self._record(END, {}, identity=begun.identity, outcome=outcome))

    def settle_abandoned(self, is_alive: Callable[[Process], bool]) -> None:
        """Mark as abandoned what processes of this boot began and did not end before they ended.

        Args:
            is_alive: whether a process still runs.

        Raises:
            JournalError: the journal cannot be read or written.
        """
        for begun in self.unfinished():
            if begun.boot_id == self.boot_id and not is_alive(begun.process):
                self.settle(begun, ABANDONED)

    def records(self) -> tuple[Record, ...]:
        """Return all records that are whole, the oldest first.

        Raises:
            JournalError: the journal cannot be read.
        """
        return self._read()[0]

    def damaged_lines(self) -> int:
        """Return how many lines are not whole: what a crash tore, or a hand changed.

        Raises:
            JournalError: the journal cannot be read.
        """
        return self._read()[1]

    def unfinished(self) -> tuple[Record, ...]:
        """Return the marks of operations that were begun and never ended, the oldest first.

        One whose ``boot_id`` is not this journal's was begun before a boot: the host went down
        while it was under way.

        Raises:
            JournalError: the journal cannot be read.
        """
        return unfinished_of(self.records())

    def _record(
        self,
        kind: str,
        facts: Mapping[str, object],
        *,
        identity: str = "",
        operation: str = "",
        target: Target | None = None,
        outcome: str = "",
    ) -> Record:
        now_s, pid = self._clock(), os.getpid()
        made = f"{self.boot_id[:8]}.{pid}.{round(now_s * 1000)}.{next(_counter)}"
        return Record(
            kind=kind,
            identity=identity or made,
            boot_id=self.boot_id,
            process=process_of(pid),
            utc_s=now_s,
            operation=operation,
            target=target,
            outcome=outcome,
            facts=facts,
        )

    def _append(self, record: Record) -> None:
        line = line_of(record)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._locked():
                size_bytes, last = self._disk.end_of(self.path)
                if size_bytes and size_bytes + len(line) > self._limit_bytes:
                    self._rotate()
                elif last not in (b"", b"\n"):
                    # What a crash tore stays a line of its own, which nobody believes.
                    line = b"\n" + line
                self._disk.append(self.path, line)
        except OSError as error:
            raise JournalError(
                record.operation or record.kind, f"{self.path}: {error.strerror or error}"
            ) from error

    def _rotate(self) -> None:
        """Put the full file aside; at every point the current name has all that is unfinished."""
        records, _ = records_of(self._disk.read(self.path))
        newest = {item.kind: item for item in records if item.kind not in (BEGIN, END)}
        keep = {item.identity for item in (*unfinished_of(records), *newest.values())}
        kept = b"".join(line_of(item) for item in records if item.identity in keep)
        self._disk.link(self.path, self.older_path)
        self._disk.replace(self.path, kept)

    def _read(self) -> tuple[tuple[Record, ...], int]:
        try:
            with self._locked():
                older = self._disk.read(self.older_path)
                current = self._disk.read(self.path)
        except OSError as error:
            raise JournalError("read", f"{self.path}: {error.strerror or error}") from error
        before, damaged_before = records_of(older)
        now, damaged_now = records_of(current)
        # What was carried over stands in both.
        unique = {(item.kind, item.identity): item for item in (*before, *now)}
        return tuple(unique.values()), damaged_before + damaged_now

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time; where there is no folder yet there is nothing to guard."""
        if not self.path.parent.is_dir():
            yield
            return
        with exclusive(self.path.with_suffix(".lock")):
            yield
