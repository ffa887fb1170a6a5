"""The recorder and the Chrome trace writer."""

import json
from collections import defaultdict
from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from hw.trace import Recorder, Span, chrome, spans_by_track

TIME_NS = st.integers(0, 10**17)


def example() -> Recorder:
    recorder = Recorder()
    recorder.state("fx3/GPIF", "IDLE", 0)
    recorder.begin("fx3/USB thread", "STARTFX3", 1_000, wValue=0)
    recorder.begin("fx3/USB thread", "GpifLoad", 1_001)
    recorder.state("fx3/GPIF", "TH0_RD", 1_500)
    recorder.state("fx3/GPIF", "TH0_RD", 1_600)
    recorder.end("fx3/USB thread", 2_000)
    recorder.end("fx3/USB thread", 2_345, status="SUCCESS")
    recorder.counter("fx3/DMA", "count", 2_500, 3)
    recorder.instant("host/EP0", "level 4", 3_000, why="EP0_WEDGED")
    recorder.begin("host/EP0", "GETSTATS", 4_000)
    return recorder


def events(recorder: Recorder, phase: str) -> list[dict]:
    loaded = json.loads(chrome.dumps(recorder), parse_float=Decimal)
    return [event for event in loaded["traceEvents"] if event["ph"] == phase]


def test_spans_nest_and_states_last_until_the_next():
    spans = spans_by_track(example(), end_ns=5_000)
    assert spans["fx3/USB thread"] == [
        Span("STARTFX3", 1_000, 2_345, {"wValue": 0, "status": "SUCCESS"}),
        Span("GpifLoad", 1_001, 2_000, {}),
    ]
    assert spans["fx3/GPIF"] == [Span("IDLE", 0, 1_500, {}), Span("TH0_RD", 1_500, 5_000, {})]
    assert spans["host/EP0"] == [Span("GETSTATS", 4_000, 5_000, {"unfinished": True})]
    assert "fx3/DMA" not in spans


def test_an_end_without_begin_shows():
    recorder = Recorder()
    recorder.end("fx3/x", 7)
    assert spans_by_track(recorder)["fx3/x"] == [Span("end without begin", 7, 7, {})]


def test_names_and_numbers_follow_first_use():
    names = {
        (event["name"], event["args"]["name"]): (event["pid"], event["tid"])
        for event in events(example(), "M")
    }
    assert names == {
        ("process_name", "fx3"): (1, 0),
        ("thread_name", "GPIF"): (1, 1),
        ("thread_name", "USB thread"): (1, 2),
        ("thread_name", "DMA"): (1, 3),
        ("process_name", "host"): (2, 0),
        ("thread_name", "EP0"): (2, 4),
    }


def test_times_are_exact_microseconds():
    start = next(event for event in events(example(), "X") if event["name"] == "STARTFX3")
    assert (start["ts"], start["dur"]) == (Decimal("1.000"), Decimal("1.345"))
    assert start["args"] == {"wValue": 0, "status": "SUCCESS"}


def test_counters_and_instants():
    (counter,) = events(example(), "C")
    assert (counter["name"], counter["args"]) == ("DMA count", {"value": 3})
    (instant,) = events(example(), "i")
    assert (instant["s"], instant["args"]) == ("t", {"why": "EP0_WEDGED"})


@given(TIME_NS, st.integers(0, 10**9))
def test_no_time_is_rounded(start_ns, duration_ns):
    recorder = Recorder()
    recorder.slice("a/b", "s", start_ns, start_ns + duration_ns)
    (event,) = events(recorder, "X")
    assert event["ts"] * 1000 == start_ns
    assert event["dur"] * 1000 == duration_ns


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 60), st.integers(0, 60)), max_size=25)
)
def test_slices_nest_on_every_thread_whatever_was_recorded(slices):
    recorder = Recorder()
    for track, one_ns, other_ns in slices:
        recorder.slice(f"p/{track}", "s", min(one_ns, other_ns), max(one_ns, other_ns))
    by_thread = defaultdict(list)
    for event in events(recorder, "X"):
        start = event["ts"]
        by_thread[event["tid"]].append((start, start + event["dur"]))
    assert sum(map(len, by_thread.values())) == len(slices)
    for spans in by_thread.values():
        for start, end in spans:
            for other_start, other_end in spans:
                assert not start < other_start < end < other_end


def test_metadata_and_bytes_are_stable(tmp_path):
    path = tmp_path / "trace.json"
    chrome.write(example(), path, {"seed": 7, "firmware": "fw-2.3"})
    loaded = json.loads(path.read_bytes())
    assert loaded["otherData"] == {"dropped_records": 0, "firmware": "fw-2.3", "seed": 7}
    again = chrome.dumps(example(), {"firmware": "fw-2.3", "seed": 7})
    assert path.read_bytes() == again.encode()


def test_an_empty_trace_loads():
    assert json.loads(chrome.dumps(Recorder()))["traceEvents"] == []


def test_a_limit_drops_the_oldest_and_says_so():
    recorder = Recorder(limit=2)
    for at_ns in range(5):
        recorder.instant("a/b", f"n{at_ns}", at_ns)
    assert [record[2] for record in recorder.records] == ["n3", "n4"]
    assert recorder.dropped == 3
    assert json.loads(chrome.dumps(recorder))["otherData"] == {"dropped_records": 3}


def test_a_limit_of_zero_keeps_nothing():
    recorder = Recorder(limit=0)
    recorder.instant("a/b", "n", 1)
    assert (len(recorder.records), recorder.dropped) == (0, 1)


def test_a_negative_limit_is_refused():
    with pytest.raises(ValueError, match="-1"):
        Recorder(limit=-1)


def test_digest_sees_every_difference_but_not_the_order_of_arguments():
    assert example().digest() == example().digest()
    one, two, three = Recorder(), Recorder(), Recorder()
    one.instant("a/b", "n", 1, x=1, y="2")
    two.instant("a/b", "n", 1, y="2", x=1)
    three.instant("a/b", "n", 1, x=1, y=2)
    assert one.digest() == two.digest() != three.digest()
    assert Recorder(limit=0).digest() == Recorder().digest()
