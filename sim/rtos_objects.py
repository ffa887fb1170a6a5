"""What ThreadX threads wait on: mutexes, queues and timers, with ThreadX's own status codes.

Source: ThreadX guide, chapter 3; txe_mutex_get.c, tx_mutex_delete.c: mutexes
are recursive for the owner, wake in FIFO order and do not inherit priority; deleting one wakes
its waiters with DELETED; a timer's callback runs in the timer thread and may not wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from sim.kernel import TICK
from sim.rtos import DELETED, NO_WAIT, SUCCESS, TIMED_OUT, WAIT_ERROR, Rtos, Thread
from sim.tasks import Alarm

QUEUE_EMPTY = 0x0A
QUEUE_FULL = 0x0B
MUTEX_NOT_AVAILABLE = 0x1D
MUTEX_NOT_OWNED = 0x1E
TIMER_PRIORITY = 0


class TimerThread:
    """The hidden thread of priority 0 that runs timer callbacks, in the order they came due."""

    def __init__(self, rtos: Rtos) -> None:
        self.rtos = rtos
        self._due: deque[Callable[[], None]] = deque()
        self._idle = False
        self.thread = rtos.create_thread("timer thread", TIMER_PRIORITY, self._run)

    def post(self, callback: Callable[[], None]) -> None:
        """Queue a callback whose timer expired."""
        self._due.append(callback)
        if self._idle:
            self._idle = False
            self.rtos.wake(self.thread)

    def _run(self) -> None:
        while True:
            while self._due:
                self._due.popleft()()
            self._idle = True
            self.rtos.block(0xFFFF_FFFF, None)


class Mutex:
    """A ThreadX mutex without priority inheritance."""

    def __init__(self, rtos: Rtos, timers: TimerThread, name: str) -> None:
        self.rtos = rtos
        self.timers = timers
        self.name = name
        self.owner: Thread | None = None
        self.count = 0
        self.deleted = False
        self._waiters: deque[Thread] = deque()

    def get(self, wait_ticks: int) -> int:
        """Take the mutex.

        Returns:
            SUCCESS, WAIT_ERROR from a timer callback that asks to wait, MUTEX_NOT_AVAILABLE
            when the time passed, DELETED when it was deleted (before or meanwhile).
        """
        if self.deleted:
            return DELETED
        thread = self.rtos.running
        if thread is None:
            raise RuntimeError(f"{self.name} is taken outside of the firmware's threads")
        if wait_ticks != NO_WAIT and thread is self.timers.thread:
            return WAIT_ERROR
        if self.owner is None or self.owner is thread:
            self.owner = thread
            self.count += 1
            return SUCCESS
        if wait_ticks == NO_WAIT:
            return MUTEX_NOT_AVAILABLE
        self._waiters.append(thread)
        result = self.rtos.block(wait_ticks, self)
        return MUTEX_NOT_AVAILABLE if result == TIMED_OUT else result

    def put(self) -> int:
        """Give the mutex back once; the first waiter owns it before this returns."""
        if self.deleted:
            return DELETED
        if self.owner is not self.rtos.running:
            return MUTEX_NOT_OWNED
        self.count -= 1
        if self.count == 0:
            self.owner = None
            if self._waiters:
                self.owner = self._waiters.popleft()
                self.count = 1
                self.rtos.wake(self.owner)
                self.rtos.yield_to_better()
        return SUCCESS

    def delete(self) -> None:
        """Delete the mutex, even while owned; every waiter's call ends with DELETED."""
        self.deleted = True
        self.owner = None
        while self._waiters:
            self.rtos.wake(self._waiters.popleft(), DELETED)
        self.rtos.yield_to_better()

    def forget(self, thread: Thread) -> None:
        """Take a thread off the list because its time passed."""
        self._waiters.remove(thread)


class Queue:
    """A ThreadX queue of a fixed number of messages."""

    def __init__(self, rtos: Rtos, timers: TimerThread, capacity: int) -> None:
        self.rtos = rtos
        self.timers = timers
        self.capacity = capacity
        self.dropped = 0
        self._messages: deque[object] = deque()
        self._waiters: deque[Thread] = deque()

    def send(self, message: object) -> int:
        """Append a message without waiting (as the SDK and the firmware always do).

        Any caller, an interrupt too.

        Returns:
            SUCCESS, or QUEUE_FULL: then the message is dropped and counted.
        """
        if len(self._messages) >= self.capacity:
            self.dropped += 1
            return QUEUE_FULL
        self._messages.append(message)
        if self._waiters:
            self.rtos.wake(self._waiters.popleft())
            self.rtos.yield_to_better()
        return SUCCESS

    def receive(self, wait_ticks: int) -> tuple[int, object | None]:
        """Take the oldest message: (SUCCESS, message), or (QUEUE_EMPTY, None) in time none came."""
        if not self._messages:
            if wait_ticks == NO_WAIT:
                return QUEUE_EMPTY, None
            thread = self.rtos.current()
            if thread is self.timers.thread:
                return WAIT_ERROR, None
            self._waiters.append(thread)
            if self.rtos.block(wait_ticks, self) == TIMED_OUT or not self._messages:
                return QUEUE_EMPTY, None
        return SUCCESS, self._messages.popleft()

    def forget(self, thread: Thread) -> None:
        """Take a thread off the list because its time passed."""
        self._waiters.remove(thread)


class Timer:
    """An application timer; its callback runs in the timer thread, aligned to the tick."""

    def __init__(
        self,
        rtos: Rtos,
        timers: TimerThread,
        callback: Callable[[], None],
        first_ticks: int,
        again_ticks: int,
    ) -> None:
        self.rtos = rtos
        self.timers = timers
        self.callback = callback
        self.again_ticks = again_ticks
        due_ns = rtos.tick_after_ns(first_ticks)
        self._alarm: Alarm | None = rtos.world.alarm(due_ns, self._expired, TICK)

    def _expired(self) -> None:
        self._alarm = None
        if self.rtos.dead or not self.rtos.ticking:
            return
        if self.again_ticks:
            due_ns = self.rtos.tick_after_ns(self.again_ticks)
            self._alarm = self.rtos.world.alarm(due_ns, self._expired, TICK)
        self.timers.post(self.callback)

    def stop(self) -> None:
        """Deactivate the timer."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
