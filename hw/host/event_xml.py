"""Windows events as XML, whatever the language of the system.

Only the structured part is read: ``System`` and ``EventData``. The rendered message is in the
system's language, so nothing here looks at it. Source: the schema of Windows events,
``http://schemas.microsoft.com/win/2004/08/events/event``.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final
from xml.etree import ElementTree

from hw.host.errors import EvidenceError

MAX_BYTES: Final = 64 << 20
"""More than a log of the default size holds; a larger text is refused."""
_DECLARATION: Final = re.compile(r"<\?xml[^>]*\?>")
_FORBIDDEN: Final = re.compile(r"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_OWN_ROOT: Final = re.compile(r"</?Events\b[^>]*>")
_TIME: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|\+00:00)"
)


@dataclass(frozen=True, slots=True)
class Event:
    """The structured part of one event.

    Attributes:
        channel: the log it is in, such as ``System``.
        provider: who wrote it, such as ``Microsoft-Windows-Kernel-Power``.
        event_id: its number, of this provider alone.
        record_id: its number in the log; 0 where none is given.
        time_utc: when it was written.
        values: of its data, in order.
        named: the same by name, where they have names.
    """

    channel: str
    provider: str
    event_id: int
    record_id: int
    time_utc: datetime
    values: tuple[str, ...]
    named: Mapping[str, str]

    def value(self, name: str, index: int) -> str:
        """Return a value by its name, or by its place where values have no names; else empty."""
        if name in self.named:
            return self.named[name]
        is_by_place = not self.named and index < len(self.values)
        return self.values[index] if is_by_place else ""


def decoded(content: bytes) -> str:
    """Return the text of event XML in any encoding that Windows writes it in.

    UTF-16 and UTF-8 are known by their marks. Of a code page only the ASCII part is kept, which is
    all that markup, numbers and names of providers need: second bytes of GBK, Big5 and Shift-JIS
    are never ``<``, ``>`` or ``&``.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", errors="replace")
    if content[1:2] == b"\0":
        return content.decode("utf-16-le", errors="replace")
    return content.decode("utf-8-sig", errors="replace")


def parse_events(content: bytes | str, source: str) -> list[Event]:
    """Return the events in XML: one ``Event``, many in a row, or many inside ``Events``.

    Args:
        content: the XML, as bytes or decoded.
        source: what to call it in an error.

    Raises:
        EvidenceError: it is no event XML.
    """
    if len(content) > MAX_BYTES:
        raise EvidenceError(source, f"larger than {MAX_BYTES >> 20} MiB", "export fewer days of it")
    text = content if isinstance(content, str) else decoded(content)
    if _FORBIDDEN.search(text):
        raise EvidenceError(source, "declares entities, which no event does")
    body = _OWN_ROOT.sub("", _DECLARATION.sub("", _NOT_XML.sub("", text)))
    try:
        root = ElementTree.fromstring(f"<Events>{body}</Events>")
    except ElementTree.ParseError as error:
        raise EvidenceError(source, f"no event XML ({error})", "export it as XML again") from error
    if root.text and root.text.strip():
        raise EvidenceError(source, "no event XML: it has text outside of events")
    return [_event(element, source) for element in root]


def _event(element: ElementTree.Element, source: str) -> Event:
    if _name(element) != "Event":
        raise EvidenceError(source, f"<{_name(element)}> where <Event> is expected")
    system = _child(element, "System")
    if system is None:
        raise EvidenceError(source, "an event without <System>")
    provider = _child(system, "Provider")
    created = _child(system, "TimeCreated")
    values: list[str] = []
    named: dict[str, str] = {}
    for name, value in _data(element):
        values.append(value)
        if name:
            named.setdefault(name, value)
    return Event(
        channel=_text(system, "Channel"),
        provider="" if provider is None else provider.get("Name", ""),
        event_id=_number(system, "EventID", source),
        record_id=_number(system, "EventRecordID", source) if _text(system, "EventRecordID") else 0,
        time_utc=event_time("" if created is None else created.get("SystemTime", ""), source),
        values=tuple(values),
        named=MappingProxyType(named),
    )


def _data(element: ElementTree.Element) -> Iterator[tuple[str, str]]:
    event_data = _child(element, "EventData")
    if event_data is not None:
        for item in event_data:
            if _name(item) == "Data":
                yield item.get("Name", ""), (item.text or "").strip()
    user_data = _child(element, "UserData")
    if user_data is not None:
        for item in user_data.iter():
            if len(item) == 0 and item is not user_data:
                yield _name(item), (item.text or "").strip()


def event_time(text: str, source: str) -> datetime:
    """Return the time in a ``SystemTime`` attribute, which is UTC with up to nine decimals.

    Raises:
        EvidenceError: it is none.
    """
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise EvidenceError(source, f"{text[:40]!r} is no time such as 2026-03-01T12:00:00.000Z")
    year, month, day, hour, minute, second = map(int, found.groups()[:6])
    microsecond = int((found[7] or "0").ljust(9, "0")[:6])
    try:
        return datetime(year, month, day, hour, minute, second, microsecond, tzinfo=UTC)
    except ValueError as error:
        raise EvidenceError(source, f"{text[:40]!r} is no time ({error})") from error


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _child(element: ElementTree.Element, name: str) -> ElementTree.Element | None:
    return next((item for item in element if _name(item) == name), None)


def _text(element: ElementTree.Element, name: str) -> str:
    child = _child(element, name)
    return "" if child is None else (child.text or "").strip()


def _number(element: ElementTree.Element, name: str, source: str) -> int:
    text = _text(element, name)
    if not re.fullmatch(r"[0-9]{1,20}", text):
        raise EvidenceError(source, f"{name} is {text[:40]!r}, not a number such as 41")
    return int(text)
