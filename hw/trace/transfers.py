"""USB transfers as the host's kernel sees them: what was submitted, and how it came back.

One log for world and hardware; :mod:`hw.trace.usbmon` writes it. A transfer is told twice, as
usbmon tells it: S when it is submitted, C when it comes back.

Source: Linux, Documentation/usb/usbmon.rst (events, address, status) and
Documentation/driver-api/usb/error-codes.rst (what each errno means here).
"""

from __future__ import annotations

import errno
from enum import StrEnum
from typing import Final, NamedTuple

DATA_BYTES_MAX: Final = 256
"""So much of a transfer's data is kept; its length is always told."""

DONE: Final = 0
IN_PROGRESS: Final = -errno.EINPROGRESS
STALLED: Final = -errno.EPIPE
TAKEN_BACK: Final = -errno.ENOENT
"""The host gave up: a time-out is the program taking its transfer back."""
GONE: Final = -errno.ESHUTDOWN
"""The device left while it was in flight."""
OVERFLOWED: Final = -errno.EOVERFLOW
BUS_ERROR: Final = -errno.EPROTO


class Stage(StrEnum):
    """Which part of a transfer's life is told."""

    SUBMITTED = "S"
    COMPLETED = "C"


class Target(NamedTuple):
    """Where a transfer goes.

    Attributes:
        bus: number of the bus.
        device: address on it.
        endpoint: with its direction: 0x80 set is to the host.
    """

    bus: int
    device: int
    endpoint: int


class TransferEvent(NamedTuple):
    """One line of the log.

    Attributes:
        at_ns: when.
        number: of the transfer; both of its events carry it.
        stage: which of them this is.
        target: where it goes.
        setup: the SETUP packet of a control transfer; empty for a bulk transfer.
        status: 0, or an errno below 0.
        length: bytes asked for, or bytes moved once it has completed.
        data: what moved, up to the log's limit: of an OUT when submitted, of an IN when completed.
    """

    at_ns: int
    number: int
    stage: Stage
    target: Target
    setup: bytes
    status: int
    length: int
    data: bytes


class TransferLog:
    """Collects transfers in memory.

    Args:
        data_bytes_max: how much data of each is kept; 0 keeps none.

    Attributes:
        events: in the order in which they were told.

    Raises:
        ValueError: when the limit is negative.
    """

    __slots__ = ("_open", "_transfers", "data_bytes_max", "events")

    def __init__(self, data_bytes_max: int = DATA_BYTES_MAX) -> None:
        if data_bytes_max < 0:
            raise ValueError(f"data limit {data_bytes_max}: give a number of bytes, 0 or more")
        self.data_bytes_max = data_bytes_max
        self.events: list[TransferEvent] = []
        self._transfers = 0
        self._open: dict[int, tuple[Target, bytes]] = {}

    def submit(
        self, at_ns: int, target: Target, length: int, setup: bytes = b"", data: bytes = b""
    ) -> int:
        """Tell that a transfer was handed to the host controller.

        Args:
            at_ns: when.
            target: where it goes.
            length: bytes asked for, or sent.
            setup: the SETUP packet, for a control transfer.
            data: what an OUT sends.

        Returns:
            Its number, for :meth:`complete`.
        """
        self._transfers += 1
        number = self._transfers
        self._open[number] = target, setup
        kept = data[: self.data_bytes_max]
        self.events.append(
            TransferEvent(at_ns, number, Stage.SUBMITTED, target, setup, IN_PROGRESS, length, kept)
        )
        return number

    def complete(
        self, number: int, at_ns: int, status: int, length: int = 0, data: bytes = b""
    ) -> None:
        """Tell that a transfer came back.

        Args:
            number: of :meth:`submit`.
            at_ns: when.
            status: 0, or an errno below 0.
            length: bytes that moved.
            data: what an IN brought.

        Raises:
            KeyError: there is no such transfer, or it came back before.
        """
        target, setup = self._open.pop(number)
        kept = data[: self.data_bytes_max]
        self.events.append(
            TransferEvent(at_ns, number, Stage.COMPLETED, target, setup, status, length, kept)
        )

    def in_order(self) -> list[TransferEvent]:
        """Return the events by time; those of one instant as they were told."""
        return sorted(self.events, key=lambda event: event.at_ns)
