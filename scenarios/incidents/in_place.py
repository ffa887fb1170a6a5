"""Faults that the right level mends in place: data flows again and the firmware is still there.

Levels 2 and 3 exist for these. Without them level 4 ends the trouble as well, but at the price of
the firmware: the host has to upload it again and to set everything up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hw.errors import NoDeviceError
from scenarios import questions
from scenarios.errors import Trouble
from scenarios.reading import Reader
from scenarios.scenario import Scenario
from scenarios.station import MILLISECOND_NS, Station
from sim.faults import Fault

RATE_HZ = 64_000_000
FAULT_MS = 6_000
"""After the longest uptime that an episode draws, and its boot."""
ENDS_AFTER_MS = 4_000
PATIENCE_MS = 1_500
"""0.4 s to see a wedge, a failed level 1, and level 3 within its budget of 0.5 s."""
DETECTED_MS = (299, 402)
"""3 ticks of 100 ms without a new buffer, a look late."""
STALLED_MS = (299, 408)
"""The same when a reader pauses: the ring goes on filling, and one look more may see it move."""
AGAIN_MS = (399, 408)
"""4 looks after a remedy that failed: one to see the stream as it is, three to call it stuck."""
LOOK_INTERVAL_MS = 100
ANSWER_LIMIT_MS = 250
AWAY = "the device was reset, not mended in place"


def stream_past(station: Station, fault_ms: int = FAULT_MS) -> None:
    """Stream until 4 s after a fault.

    Args:
        station: where it runs.
        fault_ms: when the fault comes, in ms of the world's time.

    Raises:
        Trouble: no data for more than 1.5 s.
        DeviceError: a request failed, or the device left the bus.
    """
    stream_patiently(station, RATE_HZ, left_ms(station, fault_ms + ENDS_AFTER_MS), PATIENCE_MS)


def stream_patiently(station: Station, rate_hz: int, duration_ms: int, patience_ms: int) -> None:
    """Stream for a time and bear trouble that ends by itself, as long as the device stays.

    Args:
        station: where it runs.
        rate_hz: sample rate.
        duration_ms: how long to stream.
        patience_ms: how long data or right answers may be missing.

    Raises:
        Trouble: they were missing for longer.
        DeviceError: a request failed, or the device left the bus.
    """
    reader = station.stream_on(rate_hz)
    watch_patiently(station, reader, duration_ms, patience_ms)
    station.read_no_more()
    station.stop()


def watch_patiently(
    station: Station, reader: Reader, duration_ms: int, patience_ms: int = PATIENCE_MS
) -> None:
    """Bear trouble with a stream that runs, as :func:`stream_patiently` does.

    Args:
        station: where it runs.
        reader: of the stream.
        duration_ms: how long to stream.
        patience_ms: how long data or right answers may be missing.

    Raises:
        Trouble: they were missing for longer.
        DeviceError: a request failed, or the device left the bus.
    """
    now = station.runtime.now_ns()
    end_ns, well_ns, seen = now + duration_ms * MILLISECOND_NS, now, reader.bytes
    while now < end_ns:
        station.sleep_ms(LOOK_INTERVAL_MS)
        try:
            answers = answers_well(station)
        except NoDeviceError:
            station.strictly(False, AWAY)
            raise
        now = station.runtime.now_ns()
        if answers and reader.bytes != seen:
            well_ns = now
        elif now - well_ns > patience_ms * MILLISECOND_NS:
            what = f"not well for {patience_ms / 1_000:g} s"
            station.strictly(False, what)
            raise Trouble(what)
        seen = reader.bytes


def answers_well(station: Station) -> bool:
    """Ask as :func:`scenarios.questions.answers_well` does; failures go into the trace.

    Raises:
        NoDeviceError: the device left the bus.
    """
    return questions.answers_well(
        station.device, ANSWER_LIMIT_MS, lambda error: station.remark(str(error))
    )


def left_ms(station: Station, until_ms: int) -> int:
    """Return how long it is until a moment in ms of the world's time."""
    return until_ms - station.runtime.now_ns() // MILLISECOND_NS


def wedge(
    name: str,
    run: Callable[..., str | None],
    summary: str,
    title: str,
    faults: tuple[Fault, ...],
    answers: tuple[int, ...],
    **others: Any,  # noqa: ANN401 - fields of several types
) -> Scenario:
    """Return the scenario of a stream that dies and is mended in place.

    Args:
        name: what users call it.
        run: the function.
        summary: one line.
        title: what goes wrong, in a few words.
        faults: what is injected.
        answers: the levels that answer it, in order.
        **others: further fields of the scenario.
    """
    return Scenario(
        name=name,
        run=run,
        summary=summary,
        group="incidents",
        title=title,
        firmware="reference",
        rate_hz=RATE_HZ,
        needs_world=True,
        faults=lambda random: faults,
        answers=answers,
        **{"answered_ms": DETECTED_MS, **others},
    )
