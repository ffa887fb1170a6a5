"""A stream, or EP0, fails twice: soon after it was mended, or long after.

A remedy that seemed to help is tried again only after health was proven for a while: a stream has
to move, EP0 has to answer and to fail no request, and nothing may be reported meanwhile. What dies
again before that needs the next level; what dies after it is a new incident and begins at the first
level again, so that a level 4 is not its price. A stream that was stopped in between proves
nothing.

Source: judgement; the ladder of a streaming wedge is 1, 3, 4, that of EP0 2, 4, and `healthy_ms` of
the reference policy 10 s.
"""

from __future__ import annotations

from functools import partial

from scenarios.incidents.in_place import (
    AGAIN_MS,
    ENDS_AFTER_MS,
    FAULT_MS,
    LOOK_INTERVAL_MS,
    RATE_HZ,
    answers_well,
    left_ms,
    stream_past,
    watch_patiently,
    wedge,
)
from scenarios.station import MILLISECOND_NS, Station
from sim.faults import Fault

SOON_MS = 10_000
LATE_MS = 21_000
"""More than 10 s after the first was mended, with the looks before it that were not OK."""
RESTS_MS = (8_000, 19_000)
"""From and until when the stream is stopped: longer than 10 s."""
EP0_AGAIN_MS = 11_000
DOUBT_MS = 12_000
EP0_LATE_MS = 19_000
"""More than 10 s after the first was mended, less than that after what came in between."""
CLOCK_AWAY_MS = 1_000


def wedge_after_rest(station: Station) -> None:
    """Stream past a DMA error, stop for 11 s, and stream past another.

    Args:
        station: where it runs.

    Raises:
        Trouble: no data for more than 1.5 s.
        DeviceError: a request failed, or the device left the bus.
    """
    stops_ms, starts_ms = RESTS_MS
    station.begin("sets the clock")
    station.set_clock(RATE_HZ)
    for until_ms in (stops_ms, LATE_MS + ENDS_AFTER_MS):
        station.begin("streams")
        reader = station.read_on()
        station.start()
        watch_patiently(station, reader, left_ms(station, until_ms))
        station.read_no_more()
        station.stop()
        station.begin("rests")
        station.sleep_ms(max(0, left_ms(station, starts_ms)))


def ask_past(station: Station, fault_ms: int, is_streaming: bool = False) -> None:
    """Ask ten times a second until 4 s after a fault, whatever the answers.

    Args:
        station: where it runs.
        fault_ms: when the fault comes, in ms of the world's time.
        is_streaming: stream meanwhile.

    Raises:
        DeviceError: the device left the bus, as it should the second time.
    """
    station.begin("sets the clock")
    station.set_clock(RATE_HZ)
    if is_streaming:
        station.read_on()
        station.start()
    station.begin("asks")
    while station.runtime.now_ns() < (fault_ms + ENDS_AFTER_MS) * MILLISECOND_NS:
        answers_well(station)
        station.sleep_ms(LOOK_INTERVAL_MS)


SECOND_WEDGE = wedge(
    name="second_wedge",
    run=partial(stream_past, fault_ms=LATE_MS),
    summary="two DMA errors 15 s apart: health was proven in between, so each begins at level 1",
    title="stream dies twice, 15 s apart",
    faults=(
        Fault("dma_error", at_ms=FAULT_MS),
        Fault("dma_error", at_ms=LATE_MS),
        Fault("remedy_fails", level=1, times=0),
    ),
    answers=(1, 3, 1, 3),
    followed_ms=AGAIN_MS,
)
RELAPSE = wedge(
    name="relapse",
    run=partial(stream_past, fault_ms=SOON_MS),
    summary="two DMA errors 4 s apart: what helped the first time did not last, so one level more",
    title="stream dies again 4 s later",
    faults=(Fault("dma_error", at_ms=FAULT_MS), Fault("dma_error", at_ms=SOON_MS)),
    answers=(1, 3),
)
WEDGE_AFTER_REST = wedge(
    name="wedge_after_rest",
    run=wedge_after_rest,
    summary="two DMA errors 15 s apart, no stream in between: nothing was proven, one level more",
    title="stream dies again after a rest",
    faults=(Fault("dma_error", at_ms=FAULT_MS), Fault("dma_error", at_ms=LATE_MS)),
    answers=(1, 3),
    firmwares=("reference",),
)
EP0_RELAPSE = wedge(
    name="ep0_relapse",
    run=partial(ask_past, fault_ms=EP0_AGAIN_MS),
    summary="EP0 falls out of step again 5 s later: level 2 did not last, so the device is reset",
    title="EP0 out of step again",
    faults=(Fault("ep0_desync", at_ms=FAULT_MS), Fault("ep0_desync", at_ms=EP0_AGAIN_MS)),
    answers=(2, 4),
    answered_ms=(0, 2_000),
    incident="F26",
)
EP0_DOUBT = wedge(
    name="ep0_doubt",
    run=partial(ask_past, fault_ms=EP0_LATE_MS),
    summary="EP0 out of step twice, 13 s apart; one request fails in between: no proof of health",
    title="EP0 out of step, fails once, again",
    faults=(
        Fault("ep0_desync", at_ms=FAULT_MS),
        Fault("host_gone", at_ms=DOUBT_MS, during="SETARGFX3"),
        Fault("ep0_desync", at_ms=EP0_LATE_MS),
    ),
    answers=(2, 4),
    answered_ms=(0, 2_000),
    incident="F26",
    firmwares=("reference",),
)
EP0_DOUBT_BY_CLOCK = wedge(
    name="ep0_doubt_by_clock",
    run=partial(ask_past, fault_ms=EP0_LATE_MS, is_streaming=True),
    summary="EP0 out of step twice, 13 s apart; the clock is away in between: no proof of health",
    title="EP0 out of step, clock away, again",
    faults=(
        Fault("ep0_desync", at_ms=FAULT_MS),
        Fault("clock_loss", at_ms=DOUBT_MS, for_ms=CLOCK_AWAY_MS, seen="yes"),
        Fault("ep0_desync", at_ms=EP0_LATE_MS),
    ),
    answers=(2, 4),
    answered_ms=(0, 2_000),
    incident="F26",
    firmwares=("reference",),
)
