"""What ``fx3loop host smoke`` and ``soak`` work on, the options that say so, and their marks.

A real device behind the guard or a simulated one, of either kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from scenarios.cli import module_choice
from scenarios.cli.target import is_given, with_options

if TYPE_CHECKING:
    from hw.guard import Authority, AuthoritySource, RiskMode, Target
    from hw.guard.gate import Gate
    from hw.host.smoke import Step
    from hw.host.smoke_modem import Wanted
    from hw.runtime import Runtime
    from hw.serial.at import AtPort
    from hw.serial.ports import Listed, Port, Role
    from hw.serial.repl import Repl
    from scenarios.cli.modem_place import Asked, Place

Command = TypeVar("Command", bound=Callable[..., Any])

SIM, REAL = "sim", "real"
FX3, MODEM = "fx3", "quecpython"
LIMIT_MS = 2_000
DEPLOY = ("fs-write", "fs-delete")
"""What the deploy has to be acknowledged with."""
OF_A_REAL_DEVICE = {**module_choice.PORTS, "serial": "--serial"}
OF_A_MODULE = {
    **module_choice.PORTS,
    "limit_ms": "--limit-ms",
    "allow_interrupt": "--allow-interrupt",
    "acknowledge": "--acknowledge",
}
"""What only a module has: parameter and option."""


def smoke_options(command: Command) -> Command:
    """Give a command the options that say which device, and what may be done to it."""
    options = (
        click.option(
            "--kind",
            type=click.Choice([FX3, MODEM]),
            default=FX3,
            show_default=True,
            help="An FX3 receiver, or a cellular module with QuecPython.",
        ),
        click.option(
            "--target",
            type=click.Choice([REAL, SIM]),
            default=REAL,
            show_default=True,
            help="A real device, or a simulated one.",
        ),
        click.option(
            "--risk-mode",
            "--risk",
            "risk",
            type=click.Choice(["safe", "standard", "aggressive"]),
            default="safe",
            show_default=True,
            help="What the guard allows; safe only asks.",
        ),
        click.option(
            "--allow-interrupt",
            is_flag=True,
            help="Ask the module's Python too, which ends the program that runs there.",
        ),
        click.option(
            "--acknowledge",
            multiple=True,
            metavar="OPERATION",
            help="An operation: repl; fs-write and fs-delete for the deploy.",
        ),
        click.option("--serial", metavar="TEXT", help="The device of this USB serial number."),
        *module_choice.port_options(),
        click.option(
            "--limit-ms",
            type=click.IntRange(10, 60_000),
            default=LIMIT_MS,
            show_default=True,
            help="How long the module may take for an answer.",
        ),
        click.option(
            "--option",
            "options",
            multiple=True,
            metavar="NAME=VALUE",
            help="How the simulated device behaves: at=silent, sim=absent ...",
        ),
        click.option(
            "--show-identifiers",
            is_flag=True,
            help="Leave serial numbers, IMEI, IMSI, ICCID and addresses in the report.",
        ),
        click.option("--json", "as_json", is_flag=True, help="Print as JSON."),
    )
    return with_options(command, options)


@dataclass(frozen=True)
class Bench:
    """A device, and the steps of its smoke runs.

    Attributes:
        kind: ``fx3`` or ``quecpython``.
        target: for the guard.
        risk_mode: of the runs.
        serial: of the device, as far as it is known before the first look; else empty.
        runtime: runs the steps.
        make_steps: makes those of one run; it is given what keeps it from deploying.
    """

    kind: str
    target: Target
    risk_mode: RiskMode
    serial: str
    runtime: Runtime
    make_steps: Callable[[str], tuple[Step, ...]]

    @property
    def is_real(self) -> bool:
        """It is no simulation."""
        return self.target.kind != "world"

    def about(self) -> dict[str, Any]:
        """What reports begin with."""
        return {
            "kind": self.kind,
            "target": {"kind": self.target.kind, "name": self.target.name},
            "serial": self.serial,
            "risk_mode": self.risk_mode.value,
        }


@contextmanager
def opened_bench(context: click.Context, evidence: Callable[[bool], Step]) -> Iterator[Bench]:
    """Return the device that a command was asked for; nothing is opened yet.

    Args:
        context: of the command, which has :func:`smoke_options`.
        evidence: makes the step that looks at the host; it is told whether the device is real.

    Raises:
        click.UsageError: an option that the device cannot have.
        InputError: an operation or option that is none.
    """
    typed = context.params
    _refuse_others(context)
    with ExitStack() as closing:
        make = _fx3 if typed["kind"] == FX3 else _module
        yield make(typed, evidence(typed["target"] == REAL), closing)


def _refuse_others(context: click.Context) -> None:
    typed = context.params
    if typed["target"] == SIM:
        for name, option in OF_A_REAL_DEVICE.items():
            if is_given(context, name):
                raise click.UsageError(f"{option} is for a real device; leave out --target sim")
    elif typed["options"]:
        raise click.UsageError("--option is for a simulated device; give --target sim")
    if typed["kind"] == FX3:
        for name, option in OF_A_MODULE.items():
            if is_given(context, name):
                raise click.UsageError(f"{option} is for a module; give --kind {MODEM}")


def _fx3(typed: dict[str, Any], evidence: Step, closing: ExitStack) -> Bench:
    from health import Policy
    from hw.guard import RiskMode, Target
    from hw.host.smoke_fx3 import fx3_steps
    from scenarios import option_text
    from scenarios.cli.device_place import usb_place, world_place
    from scenarios.cli.running import Device
    from sim.world import BenchWorld

    if typed["target"] == SIM:
        knobs = option_text.parse(typed["options"])
        policy = Policy.preset("reference")
        made = world_place(
            lambda: BenchWorld("reference", policy, options=knobs), None, is_live=False
        )
        place = closing.enter_context(made)
        target = Target("world", "simulated receiver")
    else:
        device = Device.of(typed["risk"], typed["acknowledge"], typed["serial"], None, 0)
        place = usb_place(device)
        target = Target("usb", device.selector.label)

    def make_steps(no_deploy: str) -> tuple[Step, ...]:
        del no_deploy
        return fx3_steps(place.open_bus(), evidence)

    return Bench(
        FX3, target, RiskMode(typed["risk"]), typed["serial"] or "", place.runtime, make_steps
    )


def _module(typed: dict[str, Any], evidence: Step, closing: ExitStack) -> Bench:
    from hw.bus import Selector
    from hw.guard import Authority, RiskMode, Target
    from hw.host.smoke_modem import modem_steps
    from hw.runtime import ThreadRuntime
    from hw.serial.ports import system_ports
    from scenarios.cli import inputs
    from scenarios.cli.modem_place import REAL as REAL_MODULE, Asked, name_of

    selection = module_choice.selection(typed)
    given = typed["acknowledge"]
    _refuse_unknown(given)
    target = Target("serial", name_of(selection))
    authority: Authority | AuthoritySource
    listed: Callable[[], Iterable[Listed]]
    if typed["target"] == SIM:
        module = module_choice.simulated(typed["options"], closing)
        target, authority, listed = Target("world", "simulated module"), Authority(), module.ports
    else:
        authority = inputs.authority(typed["risk"], given, Selector(), target)
        listed = system_ports
    # A port's name may hold the serial number, which a report hides only where it knows it.
    serial = typed["serial"] or _serial_of(typed["at_port"], listed)
    kind = SIM if typed["target"] == SIM else REAL_MODULE
    asked = Asked(kind, selection, typed["risk"], given, typed["options"], typed["limit_ms"])

    def make_steps(no_deploy: str) -> tuple[Step, ...]:
        bench = ModemRound(asked, listed, target, authority)
        closing.callback(bench.close)
        return modem_steps(bench, _wanted(typed, no_deploy), evidence)

    return Bench(
        MODEM,
        target,
        RiskMode(typed["risk"]),
        serial,
        ThreadRuntime(),
        make_steps,
    )


def _serial_of(named: str | None, listed: Callable[[], Iterable[Listed]]) -> str:
    """The serial number of the device that a port belongs to; empty where nobody tells."""
    import os

    from hw.serial.ports import discover

    if named is None:
        return ""
    real = os.path.realpath(named)
    ports = (port for port in discover(listed) if os.path.realpath(port.device) == real)
    return next((port.serial or "" for port in ports), "")


def _refuse_unknown(acknowledged: tuple[str, ...]) -> None:
    from hw.guard import Operation
    from scenarios.errors import not_known

    operations = {item.label: item for item in Operation}
    for label in acknowledged:
        if label not in operations:
            raise not_known("operation", label, operations)


def _wanted(typed: dict[str, Any], no_deploy: str) -> Wanted:
    from hw.host.smoke_modem import NOT_ACKNOWLEDGED, NOT_INTERRUPTED, OFF_IN_SAFE, Wanted

    if typed["risk"] == "safe":
        no_deploy = OFF_IN_SAFE
    elif not set(DEPLOY) <= set(typed["acknowledge"]):
        no_deploy = NOT_ACKNOWLEDGED
    return Wanted(typed["limit_ms"], "" if typed["allow_interrupt"] else NOT_INTERRUPTED, no_deploy)


class ModemRound:
    """A module for one run: what :class:`hw.host.smoke_modem.ModemBench` asks for.

    Args:
        asked: what was typed.
        listed: tells what ports there are.
        target: what the guard is asked about.
        authority: what it is told.
    """

    def __init__(
        self,
        asked: Asked,
        listed: Callable[[], Iterable[Listed]],
        target: Target,
        authority: Authority | AuthoritySource,
    ) -> None:
        self._asked = asked
        self._listed = listed
        self._target = target
        self._authority = authority
        self._closing = ExitStack()
        self._ports: list[Port] = []
        self._made: Place | None = None

    @property
    def gate(self) -> Gate:
        """The guard in front of it."""
        return self._place().gate

    def discover(self) -> list[Port]:
        """Return all ports of the host."""
        from hw.serial.ports import discover

        self._ports = discover(self._listed)
        return self._ports

    def choose(self, role: Role) -> str:
        """Return the name of the one port of a role."""
        from hw.serial.ports import choose

        return choose(self._ports, self._asked.selection, role)

    def at(self) -> AtPort:
        """Open the AT port."""
        return self._place().at()

    def repl(self) -> Repl:
        """Open the REPL port."""
        return self._place().repl()

    def close(self) -> None:
        """Close what was opened; closing twice is harmless."""
        self._closing.close()

    def _place(self) -> Place:
        from scenarios.cli.modem_place import Place

        if self._made is None:
            self._made = Place(
                self._asked, self._ports, self._target, self._authority, self._closing
            )
        return self._made


@contextmanager
def marked(bench: Bench, run_id: str, what: str) -> Iterator[Callable[[Step], None]]:
    """Do the block between two marks in the operator's journal, where the device is real.

    A host that restarts within them is found by the third escalation criterion at the next look.

    Args:
        bench: the device.
        run_id: names the run.
        what: ``smoke`` or ``soak``.

    Yields:
        To be told of each step that begins: it is noted, so that after a crash the last is known.

    Raises:
        JournalError: a mark cannot be written; nothing is done without the first.
    """
    if not bench.is_real:
        yield lambda step: None
        return
    from hw.guard import Operation
    from hw.guard.journal import Journal

    journal = Journal.open_default()

    def begins(step: Step) -> None:
        journal.note(f"host.{what}.step", run_id=run_id, step=step.name)

    # The gate marks only what is not read-only; that a restart came under a probe has to be known.
    with journal.begin(Operation.PROBE, bench.target, run_id=run_id, what=what):
        yield begins
