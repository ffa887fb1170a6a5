"""Time and concurrency as drivers see them: threads on hardware, tasks in a world."""

import threading
import time
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

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
