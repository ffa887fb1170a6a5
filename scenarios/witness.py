"""Sees what a health module does with its platform and its watchdog, whoever wrote it.

The module's own marks in the trace say what it claims; this stands between the module and its
hands and sees what it does. In good times it costs nothing: the clock and the events pass by it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from health import (
    Health,
    HealthFactory,
    HealthModule,
    Intent,
    Level,
    Outcome,
    Platform,
    Policy,
    Status,
    StatusCode,
    Watchdog,
)


@dataclass
class Act:
    """One call of ``Platform.apply``.

    Attributes:
        at_ns: when it began.
        level: which.
        code: the status that it answers.
        handler: the handler in progress that the status told of, 0 for none.
        available: the mask that the platform answered last before, or None when it was not asked.
        was_noted: the intent was noted before.
        outcome: how it ended; None when it never returned.
        ended_ns: when, or None.
    """

    at_ns: int
    level: Level
    code: StatusCode
    handler: int
    available: int | None
    was_noted: bool
    outcome: Outcome | None = None
    ended_ns: int | None = None


@dataclass
class Life:
    """One health module, from its birth to the next reset.

    Attributes:
        acts: what it applied, in order.
        armed_ms: every period that it armed the watchdog with.
        looks_ms: every interval that it asked to be called back in.
        pets_ns: when it petted the watchdog.
        changes_ns: when evaluate answered twice in one instant, and not the same.
        reported: every status that evaluate answered but OK, in order of the first time; None of
            the reference module, whose answers its own tests judge.
    """

    acts: list[Act] = field(default_factory=list)
    armed_ms: list[int] = field(default_factory=list)
    looks_ms: list[int] = field(default_factory=list)
    pets_ns: list[int] = field(default_factory=list)
    changes_ns: list[int] = field(default_factory=list)
    reported: list[StatusCode] | None = None


class Witness:
    """A factory of health modules that are watched.

    Args:
        factory: the class that is watched.
        now_ns: simulated time.

    Attributes:
        lives: of every module made, in order.
    """

    def __init__(self, factory: HealthFactory, now_ns: Callable[[], int]) -> None:
        self.lives: list[Life] = []
        self._factory = factory
        self._now_ns = now_ns

    def __call__(
        self, policy: Policy, platform: Platform, watchdog: Watchdog | None
    ) -> HealthModule:
        """Make a module and watch it."""
        life = Life()
        self.lives.append(life)
        hands = _Hands(platform, life, self._now_ns)
        clock = None if watchdog is None else _Clock(watchdog, life, self._now_ns)
        module = self._factory(policy, hands, clock)
        # The reference module's tests prove that its evaluate changes nothing.
        return module if self._factory is Health else _Module(module, life, self._now_ns)


class _Hands:
    """A platform that tells the witness."""

    def __init__(self, platform: Platform, life: Life, now_ns: Callable[[], int]) -> None:
        self.now_ms = platform.now_ms
        self._platform = platform
        self._life = life
        self._now_ns = now_ns
        self._available: int | None = None
        self._noted: Intent | None = None

    def available(self) -> int:
        self._available = self._platform.available()
        return self._available

    def note(self, intent: Intent) -> None:
        self._noted = intent
        self._platform.note(intent)

    def apply(self, level: Level, status: Status) -> Outcome:
        noted, self._noted = self._noted, None
        act = Act(
            at_ns=self._now_ns(),
            level=level,
            code=status.code,
            handler=status.evidence.handler,
            available=self._available,
            was_noted=noted is not None and noted.level == level,
        )
        self._available = None
        self._life.acts.append(act)
        act.outcome = self._platform.apply(level, status)
        act.ended_ns = self._now_ns()
        return act.outcome


class _Clock:
    """A watchdog that tells the witness."""

    def __init__(self, watchdog: Watchdog, life: Life, now_ns: Callable[[], int]) -> None:
        self._watchdog = watchdog
        self._life = life
        self._now_ns = now_ns

    def arm(self, period_ms: int) -> None:
        self._life.armed_ms.append(period_ms)
        self._watchdog.arm(period_ms)

    def clear(self) -> None:
        self._life.pets_ns.append(self._now_ns())
        self._watchdog.clear()

    def every(self, interval_ms: int, call: Callable[[], None]) -> None:
        self._life.looks_ms.append(interval_ms)
        self._watchdog.every(interval_ms, call)


class _Module:
    """A health module whose evaluate is asked twice, and has to answer the same."""

    def __init__(self, module: HealthModule, life: Life, now_ns: Callable[[], int]) -> None:
        self.init = module.init
        self.record_event = module.record_event
        self.recover = module.recover
        self.main_heartbeat = module.main_heartbeat
        self._evaluate = module.evaluate
        self._life = life
        self._now_ns = now_ns
        self._reported: list[StatusCode] = []
        life.reported = self._reported

    def evaluate(self) -> Status:
        before_ns = self._now_ns()
        first = self._evaluate()
        # Where evaluate took time, something else may have happened in between.
        if before_ns == self._now_ns() and self._evaluate() != first:
            self._life.changes_ns.append(before_ns)
        if first.code is not StatusCode.OK and first.code not in self._reported:
            self._reported.append(first.code)
        return first
