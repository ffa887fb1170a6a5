"""``fx3loop device``."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scenarios.cli.codes import CHECK_FAILED, OK
from scenarios.cli.target import USB, refuse_other_target, target_options

if TYPE_CHECKING:
    from scenarios.cli.device_place import Place

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
    """A command whose help names what can be asked of a device, and whose words have commas."""

    def parse_args(self, context: click.Context, arguments: list[str]) -> list[str]:
        """Part the comma at the end of a word from it: it may follow an option's value."""
        parted: list[str] = []
        for word in arguments:
            bare = word.rstrip(",")
            parted += [bare, word[len(bare) :]] if bare and bare != word else [word]
        return super().parse_args(context, parted)

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
@click.option("--count", type=click.IntRange(min=1), metavar="N", help="watch: so many looks.")
@click.option("--port", metavar="PORT", help="console: on this serial port, 115200 8N1.")
@click.option(
    "--seconds", type=click.IntRange(min=1), metavar="N", help="console --port: end after so long."
)
@click.option(
    "--file",
    "log",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="LOG",
    help="console: judge a recorded log under --policy; - is standard input.",
)
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
    count: int | None,
    port: str | None,
    seconds: int | None,
    log: Path | None,
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
    """Send plain commands to a device, look at it, or talk to its debug console.

    Several commands follow one another on one device, with commas between them:

        fx3loop device adc 64000000, start, sleep 1000, stats, stop

    All are read before the first is sent. Each ends with a line PASS or FAIL; the first that fails
    ends the run and stops the device. The console takes keys from a terminal, in step with the
    wall clock, or a script from a pipe: echo '?' | fx3loop device console

    Ends with 0 when all passed, 1 when one failed, 4 when the device is not there or leaves.
    """
    from scenarios.cli import device_lines
    from scenarios.cli.device_session import Session

    for word in words:
        if word.startswith("-") and not word[1:2].isdigit():
            raise click.NoSuchOption(word, ctx=context)
    if log is not None or port is not None:
        context.exit(_other_console(context))
    if seconds is not None:
        raise click.UsageError("--seconds goes with console --port PORT")
    lines = device_lines.read(words, script)
    names = [line.name for line in lines]
    if count is not None and device_lines.WATCH not in names:
        raise click.UsageError("--count goes with watch")
    is_live = _is_live(names, as_json=as_json)
    place, about = _place(context, is_live=is_live)
    with place as here:
        session = Session(here, is_quiet=as_json, streams=not skip_stream, count=count)
        is_good = session.run(lines, keep_going=keep_going)
    if as_json:
        from scenarios.cli import output

        output.print_json({"schema": SCHEMA, **about, "commands": session.results})
    context.exit(OK if is_good else CHECK_FAILED)


def _is_live(names: list[str], *, as_json: bool) -> bool:
    """Whether a person types at the console or watches, so that a world keeps to the wall clock."""
    import sys

    from scenarios.cli import device_lines
    from scenarios.cli.device_console import is_terminal

    is_typed = names[-1] == device_lines.CONSOLE and is_terminal()
    if is_typed and as_json:
        raise click.UsageError("--json is for a script: give the console its keys by a pipe")
    is_watched = device_lines.WATCH in names and sys.stdout.isatty() and not as_json
    return is_typed or is_watched


def _place(
    context: click.Context, *, is_live: bool
) -> tuple[AbstractContextManager[Place], dict[str, Any]]:
    """Where to work, and what to say of it in JSON."""
    from scenarios import option_text
    from scenarios.cli import inputs
    from scenarios.cli.device_place import usb_place, world_place
    from scenarios.cli.running import Device
    from sim.faults import Fault
    from sim.firmware import revision
    from sim.world import BenchWorld

    given = context.params
    image = inputs.image(given["image"])
    refuse_other_target(context, WORLD_ONLY, has_world_image=True)
    if given["target"] == USB:
        device = Device.of(
            given["risk"], given["acknowledge"], given["serial"], image, given["seed"]
        )
        return nullcontext(usb_place(device)), {"target": device.selector.label}
    policy = inputs.policy(given["policy"])
    release = revision(given["firmware"]).name
    knobs = option_text.parse(given["options"])
    armed = tuple(Fault.parse(text) for text in given["faults"])
    seed = given["seed"]
    place = world_place(
        lambda: BenchWorld(release, policy, seed=seed, options=knobs, faults=armed),
        image,
        is_live=is_live,
    )
    about = {
        "target": "world",
        "firmware": release,
        "policy": policy.name,
        "seed": seed,
        "options": list(option_text.changed(knobs)),
        "faults": list(given["faults"]),
    }
    return place, about


def _other_console(context: click.Context) -> int:
    """The console on a serial port, or a recorded one: neither needs a device or a world."""
    from scenarios.cli import device_console, inputs

    given = context.params
    option = "--file" if given["log"] is not None else "--port"
    if given["words"] != ("console",):
        raise click.UsageError(f"{option} goes with console alone: fx3loop device console {option}")
    if given["log"] is not None:
        if given["port"] is not None:
            raise click.UsageError("--port and --file together; give one of them")
        policy = inputs.policy(given["policy"])
        return device_console.judge_file(given["log"], policy, as_json=given["as_json"])
    if given["target"] != USB:
        raise click.UsageError("--port is a real serial port; give --target usb with it")
    if given["as_json"]:
        raise click.UsageError("--json goes with --file: record the port first")
    from hw.bus import Selector
    from hw.guard import Target
    from hw.runtime import ThreadRuntime

    port = given["port"]
    authority = inputs.authority(
        given["risk"], given["acknowledge"], Selector(), Target("serial", port)
    )
    seconds = given["seconds"]
    duration_ms = None if seconds is None else seconds * 1000
    return device_console.listen(port, authority, ThreadRuntime(), duration_ms=duration_ms)
