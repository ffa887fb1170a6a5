"""The matrix: its cells are the firmware's calls, its onsets the worst, and what comes of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from health import Policy
from scenarios.errors import InputError
from scenarios.lab import calls, cells as cell_module
from scenarios.lab.cells import BUSY_HOST, DESYNC, LOCKS, STREAM, Cell, Phase, cells, phases
from scenarios.lab.claims import HARMLESS, SERVES, Claim, claim
from scenarios.lab.histories import HISTORIES, REQUESTS
from scenarios.lab.matrix import (
    BROKE_DOWN,
    Place,
    Result,
    Run,
    broken,
    grouped,
    run_at,
    run_cell,
)
from scenarios.runner import run_episode
from sim.faults import Fault

REFERENCE = Policy.preset("reference")
SHIPPED = Policy.preset("level-1-4-5")
PHASE = Phase("worst", 6_000, 1)
POLLED = {"thread_sleep", "i2c_receive_bytes"}
"""STARTADC calls these until the PLL has locked, so how often depends on the phase."""


def names(firmware, request):
    return [site.call for site in calls.record(firmware, REFERENCE, request).sites]


def in_reset(request="STOPFX3", call="dma_multi_channel_reset", **fields):
    during = "" if request == "SET_CONFIGURATION" else request
    return Cell(request, Fault("hang", call=call, thread="usb", during=during, **fields))


# ---------------------------------------------------------------- cells


def test_the_calls_of_a_request_are_recorded_from_the_firmware():
    """USBHandler.c: STOP lowers the trigger, sleeps, stops the state machine, resets, flushes."""
    assert names("reference", "STOPFX3")[2:8] == [
        "gpif_control_sw_input",
        "thread_sleep",
        "gpif_get_sm_state",
        "gpif_disable",
        "dma_multi_channel_reset",
        "usb_flush_ep",
    ]


def test_incident_f1_shows_in_the_calls():
    """Before commit 49b4e54 STOP never disabled the state machine, so there is no such cell."""
    assert "gpif_disable" not in names("original", "STOPFX3")


def test_incident_f20_shows_in_the_calls():
    """Release 0.1.0 looks at the clock after the data stage, the reference before it."""
    late, early = names("fw-2.3", "STARTFX3"), names("reference", "STARTFX3")
    assert late.index("usb_get_ep0_data") < late.index("i2c_receive_bytes")
    assert early.index("i2c_receive_bytes") < early.index("usb_get_ep0_data")


@pytest.mark.parametrize("firmware", ["reference", "fw-2.3", "original"])
def test_every_request_makes_calls_and_every_call_has_every_fault(firmware):
    """Blocked and spinning, with each lock; late; and an error where it can return one."""
    found = cells(firmware, REFERENCE)
    assert len({cell.name for cell in found}) == len(found)
    for request in REQUESTS:
        sites = calls.record(firmware, REFERENCE, request).sites
        assert len(sites) >= 6
        for site in sites:
            here = [
                cell.fault
                for cell in found
                if (cell.request, cell.fault.call, cell.fault.nth) == (request, site.call, site.nth)
            ]
            hangs = {(item.manner, item.lock) for item in here if item.kind == "hang"}
            assert hangs == {(how, lock) for how in ("blocked", "spinning") for lock in LOCKS}
            assert sum(item.kind == "delay" for item in here) == 2


def test_every_recorded_call_can_be_struck():
    """The injector counts as the recording did: at the worst onset each hang takes effect."""
    place = Place(REFERENCE, "device", "reference", sampled=0)
    for request in REQUESTS:
        for site in calls.record("reference", REFERENCE, request).sites:
            cell = in_reset(request, site.call, nth=site.nth, manner="spinning")
            [phase] = phases(cell, "reference", REFERENCE, 1, 0)
            run = run_at(place, cell, phase)
            assert run.is_reached or site.call in POLLED, cell.name


def test_a_call_that_no_onset_reaches_is_an_error_not_a_pass():
    """An injected fault that did nothing says nothing about the policy."""
    place = Place(REFERENCE, "device", "reference", sampled=0)
    with pytest.raises(InputError, match="no onset reached the call"):
        run_cell(place, in_reset(nth=2, request="STARTADC"))


# ---------------------------------------------------------------- onsets


def test_the_onsets_follow_from_the_seed_and_are_the_cell_s_own():
    """Same seed, same onsets, for every policy; two cells do not share theirs."""
    one, two = in_reset(), in_reset(call="usb_flush_ep")
    drawn = phases(one, "reference", REFERENCE, 7, 5)
    assert drawn == phases(one, "reference", REFERENCE, 7, 5)
    shipped = phases(one, "reference", SHIPPED, 7, 5)
    assert [item.at_ms for item in drawn[1:]] == [item.at_ms for item in shipped[1:]]
    other = phases(two, "reference", REFERENCE, 7, 5)
    assert [item.at_ms for item in drawn[1:]] != [item.at_ms for item in other[1:]]


@pytest.mark.parametrize(
    ("manner", "policy", "bound_ms"),
    [
        ("blocked", REFERENCE, 2_100),
        ("spinning", REFERENCE, 5_156.25 + 1_500),
        ("spinning", SHIPPED, 5_156.25 + 3_000),
    ],
)
def test_the_worst_onset_comes_within_ticks_of_the_closed_form(manner, policy, bound_ms):
    """Limit + poll for level 4; P + C for level 5, "within P" is wrong (judgement)."""
    place = Place(policy, "device", "reference", sampled=6)
    result = run_cell(place, in_reset(manner=manner))
    worst = result.runs[0].detected_ms
    assert worst == result.detected_ms
    assert bound_ms - 5 <= worst <= bound_ms


def test_the_worst_onset_is_the_only_one_of_its_kind():
    """100 ms earlier that beat is not the last before the pet: the reset comes C sooner."""
    place = Place(SHIPPED, "device", "reference")
    cell = in_reset(manner="spinning")
    [worst] = phases(cell, "reference", SHIPPED, 1, 0)
    late = run_at(place, cell, worst).detected_ms
    early = run_at(place, cell, replace(worst, at_ms=worst.at_ms - 100)).detected_ms
    assert late - early == pytest.approx(2_900, abs=1)


# ---------------------------------------------------------------- claims


@pytest.mark.parametrize(
    ("after_ms", "is_kept"), [(2_102.999, True), (2_103.0, True), (2_103.001, False)]
)
def test_a_claim_is_broken_just_past_its_bound(after_ms, is_kept):
    """T - 1, T and T + 1 in the trace's own microseconds."""
    run = Run(PHASE, ((4, after_ms),), 3_000.0, "recovered", True)
    assert (not list(broken(Claim("recovers", 4, 2_103), run))) is is_kept


