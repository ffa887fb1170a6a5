"""49.7 days of uptime: the OS tick counter passes 2**32 while a program pauses, in a slow handler.

Every age is a difference of two 32-bit tick counts. One that is taken without care is negative, or
49.7 days, right at the wrap: a stall is never seen again, or a healthy handler is over its limit.

Source: CyU3PGetTime of cyu3os.h counts 1 ms ticks in 32 bits; no soak of the firmware ran so long.
"""

from __future__ import annotations

from scenarios.scenario import Scenario
from scenarios.station import MILLISECOND_NS, Station
from sim.faults import Fault

RATE_HZ = 64_000_000
PAUSE_AT_MS = 7_000
WRAP_AT_MS = 7_550
"""While nobody reads and a slow handler is in progress."""
HANG_MS = 900
PAUSE_MS = 5_000


def long_uptime(station: Station) -> None:
    """Stream, read nothing for 6 s and hang the handler for 0.9 s around the wrap, and read on.

    Args:
        station: where it runs.

    Raises:
        Trouble: the stream did not come back.
        DeviceError: a request failed, or the device left the bus.
    """
    reader = station.stream_on(RATE_HZ)
    station.watch(reader, PAUSE_AT_MS - station.runtime.now_ns() // MILLISECOND_NS)
    station.begin("does not read")
    reader.stop()
    station.onset_ns = station.runtime.now_ns()
    station.device.hang_handler(HANG_MS)
    station.pause(reader, PAUSE_MS)
    station.begin("streams again")
    station.watch(reader, 2_000)
    station.read_no_more()
    station.stop()


SCENARIO = Scenario(
    name="long_uptime",
    run=long_uptime,
    summary="a program pauses while the 32-bit tick counter wraps, after 49.7 days",
    firmwares=("fw-2.3", "reference"),
    group="incidents",
    title="tick counter wraps",
    firmware="reference",
    rate_hz=RATE_HZ,
    needs_world=True,
    faults=lambda random: (Fault("tick_wrap", at_ms=WRAP_AT_MS),),
    answers=(1,) * 5,
)
