"""F1: the first firmware wedges at STOP and START.

February 2026: a host that stopped a stream, or was killed in the middle of one, and started again
lost the device. STOPFX3 took the trigger away, slept 10 ms and reset the DMA channel, but never
disabled the GPIF state machine. Its 13-edge table has no way out of the two wait states when the
trigger goes, so the machine stays on its socket, and resetting the channel waits for a socket that
never lets go. On hardware the test below failed at its 2nd or 3rd cycle in every run, with EP0
dead afterwards; unplugging was the cure.

Two things rest on judgement. Whether the reset never returns is the board option
``socket_disable_hangs`` (the SDK's loop ``while (ENABLED)`` is known, that the bit stays set is
not); without it EP0 lives and the next stream comes up on the wrong producer and delivers nothing.
And the wedge needs a ring that has filled (8 buffers, 2.05 ms at 32 MS/s), so a read that reaches
the device several ms after START, as the old test's synchronous read did. With a read queued
before START and a STOP right after it the ring does not fill, and the model shows no wedge;
whether hardware did is not known.

Source: commit 0c670fb of the public firmware (the test), its PLAN-gpif-wedge-fix.md and
PLAN-gpif-stop-start-fix.md (the failure); SDK 1.3.1 cyu3socket.c (the loop).
"""

from __future__ import annotations

from scenarios.scenario import Scenario
from scenarios.station import Station

CYCLES = 5
RATE_HZ = 32_000_000
REST_MS = 100


def stop_start_cycle(station: Station, late_read_ms: int = 3) -> None:
    """Start, read one block late, stop, and again, five times.

    Args:
        station: where it runs.
        late_read_ms: how long after START the read is asked for, in ms.

    Raises:
        Trouble: a read got less than 1024 bytes.
        DeviceError: a request failed.
    """
    station.begin("sets the clock")
    station.set_clock(RATE_HZ)
    # The clock's second is over: whoever watches may see a device in good health.
    station.sleep_ms(REST_MS)
    for cycle in range(1, CYCLES + 1):
        station.begin(f"cycle {cycle}")
        station.start()
        station.sleep_ms(late_read_ms)
        station.read_block()
        station.stop()
        station.sleep_ms(REST_MS)


SCENARIO = Scenario(
    name="stop_start_wedge",
    run=stop_start_cycle,
    summary="START, a late read, STOP, five times: the first firmware wedges by itself",
    incident="F1",
    group="incidents",
    title="stop-start wedge",
    firmware="original",
    rate_hz=RATE_HZ,
    answers=(),
)
