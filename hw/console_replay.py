"""What a health module would have made of a recorded console log.

The log's texts become the events that the firmware would have recorded, and the module looks at
them ten times a second of the log's own time, as it does on the device. Its remedies are written
down and taken to have worked; what the firmware itself did stands beside them.

What a log cannot tell is not guessed: while a stream runs well the firmware says nothing, so no
age grows then. A log without times is given those that it implies: one poll for each text that
the firmware's own watchdog writes once in a poll.

Source: RunApplication.c (what is said in which poll), health.c (its statuses).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from health import Event, Health, HealthFactory, Intent, Level, Outcome, Policy, Status, StatusCode
from health.levels import level_bit
from hw.console_log import Entry, Said
from hw.console_verdict import Moment, Source, Verdict
from hw.protocol import GpifState

GAP_POLLS_MAX = 600
"""A minute: longer than any limit of a policy, so that a quiet log of a month takes no longer."""
_WRAP = 0xFFFF_FFFF
_BUFFERS_UNKNOWN = 255
_ALL_LEVELS = sum(level_bit(level) for level in Level if level < Level.WATCHDOG)
_ONE_A_POLL = frozenset((Said.STALL, Said.RESUMED, Said.CLEARED))
_RESETS = frozenset((Said.HOST_RESETS, Said.CONSOLE_RESETS, Said.SETUP_FAILED))
_STREAM_ENDS = ("RESET", "DISCONNECT", "VBUS_REMOVED")


def judge(entries: Iterable[Entry], policy: Policy, health: HealthFactory = Health) -> Verdict:
    """Return what a policy would have made of a log.

    Args:
        entries: what was said, in order.
        policy: what the module decides by.
        health: class of the module.
    """
    play = _Play(policy, health)
    count = 0
    for entry in entries:
        play.take(entry)
        count += 1
    play.end()
    return Verdict(tuple(play.moments), count, play.now_ms, play.is_inferred)


@dataclass
class _Hands:
    """The platform of a module that looks back: every level is possible and works."""

    clock: Callable[[], int]
    applied: list[tuple[Level, StatusCode]] = field(default_factory=list)

    def now_ms(self) -> int:
        return self.clock() & _WRAP

    def available(self) -> int:
        return _ALL_LEVELS

    def apply(self, level: Level, status: Status) -> Outcome:
        self.applied.append((level, status.code))
        return Outcome.DONE

    def note(self, intent: Intent) -> None:
        """Nothing is kept: this is the past."""


class _Play:
    """Goes through a log once."""

    def __init__(self, policy: Policy, health: HealthFactory) -> None:
        self.moments: list[Moment] = []
        self.now_ms = 0
        self.is_inferred = False
        self._policy = policy
        self._health_class = health
        self._polled_ms = 0
        self._line = 0
        self._has_mark = False
        self._boot()

    def _boot(self) -> None:
        """A new module, as after every reset."""
        self._hands = _Hands(lambda: self.now_ms)
        self._health = self._health_class(self._policy, self._hands, None)
        self._code = StatusCode.OK
        self._is_armed = False
        self._sleeps = False

    def take(self, entry: Entry) -> None:
        """Let time pass to an entry, and tell the module what it says."""
        due_ms = self._due_ms(entry)
        self._line = entry.line
        if entry.said is Said.STALL and entry.number(0) == 1:
            # The poll before saw this count first.
            self._sleep_until(max(self.now_ms, due_ms - self._policy.poll_interval_ms))
            self._see_stream(entry.number(3), entry.number(2))
        self._sleep_until(due_ms)
        _HANDLERS.get(entry.said, _pass)(self, entry)
        if entry.said in _ONE_A_POLL:
            self._poll()

    def end(self) -> None:
        """Look once more; what hangs now hangs for as long as anybody likes to look."""
        if self._sleeps:
            self._sleep_until(self.now_ms + GAP_POLLS_MAX * self._policy.poll_interval_ms)

    # ------------------------------------------------------------ time

    def _due_ms(self, entry: Entry) -> int:
        if entry.at_ms is not None:
            self._has_mark = True
            return max(entry.at_ms, self.now_ms)
        self.is_inferred = True
        polls = 1 if entry.said in _ONE_A_POLL else 0
        if entry.said is Said.STALL and entry.number(0) == 1:
            polls = 2
        return self.now_ms + polls * self._policy.poll_interval_ms

    def _sleep_until(self, due_ms: int) -> None:
        interval_ms = self._policy.poll_interval_ms
        for _ in range(GAP_POLLS_MAX):
            if self._polled_ms + interval_ms >= due_ms:
                break
            self.now_ms = self._polled_ms + interval_ms
            self._poll()
        else:
            self._polled_ms = due_ms
        self.now_ms = due_ms

    def _poll(self) -> None:
        """One pass of the main loop, without its sampler."""
        self._polled_ms = self.now_ms
        status = self._health.evaluate()
        if status.code is not self._code:
            self._code = status.code
            is_trouble = status.code is not StatusCode.OK
            self._add(Source.STATUS, status.code.name, is_trouble=is_trouble)
        self._health.recover(status)
        applied, self._hands.applied = self._hands.applied, []
        for level, code in applied:
            self._add(Source.POLICY, f"would apply level {level:d} for {code.name}", level)
            if level is Level.DEVICE_RESET:
                # From here on it would have been another story.
                self._boot()

    def _add(
        self, source: Source, what: str, level: int | None = None, *, is_trouble: bool = True
    ) -> None:
        is_inferred = not self._has_mark
        self.moments.append(
            Moment(self.now_ms, is_inferred, source, what, self._line, level, is_trouble)
        )

    # ------------------------------------------------------------ what is said

    def _tell(self, event: Event, *values: int) -> None:
        self._health.record_event(event, *values)

    def _see_stream(self, count: int, state: int) -> None:
        """One sample; a log that begins in mid-stream begins the session here."""
        if not self._is_armed:
            self.started()
        self._tell(Event.STREAM_SAMPLE, count & _WRAP, state & 0xFF, _BUFFERS_UNKNOWN)

    def started(self) -> None:
        self._is_armed = True
        self._tell(Event.STREAM_START)

    def stopped(self) -> None:
        self._is_armed = False
        self._tell(Event.STREAM_STOP)

    def stall(self, entry: Entry) -> None:
        polls, limit, state, count = (entry.number(index) for index in range(4))
        self._see_stream(count, state)
        if polls == 1:
            self._add(Source.FIRMWARE, f"stall seen, {limit} polls to go: {_where(state, count)}")

    def recovery_begins(self, entry: Entry) -> None:
        state, count, used, cap = (entry.number(index) for index in range(4))
        self._poll()
        self._add(
            Source.FIRMWARE,
            f"level 1, number {used} of {cap or 'any'}: {_where(state, count)}",
            Level.STREAM,
        )

    def recovered(self, entry: Entry) -> None:
        """The count begins at zero; the state machine reads, if it was started."""
        failed = [name for name, index in _STEPS.items() if entry.number(index)]
        if failed:
            self._add(Source.FIRMWARE, f"level 1 failed in {' and '.join(failed)}")
        self._see_stream(0, GpifState.DISABLED if entry.number(3) else GpifState.TH0_RD)

    def recovery_waits(self, entry: Entry) -> None:
        del entry
        self._tell(Event.CLOCK_STATE, 0)
        self._add(Source.FIRMWARE, "level 1 left the stream stopped: no sample clock")

    def capped(self, entry: Entry) -> None:
        self._add(Source.FIRMWARE, f"gave up after {entry.number(0)} recoveries, until STARTFX3")

    def cleared(self, entry: Entry) -> None:
        self._add(Source.FIRMWARE, "stall over: the state machine moved", is_trouble=False)

    def resumed(self, entry: Entry) -> None:
        self._see_stream(entry.number(1), GpifState.TH0_RD)
        self._add(Source.FIRMWARE, "stall over: data flows", is_trouble=False)

    def forced(self, entry: Entry) -> None:
        self._add(Source.FIRMWARE, f"stopped by force in state {entry.number(0)}")

    def start_answer(self, entry: Entry) -> None:
        if entry.number(1):
            self._add(Source.FIRMWARE, f"STARTFX3 failed with status {entry.number(1)}")
            return
        self._tell(Event.CLOCK_STATE, 1)
        self.started()
        self._add(Source.FIRMWARE, "stream started", is_trouble=False)

    def stop_answer(self, entry: Entry) -> None:
        self.stopped()
        self._add(Source.FIRMWARE, "stream stopped", is_trouble=False)

    def no_clock(self, entry: Entry) -> None:
        self._tell(Event.CLOCK_STATE, 0)
        self._add(Source.FIRMWARE, f"STARTFX3 refused: {entry.values[0]}")

    def pib_error(self, entry: Entry) -> None:
        self._tell(Event.PIB_ERROR, entry.number(0))
        self._add(Source.FIRMWARE, f"PIB error 0x{entry.number(0):X}", is_trouble=False)

    def underrun(self, entry: Entry) -> None:
        self._tell(Event.EP_UNDERRUN)
        self._add(Source.FIRMWARE, f"underrun on endpoint {entry.number(0)}", is_trouble=False)

    def usb_event(self, entry: Entry) -> None:
        name = str(entry.values[0])
        if name == "SET_CONFIGURATION":
            self._is_armed = False
            self._tell(Event.CONFIGURED)
        elif name in _STREAM_ENDS:
            self._is_armed = False
            self._tell(Event.DECONFIGURED)
        self._add(Source.FIRMWARE, f"USB event {name}", is_trouble=False)

    def handler_sleeps(self, entry: Entry) -> None:
        self._sleeps = True
        self._tell(Event.EP0_ENTER)
        self._add(Source.FIRMWARE, f"HANGFX3: its handler sleeps {entry.number(0)} ms")

    def request(self, entry: Entry) -> None:
        """Its handler has ended; one that sleeps is the one that ends."""
        if not self._sleeps:
            self._tell(Event.EP0_ENTER)
        self._sleeps = False
        self._tell(Event.EP0_EXIT)

    def cap_set(self, entry: Entry) -> None:
        self._tell(Event.STREAM_CAP, entry.number(0) & 0xFF)

    def main_spins(self, entry: Entry) -> None:
        policy = self._policy
        self._add(Source.FIRMWARE, "HANGMAIN: the main loop spins for ever")
        if policy.level_5_enabled:
            latest_ms = policy.hwdt_effective_us // 1000 + policy.pet_interval_ms
            self._add(
                Source.POLICY,
                f"level 5 would reset the device within {latest_ms} ms",
                Level.WATCHDOG,
            )

    def health_recovers(self, entry: Entry) -> None:
        self._add(Source.FIRMWARE, f"health status {entry.number(0)}: level 4", Level.DEVICE_RESET)
        self._boot()

    def reset(self, entry: Entry) -> None:
        what = {
            Said.HOST_RESETS: "reset by the host (RESETFX3)",
            Said.CONSOLE_RESETS: "reset by the console's command",
        }.get(entry.said)
        is_trouble = what is None
        if what is None:
            name, status = entry.values
            what = f"{str(name).strip()} failed with status {status}: it blinks for 4 s and resets"
        self._add(Source.FIRMWARE, what, is_trouble=is_trouble)
        self._boot()


_STEPS = {"the channel's reset": 0, "the flush": 1, "the transfer": 2, "the start": 3}


def _where(state: int, count: int) -> str:
    return f"state {state}, count {count}"


def _pass(play: _Play, entry: Entry) -> None:
    """An entry that nothing follows from."""


_HANDLERS: dict[Said, Callable[[_Play, Entry], None]] = {
    Said.STALL: _Play.stall,
    Said.RECOVERY_BEGINS: _Play.recovery_begins,
    Said.RECOVERY_DONE: _Play.recovered,
    Said.RECOVERY_WAITS: _Play.recovery_waits,
    Said.CAPPED: _Play.capped,
    Said.CLEARED: _Play.cleared,
    Said.RESUMED: _Play.resumed,
    Said.FORCED: _Play.forced,
    Said.STARTED: _Play.start_answer,
    Said.STOPPED: _Play.stop_answer,
    Said.STOPPED_BY_CLOCK: _Play.stop_answer,
    Said.NO_CLOCK: _Play.no_clock,
    Said.PIB_ERROR: _Play.pib_error,
    Said.UNDERRUN: _Play.underrun,
    Said.USB_EVENT: _Play.usb_event,
    Said.HANDLER_SLEEPS: _Play.handler_sleeps,
    Said.REQUEST: _Play.request,
    Said.CAP_SET: _Play.cap_set,
    Said.MAIN_SPINS: _Play.main_spins,
    Said.HEALTH_RECOVERS: _Play.health_recovers,
    **dict.fromkeys(_RESETS, _Play.reset),
}
