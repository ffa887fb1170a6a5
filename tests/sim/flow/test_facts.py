"""What the documents say about the stream of the RX888mk2, at its real sizes."""

from __future__ import annotations

from fractions import Fraction

import pytest

from sim.chip.flow import Flow
from sim.chip.gpif import EDGES_13, EDGES_16, READ_STATES, GpifState

from .common import BUFFER_PACKETS, MHZ, MS, US, start, view

TABLES = pytest.mark.parametrize("table", [EDGES_16, EDGES_13], ids=["16", "13"])


def started(table=EDGES_16, rate_hz=64 * MHZ, **options) -> Flow:
    flow = Flow(table, **options)
    flow.clock(0, rate_hz)
    start(flow, 0)
    return flow


def edge_ns(edge: int, rate_hz: int = 64 * MHZ) -> int:
    return -(-edge * 10**9 // rate_hz)


@TABLES
def test_eight_unread_buffers_fill_in_1024_us_at_64_ms(table):
    """65,536 words at 64 MS/s: 1.024 ms after the one edge from RESET to IDLE."""
    flow = started(table)
    last = edge_ns(1 + 65_536)
    assert last == 1_024_016
    assert flow.produced(last - 1) == 7
    assert flow.produced(last) == flow.full(last) == 8


@pytest.mark.parametrize(
    ("rate_hz", "fill_us"), [(16 * MHZ, 4096), (32 * MHZ, 2048), (128 * MHZ, 512)]
)
def test_the_slack_of_eight_buffers_follows_the_rate(rate_hz, fill_us):
    """4.10 ms at 16 MS/s, 2.05 at 32, 0.51 at 128."""
    flow = started(rate_hz=rate_hz)
    first_word_ns = edge_ns(2, rate_hz)
    full_ns = first_word_ns + fill_us * US
    assert flow.full(full_ns - 1000) == 7
    assert flow.full(full_ns) == 8


@TABLES
def test_an_unread_stream_waits_in_9_with_count_8_and_one_pib_error(table):
    """The machine meets the full ring on thread 0: RD_LD pushes once in vain, BUSY, WAIT."""
    flow = started(table)
    full = 1 + 65_536
    assert flow.next_pib_error(0) == edge_ns(full + 1)
    states = [flow.state(edge_ns(full + more)) for more in range(5)]
    assert states == [
        GpifState.TH1_RD,
        GpifState.TH0_RD_LD,
        GpifState.TH0_BUSY,
        GpifState.TH0_WAIT,
        GpifState.TH0_WAIT,
    ]
    assert view(flow, 3600 * 1000 * MS) == {
        "state": 9,
        "produced": 8,
        "consumed": 0,
        "full": 8,
        "delivered": 0,
        "outstanding": 0,
        "pib_errors": 1,
        "pib_code": 0x1005,
    }


def test_a_host_that_took_an_odd_number_of_buffers_leaves_8_and_code_1006():
    """Nine buffers made and one taken: thread 1 is the one without a buffer."""
    flow = started()
    flow.credit(0, BUFFER_PACKETS)
    assert view(flow, 5 * MS) == {
        "state": 8,
        "produced": 9,
        "consumed": 1,
        "full": 8,
        "delivered": 16,
        "outstanding": 0,
        "pib_errors": 1,
        "pib_code": 0x1006,
    }


@pytest.mark.parametrize(
    ("rate_hz", "buffers"), [(64 * MHZ, 78_125), (32 * MHZ, 39_062), (129_600_000, 158_203)]
)
def test_a_read_stream_makes_7812_and_a_half_buffers_a_second(rate_hz, buffers):
    """Rate / 8192 buffers a second, for as long as the host reads: here in ten seconds."""
    flow = started(rate_hz=rate_hz)
    flow.credit(0, None)
    assert Fraction(64 * MHZ, 8192) == Fraction(15_625, 2)
    after = 10_000 * MS + edge_ns(1, rate_hz)
    assert flow.produced(after) == buffers
    assert flow.pib_errors(after) == 0
    assert flow.next_pib_error(after) is None


def test_the_time_of_a_far_edge_is_not_accumulated():
    """After an hour at 15.625 ns the 28,125,000th buffer is full in its nanosecond exactly."""
    flow = started()
    flow.credit(0, None)
    buffers = 28_125_000
    full_ns = edge_ns(1 + 8192 * buffers)
    assert flow.produced(full_ns - 1) == buffers - 1
    assert flow.produced(full_ns) == buffers
    assert flow.delivery_time(16 * buffers) == full_ns + 16 * 2560


def test_no_buffer_is_cut_at_the_ping_pong():
    """A visit is 8192 edges: RD_LD of the other thread follows the last word with no gap."""
    flow = started()
    flow.credit(0, None)
    load = 2
    for visit in range(6):
        thread = visit % 2
        assert flow.state(edge_ns(load + 8192 * visit)) == (3 if thread else 4)
        assert flow.state(edge_ns(load + 8192 * visit + 1)) == (6 if thread else 2)
        assert flow.state(edge_ns(load + 8192 * visit + 8191)) == (6 if thread else 2)


def test_the_present_table_is_idle_within_3_clocks_of_trigger_low():
    """From every edge of a fill and the waits after it; 4 from the one edge at which DATA_CNT wins.

    There the machine leaves a read state for RD_LD although the trigger is low, and BUSY and WAIT
    follow if the ring is full: RD, RD_LD, BUSY, WAIT, IDLE.
    """
    words, fill = 10, 40
    slowest = {}
    for edge in range(2, 80):
        for taken in (0, 1, 2):
            flow = Flow(
                EDGES_16, buffer_count=4, buffer_words=words, packet_bytes=20, packet_ns=100
            )
            flow.clock(0, 100 * MHZ)
            start(flow, 0)
            flow.credit(0, taken)
            low_ns = edge * 10
            before = GpifState(flow.state(low_ns))
            flow.trigger(low_ns, False)
            clocks = next(n for n in range(9) if flow.state(low_ns + 10 * n) == GpifState.IDLE)
            at_limit = before in READ_STATES and (edge - 2) % words == words - 1
            key = (before, at_limit and edge >= fill)
            slowest[key] = max(clocks, slowest.get(key, 0))
    for read in READ_STATES:
        assert slowest.pop((read, True)) == 4
        # At the limit with a buffer free: RD, RD_LD, RD, IDLE.
        assert slowest.pop((read, False)) == 3
    assert slowest == {
        (GpifState.TH0_RD_LD, False): 3,
        (GpifState.TH1_RD_LD, False): 3,
        (GpifState.TH0_BUSY, False): 2,
        (GpifState.TH1_BUSY, False): 2,
        (GpifState.TH0_WAIT, False): 1,
        (GpifState.TH1_WAIT, False): 1,
    }


def test_the_old_table_goes_on_reading_in_2_with_the_trigger_low():
    """13 edges: state 2 runs to its count, then 3, 6, and only 6 goes to IDLE."""
    flow = started(EDGES_13)
    low_ns = 10 * US
    assert flow.state(low_ns) == GpifState.TH0_RD
    flow.trigger(low_ns, False)
    count_hit = 2 + 8192
    assert flow.state(edge_ns(count_hit - 1)) == GpifState.TH0_RD
    assert flow.produced(edge_ns(count_hit)) == 1
    assert [flow.state(edge_ns(count_hit + more)) for more in range(3)] == [3, 6, 1]
    assert flow.state(3600 * 1000 * MS) == GpifState.IDLE


@pytest.mark.parametrize(("credit", "wait"), [(0, 9), (16, 8)])
def test_the_old_table_does_not_leave_its_waits(credit, wait):
    """13 edges: trigger low in 8 or 9 stops nothing, at any time after."""
    flow = started(EDGES_13)
    flow.credit(0, credit)
    assert flow.state(5 * MS) == wait
    flow.trigger(5 * MS, False)
    assert flow.state(3600 * 1000 * MS) == wait
    assert flow.running


@TABLES
@pytest.mark.parametrize(("stop_us", "state"), [(50, 2), (200, 6)])
def test_a_dead_clock_freezes_a_read_state(table, stop_us, state):
    """No clock: 2 or 6 for ever, trigger or not, and no further buffer or PIB error."""
    flow = started(table)
    flow.credit(0, None)
    flow.clock(stop_us * US, None)
    flow.trigger(stop_us * US + 5, False)
    before = view(flow, 10 * MS)
    assert before["state"] == state
    assert view(flow, 3600 * 1000 * MS) == before
    assert flow.next_pib_error(3600 * 1000 * MS) is None
    assert flow.delivery_time(before["delivered"] + 1) is None


def test_a_clock_that_returns_resumes_in_mid_buffer():
    """The words in the buffer are kept: what is missing is what is still to come."""
    flow = started()
    flow.clock(edge_ns(2 + 5000), None)
    flow.clock(50 * MS, 32 * MHZ)
    last_ns = 50 * MS + edge_ns(8192 - 5001, 32 * MHZ)
    assert flow.produced(last_ns - 1) == 0
    assert flow.produced(last_ns) == 1


def test_no_edge_no_idle_before_the_first_clock():
    """After boot the machine is started but reads 0; with the first edge 1."""
    flow = Flow(EDGES_16)
    assert flow.state(0) == GpifState.DISABLED
    flow.arm(0)
    flow.load(0)
    assert not flow.running
    flow.start(0)
    assert flow.running
    assert flow.state(5 * MS) == GpifState.RESET
    flow.clock(5 * MS, 64 * MHZ)
    assert flow.state(5 * MS + 15) == GpifState.RESET
    assert flow.state(5 * MS + 16) == GpifState.IDLE
    assert flow.state(50 * MS) == GpifState.IDLE


def test_a_forced_disable_reads_255_and_a_soft_one_keeps_the_state():
    """GpifDisable(True) against GpifDisable(False); both clear the CPU's lambda."""
    flow = started()
    flow.trigger(MS, False)
    flow.pause(2 * MS)
    assert flow.loaded
    assert not flow.running
    assert flow.state(3 * MS) == GpifState.IDLE
    flow.start(3 * MS)
    assert flow.state(4 * MS) == GpifState.IDLE
    flow.trigger(4 * MS, True)
    flow.unload(5 * MS)
    assert not flow.loaded
    assert flow.state(5 * MS) == GpifState.DISABLED
    flow.load(6 * MS)
    flow.start(6 * MS)
    assert flow.state(7 * MS) == GpifState.IDLE


def test_startadc_in_mid_stream_stops_it_and_the_next_start_is_whole():
    """Trigger low, forced disable, reset; a new rate; START: aligned, and the read goes on."""
    flow = started()
    flow.credit(0, 1024)
    at = 777_777
    flow.trigger(at, False)
    flow.unload(at)
    flow.reset(at)
    produced = flow.produced(at)
    delivered = flow.delivered_packets(at)
    assert (produced, delivered) == (6, 5 * 16 + 3)
    flow.clock(at, 32 * MHZ)
    assert flow.outstanding(9 * MS) == 1024 - delivered
    assert flow.delivery_time(delivered + 1) is None
    start(flow, 9 * MS)
    first_full = flow.delivery_time(delivered + 1) - 2560
    # The clock's anchor is its own change, not the start.
    first_edge = (9 * MS - at) * 32 // 1000 + 1
    assert first_full == at + edge_ns(first_edge + 8192, 32 * MHZ)
    assert flow.pib_errors(20 * MS) == 0


def test_stop_throws_away_what_is_not_on_the_wire():
    """Committed buffers and a packet in mid flight are dropped; the host's request is not."""
    flow = started()
    assert flow.full(600 * US) == 4
    flow.credit(600 * US, 100)
    at = 600 * US + 5 * 2560 - 1
    flow.reset(at)
    assert flow.delivered_packets(at + 1) == 4
    assert flow.full(at + 1) == 0
    assert flow.outstanding(at + 1) == 96
    assert flow.produced(at + 1) == 4
    assert flow.consumed(at + 1) == 0
    assert not flow.armed


def test_a_queued_read_is_filled_by_the_next_session():
    """Credit given before START stays, over STOP too; no short packet ends it."""
    flow = Flow(EDGES_16)
    flow.credit(0, 48)
    flow.clock(0, 64 * MHZ)
    assert flow.delivered_packets(10 * MS) == 0
    start(flow, 10 * MS)
    stop_ns = 10 * MS + 200 * US
    flow.trigger(stop_ns, False)
    flow.unload(stop_ns)
    flow.reset(stop_ns)
    assert flow.delivered_packets(20 * MS) == 16
    assert flow.outstanding(20 * MS) == 32
    start(flow, 20 * MS)
    assert flow.outstanding(25 * MS) == 0
    assert flow.delivered_packets(25 * MS) == 48


def test_a_partial_buffer_is_never_committed():
    """Trigger low one word before the end: nothing to deliver, ever."""
    flow = started()
    flow.credit(0, None)
    # The last word is pushed at edge 2 + 8191; trigger low before the edge after the last but one.
    low_ns = edge_ns(2 + 8190)
    flow.trigger(low_ns, False)
    assert flow.state(low_ns + 16) == GpifState.IDLE
    assert flow.produced(MS) == flow.delivered_packets(MS) == 0
    assert flow.delivery_time(1) is None


def test_a_reader_that_comes_back_resumes_the_old_stream():
    """No teardown, the machine in 9: eight old buffers, then new ones, no restart needed."""
    flow = started()
    back_ns = 10_000 * MS
    assert flow.state(back_ns) == GpifState.TH0_WAIT
    flow.credit(back_ns, None)
    release_ns = back_ns + 16 * 2560
    assert flow.delivery_time(16) == release_ns
    assert flow.state(release_ns) == GpifState.TH0_WAIT
    assert flow.state(release_ns + 16) == GpifState.TH0_RD_LD
    after = view(flow, back_ns + 100 * MS)
    assert after["full"] == 0
    assert after["pib_errors"] == 1
    assert after["produced"] in range(785, 790)


def test_a_slow_host_costs_one_word_a_buffer():
    """High Speed, about 40 MB/s: each freed buffer is refilled, then RD_LD loses one word."""
    flow = started(packet_bytes=512, packet_ns=12_800)
    flow.credit(0, None)
    parked = view(flow, 2 * MS)
    later = view(flow, 1002 * MS)
    sent = later["consumed"] - parked["consumed"]
    assert sent == 1000 * MS // (32 * 12_800)
    assert later["pib_errors"] - parked["pib_errors"] == sent
    assert {parked["state"], later["state"]} <= {8, 9}


def test_a_failed_channel_stops_without_a_word():
    """DMA error: no commit, no delivery, the rest of the visit is lost, then a wait state."""
    flow = started()
    flow.credit(0, None)
    at = edge_ns(2 + 3 * 8192 + 1000)
    before = view(flow, at)
    assert before["full"] == 1
    flow.fail(at)
    after = view(flow, MS)
    assert after["state"] == GpifState.TH0_WAIT
    assert (after["produced"], after["delivered"]) == (before["produced"], before["delivered"])
    assert after["full"] == 1
    assert after["pib_errors"] == 8191 - 1000 + 1
    assert after["pib_code"] == 0x1005
    assert flow.armed
    start(flow, MS)
    assert flow.produced(MS + 300 * US) == after["produced"] + 2


def test_pushes_into_a_channel_that_was_never_armed_are_lost():
    """Trigger before SetXfer: RD_LD loses one word and the machine waits."""
    flow = Flow(EDGES_16)
    flow.clock(0, 64 * MHZ)
    flow.load(0)
    flow.start(0)
    flow.trigger(0, True)
    assert view(flow, MS)["state"] == GpifState.TH0_WAIT
    assert flow.pib_errors(MS) == 1
    flow.arm(MS)
    assert flow.state(MS + 16) == GpifState.TH0_RD_LD
    assert flow.produced(2 * MS) == 7


def stuck_in_th1_wait(**options) -> Flow:
    flow = started(EDGES_13, **options)
    flow.credit(0, BUFFER_PACKETS)
    flow.trigger(5 * MS, False)
    assert flow.state(6 * MS) == GpifState.TH1_WAIT
    flow.reset(6 * MS)
    flow.arm(6 * MS)
    return flow


def test_the_wrong_producer_stalls_both():
    """13 edges, reset and armed in TH1_WAIT: one word, then count 0 and state 8 for good."""
    flow = stuck_in_th1_wait()
    flow.credit(6 * MS, None)
    flow.trigger(6 * MS + 500, True)
    after = view(flow, 1000 * MS)
    assert after["state"] == GpifState.TH1_WAIT
    assert (after["produced"], after["full"], after["pib_errors"]) == (9, 0, 1)
    assert flow.delivery_time(17) is None
    assert flow.next_pib_error(1000 * MS) is None
    flow.reset(1000 * MS)
    flow.arm(1000 * MS)
    assert flow.produced(1001 * MS) == 9
    start(flow, 1001 * MS)
    assert flow.produced(1002 * MS) == 9 + 7


def test_a_lenient_channel_takes_the_order_as_it_comes():
    """Without the stall thread 1's buffer is simply the first, if the trigger is high."""
    flow = stuck_in_th1_wait(wrong_producer_stalls=False)
    flow.trigger(6 * MS, True)
    flow.credit(6 * MS, None)
    assert flow.state(6 * MS + 16) == GpifState.TH1_RD_LD
    assert flow.produced(6 * MS + 300 * US) == 9 + 2
    assert flow.consumed(6 * MS + 300 * US) == 1 + 2
    assert flow.pib_errors(1000 * MS) == 1


def test_a_lenient_channel_forgets_stray_words():
    """8, 3, 6, 1 with the trigger low leaves two words in thread 1; the next START is whole."""
    flow = stuck_in_th1_wait(wrong_producer_stalls=False)
    first = (6 * MS * 64) // 1000 + 1
    assert [flow.state(edge_ns(first + n)) for n in range(4)] == [3, 6, 1, 1]
    flow.trigger(7 * MS, True)
    flow.credit(7 * MS, None)
    first = (7 * MS * 64) // 1000 + 1
    for buffers in (1, 2, 3):
        full_ns = edge_ns(first + 8192 * buffers - 1)
        assert flow.produced(full_ns - 1) == 9 + buffers - 1
        assert flow.produced(full_ns) == 9 + buffers


def test_a_second_trigger_without_a_reset_leaves_the_ring_out_of_step():
    """3000 words stay in thread 0's buffer: the next visit ends it early, then begins another."""
    flow = started()
    low_ns = edge_ns(2 + 2999)
    flow.trigger(low_ns, False)
    flow.trigger(low_ns + 500, True)
    load = low_ns * 64 // 1000 + 32 + 1
    full_ns = edge_ns(load + 8192 - 3000 - 1)
    assert flow.produced(full_ns - 1) == 0
    assert flow.produced(full_ns) == 1
    assert flow.state(full_ns) == GpifState.TH0_RD


@pytest.mark.parametrize(
    "options",
    [
        {"buffer_count": 7},
        {"buffer_count": 0},
        {"buffer_words": 1},
        {"packet_bytes": 1000},
        {"packet_ns": 0},
    ],
)
def test_impossible_geometry_is_refused(options):
    """Two producers share the buffers; a buffer holds whole packets; a packet takes time."""
    with pytest.raises(ValueError, match=r"not|packets"):
        Flow(EDGES_16, **options)


def test_misuse_is_refused():
    """Time going back, a start without a waveform, arming twice, a rate of 0, negative credit."""
    flow = Flow(EDGES_16)
    with pytest.raises(ValueError, match="loaded waveform"):
        flow.start(0)
    flow.arm(5)
    with pytest.raises(ValueError, match="reset it first"):
        flow.arm(5)
    with pytest.raises(ValueError, match="does not go back"):
        flow.trigger(4, True)
    with pytest.raises(ValueError, match="None stops it"):
        flow.clock(5, 0)
    with pytest.raises(ValueError, match="withdraw cancels"):
        flow.credit(5, -1)
    flow.load(5)
    with pytest.raises(ValueError, match="loaded waveform"):
        flow.start(5, GpifState.DISABLED)
