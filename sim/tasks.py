"""The schedule and what stands in it: alarms, which the loop calls, and tasks, which it resumes."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappush
from typing import Any

import simpy
from greenlet import getcurrent, greenlet
from simpy.events import Event

from sim.errors import TaskFailed, TaskKilled

HARDWARE = -1
"""Heap priority of completions: a transfer that ends, a watchdog that fires."""
TICK = 0
"""Heap priority of what an OS tick brings; a CPU runs only after all of one tick is handed out."""
SOFTWARE = 1
"""Heap priority of everything that runs code; equals SimPy's NORMAL."""
EXPIRY = 2
"""Heap priority of a task's time-outs: what happens at the limit is still in time."""


class Schedule(simpy.Environment):
    """Integer time, a heap of events and alarms, and the tasks that live on it.

    Attributes:
        closed: it will never run again.
    """

    # SimPy types times as numbers and entries as events; here times are integers, and an entry
    # holds an event or an alarm.
    _now: int
    _queue: list[tuple[int, int, int, Any]]  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__(0)
        self.closed = False
        self._hub = getcurrent()
        self._dead_alarms = 0
        self._tasks: dict[Task, None] = {}

    @property
    def now_ns(self) -> int:
        """Simulated time in nanoseconds since the world began."""
        return self._now

    def alarm(self, at_ns: int, callback: Callable[[], None], priority: int = SOFTWARE) -> Alarm:
        """Call ``callback`` in the loop at ``at_ns`` (not before now)."""
        if at_ns < self._now:
            raise ValueError(f"alarm at {at_ns} ns lies before now, {self._now} ns")
        alarm = Alarm(self, at_ns, callback)
        heappush(self._queue, (at_ns, priority, next(self._eid), alarm))
        return alarm

    def _bury(self) -> None:
        self._dead_alarms += 1
        queue = self._queue
        if self._dead_alarms > 32 and self._dead_alarms * 2 > len(queue):
            queue[:] = [
                entry
                for entry in queue
                if type(entry[3]) is not Alarm or entry[3].callback is not None
            ]
            heapify(queue)
            self._dead_alarms = 0


class Alarm:
    """A call at an instant that can be cancelled without leaving anything to wait for.

    Attributes:
        at_ns: when it is due.
        callback: what is called, or None once it was cancelled or has run.
    """

    __slots__ = ("at_ns", "callback", "world")

    def __init__(self, world: Schedule, at_ns: int, callback: Callable[[], None]) -> None:
        self.world = world
        self.at_ns = at_ns
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Take the call back; harmless when it has run or was cancelled before."""
        if self.callback is not None:
            self.callback = None
            self.world._bury()


class Task(greenlet):
    """A thread of the simulation: a host program, or the ground of a firmware thread.

    Attributes:
        name: what errors and traces call it.
        finished: event that triggers when the task has ended in any way.
        result: what its function returned, once finished.
    """

    def __init__(self, world: Schedule, name: str, call: Callable[[], Any]) -> None:
        super().__init__(self._main, world._hub)
        self.world = world
        self.name = name
        self.call: Callable[[], Any] | None = call
        self.finished = Event(world)
        self.result: Any = None
        self.killed = False
        self.refusals = 0

    def _main(self, *_: object) -> None:
        world = self.world
        call = self.call
        try:
            if call is not None and not self.killed:
                self.result = call()
        except TaskKilled:
            self.killed = True
        except (KeyboardInterrupt, SystemExit):
            self.parent = world._hub
            raise
        except BaseException as error:
            self.parent = world._hub
            raise TaskFailed(self.name, world._now, error) from error
        finally:
            self.call = None
            world._tasks.pop(self, None)
            if not world.closed:
                self.finished.succeed()
        # A killed task returns to its killer, which kill() made its parent.
        if not self.killed:
            self.parent = world._hub

    def kill(self) -> None:
        """End the task now: its ``finally`` blocks run, but nothing in it may wait again."""
        if self.dead or self.finished.triggered:
            return
        self.killed = True
        if getcurrent() is self:
            raise TaskKilled
        if not self:  # never started: there is no frame to unwind
            self.world._tasks.pop(self, None)
            self.call = None
            self.finished.succeed()
            return
        for _ in range(3):
            self.parent = getcurrent()
            self.throw(TaskKilled)
            if self.dead:
                return
        raise TaskFailed(self.name, self.world._now, RuntimeError("the task swallows its kill"))
