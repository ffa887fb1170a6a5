"""What the samples prove about the stream: each rule to the ms, and what explains it away."""

import pytest
from hypothesis import given, strategies as st

from health import Event, Health, Level, Outcome, Policy
from health.record import is_blocked

BLOCKED = [5, 7, 8, 9]
READ = [2, 3, 4, 6]
STARTS_MS = [0, 1, 2**31 - 100, 2**32 - 1, 2**32 - 300, 2**32 - 301, 2**32 - 499]


def armed(make_bench, start_ms=0, **changes):
    """A stream that was started at 0 ms with its clock on."""
    bench = make_bench(start_ms=start_ms, **changes)
    return bench.record(Event.CLOCK_STATE, 1).record(Event.STREAM_START)


def frozen(bench, count, state, full, times_ms):
    """Samples of a stream that does not move."""
    for time_ms in times_ms:
        bench.at(time_ms).sample(count, state, full)
    return bench


@pytest.mark.parametrize("state", range(10))
def test_blocked_states(state):
    """The state machine waits for a buffer in 5, 7, 8 and 9, and in no other state."""
    assert is_blocked(state) == (state in BLOCKED)
    assert is_blocked(255) == 0


# ------------------------------------------------------------------- each limit to the ms


@pytest.mark.parametrize("start_ms", STARTS_MS)
@pytest.mark.parametrize("state", BLOCKED)
@pytest.mark.parametrize("limit_ms", [100, 300, 777])
def test_stall_to_the_ms(make_bench, start_ms, state, limit_ms):
    """Count above zero frozen in a blocked state with full buffers: a stall at its limit."""
    bench = armed(make_bench, start_ms, stream_stall_ms=limit_ms)
    bench = frozen(bench, 8, state, 8, [50, 50 + limit_ms - 1])
    assert bench.code() == "OK"
    status = frozen(bench, 8, state, 8, [50 + limit_ms]).status()
    assert status.code.name == "STREAM_STALL"
    assert status.since_ms == (start_ms + 50) % 2**32
    assert status.evidence.age_ms == limit_ms
    evidence = frozen(bench, 8, state, 8, [50 + limit_ms + 1]).status().evidence
    assert (evidence.age_ms, evidence.dma_count, evidence.gpif_state) == (limit_ms + 1, 8, state)
    assert evidence.buffers_full == 8


@pytest.mark.parametrize("start_ms", STARTS_MS)
@pytest.mark.parametrize("state", BLOCKED)
@pytest.mark.parametrize("limit_ms", [100, 300, 777])
def test_wedge_to_the_ms(make_bench, start_ms, state, limit_ms):
    """The same with a free buffer is a wedge: nothing but a fault keeps it from going on."""
    bench = armed(make_bench, start_ms, stream_wedge_ms=limit_ms)
    bench = frozen(bench, 8, state, 7, [50, 50 + limit_ms - 1])
    assert bench.code() == "OK"
    status = frozen(bench, 8, state, 7, [50 + limit_ms]).status()
    assert (status.code.name, status.since_ms) == ("STREAM_WEDGE", (start_ms + 50) % 2**32)
    assert frozen(bench, 8, state, 7, [50 + limit_ms + 1]).code() == "STREAM_WEDGE"


@pytest.mark.parametrize("start_ms", STARTS_MS)
@pytest.mark.parametrize("state", [0, 1, *READ])
@pytest.mark.parametrize("limit_ms", [100, 500, 777])
def test_cold_start_to_the_ms(make_bench, start_ms, state, limit_ms):
    """F25: armed and clocked without a first buffer, its age counted from START itself."""
    bench = armed(make_bench, start_ms, cold_start_ms=limit_ms)
    bench = frozen(bench, 0, state, 0, [33, limit_ms - 1])
    assert bench.code() == "OK"
    status = frozen(bench, 0, state, 0, [limit_ms]).status()
    assert (status.code.name, status.since_ms) == ("COLD_START", start_ms % 2**32)
    assert status.evidence.age_ms == limit_ms
    assert frozen(bench, 0, state, 0, [limit_ms + 1]).code() == "COLD_START"


