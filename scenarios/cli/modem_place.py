"""Where a modem command works: a real module behind the guard, or a simulated one."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from hw.bus import Selector
from hw.guard import Authority, AuthoritySource, Operation, Target
from hw.guard.gate import Gate
from hw.runtime import ThreadRuntime
from hw.serial.at import LIMIT_MS, AtPort
from hw.serial.files import SUFFIX_DIGITS, DeviceFiles
from hw.serial.ports import Port, Role, Selection, choose, discover
from hw.serial.repl import Repl
from hw.serial.transport import SerialTransport
from scenarios.cli import inputs, module_choice
from scenarios.cli.target import is_given, with_options

Command = TypeVar("Command", bound=Callable[..., Any])

SIM = "sim"
REAL = "serial"
OF_A_MODULE = {
    **module_choice.PORTS,
    "serial": "--serial",
    "risk": "--risk-mode",
    "acknowledge": "--acknowledge",
}
"""What only a real module needs: parameter and option."""
SPOKEN_LENGTH = 4_096
"""No more of what a module printed is shown."""


def modem_options(command: Command) -> Command:
    """Give a command the options that say which module and what the guard allows."""
    options = (
        click.option(
            "--target",
            type=click.Choice([REAL, SIM]),
            default=REAL,
            show_default=True,
            help="A real module, or a simulated one.",
        ),
        *module_choice.port_options(),
        click.option("--serial", metavar="TEXT", help="The module of this USB serial number."),
        click.option(
            "--risk-mode",
            "--risk",
            "risk",
            type=click.Choice(["safe", "standard", "aggressive"]),
            default="safe",
            show_default=True,
            help="What the guard allows on a real module.",
        ),
        click.option(
            "--acknowledge",
            multiple=True,
            metavar="OPERATION",
            help="... an operation: repl, fs-write, fs-delete, fs-run.",
        ),
        click.option(
            "--option",
            "options",
            multiple=True,
            metavar="NAME=VALUE",
            help="How the simulated module behaves: sim=absent, echo=off, repl=silent ...",
        ),
        click.option(
            "--limit-ms",
            type=click.IntRange(10, 600_000),
            default=LIMIT_MS,
            show_default=True,
            help="How long an answer may take.",
        ),
        click.option("--json", "as_json", is_flag=True, help="Print as JSON."),
    )
    return with_options(command, options)


@dataclass(frozen=True)
class Asked:
    """What was typed.

    Attributes:
        target: ``serial`` or ``sim``.
        selection: which module.
        risk, acknowledge: for the guard.
        options: of the simulated module.
        limit_ms: for an answer.
    """

    target: str
    selection: Selection
    risk: str
    acknowledge: tuple[str, ...]
    options: tuple[str, ...]
    limit_ms: int

    @classmethod
    def of(cls, context: click.Context) -> Asked:
        """Return it from a command's parameters.

        Raises:
            click.UsageError: an option that the target cannot have.
            ChoiceError: a selection that cannot be.
        """
        typed = context.params
        if typed["target"] == SIM:
            for name, option in OF_A_MODULE.items():
                if is_given(context, name):
                    raise click.UsageError(f"{option} is for a real module; leave out --target sim")
        elif typed["options"]:
            raise click.UsageError("--option is for the simulated module; give --target sim")
        return cls(
            typed["target"],
            module_choice.selection(typed),
            typed["risk"],
            typed["acknowledge"],
            typed["options"],
            typed["limit_ms"],
        )


class Place:
    """A module that commands can be given to; its ports are opened when they are needed.

    Args:
        asked: what was typed.
        ports: all of this host.
        target: what the guard is asked about.
        authority: what it is told.
        closing: closes what was opened.
    """

    def __init__(
        self,
        asked: Asked,
        ports: list[Port],
        target: Target,
        authority: Authority | AuthoritySource,
        closing: ExitStack,
    ) -> None:
        self.asked = asked
        self.ports = ports
        self.gate = Gate(target, authority)
        self._clock = ThreadRuntime()
        self._closing = closing
        closing.callback(self.gate.release)

    def about(self) -> dict[str, Any]:
        """What the commands' JSON begins with, behind the schema."""
        return {"target": self.asked.target, "module": self.gate.target.name}

    def at(self) -> AtPort:
        """Open the AT port.

        Raises:
            DeviceError: none can be chosen or opened, or the guard does not allow it.
        """
        transport = self._open(Role.AT, Operation.AT_QUERY)
        return AtPort(transport, self.gate, self._clock)

    def repl(self, *operations: Operation) -> Repl:
        """Open the REPL port.

        Args:
            operations: what is to be done there beside interrupting.

        Raises:
            DeviceError: as :meth:`at`.
        """
        transport = self._open(Role.REPL, *operations, Operation.REPL)
        repl = Repl(transport, self.gate, self._clock, prompt_limit_ms=self.asked.limit_ms)
        self._closing.callback(_quietly, repl.close)
        return repl

    def files(self, *operations: Operation) -> DeviceFiles:
        """Open the module's files; see :meth:`repl`."""
        return DeviceFiles(
            self.repl(*operations), self.gate, lambda: secrets.token_hex(SUFFIX_DIGITS // 2)
        )

    def _open(self, role: Role, *operations: Operation) -> SerialTransport:
        name = choose(self.ports, self.asked.selection, role)
        # Opening raises DTR and RTS, which is more than nothing.
        for operation in operations:
            self.gate.permit(operation)
        self.gate.hold(name)
        return self._closing.enter_context(SerialTransport(name))


def _quietly(close: Callable[[], None]) -> None:
    """A module that left cannot be left in order; what failed before matters more."""
    from hw.errors import DeviceError

    try:
        close()
    except DeviceError:
        return


@contextmanager
def opened(context: click.Context) -> Iterator[Place]:
    """Open the module that a command was asked for.

    Args:
        context: of the command, which has :func:`modem_options`.

    Raises:
        DeviceError, InputError: it cannot be had, or was not understood.
    """
    asked = Asked.of(context)
    with ExitStack() as closing:
        if asked.target == SIM:
            yield _simulated(asked, closing)
            return
        ports = discover()
        target = Target("serial", name_of(asked.selection))
        authority = inputs.authority(asked.risk, asked.acknowledge, Selector(), target)
        yield Place(asked, ports, target, authority, closing)


def name_of(selection: Selection) -> str:
    """How the operator can name the module again; acknowledgements bind to it."""
    if selection.serial:
        return f"serial {selection.serial}"
    return selection.repl_port or selection.at_port or selection.label


def _simulated(asked: Asked, closing: ExitStack) -> Place:
    module = module_choice.simulated(asked.options, closing)
    return Place(
        asked, discover(module.ports), Target("world", "simulated module"), Authority(), closing
    )


def printable(text: str) -> str:
    """Return what a module said without anything that a terminal would act on."""
    shown = text if len(text) <= SPOKEN_LENGTH else f"{text[:SPOKEN_LENGTH]} ..."
    return "".join(
        letter if letter.isprintable() or letter == "\n" else ascii(letter)[1:-1]
        for letter in shown.replace("\r\n", "\n")
    )
