"""One recorder for world and hardware, and writers for what it recorded."""

from hw.trace.recorder import Kind, Record, Recorder, Value
from hw.trace.spans import Span, spans_by_track

__all__ = ["Kind", "Record", "Recorder", "Span", "Value", "spans_by_track"]
