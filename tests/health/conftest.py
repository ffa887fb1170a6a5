"""A bench for the health module: a clock that is set by hand and hands that write down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from health import (
    Event,
    Health,
    Intent,
    Level,
    Outcome,
    Policy,
    Recovery,
    Status,
    level_bit,
)

WRAP = 0xFFFF_FFFF
ALL_LEVELS = sum(level_bit(level) for level in Level)


@dataclass
class Hands:
    """A platform and a watchdog in one: they obey, and write down what they were told."""

    time_ms: int = 0
    mask: int = ALL_LEVELS
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    applied: list[tuple[int, int, str]] = field(default_factory=list)
    told: list[tuple[str, int]] = field(default_factory=list)
    armed_ms: list[int] = field(default_factory=list)
    timers: list[tuple[int, Callable[[], None]]] = field(default_factory=list)
    pets: int = 0
    remedy_ms: int = 0
    on_now: Callable[[], None] | None = None
    during_remedy: Callable[[], None] | None = None
    asked: int = 0

    def now_ms(self) -> int:
        if self.on_now is not None:
            self.on_now()
        return self.time_ms & WRAP

    def available(self) -> int:
        self.asked += 1
        return self.mask

    def note(self, intent: Intent) -> None:
        self.told.append(("note", int(intent.level)))
        self.intent = intent

    def apply(self, level: Level, status: Status) -> Outcome:
        self.told.append(("apply", int(level)))
        self.applied.append((self.time_ms, int(level), status.code.name))
        self.time_ms += self.remedy_ms
        if self.during_remedy is not None:
            self.during_remedy()
        return self.outcomes.get(int(level), Outcome.DONE)

    def arm(self, period_ms: int) -> None:
        self.armed_ms.append(period_ms)

    def clear(self) -> None:
        self.pets += 1

    def every(self, interval_ms: int, call: Callable[[], None]) -> None:
        self.timers.append((interval_ms, call))


class Bench:
    """One health module on its hands, and the words to speak to it."""

    def __init__(self, policy: Policy, start_ms: int = 0, watchdog: bool = True) -> None:
        self.policy = policy
        self.hands = Hands(time_ms=start_ms)
        self.start_ms = start_ms
        self.health = Health(policy, self.hands, self.hands if watchdog else None)
        self.health.init()

    def at(self, offset_ms: int) -> Bench:
        """Set the clock to *offset_ms* after the start."""
        self.hands.time_ms = self.start_ms + offset_ms
        return self

    def record(self, event: Event, *arguments: int) -> Bench:
        self.health.record_event(event, *arguments)
        return self

    def sample(self, count: int, state: int, full: int = 255) -> Bench:
        return self.record(Event.STREAM_SAMPLE, count, state, full)

    def status(self) -> Status:
        return self.health.evaluate()

    def code(self) -> str:
        return self.health.evaluate().code.name

    def poll(self, count: int | None = None, state: int = 8, full: int = 255) -> Recovery:
        """One pass of the main loop, with a sample if a count is given."""
        self.health.main_heartbeat()
        if count is not None:
            self.sample(count, state, full)
        return self.health.recover(self.health.evaluate())

    def told_in_pairs(self) -> bool:
        """Whether each remedy was noted right before it was applied."""
        told = self.hands.told
        pairs = list(zip(told[::2], told[1::2], strict=True))
        return all(
            one == ("note", level) and other == ("apply", level)
            for one, other in pairs
            for level in [one[1]]
        )

    def levels(self) -> list[int]:
        return [level for _, level, _ in self.hands.applied]


@pytest.fixture
def reference() -> Policy:
    return Policy.preset("reference")


@pytest.fixture
def make_bench(reference: Policy) -> Callable[..., Bench]:
    """Make a bench on the reference policy, with some fields changed."""

    def make(
        policy: Policy | None = None, start_ms: int = 0, watchdog: bool = True, **changes: int
    ) -> Bench:
        return Bench(replace(policy or reference, **changes), start_ms, watchdog)

    return make
