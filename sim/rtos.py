"""ThreadX as the FX3 runs it: one CPU, preemptive priorities, a 1 ms tick, no time slicing.

Priority 0 is the highest. Equal priorities run to block. A thread that computes uses
:meth:`Rtos.work`; a thread that spins uses :meth:`Rtos.spin` and starves every thread at or below
its priority (ThreadX guide, chapter 3; cyu3os.h). Waking a better thread
switches to it at the call that woke it. The objects threads wait on are in
:mod:`sim.rtos_objects`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heappush
from typing import Any, Protocol

from greenlet import getcurrent

from sim.errors import NoProgress, TaskKilled
from sim.kernel import SWITCHES_PER_INSTANT_MAX, TICK, World
from sim.tasks import Alarm, Task

PRIORITIES = 32
NO_WAIT = 0
WAIT_FOREVER = 0xFFFF_FFFF

SUCCESS = 0x00
DELETED = 0x01
WAIT_ERROR = 0x04
TIMED_OUT = -1
"""How a wait ended whose time passed; each object maps it to the code ThreadX gives there."""


class Waitable(Protocol):
    """An object that keeps a list of the threads blocked on it."""

    def forget(self, thread: Thread) -> None:
        """Take a thread off the list because its time passed."""


class Thread(Task):
    """A firmware thread.

    Attributes:
        priority: 0 (best) to 31.
        waiting_on: the object it is blocked on, or None.
        spinning: True while it burns the CPU without end.
    """

    def __init__(self, rtos: Rtos, name: str, priority: int, call: Callable[[], Any]) -> None:
        super().__init__(rtos.world, name, call)
        self.rtos = rtos
        self.priority = priority
        self.waiting_on: Waitable | None = None
        self.spinning = False
        self.work_left_ns = 0
        self.work_alarm: Alarm | None = None
        self.wake_alarm: Alarm | None = None
        self.used_alarm: Alarm | None = None
        """The last wake alarm once it has run: off the heap, so it serves again."""
        self.wake_result = SUCCESS

    def expired(self) -> None:
        """The time of its wait has passed (an alarm's callback)."""
        self.used_alarm, self.wake_alarm = self.wake_alarm, None
        rtos = self.rtos
        # Time-outs are handed out by the timer thread (TX_TIMER_PROCESS_IN_ISR is off).
        if not rtos.ticking:
            return
        if self.waiting_on is not None:
            self.waiting_on.forget(self)
            self.waiting_on = None
        queue = self.world._queue
        if queue and queue[0][0] == self.world._now and queue[0][1] == TICK:
            rtos.make_ready(self)  # more comes at this tick: the best of all runs first
            return
        rtos._ready[self.priority].append(self)
        rtos._ready_mask |= 1 << self.priority
        # An alarm has this one callback, so the CPU's turn is now.
        rtos.dispatch()


class Rtos:
    """The scheduler of one boot of the firmware; a reset kills it and a new one is made.

    Args:
        world: the clock.
        tick_ns: length of the OS tick; nominally 1 ms, off by up to 4 % on real parts
            (cyu3os.h, CyU3POsTimerInit).
    """

    def __init__(self, world: World, tick_ns: int = 1_000_000) -> None:
        self.world = world
        self.tick_ns = tick_ns
        self.started_ns = world.now_ns
        self.dead = False
        self.ticking = True
        self.first_tick = 0
        """What the tick counter showed at the start: 0, or what a fault presets."""
        self.threads: list[Thread] = []
        self.running: Thread | None = None
        self.interrupt_work: Callable[[], None] | None = None
        """Looked at before a thread below the drivers runs: wakes the DMA thread when due."""
        self.on_spin: Callable[[Thread], None] | None = None
        """Told of each thread that begins to spin."""
        self._ready: list[deque[Thread]] = [deque() for _ in range(PRIORITIES)]
        self._ready_mask = 0
        self._requested = False

    # ------------------------------------------------------------- threads

    def create_thread(self, name: str, priority: int, call: Callable[[], Any]) -> Thread:
        """Make a thread and start it; it runs when nothing better is ready."""
        thread = Thread(self, name, priority, call)
        self.world._tasks[thread] = None
        self.threads.append(thread)
        self.make_ready(thread)
        self.yield_to_better()
        return thread

    def current(self) -> Thread:
        """The thread whose code is executing.

        Raises:
            RuntimeError: when the caller is not a thread of this RTOS.
        """
        thread = self.running
        if thread is None or getcurrent() is not thread:
            raise RuntimeError("an RTOS call outside of the firmware's threads")
        return thread

    # ---------------------------------------------------------------- time

    def tick_after_ns(self, ticks: int) -> int:
        """Time of the tick that ends a wait of ``ticks`` begun now."""
        elapsed = (self.world._now - self.started_ns) // self.tick_ns
        return self.started_ns + (elapsed + ticks) * self.tick_ns

    def sleep(self, ticks: int) -> None:
        """Block the caller until the ``ticks``-th tick from now (0 returns at once)."""
        if ticks > 0 and not self.skip(ticks):
            self.block(ticks, None)

    def work(self, duration_ns: int) -> None:
        """Compute for ``duration_ns`` of CPU time; better threads and interrupts still run.

        When nothing can happen before its end only the clock moves.
        """
        world = self.world
        thread = self.running
        if self.dead or thread is None or thread.killed:
            raise TaskKilled
        end_ns = world._now + duration_ns
        queue = world._queue
        if (
            end_ns <= world._limit_ns
            and (not queue or queue[0][0] > end_ns)
            and not world._pending
            and getcurrent() is thread
        ):
            if duration_ns:
                world._now = end_ns
                world._switches = 0
            return
        self._compute(thread, duration_ns)
        world._hub.switch()
        if thread.killed:
            raise TaskKilled

    def spin(self) -> None:
        """Burn the CPU at the caller's priority for ever; only a reset ends it."""
        thread = self.current()
        thread.spinning = True
        if self.on_spin is not None:
            self.on_spin(thread)
        while True:
            self.world._hub.switch()
            if thread.killed or self.dead:
                raise TaskKilled

    def _compute(self, thread: Thread, duration_ns: int) -> None:
        thread.work_left_ns = duration_ns
        thread.work_alarm = self.world.alarm(
            self.world._now + duration_ns, lambda: self._work_done(thread)
        )

    def _work_done(self, thread: Thread) -> None:
        thread.work_alarm = None
        thread.work_left_ns = 0
        self.running = None
        self._put_front(thread)

    # ------------------------------------------------------------ blocking

    def block(self, ticks: int, on: Waitable | None) -> int:
        """Block the caller; returns how it was woken (:data:`TIMED_OUT` when time passed)."""
        thread = self.running
        if self.dead or thread is None or thread.killed:
            raise TaskKilled
        thread.waiting_on = on
        thread.wake_result = TIMED_OUT
        world = self.world
        if ticks != WAIT_FOREVER:
            elapsed = (world._now - self.started_ns) // self.tick_ns
            due_ns = self.started_ns + (elapsed + ticks) * self.tick_ns
            alarm = thread.used_alarm
            if alarm is None:
                alarm = Alarm(world, due_ns, thread.expired)
            else:
                thread.used_alarm = None
                alarm.at_ns = due_ns
                alarm.callback = thread.expired
            thread.wake_alarm = alarm
            heappush(world._queue, (due_ns, TICK, next(world._eid), alarm))
        self.running = None
        world._hub.switch()
        if thread.killed:
            raise TaskKilled
        return thread.wake_result

    def skip(self, ticks: int) -> bool:
        """Let a sleep pass at once when nothing can happen before its end but the time itself.

        Returns:
            True when the clock stands at the tick that ends the sleep.
        """
        world = self.world
        elapsed = (world._now - self.started_ns) // self.tick_ns
        due_ns = self.started_ns + (elapsed + ticks) * self.tick_ns
        queue = world._queue
        if (
            self.dead
            or self._ready_mask
            or not self.ticking
            or due_ns > world._limit_ns
            or (queue and queue[0][0] <= due_ns)
            or world._pending
            or getcurrent() is not self.running
        ):
            return False
        world._now = due_ns
        world._switches = 0
        if self.interrupt_work is not None and self.running.priority > 2:
            self.interrupt_work()
            self.yield_to_better()
        return True

    def wake(self, thread: Thread, result: int = SUCCESS) -> None:
        """Make a blocked thread ready; the caller switches by :meth:`yield_to_better`."""
        if thread.wake_alarm is not None:
            thread.wake_alarm.cancel()
            thread.wake_alarm = None
        thread.waiting_on = None
        thread.wake_result = result
        self.make_ready(thread)

    def yield_to_better(self) -> None:
        """Switch at once when a better thread is ready than the one that is executing."""
        thread = self.running
        if thread is None or self.dead or getcurrent() is not thread:
            return
        if self._ready_mask & ((1 << thread.priority) - 1):
            self.running = None
            self._put_front(thread)
            self.world._hub.switch()
            if thread.killed:
                raise TaskKilled

    # ---------------------------------------------------------- scheduling

    def make_ready(self, thread: Thread) -> None:
        """Queue a thread that can run, behind its equals; it runs at the next dispatch."""
        self._ready[thread.priority].append(thread)
        self._ready_mask |= 1 << thread.priority
        if not self._requested:
            self._requested = True
            self.world._pending.append(self)

    def _put_front(self, thread: Thread) -> None:
        self._ready[thread.priority].appendleft(thread)
        self._ready_mask |= 1 << thread.priority
        if not self._requested:
            self._requested = True
            self.world._pending.append(self)

    def dispatch(self) -> None:
        """Run ready threads, best first, until none is better than the one that computes."""
        self._requested = False
        world = self.world
        ready = self._ready
        while not self.dead and self._ready_mask:
            mask = self._ready_mask
            priority = (mask & -mask).bit_length() - 1
            running = self.running
            if running is not None and running.priority <= priority:
                return
            if self.interrupt_work is not None and priority > 2:
                self.interrupt_work()
                if self._ready_mask != mask:
                    continue
            if running is not None:
                self._preempt(running)
            queue = ready[priority]
            thread = queue.popleft()
            if not queue:
                self._ready_mask &= ~(1 << priority)
            self.running = thread
            if thread.spinning:
                continue
            if thread.work_left_ns:
                self._compute(thread, thread.work_left_ns)
                continue
            world._switches += 1
            if world._switches > SWITCHES_PER_INSTANT_MAX:
                raise NoProgress(thread.name, world._now, world._switches)
            thread.switch()
            if self.running is thread and thread.dead:
                self.running = None
                if thread in self.threads:
                    self.threads.remove(thread)

    def _preempt(self, thread: Thread) -> None:
        alarm = thread.work_alarm
        if alarm is not None:
            thread.work_left_ns = alarm.at_ns - self.world._now
            alarm.cancel()
            thread.work_alarm = None
        self.running = None
        self._ready[thread.priority].appendleft(thread)
        self._ready_mask |= 1 << thread.priority

    def kill(self) -> None:
        """End every thread of this boot, as a chip reset does; nothing of it runs again."""
        if self.dead:
            return
        self.dead = True
        self.interrupt_work = None
        self.running = None
        for queue in self._ready:
            queue.clear()
        self._ready_mask = 0
        threads, self.threads = self.threads, []
        # The caller may be one of them: killing it does not return, so it comes last.
        for thread in sorted(threads, key=lambda thread: thread is getcurrent()):
            for alarm in (thread.work_alarm, thread.wake_alarm):
                if alarm is not None:
                    alarm.cancel()
            thread.kill()
