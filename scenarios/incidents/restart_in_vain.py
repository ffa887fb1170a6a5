"""A stream dies, and neither a restart of the stream nor of the application brings it back.

What level 4 is for: the last thing that the main thread can do. Either both remedies fail, or they
come to their end and no buffer comes; both are injected, and which real fault behaves so is not
known. A policy without level 4 tries level 3 up to its cap, with its cool-down in between, and then
leaves the device alone.

Source: judgement; the ladder of a streaming wedge is 1, 3, 4.
"""

from __future__ import annotations

from health import StatusCode
from scenarios.incidents.in_place import FAULT_MS, LOOK_INTERVAL_MS, RATE_HZ, wedge
from scenarios.station import MILLISECOND_NS, SILENCE_MS, Station
from sim.faults import Fault

WATCH_MS = 6_000


def restart_in_vain(station: Station) -> None:
    """Stream for 6 s past the fault, whatever comes.

    Args:
        station: where it runs.

    Raises:
        Trouble: the stream stopped.
        DeviceError: a request failed, or the device left the bus.
    """
    reader = station.stream_on(RATE_HZ)
    end_ns = (FAULT_MS + WATCH_MS) * MILLISECOND_NS
    while station.runtime.now_ns() < end_ns:
        station.device.stats()
        station.sleep_ms(LOOK_INTERVAL_MS)
    station.watch(reader, 2 * SILENCE_MS)


REMEDIES_FAIL = wedge(
    name="restart_in_vain",
    run=restart_in_vain,
    summary="a DMA error that neither level 1 nor level 3 mends: the device is reset",
    title="stream dead, levels 1 and 3 fail",
    faults=(
        Fault("dma_error", at_ms=FAULT_MS),
        Fault("remedy_fails", level=1, times=0),
        Fault("remedy_fails", level=3, times=0),
    ),
    answers=(1, 3, 4),
)
STAYS_DEAD = wedge(
    name="dead_after_restart",
    run=restart_in_vain,
    summary="levels 1 and 3 restart a dead stream and no buffer comes: the device is reset",
    title="stream dead, restarts bring nothing",
    faults=(
        Fault("dma_error", at_ms=FAULT_MS),
        Fault("cold_start", at_ms=FAULT_MS, until="reset"),
    ),
    answers=(1, 3, 4),
    firmwares=("reference",),
    reports=(StatusCode.STREAM_WEDGE, StatusCode.APPLICATION_WEDGED, StatusCode.COLD_START),
)
"""Level 3 begins a new session, so what it leaves dead looks like a stream that never began."""
