"""A program stops reading for 10 s and then reads on: legal use that looks like a wedge.

Ctrl-Z, a full disk, a garbage collector: the device fills its eight buffers, the state machine
waits, the DMA count stands still, exactly as in a streaming wedge. The first streaming watchdog
without a cap restarted the stream for ever when a host had died (incident F6, 13 recoveries in 5
s); with the cap it tries five times and then leaves the stream alone. Nothing above level 1 may
ever follow from it, or Ctrl-C on a host program costs the firmware.

Source: commits d26b40c, db8440c and 005b4e2 of the public firmware.
"""

from __future__ import annotations

from scenarios.scenario import Scenario
from scenarios.station import Station

RATE_HZ = 64_000_000
PAUSE_MS = 10_000


def paused_reader(station: Station, pause_ms: int = PAUSE_MS) -> None:
    """Stream, read nothing for a time, and read on.

    Args:
        station: where it runs.
        pause_ms: how long it reads nothing, in ms.

    Raises:
        Trouble: the stream did not come back.
        DeviceError: a request failed, or the device left the bus.
    """
    reader = station.stream_on(RATE_HZ)
    station.watch(reader, 1_000)
    station.begin("does not read")
    station.pause(reader, pause_ms)
    station.begin("streams again")
    station.watch(reader, 1_000)
    station.read_no_more()
    station.stop()


SCENARIO = Scenario(
    name="paused_reader",
    run=paused_reader,
    summary="a program reads nothing for 10 s and then reads on: legal, and looks like a wedge",
    incident="F6",
    group="incidents",
    title="reader pauses 10 s",
    firmware="fw-2.3",
    rate_hz=RATE_HZ,
    is_legal=True,
    answers=(1,) * 5,
    answered_ms=(299, 402),
)
