"""Alarms and tasks: what the world's loop calls and what it switches to."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from greenlet import getcurrent, greenlet
from simpy.events import Event

from sim.errors import TaskFailed, TaskKilled

if TYPE_CHECKING:
    from sim.kernel import World


class Alarm:
    """A call at an instant that can be cancelled without leaving anything to wait for.

    Attributes:
        at_ns: when it is due.
        callback: what is called, or None once it was cancelled or has run.
    """

    __slots__ = ("at_ns", "callback", "world")

    def __init__(self, world: World, at_ns: int, callback: Callable[[], None]) -> None:
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

    def __init__(self, world: World, name: str, call: Callable[[], Any]) -> None:
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
