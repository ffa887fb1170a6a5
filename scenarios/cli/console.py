"""The debug console on standard input and output: keys of a person, or a script's characters."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from hw.errors import NoDeviceError
from hw.exchange import Exchange
from scenarios.station import Station
from scenarios.suite.moves import ask
from scenarios.suite.terminal import Terminal

QUIET_POLLS = 10
"""Half a second without text: the firmware has said what it had to say."""
POLLS_MAX = 200
"""So often a script's end waits for that; a firmware that traces a stream is never quiet."""
CONTROL_C = "\x03"
CONTROL_D = "\x04"
KEYS_READ = 1_024

Show = Callable[[str], None]


class Talk:
    """A terminal whose device may leave and be brought back by ``!load``.

    Args:
        station: where; the firmware's debug text is turned on, after each upload again.

    Attributes:
        missing: what the last transfer failed with, if the device was not there.
    """

    def __init__(self, station: Station) -> None:
        self.missing: NoDeviceError | None = None
        self._station = station
        self._generation = station.device.generation
        self._terminal = Terminal(station)
        station.device.observe(self._see)

    @property
    def is_local(self) -> bool:
        """A local line is being typed."""
        return self._terminal.line is not None

    def turn(self, key: str = "") -> str:
        """Type a key, or only poll; see :meth:`scenarios.suite.terminal.Terminal.turn`."""
        shown = self._terminal.turn(key)
        if self._station.device.generation != self._generation:
            self._generation = self._station.device.generation
            ask(self._station, debug=True)
        return shown

    def _see(self, exchange: Exchange) -> None:
        self.missing = exchange.error if isinstance(exchange.error, NoDeviceError) else None


def play(station: Station, lines: Iterable[str], show: Show) -> None:
    """Type the characters of a script, wait until the firmware is quiet, and end.

    Args:
        station: where.
        lines: what is typed; a line feed is the return key.
        show: told what comes back.

    Raises:
        NoDeviceError: the device is gone in the end.
        DeviceError: the console cannot be begun.
    """
    talk = Talk(station)
    for line in lines:
        for key in line:
            show(talk.turn(key))
    if talk.is_local:
        show(talk.turn("\r"))
    quiet = 0
    for _ in range(POLLS_MAX):
        text = talk.turn()
        show(text)
        quiet = 0 if text else quiet + 1
        if quiet == QUIET_POLLS:
            break
    if talk.missing is not None:
        raise talk.missing


def converse(station: Station, show: Show, remark: Show) -> None:
    """Take keys from the terminal until Ctrl-D; its settings are restored, whatever happens.

    Args:
        station: where.
        show: told what comes back.
        remark: told what is to be said beside it.

    Raises:
        KeyboardInterrupt: Ctrl-C, which inside a local line only cancels that.
        DeviceError: the console cannot be begun.
    """
    talk = Talk(station)
    was_missing = False
    waiting = ""
    with key_by_key() as read:
        remark("debug console: ? and return for help, ! for a local command, Ctrl-D to end\n")
        while True:
            try:
                waiting += read()
            except EOFError:
                return
            key, waiting = waiting[:1], waiting[1:]
            if not talk.is_local and key == CONTROL_D:
                return
            if not talk.is_local and key == CONTROL_C:
                raise KeyboardInterrupt
            show(talk.turn(key))
            is_missing = talk.missing is not None
            if is_missing and not was_missing:
                remark("the device is gone; !load resets and uploads, Ctrl-D ends\n")
            was_missing = is_missing


def standard_input() -> Iterator[str]:
    """The lines of standard input, each byte a character, as they come."""
    if sys.stdin is None:
        return
    for line in sys.stdin.buffer:
        yield line.decode("latin-1")


@contextmanager
def key_by_key() -> Iterator[Callable[[], str]]:
    """Have the terminal hand over each key at once, Ctrl-C too, and echo none."""
    import termios

    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)
    changed = termios.tcgetattr(number)
    changed[3] &= ~(termios.ECHO | termios.ICANON | termios.ISIG)

    def read() -> str:
        if not select.select([number], [], [], 0)[0]:
            return ""
        keys = os.read(number, KEYS_READ)
        if not keys:
            raise EOFError
        return keys.decode("latin-1")

    termios.tcsetattr(number, termios.TCSADRAIN, changed)
    try:
        yield read
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)
