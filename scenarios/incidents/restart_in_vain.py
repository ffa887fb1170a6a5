"""A stream dies, and neither a restart of the stream nor of the application brings it back.

What level 4 is for: the last thing that the main thread can do. Both remedies fail by injection;
which real fault behaves so is not known. A policy without level 4 tries level 3 up to its cap, with
its cool-down in between, and then leaves the device alone.

Source: judgement; the ladder of a streaming wedge is 1, 3, 4.
"""

from __future__ import annotations

from scenarios.incidents.in_place import LOOK_INTERVAL_MS
from scenarios.scenario import Scenario
from scenarios.station import MILLISECOND_NS, SILENCE_MS, Station
from sim.faults import Fault

RATE_HZ = 64_000_000
FAULT_MS = 6_000
"""After the longest uptime that an episode draws, and its boot."""
WATCH_MS = 6_000


def restart_in_vain(station: Station) -> None:
    """Stream for 6 s past the fault, whatever comes.

    Args:
        station: where it runs.

    Raises:
        Trouble: the stream stopped.
        DeviceError: a request failed, or the device left the bus.
    """
    station.begin("sets the clock")
    station.set_clock(RATE_HZ)
    station.begin("streams")
    reader = station.read_on()
    station.start()
    end_ns = (FAULT_MS + WATCH_MS) * MILLISECOND_NS
    while station.runtime.now_ns() < end_ns:
        station.device.stats()
        station.sleep_ms(LOOK_INTERVAL_MS)
    station.watch(reader, 2 * SILENCE_MS)


SCENARIO = Scenario(
    name="restart_in_vain",
    run=restart_in_vain,
    summary="a DMA error that neither level 1 nor level 3 mends: the device is reset",
    group="incidents",
    title="stream dead, levels 1 and 3 fail",
    firmware="reference",
    rate_hz=RATE_HZ,
    needs_world=True,
    faults=lambda random: (
        Fault("dma_error", at_ms=FAULT_MS),
        Fault("remedy_fails", level=1, times=0),
        Fault("remedy_fails", level=3, times=0),
    ),
    answers=(1, 3, 4),
    answered_ms=(299, 402),
)
