"""From a trace to the lanes of a timeline: plain numbers and texts, for script and figure alike.

Times are whole µs from the origin, which is the onset where there is one. A lane is of one of
three kinds: ``spans`` holds (begin, end, text, tone), ``ticks`` (time, text, tone), and ``steps``
(time, number) where the number changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hw.protocol import Request
from hw.trace import Kind, Recorder, Span, spans_by_track
from hw.trace.spans import latest_ns
from scenarios.page.model import Tone
from scenarios.timeline import gpif_condition
from scenarios.trace_file import LEVEL_TRACK, MARKS_TRACK, SERVES_AGAIN
from sim.firmware.app import MAIN_THREAD

MICROSECOND_NS = 1_000
MARGIN_US = 400_000
"""Shown before the onset and after the end of an incident at first."""
ONSET_TRACKS = (MARKS_TRACK, "world/onset")
GPIF_TRACK = "fx3/GPIF"
CONTROL_TRACK = "host/control"
TITLES = {
    "host/program": "Host program",
    CONTROL_TRACK: "EP0 requests",
    "host/health": "Health module (host)",
    "host/kernel": "Host kernel",
    "fx3/EP0": "EP0 handler",
    "fx3/USB thread": "USB thread",
    "fx3/main thread": "Main loop beats",
    f"fx3/{MAIN_THREAD}": "Main thread",
    "fx3/watchdog": "Watchdog pets",
    GPIF_TRACK: "GPIF",
    "fx3/DMA count": "DMA count",
    "fx3/buffers full": "Full DMA buffers",
    "fx3/health": "Health module",
    LEVEL_TRACK: "Recovery level",
    "fx3/reset": "Chip resets",
    "world/faults": "Faults",
}
"""Known tracks in their order on the page; others follow as they come."""
TOLD = ("world/faults", "fx3/health", "host/health", "fx3/reset", "host/kernel", "host/program")
"""Tracks whose instants make the story."""
_TONES: tuple[tuple[str, Tone], ...] = (
    ("hangs", "bad"),
    ("spins", "bad"),
    ("cancelled", "warn"),
    ("stalled", "warn"),
    ("no_device", "void"),
    ("waits for a buffer", "warn"),
    ("takes samples", "good"),
    ("streams", "good"),
    ("gave up", "bad"),
    ("tries", "warn"),
    ("probes", "warn"),
    ("no firmware", "void"),
    ("off", "void"),
    ("level", "bad"),
    ("unfinished", "bad"),
)
"""What a text means for its colour, the first that is found in it."""


def lanes_of(recorder: Recorder) -> dict[str, Any]:
    """Return the lanes of one run.

    Args:
        recorder: closed at resets.

    Returns:
        ``lanes``, ``marks`` (time, text, tone), ``begin``, ``end`` of all in µs, and the part that
        is shown at first, ``from`` and ``to``.
    """
    marks_ns = [
        (at_ns, name)
        for kind, track, name, at_ns, _, _ in recorder.records
        if kind is Kind.INSTANT and track in ONSET_TRACKS
    ]
    onset_ns = min((at_ns for at_ns, name in marks_ns if name != SERVES_AGAIN), default=0)
    tracks = list(dict.fromkeys(record[1] for record in recorder.records))
    tracks.sort(key=lambda track: list(TITLES).index(track) if track in TITLES else len(TITLES))
    spans = spans_by_track(recorder)
    found = []
    for track in tracks:
        if track in ONSET_TRACKS:
            continue
        own = [record for record in recorder.records if record[1] == track]
        title = TITLES.get(track, track)
        if track in spans:
            found.append(_span_lane(track, title, spans[track], onset_ns))
        instants = [(item[3], item[2]) for item in own if item[0] is Kind.INSTANT]
        if instants:
            # A track with both has its instants on a lane of their own.
            found.append(
                _tick_lane(f"{title} sees" if track in spans else title, instants, onset_ns)
            )
        counts = [(item[3], item[4]) for item in own if item[0] is Kind.COUNTER]
        if counts:
            found.append(_step_lane(title, counts, onset_ns))
    begin = min((_begin(lane) for lane in found), default=0)
    end = _micro(latest_ns(recorder), onset_ns)
    marks = [(_micro(at_ns, onset_ns), name, _mark_tone(name)) for at_ns, name in marks_ns]
    shown_to = max((at for at, name, _ in marks if name == SERVES_AGAIN), default=end)
    has_onset = bool(marks_ns)
    return {
        "lanes": found,
        "marks": marks,
        "begin": begin,
        "end": end,
        "from": max(begin, -MARGIN_US) if has_onset else begin,
        "to": min(end, shown_to + MARGIN_US) if has_onset else end,
        "hasOnset": has_onset,
    }


def story_of(recorder: Recorder) -> tuple[tuple[str, str, str], ...]:
    """Return what happened in words: (seconds from the onset, what, where), by time."""
    onset_ns = min(
        (
            at_ns
            for kind, track, name, at_ns, _, _ in recorder.records
            if kind is Kind.INSTANT and track in ONSET_TRACKS and name != SERVES_AGAIN
        ),
        default=0,
    )
    found = [
        (at_ns, name, TITLES.get(track, "Mark"))
        for kind, track, name, at_ns, _, _ in recorder.records
        if kind is Kind.INSTANT and (track in TOLD or track in ONSET_TRACKS)
    ]
    return tuple(
        (f"{_micro(at_ns, onset_ns) / 1_000_000:+.6f}", name, where)
        for at_ns, name, where in sorted(found, key=lambda item: item[0])
    )


def _span_lane(track: str, title: str, spans: Iterable[Span], onset_ns: int) -> dict[str, Any]:
    items: list[list[Any]] = []
    for span in spans:
        text = _span_text(track, span.name)
        begin, end = _micro(span.start_ns, onset_ns), _micro(span.end_ns, onset_ns)
        if track == GPIF_TRACK and items and items[-1][2] == text:
            # The looks of the probe, joined to the conditions that matter.
            items[-1][1] = end
        else:
            items.append([begin, end, text, _tone(text)])
    return {"title": title, "kind": "spans", "items": items}


def _tick_lane(title: str, instants: Iterable[tuple[int, str]], onset_ns: int) -> dict[str, Any]:
    items = [[_micro(at_ns, onset_ns), name, _tone(name)] for at_ns, name in instants]
    return {"title": title, "kind": "ticks", "items": items}


def _step_lane(title: str, counts: Iterable[tuple[int, int]], onset_ns: int) -> dict[str, Any]:
    items = [[_micro(at_ns, onset_ns), value] for at_ns, value in _changes(sorted(counts))]
    return {"title": title, "kind": "steps", "items": items}


def _changes(counts: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    known: int | None = None
    for at_ns, value in counts:
        if value != known:
            yield at_ns, value
        known = value


def _begin(lane: Mapping[str, Any]) -> int:
    first = lane["items"][0][0]
    return int(first)


def _micro(at_ns: int, onset_ns: int) -> int:
    return (at_ns - onset_ns) // MICROSECOND_NS


def _span_text(track: str, name: str) -> str:
    if track == GPIF_TRACK:
        return gpif_condition(name)
    code, _, ending = name.partition(" ")
    if track != CONTROL_TRACK or not code.startswith("0x"):
        return name
    number = int(code, 16)
    request = Request(number).name if number in Request._value2member_map_ else code
    return request if ending == "done" else f"{request} {ending}"


def _tone(text: str) -> Tone:
    return next((tone for part, tone in _TONES if part in text), "")


def _mark_tone(name: str) -> Tone:
    return "good" if name == SERVES_AGAIN else "bad"
