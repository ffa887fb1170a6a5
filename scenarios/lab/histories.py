"""The histories that faults are put into: legal use around one request, at a chosen moment.

A cell of the matrix needs its fault at a known phase of the main loop and of the pet, so the
request is sent at a moment that the caller chooses. Before it nothing is in flight but the stream,
so the first SDK calls of the USB thread from then on are the request's own.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from types import MappingProxyType

from health import Level
from scenarios.errors import InputError, Trouble
from scenarios.incidents import in_place
from scenarios.scenario import Scenario
from scenarios.station import MILLISECOND_NS, Station
from sim.chip.usb import TransferStatus
from sim.firmware import REVISIONS
from sim.host.runtime import WorldRuntime
from sim.world import BenchWorld

RATE_HZ = 32_000_000
STREAMS_MS = 300
"""How long a stream shows afterwards that the request left a device that serves."""
WATCH_MS = 12_000
"""Longer than the shipped watchdog needs to find a dead main thread, 8.2 s."""
PATIENCE_MS = 5_000
REQUESTS = ("STARTFX3", "STOPFX3", "STARTADC", "SET_CONFIGURATION")
"""What is asked at the chosen moment; each makes SDK calls in the USB thread."""


def around_request(station: Station, request: str, at_ms: int) -> None:
    """Prepare, send one request at a moment, then stream as any program would.

    Args:
        station: where it runs; in a world.
        request: one of :data:`REQUESTS`.
        at_ms: when, in ms of the world's clock; it is sent in the ms before.

    Raises:
        Trouble: data failed to come, or SET_CONFIGURATION was not answered.
        DeviceError: a request failed, or the device left the bus.
    """
    station.begin("sets the clock")
    station.set_clock(RATE_HZ)
    if request != "STARTFX3":
        station.begin("streams")
        # The other three meet a stream in motion, as they do in use.
        station.primed_start()
        station.read_on()
    wait_until(station, at_ms)
    station.begin(request)
    ask(station, request)
    station.read_no_more()
    station.begin("serves on")
    if request != "STARTFX3":
        station.stop()
        station.set_clock(RATE_HZ)
        station.primed_start()
    station.watch(station.read_on(), STREAMS_MS)
    station.read_no_more()
    station.stop()
    station.device.info()


def around_stream(station: Station, at_ms: int) -> None:
    """Stream from before a moment until :data:`WATCH_MS` after it.

    Args:
        station: where it runs.
        at_ms: the moment, in ms of the world's clock.

    Raises:
        Trouble: the stream stopped.
        DeviceError: a request failed, or the device left the bus.
    """
    reader = station.stream_on(RATE_HZ)
    now_ms = station.runtime.now_ns() // MILLISECOND_NS
    station.watch(reader, max(0, at_ms - now_ms) + WATCH_MS)
    station.read_no_more()
    station.stop()


def around_questions(station: Station, at_ms: int) -> None:
    """Stream as :func:`around_stream`, and ask other things, too; wrong answers are borne a while.

    Args:
        station: where it runs.
        at_ms: the moment, in ms of the world's clock.

    Raises:
        Trouble: data or right answers were missing for longer than :data:`PATIENCE_MS`.
        DeviceError: the device left the bus.
    """
    now_ms = station.runtime.now_ns() // MILLISECOND_NS
    duration_ms = max(0, at_ms - now_ms) + WATCH_MS
    in_place.stream_patiently(station, RATE_HZ, duration_ms, PATIENCE_MS)


def ask(station: Station, request: str) -> None:
    """Send one of :data:`REQUESTS`.

    Raises:
        Trouble: SET_CONFIGURATION was not answered.
        DeviceError: a vendor request failed.
    """
    if request == "STARTFX3":
        station.primed_start()
    elif request == "STOPFX3":
        station.stop()
    elif request == "STARTADC":
        station.set_clock(RATE_HZ)
    else:
        set_configuration(station)


def set_configuration(station: Station) -> None:
    """SET_CONFIGURATION 1 as the kernel sends it, whoever has claimed the interface.

    Raises:
        InputError: the station is not in a world.
        Trouble: it was not answered.
    """
    runtime = station.runtime
    if not isinstance(runtime, WorldRuntime) or not isinstance(runtime.world, BenchWorld):
        raise InputError("the kernel's SET_CONFIGURATION needs a simulated world")
    host = runtime.world.host
    if host.device is None:
        raise Trouble("device gone")
    status = host.set_configuration(host.device, 1).status
    if status is not TransferStatus.DONE:
        raise Trouble(f"SET_CONFIGURATION: {status.name.lower().replace('_', ' ')}")


def wait_until(station: Station, at_ms: int) -> None:
    """Let time pass until the last ms before a moment.

    Raises:
        InputError: the moment has passed.
    """
    left_ms = at_ms - 1 - station.runtime.now_ns() // MILLISECOND_NS
    if left_ms < 0:
        now_ms = station.runtime.now_ns() // MILLISECOND_NS
        raise InputError(f"at_ms={at_ms} has passed: the history is ready at {now_ms + 1}")
    station.sleep_ms(left_ms)


def _around(request: str) -> Scenario:
    name = f"around_{request.lower()}"
    return Scenario(
        name=name,
        run=partial(around_request, request=request),
        summary=f"{request} at a chosen moment, then a stream",
        group="lab",
        title=request,
        rate_hz=RATE_HZ,
        is_legal=True,
        needs_world=True,
        # A program that comes back late finds a stream that nobody read: level 1 may have acted.
        remedies=MappingProxyType({Level.STREAM: (0, 5)}),
    )


AROUND_REQUEST = {request: _around(request) for request in REQUESTS}
AROUND_STREAM = Scenario(
    name="around_stream",
    run=around_stream,
    summary="a stream from before a chosen moment until 12 s after it",
    group="lab",
    title="stream",
    firmwares=tuple(REVISIONS),
    rate_hz=RATE_HZ,
    is_legal=True,
    needs_world=True,
)
AROUND_QUESTIONS = replace(
    AROUND_STREAM,
    name="around_questions",
    run=around_questions,
    summary="the same, and other requests ten times a second",
    title="busy host",
)
_ALL = (*AROUND_REQUEST.values(), AROUND_STREAM, AROUND_QUESTIONS)
HISTORIES = {item.name: item for item in _ALL}
"""Every history by its name."""