@pytest.mark.parametrize("start_ms", STARTS_MS)
@pytest.mark.parametrize("state", READ)
@pytest.mark.parametrize("limit_ms", [100, 300, 777])
def test_clock_lost_to_the_ms(make_bench, start_ms, state, limit_ms):
    """A read state is left at the next clock edge: frozen in one, the clock is dead."""
    bench = make_bench(start_ms=start_ms, clock_lost_ms=limit_ms).record(Event.STREAM_START)
    bench = frozen(bench, 500, state, 2, [50, 50 + limit_ms - 1])
    assert bench.code() == "OK"
    status = frozen(bench, 500, state, 2, [50 + limit_ms]).status()
    assert (status.code.name, status.since_ms) == ("CLOCK_LOST", (start_ms + 50) % 2**32)
    assert frozen(bench, 500, state, 2, [50 + limit_ms + 1]).code() == "CLOCK_LOST"


@pytest.mark.parametrize("start_ms", STARTS_MS)
@pytest.mark.parametrize("state", [0, 1, *READ])
@pytest.mark.parametrize("limit_ms", [100, 5000, 777])
def test_unknown_to_the_ms(make_bench, start_ms, state, limit_ms):
    """Clocked, frozen, and in a state that does not wait: nothing explains it."""
    bench = armed(make_bench, start_ms, unknown_ms=limit_ms)
    bench = frozen(bench, 500, state, 2, [50, 50 + limit_ms - 1])
    assert bench.code() == "OK"
    status = frozen(bench, 500, state, 2, [50 + limit_ms]).status()
    assert (status.code.name, status.since_ms) == ("UNKNOWN", (start_ms + 50) % 2**32)
    assert frozen(bench, 500, state, 2, [50 + limit_ms + 1]).code() == "UNKNOWN"


ALL = range(50, 60_000, 500)


@pytest.mark.parametrize(
    ("field", "count", "state", "full"),
    [
        ("stream_stall_ms", 8, 8, 8),
        ("cold_start_ms", 0, 1, 0),
        ("unknown_ms", 8, 2, 0),
    ],
)
def test_a_limit_of_zero_is_off(make_bench, field, count, state, full):
    """Limit 0: the condition is not looked for, however long it lasts."""
    assert frozen(armed(make_bench), count, state, full, ALL).code() != "OK"
    assert frozen(armed(make_bench, **{field: 0}), count, state, full, ALL).code() == "OK"


def test_clock_lost_can_be_off(make_bench):
    """Limit 0: a frozen read state is not seen, as in all shipped firmware."""
    bench = make_bench(clock_lost_ms=0).record(Event.STREAM_START)
    assert frozen(bench, 8, 2, 0, ALL).code() == "OK"
    bench.record(Event.CLOCK_STATE, 0)
    assert frozen(bench, 8, 2, 0, ALL).code() == "OK"


def test_without_wedge_detection_every_blocked_freeze_is_a_stall(make_bench):
    """Wedge limit 0: a stall whatever the buffers hold and whoever reads, as shipped."""
    for full in (0, 7, 8, 255):
        bench = armed(make_bench, stream_wedge_ms=0).record(Event.HOST_READING, 1)
        assert frozen(bench, 8, 8, full, [0, 299]).code() == "OK"
        assert frozen(bench, 8, 8, full, [300]).code() == "STREAM_STALL"


# ---------------------------------------------------------- what a paused reader explains


@pytest.mark.parametrize(
    ("full", "reading", "code"),
    [
        (0, 2, "STREAM_WEDGE"),
        (7, 2, "STREAM_WEDGE"),
        (8, 2, "STREAM_STALL"),
        (9, 2, "STREAM_STALL"),
        (255, 2, "STREAM_STALL"),
        (8, 0, "STREAM_STALL"),
        (255, 0, "STREAM_STALL"),
        (7, 0, "STREAM_WEDGE"),
        (8, 1, "STREAM_WEDGE"),
        (255, 1, "STREAM_WEDGE"),
    ],
)
def test_a_paused_reader_explains_a_freeze_with_full_buffers(make_bench, full, reading, code):
    """Buffers full, host takes none: a stall. Free buffers or a reading host: a wedge."""
    bench = armed(make_bench)
    if reading != 2:
        bench.record(Event.HOST_READING, reading)
    assert frozen(bench, 8, 8, full, [0, 300]).code() == code


