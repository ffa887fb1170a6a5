"""A backend whose world follows the wall clock, for programs that sleep or wait by themselves.

Before each call the world catches up with the wall clock; after each call the program is held
back until the wall clock has caught up with the world. So a program sees the device age while it
sleeps, and a read of a stream takes the time that it takes on a desk. Runs are as little
reproducible as the wall clock is; for the same with exact times see :mod:`sim.host.virtual_time`.

A world lives on one thread of the operating system, so this serves programs of one thread. Others
use the device over USB/IP.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from greenlet import getcurrent

from sim.chip.usb import Setup
from sim.host.controller import UsbDevice
from sim.host.usbfs import Handle
from sim.host.world_backend import WorldBackend
from sim.tasks import Task

if TYPE_CHECKING:
    from sim.bench import Bench


class Pace:
    """Keeps a world in step with a clock outside of it.

    Args:
        world: the bench.
        speed: simulated seconds in one second of that clock.
        clock_ns: the clock; never goes back.
        sleep: lets this many seconds of it pass.

    Raises:
        ValueError: when the speed is not above 0.
    """

    def __init__(
        self,
        world: Bench,
        speed: float,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if not speed > 0:
            raise ValueError(f"a pace needs a speed above 0, not {speed}; 1.0 is real time")
        self.world = world
        self.speed = speed
        self.clock_ns = clock_ns
        self.sleep = sleep
        self._began_ns = world.now_ns
        self._clock_began_ns = clock_ns()

    def due_ns(self) -> int:
        """Where the world should stand by the clock."""
        return self._began_ns + round((self.clock_ns() - self._clock_began_ns) * self.speed)

    def catch_up(self) -> None:
        """Let the world run to where the clock is."""
        due_ns = self.due_ns()
        if due_ns > self.world.now_ns:
            self.world.run_until(due_ns)

    def hold_back(self) -> None:
        """Sleep until the clock is where the world is."""
        ahead_ns = self.world.now_ns - self.due_ns()
        if ahead_ns > 0:
            self.sleep(ahead_ns / self.speed / 1e9)

    @contextmanager
    def call(self) -> Iterator[None]:
        """Around each call of a program; a task of the world keeps the world's own time."""
        if isinstance(getcurrent(), Task):
            yield
            return
        self.catch_up()
        try:
            yield
        finally:
            self.hold_back()


class PacedBackend(WorldBackend):
    """A world's backend in step with the wall clock; see the module's text.

    Args:
        world: the bench.
        process: name of the program.
        speed: simulated seconds in one second.

    Attributes:
        pace: what keeps the two in step; its clock and sleep may be replaced by a test's.
    """

    def __init__(self, world: Bench, process: str = "", speed: float = 1.0) -> None:
        super().__init__(world, process)
        self.pace = Pace(world, speed)

    def wait_for_change(self, limit_ms: int) -> None:
        """As in :class:`WorldBackend`."""
        with self.pace.call():
            super().wait_for_change(limit_ms)

    def enumerate_devices(self) -> list[UsbDevice]:
        """As in :class:`WorldBackend`."""
        with self.pace.call():
            return super().enumerate_devices()

    def open_device(self, dev: UsbDevice) -> Handle:
        """As in :class:`WorldBackend`."""
        with self.pace.call():
            return super().open_device(dev)

    def claim_interface(self, dev_handle: Handle, intf: int) -> None:
        """As in :class:`WorldBackend`."""
        with self.pace.call():
            super().claim_interface(dev_handle, intf)

    def get_configuration(self, dev_handle: Handle) -> int:
        """As in :class:`WorldBackend`."""
        with self.pace.call():
            return super().get_configuration(dev_handle)

    def reset_device(self, dev_handle: Handle) -> None:
        """As in :class:`WorldBackend`."""
        with self.pace.call():
            super().reset_device(dev_handle)

    def ctrl_transfer(
        self,
        dev_handle: Handle,
        bmRequestType: int,  # noqa: N803 - pyusb's names
        bRequest: int,  # noqa: N803
        wValue: int,  # noqa: N803
        wIndex: int,  # noqa: N803
        data: array[int],
        timeout: int,
    ) -> int:
        """As in :class:`WorldBackend`."""
        with self.pace.call():
            return super().ctrl_transfer(
                dev_handle, bmRequestType, bRequest, wValue, wIndex, data, timeout
            )

    def bulk_read(
        self, dev_handle: Handle, ep: int, intf: int, buff: array[int], timeout: int
    ) -> int:
        """As in :class:`WorldBackend`."""
        with self.pace.call():
            return super().bulk_read(dev_handle, ep, intf, buff, timeout)

    def _kernel_request(self, dev_handle: Handle, setup: Setup) -> None:
        with self.pace.call():
            super()._kernel_request(dev_handle, setup)
