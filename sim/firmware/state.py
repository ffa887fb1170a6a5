"""What the parts of the firmware share: its counters, its flags, and the health module."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from health import Event, Health, HealthFactory, HealthModule, Policy
from hw.protocol import HARDWARE_UNKNOWN
from sim.firmware.console import PIB_NOTICE
from sim.latest import Latest

if TYPE_CHECKING:
    from hw.trace import Recorder
    from sim.chip.gpif import GpifTable
    from sim.firmware.console import Console
    from sim.firmware.front_end import FrontEndDriver
    from sim.firmware.narrator import StreamNarrator
    from sim.firmware.revisions import Revision
    from sim.sdk import Sdk

REMEDIES_KEPT = 10_000


class FirmwareState:
    """The global variables of one boot of the firmware, and the callbacks that write them.

    Args:
        revision: what this release does differently.
        policy: the health module's thresholds, caps and levels.
        poll_offset_ms: phase of the main loop against the pet timer.
        health_class: makes the health module.

    Attributes:
        health: the same module that supervises a device from the host.
        console: the debug console.
        narrator: the streaming watchdog's lines on it.
        dma_count, pib_errors, last_pib_error, i2c_failures, streaming_faults: the counters that
            GETSTATS reports.
        on_ready: called once the health module is up, before the main thread starts.
        active: the application is started (SET_CONFIGURATION).
        halt_cleared: the host has cleared EP1's halt, and the endpoint does not know it yet.
        in_callback: the USB thread is inside a setup or event callback.
        callback_since_ms: since which tick.
        pib_notified: a PIB error was put on the console's queue since the table was last loaded.
        remedies_applied: (time in ns, level) of the latest remedies begun, and how many.
    """

    sdk: Sdk
    health: HealthModule
    front_end: FrontEndDriver
    console: Console
    narrator: StreamNarrator

    def __init__(
        self,
        revision: Revision,
        policy: Policy,
        poll_offset_ms: int = 0,
        health_class: HealthFactory = Health,
    ) -> None:
        self.revision = revision
        self.trace: Recorder | None = None
        self.policy = policy
        self.health_class = health_class
        self.poll_offset_ms = poll_offset_ms
        self.name = revision.name
        self.table: GpifTable = revision.table
        self.hardware = HARDWARE_UNKNOWN
        self.active = False
        self.halt_cleared = False
        self.in_callback = False
        self.callback_since_ms = 0
        self.current_request: int | None = None
        self.hang_main_requested = False
        self.pib_notified = False
        self.streaming_faults = 0
        self.on_ready: Callable[[], None] | None = None
        self.remedies_applied: Latest[tuple[int, int]] = Latest(REMEDIES_KEPT)
        self.reset_counters()

    def reset_counters(self) -> None:
        """SET_CONFIGURATION zeroes them."""
        self._dma_count = 0
        self.pib_errors = 0
        self.last_pib_error = 0
        self.i2c_failures = 0
        self.streaming_faults = 0

    @property
    def dma_count(self) -> int:
        """glDMACount: buffers produced since START, as the DMA callbacks have counted them."""
        self.sdk.serve_dma_interrupts()
        return self._dma_count

    @dma_count.setter
    def dma_count(self, count: int) -> None:
        self.sdk.serve_dma_interrupts()
        self._dma_count = count

    def on_dma_buffers(self, count: int) -> None:
        """DMA callback: buffers that the producers have filled since the last one."""
        self._dma_count += count

    def on_pib_error(self, code: int) -> None:
        """PIB error callback, in the PIB thread: the first of a session tells the main thread.

        The notice counts as given when the queue was full and dropped it (StartStopApplication.c).
        """
        self.pib_errors += 1
        self.last_pib_error = code
        if not self.pib_notified:
            self.console.post(PIB_NOTICE, code)
            self.pib_notified = True
        self.health.record_event(Event.PIB_ERROR, code)

    def mark(self, text: str) -> None:
        """Put a mark into the trace."""
        if self.trace is not None:
            self.trace.instant("fx3/health", text, self.sdk.world.now_ns)
