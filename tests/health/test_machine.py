"""Any history under any policy: the invariants of the contract."""

from dataclasses import replace

import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from health import Event, Level, Outcome, Policy, StatusCode, level_bit
from health.ladders import LADDERS, field_names

LADDERED = [code for code in StatusCode if LADDERS[code]]


def mostly(values):
    """The given values, and zero now and then."""
    return st.one_of(values, values, values, st.just(0))


@st.composite
def policies(draw):
    """Any policy that the rules allow."""
    poll_ms = draw(st.sampled_from([20, 100, 250]))
    longest_ms = draw(st.integers(100, 400))
    host_ms = draw(st.integers(100, 1500))
    handler_limits_ms = mostly(st.integers(1 + max(poll_ms, longest_ms, host_ms), 6000))
    stream_limits_ms = mostly(st.integers(poll_ms, 2000))
    fields = {
        "poll_interval_ms": poll_ms,
        "longest_handler_ms": longest_ms,
        "host_control_timeout_ms": host_ms,
        "ep0_limit_ms": draw(handler_limits_ms),
        "usb_event_limit_ms": draw(handler_limits_ms),
        "level_5_enabled": draw(st.booleans()),
        "pet_interval_ms": draw(st.integers(1200, 2400)),
        "settle_ms": draw(st.sampled_from([0, 400, 1000])),
        "healthy_ms": draw(st.sampled_from([0, 500, 3000])),
    }
    for name in ("stall", "wedge"):
        fields[f"stream_{name}_ms"] = draw(stream_limits_ms)
    for name in ("cold_start_ms", "clock_lost_ms", "unknown_ms"):
        fields[name] = draw(stream_limits_ms)
    if draw(mostly(st.just(1))):
        fields["ep0_desync_limit"] = draw(st.integers(1, 6))
        fields["ep0_desync_window_ms"] = draw(st.integers(1, 4000))
    for level in range(1, 5):
        fields[f"level_{level}_enabled"] = bool(draw(mostly(st.just(1))))
        fields[f"level_{level}_cap"] = draw(st.integers(0, 4))
        fields[f"level_{level}_cool_down_ms"] = draw(st.sampled_from([0, 0, 150, 3000]))
    for code in LADDERED:
        rungs = LADDERS[code]
        ends = [(rungs[0], rungs[-1])] * 3 + [(0, 0)]
        ends += [(first, last) for first in rungs for last in rungs if first <= last]
        first, ceiling = draw(st.sampled_from(ends))
        fields.update(zip(field_names(code), (int(first), int(ceiling)), strict=True))
    return Policy(name="random", **fields)


def snapshot(thing):
    """Return the whole state of the module as plain values."""
    if isinstance(thing, list | tuple):
        return [snapshot(part) for part in thing]
    if isinstance(thing, int):
        return int(thing)
    slots = getattr(type(thing), "__slots__", None)
    if slots is None or not type(thing).__module__.startswith("health."):
        return repr(thing)
    return {name: snapshot(getattr(thing, name)) for name in slots}


