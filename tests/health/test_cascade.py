"""From status to remedy: what climbs, how far, and what never does."""

from dataclasses import replace

import pytest

from health import Event, Level, Outcome, Policy, Recovery, Status, StatusCode, level_bit
from health.ladders import LADDERS
from health.status import Evidence

POLL_MS = 100

# ------------------------------------------------------- causes: what a poll records while ill


def paused_reader(bench):
    """Host takes none: every buffer is full; after level 1 they fill again at once."""
    return bench.poll(7, 8, 8)


def stuck_with_free_buffers(bench):
    """The state machine waits although buffers are free."""
    return bench.poll(7, 8, 3)


def no_first_buffer(bench):
    """Armed and clocked in IDLE; the first buffer never comes."""
    return bench.poll(0, 1, 0)


def dead_after_level_1(bench):
    """The stream stalled, level 1 left it dead: count zero, block disabled."""
    if not bench.hands.applied:
        return bench.poll(8, 8, 3)
    return bench.poll(0, 255, 0)


def no_clock(bench):
    """Frozen in a read state with the clock off."""
    bench.record(Event.CLOCK_STATE, 0)
    return bench.poll(500, 2, 0)


def inexplicable(bench):
    """Clocked and frozen in IDLE."""
    return bench.poll(500, 1, 0)


def hung_setup_handler(bench):
    """The USB thread never leaves the setup callback."""
    if not bench.health._record.ep0.sequence & 1:
        bench.record(Event.EP0_ENTER)
    return bench.poll()


def hung_event_handler(bench):
    """The USB thread never leaves the event callback."""
    if not bench.health._record.usb_event.sequence & 1:
        bench.record(Event.USB_EVENT_ENTER)
    return bench.poll()


def desynchronised(bench):
    """Every request fails its data phase."""
    bench.record(Event.EP0_ENTER).record(Event.EP0_ERROR).record(Event.EP0_EXIT)
    return bench.poll()


def start(make_bench, **changes):
    changes.setdefault("level_4_cool_down_ms", 0)
    bench = make_bench(**changes)
    return bench.record(Event.CLOCK_STATE, 1).record(Event.STREAM_START)


def suffer(bench, cause, polls=400, from_ms=0):
    """Poll for a while under a cause that no remedy mends; return the levels applied."""
    for poll in range(polls):
        bench.at(from_ms + POLL_MS * poll)
        cause(bench)
    return bench.levels()


def first_of_each(levels):
    return list(dict.fromkeys(levels))


TABLE = [
    (paused_reader, "STREAM_STALL", [1]),
    (stuck_with_free_buffers, "STREAM_WEDGE", [1, 3, 4]),
    (no_first_buffer, "COLD_START", [1, 3, 4]),
    (dead_after_level_1, "STREAM_WEDGE", [1, 3, 4]),
    (no_clock, "CLOCK_LOST", []),
    (hung_setup_handler, "EP0_WEDGED", [4]),
    (hung_event_handler, "USB_EVENT_WEDGED", [4]),
    (desynchronised, "EP0_DESYNC", [2, 4]),
    (inexplicable, "UNKNOWN", [2, 3, 4]),
]


@pytest.mark.parametrize(("cause", "code", "ladder"), TABLE)
@pytest.mark.parametrize("outcome", [Outcome.DONE, Outcome.FAILED])
def test_each_status_climbs_its_ladder_and_no_further(make_bench, cause, code, ladder, outcome):
    """Done but no help, or failed: the next level up, in order, up to the ceiling, never 5."""
    bench = start(make_bench)
    bench.hands.outcomes = dict.fromkeys(Level, outcome)
    levels = suffer(bench, cause)
    assert first_of_each(levels) == ladder
    assert sorted(levels) == levels
    if ladder:
        assert bench.hands.applied[0][2] == code
        assert bench.told_in_pairs()
    else:
        assert bench.code() == code


@pytest.mark.parametrize(("cause", "code", "ladder"), TABLE)
def test_refused_never_climbs(make_bench, cause, code, ladder):
    """A level that its guard refuses is asked for again, and nothing above it ever."""
    bench = start(make_bench)
    bench.hands.outcomes = dict.fromkeys(Level, Outcome.REFUSED)
    levels = suffer(bench, cause)
    assert first_of_each(levels) == ladder[:1]
    if ladder:
        recovery = cause(bench)
        assert (recovery.level, recovery.outcome) == (ladder[0], Outcome.REFUSED)
        assert recovery.wanted == ladder[0]