@pytest.mark.parametrize(
    ("promised", "run", "text"),
    [
        (SERVES, Run(PHASE, (), None, "locked_up", True), "claimed, but locked up"),
        (
            HARMLESS,
            Run(PHASE, ((4, 10.0),), 2_000.0, "recovered", True),
            "level 4 answered a legal history",
        ),
        (
            Claim("recovers", 4, 2_103),
            Run(PHASE, ((1, 10.0),), 20.0, "recovered", True),
            "level 4 claimed, but none answered",
        ),
        (None, Run(PHASE, (), None, BROKE_DOWN, True), "the bench broke down"),
    ],
)
def test_what_breaks_a_claim(promised, run, text):
    assert list(broken(promised, run)) == [text]


def test_without_a_claim_nothing_but_the_bench_can_break():
    """A gap is told, not punished."""
    assert list(broken(None, Run(PHASE, (), None, "locked_up", True))) == []


WAITS = Claim("recovers", 5, 2_103 + 8_160, instead=Claim("recovers", 4, 2_103))
"""A handler holds a lock on a firmware whose level 1 may wait for it: level 5 is left then, and
level 4 answers where nothing below it is tried."""


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        (((4, 2_103.0),), []),
        (((4, 2_103.001),), ["level 5 claimed, but none answered"]),
        (((1, 1_298.0), (5, 8_154.0)), []),
        (((5, 10_263.0),), []),
        (((5, 10_263.001),), ["answered after 10263 ms, claimed within 10263 ms"]),
        (((1, 1_298.0),), ["level 5 claimed, but none answered"]),
    ],
)
def test_where_a_remedy_may_wait_for_a_lock_either_level_keeps_its_own_time(answers, says):
    """Level 4 may not come as late as level 5 may."""
    run = Run(PHASE, answers, 12_000.0, "recovered", True)
    assert list(broken(WAITS, run)) == says


def test_the_claim_about_a_held_lock_names_the_level_that_acts():
    """Level 1 waits for ever where the host stopped reading; level 4 answers where it reads on."""
    place = Place(SHIPPED, "device", "fw-2.3", sampled=6)
    for call, level in (("usb_get_ep0_data", 5), ("gpif_disable", 4)):
        result = run_cell(place, in_reset(call=call, lock="channel"))
        assert (result.claim, result.levels, result.reds) == (WAITS, (level,), ())
        named = {int(item.level) for item in (result.claim, result.claim.instead)}
        assert level in named


