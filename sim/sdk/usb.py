"""The USB driver's set-up and link calls (S131 usb/*.c; cyu3usb.h)."""

from __future__ import annotations

from hw.protocol import SdkStatus
from sim.chip.usb import UsbSpeed
from sim.rtos import SUCCESS
from sim.sdk.types import (
    DESCRIPTOR_TYPES,
    STRING_INDEX_MAX,
    EventCallback,
    SetDescriptor,
    SetupCallback,
)
from sim.sdk.usb_driver import UsbDriver

_USB2_DESCRIPTORS = (SetDescriptor.HS_DEVICE, SetDescriptor.HS_CONFIGURATION)
_USB3_DESCRIPTORS = (SetDescriptor.SS_DEVICE, SetDescriptor.SS_CONFIGURATION)


class UsbCalls(UsbDriver):
    """Calls on the USB device driver."""

    # ------------------------------------------------------------ set-up

    def usb_start(self) -> int:
        """CyU3PUsbStart: creates the USB thread; ALREADY_STARTED the second time."""
        if self.usb_thread is not None:
            return SdkStatus.ALREADY_STARTED
        self._start_driver()
        return SUCCESS

    def usb_register_setup_callback(self, callback: SetupCallback, fast_enum: bool) -> None:
        """CyU3PUsbRegisterSetupCallback; with fast_enum the driver answers standard requests."""
        if not fast_enum:
            raise ValueError("only fast enumeration is modelled, as this firmware uses it")
        self._setup_callback = callback

    def usb_register_event_callback(self, callback: EventCallback) -> None:
        """CyU3PUsbRegisterEventCallback."""
        self._event_callback = callback

    def usb_set_desc(self, kind: SetDescriptor, index: int, descriptor: bytes) -> int:
        """CyU3PUsbSetDesc: keeps one descriptor of each type, and strings by index.

        NOT_STARTED before the driver is; BAD_INDEX for a string past 16; BAD_DESCRIPTOR_TYPE when
        the bytes carry another type (cyu3usb.h).
        """
        if self.usb_thread is None:
            return SdkStatus.NOT_STARTED
        if len(descriptor) < 2 or descriptor[1] != DESCRIPTOR_TYPES[kind]:
            return SdkStatus.BAD_DESCRIPTOR_TYPE
        is_string = kind is SetDescriptor.STRING
        if is_string and index > STRING_INDEX_MAX:
            return SdkStatus.BAD_INDEX
        self._descriptors[kind, index if is_string else 0] = descriptor
        return SUCCESS

    def connect_state(self, connect: bool, super_speed: bool) -> int:
        """CyU3PConnectState: turn the pull-up (or the SuperSpeed terminations) on or off.

        NOT_CONFIGURED while a descriptor is missing that this speed needs.
        """
        if self.usb_thread is None:
            return SdkStatus.NOT_STARTED
        if connect == self.usb_connected:
            return SdkStatus.ALREADY_STARTED
        needed = _USB2_DESCRIPTORS + (_USB3_DESCRIPTORS if super_speed else ())
        if connect and not all((kind, 0) in self._descriptors for kind in needed):
            return SdkStatus.NOT_CONFIGURED
        status = self.lock(self.usb_lock)
        if status != SUCCESS:
            return status
        self.usb_connected = connect
        self.link_speed = UsbSpeed.NOT_CONNECTED
        if connect:
            self.chip.attach_application(super_speed)
        else:
            self.chip.detach()
        self.usb_lock.put()
        return SUCCESS

    # ------------------------------------------------------------ link

    def usb_get_speed(self) -> UsbSpeed:
        """CyU3PUsbGetSpeed: NOT_CONNECTED until the port has connected."""
        return self.link_speed

    def usb_lpm_enable(self) -> int:
        """CyU3PUsbLPMEnable: accept U1 and U2 again; OPERN_DISABLED without a link."""
        return self._accept_low_power(True)

    def usb_lpm_disable(self) -> int:
        """CyU3PUsbLPMDisable: the FX3 cannot leave U1 or U2 by itself when it has data."""
        return self._accept_low_power(False)

    def _accept_low_power(self, accepted: bool) -> int:
        if self.link_speed is UsbSpeed.NOT_CONNECTED:
            return SdkStatus.OPERN_DISABLED
        self.lpm_enabled = accepted
        return SUCCESS
