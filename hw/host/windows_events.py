"""What Windows events mean for the stability of a host.

Each event is known by its provider and its number, never by its text. Sources: Microsoft Learn,
"Windows Kernel event ID 41 error" (``BugcheckCode`` is decimal, 0 is none; ``PowerButtonTimestamp``
is not 0 after a long press); "Event ID 1001 Windows Error Reporting" (places of the values); seen
in logs of Windows 10 (``User32`` 1074, ``FilterManager`` 1 and 6).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PureWindowsPath
from types import MappingProxyType
from typing import Final

from hw.host.event_xml import Event
from hw.host.findings import EvidenceKind, Finding, FindingKind

MONITORS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "sysdiag": "Huorong security suite",
        "hrdevmon": "Huorong security suite, device monitor",
        "hrfwdrv": "Huorong security suite, firewall",
        "bzprotect": "local security software",
        "hcmon": "VMware USB arbitration",
    }
)
"""Drivers that watch or filter USB and serial devices, in small letters, and what they belong to.
The names are those that the host stability workflow lists; what is behind the second to last is
not known (judgement)."""

SECURITY_PROGRAMS: Final = frozenset({"arpprotection.exe"})
"""Programs of security software whose crash the workflow names, in small letters."""

_BUGCHECK_TEXT: Final = re.compile(r"(0[xX][0-9a-fA-F]{1,16})\s*(?:\((.*)\))?")


@dataclass(frozen=True, slots=True)
class Query:
    """One look at a log: its providers have one meaning.

    Attributes:
        label: for reports.
        kind: which evidence it gives.
        channel: the log.
        provider: who writes these events.
        event_ids: their numbers; empty for all.
    """

    label: str
    kind: EvidenceKind
    channel: str
    provider: str
    event_ids: tuple[int, ...]


_RESTARTS, _BUGCHECKS = EvidenceKind.RESTARTS, EvidenceKind.BUGCHECKS
_APPLICATIONS, _DRIVERS = EvidenceKind.APPLICATIONS, EvidenceKind.DRIVERS
_POWER: Final = "Microsoft-Windows-Kernel-Power"
_WER: Final = "Microsoft-Windows-WER-SystemErrorReporting"
_WHEA: Final = "Microsoft-Windows-WHEA-Logger"
_FILTER: Final = "Microsoft-Windows-FilterManager"

QUERIES: Final = (
    Query("Kernel-Power 41", _RESTARTS, "System", _POWER, (41,)),
    Query("EventLog 6008", _RESTARTS, "System", "EventLog", (6008,)),
    Query("User32 1074", _RESTARTS, "System", "User32", (1074,)),
    Query("WER-SystemErrorReporting 1001", _BUGCHECKS, "System", _WER, (1001,)),
    Query("BugCheck 1001", _BUGCHECKS, "System", "BugCheck", (1001,)),
    Query("volmgr", _BUGCHECKS, "System", "volmgr", (46, 161, 162)),
    Query("Application Error 1000", _APPLICATIONS, "Application", "Application Error", (1000,)),
    Query("Application Hang 1002", _APPLICATIONS, "Application", "Application Hang", (1002,)),
    Query(
        "Windows Error Reporting 1001",
        _APPLICATIONS,
        "Application",
        "Windows Error Reporting",
        (1001,),
    ),
    Query("WHEA-Logger", _DRIVERS, "System", _WHEA, ()),
    Query("FilterManager", _DRIVERS, "System", _FILTER, (1, 6)),
    Query("hcmon", _DRIVERS, "System", "hcmon", ()),
)
"""Every look at the logs, one provider each: one that fails takes no other with it."""


def find(events: list[Event]) -> tuple[Finding, ...]:
    """Return what the events mean, in the order of their time; most mean nothing here."""
    found = (_READERS[query.label](event, query.label) for event, query in _matched(events))
    return tuple(sorted((item for item in found if item), key=lambda item: item.time_utc))


def _matched(events: list[Event]) -> list[tuple[Event, Query]]:
    by_provider = {query.provider: query for query in QUERIES}
    pairs = ((event, by_provider.get(event.provider)) for event in events)
    return [
        (event, query)
        for event, query in pairs
        if query is not None
        and event.channel in ("", query.channel)
        and (not query.event_ids or event.event_id in query.event_ids)
    ]


def bugcheck_code(text: str) -> str:
    """Return a bugcheck code in one form, ``0x00000139``; empty for none.

    Args:
        text: decimal, or hexadecimal with ``0x``; 0 is none.
    """
    match = re.fullmatch(r"0[xX]([0-9a-fA-F]{1,16})|([0-9]{1,20})", text.strip())
    if match is None:
        return ""
    number = int(match[1], 16) if match[1] else int(match[2])
    return f"0x{number:08x}" if number else ""


def _kernel_power(event: Event, source: str) -> Finding:
    code = bugcheck_code(event.value("BugcheckCode", 0))
    pressed = event.value("PowerButtonTimestamp", 6)
    is_pressed = pressed not in ("", "0", "0x0") or (
        event.value("LongPowerButtonPressDetected", 99).lower() == "true"
    )
    kind = FindingKind.UNEXPECTED_RESTART
    if code:
        kind = FindingKind.BUGCHECK
    elif is_pressed:
        kind = FindingKind.POWER_BUTTON
    parameters = [event.value(f"BugcheckParameter{place}", place) for place in (1, 2, 3, 4)]
    detail = {"sleep_in_progress": event.value("SleepInProgress", 5)}
    if code:
        detail["parameters"] = " ".join(parameters)
    return _finding(kind, event, source, detail, code)


def _unexpected(event: Event, source: str) -> Finding:
    return _finding(FindingKind.UNEXPECTED_RESTART, event, source)


def _planned(event: Event, source: str) -> Finding:
    # Who asked, and the reason as a number: its text is in the system's language.
    program = PureWindowsPath(event.value("param1", 0).rpartition("(")[0].strip()).name
    detail = {"program": program, "reason": event.value("param4", 3)}
    return _finding(FindingKind.PLANNED_RESTART, event, source, detail)


def _error_report(event: Event, source: str) -> Finding:
    found = _BUGCHECK_TEXT.search(event.value("param1", 0))
    code = bugcheck_code(found[1]) if found else ""
    detail = {"dump": event.value("param2", 1), "report": event.value("param3", 2)}
    if found and found[2]:
        detail["parameters"] = " ".join(part.strip() for part in found[2].split(","))
    return _finding(FindingKind.BUGCHECK, event, source, detail, code)


def _dump_failed(event: Event, source: str) -> Finding:
    return _finding(FindingKind.DUMP_FAILED, event, source, {"event": str(event.event_id)})


def _crash(event: Event, source: str) -> Finding:
    detail = {
        "program": event.value("AppName", 0),
        "module": event.value("ModuleName", 3),
        "exception": _exception(event.value("ExceptionCode", 6)),
    }
    return _finding(FindingKind.APPLICATION_CRASH, event, source, detail)


def _exception(text: str) -> str:
    bare = text.lower().removeprefix("0x")
    return f"0x{bare}" if re.fullmatch(r"[0-9a-f]{1,16}", bare) else ""


def _hang(event: Event, source: str) -> Finding:
    program = event.value("AppName", 0) or (event.values[0] if event.values else "")
    return _finding(FindingKind.APPLICATION_HANG, event, source, {"program": program})


_CRASH_REPORTS: Final = ("APPCRASH", "BEX", "BEX64", "CLR20r3")
_HANG_REPORTS: Final = ("AppHangB1", "AppHangXProcB1")


def _report(event: Event, source: str) -> Finding | None:
    # The places are those of the message's inserts: 3 is the event's name, 6 the first parameter.
    if len(event.values) < 6:
        return None
    name, first = event.values[2], event.values[5]
    if name == "LiveKernelEvent":
        detail = {"report": name}
        return _finding(FindingKind.LIVE_DUMP, event, source, detail, bugcheck_code(f"0x{first}"))
    if name not in (*_CRASH_REPORTS, *_HANG_REPORTS):
        return None
    is_hang = name in _HANG_REPORTS
    kind = FindingKind.APPLICATION_HANG if is_hang else FindingKind.APPLICATION_CRASH
    detail = {"program": first, "report": name}
    if name == "APPCRASH" and len(event.values) > 11:
        detail["exception"] = _exception(event.values[11])
    return _finding(kind, event, source, detail)


def _hardware(event: Event, source: str) -> Finding:
    return _finding(FindingKind.HARDWARE_ERROR, event, source, {"event": str(event.event_id)})


def _filter(event: Event, source: str) -> Finding:
    return _driver(FindingKind.FILTER_DRIVER, event, source, event.value("DeviceName", 4))


def _monitor(event: Event, source: str) -> Finding:
    named = [name for name in MONITORS if any(name in text.lower() for text in event.values)]
    return _driver(FindingKind.USB_MONITOR, event, source, named[0] if named else "hcmon")


def _driver(kind: FindingKind, event: Event, source: str, driver: str) -> Finding:
    detail = {"driver": driver}
    if known := MONITORS.get(driver.lower()):
        detail["known"] = known
    return _finding(kind, event, source, detail)


def _finding(
    kind: FindingKind,
    event: Event,
    source: str,
    detail: Mapping[str, str] | None = None,
    code: str = "",
) -> Finding:
    known = {name: value for name, value in (detail or {}).items() if value}
    return Finding(kind, event.time_utc, source, code, "", MappingProxyType(known))


_READERS: Final[Mapping[str, Callable[[Event, str], Finding | None]]] = MappingProxyType(
    {
        "Kernel-Power 41": _kernel_power,
        "EventLog 6008": _unexpected,
        "User32 1074": _planned,
        "WER-SystemErrorReporting 1001": _error_report,
        "BugCheck 1001": _error_report,
        "volmgr": _dump_failed,
        "Application Error 1000": _crash,
        "Application Hang 1002": _hang,
        "Windows Error Reporting 1001": _report,
        "WHEA-Logger": _hardware,
        "FilterManager": _filter,
        "hcmon": _monitor,
    }
)
