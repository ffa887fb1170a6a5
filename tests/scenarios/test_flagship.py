"""What the flagship run has to show, on several seeds; nothing of it is written into the code."""

from __future__ import annotations

import pytest

from health import Policy
from scenarios import demo

SEEDS = (1, 2, 3)
P_MS = 5156.25
"""165,000 counts of a 32 kHz clock: the true period for a configured 5000 ms."""
LOOP_WORK_MS = 1.0


@pytest.fixture(params=SEEDS)
def rows(request, demo_episodes):
    return [episode.row for episode in demo_episodes(request.param)]


def of(rows, incident, manner=None, policy=None, position="device"):
    return [
        row
        for row in rows
        if row.incident == incident
        and row.position == position
        and (manner is None or row.manner == manner)
        and (policy is None or row.policy == policy)
        and not row.options
    ]


def one(rows, incident, policy, manner=None, position="device"):
    (found,) = of(rows, incident, manner, policy, position)
    return found


def test_every_incident_runs_under_every_preset_and_once_from_the_host(rows):
    """F1, F16 in both manners, main death and the paused reader: 5 presets and the host each."""
    for incident, manner in (
        ("F1", None),
        ("F16", "blocked"),
        ("F16", "spinning"),
        ("HANGMAIN", None),
        ("F6", None),
    ):
        assert [row.policy for row in of(rows, incident, manner)] == list(Policy.preset_names())
        assert len(of(rows, incident, manner, position="host")) == 1


def test_no_fault_is_left_unused_and_no_invariant_is_broken(rows):
    """A fault that did nothing is a broken test; the oracle holds in every row."""
    assert all(row.unused_faults == () and row.violations == () for row in rows)


def test_no_watchdog_recovers_nothing(rows):
    """Under policy none no wedge ever ends, and nothing is detected."""
    for row in rows:
        if row.policy == "none":
            assert row.verdict in ("locked_up", "degraded", "left_alone")
            assert row.detected_level is None
            assert row.remedies == ()
            assert (row.verdict == "left_alone") == (row.incident == "F6")


def test_f1_is_a_spin(rows):
    """F1 needs no fault, spins, and costs EP0; the host sees a time-out of STARTFX3."""
    for row in of(rows, "F1") + of(rows, "F1", position="host"):
        assert row.injected == ()
        assert row.manner == "spinning"
        assert row.host_saw == "time-out of STARTFX3"
        assert row.host_saw_in in ("cycle 2", "cycle 3")
        assert row.ep0 == "EP0 dead"


@pytest.mark.parametrize("policy", ["none", "level-1", "level-1-4"])
@pytest.mark.parametrize("incident", ["F1", "F16"])
def test_a_spin_starves_level_4(rows, incident, policy):
    """A spin at priority 4 starves the main thread at priority 8, so level 4 never fires."""
    row = one(rows, incident, policy, "spinning")
    assert row.verdict == "locked_up"
    assert row.detected_level is None
    assert row.serving_after_ms is None


@pytest.mark.parametrize("policy", ["level-1-4-5", "reference"])
@pytest.mark.parametrize("incident", ["F1", "F16"])
def test_level_5_ends_a_spin(rows, incident, policy):
    """The hardware watchdog resets within (P - 100, P + C], and the host uploads again."""
    row = one(rows, incident, policy, "spinning")
    pet_ms = Policy.preset(policy).pet_interval_ms
    assert row.verdict == "recovered"
    assert row.remedies == (5,)
    assert P_MS - 100 < row.detected_after_ms <= P_MS + pet_ms
    assert row.uploads == 1
    assert row.serving_after_ms > row.detected_after_ms


@pytest.mark.parametrize("policy", ["level-1-4", "level-1-4-5", "reference"])
def test_level_4_ends_a_blocked_handler(rows, policy):
    """The main loop lives: the device is reset about 2 s after the handler was entered.

    The hang begins up to two ticks after the entry, at which the limit counts.
    """
    row = one(rows, "F16", policy, "blocked")
    assert row.verdict == "recovered"
    assert row.remedies == (4,)
    assert 1997 < row.detected_after_ms <= 2100 + LOOP_WORK_MS
    assert row.uploads == 1


