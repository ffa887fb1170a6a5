"""F25: the first buffer after a START never comes.

About once in several thousand soak cycles, always as the very first scenario after a boot: the
state machine stays where it began, the DMA count stays 0, and many STOPs and STARTs do not help.
The streaming watchdog of firmware 2.3 looks at counts above 0 only, so it is blind to it; EP0
lives. Firmware 2.5 added a detection of its own. From the host GETSTATS tells it: armed, clock on,
count 0.

Source: #119 and #137 of the firmware, and the change log of firmware 2.5.
"""

from __future__ import annotations

from scenarios.scenario import Scenario
from scenarios.station import Station
from sim.faults import Fault

RATE_HZ = 32_000_000


def cold_start(station: Station) -> None:
    """Start for the first time after a boot and read one block.

    Args:
        station: where it runs.

    Raises:
        Trouble: no data came.
        DeviceError: a request failed.
    """
    station.begin("sets the clock")
    station.set_clock(RATE_HZ)
    station.begin("first start")
    station.start()
    station.read_block()
    station.stop()


SCENARIO = Scenario(
    name="cold_start",
    run=cold_start,
    summary="the first buffer never comes: EP0 lives, and no STOP and START mends it",
    incident="F25",
    group="incidents",
    title="no first buffer",
    firmware="fw-2.3",
    rate_hz=RATE_HZ,
    faults=lambda random: (Fault("cold_start", until="reset"),),
    answers=(1, 3, 4),
    answered_ms=(499, 602),
)
