"""A station's ordinary day: a stream that is read, and GETSTATS ten times a second.

Nothing goes wrong by itself. It is what faults are injected into, one at a time, and what every
policy has to leave alone.
"""

from __future__ import annotations

from scenarios.scenario import Scenario
from scenarios.station import Station

RATE_HZ = 64_000_000
WATCH_MS = 20_000


def steady_stream(station: Station, watch_ms: int = WATCH_MS) -> None:
    """Stream and read everything.

    Args:
        station: where it runs.
        watch_ms: for how long, in ms.

    Raises:
        Trouble: the stream stopped.
        DeviceError: a request failed, or the device left the bus.
    """
    reader = station.stream_on(RATE_HZ)
    station.watch(reader, watch_ms)
    station.read_no_more()
    station.stop()


SCENARIO = Scenario(
    name="steady_stream",
    run=steady_stream,
    summary="a stream of 64 MS/s, read for 20 s: what faults are injected into",
    incident="",
    group="incidents",
    title="nothing",
    firmware="fw-2.3",
    rate_hz=RATE_HZ,
    is_legal=True,
    answers=(),
)
