"""What the firmware's debug console said, taken apart: a recorded log as a list of entries.

The firmware puts line breaks before some texts and behind others, so that two texts may share a
line: each is found wherever it stands. A line may begin with the time in brackets, as recorders
write it: seconds (``[  12.345]``, ``[12.345 0.001]``) or a date and time
(``[2026-05-13 04:58:01.123]``). Whatever else stands in a log is passed by.

Source: DebugConsole.c, RunApplication.c, USBHandler.c, health.c (the texts).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

LOG_BYTES_MAX = 64 * 1024 * 1024
MARK_MS_MAX = 100 * 366 * 86_400_000
"""A log that claims more than a century has no times."""
# The end of a number may run into a request's name in hexadecimal: "DMA=8" and "0xB4".
_N = r"(\d{1,10}?)(?=0x|\D|$)"


class Said(Enum):
    """The texts that tell something, each with the form of its values."""

    STALL = rf"WDG: stall {_N}/{_N} SM={_N} DMA={_N}"
    """Stalled polls, their limit, GPIF state, DMA count."""
    RECOVERY_BEGINS = rf"WDG: === RECOVERY START === SM={_N} DMA={_N} recov={_N}/{_N}"
    """GPIF state, DMA count, which recovery of this session, their cap."""
    RECOVERY_DONE = rf"WDG: === RECOVERY DONE === rst={_N} flush={_N} xfer={_N} sm={_N}"
    """Status codes of channel reset, flush, transfer and state machine start."""
    RECOVERY_WAITS = rf"WDG: === RECOVERY WAIT === rst={_N} flush={_N} xfer={_N} sm={_N}"
    """The same without a clock: the stream was not started again."""
    CAPPED = rf"WDG: recovery limit \({_N}\), waiting for STARTFX3"
    """The cap."""
    CLEARED = rf"WDG: stall cleared SM={_N} \(was {_N}/{_N}\)"
    """GPIF state, stalled polls, their limit."""
    RESUMED = rf"WDG: DMA resumed \({_N}->{_N}\), stall cleared"
    """DMA count before and now."""
    FORCED = rf"(?:WDG:|STP) soft-stop fail SM={_N}, forcing"
    """GPIF state that a soft stop left."""
    STARTED = rf"GO s={_N} r={_N}"
    """GPIF state, status code of the start."""
    STOPPED = rf"STP s={_N}"
    """GPIF state."""
    STOPPED_BY_CLOCK = rf"STARTADC: implicit GPIF stop \(SM={_N}\)"
    """GPIF state."""
    NO_CLOCK = r"Preflight FAIL: (ADC clock not enabled|Si5351 PLL_A not locked)"
    """Why STARTFX3 was refused."""
    PIB_ERROR = r"PIB error 0x([0-9A-F]{1,8})"
    """Its code, hexadecimal."""
    UNDERRUN = rf"EP Underrun on {_N}"
    """The endpoint."""
    USB_EVENT = r"Event received = ([A-Z0-9_]{1,32})"
    """Its name."""
    HANDLER_SLEEPS = rf"HANGFX3: sleeping {_N} ms"
    """How long."""
    MAIN_SPINS = r"HANGMAIN: spinning forever"
    HEALTH_RECOVERS = rf"HEALTH: status={_N}, recovering"
    """The firmware's own status number."""
    HOST_RESETS = r"HOST RESETTING CPU"
    CONSOLE_RESETS = r"RESETTING CPU"
    SETUP_FAILED = rf"([A-Za-z0-9 ]{{1,64}}) failed, {_N} = CY_U3P_ERROR_[A-Z0-9_]{{1,32}}"
    """What failed, its status code."""
    CAP_SET = rf"SETARGFX3\tWDG_MAX_RECOV\t{_N}"
    """The streaming watchdog's cap."""
    REQUEST = (
        r"(STARTFX3|STOPFX3|TESTFX3|GPIOFX3|I2CWFX3|I2CRFX3|RESETFX3|STARTADC|GETSTATS|SETARGFX3"
        r"|0x[0-9A-F]{1,2}(?=\t0x))\t(?:0x[0-9A-F]{1,2}\t0x[0-9A-F]{1,2})?"
    )
    """A vendor request whose handler has ended, by name."""