def test_what_policies_claim():
    """Each claim in closed form from the policy's own numbers."""
    blocked, spinning = in_reset(), in_reset(manner="spinning")
    held = in_reset(lock="channel")
    configured = in_reset("SET_CONFIGURATION")
    assert claim(SHIPPED, "device", "reference", blocked) == Claim("recovers", 4, 2_103)
    assert claim(SHIPPED, "device", "reference", spinning) == Claim("recovers", 5, 8_160)
    assert claim(REFERENCE, "device", "reference", spinning) == Claim("recovers", 5, 6_660)
    assert claim(SHIPPED, "device", "reference", configured) is None
    assert claim(REFERENCE, "device", "reference", configured) == Claim("recovers", 4, 2_103)
    assert claim(SHIPPED, "device", "reference", held) == Claim("recovers", 4, 2_103)
    blocked_claim = Claim("recovers", 4, 2_103)
    assert claim(SHIPPED, "device", "fw-2.3", held) == WAITS
    assert claim(SHIPPED, "device", "fw-2.3", blocked) == blocked_claim
    assert claim(REFERENCE, "host", "reference", blocked) is None
    level_1_4 = Policy.preset("level-1-4")
    assert claim(level_1_4, "device", "reference", spinning) is None
    assert claim(level_1_4, "device", "fw-2.3", held) is None


# ---------------------------------------------------------------- what the policies make of it


def some(firmware):
    """A cell of each kind: one call of each request, and what strikes no call."""
    first = {}
    for cell in cells(firmware, REFERENCE):
        fault = cell.fault
        if fault.call in ("", "dma_multi_channel_reset", "set_ep_config", "gpif_load"):
            key = (cell.request, fault.kind, fault.manner, fault.lock, fault.until)
            first.setdefault(key, cell)
    return tuple(first.values())


def compare(firmware, chosen):
    """Results of the reference policy and of the shipped one, cell by cell."""
    own, shipped = (
        [run_cell(Place(policy, "device", firmware), cell) for cell in chosen]
        for policy in (REFERENCE, SHIPPED)
    )
    return list(zip(own, shipped, strict=True))


PET_MS = 0.1
"""A pet blocks every thread for so long (health.c), and the reference policy pets twice as often:
where it alone pets before a level acts, everything comes that much later."""


def assert_never_later(pairs):
    """Not over all onsets, and not at any of those that both were looked at."""
    for own, shipped in pairs:
        assert own.reds == (), own.cell.name
        onsets = [(one, other) for one in own.runs for other in shipped.runs]
        same = [pair for pair in onsets if pair[0].phase == pair[1].phase]
        assert len(same) >= 1
        if own.cell.fault.kind == "timer_death":
            # The watchdog counts from the last pet, and the rarer it is, the older it may be: only
            # the worst over all onsets can be compared, and only as sharply as they were sampled.
            same = []
        for one, other in [*same, (own, shipped)]:
            if other.serving_ms is not None:
                assert one.serving_ms is not None, own.cell.name
                assert one.serving_ms <= other.serving_ms + 2 * PET_MS, own.cell.name


@pytest.mark.parametrize("firmware", ["reference", "fw-2.3"])
def test_in_no_cell_the_reference_policy_serves_later_than_the_shipped_one(firmware):
    """All five levels cost nothing where two are enough."""
    assert_never_later(compare(firmware, some(firmware)))


@pytest.mark.heavy
@pytest.mark.parametrize("firmware", ["reference", "fw-2.3"])
def test_in_no_cell_at_all(firmware):
    """The same over the whole matrix."""
    assert_never_later(compare(firmware, cells(firmware, REFERENCE)))


def test_the_shipped_policy_locks_up_when_set_configuration_blocks():
    """Nobody looks at the USB event callback there, and the main loop beats on (health.c)."""
    place = Place(SHIPPED, "device", "fw-2.3", sampled=0)
    result = run_cell(place, in_reset("SET_CONFIGURATION", "set_ep_config"))
    assert (result.verdict, result.levels, result.claim) == ("locked_up", (), None)


def test_on_the_shipped_firmware_level_1_can_wait_for_the_lock_of_a_hung_handler():
    """Levels take locks that a hung EP0 thread may hold (judgement): 2.1 s become 8 s and more."""
    cell = in_reset(call="usb_get_ep0_data", lock="channel")
    shipped = run_cell(Place(SHIPPED, "device", "fw-2.3", sampled=0), cell)
    waiting = run_cell(Place(SHIPPED, "device", "reference", sampled=0), cell)
    assert shipped.levels == (5,)
    assert shipped.detected_ms > 5_156
    assert waiting.levels == (4,)
    assert waiting.detected_ms < 2_100


