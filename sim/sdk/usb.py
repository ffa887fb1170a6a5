"""The USB driver: its thread, EP0 and endpoint calls (S131 usb/*.c; cyu3usb.h).

Each request is answered by exactly one of SendEP0Data, GetEP0Data, AckSetup and Stall(0). Get and
Send complete the status stage themselves, so the host's OUT call returns before the handler acts
and a stall issued later is lost (incident F20).
"""

from __future__ import annotations

from enum import IntEnum

from hw.protocol import (
    TYPE_MASK,
    TYPE_STANDARD,
    DescriptorType,
    SdkStatus,
    StandardRequest,
)
from sim.chip.usb import DONE, PENDING, ControlTransfer, TransferStatus
from sim.rtos import SUCCESS, TIMED_OUT, WAIT_FOREVER, Thread
from sim.rtos_objects import Queue
from sim.sdk.base import DRIVER_THREAD_PRIORITY, SdkBase
from sim.sdk.types import EndpointConfig, EventCallback, SetupCallback, UsbEvent

EP0_DATA_WAIT_TICKS = 5_000
"""50 slices of 100 ticks (cyu3usb.h, CyU3PUsbGetEP0Data)."""

_SETUP = "setup"


class UsbSpeed(IntEnum):
    """CyU3PUSBSpeed_t."""

    NOT_CONNECTED = 0
    FULL = 1
    HIGH = 2
    SUPER = 3


