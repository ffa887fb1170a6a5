"""The methods of a pyusb backend, on a world.

Semantics follow pyusb's own libusb1 backend on Linux: errno in USBError, USBTimeoutError for
time-outs, a read that timed out with some bytes returns them, handles of a device that
re-enumerated answer ENODEV. Time advances with the calls.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from hw.protocol import (
    BULK_IN_ENDPOINT,
    DIRECTION_IN,
    FEATURE_ENDPOINT_HALT,
    INTERFACE_NUMBER,
    RECIPIENT_INTERFACE,
    STANDARD_DEVICE_OUT,
    STANDARD_ENDPOINT_OUT,
    TYPE_MASK,
    TYPE_VENDOR,
    StandardRequest,
)
from hw.trace.transfers import GONE, TAKEN_BACK
from sim.chip.usb import DONE, Setup, TransferStatus
from sim.host.controller import UsbDevice
from sim.host.descriptors import configuration
from sim.host.endpoint import FAILING, SILENT, BulkIn
from sim.host.libusb import Failure, kernel_request_error, transfer_error
from sim.host.listing import Listing
from sim.host.usbfs import (
    Handle,
    check_recipient,
    claim,
    present,
    release,
    release_all,
    use_endpoint,
)
from sim.kernel import FOREVER_NS

if TYPE_CHECKING:
    from sim.bench import Bench

CONTROL_BYTES_MAX = 4096
"""libusb on Linux sends no longer control transfers."""
UNCONFIGURED = -1
"""What libusb also takes for "no configuration"."""
CONFIGURATION_MAX = 0xFF
ENDPOINT_BITS = 0x8F
KERNEL_TIMEOUT_MS = 5_000
"""Of the requests that the kernel makes itself (Linux, USB_CTRL_SET_TIMEOUT)."""
MILLISECOND_NS = 1_000_000


class WorldBackend(Listing):
    """The host of one world as one program sees it.

    Args:
        world: the bench.
        process: name of the program; each process has a backend of its own.
    """

    def __init__(self, world: Bench, process: str = "") -> None:
        super().__init__(world)
        self.process = process

    def wait_for_change(self, limit_ms: int) -> None:
        """Wait until a device comes or goes: what libusb calls hotplug, and pyusb lacks."""
        self.fx3loop_world.wait(self.host.changed, limit_ms * MILLISECOND_NS)

    def is_interface_claimed(self, bus: int, address: int) -> bool:
        """Whether any program has the interface of a device: what Linux shows in sysfs."""
        device = self.host.device
        return (
            device is not None
            and (device.bus, device.address) == (bus, address)
            and bool(device.claims)
        )

    # ------------------------------------------------------------ handles

    def open_device(self, dev: UsbDevice) -> Handle:
        """Open; ENODEV when it is gone, EACCES where the bench's programs have no permission."""
        handle = Handle(dev, self.process)
        present(handle)
        if not self.fx3loop_world.options.permissions:
            raise Failure.ACCESS.error()
        return handle

    def close_device(self, dev_handle: Handle) -> None:
        """Close: never blocks, for pyusb calls it from finalizers. Pending reads are cancelled."""
        release_all(dev_handle)
        bulk = dev_handle.device.bulk
        if bulk is None or not dev_handle.reads:
            return
        for transfer in list(dev_handle.reads):
            bulk.cancel(transfer)
        trouble = self.fx3loop_world.endpoint_trouble
        if trouble is not None:
            trouble.after_close(bulk)

    def claim_interface(self, dev_handle: Handle, intf: int) -> None:
        """Claim; EBUSY while another handle owns the interface."""
        claim(dev_handle, intf)

    def release_interface(self, dev_handle: Handle, intf: int) -> None:
        """Release: never blocks."""
        release(dev_handle, intf)

    def is_kernel_driver_active(self, dev_handle: Handle, intf: int) -> bool:
        """No kernel driver binds to class FF."""
        present(dev_handle)
        return False

    def detach_kernel_driver(self, dev_handle: Handle, intf: int) -> None:
        """ENOENT: there is none."""
        present(dev_handle)
        raise Failure.NOT_FOUND.error()

    def attach_kernel_driver(self, dev_handle: Handle, intf: int) -> None:
        """ENOENT: there is none."""
        present(dev_handle)
        raise Failure.NOT_FOUND.error()

    def get_configuration(self, dev_handle: Handle) -> int:
        """The kernel's own knowledge."""
        return present(dev_handle).configuration

    def set_configuration(self, dev_handle: Handle, config_value: int) -> None:
        """SET_CONFIGURATION: the firmware stops and starts its application.

        EBUSY while anybody has claimed an interface, this handle included.
        """
        if not UNCONFIGURED <= config_value <= CONFIGURATION_MAX:
            raise Failure.INVALID_PARAMETER.error()
        config_value = max(config_value, 0)
        device = present(dev_handle)
        if device.claims:
            raise Failure.BUSY.error()
        if config_value not in (0, configuration(device).descriptor.bConfigurationValue):
            raise Failure.NOT_FOUND.error()
        request = self.host.set_configuration(device, config_value)
        if request.status is not DONE:
            raise kernel_request_error(request.status)

    def set_interface_altsetting(self, dev_handle: Handle, intf: int, altsetting: int) -> None:
        """SET_INTERFACE, on an interface of one's own."""
        present(dev_handle)
        if intf not in dev_handle.claimed or altsetting:
            raise Failure.NOT_FOUND.error()
        request_type = STANDARD_DEVICE_OUT | RECIPIENT_INTERFACE
        setup = Setup(request_type, StandardRequest.SET_INTERFACE, altsetting, intf, 0)
        self._kernel_request(dev_handle, setup)

    def clear_halt(self, dev_handle: Handle, ep: int) -> None:
        """CLEAR_FEATURE(ENDPOINT_HALT), which also mends the host controller's endpoint."""
        device = present(dev_handle)
        if ep & ~ENDPOINT_BITS or not device.configuration:
            raise Failure.OTHER.error()
        use_endpoint(dev_handle, ep, Failure.NOT_FOUND, Failure.OTHER)
        bulk = device.bulk
        if bulk is None:
            raise Failure.NOT_FOUND.error()
        had_data = bulk.received_packets() > bulk.cleared_at_packet
        setup = Setup(
            STANDARD_ENDPOINT_OUT, StandardRequest.CLEAR_FEATURE, FEATURE_ENDPOINT_HALT, ep, 0
        )
        with bulk.clearing():
            self._kernel_request(dev_handle, setup)
        trouble = self.fx3loop_world.endpoint_trouble
        if trouble is not None:
            trouble.after_clear_halt(bulk, had_data)

    def reset_device(self, dev_handle: Handle) -> None:
        """Port reset; claims are given up first.

        ENOENT when the device does not come back as itself: libusb's answer to a handle that has
        to be found anew.
        """
        device = present(dev_handle)
        release_all(dev_handle)
        if not self.host.port_reset(device):
            raise Failure.NOT_FOUND.error()

    # ------------------------------------------------------------ transfers

    def ctrl_transfer(
        self,
        dev_handle: Handle,
        bmRequestType: int,  # noqa: N803 - pyusb's names
        bRequest: int,  # noqa: N803
        wValue: int,  # noqa: N803
        wIndex: int,  # noqa: N803
        data: array[int],
        timeout: int,
    ) -> int:
        """One control transfer; returns the number of bytes moved."""
        length = len(data) * data.itemsize
        if length > CONTROL_BYTES_MAX:
            raise Failure.INVALID_PARAMETER.error()
        if bmRequestType & TYPE_MASK != TYPE_VENDOR:
            check_recipient(dev_handle, bmRequestType, wIndex)
        is_in = bmRequestType & DIRECTION_IN
        setup = Setup(bmRequestType, bRequest, wValue & 0xFFFF, wIndex & 0xFFFF, length)
        payload = b"" if is_in else data.tobytes()
        transfer = self.host.control(dev_handle.device, setup, payload, timeout)
        if transfer.status is not DONE:
            raise transfer_error(transfer.status)
        if not is_in:
            return length
        reply = transfer.reply[:length]
        view = memoryview(data)
        if view.itemsize != 1:
            view = view.cast("B")
        view[: len(reply)] = reply
        return len(reply)

    def _kernel_request(self, dev_handle: Handle, setup: Setup) -> None:
        transfer = self.host.control(dev_handle.device, setup, b"", KERNEL_TIMEOUT_MS)
        if transfer.status is not DONE:
            raise kernel_request_error(transfer.status)

    def bulk_read(
        self, dev_handle: Handle, ep: int, intf: int, buff: array[int], timeout: int
    ) -> int:
        """Read; on a time-out what came counts, and only nothing at all is an error."""
        device = dev_handle.device
        if (
            ep != BULK_IN_ENDPOINT
            or INTERFACE_NUMBER not in dev_handle.claimed
            or not device.present
        ):
            present(dev_handle)
            use_endpoint(dev_handle, ep, Failure.IO, Failure.IO)
        bulk = device.bulk
        if bulk is None:
            raise Failure.IO.error()
        view = memoryview(buff)
        if view.itemsize != 1:
            view = view.cast("B")
        limit_ns = timeout * MILLISECOND_NS if timeout else FOREVER_NS
        length = len(view)
        first_packet = bulk.skip_read(length, limit_ns)
        if first_packet is None:
            first_packet, length = self._queued_read(dev_handle, bulk, length, limit_ns)
            view = view[:length]
        self.fx3loop_world.board.samples.fill(view, first_packet, length)
        return length

    def _queued_read(
        self, dev_handle: Handle, bulk: BulkIn, length: int, limit_ns: int
    ) -> tuple[int, int]:
        """A read that has to wait in the queue: (its first packet, bytes received)."""
        world = self.fx3loop_world
        if world.endpoint_trouble is not None:
            world.endpoint_trouble.before_read(bulk)
        device = dev_handle.device
        monitor = device.monitor
        if bulk.health == FAILING:
            if monitor is not None:
                monitor.failed_read(device.bus, device.address, length)
            world.sleep(world.options.control_status_ns)
            raise Failure.IO.error()
        if bulk.health == SILENT:
            number = 0
            if monitor is not None:
                number = monitor.begin_read(device.bus, device.address, length)
            world.wait(self.host.changed, None if limit_ns == FOREVER_NS else limit_ns)
            if monitor is not None:
                monitor.end_read(number, TAKEN_BACK if device.present else GONE)
            present(dev_handle)
            raise Failure.TIMEOUT.error()
        transfer = bulk.submit(length)
        dev_handle.reads[transfer] = None
        try:
            world.wait(transfer.ended, None if limit_ns == FOREVER_NS else limit_ns)
        finally:
            bulk.cancel(transfer)
            dev_handle.reads.pop(transfer, None)
        if transfer.status is TransferStatus.NO_DEVICE:
            raise Failure.NO_DEVICE.error()
        if transfer.status is TransferStatus.FAILED:
            raise Failure.IO.error()
        if transfer.overflowed:
            raise Failure.OVERFLOW.error()
        if not transfer.received:
            raise Failure.TIMEOUT.error()
        return transfer.first_packet, transfer.received

    def _refuse(
        self, dev_handle: Handle, ep: int, intf: int, data: array[int], timeout: int
    ) -> int:
        """A transfer that no endpoint of this device takes: EIO, as the kernel's EINVAL becomes.

        There is one endpoint beside EP0: bulk, to the host.
        """
        present(dev_handle)
        raise Failure.IO.error()

    bulk_write = _refuse
    intr_read = _refuse
    intr_write = _refuse
    iso_read = _refuse
    iso_write = _refuse
