"""The control endpoint's calls (S131 usb/cyu3usb.c; cyu3usb.h).

Each request is answered by exactly one of SendEP0Data, GetEP0Data, AckSetup and Stall(0). Get and
Send complete the status stage themselves, so the host's OUT call returns before the handler acts
and a stall issued later is lost (incident F20).
"""

from __future__ import annotations

from hw.protocol import SdkStatus
from sim.chip.usb import DONE, PENDING, TransferStatus
from sim.rtos import SUCCESS, TIMED_OUT, Thread
from sim.sdk.base import SdkBase

EP0_DATA_WAIT_TICKS = 5_000
"""50 slices of 100 ticks (cyu3usb.h, CyU3PUsbGetEP0Data)."""


class Ep0Calls(SdkBase):
    """Calls that answer a control request."""

    _ep0_waiter: Thread | None = None

    def usb_get_ep0_data(self, count: int) -> tuple[int, bytes]:
        """CyU3PUsbGetEP0Data: (status, data). Releases data and status stage together.

        BAD_ARGUMENT for 0 bytes, with nothing acknowledged (an option); TIMEOUT after 5 s without
        data, as in a request of the wrong direction; XFER_CANCELLED when a newer SETUP or a bus
        reset came.
        """
        acked_ns = self.chip.options.control_status_ns
        if count == 0 and not self.chip.options.zero_length_data_acked:
            return SdkStatus.BAD_ARGUMENT, b""
        status = self.lock(self.usb_lock)
        if status != SUCCESS:
            return status, b""
        self.usb_lock.put()  # released during the wait (S131 usb/cyu3usb.c)
        ep0 = self.chip.ep0
        transfer = ep0.current
        if transfer is None or ep0.superseded or ep0.desynchronised:
            return SdkStatus.XFER_CANCELLED, b""
        withheld = transfer.withholds_data or (transfer.is_in and count)
        if withheld or transfer.status is not PENDING:
            return self._wait_for_host(), b""
        transfer.end(DONE, after_ns=acked_ns)
        return SUCCESS, transfer.data[:count]

    def usb_send_ep0_data(self, data: bytes) -> int:
        """CyU3PUsbSendEP0Data: truncated to wLength; waits up to 5 s for the host to take it.

        Answers SUCCESS when a newer SETUP or a bus reset has come meanwhile.
        """
        status = self.lock(self.usb_lock)
        if status != SUCCESS:
            return status
        self.usb_lock.put()
        ep0 = self.chip.ep0
        transfer = ep0.current
        if transfer is None or ep0.superseded:
            return SUCCESS
        if transfer.status is not PENDING or not transfer.is_in:
            waited = self._wait_for_host()
            return SUCCESS if waited == SdkStatus.XFER_CANCELLED else waited
        reply = ep0.last_reply if ep0.desynchronised else data
        ep0.last_reply = data
        transfer.end(
            DONE,
            reply[: transfer.setup.length],
            after_ns=self.chip.options.control_status_ns,
        )
        return SUCCESS

    def usb_ack_setup(self) -> None:
        """CyU3PUsbAckSetup: complete a request without data; skipped when a newer one waits."""
        if self.lock(self.usb_lock) != SUCCESS:
            return
        self._end_current(DONE)
        self.usb_lock.put()

    def _end_current(self, status: TransferStatus) -> None:
        ep0 = self.chip.ep0
        if ep0.current is not None and not ep0.superseded:
            ep0.current.end(status, after_ns=self.chip.options.control_status_ns)

    def _wait_for_host(self) -> int:
        """Wait for a host that does not continue: TIMEOUT, or XFER_CANCELLED by what came new."""
        self._ep0_waiter = self.rtos.current()
        result = self.rtos.block(EP0_DATA_WAIT_TICKS, None)
        self._ep0_waiter = None
        return SdkStatus.TIMEOUT if result == TIMED_OUT else SdkStatus.XFER_CANCELLED

    def _wake_ep0_waiter(self) -> None:
        waiter = self._ep0_waiter
        if waiter is not None:
            self._ep0_waiter = None
            self.rtos.wake(waiter)
