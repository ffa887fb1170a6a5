"""``fx3loop soak``."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

import click

from scenarios.cli.codes import CHECK_FAILED, INTERRUPTED, OK
from scenarios.cli.target import USB, is_given, refuse_other_target, target_options

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from scenarios.soak.device_place import DevicePlace
    from scenarios.soak.record import Record

TO_STANDARD_OUTPUT = Path("-")
WORLD_ONLY = {
    "policy": ("--policy", "a device runs its firmware's own"),
    "options": ("--option", "a device has no knobs"),
    "health": ("--health", "a device brings its firmware's own"),
}
"""Options that a real device cannot have, and why."""


@click.command("soak")
@click.option(
    "--hours",
    type=float,
    default=1.0,
    show_default=True,
    help="How long, in the device's time; fractions are fine, 0 means 1.",
)
@click.option("--seed", metavar="S", help="For srand; by default a new one, which is printed.")
@click.option(
    "--max-cycles", type=click.IntRange(min=0), default=0, help="So many scenarios at most."
)
@click.option(
    "-w", "--weight", "weights", multiple=True, metavar="NAME=N", help="Replace a weight."
)
@click.option(
    "--table",
    "table_name",
    default="v0.1.0",
    show_default=True,
    metavar="COMMIT",
    help="Whose scenarios and weights: v0.1.0, efcd873, 0fcfae8, 290198b, 510e55a.",
)
@click.option(
    "--reload-interval",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Reset and upload after N scenarios, and go on with the next seed, as soak_test.sh.",
)
@click.option("--firmware", default="reference", show_default=True, metavar="R")
@click.option(
    "--policy", default="reference", show_default=True, metavar="P|FILE", help="Preset or TOML."
)
@click.option(
    "--health", default="", metavar="FILE:CLASS|NAME", help="A health module of your own."
)
@click.option("--option", "options", multiple=True, metavar="NAME=VALUE", help="A bench knob.")
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE",
    help="Write the result as JSON; with - to standard output, the text to standard error then.",
)
@click.option(
    "--journal",
    "journal_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Append a JSON line after each cycle.",
)
@click.option("-q", "--quiet", is_flag=True, help="Say nothing about scenarios that pass.")
@target_options
@click.pass_context
def command(
    context: click.Context,
    hours: float,
    seed: str | None,
    max_cycles: int,
    weights: tuple[str, ...],
    table_name: str,
    reload_interval: int,
    firmware: str,
    policy: str,
    health: str,
    options: tuple[str, ...],
    json_file: Path | None,
    journal_file: Path | None,
    quiet: bool,
    target: str,
    risk: str,
    acknowledge: tuple[str, ...],
    serial: str | None,
    image: Path | None,
) -> None:
    """Run scenarios at random for hours of simulated time, as the original's soak does.

    With --target usb on a real device, in real time: the guard is asked for all of it first.

    The order is the original's own: the C library's srand and rand over its table of weights, so a
    seed gives the same scenarios here and there.

    Ctrl-C finishes the cycle and prints the summary; a second one ends the cycle as well. Ends
    with 0 when everything passed, with 1 when a scenario failed by the original or by the strict
    rule, a health check failed or the run was aborted, and with 130 after Ctrl-C.
    """
    from scenarios import custom_health, option_text
    from scenarios.cli import inputs, output
    from scenarios.cli.running import DEVICE_FIRMWARE, Device
    from scenarios.on_device import ON_DEVICE
    from scenarios.soak import plan as plans, tables
    from scenarios.soak.bench import SoakBench
    from scenarios.soak.harness import Harness
    from scenarios.soak.journal import Journal
    from scenarios.soak.on_device import SoakDevice
    from sim.firmware import revision

    firmware_image = inputs.image(image)
    refuse_other_target(context, WORLD_ONLY, has_world_image=False)
    chosen = inputs.policy(policy)
    module = custom_health.find(health)
    knobs = option_text.parse(options)
    is_real = target == USB
    if is_real and not is_given(context, "firmware"):
        firmware = DEVICE_FIRMWARE
    is_document = json_file == TO_STANDARD_OUTPUT
    plan = plans.Plan(
        table=tables.table(table_name).reweighted(tables.parse_weights(weights)),
        seed=_new_seed() if seed is None else plans.parse_seed(seed),
        hours=plans.checked_hours(hours),
        max_cycles=max_cycles,
        reload_interval=reload_interval,
        firmware=revision(firmware).name,
        policy=ON_DEVICE if is_real else chosen.name,
        options=option_text.changed(knobs),
        is_quiet=quiet,
    )
    if not is_document:
        output.writable_file(json_file)
    journal = None if journal_file is None else Journal(journal_file)
    try:
        place: DevicePlace
        if is_real:
            device = Device.of(risk, acknowledge, serial, firmware_image, plan.seed)
            place = SoakDevice(
                plan.table,
                plan.firmware,
                device.authority,
                device.selector,
                device.image,
                reloads=reload_interval > 0,
            )
        else:
            place = SoakBench(
                plan.table,
                plan.firmware,
                chosen,
                seed=plan.seed,
                options=knobs,
                health=module,
            )
        with place, Interrupt() as interrupt, Bar() as bar:
            harness = Harness(
                plan,
                place,
                lambda line: bar.print(line, to_standard_error=is_document),
                journal=journal,
                is_stopped=interrupt.is_requested,
                progress=bar.show,
            )
            record = harness.run()
    finally:
        if journal is not None:
            journal.close()
    if is_document:
        output.print_json(record.as_dict())
    elif json_file is not None:
        _write(record, json_file)
    if record.was_interrupted:
        context.exit(INTERRUPTED)
    context.exit(OK if record.is_good else CHECK_FAILED)


class Interrupt:
    """Ctrl-C while entered: the first is a request, the second a KeyboardInterrupt."""

    def __init__(self) -> None:
        self._requested = False
        self._before: Callable[[int, FrameType | None], object] | int | None = None

    def is_requested(self) -> bool:
        """Whether somebody pressed it."""
        return self._requested

    def __enter__(self) -> Interrupt:
        self._before = signal.signal(signal.SIGINT, self._pressed)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        signal.signal(signal.SIGINT, self._before)

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


def _new_seed() -> int:
    """A seed from the operating system; it is printed, so that the run can be repeated."""
    import secrets

    return secrets.randbits(32)


def _write(record: Record, path: Path) -> None:
    import json

    from scenarios.cli import output

    with output.Writing(path):
        path.write_text(json.dumps(record.as_dict(), indent=2) + "\n", encoding="utf-8")
