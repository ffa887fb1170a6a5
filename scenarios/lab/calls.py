"""Which SDK calls a firmware makes in a request: found by recording them, never listed by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from health import Policy
from hw.boot import Image
from hw.connection import request_name
from hw.protocol import Request
from hw.rx888 import Rx888
from hw.trace import Kind, Recorder
from scenarios import custom_health
from scenarios.errors import InputError
from scenarios.facts import EP0_TRACK
from scenarios.lab.histories import AROUND_REQUEST
from scenarios.performance import perform
from scenarios.station import MILLISECOND_NS, Station
from sim.chip.fx3 import Program
from sim.faults import calls as injection_points
from sim.host.backend import get_backend
from sim.host.runtime import WorldRuntime
from sim.sdk import Sdk
from sim.world import BenchWorld

READY_AFTER_MS = 500
"""A history is ready for its moment so long after the device came up: the clock is set and the
stream runs within 50 ms on every firmware but the first, whose STARTADC sleeps 1 s."""
READY_AFTER_SLOW_MS = 1_500
USB_THREAD = "USB thread"
EVENT = "event"
"""Stands for the USB event callback, in which SET_CONFIGURATION is served."""


@dataclass(frozen=True)
class Site:
    """One SDK call of a request.

    Attributes:
        request: the request.
        call: the method's name in :class:`sim.sdk.Sdk`.
        nth: the first, second ... such call of the USB thread since the request came.
    """

    request: str
    call: str
    nth: int


@dataclass(frozen=True)
class Call:
    """One SDK call that was made.

    Attributes:
        at_ns: when.
        thread: by which thread; empty before there were any.
        name: the method's.
        is_inner: another SDK call made it.
        request: the request whose callback it was made in; empty for none.
        place: how many records the trace had; calls take no time, so this alone gives an order.
    """

    at_ns: int
    thread: str
    name: str
    is_inner: bool
    request: str
    place: int


@dataclass(frozen=True)
class Recording:
    """A request recorded in health.

    Attributes:
        sites: the calls, in their order.
        ready_ms: the earliest moment at which the request can be sent, in ms of the world's clock.
    """

    sites: tuple[Site, ...]
    ready_ms: int


class Listener:
    """Notes every SDK call of a world.

    Args:
        world: which, with a trace; its firmware must not have booted yet.
        trace: its recorder.

    Attributes:
        calls: every one of them, in order.
    """

    def __init__(self, world: BenchWorld, trace: Recorder) -> None:
        self.calls: list[Call] = []
        self._world = world
        self._trace = trace
        self._depth: dict[str, int] = {}
        world.chip.on_boot.append(self._listen)

    def _listen(self, program: Program, sdk: Sdk) -> None:
        del program
        for name in injection_points():
            setattr(sdk, name, self._noted(sdk, name, getattr(sdk, name)))

    def _noted(self, sdk: Sdk, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        depth = self._depth

        def call(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - whatever it takes
            running = sdk.rtos.running
            thread = "" if running is None else running.name
            is_inner = depth.get(thread, 0) > 0
            place = len(self._trace.records)
            now_ns = self._world.now_ns
            self.calls.append(Call(now_ns, thread, name, is_inner, self._request(), place))
            depth[thread] = depth.get(thread, 0) + 1
            try:
                return original(*arguments, **named)
            finally:
                depth[thread] -= 1

        return call

    def _request(self) -> str:
        firmware = self._world.firmware
        if firmware is None or not firmware.in_callback:
            return ""
        code = firmware.current_request
        return EVENT if code is None else request_name(code)


@lru_cache(maxsize=64)
def record(
    firmware: str, policy: Policy, request: str, health: str = custom_health.REFERENCE
) -> Recording:
    """Run a request in health and return what it did.

    Args:
        firmware: revision.
        policy: its poll and pet intervals decide when the main loop and the timer run.
        request: one of :data:`scenarios.lab.histories.REQUESTS`.
        health: what makes the health module; its calls are among those of the threads it runs in.

    Raises:
        InputError: the request fails already without a fault.
    """
    trace = Recorder()
    module = custom_health.find(health)
    with BenchWorld(firmware, policy, trace=trace, health=module) as world:
        listener = Listener(world, trace)
        world.boot()
        is_slow = world.revision.adc_settle_ticks > 0
        ready_ms = world.now_ns // MILLISECOND_NS
        ready_ms += READY_AFTER_SLOW_MS if is_slow else READY_AFTER_MS
        at_ms = ready_ms + policy.pet_interval_ms + policy.poll_interval_ms
        runtime = WorldRuntime(world)
        device = Rx888.open(get_backend(world), runtime, image=Image.parse(world.image))
        scenario = AROUND_REQUEST[request]
        done = perform(scenario, Station(device, runtime), None, {"at_ms": at_ms})
        if done.failure is not None:
            raise InputError(
                f"{scenario.name} fails in health on firmware {firmware} under policy "
                f"{policy.name}: {done.failure}; nothing about faults can be found out there"
            )
    from_ns = (at_ms - 1) * MILLISECOND_NS
    # The end of the first setup handler from then on: the request's own, or the one after
    # SET_CONFIGURATION, which is served by no setup handler.
    until = next(
        place
        for place, (kind, track, _, at_ns, _, _) in enumerate(trace.records)
        if kind is Kind.END and track == EP0_TRACK and at_ns >= from_ns
    )
    made = [item for item in listener.calls if from_ns <= item.at_ns and item.place <= until]
    return Recording(
        sites=_sites(request, made),
        ready_ms=ready_ms,
    )


def _sites(request: str, made: list[Call]) -> tuple[Site, ...]:
    """Number the calls of the USB thread as the injector counts them: inner calls count, too.

    A fault names a vendor request by its own field; SET_CONFIGURATION it can only tell by the
    moment, so there every call of the thread counts.
    """
    is_vendor = request in Request.__members__
    counts: dict[str, int] = {}
    sites = []
    for item in made:
        is_of_request = item.request == (request if is_vendor else EVENT)
        if item.thread != USB_THREAD or (is_vendor and not is_of_request):
            continue
        counts[item.name] = counts.get(item.name, 0) + 1
        if is_of_request and not item.is_inner:
            sites.append(Site(request, item.name, counts[item.name]))
    return tuple(sites)
