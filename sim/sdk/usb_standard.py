"""Fast enumeration: the standard requests that the driver answers by itself.

Source: S131 usb/cyu3usbpp.c, cyu3usb.h. The application is asked first for what goes to an
interface and for the features of endpoints; everything else never reaches it.
"""

from __future__ import annotations

from hw.protocol import (
    FEATURE_ENDPOINT_HALT,
    FEATURE_U1_ENABLE,
    FEATURE_U2_ENABLE,
    RECIPIENT_DEVICE,
    RECIPIENT_ENDPOINT,
    RECIPIENT_INTERFACE,
    RECIPIENT_MASK,
    DescriptorType,
    StandardRequest,
)
from sim.chip.usb import ControlTransfer, UsbSpeed
from sim.rtos import SUCCESS
from sim.sdk.types import SetDescriptor, UsbEvent
from sim.sdk.usb_callbacks import UsbCallbacks

SEL_BYTES = 6
"""Data of SET_SEL (USB 3.2 9.4.12)."""
STATUS_U1 = 1 << 2
STATUS_U2 = 1 << 3
"""Bits of a device's GET_STATUS at SuperSpeed (USB 3.2 9.4.5)."""
_CONFIGURATIONS = {
    UsbSpeed.SUPER: SetDescriptor.SS_CONFIGURATION,
    UsbSpeed.HIGH: SetDescriptor.HS_CONFIGURATION,
    UsbSpeed.FULL: SetDescriptor.FS_CONFIGURATION,
}
_OTHER_SPEED = {
    UsbSpeed.HIGH: SetDescriptor.FS_CONFIGURATION,
    UsbSpeed.FULL: SetDescriptor.HS_CONFIGURATION,
}


class StandardRequests(UsbCallbacks):
    """Answers to chapter 9's requests; each method returns whether it answered."""

    _descriptors: dict[tuple[SetDescriptor, int], bytes]

    def _standard(self, transfer: ControlTransfer) -> bool:
        recipient = transfer.setup.request_type & RECIPIENT_MASK
        if recipient == RECIPIENT_DEVICE:
            return self._to_device(transfer)
        if recipient == RECIPIENT_INTERFACE:
            return self._ask_application(transfer) or self._to_interface(transfer)
        if recipient == RECIPIENT_ENDPOINT:
            return self._to_endpoint(transfer)
        return False

    # ------------------------------------------------------------ device

    def _to_device(self, transfer: ControlTransfer) -> bool:
        setup = transfer.setup
        request = setup.request
        is_super = self.link_speed is UsbSpeed.SUPER
        if request == StandardRequest.GET_DESCRIPTOR:
            return self._reply(self._descriptor(setup.value >> 8, setup.value & 0xFF))
        if request == StandardRequest.SET_CONFIGURATION:
            return self._set_configuration(setup.value)
        if request == StandardRequest.GET_CONFIGURATION:
            return self._reply(bytes([self.configuration]))
        if request == StandardRequest.GET_STATUS:
            bits = STATUS_U1 * self.u1_enabled | STATUS_U2 * self.u2_enabled
            return self._reply(bytes([bits, 0]))
        if request in (StandardRequest.SET_FEATURE, StandardRequest.CLEAR_FEATURE):
            return is_super and self._enable_low_power(
                setup.value, request == StandardRequest.SET_FEATURE
            )
        if request == StandardRequest.SET_SEL and is_super and setup.length == SEL_BYTES:
            status, _ = self.usb_get_ep0_data(SEL_BYTES)
            if status == SUCCESS:
                self._call_event(UsbEvent.SET_SEL, 0)
            return True
        if request == StandardRequest.SET_ISOCH_DELAY and is_super:
            return self._acknowledge()
        return False

    def _set_configuration(self, value: int) -> bool:
        if value not in (0, 1):
            return False
        self.configuration = value
        self.alternate_setting = 0
        # The application's start-up runs before the status stage is acknowledged.
        self._call_event(UsbEvent.SETCONF, value)
        return self._acknowledge()

    def _enable_low_power(self, feature: int, on: bool) -> bool:
        if feature == FEATURE_U1_ENABLE:
            self.u1_enabled = on
        elif feature == FEATURE_U2_ENABLE:
            self.u2_enabled = on
        else:
            return False
        return self._acknowledge()

    def _descriptor(self, kind: int, index: int) -> bytes | None:
        """What is registered for this type at this speed, or None."""
        if kind == DescriptorType.STRING:
            return self._descriptors.get((SetDescriptor.STRING, index))
        if index:
            return None
        speed = self.link_speed
        is_super = speed is UsbSpeed.SUPER
        if kind == DescriptorType.DEVICE:
            wanted = SetDescriptor.SS_DEVICE if is_super else SetDescriptor.HS_DEVICE
        elif kind == DescriptorType.CONFIGURATION and speed in _CONFIGURATIONS:
            wanted = _CONFIGURATIONS[speed]
        elif kind == DescriptorType.BOS:
            wanted = SetDescriptor.SS_BOS
        elif kind == DescriptorType.DEVICE_QUALIFIER and not is_super:
            wanted = SetDescriptor.DEVICE_QUALIFIER
        elif kind == DescriptorType.OTHER_SPEED_CONFIGURATION and speed in _OTHER_SPEED:
            other = self._descriptors.get((_OTHER_SPEED[speed], 0))
            # The library writes the type into the registered bytes at each request.
            return None if other is None else bytes([other[0], kind]) + other[2:]
        else:
            return None
        return self._descriptors.get((wanted, 0))

    # ------------------------------------------------------------ interface and endpoint

    def _to_interface(self, transfer: ControlTransfer) -> bool:
        setup = transfer.setup
        if setup.request == StandardRequest.GET_STATUS:
            return self._reply(b"\x00\x00")
        if setup.request == StandardRequest.GET_INTERFACE:
            return self._reply(bytes([self.alternate_setting]))
        if setup.request == StandardRequest.SET_INTERFACE:
            self.alternate_setting = setup.value & 0xFF
            self._call_event(UsbEvent.SETINTF, setup.value & 0xFF)
            return self._acknowledge()
        return False

    def _to_endpoint(self, transfer: ControlTransfer) -> bool:
        setup = transfer.setup
        endpoint = setup.index & 0xFF
        if setup.request == StandardRequest.GET_STATUS:
            return self._reply(bytes([endpoint in self.halted_endpoints, 0]))
        if setup.request not in (StandardRequest.SET_FEATURE, StandardRequest.CLEAR_FEATURE):
            return False
        if self._ask_application(transfer):
            return True
        if setup.value != FEATURE_ENDPOINT_HALT or endpoint & 0x7F == 0:
            return False
        self.usb_stall(endpoint, setup.request == StandardRequest.SET_FEATURE, True)
        return self._acknowledge()

    # ------------------------------------------------------------ answers

    def _acknowledge(self) -> bool:
        self.usb_ack_setup()
        return True

    def _reply(self, data: bytes | None) -> bool:
        """Send a reply, cut to wLength; False for None, which stalls."""
        return data is not None and self.usb_send_ep0_data(data) == SUCCESS
