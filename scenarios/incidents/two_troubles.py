"""Two different troubles within ten seconds: what was done for the one says nothing of the other.

A restart of a stream that nobody read is no failed try of a wedge, and a cleared EP0 is none
either. Where they are counted together, a program that pauses, or a request that fails, makes the
next dead stream cost the application, or the firmware.

Source: judgement; stalls, streaming conditions and EP0 climb apart from each other.
"""

from __future__ import annotations

from scenarios.incidents.in_place import (
    ENDS_AFTER_MS,
    FAULT_MS,
    RATE_HZ,
    STALLED_MS,
    left_ms,
    stream_patiently,
    watch_patiently,
    wedge,
)
from scenarios.station import Station
from sim.faults import Fault

WEDGE_MS = 10_000
PAUSE_MS = 600
"""Level 1 once, after 0.3 to 0.4 s; the second would come 0.4 s later."""
EP0_PATIENCE_MS = 3_000
"""The window of 2 s in which failed data stages count, and a second for the remedy."""


def wedge_after_pause(station: Station) -> None:
    """Stream, read nothing for 0.6 s, and stream past a DMA error.

    Args:
        station: where it runs.

    Raises:
        Trouble: no data for more than 1.5 s.
        DeviceError: a request failed, or the device left the bus.
    """
    reader = station.stream_on(RATE_HZ)
    station.watch(reader, left_ms(station, FAULT_MS))
    station.begin("does not read")
    station.pause(reader, PAUSE_MS)
    station.begin("streams again")
    watch_patiently(station, reader, left_ms(station, WEDGE_MS + ENDS_AFTER_MS))
    station.read_no_more()
    station.stop()


def wedge_after_desync(station: Station) -> None:
    """Stream past an EP0 out of step and past a DMA error.

    Args:
        station: where it runs.

    Raises:
        Trouble: no data or wrong answers for more than 3 s.
        DeviceError: the device left the bus.
    """
    duration_ms = left_ms(station, WEDGE_MS + ENDS_AFTER_MS)
    stream_patiently(station, RATE_HZ, duration_ms, EP0_PATIENCE_MS)


AFTER_PAUSE = wedge(
    name="wedge_after_pause",
    run=wedge_after_pause,
    summary="a reader pauses and costs level 1; the stream that dies 3 s later begins at level 1",
    title="stream dies after a pause",
    faults=(Fault("dma_error", at_ms=WEDGE_MS),),
    answers=(1, 1),
    answered_ms=STALLED_MS,
    firmwares=("reference",),
)
AFTER_DESYNC = wedge(
    name="wedge_after_desync",
    run=wedge_after_desync,
    summary="EP0 out of step costs level 2; the stream that dies 4 s later begins at level 1",
    title="stream dies after EP0 out of step",
    faults=(Fault("ep0_desync", at_ms=FAULT_MS), Fault("dma_error", at_ms=WEDGE_MS)),
    answers=(2, 1),
    answered_ms=(0, 2_000),
    firmwares=("reference",),
)
