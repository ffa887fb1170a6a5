"""Requests on EP0: what their handlers take, and how long a host waits for them."""

from __future__ import annotations

import errno
from array import array
from collections.abc import Callable
from functools import partial

from usb.core import USBError

from hw.protocol import BULK_IN_ENDPOINT, DEVICE_INFO_BYTES, Argument, Request
from scenarios.calibration.bench import (
    MAY_2026,
    MHZ,
    NS_PER_MS,
    NS_PER_US,
    SHIPPED,
    Bench,
    booted,
    ignoring_failure,
)
from scenarios.calibration.figure import Figure, Group, Interval, Rule, about, exactly, over
from scenarios.suite import moves
from sim.host.usbfs import Handle
from sim.host.world_backend import WorldBackend
from sim.options import Options

LOCK_TIMES_MS = (1, 2, 5, 10)
"""Over the published span of a PLL's lock time."""
LIBUSB_OTHER = -99
NEVER_LOCKS_MS = 60_000


def control_timeout() -> Interval:
    """Until a host gives up on a handler that blocks."""
    with booted() as bench:
        began_ns = bench.world.now_ns
        ignoring_failure(lambda: bench.device.hang_handler(1_500))
        return exactly((bench.world.now_ns - began_ns) / NS_PER_MS)


def longest_handler() -> Interval:
    """STOPFX3 of a running, an unread and an idle stream."""
    with booted() as bench:
        bench.streaming(64 * MHZ)
        bench.sleep_ms(50)
        bench.device.stop()
        bench.device.stop()
        bench.unread()
        bench.sleep_ms(50)
        bench.device.stop()
        return over(taken / NS_PER_MS for taken in bench.handler_ns(Request.STOPFX3))


def stats_round_trip(firmware: str, policy: str) -> Interval:
    """GETSTATS as a host sees it, at rest and beside a stream."""
    with booted(firmware, policy) as bench:
        taken = [_timed(bench, bench.device.stats)]
        bench.streaming(64 * MHZ)
        for _ in range(5):
            bench.sleep_ms(13.7)
            taken.append(_timed(bench, bench.device.stats))
        return over(each / NS_PER_MS for each in taken)


def register_read() -> Interval:
    """The handler of I2CRFX3 for one byte."""
    with booted() as bench:
        bench.device.i2c_read(moves.CLOCK_ADDRESS, 0, 1)
        return over(taken / NS_PER_US for taken in bench.handler_ns(Request.I2CRFX3))


def preflight() -> Interval:
    """A STARTFX3 that is refused at the second register: clock on, PLL A not locked."""
    with booted(options=Options(pll_lock_ms=NEVER_LOCKS_MS)) as bench:
        bench.device.start_adc(64 * MHZ)
        bench.sleep_ms(500)
        bench.device.start()
        (taken,) = bench.handler_ns(Request.STARTFX3)
        return exactly(taken / NS_PER_MS)


def set_clock(firmware: str = SHIPPED[0], policy: str = SHIPPED[1]) -> Interval:
    """The handler of STARTADC over the lock times that were seen."""
    taken = []
    for lock_ms in LOCK_TIMES_MS:
        with booted(firmware, policy, options=Options(pll_lock_ms=lock_ms)) as bench:
            ignoring_failure(partial(bench.device.start_adc, 64 * MHZ))
            taken += bench.handler_ns(Request.STARTADC)
    return over(each / NS_PER_MS for each in taken)


def set_clock_without_lock() -> Interval:
    """The handler of STARTADC when the PLL never locks: all its polls."""
    with booted(options=Options(pll_lock_ms=NEVER_LOCKS_MS)) as bench:
        bench.device.start_adc(64 * MHZ)
        return over(taken / NS_PER_MS for taken in bench.handler_ns(Request.STARTADC))


def data_wait() -> Interval:
    """The handler of an OUT request whose data never comes, with nobody to reset the device."""
    with booted(policy="none") as bench:
        bench.world.host.withhold_data = lambda request: True
        ignoring_failure(lambda: bench.device.set_argument(Argument.ATTENUATOR, 0))
        bench.world.host.withhold_data = None
        bench.sleep_ms(10_000)
        return over(taken / NS_PER_MS for taken in bench.handler_ns(Request.SETARGFX3))


def start_after_clock() -> Interval:
    """STARTADC and STARTFX3 back to back, 50 times: how many STARTFX3 fail."""
    failed = 0
    with booted(*MAY_2026) as bench:
        for _ in range(50):
            bench.device.start_adc(32 * MHZ)
            failed += moves.failure_of(bench.device.start) is not None
            bench.device.stop()
    return exactly(failed)


def refused_beside_an_owner() -> Interval:
    """How many of clear-halt and SET_CONFIGURATION a second program is refused with EBUSY.

    libusb tells it of SET_CONFIGURATION alone; a clear-halt gets its "other error".
    """
    with booted() as bench:
        backend, handle = _second_program(bench)
        clear_halt = _error(partial(backend.clear_halt, handle, BULK_IN_ENDPOINT))
        configure = _error(partial(backend.set_configuration, handle, 1))
        is_refused = clear_halt is not None and clear_halt.backend_error_code == LIBUSB_OTHER
        is_busy = configure is not None and configure.errno == errno.EBUSY
        return exactly(is_refused + is_busy)


def served_beside_an_owner() -> Interval:
    """How many of a vendor request and a port reset a second program is allowed."""
    with booted() as bench:
        backend, handle = _second_program(bench)
        reply = array("B", bytes(DEVICE_INFO_BYTES))
        served = backend.ctrl_transfer(handle, 0xC0, Request.TESTFX3, 0, 0, reply, 1_000)
        error = _error(partial(backend.reset_device, handle))
        # A device that re-enumerates differently answers a port reset with "not found".
        is_reset = error is None or error.errno == errno.ENOENT
        return exactly((served == DEVICE_INFO_BYTES) + is_reset)


