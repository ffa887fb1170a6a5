"""A host stops and starts its stream in the very moment in which level 1 restarts it.

The remedy that is in progress belongs to the session that ended: the new one has its whole cap.
Level 1 takes 1 to 2 ms, so the moment is rare in the field; here an injected delay makes it 300 ms
long. The firmware's own suite hits it by chance in its watchdog_race.

Source: commit 005b4e2 of the firmware (START and STOP give the cap back); tests/fx3_cmd.c.
"""

from __future__ import annotations

from scenarios.incidents.in_place import FAULT_MS, RATE_HZ, STALLED_MS, left_ms, wedge
from scenarios.station import Station
from sim.faults import Fault

RACE_MS = 450
"""After the last read: level 1 began 0.3 to 0.4 s after it and is delayed by 0.3 s."""
DELAY_MS = 300
UNREAD_MS = 4_000
"""Five restarts take 2.1 s."""


def restart_race(station: Station) -> None:
    """Stop reading, stop and start amid the first restart, read nothing for 4 s, and read on.

    Args:
        station: where it runs.

    Raises:
        Trouble: the stream did not come back.
        DeviceError: a request failed, or the device left the bus.
    """
    reader = station.stream_on(RATE_HZ)
    station.watch(reader, left_ms(station, FAULT_MS))
    station.begin("does not read")
    reader.stop()
    station.onset_ns = station.runtime.now_ns()
    station.sleep_ms(RACE_MS)
    station.begin("stops and starts")
    station.stop()
    station.start()
    station.sleep_ms(UNREAD_MS)
    station.begin("streams again")
    station.stop()
    station.primed_start()
    station.stop()


SCENARIO = wedge(
    name="restart_race",
    run=restart_race,
    summary="STOP and START while level 1 is at work: the new session has its whole cap",
    title="STOP and START amid level 1",
    faults=(Fault("delay", at_ms=FAULT_MS, call="gpif_disable", thread="main", for_ms=DELAY_MS),),
    answers=(1,) * 6,
    answered_ms=STALLED_MS,
    firmwares=("reference",),
)
