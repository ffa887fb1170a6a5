"""Samples as an iterator of numpy arrays, and the way out that leaves the device stopped.

One reader takes block after block and hands them over in a bounded queue. It is one and not
several, because pyusb knows only blocking reads: two threads that read the same endpoint at once
may reach libusb in either order, and their blocks would be swapped with nothing to show it. The
price is that no read is queued between two blocks. The device bridges that with its 128 KiB of
buffers: 1.02 ms at 64 MHz, 4.1 ms at 16 MHz. A process that keeps its reader waiting for longer,
or a program that leaves the queue full, loses samples inside the device, never blocks in here, and
GETSTATS shows it: ``pib_errors`` grows.
"""

from __future__ import annotations

from array import array
from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol, Self, TypeAlias

from hw.errors import BadReplyError, DeviceError, DeviceTimeoutError
from hw.guard import Operation
from hw.protocol import BULK_PACKET_SS_BYTES, CONTROL_TIMEOUT_MS, SAMPLE_BYTES
from hw.runtime import Handle, Queue, Runtime

if TYPE_CHECKING:
    import numpy as np

    Block: TypeAlias = np.ndarray[tuple[int], np.dtype[np.int16]]

BLOCK_SAMPLES: Final = 1 << 17
"""256 KiB a read: 2 ms at 64 MHz."""
DEPTH: Final = 32
READ_TIMEOUT_MS: Final = 1000
PRIME_SETTLE_MS: Final = 1
"""pyusb's blocking read does not tell when its transfer is queued; this is ample for it."""
READ_GRACE_MS: Final = 1000
"""How long after its time-out a read is still expected to end."""

_SAMPLES_PER_PACKET = BULK_PACKET_SS_BYTES // SAMPLE_BYTES


class StreamDevice(Protocol):
    """What a stream needs of :class:`hw.rx888.Rx888`."""

    def permit(self, *operations: Operation) -> None:
        """Raise if the guard denies one of these."""

    def start_adc(self, rate_hz: int, *, timeout_ms: int = CONTROL_TIMEOUT_MS) -> None:
        """STARTADC."""

    def start(self, *, timeout_ms: int = CONTROL_TIMEOUT_MS) -> None:
        """STARTFX3."""

    def stop(self, *, timeout_ms: int = CONTROL_TIMEOUT_MS) -> None:
        """STOPFX3."""

    def read_into(self, buffer: array[int], *, timeout_ms: int) -> int:
        """Read into a buffer; return the number of bytes."""
        ...


def leave_stopped(device: StreamDevice, error: BaseException | None) -> None:
    """Send STOPFX3 on the way out.

    Args:
        device: what may be streaming.
        error: why the program leaves, or ``None``; it is not replaced by a STOPFX3 that fails,
            which becomes a note on it.

    Raises:
        DeviceError: of STOPFX3, when nothing else went wrong.
    """
    try:
        device.stop()
    except DeviceError as stop_error:
        if error is None:
            raise
        error.add_note(f"the device may still be streaming: {stop_error}")


