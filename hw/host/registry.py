r"""Registry text: what ``reg query`` prints and what ``.reg`` files hold; and where dumps go.

Source: the key ``HKLM\SYSTEM\CurrentControlSet\Control\CrashControl`` (Microsoft Learn,
"Overview of memory dump file options"): ``MinidumpDir``, ``DumpFile``; live kernel reports below
``%SystemRoot%\LiveKernelReports``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from hw.host.errors import EvidenceError
from hw.host.event_xml import decoded

CRASH_CONTROL: Final = r"SYSTEM\CurrentControlSet\Control\CrashControl"
_QUERY_VALUE: Final = re.compile(r"\s+(\S.*?)\s{2,}(REG_[A-Z_]+)(?:\s{2,}(.*?))?\s*")
_FILE_VALUE: Final = re.compile(r'(@|"(?:[^"\\]|\\.)*")=(.*)')
_HEADINGS: Final = ("Windows Registry Editor Version 5.00", "REGEDIT4")
_CURRENT: Final = re.compile(r"\\ControlSet\d{3}\\", re.IGNORECASE)


def parse_registry(content: bytes, source: str) -> dict[str, dict[str, str]]:
    """Return values by key, both in small letters; numbers as decimal digits.

    Args:
        content: of a ``.reg`` file, or what ``reg query KEY /s`` printed.
        source: what to call it in an error.

    Raises:
        EvidenceError: it is neither.
    """
    text = decoded(content)
    lines = text.lstrip("\ufeff").splitlines()
    first = next((line.strip() for line in lines if line.strip()), "")
    if first in _HEADINGS:
        return _of_file(lines, source)
    if first.upper().startswith(("HKEY_", "HKLM\\")):
        return _of_query(lines)
    raise EvidenceError(
        source,
        "no registry text",
        r"save what this prints: reg query HKLM\SYSTEM\CurrentControlSet\Control\CrashControl",
    )


def _of_query(lines: list[str]) -> dict[str, dict[str, str]]:
    keys: dict[str, dict[str, str]] = {}
    values: dict[str, str] = {}
    for line in lines:
        found = _QUERY_VALUE.fullmatch(line)
        if found and keys:
            values[found[1].lower()] = _number(found[3] or "", found[2] == "REG_DWORD")
        elif line.strip() and not line[0].isspace():
            values = keys.setdefault(line.strip().lower(), {})
    return keys


def _of_file(lines: list[str], source: str) -> dict[str, dict[str, str]]:
    keys: dict[str, dict[str, str]] = {}
    values: dict[str, str] = {}
    for line in "\n".join(lines).replace("\\\n", "").split("\n"):
        stripped = line.strip()
        if stripped.startswith("[") and stripped.endswith("]"):
            values = keys.setdefault(stripped[1:-1].lower(), {})
        elif (found := _FILE_VALUE.fullmatch(stripped)) and keys:
            values[found[1].strip('"').lower()] = _file_value(found[2], source)
    return keys


def _file_value(text: str, source: str) -> str:
    if text.startswith('"'):
        return re.sub(r"\\(.)", r"\1", text[1:].removesuffix('"'))
    if text.startswith("dword:"):
        return _number(f"0x{text[6:].strip()}", is_number=True)
    if text.startswith("hex"):
        digits = re.sub(r"[\s,]", "", text.partition(":")[2])
        try:
            # hex(2) is REG_EXPAND_SZ: UTF-16 with a final zero.
            return bytes.fromhex(digits).decode("utf-16-le", errors="replace").rstrip("\0")
        except ValueError as error:
            raise EvidenceError(source, f"{text[:40]!r} is no value in hex") from error
    return text


def _number(text: str, is_number: bool) -> str:
    if is_number and re.fullmatch(r"0[xX][0-9a-fA-F]{1,16}", text):
        return str(int(text, 16))
    return text


@dataclass(frozen=True, slots=True)
class DumpPlaces:
    """Where a Windows system leaves its dumps, as the registry says it.

    Attributes:
        small: folder of the small dumps, one a crash.
        full: the file of the last large one.
        live: folder of the live kernel reports.
    """

    small: str
    full: str
    live: str

    def resolved(self, system_root: str) -> DumpPlaces:
        """Return the same with ``%SystemRoot%`` filled in."""
        pattern = re.compile("%systemroot%|%windir%", re.IGNORECASE)
        places = (pattern.sub(lambda _: system_root, text) for text in (self.small, self.full))
        small, full = places
        return DumpPlaces(small, full, pattern.sub(lambda _: system_root, self.live))


DEFAULT_PLACES: Final = DumpPlaces(
    r"%SystemRoot%\Minidump", r"%SystemRoot%\MEMORY.DMP", r"%SystemRoot%\LiveKernelReports"
)
"""Where they are when the registry has no value."""


def dump_places(keys: dict[str, dict[str, str]]) -> DumpPlaces:
    """Return where dumps go by what the registry says; what it does not say is the default."""
    for key, values in keys.items():
        plain = _CURRENT.sub(r"\\CurrentControlSet\\", key).lower()
        if plain.endswith(CRASH_CONTROL.lower()):
            return DumpPlaces(
                values.get("minidumpdir") or DEFAULT_PLACES.small,
                values.get("dumpfile") or DEFAULT_PLACES.full,
                DEFAULT_PLACES.live,
            )
    return DEFAULT_PLACES
