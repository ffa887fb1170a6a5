"""F16: the USB thread hangs inside an SDK call of STOPFX3, during rapid starts and stops.

May 2026, #104 and #105 of the firmware: in a soak of one hour EP0 went dead in this scenario
while the device stayed on the bus; the streaming watchdog saw nothing, and only a power cycle
helped. It led to the EP0 watchdog (level 4). Which SDK call hung was never found out. Candidates
are the unbounded loop of CyU3PDmaSocketDisable and one of two mutexes, so the manner is open too:
a thread that *blocks* leaves the main loop running, which can reset the device; one that *spins*
at priority 4 starves the main loop at priority 8, and level 4 with it. The fault stands for both,
in the channel reset of a STOP drawn from the seed.

Source: PLAN_RECOVERY.md and the README of commit 77724af; tests/fx3_cmd.c (the scenario).
"""

from __future__ import annotations

from dataclasses import replace

from scenarios.scenario import Scenario
from scenarios.station import Station
from sim.faults import Fault
from sim.streams import Stream

CYCLES = 50
RATE_HZ = 32_000_000
PAUSE_MS = 1


def rapid_start_stop(station: Station) -> None:
    """Start and stop 50 times, 1 ms apart and without a read, then start and read one block.

    Args:
        station: where it runs.

    Raises:
        Trouble: the read got less than 1024 bytes.
        DeviceError: a request failed.
    """
    station.begin("sets the clock")
    station.set_clock(RATE_HZ)
    for cycle in range(1, CYCLES + 1):
        station.begin(f"cycle {cycle}")
        station.start()
        station.sleep_ms(PAUSE_MS)
        station.stop()
        station.sleep_ms(PAUSE_MS)
    station.begin("last start")
    station.start()
    station.read_block()
    station.stop()


def hang(random: Stream, manner: str) -> Fault:
    """Return the hang: in the channel reset of one STOP.

    Args:
        random: which STOP, the 2nd to the 50th.
        manner: ``blocked`` or ``spinning``.
    """
    return Fault(
        "hang",
        call="dma_multi_channel_reset",
        thread="usb",
        during="STOPFX3",
        nth=random.between(2, CYCLES),
        manner=manner,
    )


SCENARIO = Scenario(
    name="stopfx3_hang",
    run=rapid_start_stop,
    summary="50 x START, 1 ms, STOP, 1 ms: the USB thread hangs inside one of the STOPs",
    incident="F16",
    group="incidents",
    title="hang in STOPFX3",
    firmware="fw-2.2",
    rate_hz=RATE_HZ,
    faults=lambda random: (hang(random, "blocked"),),
    answers=(4,),
    answered_ms=(1_999, 2_101),
)


def spinning() -> Scenario:
    """Return the scenario with a thread that spins where it would block."""
    return replace(SCENARIO, faults=lambda random: (hang(random, "spinning"),))
