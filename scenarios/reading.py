"""Programs that read a stream without an end, on a world and on a real device."""

from __future__ import annotations

from typing import Protocol

from hw.errors import DeviceError, DeviceTimeoutError
from hw.runtime import Handle, Runtime
from hw.rx888 import Rx888
from sim.host.drain import Drain
from sim.host.runtime import WorldRuntime
from sim.world import BenchWorld

TRANSFER_BYTES = 1 << 20
"""Size of one read; rx888_stream keeps 32 of them queued."""
_READ_TIMEOUT_MS = 200


class Reader(Protocol):
    """Something that reads all that comes, until it is stopped."""

    @property
    def bytes(self) -> int:
        """Bytes read so far."""
        ...

    def start(self) -> None:
        """Begin to read, or read on."""

    def stop(self) -> None:
        """Read no more: the device fills up and waits."""


class BlockingReader:
    """Reads in a thread of its own, one transfer after the other.

    Args:
        device: what it reads from.
        runtime: gives the thread.
    """

    def __init__(self, device: Rx888, runtime: Runtime) -> None:
        self.bytes = 0
        self._device = device
        self._runtime = runtime
        self._reading = False
        self._thread: Handle[None] | None = None

    def start(self) -> None:
        """See :meth:`Reader.start`."""
        self._reading = True
        self._thread = self._runtime.spawn("reader", self._run)

    def stop(self) -> None:
        """See :meth:`Reader.stop`; returns when the last read has ended."""
        self._reading = False
        if self._thread is not None:
            self._thread.join(10 * _READ_TIMEOUT_MS)
            self._thread = None

    def _run(self) -> None:
        while self._reading:
            try:
                self.bytes += len(self._device.read(TRANSFER_BYTES, timeout_ms=_READ_TIMEOUT_MS))
            except DeviceTimeoutError:
                continue
            except DeviceError:
                # A device that left shows as absent data to whoever watches the count.
                return


def open_reader(device: Rx888, runtime: Runtime) -> Reader:
    """Return a reader: of a world one that accounts for bytes without making them.

    Args:
        device: the open driver.
        runtime: its clock; that of a world says which world.
    """
    if isinstance(runtime, WorldRuntime) and isinstance(runtime.world, BenchWorld):
        found = runtime.world.host.device
        if found is not None and found.bulk is not None:
            return Drain(runtime.world, found, transfer_bytes=TRANSFER_BYTES)
    return BlockingReader(device, runtime)
