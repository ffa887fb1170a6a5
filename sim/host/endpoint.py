"""The host controller's side of EP1: a queue of read requests, filled in order.

A read asks the device for packets; the flow computes when they will all have come, and one alarm
waits for the read at the head. A read whose end is certain needs neither queue nor alarm: the
clock goes there at once. Bytes are made only for reads that want them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from simpy.events import Event

from hw.protocol import BULK_PACKET_SS_BYTES
from sim.chip.stream import Stream
from sim.chip.usb import TransferStatus
from sim.kernel import HARDWARE, World
from sim.tasks import Alarm

HEALTHY = "healthy"
FAILING = "failing"
"""Every read ends at once, with an I/O error."""
SILENT = "silent"
"""No read gets any data."""


class BulkTransfer:
    """One read request.

    Attributes:
        length: bytes asked for.
        received: bytes that have come, final once ended.
        first_packet: number of its first packet since the device attached.
        status: how it ended, or PENDING.
        overflowed: its last packet was longer than the room left for it.
        ended: event that triggers when it has ended.
    """

    __slots__ = (
        "ended",
        "first_packet",
        "last_packet",
        "length",
        "overflowed",
        "received",
        "status",
    )

    def __init__(self, world: World, length: int, first_packet: int, last_packet: int) -> None:
        self.length = length
        self.received = 0
        self.first_packet = first_packet
        self.last_packet = last_packet
        self.status = TransferStatus.PENDING
        self.overflowed = False
        self.ended = Event(world)

    def end(self, status: TransferStatus, received: int) -> None:
        """End the read; the first end counts."""
        if self.status is TransferStatus.PENDING:
            self.status = status
            self.received = received
            self.ended.succeed()


class BulkIn:
    """The queue of reads on one enumerated device.

    Args:
        world: the clock.
        stream: the device's end.
        packet_bytes: wMaxPacketSize of the endpoint; the device sends whole packets alone.

    Attributes:
        skips_ahead: off, every read goes through the queue; the results are equal.
        health: of the host controller's endpoint; a fault spoils it until the next clear-halt.
        cleared_at_packet: how many packets had come at the last clear-halt.
        on_submit: a monitor's: called with each read that is queued.
        on_detach: a monitor's: called when the device is gone.
    """

    def __init__(
        self, world: World, stream: Stream, packet_bytes: int = BULK_PACKET_SS_BYTES
    ) -> None:
        self.world = world
        self.stream = stream
        self.packet_bytes = packet_bytes
        self.queue: deque[BulkTransfer] = deque()
        self.asked = stream.flow.delivered_packets(world.now_ns)
        self.skips_ahead = True
        self.health = HEALTHY
        self.cleared_at_packet = self.asked
        self.on_submit: Callable[[BulkTransfer], None] | None = None
        self.on_detach: Callable[[], None] | None = None
        self._alarm: Alarm | None = None
        stream.on_change = self.plan

    def skip_read(self, length: int, limit_ns: int) -> int | None:
        """Let a read pass at once where the stream runs smoothly and nothing else is due.

        Args:
            length: bytes to read.
            limit_ns: the read's time-out, from now.

        Returns:
            Number of the first packet: the clock stands where all have come. None when the read
            has to be queued; then nothing has changed.
        """
        packets, rest = divmod(length, self.packet_bytes)
        if rest or not packets or self.queue or self.health != HEALTHY or not self.skips_ahead:
            return None
        first = self.asked
        if not self.stream.skip_read(first, packets, limit_ns):
            return None
        self.asked = first + packets
        return first

    def received_packets(self) -> int:
        """Packets that have come since the device attached."""
        return self.stream.flow.delivered_packets(self.world.now_ns)

    def mend(self) -> None:
        """A clear-halt: whatever the host controller's endpoint had, it is over."""
        self.cleared_at_packet = self.received_packets()
        self.health = HEALTHY

    def submit(self, length: int) -> BulkTransfer:
        """Queue a read; one that is not whole packets overflows when its last packet comes."""
        packets = max(1, -(-length // self.packet_bytes))
        # A drain may have taken packets past this queue: they are nobody's answer any more.
        first = max(self.asked, self.stream.flow.delivered_packets(self.world.now_ns))
        self.asked = first + packets
        transfer = BulkTransfer(self.world, length, first, self.asked)
        self.queue.append(transfer)
        if self.on_submit is not None:
            self.on_submit(transfer)
        self.stream.credit(packets)
        if len(self.queue) == 1:
            self.plan()
        return transfer

    def cancel(self, transfer: BulkTransfer) -> None:
        """Take a read back; what came before stays with it, later reads move up."""
        if transfer.status is not TransferStatus.PENDING:
            return
        self.stream.withdraw()
        delivered = self.stream.flow.delivered_packets(self.world.now_ns)
        received = max(0, min(delivered, transfer.last_packet) - transfer.first_packet)
        self.queue.remove(transfer)
        # The rest is asked for again from here on, in its order.
        self.asked = delivered
        for other in self.queue:
            kept = max(0, delivered - other.first_packet)
            packets = other.last_packet - other.first_packet - kept
            other.first_packet = self.asked - kept
            other.last_packet = self.asked = self.asked + packets
            self.stream.credit(packets)
        transfer.end(TransferStatus.CANCELLED, received * self.packet_bytes)
        self.plan()

    def pause(self) -> None:
        """The host takes no data, though its programs go on asking for it."""
        self.stream.hold()

    def resume(self) -> None:
        """The host takes data again."""
        self.stream.release()

    def detach(self) -> None:
        """The device is gone: every read ends."""
        self.stream.on_change = None
        self._cancel_alarm()
        if self.on_detach is not None:
            self.on_detach()
        while self.queue:
            self.queue.popleft().end(TransferStatus.NO_DEVICE, 0)

    def plan(self) -> None:
        """Set the alarm for the read at the head, as things stand now."""
        due_ns = None
        if self.queue:
            due_ns = self.stream.flow.delivery_time(self.queue[0].last_packet)
        alarm = self._alarm
        if alarm is not None:
            if alarm.at_ns == due_ns:
                return
            self._cancel_alarm()
        if due_ns is not None:
            due_ns = max(due_ns, self.world.now_ns)
            self._alarm = self.world.alarm(due_ns, self._due, HARDWARE)

    def _due(self) -> None:
        self._alarm = None
        delivered = self.stream.flow.delivered_packets(self.world.now_ns)
        while self.queue and self.queue[0].last_packet <= delivered:
            transfer = self.queue.popleft()
            packets = transfer.last_packet - transfer.first_packet
            transfer.overflowed = packets * self.packet_bytes > transfer.length
            transfer.end(TransferStatus.DONE, transfer.length)
        self.plan()

    def _cancel_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
