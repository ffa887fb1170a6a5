"""The commands of ``fx3loop device``, one after the other, on one device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import click

from hw.boot import Image
from hw.errors import (
    AccessDeniedError,
    AmbiguousError,
    DeniedError,
    DeviceError,
    NoBackendError,
    NoDeviceError,
)
from scenarios.cli.device_place import Place
from scenarios.errors import Trouble, describe
from scenarios.station import Station

LASTING = (AccessDeniedError, AmbiguousError, DeniedError, NoBackendError, NoDeviceError)
"""Not a command's own failure, and none of those that follow can do better."""


@dataclass(frozen=True)
class Done:
    """How a command ended.

    Attributes:
        has_passed: whether.
        text: what is said of it.
        facts: the same as data, for ``--json``.
        is_shown: the command has printed its text itself.
    """

    has_passed: bool
    text: str
    facts: dict[str, Any] = field(default_factory=dict)
    is_shown: bool = False


@dataclass(frozen=True)
class Line:
    """One command.

    Attributes:
        words: as it was written.
        do: does it.
        is_last: nothing can follow it.
        needs_device: it works on the open device, and that it cannot be opened is no failure of
            its own.
    """

    words: tuple[str, ...]
    do: Callable[[Session], Done]
    is_last: bool = False
    needs_device: bool = True

    @property
    def name(self) -> str:
        """What it is called."""
        return self.words[0]

    @property
    def text(self) -> str:
        """As it was written."""
        return " ".join(self.words)


class Session:
    """A device that is opened for the first command that needs it, and left stopped after trouble.

    Args:
        place: where the device is.
        is_quiet: print nothing; the results are wanted as data.
        streams: False leaves out the stream lines of ``fw-test``.
        count: how many looks ``watch`` takes; None: until Ctrl-C.

    Attributes:
        image: firmware to upload, or None.
        results: of each command that was done: how it was written, whether it passed, its text,
            and its facts where it has some.
    """

    def __init__(
        self, place: Place, *, is_quiet: bool, streams: bool = True, count: int | None = None
    ) -> None:
        self.place = place
        self.is_quiet = is_quiet
        self.streams = streams
        self.count = count
        self.image: Image | None = place.image
        self.results: list[dict[str, Any]] = []
        self._station: Station | None = None

    @property
    def is_open(self) -> bool:
        """A command has opened the device."""
        return self._station is not None

    @property
    def station(self) -> Station:
        """The open device; it is opened now if it was not.

        Raises:
            DeviceError: it is not there, or cannot be opened.
        """
        if self._station is None:
            self._station = self.place.station()
            self._station.image = self.image
        return self._station

    def leave(self) -> None:
        """Give the device back, so that somebody else may have it; the next command opens it."""
        station, self._station = self._station, None
        if station is not None:
            self.image = station.image
            station.device.close()

    def run(self, lines: Sequence[Line], *, keep_going: bool) -> bool:
        """Do it all; a device that failed, or that Ctrl-C took, is left stopped.

        Args:
            lines: what to do.
            keep_going: do the rest after a failure too.

        Returns:
            Whether all were done and passed.

        Raises:
            DeniedError: the guard does not allow a command.
            NoDeviceError: the device is not there, or left.
            DeviceError: it cannot be opened.
        """
        try:
            self._run(lines, keep_going)
        except BaseException:
            # A world that was cut off in the middle of an event may be past use.
            self._stop(Exception)
            raise
        is_good = len(self.results) == len(lines) and all(item["passed"] for item in self.results)
        if not is_good:
            self._stop(DeviceError)
        self.leave()
        return is_good

    def say(self, text: str) -> None:
        """Print, if anybody wants to read it."""
        if text and not self.is_quiet:
            click.echo(text, nl=False)

    def _run(self, lines: Sequence[Line], keep_going: bool) -> None:
        for line in lines:
            done = self._do(line)
            result = {"command": line.text, "passed": done.has_passed, "text": done.text}
            self.results.append({**result, **done.facts})
            if not done.is_shown:
                self.say(f"{'PASS' if done.has_passed else 'FAIL'} {line.name}: {done.text}\n")
            if not done.has_passed and not keep_going:
                return

    def _do(self, line: Line) -> Done:
        if line.needs_device:
            _ = self.station
        try:
            return line.do(self)
        except LASTING:
            raise
        except (DeviceError, Trouble) as error:
            return Done(False, describe(error))

    def _stop(self, expected: type[Exception]) -> None:
        if self._station is not None:
            with suppress(expected):
                self._station.device.stop()
            if expected is Exception:
                with suppress(Exception):
                    self.leave()