class AnyHistory(RuleBasedStateMachine):
    """Records, samples and polls in any order, with remedies that end in any way."""

    def __init__(self, make_bench):
        super().__init__()
        self.make_bench = make_bench

    @initialize(policy=policies(), start_ms=st.sampled_from([0, 2**32 - 5000, 2**31 - 5000]))
    def begin(self, policy, start_ms):
        self.policy = policy
        self.bench = self.make_bench(policy, start_ms)
        self.cap = policy.level_1_cap
        self.level_1_uses = 0
        self.ended_ms = {}
        self.count = 0
        self.elapsed_ms = 0
        self.told = 0

    def advance(self, by_ms):
        self.elapsed_ms += by_ms
        self.bench.at(self.elapsed_ms)

    @rule(by_ms=st.sampled_from([1, 99, 100, 101, 1000, 2000, 70_000]))
    def time_passes(self, by_ms):
        self.advance(by_ms)

    @rule(event=st.sampled_from([event for event in Event if event != Event.STREAM_SAMPLE]))
    def something_happens(self, event):
        first = {Event.CLOCK_STATE: 1, Event.STREAM_CAP: 2}.get(event, 0)
        self.bench.record(event, first)
        if event in (Event.STREAM_START, Event.STREAM_STOP):
            self.level_1_uses = 0
        if event == Event.STREAM_CAP:
            self.cap = 2

    @rule()
    def clock_is_lost(self):
        self.bench.record(Event.CLOCK_STATE, 0)

    @rule(cap=st.integers(0, 3))
    def cap_is_set(self, cap):
        self.bench.record(Event.STREAM_CAP, cap)
        self.cap = cap

    @rule()
    def ep0_fails_at_once(self):
        for _ in range(6):
            self.bench.record(Event.EP0_ERROR)

    @rule(
        level=st.integers(1, 4),
        outcome=st.sampled_from([Outcome.DONE, Outcome.FAILED, Outcome.REFUSED]),
    )
    def remedies_will_end(self, level, outcome):
        self.bench.hands.outcomes[level] = outcome

    @rule(missing=st.sampled_from([*Level, 0, 0, 0]))
    def a_level_is_missing(self, missing):
        self.bench.hands.mask = 0b111110 & ~(1 << missing)

    @rule(
        enter=st.sampled_from([Event.EP0_ENTER, Event.USB_EVENT_ENTER]),
        polls=st.integers(1, 30),
    )
    def a_handler_hangs(self, enter, polls):
        self.bench.record(enter)
        self.advance(6000)
        for _ in range(polls):
            self.advance(self.policy.poll_interval_ms)
            self.poll()
        self.bench.record(Event(enter + 1))

    @rule(
        polls=st.integers(1, 12),
        state=st.sampled_from([0, 1, 2, 5, 6, 7, 8, 9, 255]),
        full=st.sampled_from([0, 7, 8, 255]),
        move=st.sampled_from(["stay", "stay", "stay", "move", "zero"]),
    )
    def it_polls(self, polls, state, full, move):
        for _ in range(polls):
            self.advance(self.policy.poll_interval_ms)
            self.count = {"stay": self.count, "move": self.count + 7, "zero": 0}[move]
            self.bench.health.main_heartbeat()
            self.bench.sample(self.count % 2**32, state, full)
            self.poll()

    @rule(
        polls=st.integers(1, 40),
        sample=st.sampled_from(
            [(7, 8, 8), (7, 8, 3), (7, 9, 255), (0, 1, 0), (0, 255, 0), (7, 1, 0), (7, 2, 0)]
        ),
    )
    def a_stream_ails(self, polls, sample):
        self.bench.record(Event.CLOCK_STATE, 1)
        if not self.bench.health._record.armed:
            self.something_happens(Event.STREAM_START)
        for _ in range(polls):
            self.advance(self.policy.poll_interval_ms)
            self.bench.sample(*sample)
            self.poll()

    @rule()
    def poll(self):
        """Evaluate and recover, and hold the answer against the contract."""
        health = self.bench.health
        hands = self.bench.hands
        before = snapshot(health)
        status = health.evaluate()
        assert health.evaluate() == status
        assert snapshot(health) == before
        applied = len(hands.applied)
        recovery = health.recover(status)
        assert len(hands.applied) - applied == (recovery.level is not None)
        if recovery.level is None:
            assert recovery.outcome not in (Outcome.DONE, Outcome.FAILED)
        else:
            self.check_remedy(status, recovery, before)

    def check_remedy(self, status, recovery, before):
        level = recovery.level
        ladder = self.policy.ladder(status.code)
        assert level in ladder
        assert level != Level.WATCHDOG
        assert self.bench.hands.mask & level_bit(level)
        cooled_ms = self.elapsed_ms - self.ended_ms.get(level, -(10**9))
        assert cooled_ms >= self.policy.cool_down_ms(level)
        if level in (2, 3):
            assert status.evidence.handler == 0
        if level == Level.STREAM:
            assert self.cap == 0 or self.level_1_uses < self.cap
        if recovery.outcome == Outcome.REFUSED:
            assert snapshot(self.bench.health)["_cascade"]["_uses"] == before["_cascade"]["_uses"]
            assert self.climbed() == self.climbed(before)
            return
        assert recovery.outcome in (Outcome.DONE, Outcome.FAILED)
        self.ended_ms[level] = self.elapsed_ms
        self.level_1_uses += level == Level.STREAM
        self.check_no_rung_was_jumped(status, level, before)

    def check_no_rung_was_jumped(self, status, level, before):
        """Every lower rung was tried before, capped, off, not possible here, or behind a lock."""
        cascade = before["_cascade"]
        family = "_ep0" if "EP0" in status.code.name or "USB" in status.code.name else "_stream"
        climbed = 0 if status.code == StatusCode.STREAM_STALL else cascade[family]["level"]
        for rung in self.policy.ladder(status.code):
            if rung >= level or rung <= climbed:
                continue
            assert (
                not self.bench.hands.mask & level_bit(rung)
                or (rung == Level.STREAM and self.cap and self.level_1_uses >= self.cap)
                or (rung != Level.STREAM and self.policy.cap(rung))
                or (status.code == StatusCode.UNKNOWN and status.evidence.handler)
            )

    def climbed(self, state=None):
        cascade = (state or snapshot(self.bench.health))["_cascade"]
        return [cascade[family]["level"] for family in ("_stream", "_ep0", "_stall")]

    @invariant()
    def remedies_are_noted(self):
        assert self.bench.told_in_pairs()


