"""``fx3loop run``."""

from __future__ import annotations

from pathlib import Path

import click
from click.shell_completion import CompletionItem

from scenarios.cli.codes import CHECK_FAILED, OK
from scenarios.cli.target import USB, health_option, is_given, refuse_other_target, target_options

STANDARD_OUTPUT = Path("-")
FILE = click.Path(path_type=Path)


WORLD_ONLY = {
    "policy": ("--policy", "a device runs its firmware's own"),
    "position": ("--position", "supervising a device is another command's affair"),
    "faults": ("--fault", "nothing can be injected into a device"),
    "options": ("--option", "a device has no knobs"),
    "health": ("--health", "a device brings its firmware's own"),
    "jobs": ("--jobs", "there is one device"),
    "plot": ("--plot", "a device records nothing"),
}
"""Options that a real device cannot have, and why."""


def _complete(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    from scenarios.cli.inputs import complete_scenario

    return complete_scenario(context, parameter, incomplete)


@click.command("run")
@click.argument("names", metavar="[NAME|FILE]...", nargs=-1, shell_complete=_complete)
@click.option("--all", "is_all", is_flag=True, help="Every scenario.")
@click.option("-k", "pattern", metavar="PATTERN", help="Those whose name contains or matches it.")
@click.option("--firmware", metavar="R", help="Firmware; by default each scenario's own.")
@click.option(
    "--policy", default="reference", show_default=True, metavar="P|FILE", help="Preset or TOML."
)
@click.option(
    "--position",
    type=click.Choice(["device", "host", "both", "none"]),
    default="device",
    show_default=True,
    help="Where the health module runs.",
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@click.option(
    "--fault", "faults", multiple=True, metavar="SPEC", help="Instead of the scenario's own."
)
@health_option
@click.option("--option", "options", multiple=True, metavar="NAME=VALUE", help="A bench knob.")
@click.option("--expected", metavar="FILE|none", help="Known failures, instead of the built-in.")
@click.option(
    "-j", "--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Processes."
)
@click.option("--junit", type=FILE, help="Results as JUnit XML.")
@click.option(
    "--tap",
    type=FILE,
    is_flag=False,
    flag_value=STANDARD_OUTPUT,
    metavar="[FILE]",
    help="Results as TAP, on standard output without a file.",
)
@click.option(
    "--trace",
    type=FILE,
    help="Of one NAME: .json (Perfetto), .vcd (GTKWave, Surfer) or .pcap (Wireshark).",
)
@click.option("--plot", type=FILE, help="Timeline as PNG, SVG or PDF, of one NAME.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@target_options
@click.pass_context
def command(
    context: click.Context,
    names: tuple[str, ...],
    is_all: bool,
    pattern: str | None,
    firmware: str | None,
    policy: str,
    position: str,
    seed: int,
    faults: tuple[str, ...],
    options: tuple[str, ...],
    health: str,
    expected: str | None,
    jobs: int,
    junit: Path | None,
    tap: Path | None,
    trace: Path | None,
    plot: Path | None,
    as_json: bool,
    target: str,
    risk: str,
    acknowledge: tuple[str, ...],
    serial: str | None,
    image: Path | None,
) -> None:
    """Run scenarios and say what happened: each NAME, or --all, or those that -k chooses.

    A run is good when the device serves in the end, unharmed or recovered, and every rule holds:
    the original test's, the strict one of the firmware's contract, and the invariants. Ends with 0
    when all are good or expected to fail, else with 1.

    A fault reads kind:field=value,field=value; see "fx3loop list".

    One FILE.json, a fault schedule as "fx3loop verify" writes it, is replayed instead: it says
    everything itself, and the trace has to be the same. What it was recorded for is a failure.
    """
    if as_json and tap == STANDARD_OUTPUT:
        raise click.UsageError("--json and --tap both want standard output; give --tap a file")
    if any(name.endswith(".json") for name in names):
        context.exit(_replay(context))
    is_one = len(set(names)) == 1 and not is_all and pattern is None
    if not names and not is_all and pattern is None:
        raise click.UsageError("which scenario? Give a NAME, --all or -k PATTERN; see fx3loop list")
    if (trace or plot) and not is_one:
        raise click.UsageError("--trace and --plot are for one NAME")
    if target == USB and trace is not None and trace.suffix.lower() != ".pcap":
        raise click.UsageError(
            f"--trace {trace}: of a device its transfers alone can be seen; give FILE.pcap"
        )
    from scenarios import registry, selection
    from scenarios.cli import inputs, results_text, running
    from scenarios.results import is_failure

    firmware_image = inputs.image(image)
    refuse_other_target(context, WORLD_ONLY, has_world_image=False)
    if tap is not None and str(tap) in registry.SCENARIOS:
        raise click.UsageError(f"--tap {tap}: that is a scenario; write --tap=- or --tap FILE")
    chosen = selection.choose(names, is_all=is_all, pattern=pattern, firmware=firmware)
    bench = running.Bench.of(policy, position, seed, faults, options, jobs, health)
    expectations = running.expectations_of(expected, is_faulted=bool(faults))
    tap_file = None if tap == STANDARD_OUTPUT else tap
    running.require_writable((junit, tap_file), trace, plot)
    if target == USB:
        device = running.Device.of(risk, acknowledge, serial, firmware_image, seed)
        results = running.run_device(chosen, device, firmware, expectations, trace)
    elif is_one:
        results = [running.run_one(chosen[0], bench, expectations, trace, plot)]
    else:
        results = running.run_worlds(chosen, bench, expectations)
    results_text.report(
        results,
        is_one=is_one,
        as_json=as_json,
        as_tap=tap == STANDARD_OUTPUT,
        junit=junit,
        tap=tap_file,
    )
    context.exit(CHECK_FAILED if is_failure(results) else OK)


def _replay(context: click.Context) -> int:
    """Replay a schedule, which decides all but where the results go."""
    from scenarios.cli.replaying import Places, replay

    chosen = context.params
    free = ("names", "trace", "plot", "junit", "tap", "as_json")
    given = [name for name in chosen if name not in free and is_given(context, name)]
    as_tap = chosen["tap"] == STANDARD_OUTPUT
    places = Places(
        trace=chosen["trace"],
        plot=chosen["plot"],
        junit=chosen["junit"],
        tap=None if as_tap else chosen["tap"],
    )
    return replay(chosen["names"], given, places, as_json=chosen["as_json"], as_tap=as_tap)
