"""The incidents over many phases, and on the revisions that mended them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from health import Policy
from scenarios.incidents import stopfx3_hang
from scenarios.registry import INCIDENTS, SCENARIOS, find
from scenarios.runner import run_episode
from sim.faults import Fault
from sim.kernel import Stream
from sim.options import Options

MENDED = ("fw-2.2", "fw-2.3", "reference")
P_NS = 5_156_250_000


def wedge(late_read_ms, offset_ns, hangs, packet_ns=2_560):
    """F1 with its read at a chosen time after START."""
    options = Options(
        socket_disable_hangs=hangs, control_status_ns=20_000 + offset_ns, packet_ns=packet_ns
    )
    return run_episode(
        find("stop_start_wedge"),
        policy="none",
        options=options,
        parameters={"late_read_ms": late_read_ms},
        seed=late_read_ms * 1000 + offset_ns % 997,
    ).row


PHASES = [(2, 200_000), (2, 500_000), (2, 999_999)]
PHASES += [(late, offset) for late in range(3, 11) for offset in (0, 137_000, 611_803)]


@pytest.mark.parametrize(("late_read_ms", "offset_ns"), PHASES)
def test_f1_dies_at_its_2nd_or_3rd_cycle_in_every_phase(late_read_ms, offset_ns):
    """With the socket that never lets go, START of the next cycle times out and EP0 is dead."""
    row = wedge(late_read_ms, offset_ns, hangs=True)
    assert row.host_saw == "time-out of STARTFX3"
    assert row.host_saw_in in ("cycle 2", "cycle 3")
    assert (row.ep0, row.manner, row.verdict) == ("EP0 dead", "spinning", "locked_up")


@pytest.mark.parametrize(("late_read_ms", "offset_ns"), PHASES[::3])
def test_f1_with_a_socket_that_lets_go_kills_the_stream_alone(late_read_ms, offset_ns):
    """The stream comes up on the wrong producer and delivers nothing, while EP0 lives."""
    row = wedge(late_read_ms, offset_ns, hangs=False)
    assert row.host_saw == "no data for 2 s"
    assert row.host_saw_in in ("cycle 2", "cycle 3")
    assert (row.ep0, row.manner, row.verdict) == ("EP0 answers", None, "degraded")


@pytest.mark.parametrize("firmware", MENDED)
@pytest.mark.parametrize("late_read_ms", [2, 3, 7, 10])
def test_f1_is_mended_in_later_firmware(firmware, late_read_ms):
    """With the 16-edge table and a STOP that disables the state machine all cycles pass."""
    row = run_episode(
        find("stop_start_wedge"), firmware=firmware, parameters={"late_read_ms": late_read_ms}
    ).row
    assert (row.verdict, row.host_saw, row.host_saw_in) == ("left_alone", "nothing", "cycle 5")
    assert row.is_good


@pytest.mark.parametrize("firmware", MENDED)
def test_stopfx3_hang_passes_without_a_fault(firmware):
    """Fifty starts and stops without a read are legal, under the most watchful policy too."""
    row = run_episode(find("stopfx3_hang"), firmware=firmware, faults=()).row
    assert (row.verdict, row.remedies, row.violations) == ("left_alone", (), ())


@pytest.mark.parametrize("seed", range(24))
def test_level_4_answers_a_blocked_handler_in_its_window(seed):
    """(1999, 2100] ms from the entry of the handler, plus one loop's work, at every phase.

    The fault sits in the handler's sleep, before which no time passes: the entry is the onset.
    """
    fault = Fault.parse("hang:call=thread_sleep,thread=usb,during=STOPFX3,nth=2")
    episode = run_episode(find("stopfx3_hang"), policy="level-1-4", seed=seed, faults=[fault])
    assert episode.facts.triggered[0][0] in episode.facts.requests_ns("STOPFX3")
    assert episode.row.remedies == (4,)
    assert 1999 < episode.row.detected_after_ms <= 2101


@pytest.mark.parametrize("policy", ["level-1-4-5", "reference"])
@pytest.mark.parametrize("seed", range(8))
def test_level_5_answers_main_death_in_its_window(seed, policy):
    """(P - 100, P + C] ms after the death and [P, P + C] after the last beat."""
    episode = run_episode(find("main_death"), policy=policy, seed=seed)
    pet_ns = Policy.preset(policy).pet_interval_ms * 1_000_000
    (reset,) = episode.facts.resets
    last_beat_ns = max(at for at in episode.facts.beats_ns if at < reset.at_ns)
    assert P_NS <= reset.at_ns - last_beat_ns <= P_NS + pet_ns
    assert 5056.25 < episode.row.detected_after_ms <= 5156.25 + pet_ns / 1e6


def test_the_stop_that_hangs_is_drawn_from_the_seed():
    """One of the 2nd to the 50th, the same in both manners, not the same for all seeds."""
    drawn = {stopfx3_hang.hang(Stream(seed, "stopfx3_hang"), "blocked").nth for seed in range(60)}
    assert min(drawn) >= 2
    assert max(drawn) <= 50
    assert len(drawn) > 20


@pytest.mark.parametrize("policy", Policy.preset_names())
@pytest.mark.parametrize("position", ["device", "host"])
def test_a_steady_stream_is_left_alone(policy, position):
    """Legal use: no remedy at all under any preset, from either position."""
    row = run_episode(find("steady_stream"), policy=policy, position=position).row
    assert (row.verdict, row.remedies, row.violations) == ("left_alone", (), ())


@pytest.mark.parametrize("policy", ["level-1-4-5", "reference"])
def test_an_uncapped_level_1_restarts_a_paused_stream_for_ever(policy):
    """F6: without the cap one recovery every 4 ticks, so the cap is what ends it."""
    uncapped = replace(Policy.preset(policy), name="uncapped", level_1_cap=0)
    row = run_episode(find("paused_reader"), policy=uncapped).row
    assert 24 <= len(row.remedies) <= 26
    assert set(row.remedies) == {1}


def test_all_scenarios_have_a_summary_and_a_firmware():
    """The metadata that the list shows is there."""
    for name, scenario in SCENARIOS.items():
        assert name == scenario.name
        assert scenario.summary
        assert scenario.title or scenario not in INCIDENTS
        assert scenario.firmware in scenario.firmwares


def primed_cycles(station, late_stop_ms):
    """The same cycles with each read queued before its START."""
    station.set_clock(32_000_000)
    for cycle in range(1, 6):
        station.begin(f"cycle {cycle}")
        station.primed_start()
        station.sleep_ms(late_stop_ms)
        station.stop()
        station.sleep_ms(100)


@pytest.mark.parametrize(("late_stop_ms", "wedges"), [(0, False), (1, False), (3, True)])
def test_f1_needs_a_ring_that_filled(late_stop_ms, wedges):
    """A read queued before START and a prompt STOP show no wedge: a limit of what is known.

    The ring of 8 buffers fills 2.05 ms after the read's last byte when nobody reads on.
    """
    scenario = replace(
        find("stop_start_wedge"), run=primed_cycles, draw=lambda random: {"late_stop_ms": 0}
    )
    for seed in range(6):
        row = run_episode(
            scenario, policy="none", seed=seed, parameters={"late_stop_ms": late_stop_ms}
        ).row
        assert (row.verdict == "locked_up") == wedges
