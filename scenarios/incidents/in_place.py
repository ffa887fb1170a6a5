"""Faults that the right level mends in place: data flows again and the firmware is still there.

Levels 2 and 3 exist for these. Without them level 4 ends the trouble as well, but at the price of
the firmware: the host has to upload it again and to set everything up.
"""

from __future__ import annotations

from collections.abc import Callable

from hw.errors import DeviceError, NoDeviceError
from hw.protocol import HARDWARE_RX888MK2, Argument
from scenarios.errors import Trouble
from scenarios.reading import Reader
from scenarios.station import MILLISECOND_NS, Station

LOOK_INTERVAL_MS = 100
ANSWER_LIMIT_MS = 250
AWAY = "the device was reset, not mended in place"


def stream_patiently(station: Station, rate_hz: int, duration_ms: int, patience_ms: int) -> None:
    """Stream for a time and bear trouble that ends by itself, as long as the device stays.

    Args:
        station: where it runs.
        rate_hz: sample rate.
        duration_ms: how long to stream.
        patience_ms: how long data or right answers may be missing.

    Raises:
        Trouble: they were missing for longer.
        DeviceError: a request failed, or the device left the bus.
    """
    station.begin("sets the clock")
    station.set_clock(rate_hz)
    station.begin("streams")
    reader = station.read_on()
    station.start()
    _watch(station, reader, duration_ms, patience_ms)
    station.read_no_more()
    station.stop()


def _watch(station: Station, reader: Reader, duration_ms: int, patience_ms: int) -> None:
    now = station.runtime.now_ns()
    end_ns, well_ns, seen = now + duration_ms * MILLISECOND_NS, now, reader.bytes
    while now < end_ns:
        station.sleep_ms(LOOK_INTERVAL_MS)
        try:
            answers = answers_well(station)
        except NoDeviceError:
            station.strictly(False, AWAY)
            raise
        now = station.runtime.now_ns()
        if answers and reader.bytes != seen:
            well_ns = now
        elif now - well_ns > patience_ms * MILLISECOND_NS:
            what = f"not well for {patience_ms / 1_000:g} s"
            station.strictly(False, what)
            raise Trouble(what)
        seen = reader.bytes


def answers_well(station: Station) -> bool:
    """Ask two different questions and set the gain; whether each was served as it should be.

    Raises:
        NoDeviceError: the device left the bus.
    """
    device = station.device
    hardware: list[int] = []
    calls: tuple[Callable[[], object], ...] = (
        lambda: device.stats(timeout_ms=ANSWER_LIMIT_MS),
        lambda: hardware.append(device.info(timeout_ms=ANSWER_LIMIT_MS).hardware),
        lambda: device.set_argument(Argument.VGA, 0, timeout_ms=ANSWER_LIMIT_MS),
    )
    is_well = True
    for call in calls:
        try:
            call()
        except NoDeviceError:
            raise
        except DeviceError as error:
            station.remark(str(error))
            is_well = False
    return is_well and hardware == [HARDWARE_RX888MK2]