@pytest.mark.parametrize(("cause", "code", "ladder"), TABLE)
def test_refused_uses_nothing_up(make_bench, cause, code, ladder):
    """After any number of refusals the cap is unused and nothing cools."""
    bench = start(
        make_bench,
        level_2_cool_down_ms=5000,
        level_1_cap=1,
        level_2_cap=1,
        level_3_cap=1,
        level_4_cap=1,
    )
    bench.hands.outcomes = dict.fromkeys(Level, Outcome.REFUSED)
    suffer(bench, cause, polls=100)
    bench.hands.outcomes = {}
    bench.hands.applied.clear()
    for poll in range(100, 105):
        bench.at(POLL_MS * poll)
        cause(bench)
    assert bench.levels()[:1] == ladder[:1]


@pytest.mark.parametrize(
    ("cause", "code", "ladder", "ceiling"), [(*row, rung) for row in TABLE for rung in row[2]]
)
def test_ceilings_hold(make_bench, cause, code, ladder, ceiling):
    """A policy's ceiling is never passed, and its last level is tried again within its cap."""
    changes = {f"{code.lower()}_ceiling": ceiling}
    if code == "STREAM_WEDGE" and ceiling < 3:
        changes |= {"application_wedged_first_level": 0, "application_wedged_ceiling": 0}
    if code == "STREAM_WEDGE" and ceiling == 3:
        changes |= {"application_wedged_ceiling": 3}
    levels = suffer(start(make_bench, **changes), cause)
    assert first_of_each(levels) == [level for level in ladder if level <= ceiling]


# Its cause is level 1 itself, so it cannot be met without that level.
WITHOUT_LEVEL_1 = [row for row in TABLE if row[0] is not dead_after_level_1]


@pytest.mark.parametrize(
    ("cause", "code", "ladder"), [row for row in WITHOUT_LEVEL_1 if len(row[2]) > 1]
)
def test_first_levels_hold(make_bench, cause, code, ladder):
    """A policy's first level is where the ladder begins."""
    bench = start(make_bench, **{f"{code.lower()}_first_level": ladder[1]})
    assert first_of_each(suffer(bench, cause)) == ladder[1:]


@pytest.mark.parametrize(("cause", "code", "ladder"), WITHOUT_LEVEL_1)
@pytest.mark.parametrize("off", [1, 2, 3, 4])
@pytest.mark.parametrize("how", ["disabled", "unavailable"])
def test_missing_levels_are_skipped(make_bench, cause, code, ladder, off, how):
    """A level that is off in the policy, or not possible here, is passed over at once."""
    changes = {f"level_{off}_enabled": False} if how == "disabled" else {}
    bench = start(make_bench, **changes)
    if how == "unavailable":
        bench.hands.mask &= ~level_bit(Level(off))
    assert first_of_each(suffer(bench, cause)) == [level for level in ladder if level != off]


@pytest.mark.parametrize(("cause", "code", "ladder"), TABLE)
def test_report_only(make_bench, cause, code, ladder):
    """First level and ceiling 0: the status is reported and nothing is done."""
    names = [status.name.lower() for status in StatusCode if LADDERS[status]]
    changes = {f"{name}_{end}": 0 for name in names for end in ("first_level", "ceiling")}
    bench = start(make_bench, **changes)
    assert suffer(bench, cause) == []
    recovery = cause(bench)
    assert recovery == Recovery(None, Outcome.NONE, None, StatusCode[code], 39_900, 0)
    assert bench.hands.asked == 0


def test_nothing_available_is_refused(make_bench):
    """Where no level of the ladder is possible the answer says which one was wanted."""
    bench = start(make_bench)
    bench.hands.mask = 0
    assert suffer(bench, paused_reader, polls=5) == []
    recovery = paused_reader(bench)
    assert recovery == Recovery(None, Outcome.REFUSED, Level.STREAM, StatusCode.STREAM_STALL, 400)
    assert bench.hands.told == []


def test_availability_is_asked_before_every_choice(make_bench):
    """What is possible may change from poll to poll, for instance with a claimed interface."""
    bench = start(make_bench)
    bench.hands.mask = 0
    suffer(bench, stuck_with_free_buffers, polls=10)
    assert bench.hands.asked == 7
    bench.hands.mask = level_bit(Level.APPLICATION)
    bench.at(1000)
    assert stuck_with_free_buffers(bench).level == Level.APPLICATION


def test_a_lost_higher_level_falls_back_to_the_highest_left(make_bench):
    """When the level above is gone, the highest that is left is tried again."""
    bench = start(make_bench)
    suffer(bench, stuck_with_free_buffers, polls=4)
    assert bench.levels() == [1]
    bench.hands.mask = level_bit(Level.STREAM)
    bench.hands.applied.clear()
    levels = suffer(bench, no_first_buffer, polls=30, from_ms=400)
    assert set(levels) <= {1}


