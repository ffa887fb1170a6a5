"""Random programs of software and host on ``Flow`` and on the edge-by-edge reference: all equal."""

from __future__ import annotations

import os
from fractions import Fraction

from hypothesis import HealthCheck, given, note, settings, strategies as st

from sim.chip.flow import Flow
from sim.chip.gpif import EDGES_13, EDGES_16

from .common import view
from .reference import Reference

EXAMPLES = int(os.environ.get("FLOW_EXAMPLES", "120"))
"""Schedules a test; a deep run sets the variable to thousands."""

WORD_BYTES = 2
DEEP = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize="FLOW_EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

RATES_HZ = st.sampled_from(
    [
        64_000_000,
        129_600_000,
        100_000_000,
        Fraction(10**9, 7),
        Fraction(3 * 10**9, 7),
        1_000_000_000,
        Fraction(5 * 10**9, 3),
        33_333_333,
        Fraction(777_777_777, 10),
    ]
)


@st.composite
def geometries(draw):
    packets = draw(st.integers(1, 4))
    packet_words = draw(st.integers(1, 6))
    if packets * packet_words < 2:
        packet_words = 2
    return {
        "buffer_count": draw(st.sampled_from([2, 4, 6, 8])),
        "buffer_packets": packets,
        "packet_words": packet_words,
        "packet_ns": draw(st.one_of(st.integers(1, 60), st.integers(1, 400))),
        "wrong_producer_stalls": draw(st.booleans()),
        "forced_stop_leaves_debris": draw(st.booleans()),
    }


SHORT_CUTS = st.one_of(
    st.just({}),
    st.fixed_dictionaries(dict.fromkeys(("steady", "laps", "bulk", "fills"), st.booleans())),
)


GAPS_NS = st.one_of(
    st.just(0), st.integers(1, 3), st.integers(0, 40), st.integers(0, 800), st.integers(0, 6000)
)

OPERATIONS = st.one_of(
    st.tuples(st.just("clock"), st.one_of(st.none(), RATES_HZ)),
    st.tuples(st.just("clock"), RATES_HZ),
    st.tuples(st.just("trigger"), st.booleans()),
    st.tuples(st.just("trigger"), st.just(True)),
    st.tuples(st.just("credit"), st.one_of(st.none(), st.integers(0, 60))),
    st.tuples(st.just("credit"), st.integers(1, 12)),
    st.tuples(st.just("credit"), st.integers(50, 400)),
    st.tuples(st.just("restart"), st.none()),
    st.tuples(st.just("restart"), st.none()),
    st.tuples(st.just("start"), st.sampled_from([0, 0, 0, 1, 2, 3, 6, 8, 9])),
    st.tuples(
        st.sampled_from(
            [
                *("pause", "unload", "load", "arm", "reset", "fail"),
                *("withdraw", "rearm", "wrong", "wrong", "look", "look"),
            ]
        ),
        st.none(),
    ),
)

PROGRAMS = st.lists(st.tuples(GAPS_NS, OPERATIONS, st.integers(0, 40)), min_size=1, max_size=25)


def apply(target, operation, argument, t):
    """One operation; a restart is the firmware's START, stripped of its USB part."""
    if operation == "restart":
        target.trigger(t, False)
        target.unload(t)
        target.reset(t)
        target.arm(t)
        target.load(t)
        target.start(t)
        target.trigger(t, True)
        return None
    if operation == "rearm":
        target.reset(t)
        target.arm(t)
        return None
    if operation == "wrong":
        # Armed while the machine is about to push into thread 1, trigger as it was.
        target.unload(t)
        target.reset(t)
        target.arm(t)
        target.load(t)
        target.start(t, 8)
        return None
    if operation == "look" or (operation == "arm" and target.armed):
        return None
    if operation == "start" and not target.loaded:
        return None
    if argument is None and operation not in ("clock", "credit"):
        return getattr(target, operation)(t)
    return getattr(target, operation)(t, argument)


