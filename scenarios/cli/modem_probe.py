"""``fx3loop modem probe``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from scenarios.cli.codes import CHECK_FAILED, OK
from scenarios.cli.modem_place import modem_options, opened, printable

if TYPE_CHECKING:
    from hw.serial.at import Reply
    from scenarios.cli.modem_place import Place

SCHEMA = "fx3loop.modem.probe/1"
PASSED, FAILED, NOT_RUN = "passed", "failed", "not run"
WORDS = {PASSED: "PASS", FAILED: "FAIL", NOT_RUN: "SKIP"}
QUERIES = ("ATI", "AT+CGMR")


@click.command("probe")
@click.option(
    "--allow-interrupt",
    is_flag=True,
    help="Ask the Python prompt too, which ends the program that runs on the module.",
)
@modem_options
@click.pass_context
def command(context: click.Context, /, allow_interrupt: bool, as_json: bool, **_: object) -> None:
    """Show the ports and their roles, and ask the module whether it is there.

    Nothing is interrupted: AT queries alone are sent, to the port that is known to be the AT port.
    Ends with 0 when every step passed, 1 when the module refused one, 4 when it is not there.
    """
    with opened(context) as place:
        if not as_json:
            _print_ports(place)
        steps = list(_at_steps(place))
        steps.append(_repl_step(place) if allow_interrupt else _no_repl_step())
        document = {
            "schema": SCHEMA,
            **place.about(),
            "ports": [port.as_dict() for port in place.ports],
            "steps": steps,
        }
    if as_json:
        from scenarios.cli import output

        output.print_json(document)
    else:
        for step in steps:
            click.echo(f"{WORDS[step['result']]} {step['step']}: {printable(step['text'])}")
    is_good = all(step["result"] != FAILED for step in steps)
    context.exit(OK if is_good else CHECK_FAILED)


def _print_ports(place: Place) -> None:
    from scenarios.cli import output

    if not place.ports:
        return
    made = output.table("port", "role", "ids", "interface", "description")
    for port in place.ports:
        interface = "–" if port.interface is None else str(port.interface)
        made.add_row(
            port.device, port.role.value, port.ids or "–", interface, printable(port.description)
        )
    output.print_table(made)
    click.echo("")


def _at_steps(place: Place) -> list[dict[str, Any]]:
    port = place.at()
    limit_ms = place.asked.limit_ms
    replies = [port.wake(limit_ms)]
    if replies[0].is_ok:
        replies += [port.ask(query, limit_ms) for query in QUERIES]
    return [_at_step(reply) for reply in replies]


def _at_step(reply: Reply) -> dict[str, Any]:
    text = ", ".join((*reply.lines, reply.final or "no final result in time"))
    return {
        "step": reply.command,
        "result": PASSED if reply.is_ok else FAILED,
        "text": text,
        "duration_ms": reply.duration_ms,
    }


def _repl_step(place: Place) -> dict[str, Any]:
    from hw.guard import Operation
    from hw.serial.errors import RefusedError, SilentError

    repl = place.repl()
    try:
        with place.gate.doing(Operation.REPL):
            repl.run("pass")
    except (RefusedError, SilentError) as error:
        return {"step": "REPL", "result": FAILED, "text": str(error)}
    manner = "raw" if repl.is_raw else "friendly"
    return {"step": "REPL", "result": PASSED, "text": f"runs programs ({manner} prompt)"}


def _no_repl_step() -> dict[str, Any]:
    text = "it would end the program that runs on the module; --allow-interrupt asks for it"
    return {"step": "REPL", "result": NOT_RUN, "text": text}
