"""How the USB driver asks and tells the application (S131 usb/cyu3usbpp.c; cyu3usb.h)."""

from __future__ import annotations

from sim.chip.usb import DONE, ControlTransfer, UsbSpeed
from sim.rtos_objects import Queue
from sim.sdk.types import EventCallback, SetupCallback, UsbEvent
from sim.sdk.usb_endpoint import EndpointCalls

_USB2 = (UsbSpeed.HIGH, UsbSpeed.FULL)


class UsbCallbacks(EndpointCalls):
    """The two callbacks, and what an event means to the driver itself.

    Attributes:
        configuration: what SET_CONFIGURATION set.
        alternate_setting: what SET_INTERFACE set.
        u1_enabled, u2_enabled: the host lets the device ask for these link states.
    """

    configuration = 0
    alternate_setting = 0
    u1_enabled = False
    u2_enabled = False
    _uib_queue: Queue | None = None
    _setup_callback: SetupCallback | None = None
    _event_callback: EventCallback | None = None

    def raise_usb_event(self, event: UsbEvent, data: int) -> None:
        """The hardware side of an event: queued for the USB thread."""
        if self._uib_queue is not None:
            self._uib_queue.send((event, data))

    def _call_event(self, event: UsbEvent, data: int) -> None:
        if event is UsbEvent.RESET or event is UsbEvent.DISCONNECT:
            self.configuration = 0
            self.alternate_setting = 0
            self.u1_enabled = self.u2_enabled = False
            self.halted_endpoints = frozenset()
        if self._event_callback is not None:
            self._event_callback(event, data)

    def _ask_application(self, transfer: ControlTransfer) -> bool:
        """Offer a request to the setup callback; what it completed may raise an event.

        EP0_STAT_CPLT is for requests that the application handled (S131), and only when the
        status stage ends after the handler has returned.
        """
        callback = self._setup_callback
        if callback is None:
            return False
        setup = transfer.setup
        first = setup.request_type | setup.request << 8 | setup.value << 16
        handled = callback(first, setup.index | setup.length << 16)
        if handled and transfer.status is DONE:
            at_super_speed = self.link_speed is UsbSpeed.SUPER
            if self.link_speed in _USB2 or (
                at_super_speed and self.chip.options.ep0_complete_events
            ):
                self.raise_usb_event(UsbEvent.EP0_STAT_CPLT, 0)
        return handled
