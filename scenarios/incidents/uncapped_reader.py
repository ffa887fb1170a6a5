"""F6: without a cap the streaming watchdog restarts an unread stream for ever.

With SETARGFX3 id 14 a host sets how often a session may be restarted; 0 takes the limit away, at
once. Then each 400 ms brings another restart, 13 in 5 s as published, and it is right that it does:
the host asked for it. Back at 5, a session that used more than that is left alone.

Source: commits d26b40c, db8440c, 005b4e2 and 2d92244 of the firmware; RunApplication.c.
"""

from __future__ import annotations

from hw.protocol import Argument
from scenarios.scenario import Scenario
from scenarios.station import Station
from scenarios.suite.moves import set_argument

RATE_HZ = 64_000_000
UNREAD_MS = 5_000
RESTARTS = (12, 13)
"""One each 4 looks of 100 ms, the first after 3 to 4 of them."""
CAP_DEFAULT = 5


def uncapped_reader(station: Station) -> str:
    """5 s unread with a cap of 0, 5 s with a cap of 5 in the same session, and 5 s idle.

    Args:
        station: where it runs.

    Raises:
        Trouble: no data afterwards.
        DeviceError: a request failed, or the device left the bus.
    """
    device = station.device
    station.begin("sets the clock")
    station.set_clock(RATE_HZ)
    set_argument(station, Argument.WATCHDOG_CAP, 0)
    before = device.stats().streaming_faults
    station.begin("does not read")
    station.start()
    station.sleep_ms(UNREAD_MS)
    uncapped = device.stats().streaming_faults - before
    set_argument(station, Argument.WATCHDOG_CAP, CAP_DEFAULT)
    station.sleep_ms(UNREAD_MS)
    capped = device.stats().streaming_faults - before - uncapped
    device.stop()
    station.begin("leaves it idle")
    station.sleep_ms(UNREAD_MS)
    station.strictly(
        RESTARTS[0] <= uncapped <= RESTARTS[1],
        f"{uncapped} restarts in 5 s without a cap, expected {RESTARTS[0]} or {RESTARTS[1]}",
    )
    station.strictly(capped == 0, f"{capped} restarts beyond a cap of {CAP_DEFAULT}")
    station.begin("streams again")
    station.primed_start()
    station.stop()
    return f"{uncapped} restarts in 5 s without a cap, then {capped}"


SCENARIO = Scenario(
    name="uncapped_reader",
    run=uncapped_reader,
    summary="5 s unread without a cap are 13 restarts, and the cap counts again when it is back",
    incident="F6",
    group="incidents",
    title="nobody reads, no cap",
    firmware="reference",
    rate_hz=RATE_HZ,
    sets_cap=True,
    answers=(1,) * 12,
)
"""Not legal in the sense of the caps: the host has taken the limit away that the policy sets."""