# ---------------------------------------------------------------------- when a level climbs


def test_a_remedy_gets_time_to_settle(make_bench):
    """Done, but the condition is back: the next level only settle_ms after the last one's end."""
    bench = start(make_bench, stream_wedge_ms=100, settle_ms=1000)
    for time_ms in (0, 100):
        bench.at(time_ms)
        stuck_with_free_buffers(bench)
    assert bench.hands.applied == [(100, 1, "STREAM_WEDGE")]
    for time_ms in (200, 300, 1099):
        recovery = stuck_with_free_buffers(bench.at(time_ms))
    assert recovery == Recovery(
        None, Outcome.COOLING, Level.APPLICATION, StatusCode.APPLICATION_WEDGED, 1099
    )
    recovery = stuck_with_free_buffers(bench.at(1100))
    assert (recovery.level, recovery.outcome) == (Level.APPLICATION, Outcome.DONE)
    assert recovery.code == StatusCode.APPLICATION_WEDGED


def test_settling_counts_from_the_end_of_the_remedy(make_bench):
    """A remedy that takes 70 ms is judged settle_ms after it ended."""
    bench = start(make_bench, stream_wedge_ms=100, settle_ms=1000)
    bench.hands.remedy_ms = 70
    stuck_with_free_buffers(bench.at(0))
    recovery = stuck_with_free_buffers(bench.at(100))
    assert (recovery.started_ms, recovery.took_ms) == (100, 70)
    for time_ms in (200, 300, 1169):
        assert stuck_with_free_buffers(bench.at(time_ms)).level is None
    assert stuck_with_free_buffers(bench.at(1170)).level == Level.APPLICATION


def test_a_failed_remedy_climbs_without_settling(make_bench):
    """Failed is known at once: the next level as soon as the condition shows again."""
    bench = start(make_bench, stream_wedge_ms=100, settle_ms=1000)
    bench.hands.outcomes = {1: Outcome.FAILED}
    for time_ms in (0, 100, 200, 300):
        stuck_with_free_buffers(bench.at(time_ms))
    assert bench.hands.applied == [(100, 1, "STREAM_WEDGE"), (300, 3, "APPLICATION_WEDGED")]


def test_a_wedge_after_level_1_is_an_application_wedge(make_bench):
    """STREAM_WEDGE becomes APPLICATION_WEDGED once level 1 was tried on it, done or failed."""
    for outcome in (Outcome.DONE, Outcome.FAILED, Outcome.REFUSED):
        bench = start(make_bench)
        bench.hands.outcomes = {1: outcome}
        suffer(bench, stuck_with_free_buffers, polls=4)
        assert bench.levels() == [1]
        for time_ms in (400, 700):
            bench.at(time_ms).sample(7, 8, 3)
        refused = outcome == Outcome.REFUSED
        assert bench.code() == ("STREAM_WEDGE" if refused else "APPLICATION_WEDGED")


def test_a_stall_does_not_climb_for_a_wedge(make_bench):
    """Level 1 against a paused reader proves nothing about the application."""
    bench = start(make_bench)
    assert suffer(bench, paused_reader, polls=60) == [1] * 5
    bench.at(6000).sample(7, 8, 3).at(6300).sample(7, 8, 3)
    assert bench.code() == "STREAM_WEDGE"


def test_a_cold_start_climbs_over_sessions(make_bench):
    """F25 survives STOP and START: a new session does not begin the ladder again."""
    bench = start(make_bench)
    suffer(bench, no_first_buffer, polls=6)
    assert bench.levels() == [1]
    for session, level in ((1, 3), (2, 4)):
        bench.at(session * 5000).record(Event.STREAM_STOP).record(Event.STREAM_START)
        suffer(bench, no_first_buffer, polls=6, from_ms=session * 5000)
        assert bench.levels()[-1] == level
    assert bench.levels() == [1, 3, 4]


def test_each_remedy_restarts_the_observation(make_bench):
    """After a remedy the old count proves nothing: the next stall needs its full time again."""
    bench = start(make_bench)
    for time_ms in (0, 100, 200, 300):
        paused_reader(bench.at(time_ms))
    assert bench.levels() == [1]
    assert bench.code() == "OK"
    bench.at(599).sample(0, 1, 0)
    assert bench.code() == "OK"
    bench.at(600).sample(0, 1, 0)
    status = bench.status()
    assert (status.code.name, status.since_ms) == ("STREAM_WEDGE", 300)


