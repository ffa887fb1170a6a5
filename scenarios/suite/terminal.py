"""The debug terminal: what is typed goes to the firmware, what it prints comes back.

It polls each 50 ms. An exclamation mark begins a line that stays on this side: one of the plain
commands, with its numbers. Where keys come from and text goes to is the caller's affair.

Source: ``fx3_cmd.c``, command ``debug``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence

from hw.errors import DeviceError
from hw.protocol import EP0_BUFFER_BYTES
from scenarios.errors import InputError, Trouble, describe, not_known
from scenarios.station import Station
from scenarios.suite.commands import COMMANDS, IN_TWO_WORDS
from scenarios.suite.moves import ask, read_console

POLL_INTERVAL_MS = 50
LINE_CHARACTERS_MAX = 127
LOCAL = "!"
BACKSPACES = ("\b", "\x7f")
CANCELS = ("\x1b", "\x03")
RETURNS = ("\r", "\n")
LARGEST = {
    "word": 0xFFFF_FFFF,
    "rate_hz": 0xFFFF_FFFF,
    "value": 0xFFFF,
    "address": 0xFFFF,
    "register": 0xFFFF,
    "size_bytes": 0xFFFF,
    "code": 0xFF,
}
"""What the fields of a SETUP packet, or a word of data, can hold."""


class Terminal:
    """One session; beginning it turns the firmware's debug text on.

    Args:
        station: where it works.

    Attributes:
        line: the local command line while one is typed, else None.
    """

    def __init__(self, station: Station) -> None:
        self.line: str | None = None
        self._station = station
        ask(station, debug=True)

    def turn(self, key: str = "") -> str:
        """Do what one key asks for, or just poll, and wait 50 ms.

        Args:
            key: one character, or nothing.

        Returns:
            What is to be shown: text of the firmware, echo of a local line, its outcome.
        """
        shown = self._local(key) if self.line is not None or key == LOCAL else self._remote(key)
        self._station.sleep_ms(POLL_INTERVAL_MS)
        return shown

    def _remote(self, key: str) -> str:
        """Type a character at the firmware and take what it has to say."""
        # A line feed is a return to the firmware; what it cannot take is not typed.
        character = "\r" if key == "\n" else key or "\0"
        if ord(character) > 0xFF:
            character = "\0"
        return read_console(self._station, character).decode("latin-1")

    def _local(self, key: str) -> str:
        """Edit the local line, or run it."""
        line = self.line
        if line is None:
            self.line = ""
            return LOCAL
        if not key:
            return ""
        if key in CANCELS:
            self.line = None
            return "\r\n"
        if key in RETURNS:
            self.line = None
            return f"\r\n{self._outcome(line)}\r\n"
        if key in BACKSPACES:
            self.line = line[:-1]
            return "\b \b" if line else ""
        if len(line) == LINE_CHARACTERS_MAX:
            return ""
        self.line = line + key
        return key

    def _outcome(self, line: str) -> str:
        name = line.split(maxsplit=1)[0] if line.strip() else ""
        try:
            return f"PASS {name}: {run_line(self._station, line)}"
        except InputError as error:
            return str(error)
        except (DeviceError, Trouble) as error:
            return f"FAIL {name}: {describe(error)}"


def run_line(station: Station, line: str) -> str:
    """Run a plain command written as one line, such as ``i2cr 0xC0 0 1``.

    Args:
        station: where it runs.
        line: the name and its whole numbers; ``i2cw`` takes bytes at its end.

    Returns:
        The text of its PASS line.

    Raises:
        InputError: no such command, or not its numbers.
        Trouble, DeviceError: it failed.
    """
    return parse(line.split())(station)


def parse(words: Sequence[str]) -> Callable[[Station], str]:
    """Return a plain command that was written as words; nothing is run yet.

    Args:
        words: as in :func:`run_line`.

    Raises:
        InputError: no such command, or not its numbers.
    """
    name, texts = _named(words)
    command = _command(name)
    numbers = _arguments(name, command, texts)
    return lambda station: command(station, *numbers)


def is_known(name: str) -> bool:
    """Return whether a plain command begins with this word."""
    return name in COMMANDS or bool(_spellings(name))


def usage(name: str) -> str:
    """Return a command's name and what it takes, such as ``i2cr ADDRESS REGISTER SIZE_BYTES``."""
    return " ".join([name, *(item.upper() for item in _parameters(_command(name)))])


def _spellings(first: str) -> list[str]:
    """The names in two words that begin with this one."""
    return [name for name in IN_TWO_WORDS if name.split()[0] == first]


def _named(words: Sequence[str]) -> tuple[str, Sequence[str]]:
    """The name of a command, in one word or two, and the words behind it."""
    first = words[0] if words else ""
    spellings = _spellings(first)
    if not spellings:
        if first not in COMMANDS:
            raise not_known("command", first, COMMANDS)
        return first, words[1:]
    both = " ".join(words[:2])
    if both not in spellings:
        wanted = " or ".join(map(usage, spellings))
        raise InputError(f"{first} is {wanted}, not {both!r}")
    return both, words[2:]


def _command(name: str) -> Callable[..., str]:
    return COMMANDS[IN_TWO_WORDS.get(name, name)]


def _parameters(command: Callable[..., str]) -> list[str]:
    """The names of a command's numbers."""
    return list(inspect.signature(command).parameters)[1:]


def _arguments(name: str, command: Callable[..., str], texts: Iterable[str]) -> list[int | bytes]:
    """The numbers of a line in the form that the command takes them."""
    wanted = _parameters(command)
    numbers: list[int | bytes] = []
    for text in texts:
        try:
            numbers.append(int(text, 0))
        except ValueError:
            raise InputError(f"{name} takes whole numbers: {usage(name)}, not {text!r}") from None
    if wanted and wanted[-1] == "data":
        place = len(wanted) - 1
        data = [number for number in numbers[place:] if isinstance(number, int)]
        if not 1 <= len(data) <= EP0_BUFFER_BYTES or not all(0 <= item <= 0xFF for item in data):
            raise InputError(
                f"{name} takes bytes of 0 to 255 at its end, {EP0_BUFFER_BYTES} at most: "
                f"{usage(name)}"
            )
        numbers[place:] = [bytes(data)]
    if len(numbers) != len(wanted):
        raise InputError(f"{name} takes {len(wanted)} numbers: {usage(name)}")
    for item, number in zip(wanted, numbers, strict=True):
        if isinstance(number, int) and not 0 <= number <= LARGEST[item]:
            raise InputError(f"{usage(name)}: {number} is not within 0 to {LARGEST[item]}")
    return numbers