def test_the_ring_is_data(make_bench):
    """A ring of 4 is full with 4 buffers, not with 3."""
    assert frozen(armed(make_bench, ring_buffers=4), 8, 8, 4, [0, 300]).code() == "STREAM_STALL"
    assert frozen(armed(make_bench, ring_buffers=4), 8, 8, 3, [0, 300]).code() == "STREAM_WEDGE"


@pytest.mark.parametrize("before_reader", ["stream_wedge_ms", "stream_stall_ms"])
def test_stall_and_wedge_have_limits_of_their_own(make_bench, before_reader):
    """A wedge that has not reached its limit is not a stall in the meantime."""
    bench = armed(make_bench, **{before_reader: 1000})
    full = 8 if before_reader == "stream_stall_ms" else 7
    assert frozen(bench, 8, 8, full, [0, 300, 999]).code() == "OK"
    assert frozen(bench, 8, 8, full, [1000]).code() != "OK"


@pytest.mark.parametrize("full", [8, 255])
@pytest.mark.parametrize("state", BLOCKED)
def test_a_count_of_zero_with_full_buffers_is_a_paused_reader(make_bench, full, state):
    """At high rates all buffers fill before level 1 zeroes the count: no cold start, no wedge."""
    bench = armed(make_bench)
    assert frozen(bench, 0, state, full, range(0, 5000, 100)).code() == "OK"
    bench.sample(8, 8, 8).at(5100)
    assert frozen(bench, 0, state, full, range(5100, 9000, 100)).code() == "OK"


def test_a_reading_host_is_no_paused_reader_at_a_count_of_zero(make_bench):
    """A host that reads and gets nothing sees a cold start, whatever the buffers."""
    bench = armed(make_bench).record(Event.HOST_READING, 1)
    assert frozen(bench, 0, 8, 8, [0, 500]).code() == "COLD_START"


# ---------------------------------------------------------------- cold start and the wedge


@pytest.mark.parametrize("state", [1, 2, 255])
@pytest.mark.parametrize("clock", [1, 2])
def test_no_buffer_after_the_count_was_zeroed_is_a_wedge(make_bench, state, clock):
    """After level 1 zeroed the count no buffer comes: a wedge, also with the block disabled."""
    bench = make_bench().record(Event.STREAM_START)
    if clock == 1:
        bench.record(Event.CLOCK_STATE, 1)
    bench.sample(8, 8, 8).at(100).sample(0, state, 0).at(399).sample(0, state, 0)
    assert bench.code() == "OK"
    status = bench.at(400).sample(0, state, 0).status()
    assert (status.code.name, status.since_ms) == ("STREAM_WEDGE", 100)


def test_without_wedge_detection_a_dead_restart_is_not_seen(make_bench):
    """The shipped firmware's own defect: after a forced stop it is dead and looks idle."""
    bench = armed(make_bench, stream_wedge_ms=0).sample(8, 8, 8)
    assert frozen(bench, 0, 255, 0, range(100, 20_000, 100)).code() == "OK"
    assert frozen(bench, 0, 1, 0, range(20_000, 40_000, 100)).code() == "OK"


def test_a_cold_start_needs_a_clock_that_was_seen(make_bench):
    """Without a report about the clock, or without a clock, no buffer can be expected."""
    bench = make_bench().record(Event.STREAM_START)
    assert frozen(bench, 0, 1, 0, range(0, 5000, 100)).code() == "OK"
    bench = armed(make_bench, clock_lost_ms=0).record(Event.CLOCK_STATE, 0)
    assert frozen(bench, 0, 1, 0, range(0, 5000, 100)).code() == "OK"


def test_a_disabled_block_is_no_cold_start(make_bench):
    """STARTADC right after START disables the block by force: legal, and the host goes on."""
    assert frozen(armed(make_bench), 0, 255, 0, range(0, 9000, 100)).code() == "OK"


def test_startadc_in_mid_stream_is_legal(make_bench):
    """STARTADC leaves state 255 and the stale count: nothing is wrong, however long it lasts."""
    bench = armed(make_bench).sample(500, 2, 1)
    assert frozen(bench, 500, 255, 0, range(100, 20_000, 100)).code() == "OK"


