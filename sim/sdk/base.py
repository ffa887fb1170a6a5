"""What all groups of SDK calls share: the chip below, the RTOS beside, the drivers' locks."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from hw.protocol import SdkStatus
from sim.kernel import World
from sim.rtos import SUCCESS, WAIT_FOREVER, Rtos, Thread
from sim.rtos_objects import Mutex, Queue, Timer, TimerThread

if TYPE_CHECKING:
    from sim.chip.hardware import Hardware

DMA_THREAD_PRIORITY = 2
DRIVER_THREAD_PRIORITY = 4

MICROSECOND_NS = 1_000


class SdkBase:
    """State of the SDK in one boot of the firmware.

    Args:
        chip: the hardware.
        rtos: the scheduler of this boot.
    """

    def __init__(self, chip: Hardware, rtos: Rtos) -> None:
        self.chip = chip
        self.rtos = rtos
        self.world: World = chip.world
        self.timers = TimerThread(rtos)
        self.threads: dict[Hashable, Thread] = {}
        self.queues: dict[Hashable, Queue] = {}
        self.app_timers: dict[Hashable, Timer] = {}
        self.usb_lock = self.new_mutex("glUibLock")
        self.i2c_lock = self.new_mutex("glI2cLock")

    def new_mutex(self, name: str) -> Mutex:
        """A mutex as every SDK driver makes it: no priority inheritance."""
        return Mutex(self.rtos, self.timers, name)

    def lock(self, mutex: Mutex, wait_ticks: int = WAIT_FOREVER) -> int:
        """Take a driver's mutex.

        Returns:
            SUCCESS, or MUTEX_FAILURE for whatever ThreadX answered instead: not in time, deleted
            meanwhile, or asked to wait in a timer callback (incident F27).
        """
        return SUCCESS if mutex.get(wait_ticks) == SUCCESS else SdkStatus.MUTEX_FAILURE

    def busy_wait(self, microseconds: int) -> None:
        """CyU3PBusyWait: computes, never yields to an equal or lower priority."""
        self.rtos.work(microseconds * MICROSECOND_NS)
