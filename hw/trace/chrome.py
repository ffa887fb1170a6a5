"""Writer of the Chrome trace event format, which Perfetto opens.

A track ``process/thread`` becomes a process and a thread; numbers are given by first use, so the
same records give the same bytes. Slices that overlap without nesting are moved to threads of their
own. Times are microseconds with three decimals, written from the integer nanoseconds without
passing through a float.

Source: "Trace Event Format" (Chromium project): phases M, X, i and C.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from hw.trace.recorder import Kind, Recorder, Value
from hw.trace.spans import Span, spans_by_track


class _Numbers:
    """Process and thread numbers by order of first use, and the metadata that names them."""

    def __init__(self) -> None:
        self.processes: dict[str, int] = {}
        self.threads: dict[tuple[int, str], int] = {}
        self.metadata: list[str] = []

    def of(self, track: str, lane: int = 0) -> tuple[int, int]:
        """Return (pid, tid) of a track; lane 1 and up are its overflow threads."""
        process, _, thread = track.rpartition("/")
        process = process or thread
        label = f"{thread} ({lane + 1})" if lane else thread
        if process not in self.processes:
            self.processes[process] = len(self.processes) + 1
            self._name("process_name", self.processes[process], 0, process)
        pid = self.processes[process]
        if (pid, label) not in self.threads:
            tid = len(self.threads) + 1
            self.threads[pid, label] = tid
            self._name("thread_name", pid, tid, label)
        return pid, self.threads[pid, label]

    def _name(self, kind: str, pid: int, tid: int, name: str) -> None:
        self.metadata.append(
            f'{{"ph":"M","pid":{pid},"tid":{tid},"name":"{kind}","args":{_json({"name": name})}}}'
        )


def dumps(recorder: Recorder, metadata: Mapping[str, Value] | None = None) -> str:
    """Return the trace as Chrome trace JSON text.

    Args:
        recorder: what was recorded.
        metadata: what describes the run (seed, firmware, policy); it appears as ``otherData``
            beside the number of records dropped.

    Returns:
        JSON text with one event a line, equal for equal records.
    """
    numbers = _Numbers()
    for record in recorder.records:
        numbers.of(record[1])
    events = [*_span_events(recorder, numbers), *_point_events(recorder, numbers)]
    events.sort(key=lambda event: event[0])
    lines = ",\n".join([*numbers.metadata, *(text for _, text in events)])
    other = {**(metadata or {}), "dropped_records": recorder.dropped}
    return f'{{"displayTimeUnit":"ns","otherData":{_json(other)},"traceEvents":[\n{lines}\n]}}\n'


def write(recorder: Recorder, path: Path, metadata: Mapping[str, Value] | None = None) -> None:
    """Write :func:`dumps` to a file.

    Raises:
        OSError: when the file cannot be written.
    """
    path.write_text(dumps(recorder, metadata), encoding="utf-8", newline="\n")


def _span_events(recorder: Recorder, numbers: _Numbers) -> Iterator[tuple[int, str]]:
    for track, spans in spans_by_track(recorder).items():
        for lane, span in _lanes(spans):
            pid, tid = numbers.of(track, lane)
            duration = _microseconds(span.end_ns - span.start_ns)
            yield (
                span.start_ns,
                f'{{"ph":"X","pid":{pid},"tid":{tid},"ts":{_microseconds(span.start_ns)},'
                f'"dur":{duration},"name":{_json(span.name)}{_arguments(span.args)}}}',
            )


def _point_events(recorder: Recorder, numbers: _Numbers) -> Iterator[tuple[int, str]]:
    for kind, track, name, at_ns, value, args in recorder.records:
        if kind is Kind.INSTANT:
            pid, tid = numbers.of(track)
            yield (
                at_ns,
                f'{{"ph":"i","s":"t","pid":{pid},"tid":{tid},"ts":{_microseconds(at_ns)},'
                f'"name":{_json(name)}{_arguments(args)}}}',
            )
        elif kind is Kind.COUNTER:
            # Counters belong to a process, so the thread's name keeps two tracks apart.
            pid, tid = numbers.of(track)
            label = f"{track.rpartition('/')[2]} {name}"
            yield (
                at_ns,
                f'{{"ph":"C","pid":{pid},"tid":{tid},"ts":{_microseconds(at_ns)},'
                f'"name":{_json(label)},"args":{{"value":{value}}}}}',
            )


def _lanes(spans: Iterable[Span]) -> Iterator[tuple[int, Span]]:
    """Give each span (by start, longer first) the first lane in which it nests."""
    open_ends_ns: list[list[int]] = []
    for span in spans:
        lane = _first_lane(span, open_ends_ns)
        open_ends_ns[lane].append(span.end_ns)
        yield lane, span


def _first_lane(span: Span, open_ends_ns: list[list[int]]) -> int:
    for lane, ends_ns in enumerate(open_ends_ns):
        while ends_ns and ends_ns[-1] <= span.start_ns:
            ends_ns.pop()
        if not ends_ns or span.end_ns <= ends_ns[-1]:
            return lane
    open_ends_ns.append([])
    return len(open_ends_ns) - 1


def _microseconds(time_ns: int) -> str:
    sign = "-" if time_ns < 0 else ""
    whole, thousandths = divmod(abs(time_ns), 1000)
    return f"{sign}{whole}.{thousandths:03d}"


def _arguments(args: Mapping[str, Value]) -> str:
    return f',"args":{_json(args)}' if args else ""


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