def test_another_state_after_a_remedy_is_not_older_than_it(make_bench):
    """The sample before the remedy is no proof about the state machine after it."""
    bench = start(make_bench, level_3_enabled=False, level_2_enabled=False, unknown_ms=500)
    bench.hands.remedy_ms = 50
    suffer(bench, paused_reader, polls=4)
    record = bench.health._record
    assert (record.sample_ms, record.state_since_ms, record.count_since_ms) == (350, 350, 350)
    assert record.dma_count == 0


# ------------------------------------------------------------------------ handlers and locks


def status_of(code, **evidence):
    return Status(code, 0, Evidence(**evidence))


LOCKING = [
    (StatusCode.EP0_DESYNC, Level.EP0),
    (StatusCode.APPLICATION_WEDGED, Level.APPLICATION),
    (StatusCode.UNKNOWN, Level.EP0),
]


@pytest.mark.parametrize(("code", "level"), LOCKING)
@pytest.mark.parametrize("handler", [1, 2])
def test_levels_2_and_3_wait_for_a_handler_in_progress(make_bench, code, level, handler):
    """They take locks that a hung handler may hold, and would hang the main thread with it."""
    bench = make_bench()
    busy = status_of(code, handler=handler, handler_age_ms=199)
    assert bench.health.recover(busy) == Recovery(None, Outcome.COOLING, level, code, 0)
    assert bench.health.recover(status_of(code)).level == level


@pytest.mark.parametrize("code", [StatusCode.STREAM_STALL, StatusCode.STREAM_WEDGE])
def test_level_1_does_not_wait_for_a_handler(make_bench, code):
    """The shipped level 1 never did; its locks are held for a moment only."""
    busy = status_of(code, handler=1, handler_age_ms=199)
    assert make_bench().health.recover(busy).level == Level.STREAM


@pytest.mark.parametrize("handler", [1, 2])
@pytest.mark.parametrize(("age_ms", "level"), [(199, None), (200, 4), (201, 4)])
def test_unknown_goes_straight_to_4_past_a_stuck_handler(make_bench, handler, age_ms, level):
    """A handler older than any legal one will not let go of its locks: level 4 and no other."""
    bench = make_bench(level_4_cool_down_ms=0)
    stuck = status_of(StatusCode.UNKNOWN, handler=handler, handler_age_ms=age_ms)
    assert bench.health.recover(stuck).level == level


def test_unknown_without_level_4_is_refused_past_a_stuck_handler(make_bench):
    """Where level 4 is not possible, nothing is done rather than hang in a lock."""
    bench = make_bench()
    bench.hands.mask &= ~level_bit(Level.DEVICE_RESET)
    stuck = status_of(StatusCode.UNKNOWN, handler=1, handler_age_ms=5000)
    recovery = bench.health.recover(stuck)
    assert recovery == Recovery(None, Outcome.REFUSED, Level.EP0, StatusCode.UNKNOWN, 0)


def test_unknown_without_a_handler_begins_at_2(make_bench):
    """No handler, no locks held; also when every handler would count as too long."""
    bench = make_bench(longest_handler_ms=0)
    assert bench.health.recover(status_of(StatusCode.UNKNOWN)).level == Level.EP0


def test_other_statuses_wait_for_a_stuck_handler(make_bench):
    """For them the handler's own limit decides; until then levels 2 and 3 wait."""
    stuck = status_of(StatusCode.APPLICATION_WEDGED, handler=1, handler_age_ms=1999)
    assert make_bench().health.recover(stuck).outcome == Outcome.COOLING


# ------------------------------------------------------------------------------------- caps


@pytest.mark.parametrize("cap", [1, 2, 5, 7])
def test_a_paused_reader_gets_level_1_up_to_its_cap(make_bench, cap):
    """Then the answer is CAPPED, for ever, and nothing higher follows."""
    bench = start(make_bench, level_1_cap=cap)
    assert suffer(bench, paused_reader) == [1] * cap
    recovery = paused_reader(bench)
    assert recovery == Recovery(
        None, Outcome.CAPPED, Level.STREAM, StatusCode.STREAM_STALL, 39_900, 0
    )


def test_a_cap_of_zero_is_unlimited(make_bench):
    """wdg_max = 0: one recovery every 400 ms for as long as nobody reads (F6)."""
    levels = suffer(start(make_bench, level_1_cap=0), paused_reader)
    assert levels == [1] * 100


@pytest.mark.parametrize("event", [Event.STREAM_START, Event.STREAM_STOP])
def test_start_and_stop_reset_the_use_of_the_stream_cap(make_bench, event):
    """After START or STOP the stream has its whole cap again."""
    bench = start(make_bench, level_1_cap=2)
    suffer(bench, paused_reader, polls=40)
    bench.record(event).record(Event.STREAM_START)
    suffer(bench, paused_reader, polls=40, from_ms=4000)
    assert bench.levels() == [1] * 4


