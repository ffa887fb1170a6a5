"""What is asked of a device, read before anything is done to it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from scenarios.cli import inputs
from scenarios.errors import InputError, not_known
from scenarios.station import Station
from scenarios.suite import commands, tap, terminal

SEPARATOR = ","
CONSOLE = "console"
ACCEPTANCE = "fw-test"
SLEEP_LARGEST_MS = 3_600_000
EXAMPLE = "for example: fx3loop device adc 64000000, start, stats"


@dataclass(frozen=True)
class Line:
    """One command.

    Attributes:
        words: as it was written.
        run: does it, and returns the text of its PASS line; None for ``console`` and ``fw-test``.
        rate_hz: of ``fw-test``.
    """

    words: tuple[str, ...]
    run: Callable[[Station], str] | None = None
    rate_hz: int = tap.RATE_HZ

    @property
    def name(self) -> str:
        """What it is called."""
        return self.words[0]

    @property
    def text(self) -> str:
        """As it was written."""
        return " ".join(self.words)


def usages() -> list[tuple[str, str]]:
    """Every command with its numbers, and what it does in a line."""
    rows = []
    for name, command in commands.COMMANDS.items():
        summary = (command.__doc__ or "").splitlines()[0]
        rows.append(("load [FILE]" if name == "load" else terminal.usage(name), summary))
    return [
        *rows,
        ("sleep MS", "Let time pass: on a world nothing else does between two commands."),
        (CONSOLE, "The firmware's debug console; a line that begins with ! is one of the above."),
        (f"{ACCEPTANCE} [RATE_HZ]", "The 41 steps of the firmware's own acceptance run, as TAP."),
    ]


def read(words: Sequence[str], script: Path | None) -> list[Line]:
    """Return the commands that were typed, or that a script holds.

    Args:
        words: from the command line, with commas between commands.
        script: a file with a command a line, or ``-``; comments begin with ``#``.

    Raises:
        InputError: there are none, one is not known, or its numbers are wrong.
        ImageError: the file that ``load`` names is no usable image.
    """
    if words and script is not None:
        raise InputError("commands on the command line and --script together; give one of them")
    if script is not None:
        lines = [_line(item, f"{script}:{number}: ") for number, item in _scripted(script)]
    else:
        lines = [_line(item, "") for item in _split(words)]
    if not lines:
        raise InputError(f"which command? {EXAMPLE}; see fx3loop device --help")
    for line in lines[:-1]:
        if line.run is None:
            raise InputError(f"{line.name} comes last, but here {lines[-1].text!r} follows it")
    return lines


def _split(words: Sequence[str]) -> list[list[str]]:
    """Split words at commas, which may stand alone or at the end of a word."""
    found: list[list[str]] = [[]]
    for word in words:
        first, *following = word.split(SEPARATOR)
        for number, piece in enumerate((first, *following)):
            if number:
                found.append([])
            found[-1] += piece.split()
    if words and not all(found):
        raise InputError(f"there is no command between two commas, or at an end; {EXAMPLE}")
    return [item for item in found if item]


def _scripted(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The commands of a script, each with the number of its line."""
    for number, line in enumerate(inputs.text_of(path).splitlines(), 1):
        try:
            words = shlex.split(line, comments=True)
        except ValueError as error:
            raise InputError(f"{path}:{number}: {str(error).lower()}") from error
        for item in _split(words):
            yield number, item


def _line(words: list[str], place: str) -> Line:
    """Understand one command; ``place`` begins the message when that fails."""
    try:
        return _understood(words)
    except InputError as error:
        raise InputError(f"{place}{error}") from None


def _understood(words: list[str]) -> Line:
    name, *rest = words
    line = Line(tuple(words))
    if name == CONSOLE:
        if rest:
            raise InputError(f"{CONSOLE} takes nothing, not {' '.join(rest)!r}")
        return line
    if name == ACCEPTANCE:
        rate_hz = _number(line, "RATE_HZ", 0xFFFF_FFFF) if rest else tap.RATE_HZ
        return replace(line, rate_hz=rate_hz)
    if name == "sleep":
        duration_ms = _number(line, "MS", SLEEP_LARGEST_MS)
        return replace(line, run=lambda station: _sleep(station, duration_ms))
    if name == "load" and rest:
        return replace(line, run=_loader(line))
    if name not in commands.COMMANDS:
        raise not_known("command", name, (*commands.COMMANDS, "sleep", CONSOLE, ACCEPTANCE))
    return replace(line, run=terminal.parse(words))


def _number(line: Line, what: str, largest: int) -> int:
    """The one number of a command that is not the suite's."""
    try:
        (text,) = line.words[1:]
        number = int(text, 0)
    except ValueError:
        raise InputError(
            f"{line.name} takes a whole number: {line.name} {what}, not {line.text!r}"
        ) from None
    if not 0 <= number <= largest:
        raise InputError(f"{line.name} {what}: {number} is not within 0 to {largest}")
    return number


def _sleep(station: Station, duration_ms: int) -> str:
    station.sleep_ms(duration_ms)
    return f"{duration_ms} ms"


def _loader(line: Line) -> Callable[[Station], str]:
    """``load FILE``: the file is read now, and uploaded when its turn comes."""
    if len(line.words) > 2:
        raise InputError(f"load takes one file: load FILE, not {line.text!r}")
    image = inputs.image(Path(line.words[1]))

    def load(station: Station) -> str:
        station.image = image
        return commands.load(station)

    return load
