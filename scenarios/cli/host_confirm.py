"""``fx3loop host confirm``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from hw.guard import Operation, Target

SCHEMA = "fx3loop.host-confirm/1"
MINUTES = 60


@click.command("confirm")
@click.argument("operation")
@click.option(
    "--target",
    default="usb",
    show_default=True,
    metavar="KIND[:NAME]",
    help="On what: usb, usb:SERIAL, serial:PORT or host:NAME.",
)
@click.option(
    "--for",
    "minutes",
    type=click.IntRange(1, 24 * 60),
    default=MINUTES,
    show_default=True,
    help="Minutes that your word holds.",
)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def command(operation: str, target: str, minutes: int, as_json: bool) -> None:
    """Give your word for one OPERATION, such as reset, on one target.

    On a host that is not normal it is the last of the exit criteria, and is refused as long as
    another is open. Where the guard wants an acknowledgement, it is one until it expires.
    """
    from hw.host.findings import utc_text
    from hw.host.keeper import HostKeeper
    from hw.host.memory_file import confirmation_dict
    from scenarios.cli import output

    chosen, on = operation_of(operation), target_of(target)
    keeper = HostKeeper.open_default()
    word = keeper.confirm(chosen, on, minutes)
    state = keeper.status().state.value
    if as_json:
        output.print_json({"schema": SCHEMA, **confirmation_dict(word), "state": state})
        return
    until = utc_text(word.expires_utc)[:19]
    click.echo(f"{word.operation} on {word.target_name}: confirmed until {until} UTC")
    click.echo(f"the host is {state}")


def operation_of(label: str) -> Operation:
    """Return the operation of this name, if a word can be given for it.

    Raises:
        InputError: there is none, it only reads, or nothing ever allows it.
    """
    from hw.guard import Operation, OperationClass
    from scenarios.errors import InputError, not_known

    operations = {item.label: item for item in Operation}
    if label not in operations:
        raise not_known("operation", label, operations)
    found = operations[label]
    if found.operation_class is OperationClass.READ_ONLY:
        raise InputError(f"{label} only reads and needs no word; name what is to come, as in reset")
    if found.operation_class is OperationClass.PERSISTENT:
        raise InputError(f"{label} writes persistent memory, and no word allows it")
    return found


def target_of(text: str) -> Target:
    """Return the target that a user names.

    Raises:
        InputError: it is none.
    """
    from hw.bus import Selector
    from hw.guard import Target
    from scenarios.errors import InputError

    kind, _, name = text.partition(":")
    if kind == "usb":
        return Target.of_serial(name) if name else Target("usb", Selector().label)
    if kind == "serial" and name:
        return Target("serial", name)
    if kind == "host" and name:
        return Target("host", name)
    raise InputError(f"no target {text!r}; try usb, usb:0009072C00D52B1F or serial:/dev/ttyUSB2")
