"""A look at devices that claims nothing: what is there, and how it does.

All of it is a read-only probe, so it works beside a program that streams. GETSTATS has no side
effect; TESTFX3, which turns the debug text off, is asked only of firmware without GETSTATS.

Source: USBHandler.c (GETSTATS), judgement (usbfs: vendor requests pass beside an owner).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import usb.util

from hw import protocol
from hw.bus import Bus, UsbDevice, answers, place_name, read_serial
from hw.errors import (
    AccessDeniedError,
    BadReplyError,
    DeviceError,
    DeviceTimeoutError,
    NoDeviceError,
    StalledError,
    usb_errors,
)
from hw.protocol import GpifState, Stats

LOOK_INTERVAL_MS: Final = 300
"""Between the looks of a glance: a stream of 1 MS/s fills 36 buffers in it."""
_PRODUCTS: Final = (protocol.APPLICATION_PRODUCT_ID, protocol.BOOT_PRODUCT_ID)
_SPEEDS: Final = {1: "low", 2: "full", 3: "high", 4: "super", 5: "super+"}
"""libusb's enum libusb_speed."""
_QUIET: Final = frozenset((GpifState.RESET, GpifState.IDLE, GpifState.DISABLED))
_BLOCKED: Final = frozenset(
    (GpifState.TH0_BUSY, GpifState.TH1_BUSY, GpifState.TH1_WAIT, GpifState.TH0_WAIT)
)
_NS_PER_MS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Found:
    """One device on the bus.

    Attributes:
        device: as pyusb sees it.
        port: where, such as ``2-1.4``.
        is_application: firmware runs; else it is the boot ROM.
        speed: of its link, or a dash.
        serial: what it answers, or None; the boot ROM's is the same on every chip.
    """

    device: UsbDevice
    port: str
    is_application: bool
    speed: str
    serial: str | None

    @property
    def what(self) -> str:
        """Application or boot ROM."""
        return "application" if self.is_application else "boot ROM"


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the chosen device.

    Attributes:
        at_ms: when, on the runtime's clock.
        port: where it is, or a dash.
        what: ``application``, ``boot ROM``, ``silent`` or ``absent``.
        answer_ms: how long it took to answer; None when it did not.
        stats: None where there is no GETSTATS.
        error: why there is no answer.
    """

    at_ms: int
    port: str
    what: str
    answer_ms: float | None = None
    stats: Stats | None = None
    error: DeviceError | None = None


@dataclass(frozen=True, slots=True)
class Glance:
    """Some looks, and what they tell.

    Attributes:
        last: the last of them.
        condition: in words.
        is_healthy: it serves, or could.
    """

    last: Look
    condition: str
    is_healthy: bool


def found_on(bus: Bus) -> list[Found]:
    """Return every device, applications and boot ROMs, in order of their ports.

    Raises:
        DeniedError: when the guard does not allow to look.
        DeviceError: when the system does not tell.
    """
    devices = sorted(bus.devices(), key=lambda device: (device.bus, device.port_numbers or ()))
    return [_found(device) for device in devices]


def _found(device: UsbDevice) -> Found:
    try:
        serial: str | None = read_serial(device)
    except DeviceError:
        # Its control endpoint is dead, or this user may not open it: it is there all the same.
        serial = None
    is_application = device.idProduct == protocol.APPLICATION_PRODUCT_ID
    speed = _SPEEDS.get(device.speed or 0, "–")
    return Found(device, place_name(device), is_application, speed, serial)


def look(bus: Bus) -> Look:
    """Look once at the chosen device; its absence is an answer too.

    Raises:
        DeniedError: when the guard does not allow to look.
        AmbiguousError: several devices fit.
        NoBackendError, AccessDeniedError: nothing can be asked at all.
    """
    began_ns = bus.runtime.now_ns()
    at_ms = began_ns // _NS_PER_MS
    try:
        device = bus.find(_PRODUCTS)
    except (DeviceTimeoutError, NoDeviceError, StalledError, BadReplyError) as error:
        return Look(at_ms, "–", "silent", error=error)
    if device is None:
        return Look(at_ms, "–", "absent")
    port = place_name(device)
    if device.idProduct == protocol.BOOT_PRODUCT_ID:
        return Look(at_ms, port, "boot ROM")
    asked_ns = bus.runtime.now_ns()
    try:
        stats = _ask(device)
    except NoDeviceError as error:
        return Look(at_ms, port, "absent", error=error)
    except AccessDeniedError:
        # Nobody can say how it does.
        raise
    except DeviceError as error:
        return Look(at_ms, port, "silent", error=error)
    answer_ms = (bus.runtime.now_ns() - asked_ns) / _NS_PER_MS
    return Look(at_ms, port, "application", answer_ms, stats)


def glance(bus: Bus) -> Glance:
    """Look twice at the chosen device, once more if it is just blocked, and say how it does.

    Raises:
        NoDeviceError: it is not there.
        DeviceError: as :func:`look` raises it.
    """
    before = look(bus)
    if before.what == "absent":
        raise NoDeviceError("probe", f"04b4:00f1 not found, {bus.selector.label}")
    bus.runtime.sleep_ms(LOOK_INTERVAL_MS)
    now = look(bus)
    if now.stats is not None and now.stats.gpif_state in _BLOCKED:
        # A stream that flows is blocked now and then, and one that has just begun to stall moved.
        before = now
        bus.runtime.sleep_ms(LOOK_INTERVAL_MS)
        now = look(bus)
    condition, is_healthy = condition_of(before, now)
    return Glance(now, condition, is_healthy)


def condition_of(earlier: Look, later: Look) -> tuple[str, bool]:
    """Return what two looks tell, in words, and whether that is healthy."""
    if later.what != "application":
        return _ABSENCES[later.what], False
    before, now = earlier.stats, later.stats
    if now is None:
        return "answers; this firmware has no GETSTATS", True
    if now.gpif_state in _QUIET:
        return f"idle, {_clock(now)}", True
    if before is None or now.dma_count != before.dma_count:
        grew = before is not None and now.streaming_faults > before.streaming_faults
        return ("recovers again and again", False) if grew else (f"streams, {_clock(now)}", True)
    if now.gpif_state in _BLOCKED:
        return "stalled: its buffers are full, and nobody reads or it is wedged", False
    if now.clk0_on is False:
        return "frozen: its sample clock is off", False
    return f"frozen in state {now.gpif_state} with {now.dma_count} buffers", False


_ABSENCES: Final = {
    "boot ROM": "in its boot ROM: upload an image",
    "silent": "silent: its control endpoint does not answer",
    "absent": "it left the bus meanwhile",
}


def _clock(stats: Stats) -> str:
    if stats.clk0_on is None:
        return "clock unknown"
    is_locked = not stats.clock_status & protocol.CLOCK_PLL_A_UNLOCKED
    if not stats.clk0_on:
        return "clock off"
    return "clock on" if is_locked else "clock on, PLL not locked"


def _ask(device: UsbDevice) -> Stats | None:
    request = protocol.Request.GETSTATS
    try:
        with usb_errors(request.name):
            reply = device.ctrl_transfer(
                protocol.VENDOR_IN,
                request,
                0,
                0,
                protocol.STATS_BYTES,
                protocol.CONTROL_TIMEOUT_MS,
            )
        return Stats.unpack(bytes(reply))
    except StalledError:
        answers(device)
        return None
    except ValueError as error:
        raise BadReplyError(request.name, str(error)) from error
    finally:
        usb.util.dispose_resources(device)
