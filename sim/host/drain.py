"""How long streams are read: the host controller keeps transfers queued and accounts bytes.

No data is made. A drain without jitter asks for all that will ever come; with jitter each transfer
is queued again a random time after it completed, as a busy program does, and the queue can run
dry when that takes longer than the others last.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from operator import add

from sim.host.device import UsbDevice
from sim.host.drain_monitor import DrainMonitor
from sim.kernel import HARDWARE, World
from sim.tasks import Alarm


class Drain:
    """A program that reads everything.

    Args:
        world: the clock.
        device: what it reads from.
        transfer_bytes: size of a transfer, whole packets.
        depth: transfers that it keeps queued (rx888_stream queues 32 of 1 MiB).
        jitter_ns: the longest time from a completion to queueing that transfer again.
        name: of its random stream.
    """

    def __init__(
        self,
        world: World,
        device: UsbDevice,
        *,
        transfer_bytes: int = 1 << 20,
        depth: int = 32,
        jitter_ns: int = 0,
        name: str = "drain",
    ) -> None:
        if device.bulk is None or transfer_bytes % device.packet_bytes:
            raise ValueError("a drain needs EP1 and transfers of whole packets")
        self.world = world
        self.device = device
        self.bulk = device.bulk
        self.stream = device.bulk.stream
        self.packet_bytes = device.packet_bytes
        self.packets = transfer_bytes // self.packet_bytes
        self.depth = depth
        self.jitter_ns = jitter_ns
        self.random = world.random(name) if jitter_ns else None
        self.reading = False
        self.transfers = 0
        self._first_packet = 0
        self._read_before = 0
        self._head = 0
        """The packet that completes the transfer at the head of the queue."""
        self._queued = 0
        self._due_ns: list[int] = []
        self._returns_ns: list[int] = []
        self._last_return_ns = 0
        self._alarm: Alarm | None = None
        self._monitored: DrainMonitor | None = None

    @property
    def bytes(self) -> int:
        """Bytes read so far."""
        packets = self._read_before
        if self.reading:
            packets += self._delivered() - self._first_packet
        return packets * self.packet_bytes

    def _delivered(self) -> int:
        return self.stream.flow.delivered_packets(self.world.now_ns)

    def start(self) -> None:
        """Queue the transfers."""
        self.reading = True
        self._first_packet = self._delivered()
        if not self.jitter_ns:
            self.stream.credit(None)
            if self.device.monitor is not None:
                self._monitored = DrainMonitor(
                    self.device.monitor, self.device, self.packets, self.depth, self.bulk.plan
                )
            return
        self._head = self._first_packet + self.packets
        self.stream.on_change = self._plan
        self._queue(self.depth)
        self._plan()

    def stop(self) -> None:
        """Cancel every queued transfer; the device fills up and waits."""
        self._read_before += self._delivered() - self._first_packet
        self.reading = False
        self._queued = 0
        self._due_ns.clear()
        self._returns_ns.clear()
        self._cancel_alarm()
        if self._monitored is not None:
            self._monitored.stop()
            self._monitored = None
        self.stream.withdraw()
        self.stream.on_change = self.bulk.plan

    def _queue(self, transfers: int) -> None:
        self._queued += transfers
        self.stream.credit(transfers * self.packets)

    def _plan(self) -> None:
        """Work out when the next transfers complete, and wake at the last of them.

        A transfer that comes back while others are queued changes nothing until those are done.
        So up to three quarters of the queue are dealt with in one go; only where the queue may run
        dry is each return waited for.
        """
        if not self.reading:
            return
        self._forget_past()
        self._due_ns.clear()
        if self._queued:
            batch = max(1, self._queued * 3 // 4)
            self._due_ns = self.stream.flow.delivery_times(self._head, self.packets, batch)
        wake_ns = self._due_ns[-1] if self._due_ns else None
        if self._queued <= 1 and self._returns_ns:
            back_ns = self._returns_ns[0]
            wake_ns = back_ns if wake_ns is None else min(wake_ns, back_ns)
        alarm = self._alarm
        if alarm is not None:
            if alarm.at_ns == wake_ns:
                return
            self._cancel_alarm()
        if wake_ns is not None:
            wake_ns = max(wake_ns, self.world.now_ns)
            self._alarm = self.world.alarm(wake_ns, self._due, HARDWARE)

    def _forget_past(self) -> None:
        """Take completed transfers off the queue, each with the time of its return."""
        completed = bisect_right(self._due_ns, self.world.now_ns)
        random = self.random
        if not completed or random is None:
            return
        jitters_ns = random.many_below(self.jitter_ns, completed)
        # One thread queues them again, in order: none returns before the one ahead of it.
        returns_ns = list(accumulate(map(add, self._due_ns, jitters_ns), max))
        ahead_ns = self._last_return_ns
        if returns_ns[0] < ahead_ns:
            returns_ns = [max(back_ns, ahead_ns) for back_ns in returns_ns]
        self._last_return_ns = returns_ns[-1]
        self._returns_ns += returns_ns
        del self._due_ns[:completed]
        self._head += completed * self.packets
        self._queued -= completed
        self.transfers += completed

    def _due(self) -> None:
        self._alarm = None
        self._forget_past()
        back = bisect_right(self._returns_ns, self.world.now_ns)
        if back:
            del self._returns_ns[:back]
            self._queue(back)
        self._plan()

    def _cancel_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
