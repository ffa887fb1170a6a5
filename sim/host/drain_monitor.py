"""What a monitor is told of a drain: the transfers that it would have made.

A drain with jitter, which no scenario uses, is not followed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from hw.trace.transfers import DONE, GONE, TAKEN_BACK
from sim.host.device import UsbDevice
from sim.host.monitor import UsbMonitor
from sim.kernel import HARDWARE
from sim.tasks import Alarm


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
        self._queued = deque(self._begin_read() for _ in range(depth))
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
            self._queued.append(self._begin_read())
            self._head += self._packets

    def _begin_read(self) -> int:
        return self._monitor.begin_read(self._device.bus, self._device.address, self._bytes)

    def _cancel_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