def test_a_first_buffer_ends_a_cold_start(make_bench):
    """With the first buffer the cold start is over; a new START begins a new one."""
    bench = frozen(armed(make_bench), 0, 1, 0, [0, 500])
    assert bench.code() == "COLD_START"
    assert frozen(bench, 1, 2, 1, [600]).code() == "OK"
    bench.at(700).record(Event.STREAM_START)
    assert frozen(bench, 0, 1, 0, [750, 1199]).code() == "OK"
    status = frozen(bench, 0, 1, 0, [1200]).status()
    assert (status.code.name, status.since_ms) == ("COLD_START", 700)


# -------------------------------------------------------------------------------- the clock


@pytest.mark.parametrize("state", [1, 2, 5, 8, 255])
@pytest.mark.parametrize("count", [0, 8])
def test_a_lost_clock_explains_every_freeze(make_bench, state, count):
    """With CLK0 off or PLL A unlocked nothing else is looked for: no remedy mends a clock."""
    bench = armed(make_bench).record(Event.CLOCK_STATE, 0)
    assert frozen(bench, count, state, 8, [0, 299]).code() == "OK"
    for time_ms in (300, 301, 9000):
        assert frozen(bench, count, state, 8, [time_ms]).code() == "CLOCK_LOST"


def test_a_lost_clock_without_buffers_is_as_old_as_its_count(make_bench):
    """A count of zero is judged by the count alone, whatever the state does."""
    bench = make_bench().record(Event.STREAM_START).record(Event.CLOCK_STATE, 0)
    for time_ms, state in ((0, 1), (100, 1), (200, 4), (299, 4)):
        bench.at(time_ms).sample(0, state, 0)
    assert bench.code() == "OK"
    status = bench.at(300).sample(0, 4, 0).status()
    assert (status.code.name, status.since_ms, status.evidence.age_ms) == ("CLOCK_LOST", 0, 300)


def test_a_moving_count_disproves_a_lost_clock(make_bench):
    """While the count moves the clock lives, whatever a misread register said."""
    bench = armed(make_bench).record(Event.CLOCK_STATE, 0)
    for time_ms in range(0, 5000, 100):
        bench.at(time_ms).sample(1 + time_ms, 2, 1)
        assert bench.code() == "OK"


@pytest.mark.parametrize("state", [0, 1, 255])
def test_without_a_report_a_resting_state_proves_nothing(make_bench, state):
    """A frozen count in RESET, IDLE or a disabled block says nothing about an unknown clock."""
    bench = make_bench().record(Event.STREAM_START)
    assert frozen(bench, 500, state, 0, range(0, 20_000, 100)).code() == "OK"


def test_without_clock_detection_a_lost_clock_still_stops_the_guessing(make_bench):
    """With the detection off, a clock known lost is neither a wedge nor unknown."""
    for state, full, code in ((8, 7, "STREAM_STALL"), (2, 0, "OK")):
        bench = armed(make_bench, clock_lost_ms=0).record(Event.CLOCK_STATE, 0)
        assert frozen(bench, 8, state, full, range(0, 20_000, 100)).code() == code


def test_a_clock_that_comes_back_begins_a_new_observation(make_bench):
    """Ages from the time without a clock do not count against the stream."""
    bench = armed(make_bench).record(Event.CLOCK_STATE, 0)
    frozen(bench, 0, 1, 0, range(0, 9000, 100))
    assert bench.code() == "CLOCK_LOST"
    bench.at(9000).record(Event.CLOCK_STATE, 1)
    assert bench.code() == "OK"
    assert frozen(bench, 0, 1, 0, [9100, 9499]).code() == "OK"
    status = frozen(bench, 0, 1, 0, [9500]).status()
    assert (status.code.name, status.since_ms) == ("COLD_START", 9000)


