"""Time and concurrency for drivers that run in a world: the Runtime of :mod:`hw.runtime`.

The same Protocol in virtual time: a spawned call is a task of the world.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from simpy.events import Event

from sim.kernel import World
from sim.tasks import Task

T = TypeVar("T")


class TaskHandle(Generic[T]):
    """Handle of a call in a task."""

    def __init__(self, world: World, name: str, call: Callable[[], T]) -> None:
        self._world = world
        self._name = name
        self._outcome: list[T] = []
        self._error: Exception | None = None
        self._call = call
        self._task: Task = world.spawn(name, self._run)

    def _run(self) -> None:
        try:
            self._outcome.append(self._call())
        except Exception as error:  # noqa: BLE001 - join raises it in the caller
            self._error = error

    def join(self, timeout_ms: int) -> T:
        """Wait for the call to end and return what it returned, or raise what it raised."""
        if not self._world.wait(self._task.finished, timeout_ms * 1_000_000):
            raise TimeoutError(f"{self._name} still runs after {timeout_ms} ms")
        if self._error is not None:
            raise self._error
        return self._outcome[0]


class TaskQueue(Generic[T]):
    """Queue between tasks, and between tasks and the code that runs the world."""

    def __init__(self, world: World, capacity: int) -> None:
        self._world = world
        self._capacity = capacity
        self._items: deque[T] = deque()
        self._is_open = True
        self._changed = Event(world)

    def __len__(self) -> int:
        """How many items wait in it."""
        return len(self._items)

    def put(self, item: T) -> bool:
        """Add an item once there is room; False when the queue was closed."""
        while self._is_open and len(self._items) >= self._capacity:
            self._world.wait(self._changed)
        if self._is_open:
            self._items.append(item)
            self._tell()
        return self._is_open

    def get(self, timeout_ms: int) -> T:
        """Take the oldest item; TimeoutError when none came in time."""
        world = self._world
        end_ns = world.now_ns + timeout_ms * 1_000_000
        while not self._items:
            if not world.wait(self._changed, end_ns - world.now_ns):
                raise TimeoutError(f"the queue is still empty after {timeout_ms} ms")
        self._tell()
        return self._items.popleft()

    def close(self) -> None:
        """Take no more items; whoever waits for room is told so."""
        self._is_open = False
        self._tell()

    def _tell(self) -> None:
        changed, self._changed = self._changed, Event(self._world)
        changed.succeed()


class WorldRuntime:
    """Virtual time for a driver."""

    def __init__(self, world: World) -> None:
        self.world = world

    def now_ns(self) -> int:
        """Simulated time."""
        return self.world._now

    def sleep_ms(self, duration_ms: int) -> None:
        """Let simulated time pass."""
        self.world.sleep(duration_ms * 1_000_000)

    def spawn(self, name: str, call: Callable[[], T]) -> TaskHandle[T]:
        """Run a call as a task of the world."""
        return TaskHandle(self.world, name, call)

    def queue(self, capacity: int) -> TaskQueue[Any]:
        """Return an empty queue between tasks."""
        return TaskQueue(self.world, capacity)
