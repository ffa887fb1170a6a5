"""``fx3loop modem info``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from scenarios.cli.codes import CHECK_FAILED, OK
from scenarios.cli.modem_place import modem_options, opened, printable

if TYPE_CHECKING:
    from hw.serial.info import Info

SCHEMA = "fx3loop.modem.info/1"
FIELDS = ("model", "firmware", "imei", "card", "iccid", "imsi", "ip", "cid")


@click.command("info")
@click.option(
    "--context",
    "number",
    type=click.IntRange(1, 16),
    default=1,
    show_default=True,
    help="The data context to ask for.",
)
@click.option(
    "--allow-interrupt",
    is_flag=True,
    help="Ask the Python prompt for what AT leaves open; ends the program that runs there.",
)
@click.option("--personal", is_flag=True, help="Print numbers and addresses in full.")
@click.option("--raw", is_flag=True, help="With --json: every answer, line by line.")
@modem_options
@click.pass_context
def command(
    context: click.Context,
    /,
    number: int,
    allow_interrupt: bool,
    personal: bool,
    raw: bool,
    as_json: bool,
    **_: object,
) -> None:
    """Ask a module for all it tells of itself, and say what is missing and why it may be.

    Numbers of device and card and addresses are hidden but for their last two digits. What nobody
    told stays empty. Ends with 0 when the module answered, whatever it lacks.
    """
    from hw.serial.info import read_info

    with opened(context) as place:
        info = read_info(
            place.at(),
            number,
            place.repl if allow_interrupt else None,
            place.asked.limit_ms,
        )
        about = place.about()
    if as_json:
        from scenarios.cli import output

        output.print_json({"schema": SCHEMA, **about, **as_dict(info, personal, raw=raw)})
    else:
        _print(info, personal)
    context.exit(OK if info.is_answering else CHECK_FAILED)


def as_dict(info: Info, personal: bool, *, raw: bool = False) -> dict[str, Any]:
    """Return what was found as data.

    Args:
        info: what was found.
        personal: numbers and addresses in full.
        raw: all answers too.
    """
    from hw.serial import parse

    source, stat = info.registration
    document: dict[str, Any] = {
        "personal": personal,
        "fields": {name: _shown(info, name, personal) for name in FIELDS},
        "sources": {name: info.sources.get(name, "") for name in FIELDS},
        "sim_inserted": parse.is_inserted(info.values.get("card", "")),
        "registration": {
            "registered": parse.is_registered(stat),
            "stat": stat,
            "source": source,
            "told": dict(info.registrations),
        },
        "fallback": _lines(info, (info.fallback,), personal)[0],
        "diagnoses": [item.as_dict() for item in info.diagnoses],
    }
    if raw:
        document["replies"] = [
            {
                "command": reply.command,
                "status": reply.status,
                "final": reply.final,
                "lines": _lines(info, reply.lines, personal),
                "unsolicited": _lines(info, reply.unsolicited, personal),
                "duration_ms": reply.duration_ms,
            }
            for reply in info.replies
        ]
    return document


def _shown(info: Info, name: str, personal: bool) -> str:
    from hw.serial.info import PERSONAL
    from hw.serial.redact import redact

    value = info.values.get(name, "")
    return redact(value) if name in PERSONAL and not personal else value


def _lines(info: Info, lines: tuple[str, ...], personal: bool) -> list[str]:
    from hw.serial.info import PERSONAL
    from hw.serial.redact import redact_text

    if personal:
        return list(lines)
    known = [info.values.get(name, "") for name in PERSONAL]
    return [redact_text(line, known) for line in lines]


def _print(info: Info, personal: bool) -> None:
    from scenarios.cli import output

    made = output.table("what", "value", "told by")
    for name in FIELDS:
        made.add_row(
            name, printable(_shown(info, name, personal)) or "–", info.sources.get(name, "–")
        )
    source, stat = info.registration
    made.add_row("registration", "–" if stat is None else str(stat), source or "–")
    output.print_table(made)
    for item in info.diagnoses:
        click.echo(f"{item.severity:6}  {item.code}: {'; or '.join(item.causes)}")
        for advice in item.advice:
            click.echo(f"        {advice}")
    if info.fallback not in ("not asked", "not needed", "used"):
        click.echo(f"python  {printable(_lines(info, (info.fallback,), personal)[0])}")
