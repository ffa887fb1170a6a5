"""The catalogue of faults, and the injector that makes them happen in a world.

A fault is a value: it can be written as text (``hang:call=usb_flush_ep,thread=usb``), kept in a
file, compared and drawn at random. The injector installs a wrapper on exactly the SDK calls that
a fault names; everything else of the world runs as if there were none. A fault that never
triggered is reported, because an injected fault that did nothing is a broken test.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Any, Self, get_type_hints

from hw.protocol import Request, SdkStatus
from sim.errors import FaultError
from sim.firmware.app import MAIN_THREAD
from sim.rtos import WAIT_FOREVER
from sim.sdk import Sdk

if TYPE_CHECKING:
    from sim.chip.fx3 import Program
    from sim.world import BenchWorld

MILLISECOND_NS = 1_000_000

KINDS: dict[str, tuple[str, frozenset[str]]] = {
    "hang": (
        "a thread hangs inside an SDK call, before the call does anything",
        frozenset(("call", "thread", "during", "nth", "manner", "lock", "for_ms", "before_ms")),
    ),
    "delay": (
        "an SDK call takes for_ms longer, asleep (blocked) or computing (spinning)",
        frozenset(("call", "thread", "during", "nth", "manner", "lock", "for_ms", "before_ms")),
    ),
    "error": (
        "an SDK call does nothing and answers a status code",
        frozenset(("call", "thread", "during", "nth", "code", "before_ms")),
    ),
    "main_hang": ("the main thread hangs at the top of its loop", frozenset(("manner", "for_ms"))),
    "timer_death": (
        "the timer thread dies: no timer, no time-out expires any more",
        frozenset(),
    ),
    "host_paused": ("the host takes no data", frozenset(("for_ms",))),
    "host_gone": (
        "the host sends SETUP of an OUT request, then no data",
        frozenset(("during",)),
    ),
    "clock_loss": (
        "the sample clock stops; with seen=yes the clock generator reports it",
        frozenset(("for_ms", "seen")),
    ),
    "cold_start": (
        "the trigger has no effect, so the first buffer never comes, until=restart or until=reset",
        frozenset(("until",)),
    ),
    "ep0_desync": ("stale data is queued on EP0: replies are wrong, data stages fail", frozenset()),
    "dma_error": ("a DMA hardware error stops all sockets without a word", frozenset()),
    "watchdog_stuck": ("the hardware watchdog counts but does not reset", frozenset()),
    "remedy_fails": ("a level does nothing and reports failure", frozenset(("level",))),
}
"""Every kind with its meaning and the fields it takes besides ``at_ms`` and ``times``."""

THREADS = {
    "usb": "USB thread",
    "main": MAIN_THREAD,
    "timer": "timer thread",
    "dma": "DMA thread",
    "pib": "PIB thread",
    "system": "system thread",
}
CHOICES = {
    "manner": ("blocked", "spinning"),
    "lock": ("none", "channel", "usb"),
    "seen": ("yes", "no"),
    "until": ("restart", "reset"),
    "thread": tuple(THREADS),
    "during": tuple(item.name for item in Request),
}
EXAMPLE = "hang:call=dma_multi_channel_reset,thread=usb,during=STOPFX3,nth=3,manner=spinning"


@cache
def calls() -> dict[str, str]:
    """Every injection point: the method's name and the SDK call's own name."""
    found = {}
    for name in sorted(dir(Sdk)):
        text = getattr(getattr(Sdk, name), "__doc__", None) or ""
        if not name.startswith("_") and text.startswith("CyU3P"):
            found[name] = text.split()[0].rstrip(":.;,").split("(")[0]
    return found


def nearest(given: str, names: Sequence[str]) -> str:
    """The names that the user may have meant, for an error message."""
    return " or ".join(get_close_matches(given, names, n=2, cutoff=0.4) or list(names))


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        kind: a key of :data:`KINDS`.
        at_ms: not before this simulated time.
        before_ms: only before this simulated time; 0 is without end.
        times: how often it may trigger; 0 is without limit.
        call: SDK call, by its method's or its C name.
        thread: which thread's calls count.
        during: only while this vendor request is handled.
        nth: the n-th such call.
        manner: ``blocked`` or ``spinning``.
        lock: taken before it hangs and held meanwhile.
        for_ms: how long; 0 is for ever.
        code: status that the call answers.
        seen: whether the clock generator reports the lost clock.
        until: what mends a cold start.
        level: which remedy fails.
    """

    kind: str
    at_ms: int = 0
    before_ms: int = 0
    times: int = 1
    call: str = ""
    thread: str = ""
    during: str = ""
    nth: int = 1
    manner: str = "blocked"
    lock: str = "none"
    for_ms: int = 0
    code: int = int(SdkStatus.FAILURE)
    seen: str = "no"
    until: str = "reset"
    level: int = 0

    def __post_init__(self) -> None:
        """Check the fields; FaultError names the one that is wrong and a right example."""
        if self.kind not in KINDS:
            raise FaultError(
                f"no fault {self.kind!r}; did you mean {nearest(self.kind, list(KINDS))}?"
            )
        if "call" in KINDS[self.kind][1]:
            self._check_call()
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            if value and value not in choices:
                raise FaultError(
                    f"fault {self.kind}: {name}={value} is not known; "
                    f"use {nearest(value, choices)}, for example {EXAMPLE}"
                )
        for name in ("at_ms", "before_ms", "times", "nth", "for_ms", "code", "level"):
            if getattr(self, name) < 0:
                raise FaultError(f"fault {self.kind}: {name} is a whole number, not negative")
        if self.kind == "delay" and not self.for_ms:
            raise FaultError("fault delay: for_ms says how long, as in for_ms=100")
        if self.before_ms and self.before_ms <= self.at_ms:
            raise FaultError(f"fault {self.kind}: before_ms must lie after at_ms")
        if self.kind == "remedy_fails" and not 1 <= self.level <= 4:
            raise FaultError(
                "fault remedy_fails: level is 1 to 4, for example remedy_fails:level=1"
            )

    def _check_call(self) -> None:
        known = calls()
        by_c_name = {c_name: name for name, c_name in known.items()}
        name = by_c_name.get(self.call, self.call)
        if name not in known:
            meant = nearest(self.call, list(known) + list(by_c_name)) if self.call else EXAMPLE
            raise FaultError(f"fault {self.kind}: no SDK call {self.call!r}; did you mean {meant}?")
        object.__setattr__(self, "call", name)
        if self.kind == "error" and _answer(name, 0) is None:
            raise FaultError(f"fault error: {known[name]} returns no status, so it cannot fail")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``kind:field=value,...``.

        Raises:
            FaultError: one line that names what is wrong and the nearest right.
        """
        kind, _, rest = text.strip().partition(":")
        if kind not in KINDS:
            raise _no_such_kind(kind)
        allowed = {"at_ms", "times"} | KINDS[kind][1]
        types = get_type_hints(cls)
        values: dict[str, Any] = {}
        for part in filter(None, rest.split(",")):
            name, equals, value = part.strip().partition("=")
            if not equals or name not in allowed:
                raise FaultError(
                    f"fault {kind}: no field {name!r}; it takes {nearest(name, sorted(allowed))}, "
                    f"for example {EXAMPLE}"
                )
            values[name] = _number(kind, name, value) if types[name] is int else value
        return cls(kind, **values)

    def __str__(self) -> str:
        """The text that :meth:`parse` reads back."""
        defaults = {item.name: item.default for item in fields(self)}
        parts = [
            f"{name}={getattr(self, name)}"
            for name, default in defaults.items()
            if name != "kind" and getattr(self, name) != default
        ]
        return f"{self.kind}:{','.join(parts)}" if parts else self.kind


def _no_such_kind(kind: str) -> FaultError:
    return FaultError(f"no fault {kind!r}; did you mean {nearest(kind, list(KINDS))}?")


def _number(kind: str, name: str, value: str) -> int:
    try:
        return int(value, 0)
    except ValueError:
        raise FaultError(
            f"fault {kind}: {name}={value} is not a whole number, for example {name}=100"
        ) from None


def _answer(call: str, code: int) -> Any:  # noqa: ANN401 - whatever the call returns
    """What the call returns when it fails with ``code``; None when it returns nothing."""
    returns = getattr(Sdk, call).__annotations__["return"]
    if returns == "None":
        return None
    if returns == "int":
        return code
    empty: dict[str, Any] = {"tuple[int, bytes]": b"", "tuple[int, list[int]]": []}
    return (code, empty.get(returns))


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

    def __init__(self, world: BenchWorld, faults: Sequence[Fault]) -> None:
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
            "watchdog_stuck": self._watchdog_stuck,
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
        armed.triggered_ns.append(now)
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

        def withhold(request: int) -> bool:
            if armed.spent or (during and request != Request[during]):
                return False
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
            elif fault.kind == "remedy_fails":
                self._wrap_remedy(armed)

    def _wrap(self, sdk: Sdk, armed: Armed) -> None:
        fault = armed.fault
        original = getattr(sdk, fault.call)

        def injected(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401
            if not self._matches(sdk, armed):
                return original(*arguments, **named)
            self._trigger(armed)
            if fault.kind == "error":
                return _answer(fault.call, fault.code)
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
        from health import Level, Outcome, Status

        firmware = self.world.programs[-1]

        def install() -> None:
            platform = firmware.platform
            original = platform.apply

            def injected(level: Level, status: Status) -> Outcome:
                if level != armed.fault.level or armed.spent:
                    return original(level, status)
                self._trigger(armed)
                return Outcome.FAILED

            platform.apply = injected  # type: ignore[method-assign]

        firmware.on_ready = install
