"""The two waveform tables, edge by edge, against the documents' lists."""

from __future__ import annotations

import pytest

from sim.chip.flow import Flow
from sim.chip.gpif import (
    EDGES_13,
    EDGES_16,
    NO_EDGE,
    PIB_ERROR_OF_THREAD,
    THREAD_OF_STATE,
    Condition,
    Edge,
    GpifState,
    GpifTable,
)

LISTED_16 = """
    0 ALWAYS 1, 1 TRIGGER 4, 2 DATA_COUNT_HIT 3, 2 NOT_TRIGGER 1, 3 DMA_READY 6, 3 NOT_DMA_READY 7,
    4 NOT_DMA_READY 5, 4 DMA_READY 2, 5 ALWAYS 9, 6 DATA_COUNT_HIT 4, 6 NOT_TRIGGER 1, 7 ALWAYS 8,
    8 DMA_READY 3, 8 NOT_TRIGGER 1, 9 DMA_READY 4, 9 NOT_TRIGGER 1
"""

LISTED_13 = """
    0 ALWAYS 1, 1 TRIGGER 4, 2 DATA_COUNT_HIT 3, 3 DMA_READY 6, 3 NOT_DMA_READY 7,
    4 NOT_DMA_READY 5, 4 DMA_READY 2, 5 ALWAYS 9, 6 DATA_COUNT_HIT 4, 6 NOT_TRIGGER 1, 7 ALWAYS 8,
    8 DMA_READY 3, 9 DMA_READY 4
"""


def listed(table: GpifTable) -> list[str]:
    return [
        f"{state} {edge.condition.name} {int(edge.next)}"
        for state, pair in enumerate(table.edges)
        for edge in pair
        if edge.condition is not Condition.NEVER
    ]


@pytest.mark.parametrize(("table", "text"), [(EDGES_16, LISTED_16), (EDGES_13, LISTED_13)])
def test_edges_are_those_of_the_documents(table, text):
    """16 edges now, 13 before: left edge first, conditions and next states as decoded."""
    wanted = [" ".join(edge.split()) for edge in text.split(",")]
    assert listed(table) == wanted
    assert table.name == f"{len(wanted)} edges"


def test_left_wins():
    """DATA_CNT with trigger low ends the visit in the other thread, not in IDLE."""
    inputs = {"trigger": False, "dma_ready": True, "count_hit": True}
    assert EDGES_16.successor(2, **inputs) == GpifState.TH1_RD_LD
    assert EDGES_16.successor(6, **inputs) == GpifState.TH0_RD_LD
    assert EDGES_16.successor(9, **inputs) == GpifState.TH0_RD_LD


def test_rows_are_the_successors():
    """The eight columns are trigger * 4 + DMA_RDY * 2 + DATA_CNT."""
    for table in (EDGES_16, EDGES_13):
        for state in range(10):
            for inputs in range(8):
                assert table.successors[state][inputs] == table.successor(
                    state,
                    trigger=inputs >= 4,
                    dma_ready=inputs % 4 >= 2,
                    count_hit=inputs % 2 == 1,
                )


def test_states_carry_their_thread_and_code():
    """TH1 states look at socket 1; a lost word there is 0x1006, on thread 0 0x1005."""
    for state in range(10):
        assert THREAD_OF_STATE[state] == GpifState(state).name.startswith("TH1")
    assert PIB_ERROR_OF_THREAD == (0x1005, 0x1006)


@pytest.mark.parametrize("state", [2, 3, 4, 5, 6, 7, 8, 9])
def test_a_table_that_does_not_alternate_is_refused(state):
    """The flow counts on the loop of two threads; another waveform must not be taken for it."""
    edges = list(EDGES_16.edges)
    edges[state] = (Edge(Condition.ALWAYS, GpifState.IDLE), NO_EDGE)
    with pytest.raises(ValueError, match="does not"):
        Flow(GpifTable("other", tuple(edges)))


@pytest.mark.parametrize("state", [2, 6, 8, 9])
def test_a_table_that_stops_with_the_trigger_high_is_refused(state):
    """Read and wait states hold while the trigger is high."""
    edges = list(EDGES_16.edges)
    edges[state] = (edges[state][0], Edge(Condition.TRIGGER, GpifState.IDLE))
    with pytest.raises(ValueError, match="does not hold"):
        Flow(GpifTable("other", tuple(edges)))
