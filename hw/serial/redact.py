"""Keeps what tells who somebody is out of reports: numbers of device and card, addresses, cells."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

HIDDEN: Final = "***"
SHOWN_DIGITS: Final = 2
_LONG_NUMBER: Final = re.compile(r"(?<!\d)\d{14,22}F?(?!\d)")
_ADDRESS: Final = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3,15}\d{1,3}(?![\w.])")
_COLONS: Final = re.compile(
    r"(?<![\w:])(?=[0-9A-Fa-f:]*:[0-9A-Fa-f:]*:)[0-9A-Fa-f:]{6,39}(?![\w:])"
)
_CELL: Final = re.compile(r'"[0-9A-Fa-f]{2,8}"')
"""Area and cell of +CREG and its kin tell where somebody is."""


def redact(value: str) -> str:
    """Return a value with all but its last two characters hidden; enough to tell two apart."""
    return HIDDEN + value[-SHOWN_DIGITS:] if value else ""


def redact_text(text: str, known: Iterable[str] = ()) -> str:
    """Return a text without long numbers, addresses and cells.

    Args:
        text: of an answer.
        known: values to hide wherever they stand.
    """
    for value in known:
        if value:
            text = text.replace(value, HIDDEN)
    for pattern in (_LONG_NUMBER, _ADDRESS, _COLONS, _CELL):
        text = pattern.sub(HIDDEN, text)
    return text
