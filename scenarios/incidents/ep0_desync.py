"""F26: stale data on EP0, so that each reply answers another question.

A request in the wrong direction left a buffer queued in the DMA channel of EP0: later replies held
garbage, data stages failed, and at last EP0 was dead until the firmware was loaded again. The
SDK's data calls give up when a new SETUP arrives and leave their buffer behind. No handler is in
progress, so the EP0 watchdog of firmware 2.3 sees nothing. Level 2 takes the buffer away; level 4
would, too, but costs the firmware.

Source: #142 of the firmware and its protocol_fuzz soak, seed 42; S131 usb/cyu3usb.c.
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
PATIENCE_MS = 3_000
"""The window of 2 s in which failed data stages count, and a second for the remedy."""


def ep0_desync(station: Station) -> None:
    """Stream and ask GETSTATS and TESTFX3 in turns for 10 s.

    Args:
        station: where it runs.

    Raises:
        Trouble: wrong answers for more than 3 s.
        DeviceError: a request failed, or the device left the bus.
    """
    stream_patiently(station, RATE_HZ, WATCH_MS, PATIENCE_MS)


SCENARIO = Scenario(
    name="ep0_desync",
    run=ep0_desync,
    summary="stale data on EP0: every reply answers another question, and no handler hangs",
    group="incidents",
    incident="F26",
    title="EP0 out of step",
    firmware="reference",
    rate_hz=RATE_HZ,
    needs_world=True,
    faults=lambda random: (Fault("ep0_desync", at_ms=FAULT_MS),),
    answers=(2,),
    answered_ms=(0, 2_000),
)
