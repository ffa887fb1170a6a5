"""What the driver costs on top of pyusb: reads and requests on a backend that answers at once.

Each figure is a difference: the same transfer through :class:`hw.rx888.Rx888` and through pyusb
alone, in turn, the best round of each.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from time import perf_counter

from hw.protocol import BULK_IN_ENDPOINT, VENDOR_IN, VENDOR_OUT, Request
from hw.runtime import ThreadRuntime
from hw.rx888 import Rx888
from tests.hw.fake_usb import FakeDevice, WorldBackend

READ_BYTES = 65_536
_CALLS = 2_000
_STATS = bytes(26)


class InstantBackend(WorldBackend):
    """Every transfer is complete at once, with whatever stands in the buffer."""

    def ctrl_transfer(
        self,
        dev_handle: FakeDevice,
        bmRequestType: int,  # noqa: N803
        bRequest: int,  # noqa: N803
        wValue: int,  # noqa: N803
        wIndex: int,  # noqa: N803
        data: array[int],
        timeout: int,
    ) -> int:
        return len(data)

    def bulk_read(
        self, dev_handle: FakeDevice, ep: int, intf: int, buff: array[int], timeout: int
    ) -> int:
        return len(buff)


def measure(rounds: int) -> dict[str, float]:
    """Microseconds on top of pyusb for each call; negative where the driver spares a buffer."""
    device = Rx888.open(InstantBackend(FakeDevice()), ThreadRuntime())
    usb = device._connection._device
    buffer = array("B", bytes(READ_BYTES))

    def raw_read() -> None:
        usb.read(BULK_IN_ENDPOINT, READ_BYTES, 1000)

    def raw_read_into() -> None:
        usb.read(BULK_IN_ENDPOINT, buffer, 1000)

    def raw_in() -> None:
        usb.ctrl_transfer(VENDOR_IN, Request.GETSTATS, 0, 0, 26, 1000)

    def raw_out() -> None:
        usb.ctrl_transfer(VENDOR_OUT, Request.STOPFX3, 0, 0, bytes(4), 1000)

    pairs: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "read_us": (lambda: device.read(READ_BYTES, timeout_ms=1000), raw_read),
        "read_into_us": (lambda: device.read_into(buffer, timeout_ms=1000), raw_read_into),
        "request_in_us": (lambda: device.request_in(Request.GETSTATS, 26), raw_in),
        "stop_us": (device.stop, raw_out),
    }
    figures = {}
    for name, (ours, theirs) in pairs.items():
        best = [min(_seconds(call) for _ in range(3 * rounds)) for call in (ours, theirs)]
        figures[name] = (best[0] - best[1]) / _CALLS * 1e6
    device.close()
    return figures


def _seconds(call: Callable[[], object]) -> float:
    began = perf_counter()
    for _ in range(_CALLS):
        call()
    return perf_counter() - began