RESETS_NOTHING = [
    (Event.CONFIGURED,),
    (Event.DECONFIGURED,),
    (Event.CLOCK_STATE, 1),
    (Event.HOST_READING, 0),
    (Event.PIB_ERROR, 0x1005),
    (Event.EP_UNDERRUN,),
    (Event.EP0_ENTER,),
    (Event.EP0_EXIT,),
    (Event.STREAM_SAMPLE, 99, 2, 0),
    (Event.STREAM_CAP, 2),
]


@pytest.mark.parametrize("event", RESETS_NOTHING)
def test_nothing_else_resets_the_use_of_the_stream_cap(make_bench, event):
    """A moving count defeated the cap once (F6): only START and STOP give it back."""
    bench = start(make_bench, level_1_cap=2)
    suffer(bench, paused_reader, polls=40)
    bench.record(*event)
    bench.record(Event.EP0_EXIT)
    suffer(bench, paused_reader, polls=40, from_ms=4000)
    assert bench.levels() == [1] * 2


def test_coming_down_does_not_reset_the_use_of_the_stream_cap(make_bench):
    """Proven health takes the level down and leaves the stream cap as it is used."""
    bench = start(make_bench, level_1_cap=2, healthy_ms=1000)
    suffer(bench, paused_reader, polls=9)
    suffer(bench, stuck_with_free_buffers, polls=5, from_ms=900)
    assert bench.levels() == [1, 1, 3]
    for poll in range(30, 60):
        bench.at(100 * poll).poll(1000 + 781 * poll, 2, 1)
    assert bench.health._cascade._stream.level == 0
    suffer(bench, paused_reader, polls=40, from_ms=6000)
    assert bench.levels() == [1, 1, 3]


def test_a_start_during_the_remedy_begins_a_new_use(make_bench):
    """STARTFX3 may run while level 1 sleeps: the use belongs to the session it began in."""
    bench = start(make_bench, level_1_cap=1)
    bench.hands.during_remedy = lambda: bench.record(Event.STREAM_START)
    suffer(bench, paused_reader, polls=5)
    bench.hands.during_remedy = None
    assert bench.levels() == [1]
    suffer(bench, paused_reader, polls=40, from_ms=500)
    assert bench.levels() == [1, 1]


def test_the_stream_cap_changes_at_once(make_bench):
    """SETARGFX3 id 14: a higher cap is used at once, a lower one stops at once, 0 unlimits."""
    bench = start(make_bench, level_1_cap=1)
    suffer(bench, paused_reader, polls=20)
    assert bench.levels() == [1]
    bench.record(Event.STREAM_CAP, 3)
    suffer(bench, paused_reader, polls=40, from_ms=2000)
    assert bench.levels() == [1] * 3
    bench.record(Event.STREAM_CAP, 2)
    suffer(bench, paused_reader, polls=40, from_ms=6000)
    assert bench.levels() == [1] * 3
    bench.record(Event.STREAM_CAP, 0)
    suffer(bench, paused_reader, polls=40, from_ms=10_000)
    assert bench.levels() == [1] * 13


def test_the_stream_cap_survives_start_and_stop(make_bench):
    """The cap set by the host stays over STOP and START; only its use begins again."""
    bench = start(make_bench).record(Event.STREAM_CAP, 1)
    bench.record(Event.STREAM_STOP).record(Event.STREAM_START)
    assert suffer(bench, paused_reader, polls=40) == [1]


def test_a_capped_level_is_passed_over_on_a_wedge(make_bench):
    """A wedge is no paused reader: with level 1 used up it goes to level 3."""
    bench = start(make_bench, level_1_cap=2)
    suffer(bench, paused_reader, polls=20)
    bench.hands.applied.clear()
    suffer(bench, stuck_with_free_buffers, polls=5, from_ms=2000)
    assert bench.levels() == [3]


@pytest.mark.parametrize(("cap_2", "cap_4"), [(1, 1), (1, 3), (2, 2)])
def test_caps_of_higher_levels(make_bench, cap_2, cap_4):
    """Levels 2 to 4 are capped until health is proven; then the answer is CAPPED."""
    bench = start(make_bench, level_2_cap=cap_2, level_4_cap=cap_4)
    levels = suffer(bench, desynchronised)
    assert levels == [2] + [4] * cap_4
    recovery = desynchronised(bench)
    assert (recovery.outcome, recovery.wanted) == (Outcome.CAPPED, Level.DEVICE_RESET)
    for poll in range(400, 520):
        bench.at(100 * poll).record(Event.EP0_ENTER).record(Event.EP0_EXIT)
        bench.poll()
    bench.hands.applied.clear()
    assert suffer(bench, desynchronised, from_ms=52_000) == [2] + [4] * cap_4


