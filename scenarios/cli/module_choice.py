"""Which cellular module a command means: the options that say so, and a simulated one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from hw.serial.ports import Selection
    from sim.modem import SimulatedModem

PORTS = {
    "at_port": "--at-port",
    "repl_port": "--repl-port",
    "ids": "--vid-pid",
}
"""What only a module has: parameter and option."""


def port_options() -> tuple[Callable[[Any], Any], ...]:
    """Return the options of :data:`PORTS`."""
    return (
        click.option("--at-port", metavar="PORT", help="The module's AT port: /dev/ttyUSB2 ..."),
        click.option("--repl-port", metavar="PORT", help="Its REPL port."),
        click.option("--vid-pid", "ids", metavar="IDS", help="Its USB ids, such as 2c7c:6001."),
    )


def selection(typed: dict[str, Any]) -> Selection:
    """Return the choice from a command's parameters, ``serial`` among them.

    Raises:
        ChoiceError: it cannot be.
    """
    from hw.serial.ports import Selection

    return Selection(typed["at_port"], typed["repl_port"], typed["serial"], typed["ids"])


def simulated(options: tuple[str, ...], closing: ExitStack) -> SimulatedModem:
    """Return a simulated module.

    Args:
        options: how it behaves, ``name=value`` each.
        closing: ends it.

    Raises:
        InputError: an option that is none.
    """
    from scenarios import option_text
    from sim.modem import ModemOptions, SimulatedModem
    from sim.modem.options import CHOICES, RANGES

    knobs = option_text.parse_into(ModemOptions(), options, CHOICES, RANGES)
    return closing.enter_context(SimulatedModem(knobs))
