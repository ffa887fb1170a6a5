"""Time and concurrency for drivers that run in a world: the Runtime of :mod:`hw.runtime`.

The same Protocol in virtual time: a spawned call is a task of the world.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

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


class WorldRuntime:
    """Virtual time for a driver."""

    def __init__(self, world: World) -> None:
        self.world = world

    def now_ns(self) -> int:
        """Simulated time."""
        return self.world.now_ns

    def sleep_ms(self, duration_ms: int) -> None:
        """Let simulated time pass."""
        self.world.sleep(duration_ms * 1_000_000)

    def spawn(self, name: str, call: Callable[[], T]) -> TaskHandle[T]:
        """Run a call as a task of the world."""
        return TaskHandle(self.world, name, call)
