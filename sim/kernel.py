"""The world's clock: integer nanoseconds over SimPy, and threads that read as straight-line code.

A :class:`World` is a ``simpy.Environment`` that owns the loop. A :class:`Task` is a greenlet: it
blocks by switching back to the loop, so driver code and firmware need no ``yield``. The same
:meth:`World.wait` serves a task and ordinary code (a test, a pyusb program): ordinary code runs
the loop until what it waits for has happened.

Within one nanosecond the order is: clock edges (computed, never events), then hardware
completions (:data:`HARDWARE`), then software (:data:`SOFTWARE`) in the order of scheduling.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heapreplace
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, Self

from greenlet import getcurrent
from simpy.events import Event

from sim.errors import NoProgress, NothingLeft, TaskFailed, TaskKilled, WorldClosed
from sim.streams import Stream
from sim.tasks import EXPIRY, HARDWARE, SOFTWARE, TICK, Alarm, Schedule, Task

__all__ = ["EXPIRY", "FOREVER_NS", "HARDWARE", "SOFTWARE", "TICK", "Cpu", "World"]

if TYPE_CHECKING:
    from hw.trace import Recorder

FOREVER_NS = 1 << 62
"""Later than any run (146 years): the limit of a run that has none."""

SWITCHES_PER_INSTANT_MAX = 100_000
REFUSALS_MAX = 100
"""So often may a killed task try to wait while it unwinds."""


class Cpu(Protocol):
    """Something that runs threads after the callbacks of an event (an RTOS)."""

    def dispatch(self) -> None:
        """Let the best ready thread run until none is better than the running one."""


class World(Schedule):
    """One simulated host, cable, board and firmware, with its clock and its seed.

    It belongs to the OS thread that made it, and is closed by ``with`` or :meth:`close`.

    Args:
        seed: the one seed; every random draw comes from a stream named in :meth:`random`.
        trace: recorder of what happens, or None: then tracing costs one comparison.
    """

    def __init__(self, seed: int = 0, trace: Recorder | None = None) -> None:
        super().__init__()
        self.seed = seed
        self.trace = trace
        self._limit_ns = 0
        self._running = False
        self._until: Event | None = None
        self._pending: list[Cpu] = []
        self._switches = 0
        self._streams: dict[str, Stream] = {}
        self._closers: list[Callable[[], None]] = []

    # ---------------------------------------------------------------- time

    def request(self, cpu: Cpu) -> None:
        """Let ``cpu`` dispatch after the callbacks of the event that is being processed."""
        self._pending.append(cpu)

    def run_until(self, at_ns: int) -> None:
        """Run everything up to and including ``at_ns``; the clock then stands at ``at_ns``."""
        if getcurrent() is not self._hub:
            raise RuntimeError("run_until belongs to ordinary code; a task uses sleep")
        if at_ns < self._now:
            raise ValueError(f"run_until({at_ns}) lies before now, {self._now} ns")
        self._loop(at_ns, None)

    def run(self, until: float | Event | None = None) -> object:
        """As simpy.Environment.run, but inclusive: a time is reached with all that happens at it.

        Args:
            until: a time in ns, an event to wait for, or None to run until nothing is left.

        Returns:
            The event's value, when an event was given.
        """
        if until is None:
            self._loop(FOREVER_NS, None)
            return None
        if isinstance(until, Event):
            self.wait(until)
            return until.value
        self.run_until(int(until))
        return None

    def wait(self, event: Event, limit_ns: int | None = None) -> bool:
        """Wait until ``event`` has happened, or ``limit_ns`` nanoseconds from now.

        One call for tasks and for ordinary code.

        Returns:
            True when the event happened, False when the limit passed first.

        Raises:
            NothingLeft: in ordinary code without a limit, when nothing can happen any more.
            Exception: the event's own, when it failed.
        """
        if event.callbacks is not None:
            current = getcurrent()
            if isinstance(current, Task):
                self._wait_in_task(current, event, limit_ns)
            else:
                limit = FOREVER_NS if limit_ns is None else self._now + limit_ns
                self._loop(limit, event)
                if event.callbacks is not None and limit_ns is None:
                    raise NothingLeft(repr(event), self._now)
        if event.callbacks is not None:
            return False
        if not event._ok:
            event._defused = True
            raise event._value
        return True

    def _wait_in_task(self, task: Task, event: Event, limit_ns: int | None) -> None:
        if task.killed:
            self._refuse(task)
        callbacks = event.callbacks

        def happened(_: Event) -> None:
            self._switch(task)

        callbacks.append(happened)
        if limit_ns is None:
            self._hub.switch()
            return

        def expired() -> None:
            callbacks.remove(happened)
            self._switch(task)

        alarm = self.alarm(self._now + limit_ns, expired, EXPIRY)
        try:
            self._hub.switch()
        finally:
            alarm.cancel()

    def _refuse(self, task: Task) -> NoReturn:
        """End a killed task's wait; one that keeps trying goes back to kill(), which reports it."""
        task.refusals += 1
        if task.refusals > REFUSALS_MAX and task.parent is not None:
            task.parent.switch()
        raise TaskKilled

    def sleep(self, duration_ns: int) -> None:
        """Let ``duration_ns`` pass, in a task or in ordinary code."""
        current = getcurrent()
        if not isinstance(current, Task):
            self.run_until(self._now + duration_ns)
            return
        if current.killed:
            self._refuse(current)
        alarm = self.alarm(self._now + duration_ns, lambda: self._switch(current))
        try:
            self._hub.switch()
        finally:
            alarm.cancel()

    def skip_to(self, at_ns: int, but: Alarm | None = None, but_at_ns: int = 0) -> bool:
        """Let the time up to ``at_ns`` pass at once, where nothing at all is due up to then.

        For ordinary code alone: a task may be one of several that its instant resumes.

        Args:
            at_ns: where the clock shall stand, not before now.
            but: an alarm that does not count; where it is due up to then, it is put off.
            but_at_ns: when it is due then, after ``at_ns``.

        Returns:
            True when the clock stands at ``at_ns``; False when nothing was done.
        """
        queue = self._queue
        puts_off = False
        while queue and queue[0][0] <= at_ns:
            due = queue[0][3]
            if due is but and but is not None:
                # The second entry of a heap is one of these two.
                if len(queue) > 1 and min(queue[1:3])[0] <= at_ns:
                    return False
                puts_off = True
                break
            if type(due) is not Alarm or due.callback is not None:
                return False
            heappop(queue)
            self._dead_alarms -= 1
        if self._pending or self._running or self.closed or getcurrent() is not self._hub:
            return False
        if puts_off and but is not None:
            but.at_ns = but_at_ns
            heapreplace(queue, (but_at_ns, queue[0][1], next(self._eid), but))
        self._now = at_ns
        self._switches = 0
        return True

    def fire(self, event: Event) -> None:
        """Let ``event`` happen at once: for an alarm's callback, where the loop has its turn.

        Spares the way through the heap that ``event.succeed()`` takes.
        """
        event._ok = True
        event._value = None
        callbacks, event.callbacks = event.callbacks, None  # type: ignore[assignment]
        for call in callbacks:
            call(event)

    # --------------------------------------------------------------- tasks

    def spawn(self, name: str, call: Callable[[], Any]) -> Task:
        """Start ``call`` as a task at this instant, after what is already due at it."""
        task = Task(self, name, call)
        self._tasks[task] = None
        self.alarm(self._now, lambda: self._switch(task))
        return task

    def _switch(self, task: Task, value: object = None) -> None:
        """Resume a task from the loop."""
        if task.dead or (task.killed and not task):
            return
        self._switches += 1
        if self._switches > SWITCHES_PER_INSTANT_MAX:
            raise NoProgress(task.name, self._now, self._switches)
        task.switch(value)

    def random(self, name: str) -> Stream:
        """The random stream of this name; the same seed and name give the same numbers."""
        stream = self._streams.get(name)
        if stream is None:
            stream = self._streams[name] = Stream(self.seed, name)
        return stream

    # ---------------------------------------------------------------- loop

    def _loop(self, limit_ns: int, until: Event | None) -> None:
        """Process events until ``until`` has happened or nothing is due up to ``limit_ns``."""
        if self.closed:
            raise WorldClosed("the world is closed; make a new one")
        if self._running or getcurrent() is not self._hub:
            raise RuntimeError("a world is run by the code that made it, not by its callbacks")
        self._running = True
        outer = self._limit_ns
        self._limit_ns = limit_ns
        queue = self._queue
        pending = self._pending
        try:
            while True:
                # The awaited event is looked at before the CPU runs: computing moves the clock.
                if until is not None and until.callbacks is None:
                    return
                if pending and not (queue and queue[0][0] == self._now and queue[0][1] == TICK):
                    pending.pop().dispatch()
                    continue
                if not queue or queue[0][0] > limit_ns:
                    if limit_ns != FOREVER_NS:
                        self._now = limit_ns
                        self._switches = 0
                    return
                entry = heappop(queue)
                due = entry[3]
                if type(due) is Alarm:
                    callback = due.callback
                    if callback is None:
                        self._dead_alarms -= 1
                        continue
                    due.callback = None
                    if entry[0] != self._now:
                        self._now = entry[0]
                        self._switches = 0
                    callback()
                    continue
                if entry[0] != self._now:
                    self._now = entry[0]
                    self._switches = 0
                callbacks, due.callbacks = due.callbacks, None
                self._switches += 1
                if self._switches > 2 * SWITCHES_PER_INSTANT_MAX:
                    owner = getattr(callbacks[0], "__self__", None) if callbacks else None
                    name = getattr(owner, "name", type(due).__name__)
                    raise NoProgress(name, self._now, self._switches)
                for call in callbacks:
                    call(due)
                if not due._ok and not hasattr(due, "_defused"):
                    raise due._value
        finally:
            self._running = False
            self._limit_ns = outer

    # --------------------------------------------------------------- close

    def on_close(self, call: Callable[[], None]) -> None:
        """Have ``call`` made when the world closes, the last registered first."""
        self._closers.append(call)

    def close(self) -> None:
        """End every task and drop everything scheduled; a closed world cannot run.

        Raises:
            TaskFailed: when a task failed while it ended, or swallows its kill; after all others.
        """
        if self.closed:
            return
        self.closed = True
        while self._closers:
            self._closers.pop()()
        failures: list[TaskFailed] = []
        for task in list(self._tasks):
            try:
                task.kill()
            except TaskFailed as failure:
                failures.append(failure)
        self._tasks.clear()
        self._queue.clear()
        self._pending.clear()
        if failures:
            raise failures[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
