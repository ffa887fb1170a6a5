"""Steps, hosts and clocks that a test sets, for smoke runs and soaks that take no time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from hw.guard import HostState
from hw.host.incidents import Incident, Severity
from hw.host.keeper import Clock
from hw.host.smoke import Stage, Step, StepFailed, Told
from hw.host.states import HostStatus
from tests.hw.host.made import NOW


class PlayedTime:
    """Both clocks, a sleep that moves them, and a runtime whose calls may hang."""

    def __init__(self) -> None:
        self.ms = 0
        self.wall_jump_s = 0.0
        self.sleeps: list[int] = []

    def clock(self) -> Clock:
        return Clock(
            lambda: NOW.timestamp() + self.ms / 1000 + self.wall_jump_s,
            lambda: self.ms * 1_000_000,
        )

    def sleep_ms(self, duration_ms: int) -> None:
        self.sleeps.append(duration_ms)
        self.ms += duration_ms

    def now_ns(self) -> int:
        return self.ms * 1_000_000

    def spawn(self, name: str, call: Callable[[], Told]) -> PlayedCall:
        return PlayedCall(self, name, call)

    def queue(self, capacity: int) -> None:
        raise NotImplementedError


class Hang(Exception):
    """Raised by a step of a test: it never ends."""


class PlayedCall:
    """A call beside the caller."""

    def __init__(self, time: PlayedTime, name: str, call: Callable[[], Told]) -> None:
        self._time, self._name, self._call = time, name, call

    def join(self, timeout_ms: int) -> Told:
        try:
            return self._call()
        except Hang:
            self._time.ms += timeout_ms
            raise TimeoutError(f"{self._name} still runs after {timeout_ms} ms") from None


class PlayedHost:
    """A host whose state and incidents a test sets."""

    def __init__(self) -> None:
        self.state = HostState.NORMAL
        self.found: tuple[Incident, ...] = ()
        self.looks = 0
        self.noted: list[tuple[bool, bool]] = []

    def status(self) -> HostStatus:
        self.looks += 1
        reasons = ("a reason",)
        return HostStatus(self.state, reasons, reasons, (), NOW, NOW)

    def look(self) -> tuple[HostStatus, tuple[Incident, ...]]:
        return self.status(), self.found

    def note_smoke(self, *, is_pass: bool, is_complete: bool) -> None:
        self.noted.append((is_pass, is_complete))

    def crash(self, time_utc: datetime = datetime(2026, 3, 10, 13, 0, tzinfo=UTC)) -> None:
        made = Incident(time_utc, time_utc, Severity.BUGCHECK, "0x00000139", ())
        self.found = (*self.found, made)


def step(name: str, do: Callable[[], Told] | None = None, **more: object) -> Step:
    """A required step of stage link that passes, unless told otherwise."""
    given = {"stage": Stage.LINK, "budget_ms": 1_000, "is_required": True, **more}
    return Step(name, do=do or (lambda: Told("fine")), **given)


def fail() -> Told:
    """A step that fails."""
    raise StepFailed("a check failed")


def hang() -> Told:
    """A step that never ends."""
    raise Hang
