"""PIB and GPIF calls (S131 pport/cyu3gpif*.c; cyu3gpif.h). None takes a lock."""

from __future__ import annotations

from collections.abc import Callable

from hw.protocol import SdkStatus
from sim.chip.gpif import GpifState, GpifTable
from sim.rtos import SUCCESS, WAIT_FOREVER
from sim.rtos_objects import Queue
from sim.sdk.base import DRIVER_THREAD_PRIORITY, SdkBase

DISABLED = int(GpifState.DISABLED)
NOT_CONFIGURED = int(SdkStatus.NOT_CONFIGURED)
PibCallback = Callable[[int], None]


class GpifCalls(SdkBase):
    """Calls on the parallel port and its state machine."""

    pib_active = False
    _pib_callback: PibCallback | None = None
    _pib_queue: Queue | None = None

    def pib_init(self) -> int:
        """CyU3PPibInit: ALREADY_STARTED when active."""
        if self.pib_active:
            return SdkStatus.ALREADY_STARTED
        self.pib_active = True
        if self._pib_queue is None:
            self._pib_queue = Queue(self.rtos, self.timers, 16)
            thread = self.rtos.create_thread("PIB thread", DRIVER_THREAD_PRIORITY, self._pib_thread)
            self.threads["PIB thread"] = thread
        return SdkStatus.SUCCESS

    def pib_deinit(self) -> int:
        """CyU3PPibDeInit: NOT_STARTED when not active; masks its interrupts."""
        if not self.pib_active:
            return SdkStatus.NOT_STARTED
        self.pib_active = False
        self.chip.stream.on_pib_error(None)
        return SdkStatus.SUCCESS

    def pib_register_callback(self, callback: PibCallback) -> None:
        """CyU3PPibRegisterCallback for errors: clears pending ones and enables the interrupt."""
        self._pib_callback = callback
        self.chip.stream.on_pib_error(self._pib_interrupt)

    def _pib_interrupt(self, code: int) -> None:
        # The ISR masks the interrupt until the PIB thread has run the callback, so errors
        # coalesce: the firmware counts serviced batches (S131 pport/cyu3pib.c).
        if self._pib_queue is not None:
            for _ in range(self.chip.options.pib_errors_per_overflow):
                self._pib_queue.send(code)

    def _pib_thread(self) -> None:
        queue = self._pib_queue
        while queue is not None:
            _, code = queue.receive(WAIT_FOREVER)
            callback = self._pib_callback
            if isinstance(code, int) and callback is not None:
                callback(code)
            if self.pib_active:
                self.chip.stream.on_pib_error(self._pib_interrupt)

    def gpif_load(self, table: GpifTable) -> int:
        """CyU3PGpifLoad: ALREADY_STARTED when the block is enabled; sets ENABLE.

        Raises:
            ValueError: for another table than the one this firmware revision was built with.
        """
        stream = self.chip.stream
        if stream.flow.loaded:
            return SdkStatus.ALREADY_STARTED
        if table is not stream.table:
            raise ValueError(f"this chip was set up with {stream.table.name}")
        stream.load()
        return SdkStatus.SUCCESS

    def gpif_sm_start(self, state: int, alpha: int) -> int:
        """CyU3PGpifSMStart: NOT_CONFIGURED when disabled, ALREADY_STARTED when running."""
        del alpha  # initial outputs; this table drives none
        flow = self.chip.stream.flow
        if not flow.loaded or not 0 <= state < len(self.chip.stream.table.edges):
            return SdkStatus.NOT_CONFIGURED
        if flow.running:
            return SdkStatus.ALREADY_STARTED
        self.chip.stream.start(state)
        return SdkStatus.SUCCESS

    def gpif_disable(self, force: bool) -> None:
        """CyU3PGpifDisable: stop; with ``force`` also lose the table and the configuration."""
        self.busy_wait(10)
        if force:
            self.chip.stream.unload()
        else:
            self.chip.stream.pause()

    def gpif_control_sw_input(self, on: bool) -> None:
        """CyU3PGpifControlSWInput: FW_TRG."""
        self.chip.stream.trigger(on)

    def gpif_get_sm_state(self) -> tuple[int, int | None]:
        """CyU3PGpifGetSMState: (NOT_CONFIGURED, None) while the block is disabled."""
        state = self.chip.stream.flow.glance(self.world._now)[1]
        if state == DISABLED or not self.pib_active:
            return NOT_CONFIGURED, None
        return SUCCESS, state
