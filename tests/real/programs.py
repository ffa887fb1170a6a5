"""Programs that use the unmodified driver on the real libusb; each prints what it found as JSON."""

from __future__ import annotations

import json
import sys
import time
from array import array
from collections.abc import Callable
from typing import Any

import usb.core
import usb.util

from hw.boot import Image
from hw.errors import DeviceError, usb_errors
from hw.guard import Acknowledgement, Authority, HostState, Operation, RiskMode, Target
from hw.protocol import (
    BOOT_PRODUCT_ID,
    BULK_IN_ENDPOINT,
    CONFIGURATION_VALUE,
    INTERFACE_NUMBER,
    VENDOR_ID,
    VENDOR_IN,
    Request,
)
from hw.rx888 import Rx888
from sim.firmware import image

RATE_HZ = 8_000_000
BLOCK_BYTES = 256 * 1024
UNKNOWN_REQUEST = 0x77
HANG_MS = 5_000
ACKNOWLEDGED = (
    Operation.RAW,
    Operation.HANG,
    Operation.CLEAR_HALT,
    Operation.SET_CONFIGURATION,
    Operation.PORT_RESET,
    Operation.RESET,
)
TARGET = Target("usb", "any device")


def authority() -> Authority:
    """Everything that these programs do is allowed."""
    acknowledgements = (Acknowledgement(operation, TARGET) for operation in ACKNOWLEDGED)
    return Authority(RiskMode.AGGRESSIVE, frozenset(acknowledgements), host_state=HostState.NORMAL)


def device(**more: Any) -> Rx888:
    """The driver on whatever libusb pyusb finds."""
    return Rx888.open(authority=authority(), **more)


def failure(call: Callable[[], object]) -> list[str] | None:
    """The class and the text of a typed error, or None."""
    try:
        call()
    except DeviceError as error:
        return [type(error).__name__, str(error)]
    return None


def daily_use() -> dict[str, Any]:
    """Open, ask, set the clock, stream, stop, close."""
    found: dict[str, Any] = {}
    with device() as rx:
        info = rx.info()
        found["info"] = [info.hardware, info.firmware_major, info.firmware_minor]
        found["is_clock_on_before"] = rx.stats().clk0_on
        rx.start_adc(RATE_HZ)
        found["is_clock_on"] = rx.stats().clk0_on
        found["read too early"] = failure(lambda: rx.read(1024, timeout_ms=100))
        first = rx.primed_start(BLOCK_BYTES, timeout_ms=2_000)
        found["first"] = first[:64].hex()
        blocks = [rx.read(BLOCK_BYTES, timeout_ms=2_000) for _ in range(8)]
        found["bytes"] = len(first) + sum(map(len, blocks))
        found["dma_count"] = rx.stats().dma_count
        rx.stop()
        rx.clear_halt()
        found["info after clear-halt"] = rx.info().hardware
        with rx.stream(rate_hz=RATE_HZ, limit_blocks=4) as stream:
            found["samples"] = sum(len(block) for block in stream)
    return found


def trouble() -> dict[str, Any]:
    """A stall, a hung handler, and what comes after them."""
    found: dict[str, Any] = {}
    with device() as rx:
        found["stall out"] = failure(lambda: rx.request_out(UNKNOWN_REQUEST, bytes(4)))
        found["stall in"] = failure(lambda: rx.request_in(UNKNOWN_REQUEST, 4))
        found["alive after stalls"] = rx.info().hardware
        found["hang"] = failure(lambda: rx.hang_handler(900, timeout_ms=300))
        found["behind it"] = failure(lambda: rx.info(timeout_ms=100))
        time.sleep(1)
        found["alive after the hang"] = rx.info().hardware
        rx.start_adc(RATE_HZ)
        rx.start()
        short = array("B", bytes(1000))
        found["overflow"] = failure(lambda: rx.read_into(short, timeout_ms=1_000))
        rx.stop()
    return found


