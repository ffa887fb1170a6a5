"""The USB event callback hangs: a host resets the port, and the teardown never ends.

RESET, DISCONNECT and SET_CONFIGURATION stop and start the application in the USB thread, by calls
that take the same locks as a setup handler's. Firmware 2.3 marks the setup callback alone, so a
hang here is seen by nobody and only unplugging helps; a limit for the event callback ends it.

Source: judgement, on RunApplication.c and USBHandler.c (what is marked); the call that hangs is
injected.
"""

from __future__ import annotations

from scenarios.scenario import Scenario
from scenarios.station import Station
from scenarios.suite.moves import require_image
from sim.faults import Fault

RATE_HZ = 64_000_000
STREAM_MS = 1_000
LIMIT_MS = 10_000
"""2.1 s until the callback is over its limit, then boot ROM, upload and enumeration."""


def port_reset_hang(station: Station) -> None:
    """Stream, reset the port, and find the device again within 10 s.

    Args:
        station: where it runs.

    Raises:
        Trouble: there is no image to upload.
        DeviceError: a request failed, or the device did not come back.
    """
    image = require_image(station)
    reader = station.stream_on(RATE_HZ)
    station.watch(reader, STREAM_MS)
    station.read_no_more()
    station.begin("resets the port")
    station.onset_ns = station.runtime.now_ns()
    station.device.port_reset()
    station.device.reacquire(image, timeout_ms=LIMIT_MS)
    station.set_clock(RATE_HZ)
    station.primed_start()
    station.stop()


SCENARIO = Scenario(
    name="port_reset_hang",
    run=port_reset_hang,
    summary="a port reset finds a teardown that hangs inside the USB event callback",
    group="incidents",
    title="hang in the event callback",
    firmware="reference",
    rate_hz=RATE_HZ,
    resets=("device_reset",),
    needs_world=True,
    faults=lambda random: (Fault("hang", call="pib_deinit", thread="usb"),),
    answers=(4,),
    answered_ms=(1_999, 2_101),
)
"""2000 ms of limit, a tick, and one interval of the main loop."""
