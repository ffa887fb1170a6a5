"""Hung callbacks of the USB thread: limits to the ms, and no false wedge from a race."""

from dataclasses import replace

import pytest

from health import Event, Evidence, Policy, Status, StatusCode
from health.record import Handler
from health.ticks import WRAP

STARTS_MS = [0, 1, 2**31 - 1000, 2**32 - 1, 2**32 - 1999, 2**32 - 2000, 2**32 - 2001]

CASES = [
    (Event.EP0_ENTER, Event.EP0_EXIT, "EP0_WEDGED", "ep0_limit_ms"),
    (Event.USB_EVENT_ENTER, Event.USB_EVENT_EXIT, "USB_EVENT_WEDGED", "usb_event_limit_ms"),
]


@pytest.mark.parametrize("start_ms", STARTS_MS)
@pytest.mark.parametrize(("enter", "leave", "code", "limit"), CASES)
@pytest.mark.parametrize("limit_ms", [1001, 2000, 4567])
def test_limit_to_the_ms(make_bench, start_ms, enter, leave, code, limit, limit_ms):
    """A handler is wedged at exactly its limit (>=), not 1 ms before, over every wrap."""
    bench = make_bench(start_ms=start_ms, **{limit: limit_ms})
    bench.record(enter)
    assert bench.at(limit_ms - 1).code() == "OK"
    for late_ms in (0, 1, 12_345):
        status = bench.at(limit_ms + late_ms).status()
        assert status.code.name == code
        assert status.since_ms == start_ms & WRAP
        assert status.evidence.age_ms == limit_ms + late_ms
        assert status.evidence.handler_age_ms == limit_ms + late_ms
    assert bench.record(leave).code() == "OK"


@pytest.mark.parametrize(("enter", "leave", "code", "limit"), CASES)
def test_a_limit_of_zero_is_off(make_bench, enter, leave, code, limit):
    """Limit 0: the shipped firmware is blind to a hang in the USB event callback."""
    bench = make_bench(**{limit: 0})
    assert bench.record(enter).at(10**6).code() == "OK"
    assert Policy.preset("level-1-4-5").usb_event_limit_ms == 0


def test_ep0_comes_before_the_usb_event(make_bench):
    """With both over their limit the setup handler is named, and its age."""
    bench = make_bench().record(Event.USB_EVENT_ENTER).at(100).record(Event.EP0_ENTER)
    status = bench.at(2100).status()
    assert (status.code.name, status.since_ms) == ("EP0_WEDGED", 100)
    assert (status.evidence.handler, status.evidence.handler_age_ms) == (1, 2000)
    status = bench.record(Event.EP0_EXIT).status()
    assert (status.code.name, status.since_ms) == ("USB_EVENT_WEDGED", 0)
    assert (status.evidence.handler, status.evidence.handler_age_ms) == (2, 2100)


def test_a_younger_ep0_handler_is_evidence_of_an_event_wedge(make_bench):
    """The handler in the evidence is EP0's while one is in progress, whatever is wedged."""
    bench = make_bench().record(Event.USB_EVENT_ENTER).at(1999).record(Event.EP0_ENTER)
    evidence = bench.at(2000).status().evidence
    assert (evidence.age_ms, evidence.handler, evidence.handler_age_ms) == (2000, 1, 1)


def test_a_missing_exit_does_not_outlive_the_next_request(make_bench):
    """F17: the path for wLength > 64 lacked its EXIT; the next ENTER begins a new age."""
    bench = make_bench().record(Event.EP0_ENTER).at(1500).record(Event.EP0_ENTER)
    assert bench.at(3499).code() == "OK"
    assert bench.at(3500).code() == "EP0_WEDGED"
    assert bench.record(Event.EP0_EXIT).code() == "OK"


def test_an_exit_alone_changes_nothing(make_bench):
    """An EXIT without an ENTER leaves no handler in progress, and the next ENTER counts."""
    bench = make_bench().record(Event.EP0_EXIT)
    assert bench.at(5000).code() == "OK"
    assert bench.record(Event.EP0_ENTER).at(7000).code() == "EP0_WEDGED"


