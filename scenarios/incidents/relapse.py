"""A stream, or EP0, fails twice: soon after it was mended, or long after.

A remedy that seemed to help is tried again only after health was proven for a while. A stream that
dies again within that time needs the next level; one that dies a quarter of a minute later is a new
incident and begins at the first level again, so that a level 4 is not its price.

Source: judgement; the ladder of a streaming wedge is 1, 3, 4, and `healthy_ms` of the reference
policy 10 s.
"""

from __future__ import annotations

from scenarios.incidents.in_place import LOOK_INTERVAL_MS, answers_well, stream_patiently
from scenarios.scenario import Scenario
from scenarios.station import MILLISECOND_NS, Station
from sim.faults import Fault

RATE_HZ = 64_000_000
FIRST_MS = 6_000
"""After the longest uptime that an episode draws, and its boot."""
SOON_MS = 10_000
EP0_AGAIN_MS = 11_000
LATE_MS = 21_000
"""More than 10 s after the first was mended, with the looks before it that were not OK."""
ENDS_AFTER_MS = 4_000
PATIENCE_MS = 1_500


def second_wedge(station: Station) -> None:
    """Stream past two DMA errors, 15 s apart.

    Args:
        station: where it runs.

    Raises:
        Trouble: no data for more than 1.5 s.
        DeviceError: a request failed, or the device left the bus.
    """
    left_ms = LATE_MS + ENDS_AFTER_MS - station.runtime.now_ns() // MILLISECOND_NS
    stream_patiently(station, RATE_HZ, left_ms, PATIENCE_MS)


def relapse(station: Station) -> None:
    """Stream past two DMA errors, 4 s apart.

    Args:
        station: where it runs.

    Raises:
        Trouble: no data for more than 1.5 s.
        DeviceError: a request failed, or the device left the bus.
    """
    left_ms = SOON_MS + ENDS_AFTER_MS - station.runtime.now_ns() // MILLISECOND_NS
    stream_patiently(station, RATE_HZ, left_ms, PATIENCE_MS)


def ep0_relapse(station: Station) -> None:
    """Stream past an EP0 out of step, and another 5 s later.

    Args:
        station: where it runs.

    Raises:
        Trouble: wrong answers for more than 3 s.
        DeviceError: the device left the bus, as it should the second time.
    """
    left_ms = EP0_AGAIN_MS + ENDS_AFTER_MS - station.runtime.now_ns() // MILLISECOND_NS
    station.begin("sets the clock")
    station.set_clock(RATE_HZ)
    station.begin("asks")
    end_ns = station.runtime.now_ns() + left_ms * MILLISECOND_NS
    while station.runtime.now_ns() < end_ns:
        answers_well(station)
        station.sleep_ms(LOOK_INTERVAL_MS)


SECOND_WEDGE = Scenario(
    name="second_wedge",
    run=second_wedge,
    summary="two DMA errors 15 s apart: health was proven in between, so each begins at level 1",
    group="incidents",
    title="stream dies twice, 15 s apart",
    firmware="reference",
    rate_hz=RATE_HZ,
    needs_world=True,
    faults=lambda random: (
        Fault("dma_error", at_ms=FIRST_MS),
        Fault("dma_error", at_ms=LATE_MS),
        Fault("remedy_fails", level=1, times=0),
    ),
    answers=(1, 3, 1, 3),
    answered_ms=(299, 402),
)
RELAPSE = Scenario(
    name="relapse",
    run=relapse,
    summary="two DMA errors 4 s apart: what helped the first time did not last, so one level more",
    group="incidents",
    title="stream dies again 4 s later",
    firmware="reference",
    rate_hz=RATE_HZ,
    needs_world=True,
    faults=lambda random: (
        Fault("dma_error", at_ms=FIRST_MS),
        Fault("dma_error", at_ms=SOON_MS),
    ),
    answers=(1, 3),
    answered_ms=(299, 402),
)
EP0_RELAPSE = Scenario(
    name="ep0_relapse",
    run=ep0_relapse,
    summary="EP0 falls out of step again 5 s later: level 2 did not last, so the device is reset",
    incident="F26",
    group="incidents",
    title="EP0 out of step again",
    firmware="reference",
    rate_hz=RATE_HZ,
    needs_world=True,
    faults=lambda random: (
        Fault("ep0_desync", at_ms=FIRST_MS),
        Fault("ep0_desync", at_ms=EP0_AGAIN_MS),
    ),
    answers=(2, 4),
    answered_ms=(0, 2_000),
)
