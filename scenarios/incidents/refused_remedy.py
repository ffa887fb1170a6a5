"""A guard refuses level 1 for a while: not a failure, so nothing higher may follow from it.

On the host the safety rules may forbid a remedy, and the user may allow it a moment later. If a
refusal counted as a failure, a denied restart of the stream would end in a reset of the device; if
it used the cap up, nothing would be left to try when the guard agrees.

Source: judgement; a level that is refused never counts as a failure and never escalates.
"""

from __future__ import annotations

from scenarios.incidents.in_place import FAULT_MS, stream_past, wedge
from sim.faults import Fault

REFUSALS = 7
"""More than the cap of 5."""

SCENARIO = wedge(
    name="refused_remedy",
    run=stream_past,
    summary="a DMA error kills the stream, and level 1 is refused seven times before it may act",
    title="stream dead, level 1 refused",
    faults=(
        Fault("dma_error", at_ms=FAULT_MS),
        Fault("remedy_refused", level=1, times=REFUSALS),
    ),
    answers=(1,) * (REFUSALS + 1),
)
