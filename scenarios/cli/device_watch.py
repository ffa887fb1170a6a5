"""``fx3loop device watch``: a look at the device each second, live on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hw.glance import Look, look
from hw.protocol import BUFFER_BYTES
from scenarios.cli import output
from scenarios.cli.device_bus import facts_of
from scenarios.cli.device_session import Done, Session

INTERVAL_MS = 1_000
WORLD_LOOKS = 10
"""Where nobody watches a world's time go by, it would never end."""
ROWS_KEPT = 20
HEADINGS = ("time", "port", "state", "buffers", "MB/s", "faults", "pib", "i2c", "answer")
NONE = "–"


@dataclass(frozen=True)
class Row:
    """One look, and what changed since the one before."""

    began_ms: int
    now: Look
    before: Look | None

    def cells(self) -> tuple[str, ...]:
        """The columns of :data:`HEADINGS`."""
        at_s = (self.now.at_ms - self.began_ms) / 1000
        stats = self.now.stats
        answer = NONE if self.now.answer_ms is None else f"{self.now.answer_ms:.1f} ms"
        if stats is None:
            return (f"{at_s:.1f} s", self.now.port, self.now.what, *[NONE] * 5, answer)
        return (
            f"{at_s:.1f} s",
            self.now.port,
            str(stats.gpif_state),
            str(stats.dma_count),
            self._rate(),
            self._counter("streaming_faults"),
            self._counter("pib_errors"),
            self._counter("i2c_failures"),
            answer,
        )

    def line(self) -> str:
        """The same on one line."""
        names = HEADINGS[2:]
        time, port, *rest = self.cells()
        return f"{time:>8} {port} " + " ".join(
            f"{name}={cell}" for name, cell in zip(names, rest, strict=True)
        )

    def _rate(self) -> str:
        """Data produced since the look before; START, STOP and level 1 count from zero again."""
        before = None if self.before is None else self.before.stats
        if before is None or self.before is None or self.now.stats is None:
            return NONE
        buffers = self.now.stats.dma_count - before.dma_count
        span_ms = self.now.at_ms - self.before.at_ms
        if buffers < 0 or span_ms <= 0:
            return NONE
        return f"{buffers * BUFFER_BYTES / span_ms / 1000:.1f}"

    def _counter(self, name: str) -> str:
        value = int(getattr(self.now.stats, name))
        before = None if self.before is None else self.before.stats
        grown = 0 if before is None else value - int(getattr(before, name))
        return f"{value} (+{grown})" if grown > 0 else str(value)


def watch(session: Session) -> Done:
    """Look each second until Ctrl-C, or so often as ``--count`` says."""
    place = session.place
    bus = place.open_bus()
    limit = session.count
    if limit is None and not place.is_live:
        limit = WORLD_LOOKS
    began_ms = place.runtime.now_ns() // 10**6
    looks: list[Look] = []
    count = 0
    with _display(session) as show:
        while True:
            seen = look(bus)
            show(Row(began_ms, seen, looks[-1] if looks else None))
            looks = [*looks[-ROWS_KEPT:], seen]
            count += 1
            if count == limit:
                break
            place.runtime.sleep_ms(INTERVAL_MS)
    last = looks[-1]
    text = f"{count} look{'' if count == 1 else 's'}, the last one: {last.what}"
    return Done(last.what == "application", text, {"last": facts_of(last)})


@contextmanager
def _display(session: Session) -> Iterator[Callable[[Row], None]]:
    """Where rows go: a table that stays in its place on a terminal, else a line each."""
    if session.is_quiet or not sys.stdout.isatty():
        yield lambda row: session.say(f"{row.line()}\n")
        return
    from rich.live import Live

    rows: list[Row] = []
    with Live(output.table(*HEADINGS), auto_refresh=False) as live:

        def show(row: Row) -> None:
            rows.append(row)
            del rows[:-ROWS_KEPT]
            table = output.table(*HEADINGS)
            for item in rows:
                table.add_row(*item.cells())
            live.update(table, refresh=True)

        yield show