def test_the_contract_holds_over_any_history(make_bench):
    """Caps and ceilings kept, level 5 never selected, evaluate pure, refused never escalates."""
    run_state_machine_as_test(
        lambda: AnyHistory(make_bench),
        settings=settings(settings(), max_examples=100, stateful_step_count=40),
    )


# --------------------------------------------------------------------------- healthy histories

HEALTHY_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["flow", "stop", "startadc", "request", "configure", "fail"]),
        st.integers(0, 1000),
    ),
    max_size=30,
)


class HealthyDevice:
    """Legal use: a drained stream, STARTADC at any time, handlers up to their longest."""

    def __init__(self, bench, policy):
        self.bench = bench
        self.policy = policy
        self.time_ms = 0
        self.count = 0
        self.state = 0
        self.moves = 0
        bench.record(Event.CLOCK_STATE, 1)

    def wait(self, by_ms):
        self.time_ms += by_ms
        self.bench.at(self.time_ms)

    def poll(self, times):
        for _ in range(times):
            self.wait(self.policy.poll_interval_ms)
            self.count += self.moves
            self.bench.poll(self.count % 2**32, self.state, 1)

    def flow(self, size):
        """Data flow; the main loop may be held up for two seconds before it sees any."""
        self.bench.record(Event.STREAM_START)
        self.count, self.moves, self.state = 0, 1 + size, 2 + 4 * (size % 2)
        self.wait(size * 2)
        self.poll(size % 20)

    def stop(self, size):
        self.bench.record(Event.STREAM_STOP)
        self.moves, self.state = 0, 1
        self.poll(size % 15)

    def startadc(self, size):
        """STARTADC in mid-stream: the block is off, the count keeps its stale value."""
        self.moves, self.state = 0, 255
        self.poll(size % 15)

    def request(self, size):
        enter = Event.EP0_ENTER if size % 2 else Event.USB_EVENT_ENTER
        self.bench.record(enter)
        self.wait(self.policy.longest_handler_ms)
        self.bench.poll()
        self.bench.record(Event(enter + 1))

    def configure(self, size):
        self.bench.record(Event.DECONFIGURED).record(Event.CONFIGURED)
        self.moves, self.state = 0, 255
        self.poll(size % 15)

    def fail(self, size):
        """One EP0 transfer fails now and then; never as many as the policy calls a desync."""
        if self.policy.ep0_desync_limit != 1:
            self.bench.record(Event.EP0_ENTER).record(Event.EP0_ERROR).record(Event.EP0_EXIT)
        self.wait(self.policy.ep0_desync_window_ms)
        self.poll(size % 15)


