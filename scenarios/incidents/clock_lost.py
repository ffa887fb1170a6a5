"""A host stops the sample clock in the middle of a stream, and starts it again after 7 s.

By an I2C write to the clock generator, as ka9q-radio programs it (incident F21); the firmware is
not asked. The state machine freezes in a read state, since it is clocked by the samples. Before its
clock was looked at, the streaming watchdog restarted the stream each 300 ms for ever (incident F4).
No level mends a clock, and it may be the host's own choice: nothing may act, and when the clock is
back the stream goes on.

Source: commits 1d94232, 6e33065, 2b50fc4 and 881129c of the firmware; Si5351 data sheet.
"""

from __future__ import annotations

from health import StatusCode
from scenarios.errors import Trouble
from scenarios.scenario import Scenario
from scenarios.station import MILLISECOND_NS, Station
from scenarios.suite.moves import CLOCK_ADDRESS

RATE_HZ = 64_000_000
CLK0_CONTROL = 16
CLK0_OFF = b"\x80"
CLK0_ON = b"\x4f"
LOST_MS = 7_000
"""Longer than the 5 s after which what nothing explains is answered."""
BACK_LIMIT_MS = 100
"""A stream that only waited for its clock needs no look of the watchdog to go on."""


def clock_lost(station: Station, lost_ms: int = LOST_MS) -> None:
    """Stream, power CLK0 down for a time, and stream on.

    Args:
        station: where it runs.
        lost_ms: how long the clock is off.

    Raises:
        Trouble: the stream did not come back.
        DeviceError: a request failed, or the device left the bus.
    """
    device = station.device
    reader = station.stream_on(RATE_HZ)
    station.watch(reader, 1_000)
    faults = device.stats().streaming_faults
    station.begin("stops the clock")
    station.onset_ns = station.runtime.now_ns()
    device.i2c_write(CLOCK_ADDRESS, CLK0_CONTROL, CLK0_OFF)
    station.sleep_ms(lost_ms)
    seen = reader.bytes
    device.i2c_write(CLOCK_ADDRESS, CLK0_CONTROL, CLK0_ON)
    station.begin("streams again")
    limit_ns = station.runtime.now_ns() + 2_000 * MILLISECOND_NS
    while reader.bytes == seen:
        if station.runtime.now_ns() >= limit_ns:
            raise Trouble("no data after the clock came back")
        station.sleep_ms(1)
    station.served_ns = station.runtime.now_ns()
    waited_ms = 2_000 - (limit_ns - station.served_ns) // MILLISECOND_NS
    station.strictly(waited_ms <= BACK_LIMIT_MS, f"data {waited_ms} ms after the clock")
    station.watch(reader, 1_000)
    grown = device.stats().streaming_faults - faults
    station.strictly(grown == 0, f"{grown} restarts of a stream whose clock was off")
    station.read_no_more()
    station.stop()


SCENARIO = Scenario(
    name="clock_lost",
    run=clock_lost,
    summary="a host stops the sample clock for 7 s in the middle of a stream: report, do not act",
    incident="F4",
    group="incidents",
    title="clock off 7 s",
    firmware="reference",
    rate_hz=RATE_HZ,
    is_legal=True,
    answers=(),
    reports=(StatusCode.CLOCK_LOST,),
)
