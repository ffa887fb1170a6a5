"""The four short cuts: each is taken where it should be, and changes no result."""

from __future__ import annotations

import os
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from sim.chip.flow import Flow
from sim.chip.flow_engine import Engine
from sim.chip.flow_steady import Steady
from sim.chip.gpif import EDGES_13, EDGES_16

from .common import MHZ, MS, US, start, view
from .reference import Reference

EXAMPLES = int(os.environ.get("FLOW_EXAMPLES", "250")) // 5

PLAIN = {"steady": False, "laps": False, "bulk": False, "fills": False}


def stream(rate_hz=64 * MHZ, **options) -> Flow:
    flow = Flow(EDGES_16, **options)
    flow.clock(0, rate_hz)
    start(flow, 0)
    return flow


class Counter:
    """Counts the calls of a method that did something."""

    def __init__(self, monkeypatch, owner, name: str) -> None:
        self.taken = 0
        method = getattr(owner, name)

        def counted(*args):
            result = method(*args)
            self.taken += result is not False
            return result

        monkeypatch.setattr(owner, name, counted)


def test_steady_is_taken_once_for_an_endless_read(monkeypatch):
    """An hour of a read stream: one closed form, and no event after it began."""
    entered = Counter(monkeypatch, Engine, "_enter_steady")
    steps = Counter(monkeypatch, Engine, "step")
    flow = stream()
    flow.credit(0, None)
    for t in range(0, 3600 * 1000 * MS, 60 * 1000 * MS):
        flow.produced(t)
    assert entered.taken == 1
    assert steps.taken <= 4
    flow = stream(steady=False)
    flow.credit(0, None)
    flow.produced(10 * MS)
    assert entered.taken == 1


def test_credit_and_delivery_time_in_steady_flow_leave_it_alone(monkeypatch):
    """A drain of 1 MiB reads: after the first ring full no event is ever stepped."""
    steps = Counter(monkeypatch, Engine, "step")
    copies = Counter(monkeypatch, Engine, "copy")
    flow = stream()
    flow.credit(0, 4 * 1024)
    flow.state(100 * US)
    steps.taken = 0
    done = 0
    for _ in range(1000):
        done += 1024
        t = flow.delivery_time(done)
        assert flow.delivered_packets(t) == done
        flow.credit(t, 1024)
    assert (steps.taken, copies.taken) == (0, 0)
    assert flow.pib_errors(t) == 0