@pytest.mark.parametrize("source", [*Policy.preset_names(), "random"])
def test_no_remedy_on_a_healthy_history(make_bench, source):
    """Whatever the policy and whatever legal use: no remedy, no status, level 5 petted."""
    chosen = policies() if source == "random" else st.just(Policy.preset(source))

    @given(chosen, HEALTHY_STEPS, st.sampled_from([0, 2**32 - 3000]))
    def run(policy, steps, start_ms):
        bench = make_bench(policy, start_ms)
        device = HealthyDevice(bench, policy)
        for step, size in steps:
            getattr(device, step)(size)
            assert bench.code() == "OK"
        assert bench.hands.told == []

    run()


# -------------------------------------------------------------------- limits of any policy


@given(policies(), st.integers(0, 2**32 - 1))
def test_ep0_limit_of_any_policy(policy, start_ms):
    """T - 1 is healthy, T and T + 1 are wedged, for any limit and start."""
    for enter, limit_ms, code in (
        (Event.EP0_ENTER, policy.ep0_limit_ms, "EP0_WEDGED"),
        (Event.USB_EVENT_ENTER, policy.usb_event_limit_ms, "USB_EVENT_WEDGED"),
    ):
        bench = Timeline(policy, start_ms)
        bench.health.record_event(enter)
        seen = [bench.code_at(limit_ms + late_ms) for late_ms in (-1, 0, 1)]
        assert seen == (["OK", code, code] if limit_ms else ["OK"] * 3)


class Timeline:
    """A module and a clock, for tests that make many."""

    def __init__(self, policy, start_ms):
        from health import Health

        self.start_ms = start_ms
        self.time_ms = start_ms
        self.health = Health(policy, self)

    def now_ms(self):
        return self.time_ms % 2**32

    def available(self):
        return 0

    def note(self, intent):
        raise AssertionError(intent)

    def apply(self, level, status):
        raise AssertionError(level, status)

    def code_at(self, offset_ms, *sample):
        self.time_ms = self.start_ms + offset_ms
        if sample:
            self.health.record_event(Event.STREAM_SAMPLE, *sample)
        return self.health.evaluate().code.name


@pytest.mark.parametrize(
    ("code", "limit", "sample", "clock"),
    [
        ("STREAM_STALL", "stream_stall_ms", (8, 8, 8), 1),
        ("STREAM_WEDGE", "stream_wedge_ms", (8, 8, 7), 1),
        ("COLD_START", "cold_start_ms", (0, 1, 0), 1),
        ("CLOCK_LOST", "clock_lost_ms", (8, 2, 0), 2),
        ("CLOCK_LOST", "clock_lost_ms", (8, 8, 8), 0),
        ("UNKNOWN", "unknown_ms", (8, 2, 0), 1),
    ],
)
@given(policy=policies(), start_ms=st.integers(0, 2**32 - 1))
def test_stream_limits_of_any_policy(code, limit, sample, clock, policy, start_ms):
    """T - 1 is healthy, T and T + 1 are not, for each limit of any policy and any start."""
    policy = replace(policy, stream_wedge_ms=policy.stream_wedge_ms or 1000)
    limit_ms = getattr(policy, limit)
    if code == "CLOCK_LOST" and clock == 0 and not limit_ms:
        return
    line = Timeline(policy, start_ms)
    if clock != 2:
        line.health.record_event(Event.CLOCK_STATE, clock)
    line.health.record_event(Event.STREAM_START)
    line.code_at(0, *sample)
    seen = [line.code_at(limit_ms + late_ms, *sample) for late_ms in (-1, 0, 1)]
    assert seen == (["OK", code, code] if limit_ms else ["OK"] * 3)