def _second_program(bench: Bench) -> tuple[WorldBackend, Handle]:
    backend = WorldBackend(bench.world, "another program")
    return backend, backend.open_device(bench.on_bus)


def _error(call: Callable[[], object]) -> USBError | None:
    try:
        call()
    except USBError as error:
        return error
    return None


def _timed(bench: Bench, call: Callable[[], object]) -> int:
    began_ns = bench.world.now_ns
    call()
    return bench.world.now_ns - began_ns


GROUP = Group(
    "Requests and their handlers",
    (
        Figure(
            key="control_timeout",
            quantity="host's time-out of a control request",
            published="1000 ms",
            source="fx3_cmd.c",
            unit="ms",
            expected=exactly(1_000),
            measure=control_timeout,
        ),
        Figure(
            key="control_timeout_tools",
            quantity="time-outs of two more tools",
            published="250 ms in the fuzzer, 500 ms in the test with two actors",
            source="fx3_fuzz.c, two_actor",
            reason="a choice of those programs; neither is part of this project",
        ),
        Figure(
            key="longest_handler",
            quantity="longest handler seen: STOPFX3",
            published="about 5 ms, 1 ms of it asleep",
            source="health.c",
            unit="ms",
            expected=about(5, 20),
            measure=longest_handler,
            rule=Rule.MEETS,
            reason="the model counts sleeps, waits and I2C alone: the library's own code takes no "
            "time; how the 5 ms were measured is not said",
        ),
        Figure(
            key="stats_round_trip_20",
            quantity="GETSTATS round trip, 20 bytes (one register read)",
            published="about 1 ms; 0.3 to 1.2 ms where sources disagree about I2C",
            source="fx3_cmd.c, dma_count_monotonic; judgement",
            unit="ms",
            expected=Interval(0.3, 1.2),
            measure=lambda: stats_round_trip(*MAY_2026),
            rule=Rule.MEETS,
        ),
        Figure(
            key="stats_round_trip_26",
            quantity="GETSTATS round trip, 26 bytes (three register reads)",
            published="0.3 to 1.2 ms",
            source="judgement; USBHandler.c",
            unit="ms",
            expected=Interval(0.3, 1.2),
            measure=lambda: stats_round_trip(*SHIPPED),
        ),
        Figure(
            key="register_read_slow",
            quantity="one register over I2C at 400 kHz",
            published="about 300 us",
            source="PLAN_STARTFX3_SILENT_STALL",
            unit="us",
            expected=about(300, 20),
            measure=register_read,
            rule=Rule.MEETS,
        ),
        Figure(
            key="register_read_fast",
            quantity="one register over I2C at 400 kHz",
            published="about 50 us",
            source="the diagnostics document",
            unit="us",
            expected=about(50, 20),
            measure=register_read,
            rule=Rule.MEETS,
            reason="4 bytes of 9 bits cannot pass in less than 90 us at 400 kHz; contradicts the "
            "300 us of another document",
        ),
        Figure(
            key="preflight",
            quantity="preflight of STARTFX3: two register reads",
            published="about 0.6 ms",
            source="PLAN_STARTFX3_SILENT_STALL",
            unit="ms",
            expected=about(0.6, 20),
            measure=preflight,
            rule=Rule.MEETS,
        ),
        Figure(
            key="set_clock",
            quantity="STARTADC, lock in 1 to 10 ms",
            published="10 to 50 ms, estimated",
            source="commit 4d6e629",
            unit="ms",
            expected=Interval(10, 50),
            measure=set_clock,
            rule=Rule.MEETS,
            remark="an estimate of the author; with the default pll_lock_ms of 2 the model is "
            "faster than it",
        ),
        Figure(
            key="set_clock_polls",
            quantity="STARTADC when the PLL never locks",
            published="at most 100 polls of 1 ms; it can reach 100 ms and more",
            source="commit 4d6e629; health.c",
            unit="ms",
            expected=Interval(99, 130),
            measure=set_clock_without_lock,
            remark="each poll is one tick, the first of them cut by the phase of the request",
        ),
        Figure(
            key="set_clock_before",
            quantity="STARTADC of the original firmware",
            published="1000 ms",
            source="commit 4d6e629",
            unit="ms",
            expected=about(1_000, 1),
            measure=lambda: set_clock("original", "none"),
        ),
        Figure(
            key="start_after_clock",
            quantity="STARTFX3 right after STARTADC, 50 times: failures since the lock is polled",
            published="0 expected (13 of 367 and 7 of 252 cycles before)",
            source="commit 4d6e629",
            expected=exactly(0),
            measure=start_after_clock,
        ),
        Figure(
            key="data_wait",
            quantity="wait of the SDK for the data of an OUT request",
            published="5000 ms in polls of 100 ms",
            source="S131; cyu3usb.h",
            unit="ms",
            expected=Interval(4_999, 5_100),
            measure=data_wait,
            remark="the first tick of the wait is cut by the phase of the request",
        ),
        Figure(
            key="claimed_by_another",
            quantity="of clear-halt and SET_CONFIGURATION beside a program that holds the "
            "interface: refused with EBUSY",
            published="both",
            source="judgement; usbfs",
            expected=exactly(2),
            measure=refused_beside_an_owner,
        ),
        Figure(
            key="allowed_beside_another",
            quantity="of a vendor request and a port reset beside it: allowed",
            published="both",
            source="judgement; usbfs",
            expected=exactly(2),
            measure=served_beside_an_owner,
        ),
    ),
)
"""Figures about requests."""