@pytest.mark.parametrize("credit", [None, 4 * 1024, 4 * 1024 + 7])
@pytest.mark.parametrize("first", [1, 16, 17, 1024, 3077])
@pytest.mark.parametrize("step", [16, 1024, 1000])
def test_many_delivery_times_at_once_are_those_of_one_by_one(credit, first, step):
    """In steady flow and out of it, up to the last packet that is asked for."""
    for options in ({}, {"steady": False}):
        flow = stream(129_600_000, **options)
        flow.credit(0, credit)
        flow.state(10 * US)
        each = [flow.delivery_time(first + number * step) for number in range(5)]
        known = [due_ns for due_ns in each if due_ns is not None]
        assert flow.delivery_times(first, step, 5) == known
        # Word n is pushed at edge n + 1; the packets of a buffer follow its last word.
        buffers, packets = (first - 1) // 16 + 1, (first - 1) % 16 + 1
        full_ns = -(-(8192 * buffers + 1) * 10**9 // 129_600_000)
        assert each[0] == full_ns + packets * 2560


def test_glances_and_looks_agree_in_every_edge_of_a_steady_visit():
    """Words 1, 2, the last two, and the ns in which a buffer is sent: same in all looks."""
    options = {"buffer_words": 12, "packet_bytes": 8, "packet_ns": 30}
    flow = stream(100 * MHZ, **options)
    reference = Reference(16, 8, 12, 3, 30, True)
    reference.clock(0, 100 * MHZ)
    start(reference, 0)
    flow.credit(0, None)
    reference.credit(0, None)
    for t in range(700):
        assert view(flow, t) == reference.look(t)


@pytest.mark.parametrize("before_ns", [0, 1, 100])
def test_words_of_laps_come_from_where_each_lap_took_them(before_ns):
    """Right before a buffer comes free the laps are the newest that was pushed, too."""
    options = {"packet_bytes": 512, "packet_ns": 12_800}
    flow = stream(**options)
    flow.credit(0, None)
    packets = flow.delivered_packets(50 * MS) // 32 * 32 + 32
    look_ns = flow.delivery_time(packets) - before_ns
    sources, newest = [], []
    for laps in (True, False):
        flow = stream(laps=laps, **options)
        flow.credit(0, None)
        flow.state(10 * MS)
        flow.state(look_ns)
        sources.append(flow.sources(look_ns, packets - 640, 600 * 256))
        newest.append(flow.newest_source(look_ns, packets - 640))
    assert sources[0] == sources[1]
    assert newest == [None, None]


def test_laps_are_taken_at_once_by_a_slow_host(monkeypatch):
    """High Speed for an hour: a few jumps and not 8.8 million laps."""
    laps = Counter(monkeypatch, Engine, "_lap")
    steps = Counter(monkeypatch, Engine, "step")
    flow = stream(packet_bytes=512, packet_ns=12_800)
    flow.credit(0, None)
    flow.state(10 * MS)
    steps.taken = laps.taken = 0
    flow.state(3600 * 1000 * MS)
    assert laps.taken == 1
    assert steps.taken < 16


def test_packets_are_taken_in_bulk(monkeypatch):
    """Draining eight old buffers with the clock off: three completions, not 128.

    The packet that gives a buffer back to a waiting machine comes alone.
    """
    for bulk, most in ((True, 3), (False, 128)):
        with monkeypatch.context() as patch:
            completions = Counter(patch, Engine, "_complete")
            flow = stream(bulk=bulk)
            flow.clock(2 * MS, None)
            flow.credit(2 * MS, 128)
            assert flow.delivered_packets(3 * MS) == 128
            assert completions.taken == most


def test_a_ring_that_nobody_reads_is_filled_at_once(monkeypatch):
    """Eight buffers in one jump, for the prediction of the first lost word and for the stream."""
    # The trigger is seen by edge 1, word n is pushed at edge n + 1; word 65537 finds no room.
    lost_ns = -(-(8 * 8192 + 2) * 125 // 8)
    taken = {}
    for fills in (True, False):
        with monkeypatch.context() as patch:
            steps = Counter(patch, Engine, "step")
            flow = stream(fills=fills, steady=False)
            assert flow.next_pib_error(0) == lost_ns
            assert flow.produced(lost_ns - 1) == 8
            assert flow.pib_errors(lost_ns - 1) == 0
            assert flow.pib_errors(lost_ns) == 1
            taken[fills] = steps.taken
    assert taken[True] < 12 < 36 < taken[False]


def test_adding_credit_early_costs_no_event(monkeypatch):
    """While the link cannot have sent all, asking for more is one addition."""
    runs = Counter(monkeypatch, Engine, "run")
    flow = stream(packet_ns=9000)
    flow.credit(0, 1000)
    flow.state(5 * MS)
    runs.taken = 0
    for t in range(5 * MS, 6 * MS, 10 * US):
        flow.credit(t, 10)
    assert runs.taken == 0
    assert flow.outstanding(6 * MS) == 2000 - flow.delivered_packets(6 * MS)


def test_a_far_lost_word_is_a_lower_bound(monkeypatch):
    """A host slower by a hair: the search stops early, after now and before the truth."""
    leaves = Counter(monkeypatch, Steady, "__init__")
    flow = stream(packet_ns=8040)
    flow.credit(0, None)
    t, asked = MS, 0
    while flow.pib_errors(t) == 0:
        bound = flow.next_pib_error(t)
        assert t < bound
        t = bound
        asked += 1
    assert asked > 1
    plain = stream(packet_ns=8040)
    plain.credit(0, None)
    assert plain.pib_errors(t - 1) == 0
    assert plain.pib_errors(t) == 1
    assert leaves.taken == 0


@pytest.mark.parametrize("credit", [None, 1, 7, 200])
@pytest.mark.parametrize("packets", [1, 3])
def test_every_packet_time_around_the_fill_time(packets, credit):
    """From a host faster by a third to one slower by half, in steps of 1 ns: all equal.

    A buffer fills in 120 ns; a lap of the waiting machine takes 150.
    """
    for packet_ns in range(80 // packets, 181 // packets):
        options = {
            "buffer_count": 4,
            "buffer_words": 12,
            "packet_bytes": 24 // packets,
            "packet_ns": packet_ns,
        }
        flow = stream(100 * MHZ, **options)
        reference = Reference(16, 4, 12, packets, packet_ns, True)
        reference.clock(0, 100 * MHZ)
        start(reference, 0)
        flow.credit(3, credit)
        reference.credit(3, credit)
        for t in (130, 131, 1111, 4444, 6000, 6001):
            wanted = reference.look(t)
            assert view(flow, t) == wanted, packet_ns
        counts = [reference.delivered + ahead for ahead in (1, 2, 9)]
        wanted_ns = reference.delivery_times(counts)
        assert [flow.delivery_time(count) for count in counts] == wanted_ns, packet_ns


def test_a_real_fill_and_read_equals_the_reference():
    """8192 words at 129.6 MHz, host late, then reading: word for word, once."""
    flow = stream(129_600_000)
    reference = Reference(16, 8, 8192, 16, 2560, True)
    reference.clock(0, 129_600_000)
    start(reference, 0)
    for t, packets in ((300 * US, 40), (600 * US, 11), (650 * US, 500)):
        assert view(flow, t) == reference.look(t)
        flow.credit(t, packets)
        reference.credit(t, packets)
    for t in range(660 * US, 1_000 * US, 1009):
        assert view(flow, t) == reference.look(t)


REAL_GAPS_NS = st.one_of(
    st.integers(0, 40), st.integers(0, 2600), st.integers(0, 300 * US), st.integers(0, 8 * MS)
)
REAL_RATES_HZ = st.sampled_from([64 * MHZ, 129_600_000, 32 * MHZ, Fraction(64 * MHZ * 27, 28)])
REAL_STEPS = st.lists(
    st.tuples(
        REAL_GAPS_NS,
        st.sampled_from(
            [
                *("credit", "credit", "endless", "withdraw", "start", "low", "high"),
                *("clock", "dead", "reset", "fail", "look", "look"),
            ]
        ),
        st.integers(0, 3000),
    ),
    min_size=1,
    max_size=12,
)


def real_step(flow: Flow, t: int, what: str, amount: int, rate_hz) -> int | None:
    if what == "credit":
        flow.credit(t, amount)
    elif what == "endless":
        flow.credit(t, None)
    elif what == "withdraw":
        return flow.withdraw(t)
    elif what == "start":
        start(flow, t)
    elif what in ("low", "high"):
        flow.trigger(t, what == "high")
    elif what in ("clock", "dead"):
        flow.clock(t, rate_hz if what == "clock" else None)
    elif what == "reset":
        flow.reset(t)
    elif what == "fail":
        flow.fail(t)
    return None


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize="FLOW_EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    st.sampled_from([EDGES_16, EDGES_13]),
    REAL_RATES_HZ,
    st.sampled_from([2560, 2560, 3950, 7990, 8000, 8001, 25_600]),
    REAL_STEPS,
)
def test_on_equals_off_at_real_sizes(table, rate_hz, packet_ns, steps):
    """8192 words, 16 packets, 64 and 129.6 MHz: short cuts on, and every event stepped."""
    fast = Flow(table, packet_ns=packet_ns)
    plain = Flow(table, packet_ns=packet_ns, **PLAIN)
    for flow in (fast, plain):
        flow.clock(0, rate_hz)
        start(flow, 0)
    t = 0
    for gap, what, amount in steps:
        t += gap
        assert real_step(fast, t, what, amount, rate_hz) == real_step(
            plain, t, what, amount, rate_hz
        )
        if amount % 2:
            assert view(fast, t) == view(plain, t)
        if amount % 3 == 0:
            delivered = plain.delivered_packets(t)
            for ahead in (1, 20, 300):
                assert fast.delivery_time(delivered + ahead) == plain.delivery_time(
                    delivered + ahead
                )
    t += 3 * MS
    assert view(fast, t) == view(plain, t)
