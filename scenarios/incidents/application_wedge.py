"""A stream that dies of a DMA error, and that level 1 does not bring back.

EP0 answers, the application's state is broken: what level 3 is for, which stops and starts the
application and the stream with it, in about 100 ms. Without level 3 the next remedy is level 4,
which costs the firmware. That level 1 fails is injected; which real fault behaves so is not known.

Source: judgement; the ladder of a streaming wedge is 1, 3, 4.
"""

from __future__ import annotations

from health import StatusCode
from scenarios.incidents.in_place import AGAIN_MS, FAULT_MS, stream_past, wedge
from sim.faults import Fault

SCENARIO = wedge(
    name="application_wedge",
    run=stream_past,
    summary="a DMA error kills the stream, and restarting the stream does not mend it",
    title="stream dead, level 1 fails",
    faults=(Fault("dma_error", at_ms=FAULT_MS), Fault("remedy_fails", level=1, times=0)),
    answers=(1, 3),
    followed_ms=AGAIN_MS,
    reports=(StatusCode.STREAM_WEDGE, StatusCode.APPLICATION_WEDGED),
)
