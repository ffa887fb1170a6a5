"""``fx3loop supervise``."""

from __future__ import annotations

from pathlib import Path

import click

from scenarios.cli.codes import CHECK_FAILED, INTERRUPTED, OK
from scenarios.cli.target import USB, is_given

SIM = "sim"
SIM_ONLY = {
    "firmware": "--firmware",
    "device_policy": "--device-policy",
    "faults": "--fault",
    "options": "--option",
    "seed": "--seed",
    "speed": "--speed",
    "no_program": "--no-program",
    "unplug": "--unplug",
    "host_state": "--host-state",
}
USB_ONLY = {"serial": "--serial"}


@click.command("supervise")
@click.option(
    "--target",
    type=click.Choice([USB, SIM]),
    default=USB,
    show_default=True,
    help="A real device, or a simulated world with a program that streams.",
)
@click.option(
    "--policy", default="reference", show_default=True, metavar="P|FILE", help="Preset or TOML."
)
@click.option(
    "--image",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Firmware to upload; without it no level 4.",
)
@click.option("--serial", metavar="DIGITS", help="Which device; a grant names it by this.")
@click.option(
    "--certificate",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Of this policy in the host position; see fx3loop verify.",
)
@click.option(
    "--grants",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Standing grants; by default those of this user.",
)
@click.option("--observe", is_flag=True, help="Look and log, whatever would be allowed.")
@click.option(
    "--host-state",
    type=click.Choice(["unknown", "frozen", "observing", "normal"]),
    help="sim: what its host plays; a real host is judged by its evidence.",
)
@click.option("--once", is_flag=True, help="Watch as long as the slowest detection takes, and end.")
@click.option(
    "--duration", type=click.FloatRange(min=0.1), metavar="S", help="End after this time."
)
@click.option("--metrics", metavar="ADDR", help="Serve counts to Prometheus: 127.0.0.1:9471.")
@click.option("--log-json", is_flag=True, help="Log a JSON object a line.")
@click.option("--json", "as_json", is_flag=True, help="Print what was counted as JSON at the end.")
@click.option("--firmware", default="reference", show_default=True, metavar="R", help="sim: its.")
@click.option(
    "--device-policy",
    default="none",
    show_default=True,
    metavar="P|FILE",
    help="sim: what the firmware itself decides by.",
)
@click.option("--fault", "faults", multiple=True, metavar="SPEC", help="sim: see fx3loop list.")
@click.option("--option", "options", multiple=True, metavar="NAME=VALUE", help="sim: a knob.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="sim: its.")
@click.option(
    "--speed",
    type=click.FloatRange(min=0),
    default=0,
    show_default=True,
    help="sim: seconds in one second; 0 is as fast as it goes.",
)
@click.option("--no-program", is_flag=True, help="sim: nobody streams.")
@click.option(
    "--unplug",
    type=click.FloatRange(min=0),
    metavar="S",
    help="sim: the cable is pulled then, for 5 s.",
)
@click.pass_context
def command(
    context: click.Context,
    target: str,
    policy: str,
    image: Path | None,
    serial: str | None,
    certificate: Path | None,
    grants: Path | None,
    observe: bool,
    host_state: str | None,
    once: bool,
    duration: float | None,
    metrics: str | None,
    log_json: bool,
    as_json: bool,
    firmware: str,
    device_policy: str,
    faults: tuple[str, ...],
    options: tuple[str, ...],
    seed: int,
    speed: float,
    no_program: bool,
    unplug: float | None,
) -> None:
    """Watch a device over USB beside the program that uses it, and recover it.

    It claims nothing that a program owns, and never sets a sample rate. Without a certificate of
    the policy in the host position, without a standing grant for the device, or while the host is
    not known to be stable, it observes: it logs and counts what it would have done.

    Watch it recover a wedged world:

        fx3loop supervise --target sim --fault dma_error:at_ms=5000

    The log is on standard error, one line an event. Ends at SIGTERM or Ctrl-C, after what it is
    doing. Ends with 1 when the program of a world that it might recover is not served in the end, 4
    when there is no device and it looks once.
    """
    from scenarios.cli import inputs, output, supervising
    from scenarios.cli.supervise_orders import Orders, Rights

    refused = USB_ONLY if target == SIM else SIM_ONLY
    for name, option in refused.items():
        if is_given(context, name):
            raise click.UsageError(f"{option} is for --target {USB if target == SIM else SIM}")
    if once and duration is not None:
        raise click.UsageError("--once has its own duration: leave out one of the two")
    chosen = inputs.policy(policy)
    orders = Orders(
        policy=chosen,
        image=inputs.image(image),
        rights=Rights.of(certificate, grants, host_state, observe=observe),
        metrics=metrics,
        is_json_log=log_json,
        is_once=once,
        duration_ms=None if duration is None else round(duration * 1000),
    )
    if target == SIM:
        result = supervising.in_world(
            orders,
            supervising.plan(
                chosen,
                orders.image,
                firmware=firmware,
                device_policy=device_policy,
                faults=faults,
                options=options,
                seed=seed,
                has_program=not no_program,
                unplug_s=unplug,
            ),
            speed,
        )
    else:
        result = supervising.on_device(orders, serial)
    if as_json:
        output.print_json(result.as_dict())
    else:
        supervising.print_result(result)
    if result.is_interrupted:
        context.exit(INTERRUPTED)
    context.exit(OK if result.is_well is not False or result.observing else CHECK_FAILED)
