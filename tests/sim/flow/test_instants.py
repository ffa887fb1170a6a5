"""Within one nanosecond: edges, then the end of a packet, then software, in the order of calls."""

from __future__ import annotations

from fractions import Fraction

import pytest

from sim.chip.flow import Flow
from sim.chip.flow_clock import NEVER_NS, STOPPED, SampleClock
from sim.chip.gpif import EDGES_16

from .common import start

PERIOD_NS = 10
WORDS = 10


def small(packet_ns: int = 100, packets: int = 1, buffer_count: int = 2) -> Flow:
    """Edges at every 10 ns; two buffers of ten words; machine in RESET with the trigger high."""
    flow = Flow(
        EDGES_16,
        buffer_count=buffer_count,
        buffer_words=WORDS,
        packet_bytes=2 * WORDS // packets,
        packet_ns=packet_ns,
    )
    flow.clock(0, 10**9 // PERIOD_NS)
    start(flow, 0)
    return flow


def test_an_edge_is_seen_at_the_first_whole_ns_not_before_it():
    """64 MHz: edges at 15.625, 31.25, 46.875, 62.5, ... are seen at 16, 32, 47, 63, ... 125."""
    clock = SampleClock(1000, 64_000_000)
    assert [clock.ns_of(n) for n in range(9)] == [
        1000, 1016, 1032, 1047, 1063, 1079, 1094, 1110, 1125,
    ]  # fmt: skip
    for n in range(1, 9):
        assert clock.edge_at(clock.ns_of(n)) == n
        assert clock.edge_at(clock.ns_of(n) - 1) == n - 1


@pytest.mark.parametrize("rate_hz", [64_000_000, 129_600_000, Fraction(10**9, 7), 3 * 10**9, 1])
def test_spans_bound_every_distance_of_edges(rate_hz):
    """The shortest and longest time of n edges hold from any phase, and are met."""
    clock = SampleClock(7, rate_hz)
    for edges in (1, 2, 5, 8192):
        gaps = {clock.ns_of(n + edges) - clock.ns_of(n) for n in range(200)}
        assert min(gaps) == clock.shortest_ns(edges)
        waits = {
            clock.ns_of(clock.edge_at(t) + edges) - t
            for n in range(1, 200)
            for t in (clock.ns_of(n), clock.ns_of(n) + 1)
            if t >= clock.anchor_ns
        }
        assert max(waits) <= clock.longest_ns(edges)
        assert max(waits) >= clock.longest_ns(edges) - 1


def test_a_stopped_clock_has_no_edges():
    """Edge 0 at every time, and edge 1 never."""
    assert STOPPED.edge_at(10**18) == 0
    assert STOPPED.ns_of(1) == NEVER_NS


def test_a_trigger_is_seen_by_the_edge_after_it_not_by_that_of_its_ns():
    """High one ns before an edge: taken by it. In the same ns: by the next one."""
    for high_ns, entered_ns in ((29, 30), (30, 40), (31, 40)):
        flow = small()
        flow.trigger(0, False)
        flow.trigger(high_ns, True)
        assert flow.state(entered_ns - 1) == 1
        assert flow.state(entered_ns) == 4


def test_a_buffer_is_committed_in_the_ns_of_its_last_word_and_sent_from_there():
    """RD_LD at edge 2, last word at edge 11, first packet on the wire at once."""
    flow = small()
    flow.credit(0, 10)
    assert flow.full(109) == 0
    assert flow.full(110) == 1
    assert flow.delivered_packets(209) == 0
    assert flow.delivered_packets(210) == 1
    assert flow.delivery_time(1) == 210


def test_a_packet_that_ends_with_an_edge_comes_after_it():
    """Two buffers full at 210; the buffer freed at t is seen by edges after t, not by t's own.

    The machine enters RD_LD at 220 in vain, decides at 230 and waits from 240 on.
    """
    for freed_ns, lost, states in (
        (219, 0, [4, 2, 2, 2]),
        (220, 1, [4, 2, 2, 2]),
        (229, 1, [4, 2, 2, 2]),
        (230, 1, [4, 5, 9, 4]),
        (231, 1, [4, 5, 9, 4]),
        (249, 1, [4, 5, 9, 4]),
        (250, 1, [4, 5, 9, 9, 4]),
        (251, 1, [4, 5, 9, 9, 4]),
    ):
        flow = small(packet_ns=20)
        seen = []
        for t in range(190, 220 + 10 * len(states)):
            if t == freed_ns - 20:
                flow.credit(t, 1)
            if t >= 220 and t % 10 == 0:
                seen.append(flow.state(t))
        assert seen == states
        # Freed before RD_LD's edge: nothing lost. In its ns or later: that word is.
        assert flow.pib_errors(300) == lost


@pytest.mark.parametrize("bulk", [True, False])
def test_the_last_of_several_packets_comes_after_the_edge_of_its_ns(bulk):
    """Two packets in one go between two edges: the second ends with RD_LD's edge, too late."""
    for asked_ns, lost in ((209, 0), (210, 1)):
        options = {"buffer_count": 2, "buffer_words": WORDS, "packet_bytes": WORDS}
        flow = Flow(EDGES_16, packet_ns=5, bulk=bulk, **options)
        flow.clock(0, 10**9 // PERIOD_NS)
        start(flow, 0)
        flow.credit(asked_ns, 2)
        assert flow.delivery_time(2) == asked_ns + 10
        assert flow.pib_errors(260) == lost


def test_a_word_lost_while_a_buffer_comes_free_leaves_the_visit_one_word_short():
    """RD_LD lost its word, RD found a buffer: nine words, and the tenth is the next visit's first.

    From there on thread 0's buffers end one word into its visits, and the other nine words of a
    visit go into the buffer after it, or are lost with one error each if there is none.
    """
    flow = small(packet_ns=20)
    flow.credit(205, 1)
    assert flow.pib_errors(220) == 1
    assert [flow.state(t) for t in (225, 230, 310)] == [4, 2, 2]
    # The count hits after ten edges all the same; thread 1 has no buffer then.
    assert [flow.state(t) for t in (320, 330, 340)] == [3, 7, 8]
    assert flow.produced(400) == 2
    assert flow.pib_errors(400) == 2
    # Thread 1's buffer is the next in turn: freed at 425, refilled from 430 to 520.
    flow.credit(405, 1)
    assert flow.state(430) == 3
    assert flow.produced(519) == 2
    assert flow.produced(520) == 3
    # It waits behind thread 0's, which is one word short until that thread's visit begins.
    flow.credit(521, 10)
    assert flow.full(529) == 1
    assert flow.delivery_time(3) == 530 + 20
    assert flow.produced(530) == 4
    assert flow.pib_errors(530) == 2


def test_credit_in_the_ns_of_the_last_packet_goes_on_without_a_gap():
    """Software of that ns comes after the packet's end, and the next packet starts there."""
    for asked_ns, second_ns in ((209, 310), (210, 310), (211, 311)):
        flow = small(packet_ns=100, packets=1, buffer_count=8)
        flow.credit(0, 1)
        flow.state(205)
        flow.credit(asked_ns, 1)
        assert flow.delivery_time(2) == second_ns


def test_credit_after_an_end_that_nobody_looked_at_does_not_reach_back():
    """The link was idle since the last packet asked for: the next one starts when asked for."""
    flow = small(packet_ns=50, buffer_count=8)
    flow.credit(0, 2)
    assert flow.delivered_packets(400) == 2
    flow.credit(400, 1)
    for total, asked_ns, ends_ns in ((4, 449, 500), (5, 520, 570), (6, 1111, 1161)):
        flow.credit(asked_ns, 1)
        assert flow.delivery_time(total) == ends_ns
    # Asked for just before there was data, and again just after it was sent.
    flow = small(packet_ns=20, packets=2, buffer_count=8)
    flow.credit(105, 1)
    flow.credit(140, 1)
    assert flow.delivery_time(1) == 130
    assert flow.delivery_time(2) == 160
    # Asked for long before there was data, and again long after it was sent.
    flow = small(packet_ns=50, buffer_count=8)
    flow.credit(0, 1)
    flow.credit(300, 1)
    assert flow.delivery_time(2) == 350


def test_a_packet_that_ends_in_the_ns_of_a_reset_has_been_delivered():
    """The packet's end comes before software; one ns earlier it is lost."""
    for reset_ns, delivered in ((209, 0), (210, 1)):
        flow = small()
        flow.credit(0, 5)
        flow.reset(reset_ns)
        assert flow.delivered_packets(1000) == delivered
        assert flow.outstanding(1000) == 5 - delivered


def test_withdrawn_in_mid_packet_its_data_is_sent_again():
    """The cancelled packet is not lost: the next request starts with it, from its beginning."""
    flow = small(packet_ns=20, packets=2)
    flow.credit(0, 10)
    assert flow.delivered_packets(130) == 1
    assert flow.withdraw(149) == 9
    assert flow.outstanding(200) == 0
    assert flow.delivered_packets(200) == 1
    flow.credit(203, 1)
    assert flow.delivery_time(2) == 223
    assert flow.consumed(223) == 1


def test_withdraw_of_a_request_without_end():
    """Returns 0, and nothing more is sent."""
    flow = small()
    flow.credit(0, None)
    flow.credit(5, 7)
    assert flow.outstanding(5) is None
    assert flow.withdraw(5) == 0
    assert flow.outstanding(5) == 0
    assert flow.delivered_packets(5000) == 0


def test_operations_of_one_ns_take_effect_in_the_order_of_their_calls():
    """Trigger low and high again in one ns is nothing; high and low is nothing either."""
    flow = small()
    flow.trigger(155, False)
    flow.trigger(155, True)
    assert flow.state(160) == 6
    assert flow.produced(210) == 2
    flow = small()
    flow.trigger(0, False)
    flow.trigger(35, True)
    flow.trigger(35, False)
    assert flow.state(500) == 1


def test_a_clock_set_in_the_ns_of_an_edge_keeps_that_edge():
    """The old clock's edge at t counts; the new clock's first edge is one new period later."""
    flow = small()
    flow.clock(20, Fraction(10**9, 7))
    assert flow.state(20) == 4
    assert flow.state(26) == 4
    assert flow.state(27) == 2
    flow = small()
    flow.clock(19, Fraction(10**9, 7))
    assert flow.state(25) == 1
    assert flow.state(26) == 4


def test_edges_faster_than_the_nanosecond_all_count():
    """At 4 GHz four edges fall into each ns, each with its own state."""
    flow = small(packet_ns=3)
    flow.clock(0, 4 * 10**9)
    flow.credit(0, None)
    # Edge 1 IDLE, 2 RD_LD: words at edges 2 to 11, 12 to 21, ... of which ns n shows 4 n.
    assert flow.state(1) == 2
    assert [flow.produced(n) for n in (2, 3, 5, 6)] == [0, 1, 1, 2]
    assert flow.delivery_time(1) == 3 + 3


def test_the_next_pib_error_is_after_now():
    """In the ns of an error the next one is asked for, not this one."""
    flow = small()
    assert flow.next_pib_error(219) == 220
    assert flow.last_pib_code(219) == 0
    assert flow.next_pib_error(220) is None
    assert flow.last_pib_code(220) == 0x1005


def test_every_word_of_a_visit_without_a_buffer_is_an_error():
    """Reset in mid visit: the rest of the words are lost one by one, each predicted."""
    flow = small()
    flow.reset(155)
    found = []
    t = 155
    while (t_next := flow.next_pib_error(t)) is not None:
        t = t_next
        found.append((t, flow.last_pib_code(t)))
    # Thread 1 has its words of edges 16 to 21 left, then comes thread 0's RD_LD.
    lost_on_1 = [(at_ns, 0x1006) for at_ns in range(160, 220, 10)]
    assert found == [*lost_on_1, (220, 0x1005)]
    assert flow.pib_errors(t) == 7
