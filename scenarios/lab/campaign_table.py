"""The table of a sweep, `runs.csv`: one row a run, whole numbers or exact decimals, never a float.

Rows are appended in order, and synced to the disk a part at a time. What a kill leaves behind is a
whole number of parts and a torn rest, which is cut off before the sweep goes on.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from types import TracebackType
from typing import Self

from scenarios.errors import InputError
from scenarios.lab.campaign import Campaign, Planned
from scenarios.lab.trial import Outcome

FIRST = ("row", "run", "seed", "policy", "policy_digest")
MIDDLE = ("firmware", "fault", "fault_text", "request", "onset_ms", "duration_ms")
LAST = (
    "device",
    "uptime_ms",
    "onset_ns",
    "verdict",
    "detected_level",
    "detection_ms",
    "bound_ms",
    "recovery_ms",
    "levels",
    "downtime_ms",
    "resets",
    "false_resets",
    "observed_ms",
    "lasting",
    "reason",
)
COLUMNS = {
    "row": "its number, from 0",
    "run": "which run of its fault; the same run strikes every policy alike",
    "seed": "of the world",
    "policy": "the policy's name",
    "policy_digest": "SHA-256 of the policy",
    "firmware": "revision",
    "fault": "the fault's name in the campaign",
    "fault_text": "the fault, as `fx3loop run --fault` takes it",
    "request": "what the host asked for at the onset",
    "onset_ms": "drawn: from a look of the heartbeat gate; in a life since its begin",
    "duration_ms": "drawn: how long the fault lasts, 0 is for ever",
    "device": "which device of a life",
    "uptime_ms": "since the device's last boot, in a life",
    "onset_ns": "onset by the world's clock",
    "verdict": "what became of it",
    "detected_level": "the level that answered first, 5 is the watchdog",
    "detection_ms": "from the onset to that",
    "bound_ms": "the latest that it can be, by the closed form on this row's bench",
    "recovery_ms": "from the onset, or when a paused host reads again, until it served; 0: always",
    "levels": "every level that answered, in order",
    "downtime_ms": "how long data was missing that the host would have taken",
    "resets": "how often the device was reset",
    "false_resets": "of these, in vain: without one it would have served again sooner",
    "observed_ms": "how long the run was watched after the onset",
    "lasting": "1 where the fault does not pass by itself",
    "reason": "why the bench failed, or what died",
}
"""What each column means; between `policy_digest` and `firmware` stand the varied fields of the
policy, after `duration_ms` what else was drawn."""
DIGEST_SHOWN = 12

Row = dict[str, str]


def columns(campaign: Campaign) -> tuple[str, ...]:
    """Return the columns of a campaign's table."""
    return (*FIRST, *campaign.varied, *MIDDLE, *campaign.drawn, *LAST)


def row_of(campaign: Campaign, planned: Planned, outcome: Outcome) -> Row:
    """Return the row of one run."""
    trial = planned.trial
    levels = outcome.levels
    row = {
        "row": str(planned.row),
        "run": str(planned.run),
        "seed": str(trial.seed),
        "policy": trial.policy.name,
        "policy_digest": trial.policy.digest[:DIGEST_SHOWN],
        "firmware": trial.firmware,
        "fault": planned.strike,
        "fault_text": str(trial.fault),
        "request": trial.request,
        "onset_ms": str(trial.onset_ms),
        "duration_ms": str(trial.fault.for_ms),
        "device": planned.device,
        "uptime_ms": "" if outcome.uptime_ns is None else milliseconds(outcome.uptime_ns),
        "onset_ns": str(outcome.onset_ns),
        "verdict": outcome.verdict,
        "detected_level": str(levels[0]) if levels else "",
        "detection_ms": milliseconds(outcome.detection_ns),
        "bound_ms": milliseconds(outcome.bound_ns),
        "recovery_ms": milliseconds(outcome.recovery_ns),
        "levels": " ".join(map(str, levels)),
        "downtime_ms": milliseconds(outcome.downtime_ns),
        "resets": str(outcome.resets),
        "false_resets": str(outcome.false_resets),
        "observed_ms": milliseconds(outcome.observed_ns),
        "lasting": str(int(outcome.is_lasting)),
        "reason": outcome.reason,
    }
    row |= {name: _text(getattr(trial.policy, name)) for name in campaign.varied}
    row |= {name: str(value) for name, value in zip(campaign.drawn, planned.drawn, strict=True)}
    return row


def milliseconds(duration_ns: int | None) -> str:
    """Return a time in ms as an exact decimal; empty for none."""
    if duration_ns is None:
        return ""
    sign = "-" if duration_ns < 0 else ""
    whole, rest = divmod(abs(duration_ns), 1_000_000)
    return f"{sign}{whole}.{rest:06d}" if rest else f"{sign}{whole}"


def _text(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


class Table:
    """The file, open to append: ``with Table(path, campaign) as table: table.append(rows)``.

    Args:
        path: of `runs.csv`; made if it is missing.
        names: its columns.

    Attributes:
        rows: how many whole rows stand in it.

    Raises:
        InputError: it is another table.
    """

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self.path = path
        self.names = tuple(names)
        self.rows = 0
        self._begins = [0]
        try:
            self._file = path.open("r+b" if path.exists() else "x+b")
        except OSError as error:
            raise InputError(f"cannot write {path}: {error.strerror}") from error
        try:
            # The lock goes with the process, however that ends.
            flock(self._file, LOCK_EX | LOCK_NB)
        except BlockingIOError as error:
            self._file.close()
            raise InputError(f"another sweep is at work on {path}; give another --out") from error
        self._keep()

    def _keep(self) -> None:
        """Keep the header and the whole rows in order, and cut the rest off."""
        header = _line(self.names)
        self._file.seek(0)
        content = self._file.read()
        if not content.startswith(header):
            if content and not header.startswith(content):
                self._file.close()
                raise InputError(f"{self.path} is no table of this campaign; give another --out")
            self._file.seek(0)
            self._file.truncate()
            self._file.write(header)
            self._begins = [len(header)]
            self._sync()
            return
        self._begins = [len(header)]
        kept = len(header)
        for line in content[kept:].splitlines(keepends=True):
            begin = f"{self.rows},".encode()
            is_whole = line.endswith(b"\n") and line.startswith(begin)
            if not is_whole or len(next(csv.reader([line.decode()]))) != len(self.names):
                break
            kept += len(line)
            self.rows += 1
            self._begins.append(kept)
        self._file.seek(kept)
        self._file.truncate()

    def cut(self, rows: int) -> None:
        """Keep the first rows alone."""
        if rows < self.rows:
            self._file.seek(self._begins[rows])
            self._file.truncate()
            self.rows = rows

    def append(self, rows: Iterable[Row]) -> None:
        """Append rows and wait until they are on the disk."""
        for row in rows:
            self._file.write(_line([row[name] for name in self.names]))
            self.rows += 1
        self._sync()

    def _sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()


def read(path: Path) -> Iterator[Row]:
    """Yield the rows of a table.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            yield from csv.DictReader(file)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def _line(values: Sequence[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue().encode()
