"""From records to spans: begins are paired with ends, states become the time they lasted."""

from collections.abc import Mapping
from dataclasses import dataclass

from hw.trace.recorder import Kind, Recorder, Value

UNFINISHED = "unfinished"
"""Argument set on a span that was still open where the trace ended."""


@dataclass(frozen=True, slots=True)
class Span:
    """A named stretch of time on one track."""

    name: str
    start_ns: int
    end_ns: int
    args: Mapping[str, Value]


class _Track:
    """Open slices and the running state of one track."""

    __slots__ = ("done", "open_slices", "state_name", "state_start_ns")

    def __init__(self) -> None:
        self.done: list[Span] = []
        self.open_slices: list[tuple[str, int, Mapping[str, Value]]] = []
        self.state_name: str | None = None
        self.state_start_ns = 0

    def end(self, at_ns: int, args: Mapping[str, Value]) -> None:
        if not self.open_slices:
            # Its begin was dropped by the recorder's limit, or never made: shown, not hidden.
            self.done.append(Span("end without begin", at_ns, at_ns, args))
            return
        name, start_ns, begin_args = self.open_slices.pop()
        self.done.append(Span(name, start_ns, at_ns, {**begin_args, **args}))

    def state(self, name: str | None, at_ns: int) -> None:
        if name == self.state_name:
            return
        if self.state_name is not None:
            self.done.append(Span(self.state_name, self.state_start_ns, at_ns, {}))
        self.state_name, self.state_start_ns = name, at_ns

    def finish(self, at_ns: int) -> list[Span]:
        while self.open_slices:
            self.end(at_ns, {UNFINISHED: True})
        self.state(None, at_ns)
        return self.done


def spans_by_track(recorder: Recorder, end_ns: int | None = None) -> dict[str, list[Span]]:
    """Return the spans of every track that has any, tracks in order of first use.

    Args:
        recorder: what was recorded.
        end_ns: where the trace ends; states last until then, and open slices are closed there and
            marked as unfinished. By default the latest time recorded.

    Returns:
        For each track its spans by start, longer ones first where starts are equal.
    """
    last_ns = latest_ns(recorder) if end_ns is None else end_ns
    tracks: dict[str, _Track] = {}
    for kind, name, label, at_ns, extra, args in recorder.records:
        track = tracks.setdefault(name, _Track())
        if kind is Kind.BEGIN:
            track.open_slices.append((label, at_ns, args))
        elif kind is Kind.END:
            track.end(at_ns, args)
        elif kind is Kind.SLICE:
            track.done.append(Span(label, at_ns, extra, args))
        elif kind is Kind.STATE:
            track.state(label, at_ns)
    spans = {name: track.finish(last_ns) for name, track in tracks.items()}
    return {
        name: sorted(done, key=lambda span: (span.start_ns, -span.end_ns))
        for name, done in spans.items()
        if done
    }


def latest_ns(recorder: Recorder) -> int:
    """Return the latest time in the records, 0 for an empty recorder."""
    return max(
        (
            max(at_ns, extra) if kind is Kind.SLICE else at_ns
            for kind, _, _, at_ns, extra, _ in recorder.records
        ),
        default=0,
    )
