"""The GPIF II state machine of the RX888mk2 firmware: its states and its two published tables.

The ten states come from the waveform descriptors that the firmware loads (SDDC_GPIF.h, equal to
the GPIF II Designer model gpif2model.xml). One state is entered at each rising edge of the sample
clock (GPIF_CONFIG 0x80008300: external clock, synchronous), and the state's action happens as it
is entered:

* ``TH0_RD_LD``, ``TH1_RD_LD`` push one 16-bit word into their thread and set the data counter to 0;
* ``TH0_RD``, ``TH1_RD`` push one word an edge; the counter counts the edges spent there, and
  ``DATA_COUNT_HIT`` is true at the limit (GPIF_DATA_COUNT_LIMIT, 8190 for 8192 words);
* all other states push nothing.

The waveform memory describes an edge's condition in the entry of the state it leaves. Where both
conditions of a state are true the left edge wins; where none is true the state holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Final, NamedTuple

from hw.protocol import GpifState as GpifState


class Condition(Enum):
    """What an edge of the table waits for, sampled at the clock edge that would take it."""

    ALWAYS = "always"
    NEVER = "never"
    TRIGGER = "FW_TRG"
    """The CPU's input, lambda 30 (CyU3PGpifControlSWInput)."""
    NOT_TRIGGER = "!FW_TRG"
    DMA_READY = "DMA_RDY"
    """The socket of the state's own thread has a buffer to fill, lambda 26."""
    NOT_DMA_READY = "!DMA_RDY"
    DATA_COUNT_HIT = "DATA_CNT"
    """The data counter is at its limit, lambda 20."""


class Edge(NamedTuple):
    """One edge of the table: when it is taken, and the state it enters."""

    condition: Condition
    next: GpifState


NO_EDGE: Final = Edge(Condition.NEVER, GpifState.RESET)
"""A descriptor without this edge; its next state is never entered."""

READ_STATES: Final = frozenset({GpifState.TH0_RD, GpifState.TH1_RD})
LOAD_STATES: Final = frozenset({GpifState.TH0_RD_LD, GpifState.TH1_RD_LD})
WAIT_STATES: Final = frozenset({GpifState.TH0_WAIT, GpifState.TH1_WAIT})

THREAD_OF_STATE: Final = (0, 0, 0, 1, 0, 0, 1, 1, 1, 0)
"""The thread whose socket a state looks at and pushes into (THREAD_IN_STATE, betas 4 and 5)."""

PIB_ERROR_OF_THREAD: Final = (0x1005, 0x1006)
"""GPIF_ERR_DATA_WRITE 0x1000 with PIB_ERR_THR0_WR_OVERRUN 5, PIB_ERR_THR1_WR_OVERRUN 6."""


@dataclass(frozen=True)
class GpifTable:
    """A decoded waveform: for each of the ten states its left and its right edge."""

    name: str
    edges: tuple[tuple[Edge, Edge], ...]

    def successor(
        self, state: int, *, trigger: bool, dma_ready: bool, count_hit: bool
    ) -> GpifState:
        """The state after the next clock edge, given the inputs at that edge; left wins."""
        truth = {
            Condition.ALWAYS: True,
            Condition.NEVER: False,
            Condition.TRIGGER: trigger,
            Condition.NOT_TRIGGER: not trigger,
            Condition.DMA_READY: dma_ready,
            Condition.NOT_DMA_READY: not dma_ready,
            Condition.DATA_COUNT_HIT: count_hit,
        }
        left, right = self.edges[state]
        if truth[left.condition]:
            return left.next
        if truth[right.condition]:
            return right.next
        return GpifState(state)

    @cached_property
    def successors(self) -> tuple[tuple[int, ...], ...]:
        """``successor`` as rows of eight, indexed by trigger * 4 + dma_ready * 2 + count_hit."""
        return tuple(
            tuple(
                int(
                    self.successor(
                        state,
                        trigger=bool(inputs & 4),
                        dma_ready=bool(inputs & 2),
                        count_hit=bool(inputs & 1),
                    )
                )
                for inputs in range(8)
            )
            for state in range(len(self.edges))
        )


_TO_IDLE: Final = Edge(Condition.NOT_TRIGGER, GpifState.IDLE)

EDGES_16: Final = GpifTable(
    "16 edges",
    (
        (Edge(Condition.ALWAYS, GpifState.IDLE), NO_EDGE),
        (Edge(Condition.TRIGGER, GpifState.TH0_RD_LD), NO_EDGE),
        (Edge(Condition.DATA_COUNT_HIT, GpifState.TH1_RD_LD), _TO_IDLE),
        (
            Edge(Condition.DMA_READY, GpifState.TH1_RD),
            Edge(Condition.NOT_DMA_READY, GpifState.TH1_BUSY),
        ),
        (
            Edge(Condition.NOT_DMA_READY, GpifState.TH0_BUSY),
            Edge(Condition.DMA_READY, GpifState.TH0_RD),
        ),
        (Edge(Condition.ALWAYS, GpifState.TH0_WAIT), NO_EDGE),
        (Edge(Condition.DATA_COUNT_HIT, GpifState.TH0_RD_LD), _TO_IDLE),
        (Edge(Condition.ALWAYS, GpifState.TH1_WAIT), NO_EDGE),
        (Edge(Condition.DMA_READY, GpifState.TH1_RD_LD), _TO_IDLE),
        (Edge(Condition.DMA_READY, GpifState.TH0_RD_LD), _TO_IDLE),
    ),
)
"""The table from firmware commit 02f0629 (2026-05-08) on: IDLE within 3 clocks of trigger low."""

EDGES_13: Final = GpifTable(
    "13 edges",
    tuple(
        (left, NO_EDGE) if state in (GpifState.TH0_RD, *WAIT_STATES) else (left, right)
        for state, (left, right) in enumerate(EDGES_16.edges)
    ),
)
"""The table before that commit: trigger low ends TH1_RD alone, not TH0_RD nor the two waits."""
