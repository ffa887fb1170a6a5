"""``fx3loop soak``."""

from __future__ import annotations

from pathlib import Path

import click

from scenarios.cli.codes import CHECK_FAILED, INTERRUPTED, OK
from scenarios.cli.target import USB, health_option, is_given, refuse_other_target, target_options

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
@health_option
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
    from scenarios.cli import inputs, output, soaking
    from scenarios.cli.running import DEVICE_FIRMWARE, Device
    from scenarios.on_device import ON_DEVICE
    from scenarios.soak import plan as plans, tables
    from sim.firmware import revision

    firmware_image = inputs.image(image)
    refuse_other_target(context, WORLD_ONLY, has_world_image=False)
    chosen = inputs.policy(policy)
    module = custom_health.find(health)
    knobs = option_text.parse(options)
    is_real = target == USB
    if is_real and not is_given(context, "firmware"):
        firmware = DEVICE_FIRMWARE
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
    is_document = json_file == TO_STANDARD_OUTPUT
    if not is_document:
        output.writable_file(json_file)
    with soaking.opened(journal_file) as journal:
        if is_real:
            device = Device.of(risk, acknowledge, serial, firmware_image, plan.seed)
            place = soaking.on_device(plan, device)
        else:
            place = soaking.in_world(plan, chosen, knobs, module)
        record = soaking.run(plan, place, journal, to_standard_error=is_document)
    if is_document:
        output.print_json(record.as_dict())
    elif json_file is not None:
        soaking.write(record, json_file)
    if record.was_interrupted:
        context.exit(INTERRUPTED)
    context.exit(OK if record.is_good else CHECK_FAILED)


def _new_seed() -> int:
    """A seed from the operating system; it is printed, so that the run can be repeated."""
    import secrets

    return secrets.randbits(32)
