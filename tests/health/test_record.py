"""The recorded state itself: plain 32-bit integers, counted exactly."""

import pytest

from health import Event, Health, Outcome, Policy, StatusCode
from health.record import Record
from health.status import Evidence, Status
from health.ticks import WRAP


def record_of(times_ms, limit=3):
    """A record whose clock shows the given times, one a look."""
    clock = iter(times_ms)
    return Record(lambda: next(clock), limit, 5)


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (Event.STREAM_START, "session"),
        (Event.STREAM_STOP, "session"),
        (Event.STREAM_START, "epoch"),
        (Event.STREAM_STOP, "epoch"),
        (Event.CONFIGURED, "epoch"),
        (Event.DECONFIGURED, "epoch"),
        (Event.PIB_ERROR, "pib_errors"),
        (Event.EP_UNDERRUN, "underruns"),
        (Event.EP0_ERROR, "ep0_errors"),
        (Event.EP0_CANCELLED, "ep0_errors"),
    ],
)
def test_counters_count_by_one_and_wrap(event, field):
    """Each count goes up by one and from the largest 32-bit value to zero."""
    record = record_of(range(99))
    for expected in (1, 2, 3):
        record.event(event, 0, 0, 0)
        assert getattr(record, field) == expected
    setattr(record, field, WRAP)
    record.event(event, 0, 0, 0)
    assert getattr(record, field) == 0


def test_moves_are_counted():
    """Each look at which the count had moved is one move; zero and a freeze are none; it wraps."""
    record = record_of(range(99))
    seen = []
    for count in (5, 5, 9, 0, 0, 1, 1):
        record.event(Event.STREAM_SAMPLE, count, 2, 0)
        seen.append(record.moves)
    assert seen == [1, 1, 2, 2, 2, 3, 3]
    record.moves = WRAP
    record.event(Event.STREAM_SAMPLE, 2, 2, 0)
    assert record.moves == 0


def test_error_times_lie_in_a_ring():
    """The last n times are kept in a fixed array, each over the oldest."""
    record = record_of(range(10, 99, 10))
    seen = []
    for _ in range(5):
        record.event(Event.EP0_ERROR, 0, 0, 0)
        seen.append((list(record.ep0_error_times_ms), record.oldest_ep0_error_ms()))
    assert seen == [
        ([10, 0, 0], 0),
        ([10, 20, 0], 0),
        ([10, 20, 30], 10),
        ([40, 20, 30], 20),
        ([40, 50, 30], 30),
    ]


@pytest.mark.parametrize(("limit", "slots"), [(0, 1), (1, 1), (2, 2), (64, 64)])
def test_the_ring_has_a_fixed_size(limit, slots):
    """As many slots as the limit, and one where nothing is looked for."""
    assert len(record_of([], limit).ep0_error_times_ms) == slots


def test_events_that_need_no_clock_do_not_ask_for_it():
    """An exit, a clock report, a cap, an error count and a host's reading cost no clock read."""
    record = record_of([])
    for event in (
        Event.EP0_EXIT,
        Event.USB_EVENT_EXIT,
        Event.CLOCK_STATE,
        Event.STREAM_CAP,
        Event.PIB_ERROR,
        Event.EP_UNDERRUN,
        Event.HOST_READING,
    ):
        record.event(event, 1, 0, 0)
    assert (record.clock, record.stream_cap, record.pib_code, record.host_reading) == (1, 1, 1, 1)


def plain(thing):
    """Yield every plain value that a part of the module holds."""
    for name in type(thing).__slots__:
        value = getattr(thing, name)
        if isinstance(value, list):
            yield from value
        elif type(value).__module__.startswith("health.") and hasattr(type(value), "__slots__"):
            if not isinstance(value, Policy):
                yield from plain(value)
        elif not callable(value) and not isinstance(value, tuple):
            yield value


class Hands:
    time_ms = 0

    def now_ms(self):
        return self.time_ms

    def available(self):
        return 0xFF

    def note(self, intent):
        del intent

    def apply(self, level, status):
        del level, status
        return Outcome.DONE


def state_of(part):
    """The fields of one part that are plain values."""
    values = {name: getattr(part, name) for name in type(part).__slots__}
    return {name: value for name, value in values.items() if isinstance(value, int | list)}


def test_a_new_module_is_zeroed_memory():
    """All state begins as zero, as C finds it in .bss, but for what stands for unknown."""
    health = Health(Policy(name="p", ep0_desync_limit=2, ep0_desync_window_ms=9), Hands())
    record = state_of(health._record)
    assert {name: value for name, value in record.items() if value not in (0, [0, 0])} == {
        "stream_cap": 5,
        "clock": 2,
        "host_reading": 2,
        "gpif_state": 255,
        "buffers_full": 255,
    }
    assert state_of(health._record.ep0) == {"enter_ms": 0, "sequence": 0}
    cascade = health._cascade
    assert state_of(cascade) == {
        "_applied": 0,
        "_ended_ms": [0] * 6,
        "_uses": [0] * 6,
        "_uses_session": 0,
    }
    for climb in (cascade._stall, cascade._stream, cascade._ep0):
        assert set(state_of(climb).values()) == {0}
        assert len(state_of(climb)) == 6


def test_armed_is_a_flag():
    """START arms and everything that ends the stream disarms, to exactly 1 and 0."""
    record = record_of(range(99))
    seen = []
    for event in (Event.STREAM_START, Event.STREAM_STOP, Event.STREAM_START, Event.CONFIGURED):
        record.event(event, 0, 0, 0)
        seen.append(record.armed)
    assert seen == [1, 0, 1, 0]


def test_arguments_left_out_are_zero():
    """An event recorded with fewer arguments has zeros for the rest."""
    health = Health(Policy(name="p"), Hands())
    record = health._record
    health.record_event(Event.STREAM_SAMPLE, 5)
    assert (record.dma_count, record.gpif_state, record.buffers_full) == (5, 0, 0)
    health.record_event(Event.STREAM_SAMPLE)
    assert record.dma_count == 0


def test_all_state_is_integers():
    """After every event and every remedy the module holds integers and nothing else."""
    hands = Hands()
    health = Health(Policy(name="p", level_2_enabled=True, level_3_enabled=True), hands)
    parts = (health._record, health._record.ep0, health._record.usb_event)
    climbs = (health._cascade._stall, health._cascade._stream, health._cascade._ep0)

    def values():
        for part in parts + climbs:
            yield from plain(part)
        yield health._cascade._applied
        yield from health._cascade._uses
        yield from health._cascade._ended_ms

    assert all(isinstance(value, int) for value in values())
    for event in Event:
        health.record_event(event, 1, 2, 3)
        assert all(isinstance(value, int) for value in values()), event
    for code in StatusCode:
        health.recover(Status(code, 0, Evidence()))
        assert all(isinstance(value, int) for value in values()), code
    for time_ms in range(0, 20_000, 100):
        hands.time_ms = time_ms
        health.record_event(Event.EP0_ENTER)
        health.record_event(Event.EP0_EXIT)
        health.record_event(Event.STREAM_SAMPLE, time_ms, 2, 0)
        health.recover(health.evaluate())
    assert all(isinstance(value, int) for value in values())
    assert {climb.level for climb in climbs[1:]} == {0}