def test_handler_sequence():
    """The sequence is odd in progress, never the same for two calls, and wraps at 32 bits."""
    handler = Handler()
    seen = []
    for step in ("enter", "leave", "enter", "enter", "leave", "leave", "enter"):
        if step == "enter":
            handler.enter(7)
        else:
            handler.leave()
        seen.append(handler.sequence)
    assert seen == [1, 2, 3, 5, 6, 6, 7]
    handler.sequence = WRAP
    handler.leave()
    assert handler.sequence == 0
    handler.sequence = WRAP
    handler.enter(9)
    assert (handler.sequence, handler.enter_ms) == (1, 9)


# ------------------------------------------------------------------------------- the race


class Original:
    """The firmware's own evaluation: in_progress, then the clock, then the enter time."""

    def __init__(self, now_ms):
        self.now_ms = now_ms
        self.in_progress = False
        self.enter_ms = 0

    def record_event(self, event):
        if event == Event.EP0_ENTER:
            self.enter_ms = self.now_ms()
            self.in_progress = True
        else:
            self.in_progress = False

    def evaluate(self, limit_ms):
        if not self.in_progress:
            return "OK"
        now_ms = self.now_ms()
        return "EP0_WEDGED" if (now_ms - self.enter_ms) & WRAP >= limit_ms else "OK"


class Interrupted:
    """A clock during whose reading, once, other things happen and a tick passes."""

    def __init__(self, time_ms=0):
        self.time_ms = time_ms
        self.meanwhile = None

    def __call__(self):
        seen_ms = self.time_ms
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return seen_ms & WRAP


def end_a_begin_b(clock, record):
    """The USB thread ends A; a tick passes; it begins B."""

    def run():
        record(Event.EP0_EXIT)
        clock.time_ms += 1
        record(Event.EP0_ENTER)

    return run


def test_the_original_order_of_reads_sees_a_false_wedge():
    """Two healthy handlers and a tick between two reads: the original underflows and resets."""
    clock = Interrupted(500)
    original = Original(clock)
    original.record_event(Event.EP0_ENTER)
    clock.time_ms += 3
    clock.meanwhile = end_a_begin_b(clock, original.record_event)
    assert original.evaluate(2000) == "EP0_WEDGED"


@pytest.mark.parametrize("age_of_a_ms", [0, 3, 1999, 2000, 5000])
@pytest.mark.parametrize("start_ms", [500, 2**32 - 2, 2**32 - 4001])
@pytest.mark.parametrize("first", [Event.EP0_ENTER, Event.USB_EVENT_ENTER])
def test_this_order_of_reads_does_not(make_bench, age_of_a_ms, start_ms, first):
    """The same interleaving is progress here, also when A was about to be called hung."""
    bench = make_bench(start_ms=start_ms)
    record = bench.health.record_event
    last = Event(first + 1)
    record(first)
    bench.at(age_of_a_ms)

    def meanwhile():
        bench.hands.on_now = None
        record(last)
        bench.hands.time_ms += 1
        record(first)

    bench.hands.on_now = meanwhile
    assert bench.code() == "OK"
    assert bench.code() == "OK"
    assert bench.at(age_of_a_ms + 1 + 1999).code() == "OK"
    assert bench.at(age_of_a_ms + 1 + 2000).code() != "OK"


def test_a_handler_that_ends_while_the_clock_is_read_is_progress(make_bench):
    """A ends during the evaluation that would have called it hung."""
    bench = make_bench().record(Event.EP0_ENTER).at(2000)

    def meanwhile():
        bench.hands.on_now = None
        bench.record(Event.EP0_EXIT)

    bench.hands.on_now = meanwhile
    assert bench.code() == "OK"


def test_a_handler_that_begins_while_the_clock_is_read_is_new(make_bench):
    """Nothing was in progress when the evaluation began; what begins in it is judged next time."""
    bench = make_bench().at(2000)

    def meanwhile():
        bench.hands.on_now = None
        bench.hands.time_ms += 1
        bench.record(Event.EP0_ENTER)

    bench.hands.on_now = meanwhile
    assert bench.code() == "OK"
    assert bench.at(4000).code() == "OK"
    assert bench.at(4001).code() == "EP0_WEDGED"


def test_a_hung_handler_is_found_beside_a_busy_one(make_bench):
    """The event handler is really hung; setup handlers come and go while the clock is read."""
    bench = make_bench().record(Event.USB_EVENT_ENTER).at(2000)

    def meanwhile():
        bench.hands.on_now = None
        bench.record(Event.EP0_ENTER).record(Event.EP0_EXIT)

    bench.hands.on_now = meanwhile
    assert bench.code() == "USB_EVENT_WEDGED"


