"""``fx3loop host release``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from scenarios.cli.codes import CHECK_FAILED, DENIED, NOT_AVAILABLE, OK, denial

if TYPE_CHECKING:
    from hw.errors import DeniedError

SCHEMA = "fx3loop.host-release/1"
GRACE_S = 5.0
FORCE = "force-release-port"
CODES = {
    "released": OK,
    "forced": OK,
    "unfinished": CHECK_FAILED,
    "verify_failed": CHECK_FAILED,
    "not_found": NOT_AVAILABLE,
    "force_blocked": DENIED,
    "force_guard_blocked": DENIED,
}
"""Exit code by result."""


@click.command("release")
@click.argument("port")
@click.option(
    "--pid", type=click.IntRange(min=2), metavar="N", help="The process meant, of several."
)
@click.option(
    "--force",
    is_flag=True,
    help="Kill it when it does not end in time; needs QPY_FORCE_KILL_GUARD=I_UNDERSTAND_RISK too.",
)
@click.option(
    "--grace-s",
    type=click.FloatRange(0.1, 600),
    default=GRACE_S,
    show_default=True,
    help="How long it has to end.",
)
@click.option(
    "--risk-mode",
    "--risk",
    "risk",
    type=click.Choice(["safe", "standard", "aggressive"]),
    default="safe",
    show_default=True,
    help="What the guard allows; safe ends no process.",
)
@click.option(
    "--acknowledge", multiple=True, metavar="OPERATION", help="An operation: release-port."
)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_context
def command(
    context: click.Context,
    port: str,
    pid: int | None,
    force: bool,
    grace_s: float,
    risk: str,
    acknowledge: tuple[str, ...],
    as_json: bool,
) -> None:
    """End the process that holds PORT, such as /dev/ttyUSB2.

    The one process, known by number, executable and time of start: it is asked to end, has
    --grace-s to do so, and is seen to be gone. Needs --risk-mode standard --acknowledge
    release-port. With --force it is killed after that time; whether force is allowed is decided
    before anything is sent.

    Exit codes: 0 the port is free, 1 it is not, 3 denied and nothing was sent, 4 nobody holds it,
    it is no port, or several hold it and none is named.
    """
    from hw.bus import Selector
    from hw.guard import Target
    from hw.guard.gate import Gate
    from hw.host.processes import SystemTable, Wish, checked_port, release_port
    from hw.runtime import ThreadRuntime
    from scenarios.cli import inputs, output

    target = Target("serial", port)
    given = (*acknowledge, FORCE) if force else acknowledge
    gate = Gate(target, inputs.authority(risk, given, Selector(), target))
    table = SystemTable()
    wish = Wish(checked_port(port), pid, force, round(grace_s * 1_000))
    made = release_port(wish, table, gate, ThreadRuntime(), explained)
    if as_json:
        output.print_json(
            {
                "schema": SCHEMA,
                "port": port,
                "result": made.result.value,
                "detail": made.detail,
                "process": made.holder.as_dict() if made.holder else None,
            }
        )
    else:
        click.echo(f"{made.result.value}: {made.detail}")
    context.exit(CODES[made.result.value])


def explained(error: DeniedError) -> str:
    """Return why force is denied; ``--force`` stands for its acknowledgement already."""
    return str(error) if error.rule == "force-guard" else denial(error)
