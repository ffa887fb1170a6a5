"""The time module on a world's clock, so that a program's sleeps pass in the world.

Inside ``with world.virtual_time():`` these are the world's: ``time.sleep``, ``time.time``,
``time.monotonic``, ``time.perf_counter`` and their ``_ns`` forms. A sleep costs no wall time, and
the same program meets the same times in every run.

Not covered, because they do not ask the time module: time-outs of :mod:`threading`, :mod:`queue`,
:mod:`select`, :mod:`asyncio` and :mod:`subprocess`, ``datetime.now``, and names that a module took
by ``from time import ...`` before the block began. Other threads of the operating system keep the
real clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import get_ident
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from sim.kernel import World

EPOCH_NS = 1_767_225_600_000_000_000
"""What ``time.time_ns`` says when the world begins: 2026-01-01 00:00 UTC, in every run."""

FREE_READS = 1_000
READ_NS = 1_000
"""A program that does nothing but read clocks waits in a loop: after so many reads at one instant
each further one takes this long, so that the loop ends."""

_NANOSECONDS_PER_S = 1_000_000_000

_active: list[VirtualTime] = []


class VirtualTime:
    """A context manager that puts the time module on a world's clock.

    It nests for one world; another world is refused while it is active.

    Args:
        world: whose clock.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self._thread = get_ident()
        self._originals: dict[str, Any] = {}
        self._read_at_ns = -1
        self._reads = 0

    def __enter__(self) -> Self:
        """Begin.

        Raises:
            RuntimeError: when another world's virtual time is active.
        """
        if _active and _active[-1].world is not self.world:
            raise RuntimeError(
                "the time module is on another world's clock; leave its virtual_time() first"
            )
        if self in _active:
            raise RuntimeError("this virtual_time() is active; ask the world for another one")
        _active.append(self)
        for name, replacement in self._replacements().items():
            self._originals[name] = getattr(time, name)
            setattr(time, name, self._for_this_thread(replacement, self._originals[name]))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for name, original in self._originals.items():
            setattr(time, name, original)
        _active.remove(self)

    def _replacements(self) -> dict[str, Callable[..., Any]]:
        return {
            "sleep": self.sleep,
            "time": lambda: (EPOCH_NS + self.now_ns()) / _NANOSECONDS_PER_S,
            "time_ns": lambda: EPOCH_NS + self.now_ns(),
            "monotonic": lambda: self.now_ns() / _NANOSECONDS_PER_S,
            "monotonic_ns": self.now_ns,
            "perf_counter": lambda: self.now_ns() / _NANOSECONDS_PER_S,
            "perf_counter_ns": self.now_ns,
        }

    def _for_this_thread(
        self, replacement: Callable[..., Any], original: Callable[..., Any]
    ) -> Callable[..., Any]:
        """The replacement here, the original in other threads and for whoever kept it."""

        def chosen(*arguments: Any) -> Any:  # noqa: ANN401 - as the original
            if self in _active and get_ident() == self._thread:
                return replacement(*arguments)
            return original(*arguments)

        return chosen

    def sleep(self, duration_s: float) -> None:
        """``time.sleep`` in the world, rounded to nanoseconds."""
        if duration_s < 0:
            raise ValueError("sleep length must be non-negative")
        self.world.sleep(round(duration_s * _NANOSECONDS_PER_S))

    def now_ns(self) -> int:
        """The world's time; reading it for ever lets it pass."""
        world = self.world
        if world.now_ns != self._read_at_ns:
            self._read_at_ns = world.now_ns
            self._reads = 0
        self._reads += 1
        if self._reads > FREE_READS:
            world.sleep(READ_NS)
            self._read_at_ns = world.now_ns
        return world.now_ns
