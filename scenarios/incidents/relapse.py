"""A stream dies twice: soon after it was mended, and long after.

A remedy that seemed to help is tried again only after health was proven for a while. A stream that
dies again within that time needs the next level; one that dies a quarter of a minute later is a new
incident and begins at the first level again, so that a level 4 is not its price.

Source: judgement; the ladder of a streaming wedge is 1, 3, 4, and `healthy_ms` of the reference
policy 10 s.
"""

from __future__ import annotations

from scenarios.incidents.in_place import stream_patiently
from scenarios.scenario import Scenario
from scenarios.station import MILLISECOND_NS, Station
from sim.faults import Fault

RATE_HZ = 64_000_000
FIRST_MS = 6_000
"""After the longest uptime that an episode draws, and its boot."""
SOON_MS = 10_000
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