def check_predictions(flow, reference, t, ahead):
    first = reference.delivered + 1 + ahead
    step = 1 + ahead % 5 if ahead % 2 else 2 * reference.buffer_packets
    counts = [reference.delivered + 1, *(first + number * step for number in range(3))]
    soon, *each = reference.delivery_times(counts)
    assert flow.delivery_time(counts[0]) == soon
    assert flow.delivery_time(first) == each[0]
    known = each.index(None) if None in each else 3
    assert flow.delivery_times(first, step, 3) == each[:known]
    wanted = reference.next_pib_error(600)
    found = flow.next_pib_error(t)
    if wanted is not None:
        assert found is not None
        assert t < found <= wanted
        # So near that nothing of it may be a bound.
        assert found == wanted or reference.next_pib_error(200) is None
    elif found is not None:
        assert found > t
        assert reference.next_pib_error(20) is None


def check_sources(flow, reference, t, ahead):
    """Every sample that was delivered since some packet came from where the reference says."""
    assert flow.samples_taken(t) == reference.samples_taken
    size = flow.packet_samples
    first = max(reference.delivered - 1 - 7 * ahead, 0)
    wanted = reference.delivered_samples[first * size :]
    runs = flow.sources(t, first, len(wanted))
    assert [start + k for start, count in runs for k in range(count)] == wanted


def run(table, edges, geometry, switches, begin, program):
    buffer_words = geometry["buffer_packets"] * geometry["packet_words"]
    flow = Flow(
        table,
        buffer_count=geometry["buffer_count"],
        buffer_words=buffer_words,
        packet_bytes=geometry["packet_words"] * WORD_BYTES,
        packet_ns=geometry["packet_ns"],
        wrong_producer_stalls=geometry["wrong_producer_stalls"],
        forced_stop_leaves_debris=geometry["forced_stop_leaves_debris"],
        **switches,
    )
    reference = Reference(
        edges,
        geometry["buffer_count"],
        buffer_words,
        geometry["buffer_packets"],
        geometry["packet_ns"],
        geometry["wrong_producer_stalls"],
        geometry["forced_stop_leaves_debris"],
    )
    t = 0
    if begin is not None:
        for operation in (("clock", begin), ("restart", None)):
            apply(flow, *operation, t)
            apply(reference, *operation, t)
    for step, (gap, operation, ahead) in enumerate(program):
        t += gap
        if ahead % 3 == 0:
            assert view(flow, t) == reference.look(t), (step, t)
        assert apply(flow, *operation, t) == apply(reference, *operation, t)
        if ahead % 2 == 0:
            assert view(flow, t) == reference.look(t), (step, t, operation)
        if ahead % 4 == 1:
            reference.advance(t)
            check_sources(flow, reference, t, ahead)
        if ahead % 5 == 0:
            reference.advance(t)
            check_predictions(flow, reference, t, ahead)
    for gap in (1, 50, 977, 4000):
        t += gap
        assert view(flow, t) == reference.look(t), t
    check_predictions(flow, reference, t, 17)
    check_sources(flow, reference, t, 1_000)
    note(f"{reference.produced} buffers, {reference.delivered} packets")


@DEEP
@given(geometries(), SHORT_CUTS, st.one_of(st.none(), RATES_HZ), PROGRAMS)
def test_the_16_edge_table_equals_the_reference(geometry, switches, begin, program):
    """States, counts, levels, errors, credit and predictions agree for the present table."""
    run(EDGES_16, 16, geometry, switches, begin, program)


@DEEP
@given(geometries(), SHORT_CUTS, st.one_of(st.none(), RATES_HZ), PROGRAMS)
def test_the_13_edge_table_equals_the_reference(geometry, switches, begin, program):
    """They agree for the table whose waits ignore the trigger, too."""
    run(EDGES_13, 13, geometry, switches, begin, program)
