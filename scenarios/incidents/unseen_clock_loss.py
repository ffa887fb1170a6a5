"""The sample clock stops and the clock generator says that all is well.

A broken trace or a converter that sleeps: CLK0 is on, PLL A locked, the state machine frozen in a
read state. Nothing that the firmware can read explains it, so it gets 5 s to pass, and then the
levels come one after the other, up to a reset; the host's upload sets the clock up again.

Source: judgement; the status "unknown" and its ladder 2, 3, 4.
"""

from __future__ import annotations

from hw.errors import NoDeviceError
from scenarios.errors import Trouble
from scenarios.incidents.in_place import LOOK_INTERVAL_MS
from scenarios.scenario import Scenario
from scenarios.station import MILLISECOND_NS, Station
from sim.faults import Fault

RATE_HZ = 64_000_000
FAULT_MS = 6_000
"""After the longest uptime that an episode draws, and its boot."""
LOST_MS = 11_500
"""Over before the host has uploaded the firmware again."""
LIMIT_MS = 13_500
"""5 s until level 2 acts, 5 s more until level 3, and a cold start until level 4."""


def unseen_clock_loss(station: Station) -> None:
    """Stream until the device leaves the bus.

    Args:
        station: where it runs.

    Raises:
        Trouble: it did not leave in time.
        DeviceError: it left, as it should.
    """
    station.stream_on(RATE_HZ)
    while station.runtime.now_ns() < (FAULT_MS + LIMIT_MS) * MILLISECOND_NS:
        try:
            station.device.stats()
        except NoDeviceError:
            station.remark("left the bus")
            raise
        station.sleep_ms(LOOK_INTERVAL_MS)
    raise Trouble("a frozen stream that nobody explained or ended")


SCENARIO = Scenario(
    name="unseen_clock_loss",
    run=unseen_clock_loss,
    summary="the sample clock stops, and the clock generator says that it runs",
    group="incidents",
    title="clock off, unseen",
    firmware="reference",
    rate_hz=RATE_HZ,
    needs_world=True,
    faults=lambda random: (Fault("clock_loss", at_ms=FAULT_MS, for_ms=LOST_MS, seen="no"),),
    answers=(2, 3, 4),
    answered_ms=(4_999, 5_102),
)
