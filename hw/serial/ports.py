"""Which port of a module is which: by vendor, product and interface number, never by guess.

A port has a role only where a table says so for this very product. Where the table is silent the
role is unknown, and an unknown port is used only if the operator names it.

Sources: QuecPython's VSCode extension (constants of its ports: EC600N MI_03 and MI_05, EC600U MI_02
and MI_08, download ports); Linux ``drivers/usb/serial/option.c`` (EG916Q-GL); Quectel's Windows
driver (names of the ports).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Protocol

from hw.serial.errors import ChoiceError, DownloadModeError, NoModuleError, SeveralModulesError


class Role(StrEnum):
    """What a port is for."""

    AT = "at"
    REPL = "repl"
    DIAG = "diag"
    NMEA = "nmea"
    MODEM = "modem"
    DOWNLOAD = "download"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Model:
    """A product whose interfaces are known.

    Attributes:
        name: of the module, or its family.
        roles: of its interfaces, by number.
    """

    name: str
    roles: MappingProxyType[int, Role]


def _model(name: str, **roles: int) -> Model:
    return Model(name, MappingProxyType({number: Role(role) for role, number in roles.items()}))


MODELS: Final = MappingProxyType(
    {
        (0x2C7C, 0x6001): _model("EC600N family", at=3, repl=5),
        (0x2C7C, 0x0901): _model("EC200U/EC600U family", at=2, repl=8),
        (0x2C7C, 0x6007): _model("EG916Q", diag=0, nmea=1, at=2, modem=3),
    }
)
"""Every product whose interfaces are known, by vendor and product."""
DOWNLOAD: Final = frozenset(((0x2ECC, 0x3004), (0x2ECC, 0x3017), (0x0525, 0xA4A7)))
"""Boot ROMs of modules that wait for firmware."""
NAMES: Final = MappingProxyType(
    {
        "Quectel USB AT Port": Role.AT,
        "Quectel USB MI05 COM Port": Role.REPL,
        "Quectel USB DIAG Port": Role.DIAG,
        "ASR Serial Download Device": Role.DOWNLOAD,
    }
)
"""Names that Quectel's and ASR's Windows drivers give, whole; Windows adds the port behind."""
QUECTEL: Final = 0x2C7C
_INTERFACE: Final = re.compile(r"(.*):[\dx]+\.(\d+)")


class Listed(Protocol):
    """A port as ``serial.tools.list_ports`` tells of it."""

    @property
    def device(self) -> str:
        """What is opened."""
        ...

    @property
    def vid(self) -> int | None:
        """Vendor of its USB device."""
        ...

    @property
    def pid(self) -> int | None:
        """Product of its USB device."""
        ...

    @property
    def serial_number(self) -> str | None:
        """Of its USB device."""
        ...

    @property
    def location(self) -> str | None:
        """Bus, port path, configuration and interface."""
        ...

    @property
    def description(self) -> str:
        """For people."""
        ...


@dataclass(frozen=True)
class Port:
    """A serial port of this host, and what is known of it.

    Attributes:
        device: what is opened.
        vendor_id, product_id: of its USB device; None where it has none.
        serial: serial number of its USB device.
        place: bus and port path of its USB device.
        interface: its number, or None.
        description: for people.
        role: what it is for.
    """

    device: str
    vendor_id: int | None
    product_id: int | None
    serial: str | None
    place: str
    interface: int | None
    description: str
    role: Role

    @property
    def ids(self) -> str:
        """Vendor and product as they are written, such as ``2c7c:6001``; empty for none."""
        if self.vendor_id is None or self.product_id is None:
            return ""
        return f"{self.vendor_id:04x}:{self.product_id:04x}"

    @property
    def module(self) -> tuple[str, str, str]:
        """What the ports of one module have in common."""
        return (self.ids, self.serial or "", self.place)

    def as_dict(self) -> dict[str, object]:
        """The port for JSON."""
        return {
            "port": self.device,
            "role": self.role.value,
            "ids": self.ids,
            "interface": self.interface,
            "description": self.description,
        }


@dataclass(frozen=True)
class Selection:
    """How the operator chose a module; every part may be left out.

    Attributes:
        at_port, repl_port: names of ports.
        serial: serial number of the USB device.
        ids: vendor and product, such as ``2c7c:6001``.
    """

    at_port: str | None = None
    repl_port: str | None = None
    serial: str | None = None
    ids: str | None = None

    def __post_init__(self) -> None:
        if self.ids is not None and not re.fullmatch(r"[0-9a-fA-F]{4}:[0-9a-fA-F]{4}", self.ids):
            raise ChoiceError(f"--vid-pid {self.ids!r}", "write it as 2c7c:6001")

    @property
    def label(self) -> str:
        """How it was written, for the guard and for people."""
        parts = [
            f"serial {self.serial}" if self.serial else "",
            self.ids or "",
            f"at {self.at_port}" if self.at_port else "",
            f"repl {self.repl_port}" if self.repl_port else "",
        ]
        return ", ".join(part for part in parts if part) or "the only module"


def table() -> str:
    """The known products as a Markdown table, for docs/modem.md."""
    lines = ["| ids | module | interfaces |", "|---|---|---|"]
    for (vendor_id, product_id), model in MODELS.items():
        roles = ", ".join(f"{number} {role.value}" for number, role in sorted(model.roles.items()))
        lines.append(f"| `{vendor_id:04x}:{product_id:04x}` | {model.name} | {roles} |")
    for vendor_id, product_id in sorted(DOWNLOAD):
        lines.append(f"| `{vendor_id:04x}:{product_id:04x}` | any, in download mode | all |")
    return "\n".join(lines)


def system_ports() -> list[Listed]:
    """Return the ports of this host."""
    from serial.tools import list_ports

    return list(list_ports.comports())


def discover(listed: Callable[[], Iterable[Listed]] = system_ports) -> list[Port]:
    """Return all ports with their roles, sorted by name.

    Args:
        listed: tells what ports there are.
    """
    return sorted((_port(item) for item in listed()), key=lambda port: port.device)


def _port(item: Listed) -> Port:
    found = _INTERFACE.fullmatch(item.location or "")
    interface = int(found[2]) if found else None
    return Port(
        device=item.device,
        vendor_id=item.vid,
        product_id=item.pid,
        serial=item.serial_number or None,
        place=found[1] if found else item.location or "",
        interface=interface,
        description=item.description or "",
        role=_role(item, interface),
    )


def _role(item: Listed, interface: int | None) -> Role:
    """The role by interface and by name; unknown where they differ or neither says."""
    if item.vid is None or item.pid is None:
        return Role.UNKNOWN
    if (item.vid, item.pid) in DOWNLOAD:
        return Role.DOWNLOAD
    model = MODELS.get((item.vid, item.pid))
    by_number = model.roles.get(interface) if model and interface is not None else None
    name = re.sub(r" \(COM\d+\)$", "", item.description or "")
    by_name = NAMES.get(name) if item.vid == QUECTEL or name.startswith("ASR ") else None
    if by_number and by_name and by_number is not by_name:
        return Role.UNKNOWN
    return by_number or by_name or Role.UNKNOWN


def choose(ports: Sequence[Port], selection: Selection, role: Role) -> str:
    """Return the name of the one port of a role that the operator can mean.

    Args:
        ports: all of this host.
        selection: what the operator said.
        role: AT or REPL.

    Raises:
        ChoiceError: one port for both roles, or one that is known to have another role.
        DownloadModeError: the module has no other port than that for firmware.
        NoModuleError: none is known to have the role.
        SeveralModulesError: more than one is.
    """
    _refuse_same(selection)
    named = selection.at_port if role is Role.AT else selection.repl_port
    if named is not None:
        return _named(ports, named, role)
    name = role.value.upper()
    fitting = [port for port in ports if _fits(port, selection)]
    found = [port for port in fitting if port.role is role and not _is_other(port, selection, role)]
    if len(found) == 1:
        return found[0].device
    if found:
        several = ", ".join(f"{port.device} ({port.serial or port.ids})" for port in found)
        raise SeveralModulesError(f"{name} port", several)
    waiting = [port.device for port in ports if port.role is Role.DOWNLOAD]
    if waiting:
        raise DownloadModeError(f"{name} port", f"only {', '.join(waiting)} is there")
    known = sorted({port.device for port in fitting if port.vendor_id == QUECTEL})
    if known:
        detail = f"the role of {', '.join(known)} is not known"
    else:
        detail = _nothing_known(len(ports), selection, name)
    raise NoModuleError(f"{name} port", detail)


def _nothing_known(count: int, selection: Selection, name: str) -> str:
    if not count:
        return "this host has no serial port"
    module = Selection(serial=selection.serial, ids=selection.ids)
    wanted = f"a module's {name} port"
    if module != Selection():
        wanted = f"the {name} port of the module {module.label}"
    ports = f"{count} serial port{'' if count == 1 else 's'}"
    return f"this host has {ports}, but none that is known as {wanted}"


def _refuse_same(selection: Selection) -> None:
    at_port, repl_port = selection.at_port, selection.repl_port
    if at_port and repl_port and os.path.realpath(at_port) == os.path.realpath(repl_port):
        raise ChoiceError(f"port {at_port}", "it cannot be the AT port and the REPL port at once")


def _named(ports: Sequence[Port], named: str, role: Role) -> str:
    real = os.path.realpath(named)
    for port in ports:
        if os.path.realpath(port.device) != real or port.role in (role, Role.UNKNOWN):
            continue
        if port.role is Role.DOWNLOAD:
            raise DownloadModeError(f"port {named}", port.description)
        raise ChoiceError(f"port {named}", f"it is the {port.role.value} port, not the {role}")
    return named


def _fits(port: Port, selection: Selection) -> bool:
    return (selection.serial is None or port.serial == selection.serial) and (
        selection.ids is None or port.ids == selection.ids.lower()
    )


def _is_other(port: Port, selection: Selection, role: Role) -> bool:
    """A port that the operator named for the other role."""
    other = selection.repl_port if role is Role.AT else selection.at_port
    return other is not None and os.path.realpath(other) == os.path.realpath(port.device)