def opening() -> list[str] | None:
    """Try to open."""
    return failure(lambda: device().close())


def owner() -> str:
    """Hold the interface until a line comes on the standard input."""
    with device() as rx:
        print(json.dumps(rx.info().hardware), flush=True)
        sys.stdin.readline()
    return "closed"


def first_samples() -> str:
    """Show the first bytes of a stream, and go on streaming until a line comes."""
    with device() as rx:
        rx.start_adc(RATE_HZ)
        data = rx.primed_start(BLOCK_BYTES, timeout_ms=2_000)
        print(json.dumps(data[:64].hex()), flush=True)
        sys.stdin.readline()
        rx.stop()
    return "closed"


def beside() -> dict[str, Any]:
    """What pyusb may do beside a program that owns the interface."""
    other = usb.core.find(idVendor=VENDOR_ID)
    return {
        "vendor request": other.ctrl_transfer(VENDOR_IN, Request.TESTFX3, 0, 0, 4)[0],
        "claim": _kind(lambda: usb.util.claim_interface(other, INTERFACE_NUMBER)),
        "configure": _kind(lambda: other.set_configuration(CONFIGURATION_VALUE)),
        "clear halt": _kind(lambda: other.clear_halt(BULK_IN_ENDPOINT)),
    }


def hang_ep0() -> list[str] | None:
    """Make the handler of the control endpoint hang for a while, beside whoever has the device."""
    with Rx888.open(authority=authority(), is_shared=True) as rx:
        return failure(lambda: rx.hang_handler(HANG_MS, timeout_ms=100))


def _kind(call: Callable[[], object]) -> str | None:
    """The class of the typed error that a call of pyusb's ends with."""
    try:
        with usb_errors("call"):
            call()
    except DeviceError as error:
        return type(error).__name__
    return None


def unplugged_reader() -> list[str] | None:
    """Read until the device is gone."""
    with device() as rx:
        rx.start_adc(RATE_HZ)
        rx.primed_start(BLOCK_BYTES, timeout_ms=2_000)
        print(json.dumps("streaming"), flush=True)
        return failure(lambda: [rx.read(BLOCK_BYTES, timeout_ms=2_000) for _ in range(10_000)])


def upload() -> dict[str, Any]:
    """From the boot ROM to the application."""
    with device(image=Image.parse(image("fw-2.3"))) as rx:
        info = rx.info()
        return {"firmware": [info.firmware_major, info.firmware_minor]}


def reset_and_return() -> dict[str, Any]:
    """RESETFX3, the boot ROM, and an upload; then the same once more from inside the program."""
    found: dict[str, Any] = {}
    with device() as rx:
        rx.reset()
        rx.wait_for(BOOT_PRODUCT_ID, timeout_ms=10_000)
        found["stale"] = failure(rx.info)
        report = rx.reacquire(Image.parse(image("fw-2.3")))
        found["uploaded_bytes"] = None if report is None else report.written_bytes
        found["firmware"] = rx.info().firmware_minor
        rx.start_adc(RATE_HZ)
        found["bytes"] = len(rx.primed_start(BLOCK_BYTES, timeout_ms=2_000))
        rx.stop()
    return found


def port_reset() -> dict[str, Any]:
    """A port reset, which needs no answer of the firmware, and an upload where it ends so."""
    with device() as rx:
        rx.port_reset()
        report = rx.reacquire(Image.parse(image("fw-2.3")), in_place=True)
        return {"is_uploaded": report is not None, "hardware": rx.info().hardware}


PROGRAMS: dict[str, Callable[[], Any]] = {
    program.__name__: program
    for program in (
        daily_use,
        trouble,
        opening,
        owner,
        first_samples,
        beside,
        hang_ep0,
        unplugged_reader,
        upload,
        reset_and_return,
        port_reset,
    )
}

if __name__ == "__main__":
    print(json.dumps(PROGRAMS[sys.argv[1]]()))