# ------------------------------------------------------------------------------- EP0 desync


def errors(bench, times_ms, event=Event.EP0_ERROR):
    for time_ms in times_ms:
        bench.at(time_ms).record(event)
    return bench


@pytest.mark.parametrize("start_ms", [0, 2**32 - 1, 2**32 - 1500])
@pytest.mark.parametrize("event", [Event.EP0_ERROR, Event.EP0_CANCELLED])
def test_desync_needs_enough_errors_within_the_window(make_bench, start_ms, event):
    """Four failed transfers whose oldest is younger than 2000 ms; at exactly 2000 it is out."""
    bench = errors(make_bench(start_ms=start_ms), [0, 10, 20], event)
    assert bench.code() == "OK"
    status = errors(bench, [1999], event).status()
    assert status.code.name == "EP0_DESYNC"
    assert status.since_ms == start_ms & WRAP
    assert (status.evidence.age_ms, status.evidence.ep0_errors) == (1999, 4)
    assert bench.at(2000).code() == "OK"


def test_desync_slides(make_bench):
    """The window slides: an old error leaves it, and a later one completes it again."""
    bench = errors(make_bench(), [0, 1500, 1600, 2100])
    assert bench.code() == "OK"
    status = errors(bench, [3000]).status()
    assert (status.code.name, status.since_ms) == ("EP0_DESYNC", 1500)
    status = errors(bench, [3100]).status()
    assert (status.code.name, status.since_ms) == ("EP0_DESYNC", 1600)


@pytest.mark.parametrize("enter", [Event.EP0_ENTER, Event.USB_EVENT_ENTER])
def test_no_desync_while_a_handler_is_in_progress(make_bench, enter):
    """Levels 2 and 3 take locks, so a desync is judged only when no handler holds them."""
    bench = errors(make_bench(), [0, 1, 2, 3])
    assert bench.code() == "EP0_DESYNC"
    assert bench.record(enter).code() == "OK"
    assert bench.record(Event(enter + 1)).code() == "EP0_DESYNC"


@pytest.mark.parametrize("event", [Event.CONFIGURED, Event.DECONFIGURED])
def test_a_new_configuration_forgives_ep0(make_bench, event):
    """After a bus reset EP0 begins afresh: the errors before it are no desync."""
    bench = errors(make_bench(), [0, 1, 2, 3]).record(event)
    assert bench.code() == "OK"
    assert errors(bench, [4, 5, 6]).code() == "OK"
    assert errors(bench, [7]).code() == "EP0_DESYNC"


def test_level_2_forgives_ep0(make_bench):
    """Errors before the remedy do not condemn what came after it."""
    bench = errors(make_bench(), [0, 1, 2, 3])
    bench.poll()
    assert bench.levels() == [2]
    assert bench.code() == "OK"
    assert errors(bench, [4, 5, 6]).code() == "OK"
    assert errors(bench, [7]).code() == "EP0_DESYNC"


def test_no_desync_without_its_limit(make_bench):
    """Limit 0: not looked for, as in all shipped firmware; the errors are counted all the same."""
    bench = errors(make_bench(ep0_desync_limit=0, ep0_desync_window_ms=0), range(100))
    assert bench.code() == "OK"
    bench.record(Event.EP0_ENTER)
    assert bench.at(5000).status().evidence.ep0_errors == 100


@pytest.mark.parametrize("limit", [1, 2, 7, 64])
def test_desync_limit_is_exact(make_bench, limit):
    """The n-th error makes the desync, not the one before."""
    bench = make_bench(ep0_desync_limit=limit)
    assert errors(bench, range(limit - 1)).code() == "OK"
    assert errors(bench, [limit]).code() == "EP0_DESYNC"


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_only_the_last_errors_count(make_bench, limit):
    """The window is measured over the last n errors, neither more nor fewer."""
    bench = make_bench(ep0_desync_limit=limit)
    errors(bench, [0] * limit)
    assert bench.at(2000).code() == "OK"
    errors(bench, range(2001, 2001 + limit - 1))
    assert bench.at(2010).code() == "OK"
    status = errors(bench, [2010]).status()
    assert (status.code.name, status.since_ms) == ("EP0_DESYNC", 2001 if limit > 1 else 2010)


