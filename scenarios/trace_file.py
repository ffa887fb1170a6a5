"""Traces of episodes as a file; its ending says as what.

``.json`` is for Perfetto (https://ui.perfetto.dev), ``.vcd`` for GTKWave and Surfer (with a
``.gtkw`` beside it), ``.pcap`` for Wireshark and tshark.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from hw.trace import Kind, Record, Recorder, chrome
from hw.trace.transfers import TransferLog
from scenarios.judge import WATCHDOG_LEVEL, onset
from scenarios.runner import Episode
from scenarios.timeline import closed_at_resets

CHROME, VCD, PCAP = ".json", ".vcd", ".pcap"
KINDS = (CHROME, VCD, PCAP)
MARKS_TRACK = "world/marks"
LEVEL_TRACK = "world/recovery"
ONSET = "onset"
SERVES_AGAIN = "serves again"


def transfers_for(path: Path | None) -> TransferLog | None:
    """Return what has to be told a run's transfers for this file; None where it needs none."""
    if path is None or path.suffix.lower() != PCAP:
        return None
    return TransferLog()


def write(episodes: Sequence[Episode], path: Path, transfers: TransferLog | None = None) -> None:
    """Write the traces of some episodes, or the capture of one.

    Args:
        episodes: in Chrome JSON each becomes a group of tracks that carries its incident and
            policy where there are several; other kinds hold one.
        path: where to; its ending is one of :data:`KINDS`.
        transfers: of :func:`transfers_for`, filled by the run.

    Raises:
        OSError: the file cannot be written.
    """
    kind = path.suffix.lower()
    if kind == PCAP:
        from hw.trace import usbmon

        assert transfers is not None
        usbmon.write(transfers, path)
    elif kind == VCD:
        from hw.trace import vcd

        vcd.write(recorder_of(episodes[0]), path)
    else:
        merged = Recorder()
        for episode in episodes:
            row = episode.row
            label = " ".join(filter(None, (row.incident, row.manner, row.policy)))
            for record_kind, track, name, at_ns, extra, args in recorder_of(episode).records:
                merged.records.append((record_kind, f"{label}: {track}", name, at_ns, extra, args))
        chrome.write(merged, path, {"episodes": len(episodes)})


def recorder_of(episode: Episode) -> Recorder:
    """Return what an episode recorded, closed at resets, with its marks and its level."""
    made = Recorder()
    made.records.extend(closed_at_resets(episode.facts.trace.records))
    made.records.extend(_marks(episode))
    return made


def _marks(episode: Episode) -> Iterator[Record]:
    """Onset and return of the data as instants, and the level that answered as a number."""
    facts, row = episode.facts, episode.row
    began = onset(facts)
    if began is None:
        return
    answers = [(remedy.at_ns, int(remedy.level)) for remedy in facts.remedies]
    answers += [(item.at_ns, WATCHDOG_LEVEL) for item in facts.resets if item.cause == "watchdog"]
    yield Kind.INSTANT, MARKS_TRACK, ONSET, began.at_ns, 0, {}
    yield Kind.COUNTER, LEVEL_TRACK, "level", 0, 0, {}
    for at_ns, level in sorted(answers):
        yield Kind.COUNTER, LEVEL_TRACK, "level", at_ns, level, {}
    if row.serving_after_ms:
        served_ns = began.at_ns + round(row.serving_after_ms * 1_000) * 1_000
        yield Kind.INSTANT, MARKS_TRACK, SERVES_AGAIN, served_ns, 0, {}
        yield Kind.COUNTER, LEVEL_TRACK, "level", served_ns, 0, {}
