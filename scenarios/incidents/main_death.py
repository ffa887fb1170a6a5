"""The main thread dies while a stream runs, as by HANGMAIN.

Everything that watches lives in the main loop: the streaming watchdog, the EP0 watchdog, the
console. When it dies the stream goes on and EP0 goes on answering, so a host sees nothing wrong;
but nobody watches any more, and the next incident will be the last. Only the hardware watchdog
(level 5) can tell, because its pet is held back when the heartbeat stops. The firmware's own test
hook makes the main thread spin.

Source: health.c and HANGMAIN of firmware 2.3; test_main_recovery of tests/fx3_cmd.c, 58 of 58 in
a soak of two hours.
"""

from __future__ import annotations

from scenarios.scenario import Scenario
from scenarios.station import Station
from sim.streams import Stream

RATE_HZ = 64_000_000
WATCH_MS = 10_000
"""Longer than P + C = 8.2 s, the latest that the shipped watchdog fires."""


def main_death(station: Station, hang_after_ms: int = 1_500) -> None:
    """Stream, make the main thread hang, and go on streaming for 10 s.

    Args:
        station: where it runs.
        hang_after_ms: how long after the start of the stream HANGMAIN is sent, in ms.

    Raises:
        Trouble: the stream stopped.
        DeviceError: a request failed, or the device left the bus.
    """
    reader = station.stream_on(RATE_HZ)
    station.watch(reader, hang_after_ms)
    station.device.hang_main()
    station.begin("streams on")
    station.watch(reader, WATCH_MS)
    station.read_no_more()
    station.stop()


def draw(random: Stream) -> dict[str, int]:
    """Draw the moment of the hang: over one pet interval of 3 s, so that every phase is met."""
    return {"hang_after_ms": random.between(500, 3_499)}


SCENARIO = Scenario(
    name="main_death",
    run=main_death,
    summary="HANGMAIN in the middle of a stream: all goes on, but nobody watches any more",
    incident="HANGMAIN",
    group="incidents",
    title="main thread dies",
    firmware="fw-2.3",
    firmwares=("fw-2.3", "reference"),
    rate_hz=RATE_HZ,
    draw=draw,
    answers=(5,),
)
