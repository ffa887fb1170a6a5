"""What lines of the Linux kernel's log mean for the stability of a host.

Sources: the kernel's own format strings: ``arch/x86/kernel/dumpstack.c`` (Oops), ``lib/bug.c``
(kernel BUG), ``kernel/panic.c``, ``kernel/watchdog.c`` (lockups), ``kernel/hung_task.c``,
``drivers/usb/host/xhci-ring.c`` ("HC died"), ``drivers/usb/core/hub.c`` (over-current, disconnect).
The kernel's messages are not translated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from hw.host.findings import FindingKind


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a line tells.

    Attributes:
        kind: what.
        code: the line without what changes from crash to crash; empty for no crash.
        detail: facts in it by name.
    """

    kind: FindingKind
    code: str = ""
    detail: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


_FAULTS: Final = (
    re.compile(r"^Kernel panic - not syncing: (.*)"),
    re.compile(r"^(BUG: kernel NULL pointer dereference)"),
    re.compile(r"^(BUG: unable to handle (?:page fault|kernel [\w ]+?))(?: (?:for|at)\b.*)?$"),
    re.compile(r"^(kernel BUG at [^!]+)!"),
    re.compile(r"^(general protection fault)\b"),
    re.compile(r"^(divide error|invalid opcode|stack segment|double fault|int3): \d+ \["),
    re.compile(r"^(Internal error: Oops)\b"),
    re.compile(r"^(Oops)(?:: | - )"),
    re.compile(r"^(Unable to handle kernel [\w ]+?) at virtual address"),
    re.compile(r"^(?:NMI watchdog: )?(Watchdog detected hard LOCKUP) on cpu"),
)
"""Lines of a kernel that met what it must not meet, or stopped."""
_LOCKUPS: Final = (
    re.compile(r"^(?:watchdog: )?(BUG: soft lockup) - CPU#\d+ stuck"),
    re.compile(r"^(?:INFO: )?(task) \S+:\d+ blocked for more than \d+ seconds"),
    re.compile(r"^(?:rcu: )?(?:INFO: )?(rcu_\w+ (?:self-)?detected stalls?)\b"),
)
_DIED: Final = re.compile(r"^(\S+) (\S+): (?:xHCI host controller not responding|HC died)")
_OVER_CURRENT: Final = re.compile(r"^(?:usb|hub) (\S+?):? .*over-current|^(\S+): over-current")
_DISCONNECT: Final = re.compile(r"^usb (\S+): USB disconnect, device number \d+")
_CHANGING: Final = re.compile(r"\b0x[0-9a-f]+\b|\b[0-9a-f]{8,16}\b|#\d+|\b\d+\b", re.IGNORECASE)


def meaning(line: str) -> Meaning | None:
    """Return what a line of the kernel means; None for nothing that matters here."""
    for pattern in _FAULTS:
        if found := pattern.search(line):
            return Meaning(FindingKind.BUGCHECK, _unchanging(found[1]), _said(line))
    for pattern in _LOCKUPS:
        if found := pattern.search(line):
            is_task = found[1] == "task"
            code = "hung task" if is_task else _unchanging(found[1])
            return Meaning(FindingKind.LOCKUP, code, _said(line))
    if found := _DIED.search(line):
        detail = MappingProxyType({"driver": found[1], "device": found[2]})
        return Meaning(FindingKind.HOST_CONTROLLER_DIED, "host controller died", detail)
    if found := _DISCONNECT.search(line):
        return Meaning(FindingKind.DISCONNECT, "", MappingProxyType({"device": found[1]}))
    if found := _OVER_CURRENT.search(line):
        detail = MappingProxyType({"device": found[1] or found[2]})
        return Meaning(FindingKind.OVER_CURRENT, "", detail)
    return None


def _unchanging(text: str) -> str:
    return " ".join(_CHANGING.sub("*", text).split())[:80]


def _said(line: str) -> Mapping[str, str]:
    return MappingProxyType({"line": line.strip()[:160]})
