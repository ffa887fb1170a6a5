"""From what a driver's observers are told to a log of transfers: captures of a real device.

A driver learns of a transfer when it has ended, so its request and its end are told together; the
log puts them in order. Samples of a bulk read are not kept, and what the system itself does
(enumeration, SET_CONFIGURATION) is not seen: for that there is the system's own usbmon.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from struct import Struct
from typing import Final

from hw.errors import (
    DataOverflowError,
    DeviceError,
    DeviceTimeoutError,
    NoDeviceError,
    StalledError,
)
from hw.exchange import Exchange
from hw.protocol import (
    BULK_IN_ENDPOINT,
    DIRECTION_IN,
    FEATURE_ENDPOINT_HALT,
    STANDARD_ENDPOINT_OUT,
    VENDOR_IN,
    VENDOR_OUT,
    StandardRequest,
)
from hw.trace.transfers import (
    BUS_ERROR,
    DONE,
    GONE,
    OVERFLOWED,
    STALLED,
    TAKEN_BACK,
    Target,
    TransferLog,
)

_STATUS: Final[Mapping[type[DeviceError], int]] = {
    DeviceTimeoutError: TAKEN_BACK,
    StalledError: STALLED,
    NoDeviceError: GONE,
    DataOverflowError: OVERFLOWED,
}


_PACKET: Final = Struct("<BBHHH")


def follow(
    log: TransferLog, place: Callable[[], tuple[int | None, int | None]]
) -> Callable[[Exchange], None]:
    """Return an observer for :meth:`hw.rx888.Rx888.observe`.

    Args:
        log: what is told.
        place: bus and address of the device, which change when it re-enumerates.
    """

    def told(exchange: Exchange) -> None:
        setup = _setup(exchange)
        if exchange.kind != "bulk" and not setup:
            return
        bus, address = place()
        is_in = exchange.kind in ("in", "bulk")
        endpoint = BULK_IN_ENDPOINT if exchange.kind == "bulk" else DIRECTION_IN * is_in
        asked = exchange.asked_bytes if is_in else len(exchange.sent)
        target = Target(bus or 0, address or 0, endpoint)
        number = log.submit(exchange.began_ns, target, asked, setup, exchange.sent)
        status = DONE
        if exchange.error is not None:
            status = _STATUS.get(type(exchange.error), BUS_ERROR)
        log.complete(number, exchange.ended_ns, status, exchange.received_bytes, exchange.reply)

    return told


def _setup(exchange: Exchange) -> bytes:
    """The SETUP packet of an exchange; empty where there is none."""
    if exchange.kind == "clear-halt":
        return _PACKET.pack(
            STANDARD_ENDPOINT_OUT,
            StandardRequest.CLEAR_FEATURE,
            FEATURE_ENDPOINT_HALT,
            exchange.request,
            0,
        )
    if exchange.kind == "in":
        request_type, length = VENDOR_IN, exchange.asked_bytes
    elif exchange.kind == "out":
        request_type, length = VENDOR_OUT, len(exchange.sent)
    else:
        return b""
    return _PACKET.pack(request_type, exchange.request, exchange.value, exchange.index, length)
