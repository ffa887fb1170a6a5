"""The knobs of the simulated module: what it answers, and what goes wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, Final, get_type_hints


@dataclass(frozen=True)
class ModemOptions:
    """What the module is like; the second part of each annotation says what it means."""

    mode: Annotated[
        str, "application; download: only its download port is there, as after a failed flash"
    ] = "application"
    echo: Annotated[bool, "V.250 ATE: the AT port repeats each command before it answers"] = True
    at: Annotated[
        str,
        "normal; silent; echo-only: repeats and never answers; error: refuses every command; "
        "broken: a final line that is none; no-carrier; garbage: noise between the lines",
    ] = "normal"
    sim: Annotated[
        str,
        "ready; pin, puk: locked; absent: +CME ERROR: 10 (3GPP TS 27.007 9.2); not-inserted: the "
        "same as +CPIN: NOT INSERTED; not-ready",
    ] = "ready"
    cme: Annotated[str, "numeric; text; off: how errors are told (AT+CMEE, 3GPP TS 27.007 9.1)"] = (
        "numeric"
    )
    network: Annotated[str, "home; roaming; searching; denied"] = "home"
    unsolicited: Annotated[bool, "lines that nobody asked for come before each answer"] = False
    repl: Annotated[
        str,
        "normal; silent; echo-only: repeats and never runs anything; traceback: every program "
        "fails; garbage: noise around what is printed",
    ] = "normal"
    repl_echo: Annotated[bool, "the friendly prompt repeats what is typed"] = True
    raw_repl: Annotated[
        bool,
        "MicroPython: Ctrl-A begins a prompt for programs, without echo; that QuecPython's "
        "firmware has it everywhere is not known",
    ] = True
    running: Annotated[bool, "a program runs at first, and prints; Ctrl-C ends it for good"] = False
    line_bytes: Annotated[
        int, "assumed: longest line that the friendly prompt keeps; the rest is lost"
    ] = 256
    rename_replaces: Annotated[
        bool, "LittleFS: renaming onto a file replaces it; off: EEXIST, as on FAT"
    ] = True
    entry_fields: Annotated[
        int, "MicroPython os.ilistdir: 4 fields with the size, or 3 without"
    ] = 4
    writes: Annotated[
        str, "normal; flipped: one bit of each file is wrong; short: its last byte is missing; full"
    ] = "normal"
    delay_ms: Annotated[int, "before each answer, on both ports"] = 0
    piece_bytes: Annotated[int, "answers come in pieces of so many bytes, 1 ms apart; 0: whole"] = 0
    unplug_after_bytes: Annotated[
        int, "the module leaves when a port has received so many bytes; 0: never"
    ] = 0


CHOICES: Final = {
    "mode": ("application", "download"),
    "at": ("normal", "silent", "echo-only", "error", "broken", "no-carrier", "garbage"),
    "sim": ("ready", "pin", "puk", "absent", "not-inserted", "not-ready"),
    "cme": ("numeric", "text", "off"),
    "network": ("home", "roaming", "searching", "denied"),
    "repl": ("normal", "silent", "echo-only", "traceback", "garbage"),
    "writes": ("normal", "flipped", "short", "full"),
}
"""What an option of words can be."""
RANGES: Final = {
    "line_bytes": (16, 65_536),
    "entry_fields": (3, 4),
    "piece_bytes": (0, 4_096),
    "delay_ms": (0, 60_000),
    "unplug_after_bytes": (0, 1_000_000),
}
"""Lowest and highest value of an option that is a number."""


def rows() -> list[tuple[str, str, str]]:
    """Every option with its default as it is written, and what it means."""
    hints = get_type_hints(ModemOptions, include_extras=True)
    defaults = ModemOptions()
    return [
        (item.name, _written(getattr(defaults, item.name)), hints[item.name].__metadata__[0])
        for item in fields(ModemOptions)
    ]


def table() -> str:
    """The options as a Markdown table, for docs/modem.md."""
    lines = ["| option | default | meaning |", "|---|---|---|"]
    lines += [f"| `{name}` | {default} | {meaning} |" for name, default, meaning in rows()]
    return "\n".join(lines)


def _written(value: bool | int | str) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)
