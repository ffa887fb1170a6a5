"""Threads, time, queues and timers (SDK 1.3.4 cyu3os.h)."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from hw.protocol import SdkStatus
from sim.rtos import SUCCESS
from sim.rtos_objects import Queue, Timer
from sim.sdk.base import SdkBase

INVALID_CALLER = int(SdkStatus.INVALID_CALLER)


class OsCalls(SdkBase):
    """The RTOS wrappers that the firmware uses."""

    def thread_create(
        self, handle: Hashable, name: str, entry: Callable[[], None], priority: int
    ) -> int:
        """CyU3PThreadCreate with auto-start; application priorities are 7 to 15."""
        if not 7 <= priority <= 15:
            return SdkStatus.BAD_PRIORITY
        self.threads[handle] = self.rtos.create_thread(name, priority, entry)
        return SdkStatus.SUCCESS

    def thread_sleep(self, ticks: int) -> int:
        """CyU3PThreadSleep: block until the ``ticks``-th tick from now."""
        rtos = self.rtos
        if rtos.running is self.timers.thread:
            return INVALID_CALLER
        if ticks > 0 and not rtos.skip(ticks):
            rtos.block(ticks, None)
        return SUCCESS

    def get_time(self) -> int:
        """CyU3PGetTime: ticks since the kernel started, 32 bits."""
        rtos = self.rtos
        elapsed = (rtos.world._now - rtos.started_ns) // rtos.tick_ns
        return rtos.first_tick + elapsed & 0xFFFF_FFFF

    def queue_create(self, handle: Hashable, capacity: int) -> int:
        """CyU3PQueueCreate of one-word messages."""
        self.queues[handle] = Queue(self.rtos, self.timers, capacity)
        return SdkStatus.SUCCESS

    def queue_send(self, handle: Hashable, message: object) -> int:
        """CyU3PQueueSend with NO_WAIT: QUEUE_FULL drops the message."""
        queue = self.queues.get(handle)
        return SdkStatus.BAD_QUEUE if queue is None else queue.send(message)

    def queue_receive(self, handle: Hashable, wait_ticks: int) -> tuple[int, object | None]:
        """CyU3PQueueReceive: (status, message or None)."""
        queue = self.queues.get(handle)
        return (SdkStatus.BAD_QUEUE, None) if queue is None else queue.receive(wait_ticks)

    def timer_create(
        self, handle: Hashable, callback: Callable[[], None], first_ticks: int, again_ticks: int
    ) -> int:
        """CyU3PTimerCreate with auto-activation; the callback may not wait."""
        self.app_timers[handle] = Timer(self.rtos, self.timers, callback, first_ticks, again_ticks)
        return SdkStatus.SUCCESS
