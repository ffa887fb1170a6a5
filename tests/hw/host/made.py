"""Records of hosts for tests: Windows events, dumps, journals; and a runner that plays them."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from hw.host.errors import EvidenceError
from hw.host.findings import CouldNotLook, EvidenceKind, Finding, FindingKind, Look, Looked
from hw.host.keeper import Clock
from hw.host.runner import Completed
from tests.hw.host.evtx_maker import MadeEvent

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
BOOT = "b" * 32
BEFORE = "a" * 32


def ago(**parts: float) -> datetime:
    """A time before :data:`NOW`."""
    return NOW - timedelta(**parts)


def kernel_power(time_utc: datetime, code: int = 0x139, **data: str) -> MadeEvent:
    """Kernel-Power 41; its code is decimal."""
    values = {
        "BugcheckCode": str(code),
        "BugcheckParameter1": "0x3",
        "BugcheckParameter2": "0xffff868f7c3f9a70",
        "BugcheckParameter3": "0xffff868f7c3f99c8",
        "BugcheckParameter4": "0x0",
        "SleepInProgress": "0",
        "PowerButtonTimestamp": "0",
        **data,
    }
    return MadeEvent("Microsoft-Windows-Kernel-Power", 41, time_utc, list(values.items()))


def error_report(time_utc: datetime, code: int = 0x139, **more: str) -> MadeEvent:
    """WER-SystemErrorReporting 1001."""
    text = f"0x{code:08x} (0x0000000000000003, 0xffff868f7c3f9a70, 0xffff868f7c3f99c8, 0x0)"
    data = [
        ("param1", text),
        ("param2", more.get("dump", r"C:\WINDOWS\Minidump\031026-1.dmp")),
        ("param3", "8d4c"),
    ]
    provider = "Microsoft-Windows-WER-SystemErrorReporting"
    return MadeEvent(provider, 1001, time_utc, data, message=more.get("message", ""))


def planned_restart(time_utc: datetime) -> MadeEvent:
    """User32 1074."""
    data = [
        ("param1", r"C:\Windows\System32\RuntimeBroker.exe (HOST)"),
        ("param2", "HOST"),
        ("param3", "Andere (geplant)"),
        ("param4", "0x0"),
        ("param5", "Neustart"),
        ("param6", ""),
        ("param7", r"HOST\user"),
    ]
    return MadeEvent("User32", 1074, time_utc, data)


def application_crash(time_utc: datetime, program: str, exception: str) -> MadeEvent:
    """Application Error 1000 without names, as older systems write it."""
    values = [program, "1.0.0.0", "5f0", "ntdll.dll", "10.0", "7a1", exception, "000ff1"]
    data = [("", value) for value in values]
    return MadeEvent("Application Error", 1000, time_utc, data, channel="Application")


def filter_driver(time_utc: datetime, name: str) -> MadeEvent:
    """FilterManager 6: a filter driver was loaded."""
    data = [
        ("FinalStatus", "0x0"),
        ("DeviceVersionMajor", "10"),
        ("DeviceVersionMinor", "0"),
        ("DeviceNameLength", str(len(name))),
        ("DeviceName", name),
    ]
    return MadeEvent("Microsoft-Windows-FilterManager", 6, time_utc, data)


def event_xml(event: MadeEvent, record: int = 1) -> str:
    """One event as ``wevtutil /f:RenderedXml`` prints it."""
    time = event.time_utc.strftime("%Y-%m-%dT%H:%M:%S.%f") + "0Z"
    data = "".join(
        f"<Data Name={quoteattr(name)}>{escape(value)}</Data>"
        if name
        else f"<Data>{escape(value)}</Data>"
        for name, value in event.data
    )
    rendered = ""
    if event.message:
        rendered = f"<RenderingInfo><Message>{escape(event.message)}</Message></RenderingInfo>"
    return (
        "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>"
        f"<Provider Name={quoteattr(event.provider)}/><EventID>{event.event_id}</EventID>"
        f"<TimeCreated SystemTime='{time}'/><EventRecordID>{record}</EventRecordID>"
        f"<Channel>{event.channel}</Channel></System><EventData>{data}</EventData>{rendered}"
        "</Event>"
    )


def dump_header(
    time_utc: datetime | None,
    code: int = 0x139,
    parameters: Sequence[int] = (3, 0xFFFF868F7C3F9A70, 0xFFFF868F7C3F99C8, 0),
    bits: int = 64,
) -> bytes:
    """The header of a kernel dump."""
    header = bytearray(0x2000 if bits == 64 else 0x1000)
    header[:8] = b"PAGEDU64" if bits == 64 else b"PAGEDUMP"
    struct.pack_into("<II", header, 8, 15, 22631)
    struct.pack_into("<I", header, 0x38 if bits == 64 else 0x28, code)
    kind, at = ("<4Q", 0x40) if bits == 64 else ("<4I", 0x2C)
    mask = (1 << bits) - 1
    struct.pack_into(kind, header, at, *(value & mask for value in parameters))
    if time_utc is not None:
        ticks = (time_utc - datetime(1601, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 10
        struct.pack_into("<Q", header, 0xFA8 if bits == 64 else 0xFC0, ticks)
    return bytes(header)


def entry(time_utc: datetime, message: str, boot: str = BOOT, **more: object) -> dict[str, object]:
    """One entry of a journal; the kernel's, unless told otherwise."""
    micro_s = (time_utc - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    return {
        "__CURSOR": f"s=1;i={micro_s:x}",
        "__REALTIME_TIMESTAMP": str(micro_s),
        "_BOOT_ID": boot,
        "_TRANSPORT": "kernel",
        "MESSAGE": message,
        **more,
    }


def stopped(time_utc: datetime, boot: str = BEFORE) -> dict[str, object]:
    """The last words of a journal that was shut down."""
    identifier = "d93fb3c9c24d451a97cea615ce59c00b"
    return entry(time_utc, "Journal stopped", boot, _TRANSPORT="driver", MESSAGE_ID=identifier)


def journal(entries: Sequence[Mapping[str, object]]) -> bytes:
    """The output of ``journalctl -o json``."""
    return b"".join(json.dumps(item).encode() + b"\n" for item in entries)


def boots(*boots: tuple[str, datetime, datetime]) -> bytes:
    """The output of ``journalctl --list-boots -o json``."""
    zero = datetime(1970, 1, 1, tzinfo=UTC)
    micro_s = timedelta(microseconds=1)
    return json.dumps(
        [
            {
                "index": index - len(boots) + 1,
                "boot_id": boot,
                "first_entry": (first - zero) // micro_s,
                "last_entry": (last - zero) // micro_s,
            }
            for index, (boot, first, last) in enumerate(boots)
        ]
    ).encode()


CALM = (
    entry(ago(days=3), "Linux version 6.12", BEFORE),
    stopped(ago(days=2)),
    entry(ago(days=2, minutes=-1), "Linux version 6.12", BOOT),
)
"""A host that was shut down two days ago and has run since."""
CALM_BOOTS = (
    (BEFORE, ago(days=3), ago(days=2)),
    (BOOT, ago(days=2, minutes=-1), NOW),
)


class PlayedRunner:
    """Answers commands by a function; keeps what was asked."""

    def __init__(self, answer: Callable[[tuple[str, ...]], Completed | EvidenceError]) -> None:
        self._answer = answer
        self.commands: list[tuple[str, ...]] = []

    def run(self, command: Sequence[str], limit_ms: int = 0) -> Completed:
        self.commands.append(tuple(command))
        done = self._answer(tuple(command))
        if isinstance(done, EvidenceError):
            raise done
        return done


class PlayedSource:
    """Evidence that a test sets."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.missing: tuple[EvidenceKind, ...] = ()
        self.looks = 0

    def look(self, since_utc: datetime, now_utc: datetime) -> tuple[Look, ...]:
        self.looks += 1
        recent = tuple(f for f in self.findings if since_utc <= f.time_utc <= now_utc)
        present = tuple(kind for kind in EvidenceKind if kind not in self.missing)
        return (
            Looked("played", present, recent),
            *(CouldNotLook("played", (kind,), "access denied") for kind in self.missing),
        )

    def dump_places(self) -> None:
        """No registry."""


class PlayedClock:
    """A clock that a test moves."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def clock(self) -> Clock:
        return Clock(lambda: self.now.timestamp(), lambda: int(self.now.timestamp() * 1e9))

    def pass_(self, **parts: float) -> None:
        self.now += timedelta(**parts)


def bugcheck(time_utc: datetime, code: str = "0x00000139", source: str = "dump") -> Finding:
    """A finding that is an incident of its own."""
    return Finding(FindingKind.BUGCHECK, time_utc, source, code)


def write(path: Path, content: bytes) -> Path:
    """Write a file, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
