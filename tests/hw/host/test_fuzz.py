"""Whatever bytes a parser is given, it answers or raises the one typed error."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from hw.host.crash_dump import parse_crash_dump
from hw.host.errors import EvidenceError
from hw.host.event_log import read_event_log
from hw.host.event_xml import parse_events
from hw.host.kernel_lines import meaning
from hw.host.memory_file import read_memory
from hw.host.registry import dump_places, parse_registry
from hw.host.systemd_journal import (
    boots_of,
    find_crashes,
    find_kernel,
    find_restarts,
    parse_boots,
    parse_entries,
)
from hw.host.windows_events import find
from tests.hw.host.evtx_maker import evtx
from tests.hw.host.made import (
    NOW,
    boots,
    dump_header,
    entry,
    error_report,
    event_xml,
    journal,
    kernel_power,
    planned_restart,
)
from tests.hw.host.test_event_logs import REG_FILE, REG_QUERY

XML = (event_xml(kernel_power(NOW)) + event_xml(error_report(NOW))).encode()
LOG = evtx([kernel_power(NOW), error_report(NOW), planned_restart(NOW)])
JOURNAL = journal([entry(NOW, "Oops: 0000 [#1]"), entry(NOW, "x", COREDUMP_EXE="a")])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def bent(draw, content: bytes, limit: int = 0):
    """Content with some of its bytes changed, cut out, or repeated."""
    bytes_ = bytearray(content)
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, max(min(limit or len(bytes_), len(bytes_)) - 1, 0)))
        what = draw(st.sampled_from(["set", "cut", "insert", "high"]))
        if what == "set":
            bytes_[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
        elif what == "cut":
            del bytes_[at : at + draw(st.integers(1, 40))]
        elif what == "insert":
            bytes_[at:at] = draw(st.binary(max_size=12))
        else:
            bytes_[at : at + 4] = b"\xff\xff\xff\x7f"
    return bytes(bytes_)


def only_typed(call):
    """Run a parser; its own error is an answer."""
    try:
        return call()
    except EvidenceError as error:
        said = str(error)
    assert "\n" not in said
    return None


@given(st.binary(max_size=300) | bent(XML))
def test_event_xml(content):
    events = only_typed(lambda: parse_events(content, "fuzz"))
    if events is not None:
        find(events)


@given(st.text(max_size=200))
def test_event_xml_as_text(content):
    only_typed(lambda: parse_events(content, "fuzz"))


@settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(content=bent(LOG, limit=4096 + 4096))
def test_event_logs(tmp_path, content):
    path = tmp_path / "fuzz.evtx"
    path.write_bytes(content)
    read = only_typed(lambda: read_event_log(path))
    if read is not None:
        find(read[0])


@given(st.binary(max_size=300) | bent(dump_header(NOW), limit=0x100))
def test_dumps(content):
    only_typed(lambda: parse_crash_dump(content, "fuzz"))


@given(
    st.binary(max_size=300)
    | bent(REG_QUERY)
    | bent(REG_FILE.encode())
    | bent(REG_FILE.encode("utf-16"))
)
def test_registry_text(content):
    keys = only_typed(lambda: parse_registry(content, "fuzz"))
    if keys is not None:
        dump_places(keys).resolved(r"C:\Windows")


@given(
    st.binary(max_size=300) | bent(JOURNAL) | st.lists(VALUES).map(lambda v: json.dumps(v).encode())
)
def test_journal_lines(content):
    entries = only_typed(lambda: parse_entries(content, "fuzz"))
    if entries is not None:
        find_kernel(entries, "fuzz")
        find_crashes(entries, "fuzz")
        find_restarts(boots_of(entries), entries, "fuzz")


@given(st.dictionaries(st.sampled_from([*entry(NOW, "x"), "MESSAGE_ID", "COREDUMP_EXE"]), VALUES))
def test_journal_entries_of_any_values(document):
    content = json.dumps({**entry(NOW, "x"), **document}).encode() + b"\n"
    only_typed(lambda: parse_entries(content, "fuzz"))


@given(
    st.binary(max_size=200)
    | bent(boots(("a", NOW, NOW)))
    | VALUES.map(lambda v: json.dumps(v).encode())
)
def test_lists_of_boots(content):
    only_typed(lambda: parse_boots(content, "fuzz"))


@given(st.text(max_size=300))
def test_kernel_lines(line):
    meaning(line)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.binary(max_size=100)
    | VALUES.map(lambda v: json.dumps({"schema": "fx3loop.host-state/1", "state": v}).encode())
)
def test_memory(tmp_path, content):
    path = tmp_path / "host_state.json"
    path.write_bytes(content)
    only_typed(lambda: read_memory(path))


@pytest.mark.parametrize("depth", [100_000])
def test_deep_json_is_refused(depth):
    """It would overflow the stack of a parser that calls itself."""
    content = b"[" * depth
    with pytest.raises(EvidenceError):
        parse_boots(content, "fuzz")
    with pytest.raises(EvidenceError):
        parse_entries(content + b"\n", "fuzz")
