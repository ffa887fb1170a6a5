"""A host that gives up data stages: now and then is its right, four in 2 s are an EP0 out of step.

A request whose data never comes is cut short by the next SETUP (XFER_CANCELLED). A slow or nervous
program does that once a second for ever, and nothing may follow from it. Four within the window are
what incidents F23 and F26 look like, and level 2 clears EP0.

Source: S131 usb/cyu3usb.c (what ends a data stage); #111 and #142 of the firmware; judgement.
"""

from __future__ import annotations

from hw.errors import DeviceTimeoutError
from hw.protocol import Argument
from scenarios.scenario import Scenario
from scenarios.station import Station
from sim.faults import Fault

RATE_HZ = 64_000_000
OFTEN = 7
"""Four for a desync; the other three come after level 2 has answered it, and begin anew."""
OFTEN_MS = 200
SELDOM = 8
SELDOM_MS = 1_000
GIVES_UP_MS = 100


def impatient_host(station: Station) -> None:
    """Give up seven requests in 1.4 s, rest, then one a second, eight times.

    Args:
        station: where it runs.

    Raises:
        DeviceError: another request failed, or the device left the bus.
    """
    station.begin("sets the clock")
    station.set_clock(RATE_HZ)
    station.begin("gives up again and again")
    station.onset_ns = station.runtime.now_ns()
    for _ in range(OFTEN):
        give_up(station, OFTEN_MS)
    station.sleep_ms(3 * SELDOM_MS)
    station.begin("gives up now and then")
    for _ in range(SELDOM):
        give_up(station, SELDOM_MS)
    station.device.info()
    station.primed_start()
    station.stop()


def give_up(station: Station, interval_ms: int) -> None:
    """Send a request whose data never comes, and another one that cuts it short."""
    try:
        station.device.set_argument(Argument.VGA, 0, timeout_ms=GIVES_UP_MS)
    except DeviceTimeoutError:
        station.remark("gave up")
    station.device.stats()
    station.sleep_ms(interval_ms - GIVES_UP_MS)


SCENARIO = Scenario(
    name="impatient_host",
    run=impatient_host,
    summary="a host gives up seven data stages in 1.4 s, and later one each second",
    incident="F23",
    group="incidents",
    title="host gives up data stages",
    firmware="reference",
    rate_hz=RATE_HZ,
    needs_world=True,
    faults=lambda random: (Fault("host_gone", during="SETARGFX3", times=SELDOM + OFTEN),),
    answers=(2,),
    answered_ms=(690, 810),
)
