"""What the information lines of each query say; an empty field where they say nothing.

Sources: 3GPP TS 27.007 (CPIN 8.3, CGSN 5.4, CIMI 5.6, CREG 7.2, CGREG 10.1.20, CEREG 10.1.22,
CGPADDR 10.1.14, CME codes 9.2); Quectel AT commands manuals (ATI, QCCID, QIACT).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from types import MappingProxyType
from typing import Final

from hw.serial.at import Reply

CARD_BY_CME: Final = MappingProxyType(
    {
        "10": "NOT INSERTED",
        "11": "SIM PIN",
        "12": "SIM PUK",
        "13": "SIM FAILURE",
        "14": "SIM BUSY",
        "15": "SIM WRONG",
        "17": "SIM PIN2",
        "18": "SIM PUK2",
        "sim not inserted": "NOT INSERTED",
        "sim pin required": "SIM PIN",
        "sim puk required": "SIM PUK",
        "sim failure": "SIM FAILURE",
        "sim busy": "SIM BUSY",
        "sim wrong": "SIM WRONG",
        "sim pin2 required": "SIM PIN2",
        "sim puk2 required": "SIM PUK2",
    }
)
"""State of the card by number or text of +CME ERROR."""
REGISTERED: Final = (1, 5)
"""``<stat>``: home network, roaming."""
NOT_REGISTERED: Final = (0, 2, 3, 4)
_MODEL: Final = re.compile(r"[A-Z]{2}\d{3}[A-Z0-9-]*")
_NOWHERE: Final = ("0.0.0.0", "::")


@dataclass(frozen=True)
class Context:
    """A data context.

    Attributes:
        number: ``<cid>``.
        is_active: whether.
        address: of the module in it; empty for none.
    """

    number: int
    is_active: bool
    address: str


def identity(reply: Reply) -> tuple[str, str]:
    """Return model and revision from ATI."""
    model = next((line for line in reply.lines if _MODEL.fullmatch(line)), "")
    revision = next(
        (line.partition(":")[2].strip() for line in reply.lines if line.startswith("Revision:")),
        "",
    )
    return model, revision


def plain(reply: Reply) -> str:
    """Return the one value of an answer, with or without what it begins with."""
    for line in reply.lines:
        value = line.partition(":")[2] if line.startswith("+") else line
        if value.strip():
            return value.strip().strip('"')
    return ""


def digits(reply: Reply, fewest: int, most: int) -> str:
    """Return a number of so many digits; empty where the answer has none."""
    found = re.fullmatch(rf"(\d{{{fewest},{most}}})F?", plain(reply))
    return found[1] if found else ""


def card(reply: Reply) -> str:
    """Return the state of the card from AT+CPIN?, told as an answer or as an error."""
    if reply.is_ok:
        return plain(reply).upper()
    return CARD_BY_CME.get(reply.failure.lower(), "")


def is_inserted(state: str) -> bool | None:
    """Whether there is a card; None where its state does not tell."""
    if state in ("", "NOT READY", "SIM FAILURE", "SIM BUSY"):
        return None
    return state != "NOT INSERTED"


def registration(reply: Reply) -> int | None:
    """Return ``<stat>``; None where the answer has none."""
    for line in reply.lines:
        found = re.match(r"\+C(?:E|G)?REG: ?\d+, ?(\d+)", line)
        if found and len(found[1]) < 3:
            return int(found[1])
    return None


def is_registered(stat: int | None) -> bool | None:
    """Whether a ``<stat>`` means service; None where it does not tell."""
    if stat in REGISTERED:
        return True
    return False if stat in NOT_REGISTERED else None


def contexts(reply: Reply) -> list[Context]:
    """Return the data contexts of AT+QIACT?."""
    found = []
    for line in reply.lines:
        match = re.match(r'\+QIACT: ?(\d{1,2}),([01]),\d+(?:,"([^"]*)")?', line)
        if match:
            found.append(Context(int(match[1]), match[2] == "1", address(match[3] or "")))
    return found


def context_address(reply: Reply) -> str:
    """Return the address of AT+CGPADDR; empty for none."""
    for line in reply.lines:
        match = re.match(r'\+CGPADDR: ?\d{1,2},"?([^",]+)"?', line)
        if match:
            return address(match[1])
    return ""


def address(text: str) -> str:
    """Return an IP address in its plain form; empty where it is none, or that of nowhere."""
    # 3GPP TS 27.007 writes IPv6 as 16 numbers with points between.
    numbers = text.split(".")
    if len(numbers) == 16 and all(item.isascii() and item.isdigit() for item in numbers):
        values = [int(item) for item in numbers if len(item) < 4]
        if len(values) < 16 or max(values) > 0xFF:
            return ""
        text = bytes(values).hex(":", 2)
    try:
        found = str(ip_address(text))
    except ValueError:
        return ""
    return "" if found in _NOWHERE else found
