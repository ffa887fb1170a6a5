"""Makes real ``.evtx`` files: file header, chunks, records, binary XML with templates.

Source of the structure: libevtx, "Windows XML Event Log (EVTX) format"; all numbers little-endian.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

CHUNK_BYTES = 65536
HEADER_BYTES = 512
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_STRING, _UINT16, _UINT64, _FILETIME = 0x01, 0x06, 0x0A, 0x11
_NAMESPACE = "http://schemas.microsoft.com/win/2004/08/events/event"


@dataclass(frozen=True)
class MadeEvent:
    """One event to be written; ``data`` is pairs of name and value, the name empty for none."""

    provider: str
    event_id: int
    time_utc: datetime
    data: Sequence[tuple[str, str]] = ()
    channel: str = "System"
    message: str = ""


@dataclass
class _Chunk:
    first_record: int
    data: bytearray = field(default_factory=lambda: bytearray(HEADER_BYTES))
    strings: dict[str, int] = field(default_factory=dict)
    templates: dict[tuple[str, ...], int] = field(default_factory=dict)
    string_table: list[int] = field(default_factory=lambda: [0] * 64)
    template_table: list[int] = field(default_factory=lambda: [0] * 32)
    records: int = 0
    last_offset: int = 0


def evtx(events: Sequence[MadeEvent]) -> bytes:
    """Return a log with these events."""
    chunks = [_Chunk(1)]
    for number, event in enumerate(events, start=1):
        # A record never crosses a chunk: begin another when the largest one might not fit.
        if len(chunks[-1].data) > CHUNK_BYTES - 16384:
            chunks.append(_Chunk(number))
        _add_record(chunks[-1], number, event)
    return _file_header(len(chunks), len(events)) + b"".join(map(_finished, chunks))


def _file_header(chunks: int, events: int) -> bytes:
    head = struct.pack(
        "<8sQQQIHHHH", b"ElfFile\0", 0, chunks - 1, events + 1, 128, 1, 3, 4096, chunks
    ).ljust(120, b"\0")
    return (head + struct.pack("<II", 0, zlib.crc32(head))).ljust(4096, b"\0")


def _finished(chunk: _Chunk) -> bytes:
    last = chunk.first_record + chunk.records - 1
    free = len(chunk.data)
    head = struct.pack(
        "<8sQQQQIIII",
        b"ElfChnk\0",
        chunk.first_record,
        last,
        chunk.first_record,
        last,
        128,
        chunk.last_offset,
        free,
        zlib.crc32(bytes(chunk.data[HEADER_BYTES:])),
    ).ljust(120, b"\0")
    tables = struct.pack("<64I32I", *chunk.string_table, *chunk.template_table)
    checksum = zlib.crc32(head + tables)
    chunk.data[:HEADER_BYTES] = head + struct.pack("<II", 1, checksum) + tables
    return bytes(chunk.data).ljust(CHUNK_BYTES, b"\0")


def _add_record(chunk: _Chunk, number: int, event: MadeEvent) -> None:
    start = len(chunk.data)
    chunk.last_offset = start
    chunk.records += 1
    chunk.data += b"**\0\0" + struct.pack("<IQQ", 0, number, _ticks(event.time_utc))
    chunk.data += b"\x0f\x01\x01\x00"
    _add_instance(chunk, number, event)
    chunk.data += b"\x00"
    chunk.data += b"\0" * (-(len(chunk.data) - start + 4) % 8)
    size = len(chunk.data) - start + 4
    chunk.data += struct.pack("<I", size)
    struct.pack_into("<I", chunk.data, start + 4, size)


def _add_instance(chunk: _Chunk, number: int, event: MadeEvent) -> None:
    shape = (event.channel, "message" if event.message else "", *(name for name, _ in event.data))
    known = chunk.templates.get(shape)
    identifier = zlib.crc32(repr(shape).encode())
    chunk.data += b"\x0c\x01" + struct.pack("<I", identifier)
    if known is None:
        known = len(chunk.data) + 4
        chunk.templates[shape] = known
        chunk.data += struct.pack("<I", known)
        _add_template(chunk, identifier, event)
    else:
        chunk.data += struct.pack("<I", known)
    texts = [event.provider, event.channel, *(value for _, value in event.data)]
    texts += [event.message] if event.message else []
    values = [
        (_UINT16, struct.pack("<H", event.event_id)),
        (_FILETIME, struct.pack("<Q", _ticks(event.time_utc))),
        (_UINT64, struct.pack("<Q", number)),
        *((_STRING, text.encode("utf-16-le")) for text in texts),
    ]
    chunk.data += struct.pack("<I", len(values))
    for kind, content in values:
        chunk.data += struct.pack("<HBB", len(content), kind, 0)
    for _, content in values:
        chunk.data += content


def _add_template(chunk: _Chunk, identifier: int, event: MadeEvent) -> None:
    bucket = identifier % 32
    start = len(chunk.data)
    chunk.data += struct.pack("<II", chunk.template_table[bucket], identifier) + b"\0" * 12
    chunk.template_table[bucket] = start
    size_at = len(chunk.data)
    chunk.data += struct.pack("<I", 0)
    chunk.data += b"\x0f\x01\x01\x00"
    close_event = _open(chunk, "Event", [("xmlns", _NAMESPACE)])
    close_system = _open(chunk, "System")
    _empty(chunk, "Provider", [("Name", 3)])
    _leaf(chunk, "EventID", 0, _UINT16)
    _empty(chunk, "TimeCreated", [("SystemTime", 1)])
    _leaf(chunk, "EventRecordID", 2, _UINT64)
    _leaf(chunk, "Channel", 4, _STRING)
    close_system()
    close_data = _open(chunk, "EventData")
    for place, (name, _) in enumerate(event.data):
        _leaf(chunk, "Data", 5 + place, _STRING, [("Name", name)] if name else [])
    close_data()
    if event.message:
        close_rendering = _open(chunk, "RenderingInfo")
        _leaf(chunk, "Message", 5 + len(event.data), _STRING)
        close_rendering()
    close_event()
    chunk.data += b"\x00"
    struct.pack_into("<I", chunk.data, size_at, len(chunk.data) - size_at - 4)


def _start(chunk: _Chunk, name: str, attributes: Sequence[tuple[str, str | int]]) -> int:
    chunk.data += b"\x41" if attributes else b"\x01"
    chunk.data += b"\xff\xff"
    size_at = len(chunk.data)
    chunk.data += struct.pack("<I", 0)
    _name(chunk, name)
    if attributes:
        list_at = len(chunk.data)
        chunk.data += struct.pack("<I", 0)
        for place, (attribute, value) in enumerate(attributes, start=1):
            chunk.data += b"\x06" if place == len(attributes) else b"\x46"
            _name(chunk, attribute)
            if isinstance(value, int):
                kind = _FILETIME if attribute == "SystemTime" else _STRING
                chunk.data += struct.pack("<BHB", 0x0E, value, kind)
            else:
                encoded = value.encode("utf-16-le")
                chunk.data += struct.pack("<BBH", 0x05, _STRING, len(value)) + encoded
        struct.pack_into("<I", chunk.data, list_at, len(chunk.data) - list_at - 4)
    return size_at


def _end(chunk: _Chunk, size_at: int) -> None:
    struct.pack_into("<I", chunk.data, size_at, len(chunk.data) - size_at - 4)


def _open(chunk: _Chunk, name: str, attributes: Sequence[tuple[str, str | int]] = ()):
    size_at = _start(chunk, name, attributes)
    chunk.data += b"\x02"

    def close() -> None:
        chunk.data.extend(b"\x04")
        _end(chunk, size_at)

    return close


def _leaf(
    chunk: _Chunk,
    name: str,
    place: int,
    kind: int,
    attributes: Sequence[tuple[str, str | int]] = (),
) -> None:
    size_at = _start(chunk, name, attributes)
    chunk.data += b"\x02" + struct.pack("<BHB", 0x0E, place, kind) + b"\x04"
    _end(chunk, size_at)


def _empty(chunk: _Chunk, name: str, attributes: Sequence[tuple[str, str | int]]) -> None:
    size_at = _start(chunk, name, attributes)
    chunk.data += b"\x03"
    _end(chunk, size_at)


def _name(chunk: _Chunk, name: str) -> None:
    known = chunk.strings.get(name)
    if known is not None:
        chunk.data += struct.pack("<I", known)
        return
    known = len(chunk.data) + 4
    chunk.strings[name] = known
    value = 0
    for character in name:
        value = (value * 65599 + ord(character)) & 0xFFFFFFFF
    hashed = value & 0xFFFF
    bucket = hashed % 64
    chunk.data += struct.pack("<IIHH", known, chunk.string_table[bucket], hashed, len(name))
    chunk.data += name.encode("utf-16-le") + b"\0\0"
    chunk.string_table[bucket] = known


def _ticks(time: datetime) -> int:
    since = time - _EPOCH
    return (since.days * 86400 + since.seconds) * 10_000_000 + since.microseconds * 10
