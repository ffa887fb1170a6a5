"""The endpoints' calls (S131 usb/cyu3usb.c; cyu3usb.h). All take the driver's lock."""

from __future__ import annotations

from dataclasses import replace

from hw.protocol import BULK_IN_ENDPOINT, SdkStatus
from sim.chip.hardware import PACKET_BYTES
from sim.chip.usb import TransferStatus, UsbSpeed
from sim.rtos import SUCCESS, Thread
from sim.sdk.types import EndpointConfig
from sim.sdk.usb_ep0 import Ep0Calls

ENDPOINT_MAX = 15


class EndpointCalls(Ep0Calls):
    """Calls on endpoints.

    Attributes:
        usb_thread: where setup and event callbacks run; None until the driver is started.
        link_speed: NOT_CONNECTED until the port has connected.
        endpoint: EP1 as the firmware configured it, its packets as the link has them.
        halted_endpoints: those that answer STALL.
    """

    usb_thread: Thread | None = None
    link_speed = UsbSpeed.NOT_CONNECTED
    endpoint: EndpointConfig | None = None
    halted_endpoints: frozenset[int] = frozenset()

    def _lock_driver(self) -> int:
        return SdkStatus.NOT_STARTED if self.usb_thread is None else self.lock(self.usb_lock)

    def set_ep_config(self, endpoint: int, config: EndpointConfig) -> int:
        """CyU3PSetEpConfig: packets are cut to what the link's speed allows.

        NOT_STARTED before the driver is. Clears the endpoint's stall.
        """
        status = self._lock_driver()
        if status == SUCCESS:
            largest = PACKET_BYTES[self.chip.usb_speed]
            self.endpoint = replace(config, packet_bytes=min(config.packet_bytes, largest))
            self.halted_endpoints -= {endpoint}
            if self.chip.options.set_ep_config_restarts and endpoint == BULK_IN_ENDPOINT:
                self.chip.stream.restart_sequence()
                self.chip.stream.sequence.flush()
            self.usb_lock.put()
        return status

    def usb_flush_ep(self, endpoint: int) -> int:
        """CyU3PUsbFlushEp: drop what the endpoint's FIFO holds; about 10 us.

        Whole buffers stay with their DMA channel; of the FIFO the model keeps only whether it holds
        a packet with an old number. NOT_STARTED before the driver is.
        """
        status = self._lock_driver()
        if status != SUCCESS:
            return status
        self.busy_wait(10)
        if endpoint == BULK_IN_ENDPOINT:
            self.chip.stream.sequence.flush()
        self.usb_lock.put()
        return SUCCESS

    def usb_stall(self, endpoint: int, stall: bool, toggle: bool) -> int:
        """CyU3PUsbStall: EP0 with ``stall``; another endpoint also clears (stall False).

        A stall of EP0 ends with the next SETUP, and is dropped when one already waits. Clearing
        with ``toggle`` makes EP1 number its packets from 0 again, whether it was halted or not.
        BAD_ARGUMENT for clearing EP0 and past endpoint 15, NOT_STARTED before the driver is,
        SUCCESS with nothing done while there is no link.
        """
        number = endpoint & 0x7F
        if number > ENDPOINT_MAX or (number == 0 and not stall):
            return SdkStatus.BAD_ARGUMENT
        status = self._lock_driver()
        if status != SUCCESS:
            return status
        if number == 0:
            self.chip.ep0.desynchronised = False
            self._end_current(TransferStatus.STALLED)
        elif self.link_speed is not UsbSpeed.NOT_CONNECTED:
            if stall:
                self.halted_endpoints |= {endpoint}
            else:
                self.halted_endpoints -= {endpoint}
                if toggle and endpoint == BULK_IN_ENDPOINT:
                    self.chip.stream.restart_sequence()
        self.usb_lock.put()
        return SUCCESS
