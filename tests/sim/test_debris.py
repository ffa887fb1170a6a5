"""Incident F14: what a forced stop out of a wait state leaves behind, and what cleans it."""

from __future__ import annotations

import pytest

from hw.protocol import GpifState, Request
from sim.options import Options
from tests.sim.bench import DONE, MHZ, MS, booted, pause, stats, word

WAITS = (GpifState.TH0_WAIT, GpifState.TH1_WAIT)


def unread_session(world) -> None:
    assert word(world, Request.STARTFX3) is DONE
    pause(world, 50)
    assert stats(world).gpif_state in WAITS
    assert word(world, Request.STOPFX3) is DONE


def read_after_a_full_ring(world, buffers: int) -> int:
    """START, wait until the ring is full, ask for some buffers: how many bytes came in 100 ms."""
    assert word(world, Request.STARTFX3) is DONE
    pause(world, 5)
    bulk = world.host.device.bulk
    transfer = bulk.submit(buffers * 16_384)
    if not world.wait(transfer.ended, 100 * MS):
        bulk.cancel(transfer)
    return transfer.received


@pytest.mark.parametrize(
    ("firmware", "leaves_debris", "comes_back"),
    [
        ("force-stop", True, False),
        ("force-stop", False, True),
        ("fw-2.2", True, True),
    ],
)
def test_a_session_after_a_forced_stop_ends_at_its_first_full_ring(
    firmware, leaves_debris, comes_back
):
    """The eight full buffers arrive and nothing more; a soft stop leaves no such thing."""
    with booted(
        firmware, "none", options=Options(forced_stop_leaves_debris=leaves_debris)
    ) as world:
        word(world, Request.STARTADC, 64 * MHZ)
        unread_session(world)
        received = read_after_a_full_ring(world, 20)
        assert received == (20 if comes_back else 8) * 16_384
        assert comes_back or stats(world).gpif_state in WAITS


def test_the_first_session_has_no_debris():
    """A forced stop out of a stream that is read leaves nothing either."""
    with booted("force-stop", "none") as world:
        word(world, Request.STARTADC, 64 * MHZ)
        assert read_after_a_full_ring(world, 20) == 20 * 16_384


def test_the_stream_watchdog_cannot_mend_it_without_loading_the_table_again():
    """Level 1 stops by force, SMStart answers 68, and state 255 stays with a count of 0."""
    with booted("force-stop", "level-1") as world:
        word(world, Request.STARTADC, 64 * MHZ)
        assert word(world, Request.STARTFX3) is DONE
        pause(world, 600)
        seen = stats(world)
        assert (seen.gpif_state, seen.dma_count, seen.streaming_faults) == (255, 0, 1)
        pause(world, 2_000)
        assert stats(world).streaming_faults == 1
