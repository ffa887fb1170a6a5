"""A handler that takes almost as long as the limit, several times: slow, and alive.

The host gives up after its own second, the handler ends by itself before the EP0 watchdog's two.
HANGFX3 is the firmware's own hook for this: below about 1000 ms it is an ordinary answer, from 1000
to 1999 ms a time-out of the host's, and only from 2000 ms on a wedge.

Source: health.c and HANGFX3 of firmware 2.3; tests/fx3_cmd.c.
"""

from __future__ import annotations

from hw.errors import DeviceTimeoutError
from scenarios.errors import Trouble
from scenarios.scenario import Scenario
from scenarios.station import EP0_ANSWERS, MILLISECOND_NS, WATCH_INTERVAL_MS, Station

RATE_HZ = 64_000_000
HANGS_MS = (150, 900, 1_500, 1_850)
"""The last ends one look before its limit, however the request and the looks lie."""
SETTLE_MS = 1_000
LIMIT_MS = 2_500


def slow_handler(station: Station) -> None:
    """Stream, and hang the handler four times, the longest for 1.85 s.

    Args:
        station: where it runs.

    Raises:
        Trouble: EP0 did not answer afterwards, or the stream stopped.
        DeviceError: a request failed, or the device left the bus.
    """
    device = station.device
    reader = station.stream_on(RATE_HZ)
    station.watch(reader, 1_000)
    for hang_ms in HANGS_MS:
        station.begin(f"hangs the handler for {hang_ms} ms")
        limit_ns = station.runtime.now_ns() + LIMIT_MS * MILLISECOND_NS
        try:
            device.hang_handler(hang_ms)
        except DeviceTimeoutError:
            station.remark("time-out, as the host should see it")
        while station.probe() != EP0_ANSWERS:
            if station.runtime.now_ns() >= limit_ns:
                raise Trouble("EP0 silent after a handler that ended")
            # A device that is gone says so at once.
            station.sleep_ms(WATCH_INTERVAL_MS)
        station.watch(reader, SETTLE_MS)
    station.read_no_more()
    station.stop()


SCENARIO = Scenario(
    name="slow_handler",
    run=slow_handler,
    summary="handlers that end just before they count as wedged: nothing may act",
    group="incidents",
    title="handler takes 1.85 s",
    firmware="reference",
    firmwares=("fw-2.3", "reference"),
    rate_hz=RATE_HZ,
    is_legal=True,
    answers=(),
)
