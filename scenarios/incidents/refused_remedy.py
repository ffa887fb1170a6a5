"""A guard refuses level 1 for a while: not a failure, so nothing higher may follow from it.

On the host the safety rules may forbid a remedy, and the user may allow it a moment later. If a
refusal counted as a failure, a denied restart of the stream would end in a reset of the device; if
it used the cap up, nothing would be left to try when the guard agrees.

Source: judgement; a level that is refused never counts as a failure and never escalates.
"""

from __future__ import annotations

from scenarios.incidents.in_place import stream_patiently
from scenarios.scenario import Scenario
from scenarios.station import Station
from sim.faults import Fault

RATE_HZ = 64_000_000
FAULT_MS = 6_000
"""After the longest uptime that an episode draws, and its boot."""
WATCH_MS = 10_000
REFUSALS = 7
"""More than the cap of 5."""
PATIENCE_MS = 1_500


def refused_remedy(station: Station) -> None:
    """Stream for 10 s.

    Args:
        station: where it runs.

    Raises:
        Trouble: no data for more than 1.5 s.
        DeviceError: a request failed, or the device left the bus.
    """
    stream_patiently(station, RATE_HZ, WATCH_MS, PATIENCE_MS)


SCENARIO = Scenario(
    name="refused_remedy",
    run=refused_remedy,
    summary="a DMA error kills the stream, and level 1 is refused seven times before it may act",
    group="incidents",
    title="stream dead, level 1 refused",
    firmware="reference",
    rate_hz=RATE_HZ,
    needs_world=True,
    faults=lambda random: (
        Fault("dma_error", at_ms=FAULT_MS),
        Fault("remedy_refused", level=1, times=REFUSALS),
    ),
    answers=(1,) * (REFUSALS + 1),
    answered_ms=(299, 402),
)