def test_a_top_level_is_tried_again_up_to_its_cap(make_bench):
    """Where level 4 fails there is nothing above: it is tried again, within cap and cool-down."""
    bench = start(make_bench, level_4_cap=3, level_4_cool_down_ms=1000)
    bench.hands.outcomes = {4: Outcome.FAILED}
    suffer(bench, hung_setup_handler)
    assert bench.hands.applied == [(time_ms, 4, "EP0_WEDGED") for time_ms in (2000, 3000, 4000)]


# -------------------------------------------------------------------------------- cool-down


@pytest.mark.parametrize("start_ms", [0, 2**32 - 1000, 2**32 - 2500])
def test_cool_down_to_the_ms(make_bench, start_ms):
    """The same level again only when its cool-down is over, counted from its end."""
    bench = make_bench(start_ms=start_ms, level_4_cool_down_ms=1500)
    bench.hands.remedy_ms = 30
    bench.record(Event.EP0_ENTER)
    assert bench.at(2000).poll().level == Level.DEVICE_RESET
    recovery = bench.at(2030 + 1499).poll()
    assert (recovery.level, recovery.outcome) == (None, Outcome.COOLING)
    assert recovery.wanted == Level.DEVICE_RESET
    assert bench.at(2030 + 1500).poll().level == Level.DEVICE_RESET
    assert bench.at(2030 + 1530 + 1499).poll().level is None


def test_a_level_never_used_does_not_cool(make_bench):
    """Cool-down begins with a use: at time 0 a level is ready, whatever its cool-down."""
    bench = make_bench(level_2_cool_down_ms=10**6)
    assert bench.health.recover(status_of(StatusCode.EP0_DESYNC)).level == Level.EP0
    recovery = bench.health.recover(status_of(StatusCode.UNKNOWN))
    assert (recovery.outcome, recovery.wanted) == (Outcome.COOLING, Level.EP0)


def test_each_level_cools_by_itself(make_bench):
    """The use of one level does not end the cool-down of another."""
    bench = make_bench(level_2_cool_down_ms=5000, level_4_cool_down_ms=0)
    for code, level in ((StatusCode.EP0_DESYNC, 2), (StatusCode.EP0_WEDGED, 4)):
        assert bench.at(1000 * level).health.recover(status_of(code)).level == level
    recovery = bench.health.recover(status_of(StatusCode.UNKNOWN))
    assert (recovery.outcome, recovery.wanted) == (Outcome.COOLING, Level.EP0)


def test_a_cooling_level_is_waited_for(make_bench):
    """Cooling is no reason to climb: level 1 is waited for, not passed over."""
    bench = start(make_bench, level_1_cool_down_ms=1500)
    suffer(bench, paused_reader, polls=4)
    bench.hands.applied.clear()
    suffer(bench, stuck_with_free_buffers, polls=14, from_ms=400)
    assert bench.levels() == []
    stuck_with_free_buffers(bench.at(1800))
    assert bench.levels() == [1]


# --------------------------------------------------------------------------- coming down


def wedged_once(make_bench, **changes):
    """A wedge that level 1 answered at 300 ms."""
    bench = start(make_bench, healthy_ms=2000, **changes)
    suffer(bench, stuck_with_free_buffers, polls=4)
    assert bench.levels() == [1]
    return bench


def flow(bench, from_ms, to_ms, step_ms=100):
    for time_ms in range(from_ms, to_ms + 1, step_ms):
        bench.at(time_ms).poll(10 + time_ms, 2, 1)
    return bench


def next_level(bench, from_ms):
    """Wedge again and return the level that answers."""
    bench.hands.applied.clear()
    bench.at(from_ms).sample(7, 8, 3).at(from_ms + 300).poll(7, 8, 3)
    return bench.levels()


@pytest.mark.parametrize(("until_ms", "level"), [(2200, 3), (2299, 3), (2300, 1), (2400, 1)])
def test_a_stream_that_moved_long_enough_comes_down(make_bench, until_ms, level):
    """healthy_ms of a moving stream after the remedy: the ladder begins again; 1 ms less: not."""
    bench = flow(wedged_once(make_bench), 400, 2200)
    if until_ms > 2200:
        bench.at(until_ms).poll(10 + until_ms, 2, 1)
    assert next_level(bench, until_ms + 100) == [level]


