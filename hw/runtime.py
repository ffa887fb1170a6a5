"""Time and concurrency as drivers see them: threads on hardware, tasks in a world."""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Handle(Protocol[T_co]):
    """A call that runs beside the caller."""

    def join(self, timeout_ms: int) -> T_co:
        """Wait for the call to end.

        Args:
            timeout_ms: how long to wait at most.

        Returns:
            What the call returned.

        Raises:
            TimeoutError: when it still runs after that time; it is left running.
            BaseException: what the call itself raised.
        """
        ...


class Queue(Protocol[T]):
    """What one call hands to another that runs beside it, in order and of bounded length."""

    def __len__(self) -> int:
        """How many items wait in it."""
        ...

    def put(self, item: T) -> bool:
        """Add an item, waiting for room as long as the queue is full.

        Returns:
            False when the queue was closed; the item is not in it then.
        """
        ...

    def get(self, timeout_ms: int) -> T:
        """Take the oldest item, waiting for one at most so long.

        Raises:
            TimeoutError: when there was none in that time.
        """
        ...

    def close(self) -> None:
        """Take no more items; whoever waits for room is told so. What is in it can be taken."""
        ...


class Runtime(Protocol):
    """What a driver needs of the world around it."""

    def now_ns(self) -> int:
        """Return the time in ns of a clock that never goes back."""
        ...

    def sleep_ms(self, duration_ms: int) -> None:
        """Let this much time pass."""
        ...

    def spawn(self, name: str, call: Callable[[], T]) -> Handle[T]:
        """Run a call beside the caller; an exception in it waits for ``join``.

        Args:
            name: shown in traces and thread lists.
            call: what to run.
        """
        ...

    def queue(self, capacity: int) -> Queue[Any]:
        """Return an empty queue between this call and spawned ones.

        Args:
            capacity: how many items it holds before ``put`` waits; 1 at least.
        """
        ...


class ThreadHandle(Generic[T]):
    """Handle of a call in an operating system thread."""

    def __init__(self, name: str, call: Callable[[], T]) -> None:
        self._name = name
        self._call = call
        self._result: list[T] = []
        self._error: BaseException | None = None
        # A daemon, because a thread stuck in a driver call must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def join(self, timeout_ms: int) -> T:
        """See :meth:`Handle.join`."""
        self._thread.join(timeout_ms / 1000)
        if self._thread.is_alive():
            raise TimeoutError(f"{self._name} still runs after {timeout_ms} ms")
        if self._error is not None:
            raise self._error
        return self._result[0]

    def _run(self) -> None:
        try:
            self._result.append(self._call())
        except BaseException as error:  # noqa: BLE001 - join raises it in the caller's thread
            self._error = error


class ThreadQueue(Generic[T]):
    """Queue between operating system threads."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._items: deque[T] = deque()
        self._is_open = True
        self._changed = threading.Condition()

    def __len__(self) -> int:
        """See :meth:`Queue.__len__`."""
        return len(self._items)

    def put(self, item: T) -> bool:
        """See :meth:`Queue.put`."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._items) < self._capacity or not self._is_open)
            if self._is_open:
                self._items.append(item)
                self._changed.notify_all()
            return self._is_open

    def get(self, timeout_ms: int) -> T:
        """See :meth:`Queue.get`."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._items, timeout_ms / 1000):
                raise TimeoutError(f"the queue is still empty after {timeout_ms} ms")
            self._changed.notify_all()
            return self._items.popleft()

    def close(self) -> None:
        """See :meth:`Queue.close`."""
        with self._changed:
            self._is_open = False
            self._changed.notify_all()


class ThreadRuntime:
    """Runtime for real devices: the monotonic clock and operating system threads."""

    def now_ns(self) -> int:
        """See :meth:`Runtime.now_ns`."""
        return time.monotonic_ns()

    def sleep_ms(self, duration_ms: int) -> None:
        """See :meth:`Runtime.sleep_ms`."""
        time.sleep(duration_ms / 1000)

    def spawn(self, name: str, call: Callable[[], T]) -> ThreadHandle[T]:
        """See :meth:`Runtime.spawn`."""
        return ThreadHandle(name, call)

    def queue(self, capacity: int) -> ThreadQueue[Any]:
        """See :meth:`Runtime.queue`."""
        return ThreadQueue(capacity)
