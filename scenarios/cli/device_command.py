"""``fx3loop device``."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scenarios.cli.codes import CHECK_FAILED, OK
from scenarios.cli.target import USB, refuse_other_target, target_options

if TYPE_CHECKING:
    from scenarios.cli.device_lines import Line
    from scenarios.cli.device_place import Place
    from scenarios.station import Station

SCHEMA = "fx3loop.device/1"
WORLD_ONLY = {
    "firmware": ("--firmware", "a device runs what was uploaded to it"),
    "policy": ("--policy", "a device runs its firmware's own"),
    "options": ("--option", "a device has no knobs"),
    "faults": ("--fault", "nothing can be injected into a device"),
    "seed": ("--seed", "a device draws nothing"),
}
"""Options that a real device cannot have, and why."""


class DeviceCommand(click.Command):
    """A command whose help names what can be asked of a device."""

    def format_epilog(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """The list, with what each takes."""
        from scenarios.cli.device_lines import usages

        del context
        with formatter.section("Commands"):
            formatter.write_dl(usages())


@click.command(
    "device",
    cls=DeviceCommand,
    # A word that begins with a minus may be a number.
    context_settings={"ignore_unknown_options": True},
)
@click.argument("words", metavar="COMMAND [NUMBER]... [, COMMAND ...]", nargs=-1)
@click.option(
    "--script",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE",
    help="Commands from a file, one a line; - is standard input.",
)
@click.option("-k", "--keep-going", is_flag=True, help="Go on after a command that failed.")
@click.option("--skip-stream", is_flag=True, help="fw-test without its three lines of stream.")
@click.option("--firmware", default="reference", show_default=True, metavar="R")
@click.option(
    "--policy", default="reference", show_default=True, metavar="P|FILE", help="Preset or TOML."
)
@click.option("--option", "options", multiple=True, metavar="NAME=VALUE", help="A bench knob.")
@click.option("--fault", "faults", multiple=True, metavar="SPEC", help="See fx3loop list.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@target_options
@click.pass_context
def command(
    context: click.Context,
    words: tuple[str, ...],
    script: Path | None,
    keep_going: bool,
    skip_stream: bool,
    firmware: str,
    policy: str,
    options: tuple[str, ...],
    faults: tuple[str, ...],
    seed: int,
    as_json: bool,
    target: str,
    risk: str,
    acknowledge: tuple[str, ...],
    serial: str | None,
    image: Path | None,
) -> None:
    """Send plain commands to a device, or talk to its debug console.

    Several commands follow one another on one device, with commas between them:

        fx3loop device adc 64000000, start, sleep 1000, stats, stop

    All are read before the first is sent. Each ends with a line PASS or FAIL; the first that fails
    ends the run and stops the device. The console takes keys from a terminal, in step with the
    wall clock, or a script from a pipe: echo '?' | fx3loop device console

    Ends with 0 when all passed, 1 when one failed, 4 when the device is not there or leaves.
    """
    from scenarios import option_text
    from scenarios.cli import device_lines, inputs
    from scenarios.cli.device_place import usb_place, world_place
    from scenarios.cli.running import Device
    from sim.faults import Fault
    from sim.firmware import revision
    from sim.world import BenchWorld

    for word in words:
        if word.startswith("-") and not word[1:2].isdigit():
            raise click.NoSuchOption(word, ctx=context)
    lines = device_lines.read(words, script)
    is_live = lines[-1].name == device_lines.CONSOLE and _is_terminal()
    if is_live and as_json:
        raise click.UsageError("--json is for a script: give the console its keys by a pipe")
    firmware_image = inputs.image(image)
    refuse_other_target(context, WORLD_ONLY, has_world_image=True)
    chosen = inputs.policy(policy)
    release = revision(firmware).name
    knobs = option_text.parse(options)
    armed = tuple(Fault.parse(text) for text in faults)
    session = Session(lines, keep_going=keep_going, streams=not skip_stream, is_quiet=as_json)
    place: AbstractContextManager[Place]
    if target == USB:
        device = Device.of(risk, acknowledge, serial, firmware_image, seed)
        place = nullcontext(usb_place(device))
        about: dict[str, Any] = {"target": device.selector.label}
    else:
        place = world_place(
            lambda: BenchWorld(release, chosen, seed=seed, options=knobs, faults=armed),
            firmware_image,
            is_live=is_live,
        )
        about = {
            "target": "world",
            "firmware": release,
            "policy": chosen.name,
            "seed": seed,
            "options": list(option_text.changed(knobs)),
            "faults": list(faults),
        }
    with place as here:
        session.run(here, is_live=is_live)
    if as_json:
        from scenarios.cli import output

        output.print_json({"schema": SCHEMA, **about, "commands": session.results})
    context.exit(OK if session.is_good else CHECK_FAILED)


class Session:
    """Commands, one after the other, on one device.

    Args:
        lines: what to do.
        keep_going: do the rest after a failure too.
        streams: False leaves out the stream lines of ``fw-test``.
        is_quiet: print nothing; the results are wanted as data.

    Attributes:
        results: of each command that was done: how it was written, whether it passed, its text.
    """

    def __init__(
        self, lines: list[Line], *, keep_going: bool, streams: bool, is_quiet: bool
    ) -> None:
        self.results: list[dict[str, Any]] = []
        self._lines = lines
        self._keep_going = keep_going
        self._streams = streams
        self._is_quiet = is_quiet

    @property
    def is_good(self) -> bool:
        """All were done and passed."""
        return len(self.results) == len(self._lines) and all(
            item["passed"] for item in self.results
        )

    def run(self, place: Place, *, is_live: bool) -> None:
        """Do it all; a device that failed, or that Ctrl-C took, is left stopped.

        Raises:
            DeniedError: the guard does not allow a command.
            NoDeviceError: the device is not there, or left.
            DeviceError: it cannot be opened.
        """
        from hw.errors import DeviceError

        station = place.station()
        with station.device as device:
            try:
                self._run_lines(station, place, is_live=is_live)
            except BaseException:
                # A world that was cut off in the middle of an event may be past use.
                with suppress(Exception):
                    device.stop()
                raise
            if not self.is_good:
                with suppress(DeviceError):
                    device.stop()

    def _run_lines(self, station: Station, place: Place, *, is_live: bool) -> None:
        from scenarios.cli.device_lines import ACCEPTANCE, CONSOLE

        for line in self._lines:
            if line.name == CONSOLE:
                self._console(station, is_live=is_live)
            elif line.name == ACCEPTANCE:
                self._acceptance(line, station, place)
            else:
                self._command(line, station)
            if not self.results[-1]["passed"] and not self._keep_going:
                return

    def _command(self, line: Line, station: Station) -> None:
        from hw.errors import AccessDeniedError, DeniedError, DeviceError, NoDeviceError
        from scenarios.errors import Trouble, describe

        assert line.run is not None
        try:
            text, has_passed = line.run(station), True
        except (AccessDeniedError, DeniedError, NoDeviceError):
            # Not the command's own failure, and none of those that follow can do better.
            raise
        except (DeviceError, Trouble) as error:
            text, has_passed = describe(error), False
        self._result(line.text, has_passed, text)
        self._say(f"{'PASS' if has_passed else 'FAIL'} {line.name}: {text}\n")

    def _console(self, station: Station, *, is_live: bool) -> None:
        import sys

        from scenarios.cli import console

        shown: list[str] = []

        def show(text: str) -> None:
            shown.append(text if sys.stdout.isatty() else text.replace("\r", ""))
            self._say(shown[-1])

        if is_live:
            console.converse(station, show, lambda text: click.echo(text, nl=False, err=True))
        else:
            console.play(station, console.standard_input(), show)
        self._result("console", True, "".join(shown))

    def _acceptance(self, line: Line, station: Station, place: Place) -> None:
        from hw.guard import Operation
        from scenarios.suite.tap import PLANNED, fw_test, tap_text

        needed = (Operation.CONFIGURE, Operation.STREAM, Operation.READ, Operation.RAW)
        station.device.permit(*needed)
        # Each step opens the device itself.
        station.device.close()
        lines = []
        for text in tap_text(fw_test(place.station, line.rate_hz, streams=self._streams)):
            lines.append(text)
            self._say(f"{text}\n")
        has_passed = sum(text.startswith("ok ") for text in lines) == PLANNED
        self._result(line.text, has_passed, "\n".join(lines))

    def _result(self, command: str, has_passed: bool, text: str) -> None:
        self.results.append({"command": command, "passed": has_passed, "text": text})

    def _say(self, text: str) -> None:
        if text and not self._is_quiet:
            click.echo(text, nl=False)


def _is_terminal() -> bool:
    import sys

    return sys.stdin is not None and sys.stdin.isatty()
