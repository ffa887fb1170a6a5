"""The catalogue of faults.

A fault is a value: it can be written as text (``hang:call=usb_flush_ep,thread=usb``), kept in a
file, compared and drawn at random. :mod:`sim.injector` makes it happen in a world.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import cache
from typing import Any, Self, get_type_hints

from hw.protocol import Request, SdkStatus
from sim.errors import FaultError
from sim.firmware.app import MAIN_THREAD
from sim.sdk import Sdk

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
    "endpoint_error": (
        "the host controller's endpoint fails or falls silent until a clear-halt (seen on xHCI): "
        "after a read queued too late, a needless clear-halt, or a close with reads pending",
        frozenset(("cause",)),
    ),
    "watchdog_stuck": ("the hardware watchdog counts but does not reset", frozenset()),
    "remedy_fails": ("a level does nothing and reports failure", frozenset(("level",))),
    "remedy_refused": ("a guard forbids a level, which does nothing", frozenset(("level",))),
    "tick_wrap": (
        "the OS tick counter passes 2**32 at at_ms, as after 49.7 days of uptime",
        frozenset(),
    ),
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
    "cause": ("late_read", "clear_halt", "close"),
    "thread": tuple(THREADS),
    "during": tuple(item.name for item in Request),
}
NAMES_MAX = 16
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
    """The names that the user may have meant, for an error message; all, if they are few."""
    few = names if len(names) <= NAMES_MAX else (names[0], names[-1])
    return " or ".join(get_close_matches(given, names, n=2, cutoff=0.4) or few)


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
        level: which remedy fails or is refused.
        cause: what an endpoint error comes from.
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
    cause: str = "late_read"

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
            may_be_empty = name in ("thread", "during")
            if value not in choices and (value or not may_be_empty):
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
        if self.kind in ("remedy_fails", "remedy_refused") and not 1 <= self.level <= 4:
            raise FaultError(f"fault {self.kind}: level is 1 to 4, for example {self.kind}:level=1")

    def _check_call(self) -> None:
        known = calls()
        by_c_name = {c_name: name for name, c_name in known.items()}
        name = by_c_name.get(self.call, self.call)
        if name not in known:
            meant = nearest(self.call, list(known) + list(by_c_name)) if self.call else EXAMPLE
            raise FaultError(f"fault {self.kind}: no SDK call {self.call!r}; did you mean {meant}?")
        object.__setattr__(self, "call", name)
        if self.kind == "error" and failure_of(name, 0) is None:
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


def failure_of(call: str, code: int) -> Any:  # noqa: ANN401 - whatever the call returns
    """What the call returns when it fails with ``code``; None when it returns no status."""
    returns = getattr(Sdk, call).__annotations__["return"]
    if returns in ("None", "UsbSpeed") or call == "get_time":
        return None
    if returns == "int":
        return code
    empty: dict[str, Any] = {"tuple[int, bytes]": b"", "tuple[int, list[int]]": []}
    return (code, empty.get(returns))
