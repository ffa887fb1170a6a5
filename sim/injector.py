"""Makes faults happen in a world.

A wrapper is installed on exactly the SDK calls that a fault names; everything else of the world
runs as if there were none. A fault that never triggered is reported, because an injected fault
that did nothing is a broken test.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from health import Level, Outcome, Status
from hw.protocol import Request
from sim.errors import NoProgress
from sim.faults import THREADS, Fault, failure_of
from sim.firmware.app import MAIN_THREAD
from sim.host.trouble import EndpointTrouble
from sim.rtos import WAIT_FOREVER
from sim.sdk import Sdk

if TYPE_CHECKING:
    from sim.bench import Bench
    from sim.chip.fx3 import Program

MILLISECOND_NS = 1_000_000
TICKS_MASK = 0xFFFF_FFFF
TRIGGERS_PER_INSTANT_MAX = 10_000
"""A loop whose sleep answers an error makes no progress; it is stopped after so many rounds."""


@dataclass
class Armed:
    """A fault in a world.

    Attributes:
        fault: what it is.
        seen: how many calls have matched.
        triggered_ns: when it took effect.
    """

    fault: Fault
    seen: int
    triggered_ns: list[int]

    @property
    def spent(self) -> bool:
        """It may not trigger again."""
        return bool(self.fault.times) and len(self.triggered_ns) >= self.fault.times


class Injector:
    """Makes faults happen.

    Args:
        world: the bench.
        faults: what to inject.
    """

    def __init__(self, world: Bench, faults: Sequence[Fault]) -> None:
        self.world = world
        self.armed = [Armed(fault, 0, []) for fault in faults]
        world.chip.on_boot.append(self._booted)
        at_a_time = {
            "timer_death": self._timer_death,
            "host_paused": self._host_paused,
            "host_gone": self._host_gone,
            "clock_loss": self._clock_loss,
            "ep0_desync": self._ep0_desync,
            "dma_error": self._dma_error,
            "endpoint_error": self._endpoint_error,
            "watchdog_stuck": self._watchdog_stuck,
            "tick_wrap": self._trigger,
        }
        for armed in self.armed:
            if armed.fault.kind in at_a_time:
                self._at(armed, at_a_time[armed.fault.kind])

    @property
    def unused(self) -> list[Fault]:
        """Faults that have not triggered."""
        return [armed.fault for armed in self.armed if not armed.triggered_ns]

    def _at(self, armed: Armed, handler: Callable[[Armed], None]) -> None:
        due_ns = max(armed.fault.at_ms * MILLISECOND_NS, self.world.now_ns)
        self.world.alarm(due_ns, lambda: handler(armed))

    def _trigger(self, armed: Armed) -> None:
        now = self.world.now_ns
        times = armed.triggered_ns
        if len(times) >= TRIGGERS_PER_INSTANT_MAX and times[-TRIGGERS_PER_INSTANT_MAX] == now:
            raise NoProgress(f"{armed.fault}", now, TRIGGERS_PER_INSTANT_MAX)
        times.append(now)
        if self.world.trace is not None:
            self.world.trace.instant("world/faults", str(armed.fault), now)

    def _later(self, armed: Armed, call: Callable[[], None]) -> None:
        """Undo the fault after its time, if it has one."""
        if armed.fault.for_ms:
            due_ns = self.world.now_ns + armed.fault.for_ms * MILLISECOND_NS
            self.world.alarm(due_ns, call)

    # ------------------------------------------------------------ faults at a time

    def _timer_death(self, armed: Armed) -> None:
        rtos = self.world.chip.rtos
        if rtos is not None:
            self._trigger(armed)
            rtos.ticking = False

    def _host_paused(self, armed: Armed) -> None:
        device = self.world.host.device
        if device is None or device.bulk is None:
            return
        bulk = device.bulk
        self._trigger(armed)
        bulk.pause()
        self._later(armed, bulk.resume)

    def _host_gone(self, armed: Armed) -> None:
        during = armed.fault.during
        another = self.world.host.withhold_data

        def withhold(request: int) -> bool:
            if armed.spent or (during and request != Request[during]):
                return another is not None and another(request)
            self._trigger(armed)
            return True

        self.world.host.withhold_data = withhold

    def _clock_loss(self, armed: Armed) -> None:
        clock = self.world.board.clock
        self._trigger(armed)
        clock.cut(seen=armed.fault.seen == "yes")
        self._later(armed, clock.restore)

    def _ep0_desync(self, armed: Armed) -> None:
        self._trigger(armed)
        self.world.chip.ep0.desynchronised = True

    def _dma_error(self, armed: Armed) -> None:
        self._trigger(armed)
        self.world.chip.stream.fail()

    def _endpoint_error(self, armed: Armed) -> None:
        world = self.world
        if world.endpoint_trouble is None:
            world.endpoint_trouble = EndpointTrouble(world)

        def strike() -> bool:
            if armed.spent:
                return False
            self._trigger(armed)
            return True

        world.endpoint_trouble.arm(armed.fault.cause, strike)

    def _watchdog_stuck(self, armed: Armed) -> None:
        self._trigger(armed)
        self.world.chip.watchdog.stuck = True

    # ------------------------------------------------------------ faults in a call

    def _booted(self, program: Program, sdk: Sdk) -> None:
        del program
        for armed in self.armed:
            if armed.spent:
                continue
            fault = armed.fault
            if fault.kind in ("hang", "delay", "error"):
                self._wrap(sdk, armed)
            elif fault.kind == "main_hang":
                self._wrap_main(sdk, armed)
            elif fault.kind == "cold_start":
                self._wrap_trigger(sdk, armed)
            elif fault.kind == "tick_wrap":
                self._preset_ticks(sdk, fault)
            elif fault.kind in ("remedy_fails", "remedy_refused"):
                self._wrap_remedy(armed)

    def _wrap(self, sdk: Sdk, armed: Armed) -> None:
        fault = armed.fault
        original = getattr(sdk, fault.call)

        def injected(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401
            if not self._matches(sdk, armed):
                return original(*arguments, **named)
            self._trigger(armed)
            if fault.kind == "error":
                return failure_of(fault.call, fault.code)
            self._hang(sdk, fault)
            return original(*arguments, **named)

        setattr(sdk, fault.call, injected)

    def _matches(self, sdk: Sdk, armed: Armed) -> bool:
        fault = armed.fault
        now_ns = self.world.now_ns
        if armed.spent or now_ns < fault.at_ms * MILLISECOND_NS:
            return False
        if fault.before_ms and now_ns >= fault.before_ms * MILLISECOND_NS:
            return False
        if fault.thread and sdk.rtos.current().name != THREADS[fault.thread]:
            return False
        if fault.during:
            firmware = self.world.firmware
            if firmware is None or firmware.current_request != Request[fault.during]:
                return False
        armed.seen += 1
        return armed.seen >= fault.nth

    def _hang(self, sdk: Sdk, fault: Fault) -> None:
        """Hang the calling thread, with the lock it is said to hold."""
        lock = {"usb": sdk.usb_lock, "channel": sdk.channel_lock}.get(fault.lock)
        if lock is not None:
            lock.get(WAIT_FOREVER)
        thread = sdk.rtos.current()
        trace = self.world.trace
        if trace is not None:
            trace.begin(f"fx3/{thread.name}", f"hangs, {fault.manner}", self.world.now_ns)
        if fault.manner == "spinning":
            if not fault.for_ms:
                sdk.rtos.spin()
            sdk.rtos.work(fault.for_ms * MILLISECOND_NS)
        else:
            # No time-out is handed out any more when the thread hangs that does that.
            if thread is sdk.timers.thread and not fault.for_ms:
                sdk.rtos.ticking = False
            sdk.rtos.block(fault.for_ms or WAIT_FOREVER, None)
        if trace is not None:
            trace.end(f"fx3/{thread.name}", self.world.now_ns)
        if lock is not None:
            lock.put()

    def _wrap_main(self, sdk: Sdk, armed: Armed) -> None:
        original = sdk.thread_sleep

        def injected(ticks: int) -> int:
            status = original(ticks)
            main = sdk.rtos.current().name == MAIN_THREAD
            if main and not armed.spent and self.world.now_ns >= armed.fault.at_ms * MILLISECOND_NS:
                self._trigger(armed)
                self._hang(sdk, armed.fault)
            return status

        sdk.thread_sleep = injected  # type: ignore[method-assign]

    def _preset_ticks(self, sdk: Sdk, fault: Fault) -> None:
        rtos = sdk.rtos
        ticks = (fault.at_ms * MILLISECOND_NS - rtos.started_ns) // rtos.tick_ns
        rtos.first_tick = -ticks & TICKS_MASK

    def _wrap_trigger(self, sdk: Sdk, armed: Armed) -> None:
        original = sdk.gpif_control_sw_input
        fault = armed.fault

        def injected(on: bool) -> None:
            if on and self.world.now_ns >= fault.at_ms * MILLISECOND_NS:
                restarting = fault.until == "restart" and armed.triggered_ns
                if not restarting:
                    if not armed.triggered_ns:
                        self._trigger(armed)
                    return
            original(on)

        sdk.gpif_control_sw_input = injected  # type: ignore[method-assign]

    def _wrap_remedy(self, armed: Armed) -> None:
        firmware = self.world.programs[-1]
        refused = armed.fault.kind == "remedy_refused"
        at_ns = armed.fault.at_ms * MILLISECOND_NS
        another = firmware.on_ready

        def install() -> None:
            if another is not None:
                another()
            platform = firmware.platform
            original = platform.apply

            def injected(level: Level, status: Status) -> Outcome:
                if level != armed.fault.level or armed.spent or self.world.now_ns < at_ns:
                    return original(level, status)
                self._trigger(armed)
                return Outcome.REFUSED if refused else Outcome.FAILED

            platform.apply = injected  # type: ignore[method-assign]

        firmware.on_ready = install