def test_an_error_while_the_clock_is_read_waits_for_the_next_poll(make_bench):
    """An error that comes during the evaluation overwrites the oldest time: no false desync."""
    bench = errors(make_bench(), [0, 6000, 6500, 7000]).at(7500)
    assert bench.code() == "OK"

    def meanwhile():
        bench.hands.on_now = None
        bench.record(Event.EP0_ERROR)

    bench.hands.on_now = meanwhile
    assert bench.code() == "OK"
    status = bench.at(7999).status()
    assert (status.code.name, status.since_ms) == ("EP0_DESYNC", 6000)


def test_error_counters_wrap(make_bench):
    """The error count wraps at 32 bits without a false desync or a lost one."""
    bench = make_bench()
    record = bench.health._record
    record.ep0_errors = WRAP - 1
    record.ep0_forgiven_by_bus = WRAP - 1
    record.ep0_forgiven_by_remedy = WRAP - 1
    assert errors(bench, [0, 1, 2]).code() == "OK"
    status = errors(bench, [3]).status()
    assert (status.code.name, status.evidence.ep0_errors) == ("EP0_DESYNC", 2)


# ------------------------------------------------------------------------------- evidence


def test_ok_is_one_status(make_bench):
    """A healthy poll allocates nothing: OK is always the same object, with empty evidence."""
    bench = make_bench()
    assert bench.status() is bench.status()
    assert bench.status() == Status(StatusCode.OK, 0, Evidence())
    assert bench.status().evidence == Evidence(0, 0, 0, 0, 255, 255, 2, 2, 0, 0, 0, 0)


def test_evidence_holds_all_that_was_recorded(make_bench):
    """PIB errors, underruns, the last sample, clock and host are in the evidence of any status."""
    bench = make_bench().record(Event.STREAM_START).sample(17, 6, 3)
    bench.record(Event.PIB_ERROR, 0x1005).record(Event.PIB_ERROR, 0x1006)
    bench.record(Event.EP_UNDERRUN).record(Event.EP_UNDERRUN).record(Event.EP_UNDERRUN)
    bench.record(Event.CLOCK_STATE, 1).record(Event.HOST_READING, 0).record(Event.EP0_CANCELLED)
    bench.record(Event.EP0_ENTER)
    assert bench.at(2345).status().evidence == Evidence(
        age_ms=2345,
        handler=1,
        handler_age_ms=2345,
        dma_count=17,
        gpif_state=6,
        buffers_full=3,
        clock=1,
        host_reading=0,
        ep0_errors=1,
        pib_errors=2,
        pib_code=0x1006,
        underruns=3,
    )


def test_evidence_before_anything_was_recorded(make_bench):
    """What was never reported is marked as unknown: state and buffers 255, clock and host 2."""
    evidence = make_bench().record(Event.EP0_ENTER).at(2000).status().evidence
    assert evidence == Evidence(age_ms=2000, handler=1, handler_age_ms=2000)


def test_counters_wrap(make_bench):
    """PIB errors and underruns wrap at 32 bits."""
    bench = make_bench()
    bench.health._record.pib_errors = WRAP
    bench.health._record.underruns = WRAP
    bench.record(Event.PIB_ERROR, 5).record(Event.EP_UNDERRUN).record(Event.EP0_ENTER)
    evidence = bench.at(2000).status().evidence
    assert (evidence.pib_errors, evidence.underruns) == (0, 0)


def test_an_unknown_event_is_ignored(make_bench):
    """A number that is no event changes nothing and raises nothing."""
    bench = make_bench()
    bench.health.record_event(99, 1, 2, 3)
    assert bench.code() == "OK"


def test_shipped_policies_see_only_what_the_firmware_sees(reference):
    """No shipped preset looks for events, desync, wedge, cold start, clock or unknown states."""
    for name in ("none", "level-1", "level-1-4", "level-1-4-5"):
        policy = Policy.preset(name)
        blind = replace(
            policy,
            usb_event_limit_ms=0,
            ep0_desync_limit=0,
            ep0_desync_window_ms=0,
            stream_wedge_ms=0,
            cold_start_ms=0,
            clock_lost_ms=0,
            unknown_ms=0,
        )
        assert blind == policy
