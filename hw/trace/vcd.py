"""Writer of value change dumps, which GTKWave and Surfer open, and of GTKWave's list of signals.

A track ``process/thread`` becomes a scope with up to three kinds of signals: ``now``, a text that
holds the innermost slice or the state; a number for each counter; and for instants ``happened``,
an event, with ``what``, the text of the latest. The unit is 1 ns, so no time is rounded. Blanks in
texts are written as underscores, because not every viewer reads the escape for them.

Source: IEEE 1364-2005, clause 18, for the format; strings are an extension of GTKWave's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from io import StringIO
from math import log2
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from vcd import VCDWriter
from vcd.gtkw import GTKWSave

from hw.trace.recorder import Kind, Recorder
from hw.trace.spans import Span, latest_ns, spans_by_track

NOW: Final = "now"
HAPPENED: Final = "happened"
WHAT: Final = "what"
ROOT: Final = "trace"
"""The scope around all tracks, so that a viewer shows one tree."""
COUNTER_BITS: Final = 64
VIEW_FRAMES: Final = 4
"""So many frames wide are the waves in the window that the list of signals asks for."""


class _Name(NamedTuple):
    """A signal: its scope and its name in it."""

    scope: tuple[str, ...]
    name: str


_Signals: TypeAlias = dict[_Name, str]
"""Kind of each signal, in order of first use."""
_Change: TypeAlias = tuple[int, _Name, str | int | bool]


def dumps(recorder: Recorder) -> str:
    """Return the trace as a value change dump, equal for equal records."""
    signals, changes = _collect(recorder)
    buffer = StringIO()
    # An empty date leaves it out: equal runs give equal files.
    with VCDWriter(buffer, timescale="1 ns", date="", version="fx3loop") as writer:
        variables = {
            signal: writer.register_var(
                signal.scope,
                signal.name,
                kind,
                size=COUNTER_BITS if kind == "integer" else None,
                init=None if kind == "event" else "" if kind == "string" else 0,
            )
            for signal, kind in signals.items()
        }
        for at_ns, signal, value in changes:
            writer.change(variables[signal], at_ns, value)
        writer.close(latest_ns(recorder))
    return buffer.getvalue()


def signal_list(recorder: Recorder, dump: Path) -> str:
    """Return a save file for GTKWave: all signals in a group for each process, the whole in view.

    Args:
        recorder: what was recorded.
        dump: the dump that it belongs to, named in it without its folder.
    """
    signals, _ = _collect(recorder)
    buffer = StringIO()
    save = GTKWSave(buffer)
    save.dumpfile(dump.name, abspath=False)
    save.size(1600, 900)
    save.signals_width(280)
    # GTKWave's zoom is the binary logarithm, below 0, of the time in a frame of 200 pixels.
    save.zoom_markers(-log2(max(latest_ns(recorder), VIEW_FRAMES) / VIEW_FRAMES))
    save.treeopen(f"{ROOT}.")
    for process in dict.fromkeys(signal.scope[1] for signal in signals):
        with save.group(process):
            for signal, kind in signals.items():
                if signal.scope[1] == process:
                    form = {"string": "ascii", "integer": "signed"}.get(kind, "bin")
                    thread = "_".join(signal.scope[2:])
                    alias = thread if signal.name == NOW else f"{thread} {signal.name}"
                    save.trace(".".join((*signal.scope, signal.name)), alias, datafmt=form)
    return buffer.getvalue()


def write(recorder: Recorder, path: Path) -> None:
    """Write :func:`dumps` to a file, and :func:`signal_list` beside it as ``.gtkw``.

    Raises:
        OSError: when a file cannot be written.
    """
    path.write_text(dumps(recorder), encoding="utf-8", newline="\n")
    listing = path.with_suffix(".gtkw")
    listing.write_text(signal_list(recorder, path), encoding="utf-8", newline="\n")


def _collect(recorder: Recorder) -> tuple[_Signals, list[_Change]]:
    """Return every signal, and its changes by time."""
    signals: _Signals = {}
    changes: list[_Change] = []
    spans = spans_by_track(recorder)
    for kind, track, name, at_ns, value, _ in recorder.records:
        scope = _scope(track)
        if kind is Kind.COUNTER:
            signal = _Name(scope, _identifier(name))
            signals.setdefault(signal, "integer")
            changes.append((at_ns, signal, value))
        elif kind is Kind.INSTANT:
            signals.setdefault(_Name(scope, HAPPENED), "event")
            signals.setdefault(_Name(scope, WHAT), "string")
            changes.append((at_ns, _Name(scope, HAPPENED), True))
            changes.append((at_ns, _Name(scope, WHAT), _text(name)))
        elif track in spans:
            signal = _Name(scope, NOW)
            signals.setdefault(signal, "string")
            # Of changes at one instant the last holds; the others would be glitches of no length.
            steps = dict(_innermost(spans.pop(track)))
            changes += [(at, signal, _text(text)) for at, text in steps.items()]
    changes.sort(key=lambda change: change[0])
    return signals, changes


def _innermost(spans: Iterable[Span]) -> Iterator[tuple[int, str]]:
    """Yield what the innermost span of a track is, wherever that changes; nothing is empty.

    Args:
        spans: by start, longer ones first.
    """
    open_spans: list[Span] = []
    for span in spans:
        yield from _closed(open_spans, span.start_ns)
        open_spans.append(span)
        yield span.start_ns, span.name
    yield from _closed(open_spans, None)


def _closed(open_spans: list[Span], until_ns: int | None) -> Iterator[tuple[int, str]]:
    """Close the spans that have ended by a time, all of them without one."""
    while open_spans:
        first = min(open_spans, key=lambda span: span.end_ns)
        if until_ns is not None and first.end_ns > until_ns:
            return
        open_spans.remove(first)
        yield first.end_ns, open_spans[-1].name if open_spans else ""


def _scope(track: str) -> tuple[str, ...]:
    return (ROOT, *(_identifier(part) for part in track.split("/")))


def _identifier(text: str) -> str:
    """A name that VCD allows: letters, digits and underscores, no digit first."""
    made = re.sub(r"\W+", "_", text, flags=re.ASCII)
    return f"_{made}" if not made or made[0].isdigit() else made


def _text(name: str) -> str:
    return "_".join(name.split())