@pytest.mark.parametrize("policy", ["none", "level-1"])
def test_level_1_does_not_see_a_blocked_handler(rows, policy):
    """The streaming watchdog is blind to EP0."""
    assert one(rows, "F16", policy, "blocked").verdict == "locked_up"


@pytest.mark.parametrize("policy", ["none", "level-1", "level-1-4"])
def test_a_dead_main_thread_is_only_seen_by_level_5(rows, policy):
    """All goes on, the host sees nothing; but nobody watches any more."""
    row = one(rows, "HANGMAIN", policy)
    assert (row.verdict, row.host_saw, row.detected_level) == ("degraded", "nothing", None)
    assert row.serving_after_ms == 0


@pytest.mark.parametrize("policy", ["level-1-4-5", "reference"])
def test_level_5_ends_a_dead_main_thread(rows, policy):
    """Reset within (P - 100, P + C] of the death."""
    row = one(rows, "HANGMAIN", policy)
    pet_ms = Policy.preset(policy).pet_interval_ms
    assert row.verdict == "recovered"
    assert row.remedies == (5,)
    assert P_MS - 100 < row.detected_after_ms <= P_MS + pet_ms
    assert row.host_saw == "device gone"


@pytest.mark.parametrize("policy", Policy.preset_names())
def test_a_paused_reader_is_left_alone(rows, policy):
    """Level 1 up to its cap and nothing more; the stream goes on where the reader does."""
    row = one(rows, "F6", policy)
    chosen = Policy.preset(policy)
    assert row.verdict == "left_alone"
    assert row.uploads == 0
    assert row.remedies == (1,) * (chosen.level_1_cap if chosen.level_1_enabled else 0)
    assert 10_000 <= row.serving_after_ms < 10_150
    if row.remedies:
        # Three or four polls of 100 ms from the pause on.
        assert 300 < row.detected_after_ms <= 400 + LOOP_WORK_MS


@pytest.mark.parametrize(("incident", "manner"), [("F1", None), ("F16", "blocked"), ("F16", None)])
def test_the_host_cannot_mend_a_hung_usb_thread(rows, incident, manner):
    """A port reset needs an enumeration that the hung thread does not answer."""
    for row in of(rows, incident, manner, position="host"):
        assert row.verdict == "locked_up"
        assert row.detected_level == 4
        assert set(row.remedies) == {4}
        # One probe, its time-out and one poll later than the device would know.
        assert 2000 <= row.detected_after_ms <= 4200


def test_the_host_does_not_see_a_dead_main_thread(rows):
    """EP0 and stream serve, so there is nothing to see over USB."""
    row = one(rows, "HANGMAIN", "reference", position="host")
    assert (row.verdict, row.detected_level) == ("degraded", None)


def test_f1_with_a_socket_that_lets_go_is_seen_by_nobody(rows):
    """EP0 lives and the stream is dead; GETSTATS of that firmware does not tell the clock."""
    found = [row for row in rows if row.options]
    assert [row.position for row in found] == ["device", "host"]
    for row in found:
        assert (row.incident, row.options) == ("F1", ("socket_disable_hangs=off",))
        assert (row.verdict, row.detected_level) == ("degraded", None)
        assert (row.host_saw, row.ep0) == ("no data for 2 s", "EP0 answers")


def test_the_host_sees_a_cold_start_that_the_firmware_cannot(rows):
    """Firmware 2.3 never samples its clock; its host reads it with GETSTATS, and climbs to 4."""
    device = one(rows, "F25", "reference")
    host = one(rows, "F25", "reference", position="host")
    assert (device.verdict, device.detected_level) == ("degraded", None)
    assert (host.verdict, host.remedies, host.uploads) == ("recovered", (1, 3, 4), 1)


def test_the_picture_shows_a_block_that_ends_and_a_spin_that_needs_level_5(demo_episodes):
    """The two episodes that are drawn have recovered, by level 4 and by level 5."""
    drawn = [episode.row for episode in demo.pictured(list(demo_episodes(1)))]
    assert [(row.manner, row.detected_level) for row in drawn] == [("blocked", 4), ("spinning", 5)]
    assert {row.verdict for row in drawn} == {"recovered"}
