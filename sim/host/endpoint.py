"""The host controller's side of EP1: a queue of read requests, filled in order.

A read asks the device for packets; the flow computes when they will all have come, and one alarm
waits for the read at the head. A read whose end is certain needs neither queue nor alarm: the
clock goes there at once. Bytes are made only for reads that want them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from simpy.events import Event

from hw.protocol import BULK_PACKET_SS_BYTES
from sim.chip.stream import Stream
from sim.chip.usb import TransferStatus
from sim.kernel import HARDWARE, World
from sim.tasks import Alarm

HEALTHY = "healthy"
OUT_OF_STEP = "out of step"
"""A read fails with the first packet that comes: its number is not the one expected."""
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
        health: of the host controller's endpoint; a fault, or a packet with a wrong number, spoils
            it until the next clear-halt. A drain takes no notice of it.
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
        self._clearing = False
        self.sequence = stream.sequence
        self.sequence.restart_both(self.asked)
        self.sequence.on_change = self._judge
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

    @contextmanager
    def clearing(self) -> Iterator[None]:
        """A clear-halt, around its request: whatever the endpoint had is over if that succeeds.

        Both ends number from the same packet where the device did so during the request; what the
        device sends in between is not told apart.
        """
        restarts = self.sequence.device_restarts
        self._clearing = True
        try:
            yield
            received = self.cleared_at_packet = self.received_packets()
            has_restarted = self.sequence.device_restarts != restarts
            self.sequence.restart_host(self.sequence.device_zero if has_restarted else received)
            self.health = HEALTHY
        finally:
            self._clearing = False
            self._judge()

    def reconfigured(self) -> None:
        """SET_CONFIGURATION: both ends number from 0 again."""
        self.sequence.restart_both(self.received_packets())

    def _judge(self) -> None:
        """Compare the numbers of both ends, unless the endpoint is spoilt anyway."""
        if self._clearing or self.health in (FAILING, SILENT):
            return
        health = HEALTHY if self.sequence.in_step else OUT_OF_STEP
        if health != self.health:
            self.health = health
            self.plan()

    def _refuse(self) -> None:
        """A packet with a wrong number has come: the endpoint halts, with an error for each read.

        Seen on hardware: reads end with I/O errors until a clear-halt (incident F12).
        """
        self.sequence.refuse()
        self.health = FAILING
        refused = list(self.queue)
        self.queue.clear()
        self.stream.withdraw()
        self.asked = self.received_packets()
        for transfer in refused:
            transfer.end(TransferStatus.FAILED, 0)

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
        self.sequence.on_change = None
        self._cancel_alarm()
        if self.on_detach is not None:
            self.on_detach()
        while self.queue:
            self.queue.popleft().end(TransferStatus.NO_DEVICE, 0)

    def plan(self) -> None:
        """Set the alarm for the read at the head, as things stand now."""
        due_ns = None
        if self.queue:
            packet = self.queue[0].last_packet
            if self.health == OUT_OF_STEP:
                packet = self.received_packets() + 1
            due_ns = self.stream.flow.delivery_time(packet)
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
        if self.health == OUT_OF_STEP:
            self._refuse()
            return
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