@pytest.mark.parametrize("first", [0, 1])
def test_the_first_report_of_a_clock_restarts_nothing(make_bench, first):
    """A sampler that asks for the clock only when the count stands still costs no time."""
    bench = make_bench().record(Event.STREAM_START).sample(8, 8, 8)
    bench.at(100).sample(8, 8, 8).record(Event.CLOCK_STATE, first)
    assert frozen(bench, 8, 8, 8, [300]).code() == ("CLOCK_LOST" if first == 0 else "STREAM_STALL")


def test_a_report_that_changes_nothing_restarts_nothing(make_bench):
    """The clock reported on in every poll does not hide a stall."""
    bench = armed(make_bench)
    for time_ms in (0, 100, 200, 300):
        bench.at(time_ms).sample(8, 8, 8).record(Event.CLOCK_STATE, 1)
    assert bench.code() == "STREAM_STALL"


def test_a_lost_clock_keeps_the_age_of_the_freeze(make_bench):
    """The clock reported lost after the count froze: the age is that of the freeze."""
    bench = frozen(armed(make_bench), 500, 2, 0, [0, 100])
    bench.record(Event.CLOCK_STATE, 0)
    status = frozen(bench, 500, 2, 0, [300]).status()
    assert (status.code.name, status.since_ms) == ("CLOCK_LOST", 0)


# ----------------------------------------------------------------------- epochs and samples


@pytest.mark.parametrize("event", [Event.STREAM_STOP, Event.DECONFIGURED, Event.CONFIGURED])
def test_nothing_is_judged_while_nothing_streams(make_bench, event):
    """STOP, a stopped or a newly started application: no stream, no status."""
    bench = frozen(armed(make_bench), 8, 8, 8, [0, 300])
    assert bench.code() == "STREAM_STALL"
    assert bench.record(event).code() == "OK"
    assert frozen(bench, 8, 8, 8, range(400, 9000, 100)).code() == "OK"


def test_nothing_is_judged_before_start(make_bench):
    """Samples before the first START prove nothing."""
    assert frozen(make_bench(), 8, 8, 8, range(0, 9000, 100)).code() == "OK"


def test_nothing_is_judged_between_start_and_the_first_sample(make_bench):
    """START makes older samples meaningless, and time alone is no evidence."""
    bench = frozen(armed(make_bench), 8, 8, 8, [0, 300])
    bench.record(Event.STREAM_START)
    assert bench.at(9000).code() == "OK"
    assert frozen(bench, 8, 8, 8, [9000, 9299]).code() == "OK"
    assert frozen(bench, 8, 8, 8, [9300]).code() == "STREAM_STALL"


def test_a_start_during_the_sample_makes_it_the_old_streams(make_bench):
    """START between two reads of one sample: that sample is not evidence for the new stream."""
    bench = frozen(armed(make_bench), 8, 8, 8, [0])

    def start():
        bench.hands.on_now = None
        bench.hands.time_ms += 5
        bench.record(Event.STREAM_START)

    bench.hands.on_now = start
    bench.at(1000).sample(0, 1, 0)
    assert bench.code() == "OK"
    assert frozen(bench, 0, 1, 0, [1504]).code() == "OK"
    status = frozen(bench, 0, 1, 0, [1505]).status()
    assert (status.code.name, status.since_ms) == ("COLD_START", 1005)


def test_while_no_sample_comes_nothing_ages(make_bench):
    """A sampler that falls silent leaves the last verdict: no stall is made of silence."""
    bench = frozen(armed(make_bench), 8, 8, 8, [0, 299])
    assert bench.at(60_000).code() == "OK"


def test_the_count_may_pass_zero(make_bench):
    """The 32-bit count passes zero after 6.4 days at 64 MS/s; one such sample is no cold start."""
    bench = armed(make_bench)
    for time_ms, count in enumerate((2**32 - 781, 0, 781)):
        bench.at(100 * time_ms).sample(count, 2, 1)
        assert bench.code() == "OK"
    assert frozen(bench, 781, 8, 8, [500]).code() == "STREAM_STALL"


def test_another_blocked_state_does_not_restart_the_age(make_bench):
    """BUSY and WAIT of either thread are one condition."""
    bench = armed(make_bench)
    for time_ms, state in ((0, 5), (100, 9), (200, 7), (300, 8)):
        bench.at(time_ms).sample(8, state, 8)
    assert bench.status().since_ms == 0
    assert bench.code() == "STREAM_STALL"


