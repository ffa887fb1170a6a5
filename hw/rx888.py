"""Driver of the RX888mk2 over pyusb; the same object on a world and on a real device."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from health import Level
from hw import protocol
from hw.absence import Absence
from hw.boot import Image, Upload
from hw.bus import REENUMERATION_TIMEOUT_MS, Bus, Selector, UsbBackend, UsbDevice, answers
from hw.connection import Connection, Observer
from hw.errors import (
    AccessDeniedError,
    DeviceError,
)
from hw.guard import Authority, AuthoritySource, Operation, Target
from hw.guard.journal import Journal, failed
from hw.ownership import Owner
from hw.runtime import Runtime, ThreadRuntime
from hw.stream import (
    BLOCK_SAMPLES,
    DEPTH,
    READ_GRACE_MS,
    READ_TIMEOUT_MS,
    Stream,
    leave_stopped,
    spawn_primed,
)
from hw.vendor_requests import VendorRequests

PERMISSION_TIMEOUT_MS = 2_000
"""EACCES right after an enumeration was seen to last up to 2 s, until udev has run."""
PERMISSION_POLL_MS = 100


class Rx888(VendorRequests):
    """One open device; what it can be asked stands in :class:`hw.vendor_requests.VendorRequests`.

    Every method takes its time-out in ms and raises a :class:`hw.errors.DeviceError`:
    ``DeniedError`` from the guard, ``DeviceTimeoutError``, ``StalledError``, ``NoDeviceError`` and
    so on from the transfer, ``BadReplyError`` for a reply of the wrong shape.
    """

    def __init__(
        self,
        bus: Bus,
        device: UsbDevice | None,
        *,
        clear_halt: bool = True,
        is_shared: bool = False,
    ) -> None:
        self._bus = bus
        self._clear_halt = clear_halt
        self._is_shared = is_shared
        self._observers: list[Observer] = []
        super().__init__(Absence(bus.selector) if device is None else self._connect(device))
        self._generation = 0
        # A stack, so that reads in two threads at once never share a buffer.
        self._spare_buffers: list[array[int]] = []

    @classmethod
    def open(
        cls,
        backend: UsbBackend | None = None,
        runtime: Runtime | None = None,
        *,
        selector: Selector | None = None,
        authority: Authority | AuthoritySource | None = None,
        image: Image | None = None,
        clear_halt: bool = True,
        is_shared: bool = False,
        timeout_ms: int = REENUMERATION_TIMEOUT_MS,
        journal: Journal | None = None,
    ) -> Self:
        """Find a device, claim its interface, and clear the halt of its data endpoint.

        A shared one stands beside a program that streams: vendor requests and a port reset, which
        need no claim, and nothing that takes the interface.

        Args:
            backend: a pyusb backend; without one the device is real and the guard must allow it.
            runtime: clock and threads; by default those of the operating system.
            selector: which device; by default the only one there is.
            authority: what the guard is told, or what answers with it at each operation; by
                default a real device is looked at and no more.
            image: firmware to upload first if the device is in its boot ROM.
            clear_halt: whether to clear the halt, which some host controllers take badly.
            is_shared: claim nothing and clear no halt; reading claims the interface after all.
            timeout_ms: how long to wait for boot ROM or application, if an image is given.
            journal: where what is done to a real device is marked; by default the operator's.

        Raises:
            DeniedError: before anything is touched, when the guard does not allow it.
            LockedError: when another process of ours works on the device.
            NoDeviceError: when there is no such device, or it is in its boot ROM without an image.
            AmbiguousError: when several devices fit.
            DeviceError: when it cannot be claimed or the upload fails.
        """
        bus = Bus(
            backend,
            runtime or ThreadRuntime(),
            authority or Authority(),
            selector or Selector(),
            journal=journal,
        )
        bus.permit(Operation.PROBE if is_shared else Operation.OPEN)
        try:
            if image is not None:
                device, _ = bus.bring_up(image, timeout_ms)
            else:
                device = bus.find_application()
            return cls(bus, device, clear_halt=clear_halt, is_shared=is_shared)
        except BaseException as error:
            bus.gate.release(failed(error))
            raise

    @classmethod
    def expect(
        cls,
        backend: UsbBackend | None = None,
        runtime: Runtime | None = None,
        *,
        selector: Selector | None = None,
        authority: Authority | AuthoritySource | None = None,
        is_shared: bool = False,
        journal: Journal | None = None,
    ) -> Self:
        """Return the driver of a device that need not be there; nothing is looked for or opened.

        Every transfer raises ``NoDeviceError`` until :meth:`reacquire` has found the device.
        Arguments as of :meth:`open`.
        """
        bus = Bus(
            backend,
            runtime or ThreadRuntime(),
            authority or Authority(),
            selector or Selector(),
            journal=journal,
        )
        return cls(bus, None, is_shared=is_shared)

    def _connect(self, device: UsbDevice) -> Connection:
        return Connection(
            self._bus,
            device,
            clear_halt=self._clear_halt,
            observers=self._observers,
            is_shared=self._is_shared,
        )

    @property
    def target(self) -> Target:
        """What the guard judges."""
        return self._bus.target

    @property
    def is_shared(self) -> bool:
        """It was opened beside whoever owns the interface."""
        return self._is_shared

    @property
    def owner(self) -> Owner:
        """Who else has the interface now; nobody, where this driver has claimed it."""
        return self._connection.owner

    @property
    def generation(self) -> int:
        """How many times the device was lost and found again since it was opened."""
        return self._generation

    def permit(self, *operations: Operation) -> None:
        """Return if the guard allows all of these operations on this device.

        Raises:
            DeniedError: for the first one that it does not allow.
        """
        for operation in operations:
            self._bus.permit(operation)

    @contextmanager
    def acting_for(self, level: Level) -> Iterator[None]:
        """Tell the guard which level of the cascade the enclosed operations are for.

        Args:
            level: that a standing grant may name.
        """
        gate = self._bus.gate
        before, gate.acting_level = gate.acting_level, level
        try:
            yield
        finally:
            gate.acting_level = before

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Hold the lock on a real device meanwhile; a driver that has claimed it holds it anyway.

        Raises:
            LockedError: another process of ours works on the device; nothing was done.
        """
        self._connection.hold()
        try:
            yield
        finally:
            if self._is_shared:
                self._bus.gate.release()

    def close(self) -> None:
        """Release the interface, the handle and the lock; closing twice is harmless."""
        try:
            self._connection.close()
        finally:
            self._bus.gate.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def address(self) -> tuple[int | None, int | None]:
        """Bus and address, which change at a re-enumeration."""
        return self._connection.address

    def observe(self, observer: Observer) -> None:
        """Tell somebody of each transfer once it has ended, failed ones too."""
        self._observers.append(observer)

    # --- data ---------------------------------------------------------------------------------

    def read(self, size_bytes: int, *, timeout_ms: int) -> bytes:
        """Read samples: little-endian int16.

        Args:
            size_bytes: how many bytes; a multiple of 1024.
            timeout_ms: limit of the transfer.

        Returns:
            What arrived, which is less than asked for when the time was over.

        Raises:
            DeviceTimeoutError: when nothing at all arrived.
        """
        try:
            buffer = self._spare_buffers.pop()
        except IndexError:
            buffer = _new_buffer(size_bytes)
        if len(buffer) != size_bytes:
            buffer = _new_buffer(size_bytes)
        received = self._connection.bulk_read_into(buffer, timeout_ms)
        data = bytes(memoryview(buffer)[:received])
        self._spare_buffers.append(buffer)
        return data

    def read_into(self, buffer: array[int], *, timeout_ms: int) -> int:
        """Read samples into a buffer of the caller's: no copy, nothing allocated.

        A program that only counts uses the same buffer again and again.

        Args:
            buffer: from ``array("B", bytes(n))``; its length is what is asked for, a multiple of
                1024.
            timeout_ms: limit of the transfer.

        Returns:
            How many bytes arrived, in the buffer's beginning.

        Raises:
            DeviceTimeoutError: when nothing at all arrived.
        """
        return self._connection.bulk_read_into(buffer, timeout_ms)

    def primed_start(self, size_bytes: int, *, timeout_ms: int) -> bytes:
        """Queue a read, then STARTFX3, then wait for the read.

        With a transfer queued before the first buffer fills, the endpoint never sees data that
        nobody asked for, which some host controllers answer with an endpoint error.

        Args:
            size_bytes: how many bytes to read.
            timeout_ms: limit of the read.

        Raises:
            DeviceError: of STARTFX3, with the outcome of the abandoned read as a note; or of the
                read.
        """
        reader = spawn_primed(
            self._bus.runtime,
            "primed read",
            lambda: self.read(size_bytes, timeout_ms=timeout_ms),
        )
        try:
            self.start()
        except DeviceError as start_error:
            try:
                reader.join(timeout_ms + READ_GRACE_MS)
            except (DeviceError, TimeoutError) as read_error:
                start_error.add_note(f"the read queued before it: {read_error}")
            raise
        return reader.join(timeout_ms + READ_GRACE_MS)

    def stream(
        self,
        *,
        rate_hz: int | None = None,
        block_samples: int = BLOCK_SAMPLES,
        depth: int = DEPTH,
        limit_blocks: int | None = None,
        timeout_ms: int = READ_TIMEOUT_MS,
    ) -> Stream:
        """Return a stream of numpy arrays; it starts when entered and stops when left.

        ::

            with device.stream(rate_hz=64_000_000) as stream:
                for block in stream:
                    ...

        Arguments, attributes and errors: see :class:`hw.stream.Stream`.
        """
        return Stream(
            self,
            self._bus.runtime,
            rate_hz=rate_hz,
            block_samples=block_samples,
            depth=depth,
            limit_blocks=limit_blocks,
            timeout_ms=timeout_ms,
        )

    @contextmanager
    def left_stopped(self) -> Iterator[Self]:
        """Send STOPFX3 on the way out of the block, a Ctrl-C included.

        For programs that start and read by themselves; :meth:`stream` does it anyway.

        Raises:
            DeviceError: of STOPFX3, when nothing else went wrong; otherwise it is a note on what
                did.
        """
        try:
            yield self
        except BaseException as error:
            leave_stopped(self, error)
            raise
        leave_stopped(self, None)

    def clear_halt(self) -> None:
        """Clear the halt of the data endpoint.

        Raises:
            BusyError: when another program owns the interface.
        """
        self._connection.clear_halt()

    def set_configuration(self) -> None:
        """SET_CONFIGURATION: the firmware stops its application and starts it again.

        A stream ends by it. The interface is given back for the call and claimed again.

        Raises:
            BusyError: when another program owns the interface.
        """
        self._connection.set_configuration()

    # --- coming back --------------------------------------------------------------------------

    def look(self) -> int | None:
        """Return the product id of this device as it is on the bus now, ``None`` if it is not.

        Nothing is opened, unless the device was chosen by its serial number.

        Raises:
            DeviceError: when it is there and cannot be asked, or several fit.
        """
        both = (protocol.BOOT_PRODUCT_ID, protocol.APPLICATION_PRODUCT_ID)
        found = self._bus.find(both, self._connection.place)
        return None if found is None else int(found.idProduct)

    def port_reset(self) -> None:
        """Reset the device's port, which needs no answer from its firmware.

        The handle is closed by it: :meth:`reacquire` comes next. That the device does not return
        as the same device counts as success.
        """
        self._connection.port_reset()

    def wait_for(self, product_id: int, *, timeout_ms: int) -> None:
        """Wait until this device is on the bus with a product id; nothing is opened.

        Raises:
            NoDeviceError: when the time is over.
        """
        self._bus.wait_for((product_id,), timeout_ms, selector=self._connection.place)

    def reacquire(
        self,
        image: Image | None,
        *,
        in_place: bool = False,
        has_left: bool = False,
        timeout_ms: int = REENUMERATION_TIMEOUT_MS,
        progress: Callable[[int, int], None] | None = None,
    ) -> Upload | None:
        """Find this device again after a reset, upload the firmware if need be, and open it.

        It is looked for at its port path, and by serial number if it was chosen by that.

        Args:
            image: firmware for the boot ROM; without one a device in it counts as lost.
            in_place: accept the application at any address, once it answers TESTFX3 (after a port
                reset it may never have left); otherwise one at its old address is taken for the
                device before its reset.
            has_left: the device was seen to leave the bus, so what is there now is what came back,
                and nothing is asked of it: its control endpoint may be dead already.
            timeout_ms: limit of each wait, for the device and for the application after an upload.
            progress: see :func:`hw.boot.upload`.

        Returns:
            What was uploaded, or ``None`` if the application was there already.

        Raises:
            DeviceError: when it does not come back, or cannot be uploaded to or opened.
        """
        place, old_address = self._connection.place, self._connection.address
        # The lock stays: between two resets the device is nobody else's.
        self._connection.close()

        def accept(device: UsbDevice) -> bool:
            if has_left or device.idProduct == protocol.BOOT_PRODUCT_ID:
                return True
            if in_place:
                return answers(device)
            return (device.bus, device.address) != old_address

        device, report = self._bus.bring_up(
            image, timeout_ms, selector=place, accept=accept, progress=progress
        )
        self._connection = self._connect_when_allowed(device)
        self._generation += 1
        return report

    def _connect_when_allowed(self, device: UsbDevice) -> Connection:
        """Open what has just enumerated: the system may give the permission a little later."""
        deadline_ns = self._bus.runtime.now_ns() + PERMISSION_TIMEOUT_MS * 1_000_000
        while True:
            try:
                return self._connect(device)
            except AccessDeniedError:
                if self._bus.runtime.now_ns() >= deadline_ns:
                    raise
            self._bus.runtime.sleep_ms(PERMISSION_POLL_MS)


def _new_buffer(size_bytes: int) -> array[int]:
    return array("B", bytes(size_bytes))
