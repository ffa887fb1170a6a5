"""What is asked of a device, read before anything is done to it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from hw import ports
from hw.boot import Image
from hw.power import OFF_MS
from scenarios.cli import device_bus, device_tests, device_watch, inputs
from scenarios.cli.device_console import talk
from scenarios.cli.device_session import Done, Line, Session
from scenarios.errors import InputError, not_known
from scenarios.station import Station
from scenarios.suite import commands, tap, terminal

SEPARATOR = ","
CONSOLE = "console"
ACCEPTANCE = "fw-test"
WATCH = "watch"
OWN = ("list", "probe", WATCH, "upload", "power-cycle", "sleep", CONSOLE, ACCEPTANCE)
"""Commands that the original's tool does not have."""
SLEEP_LARGEST_MS = 3_600_000
EXAMPLE = "for example: fx3loop device adc 64000000, start, stats"


def usages() -> list[tuple[str, str]]:
    """Every command with its numbers, and what it does in a line."""
    rows = []
    for name, command in commands.COMMANDS.items():
        summary = (command.__doc__ or "").splitlines()[0]
        rows.append(("load [FILE]" if name == "load" else terminal.usage(name), summary))
    for name, same in commands.IN_TWO_WORDS.items():
        rows.append((terminal.usage(name), f"The same as {same}."))
    return [
        ("list", "Every device, applications and boot ROMs: serial, port, speed, owner."),
        ("probe", "How the device does, claiming nothing; fails when it does not serve."),
        (WATCH, "The same each second, until Ctrl-C or --count N looks."),
        *rows,
        ("upload [FILE]", "Upload an image to a device in its boot ROM."),
        (
            f"power-cycle [PORT] [OFF_MS={OFF_MS}]",
            "Turn its port off and on by its hub; proven by the device's lost state.",
        ),
        ("sleep MS", "Let time pass: on a world nothing else does between two commands."),
        (
            CONSOLE,
            "The debug console; a line that begins with ! is one of the above. With --port: the "
            "one on a serial port. With --file: judge a recorded log.",
        ),
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
        if line.is_last:
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
    written = tuple(words)
    if name in _READERS:
        # Both work on the open device, and leave it in whatever state they found words for.
        is_last = name in (CONSOLE, ACCEPTANCE)
        return Line(written, _READERS[name](written), is_last=is_last, needs_device=is_last)
    if not terminal.is_known(name):
        raise not_known("command", name, (*commands.COMMANDS, *commands.IN_TWO_WORDS, *OWN))
    run = _loader(written) if name == "load" and rest else terminal.parse(words)
    return Line(written, _on_station(run))


def _on_station(run: Callable[[Station], str]) -> Callable[[Session], Done]:
    """A command that needs the device open."""
    return lambda session: Done(True, run(session.station))


def _alone(words: tuple[str, ...]) -> None:
    if words[1:]:
        raise InputError(f"{words[0]} takes nothing, not {' '.join(words[1:])!r}")


def _taking_nothing(do: Callable[[Session], Done]) -> _Reader:
    def read_it(words: tuple[str, ...]) -> Callable[[Session], Done]:
        _alone(words)
        return do

    return read_it


def _acceptance(words: tuple[str, ...]) -> Callable[[Session], Done]:
    rate_hz = _number(words, "RATE_HZ", 0xFFFF_FFFF) if words[1:] else tap.RATE_HZ
    return device_tests.acceptance(rate_hz)


def _sleep(words: tuple[str, ...]) -> Callable[[Session], Done]:
    duration_ms = _number(words, "MS")
    return lambda session: _pause(session, duration_ms)


def _pause(session: Session, duration_ms: int) -> Done:
    session.place.runtime.sleep_ms(duration_ms)
    return Done(True, f"{duration_ms} ms")


def _upload(words: tuple[str, ...]) -> Callable[[Session], Done]:
    return device_bus.upload(_file(words) if words[1:] else None)


def _power_cycle(words: tuple[str, ...]) -> Callable[[Session], Done]:
    name, *rest = words
    port = ports.parse(rest[0]) if rest else None
    numbers = rest if port is None else rest[1:]
    if not numbers:
        return device_bus.cycle(port)
    try:
        off_ms = _number((name, *numbers), "OFF_MS")
    except InputError:
        raise InputError(
            f"{name} takes a port and a time in ms, 0 to {SLEEP_LARGEST_MS}: {name} 2-1.4 2000, "
            f"not {' '.join(words)!r}"
        ) from None
    return device_bus.cycle(port, off_ms)


def _number(words: tuple[str, ...], what: str, largest: int = SLEEP_LARGEST_MS) -> int:
    """The one number of a command that is not the suite's."""
    name, text = words[0], " ".join(words)
    try:
        (digits,) = words[1:]
        number = int(digits, 0)
    except ValueError:
        raise InputError(f"{name} takes a whole number: {name} {what}, not {text!r}") from None
    if not 0 <= number <= largest:
        raise InputError(f"{name} {what}: {number} is not within 0 to {largest}")
    return number


def _file(words: tuple[str, ...]) -> Image:
    """The one file of a command; it is read now."""
    if len(words) > 2:
        raise InputError(f"{words[0]} takes one file: {words[0]} FILE, not {' '.join(words)!r}")
    image = inputs.image(Path(words[1]))
    assert image is not None
    return image


def _loader(words: tuple[str, ...]) -> Callable[[Station], str]:
    """``load FILE``: the file is read now, and uploaded when its turn comes."""
    image = _file(words)

    def load(station: Station) -> str:
        station.image = image
        return commands.load(station)

    return load


_Reader: TypeAlias = Callable[[tuple[str, ...]], Callable[[Session], Done]]
_READERS: dict[str, _Reader] = {
    "list": _taking_nothing(device_bus.show_list),
    "probe": _taking_nothing(device_bus.probe),
    WATCH: _taking_nothing(device_watch.watch),
    "upload": _upload,
    "power-cycle": _power_cycle,
    "sleep": _sleep,
    CONSOLE: _taking_nothing(talk),
    ACCEPTANCE: _acceptance,
}
"""How the words of each own command are understood."""
