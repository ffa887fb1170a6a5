"""What ``fx3loop soak`` does: its place and journal, Ctrl-C, and a bar that shows how far it is."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

import click

from health import HealthFactory, Policy
from scenarios.cli import output
from scenarios.cli.running import Device
from scenarios.soak.bench import SoakBench
from scenarios.soak.device_place import DevicePlace
from scenarios.soak.harness import Harness
from scenarios.soak.journal import Journal
from scenarios.soak.on_device import SoakDevice
from scenarios.soak.plan import Plan
from scenarios.soak.record import Record
from sim.options import Options

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


@contextmanager
def opened(path: Path | None) -> Iterator[Journal | None]:
    """Hold a journal open; None for no file.

    Raises:
        InputError: it cannot be opened.
    """
    if path is None:
        yield None
        return
    journal = Journal(path)
    try:
        yield journal
    finally:
        journal.close()


def in_world(plan: Plan, policy: Policy, options: Options, health: HealthFactory) -> DevicePlace:
    """Return a world of its own to soak in.

    Args:
        plan: what is to be done.
        policy: what the health module decides by.
        options: the bench's knobs.
        health: class of the health module.

    Raises:
        InputError: the table does not fit the firmware.
    """
    return SoakBench(
        plan.table, plan.firmware, policy, seed=plan.seed, options=options, health=health
    )


def on_device(plan: Plan, device: Device) -> DevicePlace:
    """Return a real device, opened, to soak on.

    Raises:
        DeniedError: the guard does not allow all of it.
        DeviceError: there is no device, or it cannot be opened.
        InputError: the table does not fit the firmware, or a reload has nothing to upload.
    """
    return SoakDevice(
        plan.table,
        plan.firmware,
        device.authority,
        device.selector,
        device.image,
        reloads=plan.reload_interval > 0,
    )


def run(
    plan: Plan, place: DevicePlace, journal: Journal | None, *, to_standard_error: bool
) -> Record:
    """Run a soak to its end or to Ctrl-C, print what it says, and close its place.

    Args:
        plan: what to do.
        place: where.
        journal: written to after each cycle, or None.
        to_standard_error: the text goes there, not to standard output.

    Returns:
        What came of it.
    """
    with place, Interrupt() as interrupt, Bar() as bar:
        harness = Harness(
            plan,
            place,
            lambda line: bar.print(line, to_standard_error=to_standard_error),
            journal=journal,
            is_stopped=interrupt.is_requested,
            progress=bar.show,
        )
        return harness.run()


def write(record: Record, path: Path) -> None:
    """Write a soak's record as JSON."""
    with output.Writing(path):
        path.write_text(json.dumps(record.as_dict(), indent=2) + "\n", encoding="utf-8")


class Interrupt:
    """Ctrl-C or SIGTERM while entered: the first is a request, the second a KeyboardInterrupt."""

    def __init__(self) -> None:
        self._requested = False
        self._before: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}

    def is_requested(self) -> bool:
        """Whether one came."""
        return self._requested

    def __enter__(self) -> Interrupt:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._pressed)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def _pressed(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self._requested:
            raise KeyboardInterrupt
        self._requested = True


class Bar:
    """A progress bar on standard error, on a terminal only; lines are printed above it."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Bar:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import Progress

            self._progress = Progress(
                console=Console(stderr=True), redirect_stdout=False, redirect_stderr=False
            )
            self._task = self._progress.add_task("soak", total=1.0)
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def show(self, done: float) -> None:
        """Show how much is done, from 0 to 1."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=done)

    def print(self, line: str, *, to_standard_error: bool) -> None:
        """Print a line; on the bar's own terminal, above the bar."""
        stream = sys.stderr if to_standard_error else sys.stdout
        if self._progress is not None and stream.isatty():
            self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            click.echo(line, err=to_standard_error)
