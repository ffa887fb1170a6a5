"""The USB driver behind its calls: interrupts and the USB thread (S131 usb/cyu3usbpp.c)."""

from __future__ import annotations

from hw.protocol import TYPE_MASK, TYPE_STANDARD
from sim.chip.usb import BusSignal, ControlTransfer, UsbSpeed
from sim.rtos import SUCCESS, WAIT_FOREVER
from sim.rtos_objects import Queue
from sim.sdk.base import DRIVER_THREAD_PRIORITY
from sim.sdk.types import UsbEvent
from sim.sdk.usb_standard import StandardRequests

_SETUP = "setup"
_MESSAGES = 16

_EVENTS = {
    BusSignal.CONNECT: UsbEvent.CONNECT,
    BusSignal.DISCONNECT: UsbEvent.DISCONNECT,
    BusSignal.RESET: UsbEvent.RESET,
    BusSignal.SUSPEND: UsbEvent.SUSPEND,
    BusSignal.RESUME: UsbEvent.RESUME,
}
_AT_SUPER_SPEED = (BusSignal.CONNECT, BusSignal.RESET)
"""Their events carry 1 at SuperSpeed and 0 at the others (cyu3usb.h)."""


class UsbDriver(StandardRequests):
    """State and thread of the USB device driver.

    Attributes:
        usb_connected: the firmware has turned its connection on.
        lpm_enabled: U1 and U2 are accepted.
    """

    usb_connected = False
    lpm_enabled = True
    _setup_posted = False

    def _start_driver(self) -> None:
        self._descriptors = {}
        self._uib_queue = Queue(self.rtos, self.timers, _MESSAGES)
        self.chip.ep0.interrupt = self._setup_interrupt
        self.chip.ep0.arrived = self._wake_ep0_waiter
        self.chip.on_signal = self.bus_signal
        self.usb_thread = self.rtos.create_thread(
            "USB thread", DRIVER_THREAD_PRIORITY, self._uib_run
        )
        self.threads["USB thread"] = self.usb_thread

    # ------------------------------------------------------------ interrupts

    def _setup_interrupt(self) -> None:
        if not self._setup_posted and self._uib_queue is not None:
            self._setup_posted = self._uib_queue.send(_SETUP) == SUCCESS

    def bus_signal(self, signal: BusSignal) -> None:
        """The hardware side of what the port does: registers at once, the event queued."""
        if signal is BusSignal.CONNECT:
            self.link_speed = self.chip.usb_speed
        elif signal is BusSignal.DISCONNECT:
            self.link_speed = UsbSpeed.NOT_CONNECTED
        if signal is BusSignal.RESET or signal is BusSignal.DISCONNECT:
            self.chip.ep0.bus_reset()
        is_super = signal in _AT_SUPER_SPEED and self.link_speed is UsbSpeed.SUPER
        self.raise_usb_event(_EVENTS[signal], int(is_super))

    # ------------------------------------------------------------ USB thread

    def _uib_run(self) -> None:
        queue = self._uib_queue
        while queue is not None:
            _, message = queue.receive(WAIT_FOREVER)
            if message is _SETUP:
                self._setup_posted = False
                transfer = self.chip.ep0.take()
                if transfer is not None:
                    self._serve(transfer)
            elif isinstance(message, tuple):
                self._call_event(*message)

    def _serve(self, transfer: ControlTransfer) -> None:
        if transfer.setup.request_type & TYPE_MASK == TYPE_STANDARD:
            handled = self._standard(transfer)
        else:
            handled = self._ask_application(transfer)
        if not handled:
            self.usb_stall(0, True, False)
        self.chip.ep0.current = None