class Stream:
    """A running stream: a context manager, and in it an iterator of int16 arrays.

    Entering sets the sample clock, queues the first read, and starts; leaving ends the reader and
    stops the device, whatever happened in between. A read that is under way ends by itself, so
    leaving takes up to one time-out where no data comes.

    The blocks belong to the program; they are not used again. A block is shorter than asked for
    when a read's time was over before it was full, and nothing is missing between it and the next.

    Args:
        device: the open driver.
        runtime: gives the reader its thread, or its task in a world.
        rate_hz: sample clock in Hz, ``None`` to leave it as it is.
        block_samples: samples a block, a multiple of 512 (one packet).
        depth: how many blocks are read ahead of the program; then the reader waits.
        limit_blocks: how many blocks there will be, ``None`` for no limit.
        timeout_ms: limit of each read.

    Attributes:
        blocks: how many blocks were read.
        bytes: how many bytes were read.
        short_reads: how many of the blocks are shorter than asked for.
        waits: how often the reader found the queue full, and the device had nobody to send to.

    Raises:
        ValueError: when a size is not possible.
    """

    def __init__(
        self,
        device: StreamDevice,
        runtime: Runtime,
        *,
        rate_hz: int | None = None,
        block_samples: int = BLOCK_SAMPLES,
        depth: int = DEPTH,
        limit_blocks: int | None = None,
        timeout_ms: int = READ_TIMEOUT_MS,
    ) -> None:
        if block_samples <= 0 or block_samples % _SAMPLES_PER_PACKET:
            raise ValueError(
                f"block_samples {block_samples} is no multiple of {_SAMPLES_PER_PACKET}, the "
                f"samples of one packet; try {BLOCK_SAMPLES}"
            )
        for name, number in (("depth", depth), ("timeout_ms", timeout_ms)):
            if number < 1:
                raise ValueError(f"{name} {number} is less than 1; try {name}=32")
        if limit_blocks is not None and limit_blocks < 1:
            raise ValueError(f"limit_blocks {limit_blocks} is less than 1; None means no limit")
        # Here, because the first import takes longer than the device can wait.
        import numpy as np

        self._as_samples = np.frombuffer
        self._device = device
        self._runtime = runtime
        self._rate_hz = rate_hz
        self._block_bytes = block_samples * SAMPLE_BYTES
        self._depth = depth
        self._limit_blocks = limit_blocks
        self._timeout_ms = timeout_ms
        self._queue: Queue[Block | DeviceError | None] = runtime.queue(depth)
        self._reader: Handle[None] | None = None
        self._is_over = False
        self._is_left = False
        self.blocks = 0
        self.bytes = 0
        self.short_reads = 0
        self.waits = 0

    def __enter__(self) -> Self:
        if self._reader is not None:
            raise RuntimeError("a stream runs once; call device.stream() for another one")
        self._device.permit(Operation.CONFIGURE, Operation.STREAM, Operation.READ)
        if self._rate_hz is not None:
            self._device.start_adc(self._rate_hz)
        try:
            self._reader = self._runtime.spawn("stream reader", self._read)
            self._runtime.sleep_ms(PRIME_SETTLE_MS)
            self._device.start()
        except BaseException as error:
            self._leave(error)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave(error)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Block:
        """Return the next block.

        Raises:
            DeviceError: when a read failed; a ``DeviceTimeoutError`` when no data came at all. The
                blocks read before it were given out first, and the stream is over.
        """
        if self._reader is None:
            raise RuntimeError("open the stream first: with device.stream() as stream: ...")
        if self._is_over or self._is_left:
            raise StopIteration
        try:
            item = self._queue.get(self._timeout_ms + READ_GRACE_MS)
        except TimeoutError as error:
            raise DeviceTimeoutError("bulk read", "the read itself does not end") from error
        if item is None or isinstance(item, DeviceError):
            self._is_over = True
            raise item or StopIteration
        return item

    def _leave(self, error: BaseException | None) -> None:
        self._is_left = True
        self._queue.close()
        try:
            # The reader first: a read that is pending when the stream stops never fills.
            if self._reader is not None:
                self._reader.join(self._timeout_ms + READ_GRACE_MS)
        except TimeoutError:
            # Stuck in a driver call; its thread does not keep the process alive.
            pass
        finally:
            leave_stopped(self._device, error)

    def _read(self) -> None:
        """Read block after block, beside the program; the last item is why there are no more."""
        try:
            while not self._is_left and self.blocks != self._limit_blocks:
                block = self._read_block()
                self.waits += len(self._queue) >= self._depth
                self._queue.put(block)
        except DeviceError as error:
            self._queue.put(error)
        else:
            self._queue.put(None)

    def _read_block(self) -> Block:
        buffer = array("B", b"\x00") * self._block_bytes
        received = self._device.read_into(buffer, timeout_ms=self._timeout_ms)
        if received % SAMPLE_BYTES:
            raise BadReplyError("bulk read", f"{received} bytes, half a sample too much")
        self.blocks += 1
        self.bytes += received
        self.short_reads += received < self._block_bytes
        return self._as_samples(buffer, dtype="<i2", count=received // SAMPLE_BYTES)
