"""Writer of USB captures: pcap with usbmon's header, which Wireshark and tshark open.

The records are those of a Linux host's usbmon (DLT_USB_LINUX_MMAPPED, a header of 64 bytes), so a
capture of a world and one of a real device can be laid side by side. The file's times are in ns;
the header's own copy is in µs, as usbmon has it. A world's time is told as a time since 1970.

Source: Linux, Documentation/usb/usbmon.rst ("struct usbmon_packet"); tcpdump.org, "Link-layer
header types", 220, and the savefile format (magic of files in ns).
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

from hw.trace.transfers import Stage, TransferEvent, TransferLog

LINK_TYPE: Final = 220
HEADER_BYTES: Final = 64
SNAP_BYTES: Final = 65_535
MAGIC_NS: Final = 0xA1B23C4D

_FILE = struct.Struct("<IHHiIII")
_PACKET = struct.Struct("<IIII")
_USBMON = struct.Struct("<QBBBBHBBqiiII8siiII")
_CONTROL: Final = 2
_BULK: Final = 3
_DIRECTION_IN: Final = 0x80
_PRESENT: Final = 0
_NO_SETUP: Final = ord("-")
_NO_DATA_IN: Final = ord("<")
_NO_DATA_OUT: Final = ord(">")
_SECOND_NS: Final = 1_000_000_000


def dumps(log: TransferLog) -> bytes:
    """Return the log as a capture, equal for equal logs."""
    parts = [_FILE.pack(MAGIC_NS, 2, 4, 0, 0, SNAP_BYTES, LINK_TYPE)]
    for event in log.in_order():
        seconds, rest_ns = divmod(event.at_ns, _SECOND_NS)
        captured = HEADER_BYTES + len(event.data)
        whole = HEADER_BYTES + (event.length if _carries_data(event) else 0)
        parts.append(_PACKET.pack(seconds, rest_ns, captured, max(captured, whole)))
        parts.append(_header(event, seconds, rest_ns // 1_000))
        parts.append(event.data)
    return b"".join(parts)


def write(log: TransferLog, path: Path) -> None:
    """Write :func:`dumps` to a file.

    Raises:
        OSError: when the file cannot be written.
    """
    path.write_bytes(dumps(log))


def _carries_data(event: TransferEvent) -> bool:
    """An OUT brings its data when it is submitted, an IN when it completes."""
    is_in = bool(event.target.endpoint & _DIRECTION_IN)
    return is_in is (event.stage is Stage.COMPLETED) and event.length > 0


def _header(event: TransferEvent, seconds: int, microseconds: int) -> bytes:
    target = event.target
    is_submitted = event.stage is Stage.SUBMITTED
    no_data = _NO_DATA_IN if target.endpoint & _DIRECTION_IN else _NO_DATA_OUT
    return _USBMON.pack(
        event.number,
        ord(event.stage.value),
        _CONTROL if event.setup else _BULK,
        target.endpoint,
        target.device,
        target.bus,
        _PRESENT if event.setup and is_submitted else _NO_SETUP,
        _PRESENT if event.data else no_data,
        seconds,
        microseconds,
        event.status,
        event.length,
        len(event.data),
        event.setup if event.setup and is_submitted else bytes(8),
        0,
        0,
        0,
        0,
    )
