"""A stream that dies of a DMA error, and that level 1 does not bring back.

EP0 answers, the application's state is broken: what level 3 is for, which stops and starts the
application and the stream with it, in about 100 ms. Without level 3 the next remedy is level 4,
which costs the firmware. That level 1 fails is injected; which real fault behaves so is not known.

Source: judgement; the ladder of a streaming wedge is 1, 3, 4.
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
PATIENCE_MS = 1_500
"""0.4 s to see the wedge, the failed level 1, and level 3 within its budget of 0.5 s."""


def application_wedge(station: Station) -> None:
    """Stream for 10 s.

    Args:
        station: where it runs.

    Raises:
        Trouble: no data for more than 1.5 s.
        DeviceError: a request failed, or the device left the bus.
    """
    stream_patiently(station, RATE_HZ, WATCH_MS, PATIENCE_MS)


SCENARIO = Scenario(
    name="application_wedge",
    run=application_wedge,
    summary="a DMA error kills the stream, and restarting the stream does not mend it",
    group="incidents",
    title="stream dead, level 1 fails",
    firmware="reference",
    rate_hz=RATE_HZ,
    needs_world=True,
    faults=lambda random: (
        Fault("dma_error", at_ms=FAULT_MS),
        Fault("remedy_fails", level=1, times=0),
    ),
    answers=(1, 3),
    answered_ms=(299, 402),
)
