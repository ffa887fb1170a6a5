"""What a USB monitor on the world's host sees: every transfer, into a log for a capture.

It only watches: a run with a monitor has the same trace as one without. A world has none unless
somebody wants the log; without one a transfer costs one comparison more. As with usbmon, a request
to a device that is gone already does not show: it never reaches the bus.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import TYPE_CHECKING

from hw.protocol import BULK_IN_ENDPOINT, DIRECTION_IN
from hw.trace.transfers import (
    BUS_ERROR,
    DONE,
    GONE,
    OVERFLOWED,
    STALLED,
    TAKEN_BACK,
    Target,
    TransferLog,
)
from sim.chip.usb import ControlTransfer, TransferStatus
from sim.kernel import World

if TYPE_CHECKING:
    from sim.host.endpoint import BulkTransfer

_SETUP = Struct("<BBHHH")
_STATUS = {
    TransferStatus.DONE: DONE,
    TransferStatus.STALLED: STALLED,
    TransferStatus.NO_DEVICE: GONE,
    TransferStatus.CANCELLED: TAKEN_BACK,
    TransferStatus.FAILED: BUS_ERROR,
}


class UsbMonitor:
    """Tells a log about transfers.

    Args:
        world: the clock.
        log: what is told.
        samples: the bytes of the stream, by first packet and length.
    """

    def __init__(
        self, world: World, log: TransferLog, samples: Callable[[int, int], bytes]
    ) -> None:
        self.world = world
        self.log = log
        self._samples = samples

    # ------------------------------------------------------------ EP0

    def control(self, bus: int, address: int, transfer: ControlTransfer) -> None:
        """A control transfer is submitted; its end is told when the host learns of it."""
        setup = transfer.setup
        packet = _SETUP.pack(
            setup.request_type, setup.request, setup.value, setup.index, setup.length
        )
        number = self.log.submit(
            self.world.now_ns,
            Target(bus, address, DIRECTION_IN if transfer.is_in else 0),
            setup.length,
            packet,
            transfer.data,
        )
        transfer.ended.callbacks.append(lambda _: self._control_ended(number, transfer))

    def _control_ended(self, number: int, transfer: ControlTransfer) -> None:
        status = _STATUS[transfer.status]
        reply = transfer.reply if transfer.is_in else b""
        moved = len(reply) if transfer.is_in else len(transfer.data)
        now_ns = self.world.now_ns
        self.log.complete(number, now_ns, status, 0 if status else moved, reply)

    # ------------------------------------------------------------ EP1

    def read(self, bus: int, address: int, transfer: BulkTransfer) -> None:
        """A read of EP1 is submitted; its end is told when it has ended."""
        number = self.begin_read(bus, address, transfer.length)

        def ended(_: object) -> None:
            status = OVERFLOWED if transfer.overflowed else _STATUS[transfer.status]
            self.end_read(number, status, transfer.received, transfer.first_packet)

        transfer.ended.callbacks.append(ended)

    def begin_read(self, bus: int, address: int, length: int) -> int:
        """A read of EP1 is submitted by somebody who tells its end; returns its number."""
        target = Target(bus, address, BULK_IN_ENDPOINT)
        return self.log.submit(self.world.now_ns, target, length)

    def end_read(self, number: int, status: int, received: int = 0, first_packet: int = 0) -> None:
        """Such a read has ended, now.

        Args:
            number: of the transfer.
            status: how, see :mod:`hw.trace.transfers`.
            received: bytes that came.
            first_packet: where they stand in the stream.
        """
        kept = min(received, self.log.data_bytes_max) & ~1
        data = self._samples(first_packet, kept) if kept else b""
        self.log.complete(number, self.world.now_ns, status, received, data)

    def failed_read(self, bus: int, address: int, length: int) -> None:
        """A read that the host controller fails at once."""
        self.end_read(self.begin_read(bus, address, length), BUS_ERROR)