class UsbCalls(SdkBase):
    """Calls on the USB device driver."""

    usb_thread: Thread | None = None
    usb_connected = False
    configuration = 0
    endpoint: EndpointConfig | None = None
    lpm_enabled = True
    _uib_queue: Queue | None = None
    _setup_posted = False
    _setup_callback: SetupCallback | None = None
    _event_callback: EventCallback | None = None
    _ep0_waiter: Thread | None = None
    _reports_ep0_end = False

    # ------------------------------------------------------------ set-up

    def usb_start(self) -> int:
        """CyU3PUsbStart: creates the USB thread; ALREADY_STARTED the second time."""
        if self._uib_queue is not None:
            return SdkStatus.ALREADY_STARTED
        self._descriptors: dict[tuple[int, int], bytes] = {}
        self._uib_queue = Queue(self.rtos, self.timers, 16)
        self.chip.ep0.interrupt = self._setup_interrupt
        self.chip.on_bus_reset = self.bus_reset
        self.chip.ep0.arrived = self._wake_ep0_waiter
        self.usb_thread = self.rtos.create_thread(
            "USB thread", DRIVER_THREAD_PRIORITY, self._uib_run
        )
        self.threads["USB thread"] = self.usb_thread
        return SUCCESS

    def usb_register_setup_callback(self, callback: SetupCallback, fast_enum: bool) -> None:
        """CyU3PUsbRegisterSetupCallback; with fast_enum the driver answers standard requests."""
        if not fast_enum:
            raise ValueError("only fast enumeration is modelled, as this firmware uses it")
        self._setup_callback = callback

    def usb_register_event_callback(self, callback: EventCallback) -> None:
        """CyU3PUsbRegisterEventCallback."""
        self._event_callback = callback

    def usb_set_desc(self, kind: DescriptorType, index: int, descriptor: bytes) -> int:
        """CyU3PUsbSetDesc: NOT_STARTED before the driver is."""
        if self._uib_queue is None:
            return SdkStatus.NOT_STARTED
        self._descriptors[kind, index] = descriptor
        return SUCCESS

    def connect_state(self, connect: bool, super_speed: bool) -> int:
        """CyU3PConnectState: turn the pull-up (or the SuperSpeed terminations) on or off."""
        if self._uib_queue is None:
            return SdkStatus.NOT_STARTED
        if connect == self.usb_connected:
            return SdkStatus.ALREADY_STARTED
        status = self.lock(self.usb_lock)
        if status != SUCCESS:
            return status
        self.usb_connected = connect
        if connect:
            self.chip.attach_application(super_speed)
            slower = self.usb_get_speed() is not UsbSpeed.SUPER
            self._reports_ep0_end = slower or self.chip.options.ep0_complete_events
        else:
            self.chip.detach()
        self.usb_lock.put()
        return SUCCESS

    def usb_get_speed(self) -> UsbSpeed:
        """CyU3PUsbGetSpeed."""
        return UsbSpeed.SUPER if self.usb_connected else UsbSpeed.NOT_CONNECTED

    def usb_lpm_enable(self) -> int:
        """CyU3PUsbLPMEnable: accept U1 and U2 again."""
        self.lpm_enabled = True
        return SUCCESS

    def usb_lpm_disable(self) -> int:
        """CyU3PUsbLPMDisable: the FX3 cannot leave U1 or U2 by itself when it has data."""
        self.lpm_enabled = False
        return SUCCESS

    # ------------------------------------------------------------ EP0

    def usb_get_ep0_data(self, count: int) -> tuple[int, bytes]:
        """CyU3PUsbGetEP0Data: (status, data). Releases data and status stage together.

        BAD_ARGUMENT for 0 bytes, with nothing acknowledged; TIMEOUT after 5 s without data;
        XFER_CANCELLED when a newer SETUP or a reset came.
        """
        if count == 0:
            return SdkStatus.BAD_ARGUMENT, b""
        status = self.lock(self.usb_lock)
        if status != SUCCESS:
            return status, b""
        self.usb_lock.put()  # released during the wait (S131 usb/cyu3usb.c)
        ep0 = self.chip.ep0
        transfer = ep0.current
        if transfer is None or ep0.superseded or ep0.desynchronised:
            return SdkStatus.XFER_CANCELLED, b""
        if transfer.withholds_data or transfer.status is not PENDING:
            return self._wait_for_host(), b""
        transfer.end(DONE, after_ns=self.chip.options.control_status_ns)
        return SUCCESS, transfer.data[:count]

    def usb_send_ep0_data(self, data: bytes) -> int:
        """CyU3PUsbSendEP0Data: truncated to wLength; waits up to 5 s for the host to take it.

        Answers SUCCESS when a newer SETUP has come meanwhile.
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

    def _wait_for_host(self) -> int:
        """Wait for a host that does not continue: TIMEOUT, or XFER_CANCELLED by a new SETUP."""
        self._ep0_waiter = self.rtos.current()
        result = self.rtos.block(EP0_DATA_WAIT_TICKS, None)
        self._ep0_waiter = None
        return SdkStatus.TIMEOUT if result == TIMED_OUT else SdkStatus.XFER_CANCELLED

    def _wake_ep0_waiter(self) -> None:
        waiter = self._ep0_waiter
        if waiter is not None:
            self._ep0_waiter = None
            self.rtos.wake(waiter)

    def usb_ack_setup(self) -> None:
        """CyU3PUsbAckSetup: complete a request without data; skipped when a newer one waits."""
        if self.lock(self.usb_lock) != SUCCESS:
            return
        self._end_current(DONE)
        self.usb_lock.put()

    def usb_stall(self, endpoint: int, stall: bool, toggle: bool) -> int:
        """CyU3PUsbStall: EP0 with ``stall``; another endpoint also clears (stall False).

        A stall of EP0 ends with the next SETUP, and is dropped when one already waits. What a
        cleared EP1 loses is the host controller's affair (its sequence numbers).
        """
        del toggle  # belongs to the clearing of other endpoints, see above
        if endpoint & 0x7F == 0 and not stall:
            return SdkStatus.BAD_ARGUMENT
        status = self.lock(self.usb_lock)
        if status != SUCCESS:
            return status
        if endpoint & 0x7F == 0:
            self.chip.ep0.desynchronised = False
            self._end_current(TransferStatus.STALLED)
        self.usb_lock.put()
        return SUCCESS

    def _end_current(self, status: TransferStatus) -> None:
        ep0 = self.chip.ep0
        if ep0.current is not None and not ep0.superseded:
            ep0.current.end(status, after_ns=self.chip.options.control_status_ns)

    # ------------------------------------------------------------ endpoints

    def set_ep_config(self, endpoint: int, config: EndpointConfig) -> int:
        """CyU3PSetEpConfig."""
        del endpoint  # EP1 IN is the only one
        status = self.lock(self.usb_lock)
        if status == SUCCESS:
            self.endpoint = config
            self.usb_lock.put()
        return status

    def usb_flush_ep(self, endpoint: int) -> int:
        """CyU3PUsbFlushEp: drop what the endpoint's FIFO holds; about 10 us.

        Whole buffers stay with their DMA channel, and the model keeps nothing else.
        """
        del endpoint
        status = self.lock(self.usb_lock)
        if status != SUCCESS:
            return status
        self.busy_wait(10)
        self.usb_lock.put()
        return SUCCESS

    # ------------------------------------------------------------ USB thread

    def _setup_interrupt(self) -> None:
        if not self._setup_posted and self._uib_queue is not None:
            self._setup_posted = True
            self._uib_queue.send(_SETUP)

    def bus_reset(self) -> None:
        """The hardware side of a bus reset: a SETUP that nobody took is gone, and the event."""
        self.chip.ep0.pending = None
        self.raise_usb_event(UsbEvent.RESET, 1)

    def raise_usb_event(self, event: UsbEvent, data: int) -> None:
        """The hardware side of an event: queued for the USB thread."""
        if self._uib_queue is not None:
            self._uib_queue.send((event, data))

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

    def _call_event(self, event: UsbEvent, data: int) -> None:
        if event is UsbEvent.RESET:
            self.configuration = 0
        if self._event_callback is not None:
            self._event_callback(event, data)

    def _serve(self, transfer: ControlTransfer) -> None:
        if transfer.setup.request_type & TYPE_MASK == TYPE_STANDARD:
            handled = self._standard(transfer)
        else:
            handled = self._ask_application(transfer)
        if not handled:
            self.usb_stall(0, True, False)
        self.chip.ep0.current = None

    def _ask_application(self, transfer: ControlTransfer) -> bool:
        callback = self._setup_callback
        if callback is None:
            return False
        setup = transfer.setup
        first = setup.request_type | setup.request << 8 | setup.value << 16
        handled = callback(first, setup.index | setup.length << 16)
        if self._reports_ep0_end and transfer.status is DONE:
            self.raise_usb_event(UsbEvent.EP0_STAT_CPLT, 0)
        return handled

    def _standard(self, transfer: ControlTransfer) -> bool:
        """Fast enumeration: what the driver answers by itself (S131 usb/cyu3usbpp.c)."""
        request, value = transfer.setup.request, transfer.setup.value
        if request == StandardRequest.SET_CONFIGURATION:
            if value not in (0, 1):
                return False
            self.configuration = value
            # The application's start-up runs before the status stage is acknowledged.
            self._call_event(UsbEvent.SETCONF, value)
            self.usb_ack_setup()
            return True
        if request == StandardRequest.GET_DESCRIPTOR:
            descriptor = self._descriptors.get((value >> 8, value & 0xFF))
            if descriptor is None:
                return False
            return self.usb_send_ep0_data(descriptor) == SUCCESS
        if request == StandardRequest.GET_CONFIGURATION:
            return self.usb_send_ep0_data(bytes([self.configuration])) == SUCCESS
        if request == StandardRequest.GET_STATUS:
            return self.usb_send_ep0_data(b"\x00\x00") == SUCCESS
        if request == StandardRequest.SET_INTERFACE:
            self.usb_ack_setup()
            return True
        return self._ask_application(transfer)
