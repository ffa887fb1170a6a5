"""What a USB monitor on the world's host sees: every transfer, into a log for a capture.

It only watches: a run with a monitor has the same trace as one without. A world has none unless
somebody wants the log; without one a transfer costs one comparison more. As with usbmon, a request
to a device that is gone already does not show: it never reaches the bus. A drain with jitter, which
no scenario uses, is not followed.
"""

from __future__ import annotations

from collections import deque
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
from sim.kernel import HARDWARE, World
from sim.tasks import Alarm

if TYPE_CHECKING:
    from sim.host.device import UsbDevice
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

    def read(self, device: UsbDevice, transfer: BulkTransfer) -> None:
        """A read of EP1 is submitted; its end is told when it has ended."""
        number = self.begin_read(device, transfer.length)

        def ended(_: object) -> None:
            status = OVERFLOWED if transfer.overflowed else _STATUS[transfer.status]
            self.end_read(number, status, transfer.received, transfer.first_packet)

        transfer.ended.callbacks.append(ended)

    def begin_read(self, device: UsbDevice, length: int) -> int:
        """A read of EP1 is submitted by somebody who tells its end; returns its number."""
        target = Target(device.bus, device.address, BULK_IN_ENDPOINT)
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

    def failed_read(self, device: UsbDevice, length: int) -> None:
        """A read that the host controller fails at once."""
        self.end_read(self.begin_read(device, length), BUS_ERROR)


class DrainMonitor:
    """Follows the transfers of a drain, which accounts for them without making any.

    Args:
        monitor: what is told.
        device: what is drained.
        packets: of each transfer.
        depth: transfers that are queued.
        on_change: what else wants to know when the stream changes.
    """

    def __init__(
        self,
        monitor: UsbMonitor,
        device: UsbDevice,
        packets: int,
        depth: int,
        on_change: Callable[[], None],
    ) -> None:
        assert device.bulk is not None
        self._monitor = monitor
        self._device = device
        self._bulk = device.bulk
        self._packets = packets
        self._bytes = packets * device.packet_bytes
        self._on_change = on_change
        self._alarm: Alarm | None = None
        self._head = self._bulk.received_packets() + packets
        """The packet that completes the oldest transfer."""
        self._queued = deque(monitor.begin_read(device, self._bytes) for _ in range(depth))
        self._bulk.stream.on_change = self._changed
        self._bulk.on_detach = self.lost
        self._plan()

    def stop(self) -> None:
        """The program takes its transfers back; what the oldest has got stays with it."""
        self._look()
        self._end_all(TAKEN_BACK)

    def lost(self) -> None:
        """The device is gone with all that was in flight."""
        self._end_all(GONE)

    def _end_all(self, status: int) -> None:
        self._cancel_alarm()
        self._bulk.on_detach = None
        begin = self._head - self._packets
        packets = self._bulk.received_packets() - begin if status == TAKEN_BACK else 0
        while self._queued:
            received = max(0, packets) * self._device.packet_bytes
            self._monitor.end_read(self._queued.popleft(), status, received, begin)
            packets = 0

    def _changed(self) -> None:
        self._on_change()
        self._plan()

    def _plan(self) -> None:
        self._cancel_alarm()
        due_ns = self._bulk.stream.flow.delivery_time(self._head)
        if due_ns is not None:
            due_ns = max(due_ns, self._monitor.world.now_ns)
            self._alarm = self._monitor.world.alarm(due_ns, self._due, HARDWARE)

    def _due(self) -> None:
        self._alarm = None
        self._look()
        self._plan()

    def _look(self) -> None:
        delivered = self._bulk.received_packets()
        while self._queued and self._head <= delivered:
            number = self._queued.popleft()
            self._monitor.end_read(number, DONE, self._bytes, self._head - self._packets)
            self._queued.append(self._monitor.begin_read(self._device, self._bytes))
            self._head += self._packets

    def _cancel_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
