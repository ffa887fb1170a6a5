"""Write the test vectors: run the reference module through scripts and keep what it answers.

Run from the top of the project, and read what changed before keeping it::

    python -m tests.vectors.generate
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from health import Event, Outcome, Policy
from tests.vectors.cases_stream import CASCADE, STREAM
from tests.vectors.cases_usb import HANDLERS, WATCHDOG
from tests.vectors.script import Cases, Script, document

FOLDER = Path(__file__).parent


def long_history(preset: str) -> Script:
    """A long mixed history under a preset, drawn from a small generator of its own."""
    script = Script(Policy.preset(preset), start_ms=2**32 - 20_000).init()
    state = 0x2545_F491
    count = 0
    time_ms = 0
    quiet = [event for event in Event if event not in (Event.STREAM_SAMPLE, Event.STREAM_CAP)]
    for _ in range(60):
        state = (state * 1_664_525 + 1_013_904_223) & 0xFFFF_FFFF
        choice, kind = state >> 28, state >> 8
        if choice < 6:
            script.record(quiet[kind % len(quiet)], kind >> 8 & 1)
        polls = 4 if choice % 3 == 0 else 1
        for _ in range(polls):
            time_ms += 100
            count += (0, 0, 781)[kind % 3]
            script.ends = Outcome(1 + kind % 3)
            script.sampled(time_ms, count, (8, 9, 2, 1, 255)[kind % 5], (8, 3, 255)[kind % 3])
        if choice == 15:
            time_ms += 2000
    return script


PRESETS: Cases = {name: partial(long_history, name) for name in Policy.preset_names()}


def vectors() -> dict[str, str]:
    """Return the text of every vector file by its name."""
    topics = {
        "handlers": HANDLERS,
        "watchdog": WATCHDOG,
        "stream": STREAM,
        "cascade": CASCADE,
        "presets": PRESETS,
    }
    return {f"{topic}.json": document(topic, cases) for topic, cases in topics.items()}


def main() -> None:
    """Write all vector files."""
    for name, text in vectors().items():
        (FOLDER / name).write_text(text, encoding="ascii")


if __name__ == "__main__":
    main()
