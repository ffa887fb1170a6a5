"""What each position recovers: the page and the ground that it stands on."""

import gc
from dataclasses import replace
from pathlib import Path

import pytest

from health import Level, Outcome, Policy
from hw.guard.journal import LIMIT_BYTES, Journal
from hw.supervisor import Memory
from scenarios import positions
from scenarios.registry import find
from scenarios.runner import run_episode
from sim.faults import Fault
from tests.scenarios.guarded_bench import GuardedBench

PAGE = Path(__file__).parents[2] / "docs" / "positions.md"


def rows_of(text, scenario="steady_stream"):
    faults = tuple(Fault.parse(part) for part in text.split(" + "))
    return {
        position: run_episode(
            find(scenario), firmware="reference", position=position, seed=1, faults=faults
        ).row
        for position in positions.POSITIONS
    }


def test_every_kind_of_fault_has_a_case():
    assert positions.missing_kinds() == ()


def test_both_positions_end_a_stalled_stream_by_level_1_and_the_device_is_faster():
    rows = rows_of("dma_error:at_ms=8000")
    assert {name: row.remedies for name, row in rows.items()} == {
        "none": (),
        "device": (1,),
        "host": (1,),
        "both": (1,),
    }
    assert rows["device"].detected_after_ms < rows["host"].detected_after_ms
    assert rows["both"].violations == ()


def test_a_hung_usb_thread_needs_the_device():
    """A port reset asks that very thread for an enumeration."""
    rows = rows_of("hang:at_ms=8000,call=usb_send_ep0_data,thread=usb")
    assert {name: row.verdict for name, row in rows.items()} == {
        "none": "locked_up",
        "device": "recovered",
        "host": "locked_up",
        "both": "recovered",
    }


@pytest.mark.parametrize(
    ("detected", "serving", "remedies", "verdict", "text"),
    [
        (None, 0.0, (), "left_alone", "serves on"),
        (None, 1_050.0, (), "recovered", "serves after 1.05 s, by itself"),
        (300.0, 0.0, (1, 1, 3), "recovered", "level 1 (2x), 3 after 0.30 s, serves on"),
        (2_000.0, None, (4,), "locked_up", "**locked up**, tried level 4"),
        (None, None, (), "degraded", "**degraded**, not seen"),
    ],
)
def test_a_cell_says_it_in_a_few_words(detected, serving, remedies, verdict, text):
    row = replace(
        run_episode(find("steady_stream"), policy="none").row,
        detected_after_ms=detected,
        serving_after_ms=serving,
        remedies=remedies,
        verdict=verdict,
    )
    assert positions.cell(row) == text


@pytest.mark.heavy
def test_the_page_is_what_the_report_makes():
    """Made anew by ``fx3loop report positions --out docs/positions.md``."""
    found = positions.run()
    assert positions.troubles(found) == ()
    assert PAGE.read_text(encoding="utf-8") == positions.page(found)


# --- a month -----------------------------------------------------------------------------------

DAY_S = 86_400
DAYS = 30


def slow_policy():
    """The reference policy with everything 100 times slower: a month is run in minutes."""
    return replace(
        Policy.preset("reference"),
        name="slow",
        level_5_enabled=False,
        poll_interval_ms=10_000,
        ep0_limit_ms=24_000,
        usb_event_limit_ms=24_000,
        stream_stall_ms=30_000,
        stream_wedge_ms=30_000,
        cold_start_ms=40_000,
        clock_lost_ms=40_000,
        unknown_ms=60_000,
        ep0_desync_window_ms=120_000,
        settle_ms=60_000,
        healthy_ms=200_000,
    )


def idle_policy():
    """The device's own: no level, and a main loop that turns once in 10 s, not ten times in one.

    What the supervisor leaves behind in a month does not depend on it, and most of the time of
    such a test would be the 26 million turns of that loop.
    """
    return replace(Policy.preset("none"), name="idle", poll_interval_ms=10_000)


@pytest.mark.heavy
def test_a_month_of_daily_faults_leaves_bounded_files_and_memory(tmp_path):
    """Each day a replug, a hung request and a wedged stream; nothing grows with the days."""
    journal = Journal(tmp_path / "journal.jsonl", "boot", lambda: 1_000.0)
    memory = Memory.open(tmp_path / "supervisor.json")
    objects = []
    with GuardedBench(
        policy=slow_policy(),
        device_policy=idle_policy(),
        has_program=False,
        memory=memory,
        journal=journal,
    ) as bench:
        bench.run(60)
        for _ in range(DAYS):
            bench.world.host.unplug()
            bench.run(60)
            bench.world.host.plug()
            bench.run(600)
            assert bench.is_serving
            bench.hang_ep0(60_000)
            bench.run(600)
            assert bench.is_serving
            bench.run(DAY_S - 1_260)
            assert bench.is_serving
            # The bench's own notes are not the supervisor's.
            bench.exchanges.clear()
            bench.lines.clear()
            gc.collect()
            objects.append(len(gc.get_objects()))
        tally = bench.supervisor.tally
        # One upload a day to what was plugged in again; level 4 makes its own.
        assert tally.uploads == {True: DAYS}
        assert tally.remedies == {(Level.DEVICE_RESET, Outcome.DONE): DAYS}
        assert len(bench.supervisor.remedies) == DAYS
    assert objects[-1] < objects[DAYS // 3] * 1.2
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert sizes["supervisor.json"] < 16_384
    assert sum(sizes.values()) < 2 * LIMIT_BYTES + 16_384