_FORMS = {said: re.compile(said.value, re.ASCII) for said in Said}
_ANY = re.compile("|".join(f"(?P<{said.name}>{said.value})" for said in Said), re.ASCII)
_TIME = re.compile(
    r"\[ *(?:(?P<seconds>\d{1,10})(?:\.(?P<fraction>\d{1,9}))?(?: +\d+(?:\.\d+)?)?"
    r"|(?P<date>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,6})?(?:Z|[+-]\d\d:\d\d)?)) *\] ?",
    re.ASCII,
)
_LINE = re.compile(r"[^\r\n]+")


class ConsoleLogError(Exception):
    """A file is no log of this console, or its times make no sense; the message is one line."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that the firmware said.

    Attributes:
        said: which text.
        values: its values in the order of the text, numbers where they are numbers.
        at_ms: when, from the log's first time on; None where no time stands before it.
        line: number of its line in the log, from 1.
        text: as it stands there.
    """

    said: Said
    values: tuple[int | str, ...]
    at_ms: int | None
    line: int
    text: str

    def number(self, index: int) -> int:
        """Return a value that is a number."""
        return int(self.values[index])


def parse(content: bytes) -> tuple[Entry, ...]:
    """Return what a recorded log says, in its order.

    Args:
        content: the whole file; bytes that are no UTF-8 are passed by.

    Raises:
        ConsoleLogError: it is too large, its time goes back, or nothing in it is known.
    """
    if len(content) > LOG_BYTES_MAX:
        raise ConsoleLogError(f"more than {LOG_BYTES_MAX} bytes; give a part of the log")
    clock = _Clock()
    entries: list[Entry] = []
    text = content.decode("utf-8", "replace")
    number, counted = 1, 0
    for line in _LINE.finditer(text):
        number += text.count("\n", counted, line.start())
        counted = line.start()
        at_ms, rest = clock.read(line.group(), number)
        entries += (
            Entry(said, _values(said, found), at_ms, number, found.strip())
            for said, found in _found(rest)
        )
    if not entries:
        raise ConsoleLogError(
            "nothing in it is text of this firmware's console, such as 'GO s=2 r=0'; turn its "
            "debug text on with TESTFX3 (wValue 1) and record again"
        )
    return tuple(entries)


class _Clock:
    """Reads the times at the beginnings of lines; text without one keeps the time before it."""

    def __init__(self) -> None:
        self._began_ms: int | None = None
        self._at_ms: int | None = None
        self._is_date = False

    def read(self, line: str, number: int) -> tuple[int | None, str]:
        """Return the time of a line and what stands behind it.

        Raises:
            ConsoleLogError: the time lies before the one above it, or is of the other kind.
        """
        found = _TIME.match(line)
        mark_ms = None if found is None else _mark_ms(found)
        if found is None or mark_ms is None:
            return self._at_ms, line
        is_date = found["date"] is not None
        if self._began_ms is None:
            self._began_ms, self._is_date = mark_ms, is_date
        elif is_date != self._is_date:
            raise ConsoleLogError(f"line {number}: dates and seconds in one log; cut it in two")
        at_ms = mark_ms - self._began_ms
        if at_ms < (self._at_ms or 0):
            raise ConsoleLogError(
                f"line {number}: its time lies before the one above it; cut the log in two there"
            )
        if at_ms > MARK_MS_MAX:
            raise ConsoleLogError(f"line {number}: its time is more than a century after the first")
        self._at_ms = at_ms
        return at_ms, line[found.end() :]


def _mark_ms(found: re.Match[str]) -> int | None:
    """The time that a line begins with, in ms from some origin; None when there is none such."""
    if found["seconds"] is not None:
        fraction = (found["fraction"] or "").ljust(3, "0")[:3]
        return int(found["seconds"]) * 1000 + int(fraction)
    try:
        when = datetime.fromisoformat(found["date"].replace(",", "."))
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    span = when - datetime(1, 1, 1, tzinfo=UTC)
    return span.days * 86_400_000 + span.seconds * 1000 + span.microseconds // 1000


def _found(line: str) -> list[tuple[Said, str]]:
    return [(Said[found.lastgroup or ""], found.group()) for found in _ANY.finditer(line)]


def _values(said: Said, text: str) -> tuple[int | str, ...]:
    # What follows decided where its last number ends, and is not in the text any more.
    found = _FORMS[said].match(text)
    groups = () if found is None else found.groups()
    if said is Said.PIB_ERROR:
        return tuple(int(item, 16) for item in groups)
    return tuple(int(item) if item.isdigit() else item for item in groups)
