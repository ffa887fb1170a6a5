"""The state machine in front of the ring: sample clock edges, one after the other or counted.

Between two *events* of the machine (a buffer committed, a state left) a read state changes by
counting alone, so the machine keeps the number of the last edge it has applied and catches up
(``glide``) only where something is about to change. That is exact, not an approximation: an edge
that is not an event pushes one word and adds one to the data counter, and nothing else.
"""

from __future__ import annotations

from fractions import Fraction

from sim.chip.flow_clock import STOPPED, SampleClock
from sim.chip.flow_origins import Origins
from sim.chip.flow_ring import Ring
from sim.chip.gpif import (
    LOAD_STATES,
    PIB_ERROR_OF_THREAD,
    READ_STATES,
    THREAD_OF_STATE,
    WAIT_STATES,
    GpifState,
    GpifTable,
)

READS = tuple(state in READ_STATES for state in range(10))
LOADS = tuple(state in LOAD_STATES for state in range(10))
WAITS = tuple(state in WAIT_STATES for state in range(10))
PUSHES = tuple(reads or loads for reads, loads in zip(READS, LOADS, strict=True))
READ_STATE = (int(GpifState.TH0_RD), int(GpifState.TH1_RD))
LOAD_STATE = (int(GpifState.TH0_RD_LD), int(GpifState.TH1_RD_LD))
WAIT_STATE = (int(GpifState.TH0_WAIT), int(GpifState.TH1_WAIT))
_IDLE = int(GpifState.IDLE)


def check_table(table: GpifTable) -> None:
    """Refuse a table whose loops the short cuts do not describe."""
    rows = table.successors
    for thread in (0, 1):
        load, read, wait = LOAD_STATE[thread], READ_STATE[thread], WAIT_STATE[thread]
        other_load = LOAD_STATE[thread ^ 1]
        for trigger in (0, 4):
            busy = rows[load][trigger]
            in_turn = (
                rows[load][trigger | 2] == read
                and rows[read][trigger | 1] == rows[read][trigger | 3] == other_load
                and rows[busy][trigger] == rows[busy][trigger | 2] == wait
                and rows[wait][trigger | 2] == load
            )
            if not in_turn:
                raise ValueError(f"table {table.name!r} does not alternate between two threads")
        if rows[read][4] != read or rows[wait][4] != wait:
            raise ValueError(f"table {table.name!r} does not hold in state {read} or {wait}")


class Machine:
    """State machine and producers at one instant, and the rule that moves them on."""

    __slots__ = (
        "buffer_words",
        "clock",
        "count",
        "edge",
        "moving",
        "origins",
        "pib_code",
        "pib_errors",
        "ring",
        "rows",
        "state",
        "trigger",
    )

    def __init__(self, table: GpifTable, ring: Ring, origins: Origins) -> None:
        check_table(table)
        self.rows = table.successors
        self.ring = ring
        self.buffer_words = ring.buffer_words
        self.clock: SampleClock = STOPPED
        self.edge = 0
        """The last edge of the clock that has been applied."""
        self.moving = False
        """Started, and neither paused nor unloaded since."""
        self.state = int(GpifState.RESET)
        self.count = 0
        """The data counter."""
        self.trigger = False
        self.pib_errors = 0
        self.pib_code = 0
        self.origins: Origins | None = origins
        """Where each pushed word came from; a copy that looks ahead keeps none."""

    def set_clock(self, t_ns: int, rate_hz: Fraction | int | None) -> None:
        """A new anchor, or no edges at all; the edges up to ``t_ns`` are applied."""
        if self.origins is not None:
            self.origins.clock_ends(self.edge)
        self.clock = STOPPED if rate_hz is None else SampleClock(t_ns, rate_hz)
        self.edge = 0

    def next_edge(self) -> int:
        """The next edge that does more than count, 0 where the machine is at rest."""
        if not self.moving:
            return 0
        state, ring = self.state, self.ring
        thread = THREAD_OF_STATE[state]
        ready = ring.ready(thread)
        after = self.rows[state][self.trigger << 2 | ready << 1]
        if not READS[state]:
            return 0 if after == state else self.edge + 1
        if after != state or ring.fresh:
            return self.edge + 1
        to_leave = self.buffer_words - 1 - self.count
        if ready:
            to_leave = min(to_leave, self.buffer_words - ring.words[thread])
        return self.edge + to_leave

    def catch_up(self, t_ns: int) -> None:
        """Count the edges up to ``t_ns``, all events up to there being applied."""
        self.glide(self.clock.edge_at(t_ns))

    def glide(self, edge: int) -> None:
        """Apply edges that only count: none of them is an event."""
        edges = edge - self.edge
        self.edge = edge
        if not self.moving or not READS[self.state]:
            return
        self.count += edges
        thread = THREAD_OF_STATE[self.state]
        if self.ring.ready(thread):
            if edges and self.origins is not None:
                self.origins.pushed(self.ring.place(thread), edge - edges + 1, edges)
            self.ring.words[thread] += edges
        elif edges:
            self.pib_errors += edges
            self.pib_code = PIB_ERROR_OF_THREAD[thread]

    def take_edge(self) -> None:
        """Apply one edge by the table, and the action of the state it enters."""
        self.edge += 1
        before = self.state
        ready = self.ring.ready(THREAD_OF_STATE[before])
        hit = self.count == self.buffer_words - 2
        self.state = state = self.rows[before][self.trigger << 2 | ready << 1 | hit]
        if PUSHES[state]:
            if LOADS[state]:
                self.count = 0
            elif state == before:
                self.count += 1
            thread = THREAD_OF_STATE[state]
            if not self.ring.push(thread):
                self.pib_errors += 1
                self.pib_code = PIB_ERROR_OF_THREAD[thread]
            elif self.origins is not None and self.ring.live:
                self.origins.pushed(self.ring.last_place(thread), self.edge, 1)
        elif state == _IDLE and self.ring.at_idle() and self.origins is not None:
            self.origins.drop(self.origins.first_word)

    def loses_next(self) -> bool:
        """True where the next edge counts on in a read state without a buffer."""
        state = self.state
        if not self.moving or not READS[state] or self.ring.ready(THREAD_OF_STATE[state]):
            return False
        hit = self.count == self.buffer_words - 2
        return self.rows[state][self.trigger << 2 | hit] == state

    def visit_edge(self) -> int | None:
        """The edge of RD_LD where the machine streams in step with the ring, else None."""
        state, ring = self.state, self.ring
        if not (self.moving and self.trigger and ring.live and PUSHES[state]) or ring.fresh:
            return None
        thread = THREAD_OF_STATE[state]
        offset = self.count + 1 if READS[state] else 0
        if ring.words[thread] != offset + 1 or not ring.in_step(thread):
            return None
        return self.edge - offset