@pytest.mark.parametrize(("one", "other"), [(2, 6), (6, 2), (1, 2), (2, 1), (255, 2)])
def test_another_read_state_restarts_the_age(make_bench, one, other):
    """A state machine that changes its state has a clock: nothing is frozen."""
    bench = armed(make_bench)
    for time_ms in range(0, 9000, 200):
        bench.at(time_ms).sample(500, one, 0).at(time_ms + 100).sample(500, other, 0)
        assert bench.code() == "OK"
    status = frozen(bench, 500, other, 0, [13_800]).status()
    assert (status.code.name, status.since_ms) == ("UNKNOWN", 8800)


def test_a_state_outside_the_blocked_set_restarts_the_age(make_bench):
    """Tick rule: the tick in another state counts as the beginning, as for a new count."""
    bench = armed(make_bench)
    for time_ms, state in ((0, 8), (100, 8), (200, 2), (300, 8), (400, 8), (499, 8)):
        bench.at(time_ms).sample(8, state, 8)
    assert bench.code() == "OK"
    assert frozen(bench, 8, 8, 8, [500]).status().since_ms == 200


# -------------------------------------------------------- the shipped tick rule, as a whole


class TickRule:
    """The streaming watchdog of RunApplication.c, tick by tick."""

    def __init__(self, cap):
        self.cap = cap
        self.remembered = 0
        self.stall = 0
        self.recoveries = 0

    def tick(self, count, state):
        """Return whether this tick recovers."""
        if count == self.remembered and count > 0:
            self.stall = self.stall + 1 if state in BLOCKED else 0
        else:
            self.stall = 0
            self.remembered = count
        if self.stall < 3:
            return False
        if self.cap and self.recoveries >= self.cap:
            self.stall = 0
            return False
        self.recoveries += 1
        self.stall = 0
        self.remembered = 0
        return True


class Clock:
    def __init__(self, start_ms):
        self.time_ms = start_ms

    def now_ms(self):
        return self.time_ms % 2**32

    def available(self):
        return 0x1E

    def note(self, intent):
        del intent

    def apply(self, level, status):
        del level, status
        return Outcome.DONE


MOVES = st.lists(
    st.tuples(
        st.sampled_from(["stay", "stay", "stay", "move", "zero"]),
        st.sampled_from([*BLOCKED, *BLOCKED, *BLOCKED, 0, 1, *READ, 255]),
    ),
    max_size=120,
)


@given(MOVES, st.integers(0, 6), st.sampled_from([0, 2**32 - 700, 2**31 - 350]))
@pytest.mark.parametrize("preset", ["level-1", "level-1-4", "level-1-4-5"])
def test_shipped_presets_equal_the_tick_rule(preset, moves, cap, start_ms):
    """Any history of counts and states is answered at the same ticks as the firmware answers it.

    The remedy zeroes the count, as the firmware's does.
    """
    clock = Clock(start_ms)
    rule = TickRule(cap)
    health = Health(Policy.preset(preset), clock)
    health.record_event(Event.STREAM_START)
    health.record_event(Event.STREAM_CAP, cap)
    count = 8
    for move, state in moves:
        clock.time_ms += 100
        count = {"stay": count, "move": count + 781, "zero": 0}[move]
        health.record_event(Event.STREAM_SAMPLE, count, state, 255)
        recovery = health.recover(health.evaluate())
        recovered = recovery.outcome == Outcome.DONE
        assert recovered == rule.tick(count, state)
        if recovered:
            assert recovery.level == Level.STREAM
            count = 0 if move == "zero" else 7


def test_an_unread_stream_recovers_every_fourth_tick(make_bench):
    """Uncapped, 13 recoveries in 52 ticks: one tick to see the new count and three to stall."""
    bench = make_bench(Policy.preset("level-1")).record(Event.STREAM_START)
    bench.record(Event.STREAM_CAP, 0)
    times_ms = [
        time_ms
        for time_ms in range(0, 5300, 100)
        if bench.at(time_ms).poll(7, 8).outcome == Outcome.DONE
    ]
    assert times_ms == list(range(300, 5200, 400))
    assert len(times_ms) == 13