def test_a_pause_begins_the_proof_again(make_bench):
    """One poll without movement, and the stream has to move for healthy_ms from there."""
    bench = flow(wedged_once(make_bench), 400, 2200)
    bench.at(2250).poll(10 + 2200, 2, 1)
    flow(bench, 2350, 4249)
    bench.at(4249).poll(10 + 4249, 2, 1)
    assert bench.health._cascade.stream_treated
    bench.at(4250).poll(10 + 4250, 2, 1)
    assert not bench.health._cascade.stream_treated


def test_silence_proves_nothing(make_bench):
    """A device that is left alone has not been proven healthy, however long it is."""
    bench = wedged_once(make_bench).record(Event.STREAM_STOP)
    for time_ms in range(400, 60_000, 100):
        bench.at(time_ms).poll()
    bench.at(60_000).record(Event.STREAM_START)
    assert next_level(bench, 60_000) == [3]


def test_any_other_status_begins_the_proof_again(make_bench):
    """Health means no status at all: a hung handler in between begins the proof again."""
    bench = flow(wedged_once(make_bench, level_4_enabled=False), 400, 2200)
    bench.record(Event.USB_EVENT_ENTER)
    bench.health._record.usb_event.enter_ms = 0
    bench.at(2250).poll(2260, 2, 1)
    bench.record(Event.USB_EVENT_EXIT)
    assert next_level(flow(bench, 2300, 4200), 4300) == [3]
    bench = wedged_once(make_bench)
    assert next_level(flow(bench, 400, 4300), 4400) == [1]


def test_a_second_incident_after_coming_down_is_not_delayed(make_bench):
    """What came down is forgotten: the settling time of the old remedy delays no new one."""
    bench = flow(wedged_once(make_bench, settle_ms=60_000), 400, 2300)
    assert next_level(bench, 2400) == [1]


def test_a_single_poll_without_movement_proves_nothing(make_bench):
    """One poll a minute after the remedy, nothing moved since: not healthy."""
    bench = wedged_once(make_bench)
    bench.at(60_000).poll()
    assert bench.health._cascade.stream_treated


def desynchronised_once(make_bench):
    """A desync that level 2 answered at 300 ms."""
    bench = make_bench(healthy_ms=2000, level_2_cool_down_ms=0, level_4_cool_down_ms=0)
    suffer(bench, desynchronised, polls=4)
    assert bench.levels() == [2]
    return bench


def request(bench, time_ms):
    bench.at(time_ms).record(Event.EP0_ENTER).record(Event.EP0_EXIT)
    return bench.poll()


@pytest.mark.parametrize(
    ("requests_ms", "poll_ms", "level"),
    [
        ([400], 2299, 4),
        ([400], 2300, 2),
        ([2300], 2300, 2),
        ([], 2300, 4),
        ([], 60_000, 4),
    ],
)
def test_ep0_comes_down_after_requests_that_worked(make_bench, requests_ms, poll_ms, level):
    """healthy_ms without an error, and at least one request served: level 2 comes first again."""
    bench = desynchronised_once(make_bench)
    for time_ms in requests_ms:
        request(bench, time_ms)
    bench.at(poll_ms).poll()
    bench.hands.applied.clear()
    suffer(bench, desynchronised, polls=15, from_ms=poll_ms + 1)
    assert bench.levels()[0] == level


def test_an_ep0_error_begins_the_proof_again(make_bench):
    """One failed transfer, too few for a desync, and healthy_ms begins again."""
    bench = desynchronised_once(make_bench)
    request(bench, 400)
    bench.at(2000).record(Event.EP0_ERROR).poll()
    request(bench, 2300)
    bench.at(3999).poll()
    assert bench.health._cascade._ep0.level == 2
    bench.at(4000).poll()
    assert bench.health._cascade._ep0.level == 0


def test_an_ep0_error_asks_for_a_new_request(make_bench):
    """A request served before the last error proves nothing about what came after it."""
    bench = desynchronised_once(make_bench)
    request(bench, 400)
    bench.at(500).record(Event.EP0_ERROR).poll()
    bench.at(9000).poll()
    assert bench.health._cascade._ep0.level == 2
    request(bench, 9001)
    assert bench.health._cascade._ep0.level == 0


def test_a_request_in_progress_proves_nothing(make_bench):
    """A handler that has begun has not been served yet."""
    bench = desynchronised_once(make_bench)
    bench.at(2000).record(Event.EP0_ENTER).at(2300).poll()
    assert bench.health._cascade._ep0.level == 2
    bench.record(Event.EP0_EXIT).poll()
    assert bench.health._cascade._ep0.level == 0