def test_from_the_host_no_level_reaches_a_hung_usb_thread():
    """RESETFX3 and a port reset are both served by the thread that hangs."""
    result = run_cell(Place(REFERENCE, "host", "reference", sampled=0), in_reset())
    assert (result.verdict, result.claim) == ("locked_up", None)


def test_a_patient_host_never_shows_its_desync():
    """Time-outs of 1000 ms are too slow for 4 errors in 2 s; a busy host is mended by level 2."""
    place = Place(REFERENCE, "device", "reference", sampled=0)
    patient, busy = (run_cell(place, Cell(request, DESYNC)) for request in ("STOPFX3", BUSY_HOST))
    assert (patient.verdict, patient.claim) == ("degraded", None)
    assert (busy.verdict, busy.levels) == ("recovered", (2,))


# ---------------------------------------------------------------- the table


def test_the_worst_group_is_the_first():
    """Red before gaps, gaps before what is well; what ended alike is one line."""
    cell, other = in_reset(), in_reset(call="usb_flush_ep")
    well = Run(PHASE, ((4, 2_000.0),), 3_600.0, "recovered", True)
    dead = Run(PHASE, (), None, "locked_up", True)
    good = Result(cell, Claim("recovers", 4, 2_103), (well,))
    alike = Result(other, Claim("recovers", 4, 2_103), (well,))
    gap = Result(in_reset(lock="usb"), None, (dead,))
    red = Result(in_reset(manner="spinning"), Claim("recovers", 5, 6_660), (dead,))
    groups = grouped([good, gap, alike, red])
    assert [group.results for group in groups] == [(red,), (gap,), (good, alike)]
    assert groups[2].calls == ("dma_multi_channel_reset", "usb_flush_ep")


@pytest.mark.parametrize("name", [name for name in HISTORIES if name != "around_stream"])
def test_a_history_goes_well_by_itself(name):
    """What the faults are put into is legal and ends with a device that serves."""
    found = run_episode(HISTORIES[name], faults=(), parameters={"at_ms": 6_000})
    assert found.row.verdict == "left_alone"
    assert found.row.violations == ()


def test_a_moment_that_has_passed_is_an_error():
    """The history cannot be asked for a phase before it is ready."""
    with pytest.raises(InputError, match="at_ms=3 has passed"):
        run_episode(HISTORIES["around_stopfx3"], faults=(), parameters={"at_ms": 3})


def test_the_whole_device_is_struck_in_a_stream():
    """Threads, stream, clock and host have cells of their own."""
    kinds = {cell.fault.kind for cell in cells("reference", REFERENCE) if cell.request == STREAM}
    assert kinds == {fault.kind for fault in cell_module.WHOLE_DEVICE}


def test_two_cold_starts_are_told_apart():
    """One is over at the next restart, the other at the next reset alone."""
    place = Place(REFERENCE, "device", "reference", sampled=0)
    found = [run_cell(place, Cell("STARTFX3", fault)) for fault in cell_module.COLD_STARTS]
    assert {group.fault for group in grouped(found)} == {
        "cold start until restart",
        "cold start until reset",
    }


def by_name(name):
    return next(cell for cell in cells("reference", REFERENCE) if cell.name == name)


@pytest.mark.parametrize(
    ("name", "least_ms", "most_ms"),
    [
        # It takes effect at the top of a loop: a poll interval, and so a beat, after the last one.
        ("stream: main_hang", 5_156.25 + 1_500 - 100 - 2, 5_156.25 + 1_500),
        ("stream: main_hang:manner=spinning", 5_156.25 + 1_500 - 100 - 2, 5_156.25 + 1_500),
        ("stream: timer_death", 5_156.25 - 2, 5_156.25),
        ("stream: dma_error", 403.225 - 2, 403.225),
        ("STARTFX3: cold_start:until=restart", 601.225 - 2, 601.225),
    ],
)
def test_the_worst_onset_of_the_whole_device_comes_near_its_closed_form(name, least_ms, most_ms):
    """In a stream polls are off by the clock's reading, which only the history itself shows."""
    cell = by_name(name)
    for seed in (1, 2):
        [worst] = phases(cell, "reference", REFERENCE, seed, 0)
        detected_ms = run_at(Place(REFERENCE, "device", "reference"), cell, worst).detected_ms
        assert least_ms <= detected_ms <= most_ms
