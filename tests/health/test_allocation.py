"""Recording is O(1) and takes no memory, whatever is recorded and however often."""

import sys

from health import Event, Health, Policy

PATTERN = [
    (Event.EP0_ENTER, 0, 0, 0),
    (Event.EP0_ERROR, 0x45, 0, 0),
    (Event.EP0_EXIT, 0, 0, 0),
    (Event.USB_EVENT_ENTER, 3, 0, 0),
    (Event.USB_EVENT_EXIT, 3, 0, 0),
    (Event.STREAM_START, 0, 0, 0),
    (Event.STREAM_SAMPLE, 70_000, 2, 1),
    (Event.STREAM_SAMPLE, 80_000, 8, 8),
    (Event.STREAM_SAMPLE, 80_000, 6, 8),
    (Event.CLOCK_STATE, 0, 0, 0),
    (Event.CLOCK_STATE, 1, 0, 0),
    (Event.PIB_ERROR, 0x1005, 0, 0),
    (Event.EP_UNDERRUN, 0, 0, 0),
    (Event.EP0_CANCELLED, 0x51, 0, 0),
    (Event.HOST_READING, 1, 0, 0),
    (Event.STREAM_CAP, 500, 0, 0),
    (Event.STREAM_STOP, 0, 0, 0),
    (Event.CONFIGURED, 0, 0, 0),
    (Event.DECONFIGURED, 0, 0, 0),
    (Event.EP0_CANCELLED, 0x51, 0, 0),
]


class Ticking:
    """A clock that runs ahead with every look."""

    def __init__(self):
        self.time_ms = 10**6

    def now_ms(self):
        self.time_ms = (self.time_ms + 1) & 0xFFFF_FFFF
        return self.time_ms

    def available(self):
        return 0

    def note(self, intent):
        del intent

    def apply(self, level, status):
        del level
        return status


def containers(thing, seen=None):
    """Return the sizes of every container that a module can reach."""
    seen = {} if seen is None else seen
    if id(thing) in seen or isinstance(thing, type | Ticking | Policy):
        return seen
    if isinstance(thing, list | dict | set | bytearray):
        seen[id(thing)] = len(thing)
    elif not hasattr(type(thing), "__slots__") or not type(thing).__module__.startswith("health"):
        return seen
    else:
        seen[id(thing)] = 0
        for name in type(thing).__slots__:
            containers(getattr(thing, name), seen)
    return seen


def test_a_million_events_take_no_memory():
    """The allocated blocks stay flat over a million events of every kind."""
    health = Health(Policy.preset("reference"), Ticking())
    record = health.record_event

    def run(rounds):
        for _ in range(rounds):
            for event, first, second, third in PATTERN:
                record(event, first, second, third)

    run(100)
    sizes = containers(health)
    before = sys.getallocatedblocks()
    run(50_000)
    assert abs(sys.getallocatedblocks() - before) < 20
    assert containers(health) == sizes
    assert {event for event, *_ in PATTERN} == set(Event)


def test_no_object_of_the_module_can_grow():
    """Every object that holds state has slots and no dict."""
    health = Health(Policy.preset("reference"), Ticking())
    for part in (health, health._record, health._record.ep0, health._cascade):
        assert not hasattr(part, "__dict__")


def test_evaluate_allocates_its_answer_alone():
    """A healthy evaluation allocates nothing; a sick one its status and the evidence in it."""
    health = Health(Policy.preset("reference"), Ticking())
    for event, first, second, third in PATTERN:
        health.record_event(event, first, second, third)
    before = sys.getallocatedblocks()
    for _ in range(10_000):
        health.evaluate()
    assert abs(sys.getallocatedblocks() - before) < 20