def test_families_come_down_apart(make_bench):
    """A stream that moves proves nothing about EP0, and requests nothing about the stream."""
    bench = wedged_once(make_bench)
    for time_ms in range(400, 9000, 100):
        request(bench, time_ms)
    assert bench.health._cascade.stream_treated
    bench = desynchronised_once(make_bench).record(Event.STREAM_START)
    flow(bench, 400, 9000)
    assert bench.health._cascade._ep0.level == 2


def test_caps_are_given_back_when_all_is_proven(make_bench):
    """Uses of levels 2 to 4 are forgotten when both families are down, not before."""
    bench = wedged_once(make_bench, level_2_cool_down_ms=0, level_3_cap=1)
    bench.health.recover(status_of(StatusCode.EP0_DESYNC))
    flow(bench, 400, 2400)
    cascade = bench.health._cascade
    assert not cascade.stream_treated
    assert cascade._uses == [0, 1, 1, 0, 0, 0]
    request(bench, 2500)
    assert cascade._uses == [0, 1, 0, 0, 0, 0]


# ------------------------------------------------------------------------------ the calls


def test_intent_is_noted_before_each_remedy(make_bench):
    """A level 4 does not return: only what was noted before can tell why."""
    bench = start(make_bench)
    suffer(bench, stuck_with_free_buffers, polls=100)
    assert bench.told_in_pairs()
    assert bench.hands.intent.level == bench.levels()[-1]
    assert bench.hands.intent.status.code == StatusCode.APPLICATION_WEDGED


def test_a_healthy_poll_does_nothing(make_bench):
    """OK: no question to the platform, no allocation, always the same answer."""
    bench = start(make_bench)
    flow(bench, 0, 3000)
    answer = bench.poll(9999, 2, 1)
    assert answer is bench.poll(99999, 2, 1)
    assert answer == Recovery(None, Outcome.NONE, None, StatusCode.OK, 0, 0)
    assert (bench.hands.asked, bench.hands.told) == (0, [])


def test_any_ok_is_ok(make_bench):
    """A status of OK that another evaluation made is answered like the module's own."""
    bench = make_bench()
    assert bench.health.recover(status_of(StatusCode.OK)) is bench.poll()
    assert (bench.hands.asked, bench.hands.told) == (0, [])


def test_one_poll_applies_one_remedy(make_bench):
    """However many levels fail, each poll tries one."""
    bench = start(make_bench)
    bench.hands.outcomes = dict.fromkeys(Level, Outcome.FAILED)
    for poll in range(100):
        before = len(bench.hands.applied)
        stuck_with_free_buffers(bench.at(100 * poll))
        assert len(bench.hands.applied) - before <= 1


def test_the_answer_tells_what_was_done(make_bench):
    """Level, outcome, status and the time it took."""
    bench = start(make_bench)
    bench.hands.remedy_ms = 7
    bench.hands.outcomes = {1: Outcome.FAILED}
    suffer(bench, paused_reader, polls=3)
    assert paused_reader(bench.at(300)) == Recovery(
        Level.STREAM, Outcome.FAILED, Level.STREAM, StatusCode.STREAM_STALL, 300, 7
    )


def test_level_4_comes_at_once_for_a_hung_handler(make_bench):
    """Levels 2 and 3 are not even tried: they would take its locks."""
    bench = make_bench(Policy.preset("level-1-4-5"))
    suffer(bench, hung_setup_handler, polls=21)
    assert bench.hands.applied == [(2000, 4, "EP0_WEDGED")]


@pytest.mark.parametrize("preset", Policy.preset_names())
def test_no_preset_ever_selects_level_5(make_bench, preset):
    """The watchdog is autonomous: whatever the status, recover never selects it."""
    policy = Policy.preset(preset)
    bench = make_bench(policy)
    for code in StatusCode:
        assert Level.WATCHDOG not in policy.ladder(code)
        for time_ms in range(0, 60_000, 500):
            bench.at(time_ms).health.recover(status_of(code))
    assert Level.WATCHDOG not in bench.levels()


def test_none_does_nothing(make_bench):
    """The preset `none` sees nothing and does nothing under every cause."""
    for cause, _, _ in TABLE:
        bench = make_bench(Policy.preset("none")).record(Event.STREAM_START)
        assert suffer(bench, cause, polls=100) == []
        assert bench.code() == "OK"


def test_without_a_level(reference):
    """Ablation: the policy without one level, its other fields as they were."""
    for level in Level:
        policy = reference.without_level(level)
        assert policy.name == f"reference-without-{int(level)}"
        assert not policy.is_enabled(level)
        restored = replace(policy, **{"name": "reference", f"level_{int(level)}_enabled": True})
        assert restored == reference
    with pytest.raises(ValueError, match="6 is not a valid Level"):
        reference.without_level(6)
