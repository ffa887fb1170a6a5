"""From a status and what was tried before to the next remedy: the only place that decides it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from health.levels import Level, Outcome, level_bit
from health.platform import Intent, Platform
from health.policy import Policy
from health.record import Record
from health.status import HANDLER_NONE, HEALTHY, Status, StatusCode
from health.ticks import age_ms

LOCKING_LEVELS = (Level.EP0, Level.APPLICATION)
"""Levels that take glUibLock and the channel mutex, which a hung handler may hold (SDK 1.3.1)."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """What one call of recover did.

    Attributes:
        level: the level that was applied or refused by its guard; None if no apply was called.
        outcome: how it ended, or why nothing was applied.
        wanted: the level that was next; None if there was nothing to do.
        code: the status that was answered.
        started_ms: when recover was called, 32-bit ms; 0 if there was nothing to do.
        took_ms: how long apply blocked, in ms.
    """

    level: Level | None
    outcome: Outcome
    wanted: Level | None = None
    code: StatusCode = StatusCode.OK
    started_ms: int = 0
    took_ms: int = 0


NOTHING = Recovery(None, Outcome.NONE)
"""The answer to OK: a healthy poll allocates nothing."""


class Climb:
    """How far one family of conditions has climbed, and the proof of health that takes it down."""

    __slots__ = ("ended_ms", "healthy_since_ms", "level", "outcome", "seen_errors", "seen_work")

    def __init__(self) -> None:
        self.level = 0
        self.outcome = Outcome.NONE
        self.ended_ms = 0
        self.healthy_since_ms = 0
        self.seen_work = 0
        self.seen_errors = 0

    def come_down(self) -> None:
        """Begin from the first level again; what was tried before says nothing any more."""
        self.level = 0
        self.outcome = Outcome.NONE


class Cascade:
    """Chooses and applies remedies; called by the main loop alone.

    Three families of conditions climb apart from each other. Stalls have one rung and nowhere to
    climb to. Streaming conditions share one climb, so that a cold start, a wedge and an
    application wedge of one incident go up together. EP0 conditions share the third.

    Args:
        policy: ladders, caps and times.
        platform: clock and hands.
        record: the recorded state; read here, and told when a remedy has ended.
    """

    __slots__ = (
        "_applied",
        "_ended_ms",
        "_ep0",
        "_ladders",
        "_platform",
        "_policy",
        "_record",
        "_stall",
        "_stream",
        "_uses",
        "_uses_session",
    )

    def __init__(self, policy: Policy, platform: Platform, record: Record) -> None:
        self._policy = policy
        self._platform = platform
        self._record = record
        self._ladders = ladders_of(policy)
        self._stall = Climb()
        self._stream = Climb()
        self._ep0 = Climb()
        self._applied = 0
        self._ended_ms = [0] * (Level.WATCHDOG + 1)
        self._uses = [0] * (Level.WATCHDOG + 1)
        self._uses_session = 0

    @property
    def stream_treated(self) -> bool:
        """Whether a streaming condition was treated and health has not been proven since."""
        return self._stream.level >= Level.STREAM

    def answer(self, status: Status) -> Recovery:
        """Choose and apply what *status* needs; with OK, look whether health is proven.

        Args:
            status: what evaluate answered in this poll.

        Returns:
            What was done, or why nothing was.
        """
        if status is HEALTHY or status.code == StatusCode.OK:
            if self._stream.level or self._ep0.level:
                self._prove(self._record.now_ms())
            return NOTHING
        now_ms = self._record.now_ms()
        self._doubt(self._stream, now_ms)
        self._doubt(self._ep0, now_ms)
        ladder = self._ladders[status.code]
        if not ladder:
            return Recovery(None, Outcome.NONE, None, status.code, now_ms)
        wanted, hindrance = self._choose(status, ladder, now_ms)
        if hindrance != Outcome.NONE:
            return Recovery(None, hindrance, wanted, status.code, now_ms)
        return self._apply(wanted, status, now_ms)

    def _choose(
        self, status: Status, ladder: tuple[Level, ...], now_ms: int
    ) -> tuple[Level, Outcome]:
        """Return the next level, and NONE or what keeps it from being applied now."""
        available = self._platform.available()
        past_locks = status.code == StatusCode.UNKNOWN and self._handler_is_stuck(status)
        usable = [
            level
            for level in ladder
            if available & level_bit(level) and not (past_locks and level in LOCKING_LEVELS)
        ]
        if not usable:
            return ladder[0], Outcome.REFUSED
        climb = self._climb(status.code)
        # Where the ladder ends here, its last rung is tried again.
        lowest = min(climb.level + 1, usable[-1])
        settling = climb.outcome == Outcome.DONE and lowest > climb.level
        settling = settling and age_ms(now_ms, climb.ended_ms) < self._policy.settle_ms
        for level in usable:
            if level < lowest or self._is_capped(level):
                continue
            if settling or self._is_cooling(level, now_ms) or waits_for_locks(level, status):
                return level, Outcome.COOLING
            return level, Outcome.NONE
        return usable[-1], Outcome.CAPPED

    def _apply(self, level: Level, status: Status, now_ms: int) -> Recovery:
        record = self._record
        session = record.session
        # Noted first: a level 4 on the device does not return.
        self._platform.note(Intent(level, status))
        outcome = self._platform.apply(level, status)
        ended_ms = record.now_ms()
        took_ms = age_ms(ended_ms, now_ms)
        recovery = Recovery(level, outcome, level, status.code, now_ms, took_ms)
        if outcome == Outcome.REFUSED:
            return recovery
        self._count_use(level, session)
        self._applied |= level_bit(level)
        self._ended_ms[level] = ended_ms
        climb = self._climb(status.code)
        climb.level = level
        climb.outcome = outcome
        climb.ended_ms = ended_ms
        record.restart_stream(ended_ms)
        if level >= Level.EP0:
            record.ep0_forgiven_by_remedy = record.ep0_errors
        self._doubt(self._stream, ended_ms)
        self._doubt(self._ep0, ended_ms)
        return recovery

    def _handler_is_stuck(self, status: Status) -> bool:
        """Return whether a handler is in progress for longer than any legal one."""
        evidence = status.evidence
        in_progress = evidence.handler != HANDLER_NONE
        return in_progress and evidence.handler_age_ms >= self._policy.longest_handler_ms

    def _climb(self, code: StatusCode) -> Climb:
        match code:
            case StatusCode.STREAM_STALL:
                return self._stall
            case StatusCode.EP0_WEDGED | StatusCode.USB_EVENT_WEDGED | StatusCode.EP0_DESYNC:
                return self._ep0
            case _:
                return self._stream

    def _is_capped(self, level: Level) -> bool:
        if level != Level.STREAM:
            cap = self._policy.cap(level)
            return cap != 0 and self._uses[level] >= cap
        # START and STOP come from another thread; the use belongs to the session it was counted in.
        used = self._uses[level] if self._uses_session == self._record.session else 0
        return self._record.stream_cap != 0 and used >= self._record.stream_cap

    def _count_use(self, level: Level, session: int) -> None:
        if level == Level.STREAM and self._uses_session != session:
            self._uses[level] = 0
            self._uses_session = session
        self._uses[level] += 1

    def _is_cooling(self, level: Level, now_ms: int) -> bool:
        if not self._applied & level_bit(level):
            return False
        return age_ms(now_ms, self._ended_ms[level]) < self._policy.cool_down_ms(level)

    def _doubt(self, climb: Climb, now_ms: int) -> None:
        """Begin the proof of health again."""
        climb.healthy_since_ms = now_ms
        climb.seen_errors = self._record.ep0_errors
        climb.seen_work = self._stream_work() if climb is self._stream else self._ep0_work()

    def _prove(self, now_ms: int) -> None:
        """Come down where health is proven: the thing that failed was seen to work long enough.

        A stream has to move in every poll. EP0 has to complete a request and fail none. Only the
        levels come down; the stream cap stays used until START or STOP.
        """
        stream = self._stream
        if self._stream_work() == stream.seen_work:
            self._doubt(stream, now_ms)
        elif age_ms(now_ms, stream.healthy_since_ms) >= self._policy.healthy_ms:
            stream.come_down()
        stream.seen_work = self._stream_work()
        ep0 = self._ep0
        if self._record.ep0_errors != ep0.seen_errors:
            self._doubt(ep0, now_ms)
        elif (
            self._ep0_work() != ep0.seen_work
            and age_ms(now_ms, ep0.healthy_since_ms) >= self._policy.healthy_ms
        ):
            ep0.come_down()
        if stream.level == 0 and ep0.level == 0:
            for level in range(Level.EP0, Level.WATCHDOG):
                self._uses[level] = 0

    def _stream_work(self) -> int:
        return self._record.moves

    def _ep0_work(self) -> int:
        """Return the completed setup handlers: one for each two steps of the sequence."""
        return self._record.ep0.sequence >> 1


@lru_cache(maxsize=16)
def ladders_of(policy: Policy) -> tuple[tuple[Level, ...], ...]:
    """Return the ladder of every status, by its number."""
    return tuple(policy.ladder(code) for code in StatusCode)


def waits_for_locks(level: Level, status: Status) -> bool:
    """Return whether *level* takes locks that the handler in progress may hold.

    Waiting in level 2 or 3 for a hung USB thread would hang the main thread too, and leave level
    5 alone to act.
    """
    return level in LOCKING_LEVELS and status.evidence.handler != HANDLER_NONE
