"""The main thread is held up right where it reads the clock, while handlers come and go.

The firmware's EP0 watchdog reads a flag, then the clock, then the time of entry, in a thread that
every other one preempts. Held up in between, it compares the times of two different calls: a
healthy handler looks as old as the delay. Here the delay is 2.5 s, longer than the limit, and comes
twice: in the first one handler ends and requests are served, at the end of the second another
handler is in progress.

Source: health.c of firmware 2.3 (the order of its reads); ThreadX preemption; the delay is
injected.
"""

from __future__ import annotations

from hw.errors import DeviceTimeoutError
from scenarios.incidents.in_place import left_ms
from scenarios.scenario import Scenario
from scenarios.station import Station
from sim.faults import Fault

RATE_HZ = 64_000_000
HANGS_AT_MS = (7_000, 12_000, 14_300)
"""The last is in progress for 0.5 s when the second delay ends."""
HANG_MS = 900
DELAYS_AT_MS = (7_200, 12_200)
"""While a handler is in progress. Of the clock's reads in a pass the sample's is the first, that
of evaluate the second."""
DELAY_MS = 2_500
"""Over the limit of 2000 ms; below the 4300 ms that the watchdog lets a main thread stall."""


def late_reader(station: Station) -> None:
    """Stream; hang the handler for 0.9 s, three times, while the main thread is held up twice.

    Args:
        station: where it runs.

    Raises:
        Trouble: the stream stopped.
        DeviceError: a request failed, or the device left the bus.
    """
    reader = station.stream_on(RATE_HZ)
    for at_ms in HANGS_AT_MS:
        station.watch(reader, left_ms(station, at_ms))
        station.begin("a slow handler")
        try:
            station.device.hang_handler(HANG_MS)
        except DeviceTimeoutError:
            station.strictly(False, f"no answer after {HANG_MS} ms")
    station.watch(reader, DELAY_MS)
    station.read_no_more()
    station.stop()


SCENARIO = Scenario(
    name="late_reader",
    run=late_reader,
    summary="the main thread is held up while it reads the clock: ages of two calls must not mix",
    group="incidents",
    title="main thread held up for 2.5 s",
    firmware="reference",
    firmwares=("fw-2.3", "reference"),
    rate_hz=RATE_HZ,
    needs_world=True,
    faults=lambda random: tuple(
        Fault("delay", at_ms=at_ms, call="get_time", thread="main", nth=2, for_ms=DELAY_MS)
        for at_ms in DELAYS_AT_MS
    ),
    answers=(),
)
