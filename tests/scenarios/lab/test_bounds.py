"""What a policy answers, how soon and how late, by formula; and what is found wrong with it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner

from health import Level, Policy
from health.errors import PolicyError
from hw.protocol import Request
from scenarios.cli import cli
from scenarios.errors import InputError
from scenarios.lab import bounds as forms, strikes
from scenarios.lab.bench import PET_NS, LabBench, read_board
from scenarios.lab.bounds import Condition, bounds
from scenarios.lab.findings import Severity, findings
from sim.faults import Fault
from sim.options import Options
from sim.world import BenchWorld
from tests.sim.bench import word

MS = 1_000_000
PERIOD_NS = 5_156_250_000
SHIPPED = Policy.preset("level-1-4-5")
REFERENCE = Policy.preset("reference")
FW_2_3 = LabBench.of("fw-2.3")
LATEST = LabBench.of("reference")
ROOT = Path(__file__).parents[3]


def fx3loop(*arguments):
    return CliRunner().invoke(cli, [str(item) for item in arguments], prog_name="fx3loop")


# ---------------------------------------------------------------- closed forms


def test_shipped_main_death_is_reset_between_5_06_and_8_16_seconds():
    """Judgement: (P - 100, P + C] ms; in full: P less 99 ms and 1 ns, P + C less the pet's wait."""
    bound = bounds(SHIPPED, FW_2_3)[Condition.MAIN_DEATH]
    assert bound.detection is not None
    assert bound.detection.low_ns == PERIOD_NS - 99 * MS + 1
    assert bound.detection.high_ns == PERIOD_NS + 3_000 * MS - PET_NS - 1


def test_reference_main_death_is_reset_1500_ms_sooner():
    """The pet interval of 1500 ms is all that differs."""
    bound = bounds(REFERENCE, FW_2_3)[Condition.MAIN_DEATH]
    shipped = bounds(SHIPPED, FW_2_3)[Condition.MAIN_DEATH]
    assert bound.detection is not None
    assert shipped.detection is not None
    assert bound.detection.low_ns == shipped.detection.low_ns
    assert bound.detection.high_ns == shipped.detection.high_ns - 1_500 * MS


def test_blocked_handler_is_reset_from_1999_ms_on():
    """Judgement: 2000 to 2099 ticks, so (1999, 2099] ms; and the pet's wait, where one comes."""
    with_pets = bounds(SHIPPED, FW_2_3)[Condition.EP0_BLOCKED].detection
    without = bounds(Policy.preset("level-1-4"), FW_2_3)[Condition.EP0_BLOCKED].detection
    assert with_pets is not None
    assert without is not None
    assert (without.low_ns, without.high_ns) == (1_999 * MS + 1, 2_099 * MS)
    assert (with_pets.low_ns, with_pets.high_ns) == (1_999 * MS + 1, 2_099 * MS + PET_NS)


def test_what_a_policy_does_not_look_for_is_unseen():
    """Each of them says which field is off."""
    unseen = {
        condition: bound.unseen
        for condition, bound in bounds(Policy.preset("level-1-4"), FW_2_3).items()
        if bound.level is None
    }
    assert set(unseen) == {
        Condition.MAIN_DEATH,
        Condition.USB_SPIN,
        Condition.USB_EVENT_BLOCKED,
        Condition.COLD_START,
    }
    assert all(unseen.values())
    without = bounds(Policy.preset("none"), FW_2_3)
    assert all(bound.unseen for bound in without.values())
    assert not any("level 5 rests" in bound.unseen for bound in without.values())


def test_clocks_that_are_off_stretch_their_own_terms_alone():
    """cyu3os.h: the tick is off by up to 4 %; the watchdog has a clock of its own."""
    bench = LabBench.of("fw-2.3", Options(tick_ppm=40_000, watchdog_clock_ppm=-30_000))
    detection = bounds(SHIPPED, bench)[Condition.MAIN_DEATH].detection
    assert detection is not None
    period_ns = PERIOD_NS * 100 // 97
    assert detection.low_ns == period_ns - 99 * 1_040_000 + 1
    assert detection.high_ns == period_ns + 3_000 * 1_040_000 - PET_NS - 1


def test_a_poll_that_ends_within_a_pet_of_a_tick_has_no_closed_form():
    """Whether the next poll is put off would depend on the pets before it."""
    with pytest.raises(InputError, match=r"i2c_byte_ns = 13000.*22500"):
        bounds(REFERENCE, LabBench.of("reference", Options(i2c_byte_ns=13_000)))


def test_looks_at_the_clock_put_polls_off():
    """A look of 1.1 ms moves the next poll by a tick: 100, 201, 302 ms instead of 300."""
    assert LATEST.look_ns == 1_125_000
    assert forms.still_ticks(300, REFERENCE, LATEST) == 302
    assert forms.still_ticks(300, SHIPPED, FW_2_3) == 300


# ---------------------------------------------------------------- stalls that level 5 survives


def survives_hang(policy: Policy, at_ms: int, for_ms: int) -> bool:
    """Whether a hang of the main loop from a poll on goes by without a reset."""
    options = Options(poll_offset_ms=at_ms % policy.poll_interval_ms)
    fault = Fault("main_hang", at_ms=at_ms, for_ms=for_ms)
    with BenchWorld("fw-2.3", policy, options=options, faults=[fault]) as world:
        world.boot()
        world.run_until((at_ms + for_ms + 9_000) * MS)
        assert world.injector is not None
        assert world.injector.unused == []
        return not world.chip.resets


@pytest.mark.parametrize("policy", [SHIPPED, REFERENCE], ids=lambda policy: policy.name)
def test_the_survivable_stall_is_the_longest_that_survives_everywhere(policy):
    """At the worst phase, a poll before a look is missed: j C - I passes, 1 ms more is fatal."""
    longest_ms = forms.survivable_stall_ns(policy, FW_2_3) // MS
    assert longest_ms == policy.survivable_stall_ms + policy.poll_interval_ms
    worst_ms = 6_000 + policy.pet_interval_ms - 1 + policy.poll_interval_ms
    assert survives_hang(policy, worst_ms, longest_ms)
    assert not survives_hang(policy, worst_ms, longest_ms + 1)
    for at_ms in range(6_000, 6_000 + policy.pet_interval_ms, 97):
        assert survives_hang(policy, at_ms, longest_ms)


def survives_work(policy: Policy, begin_ns: int, duration_ns: int) -> bool:
    """Whether another thread of the application may compute so long from an instant on."""
    with BenchWorld("fw-2.3", policy) as world:
        world.boot()
        world.run_until(begin_ns)
        rtos = world.chip.rtos
        assert rtos is not None
        rtos.create_thread("busy", 7, lambda: rtos.work(duration_ns))
        world.run_until(begin_ns + duration_ns + 9_000 * MS)
        return not world.chip.resets


@pytest.mark.parametrize("policy", [SHIPPED, REFERENCE], ids=lambda policy: policy.name)
def test_the_certainly_fatal_stall_is_the_shortest_that_survives_nowhere(policy):
    """(j + 1) C: right after a beat that a look missed, one that is 1 ns shorter passes."""
    fatal_ns = forms.certainly_fatal_stall_ns(policy, FW_2_3)
    assert fatal_ns == 6_000 * MS
    after_beat_ns = 6_000 * MS + PET_NS + 1
    assert not survives_work(policy, after_beat_ns, fatal_ns)
    assert survives_work(policy, after_beat_ns, fatal_ns - PET_NS - MS)


# ---------------------------------------------------------------- remedies


def test_level_1_ends_within_two_ticks():
    """RunApplication.c: it sleeps to the next tick and acts in it."""
    fault = Fault("cold_start")
    with BenchWorld("reference", REFERENCE, faults=[fault]) as world:
        world.boot()
        firmware = world.firmware
        assert firmware is not None
        platform = firmware.platform
        apply = platform.apply
        took_ns = []

        def timed(level, status):
            begun_ns = world.now_ns
            outcome = apply(level, status)
            took_ns.append((level, world.now_ns - begun_ns))
            return outcome

        platform.apply = timed
        strikes.STRIKES[Condition.COLD_START](world, 3_000 * MS)
        world.run_until(5_500 * MS)
    remedy = bounds(REFERENCE, LATEST)[Condition.COLD_START].remedy
    assert remedy is not None
    assert took_ns[0][0] == Level.STREAM
    assert remedy.low_ns <= took_ns[0][1] <= remedy.high_ns


def test_the_ladder_climbs_one_settle_time_after_the_other():
    """A cold start that only a reset mends: levels 1, 3 and 4 under the reference."""
    with BenchWorld("reference", REFERENCE, faults=[Fault("cold_start")]) as world:
        world.boot()
        firmware = world.firmware
        assert firmware is not None
        strikes.STRIKES[Condition.COLD_START](world, 3_037 * MS)
        world.run_until(9_000 * MS)
        remedies = list(firmware.remedies_applied)
    bound = bounds(REFERENCE, LATEST)[Condition.COLD_START]
    assert [level for _, level in remedies] == list(bound.ladder)
    assert bound.settle_ns is not None
    for (before_ns, _), (after_ns, _) in pairwise(remedies):
        assert 0 <= after_ns - before_ns - bound.settle_ns <= 2 * MS


@pytest.mark.parametrize("condition", [Condition.MAIN_DEATH, Condition.EP0_BLOCKED])
def test_the_bus_comes_back_in_the_time_that_is_said(condition):
    """Levels 4 and 5 end in the boot ROM; the host's upload comes in between."""
    remedy = bounds(REFERENCE, LATEST)[condition].remedy
    assert remedy is not None
    with BenchWorld("reference", REFERENCE) as world:
        world.power_on()
        began_ns = world.now_ns
        assert world.wait(world.host.appeared, 9_000 * MS)
        rom_ns = world.now_ns - began_ns
    with BenchWorld("reference", REFERENCE) as world:
        world.boot()
        application_ns = world.now_ns
    assert remedy.low_ns <= rom_ns + application_ns <= remedy.high_ns


# ---------------------------------------------------------------- findings


def rules(policy: Policy, bench: LabBench = LATEST, host_timeout_ms: int | None = None):
    return {item.rule: item.severity for item in findings(policy, bench, host_timeout_ms)}


@pytest.mark.parametrize("name", Policy.preset_names())
def test_no_preset_has_an_error(name):
    """Each preset may run on the board as it is."""
    assert Severity.ERROR not in rules(Policy.preset(name)).values()


def test_errors_come_first():
    """The reader looks at the top."""
    order = [item.severity for item in findings(SHIPPED, FW_2_3, 2_500)]
    assert order == sorted(order, key=list(Severity).index)
    assert order[0] is Severity.ERROR


@pytest.mark.parametrize(("timeout_ms", "is_error"), [(1_999, False), (2_000, True), (2_001, True)])
def test_a_host_that_waits_as_long_as_the_limit_is_an_error(timeout_ms, is_error):
    """The device would be reset while its host still waits; the boundary is the limit itself."""
    found = rules(SHIPPED, host_timeout_ms=timeout_ms)
    assert (found.get("within-host-timeout") is Severity.ERROR) == is_error


def handler_policy(limit_ms: int, longest_ms: int, name: str = "ep0_limit_ms") -> Policy:
    """A poll in each tick, and a host that gives up before the limit."""
    limits = {"ep0_limit_ms": 2_000, "usb_event_limit_ms": 2_000, name: limit_ms}
    return replace(
        REFERENCE,
        poll_interval_ms=1,
        host_control_timeout_ms=0,
        longest_handler_ms=longest_ms,
        **limits,
    )


@pytest.mark.parametrize("name", ["ep0_limit_ms", "usb_event_limit_ms"])
@pytest.mark.parametrize(("limit_ms", "severity"), [(201, Severity.WARNING), (202, None)])
def test_a_limit_without_margin_for_the_longest_handler_is_warned_of(name, limit_ms, severity):
    """One of 200 ms is survived by a limit of 201, at no margin: what lasts 201 ms is reset.

    A limit of 200 itself is no policy at all (``limit-above-longest-handler``).
    """
    with pytest.raises(PolicyError, match="limit-above-longest-handler"):
        handler_policy(200, 200, name)
    policy = handler_policy(limit_ms, 200, name)
    condition = Condition.EP0_BLOCKED if name == "ep0_limit_ms" else Condition.USB_EVENT_BLOCKED
    assert bounds(policy, LATEST)[condition].margin_ns == (limit_ms - 201) * MS
    found = [item for item in findings(policy, LATEST) if item.rule == "no-handler-margin"]
    assert [item.severity for item in found] == ([severity] if severity else [])
    assert all(f"{name} = {limit_ms}" in item.text and "200 ms" in item.text for item in found)


@pytest.mark.parametrize(
    ("limit_ms", "rule"), [(100, "resets-startadc"), (101, "no-handler-margin"), (102, None)]
)
def test_what_startadc_is_known_to_take_is_legal_whatever_the_policy_says(limit_ms, rule):
    """100 polls for the PLL's lock, a tick each.

    The simulator agrees: at some phases within a tick the device is reset, and beyond at none.
    """
    policy = handler_policy(limit_ms, 0)
    found = rules(policy, FW_2_3)
    assert [name for name in ("resets-startadc", "no-handler-margin") if name in found] == (
        [rule] if rule else []
    )
    assert (found.get("resets-startadc") is Severity.ERROR) == (limit_ms == 100)
    resets = 0
    for phase_ns in range(0, MS, 100_000):
        with BenchWorld("fw-2.3", policy, options=Options(pll_lock_ms=60_000)) as world:
            world.boot()
            world.run_until(1_000 * MS + phase_ns)
            word(world, Request.STARTADC, 64_000_000)
            world.run_until(1_200 * MS)
            resets += len(world.chip.resets)
    assert (resets > 0) == (limit_ms == 100)


def test_an_event_handler_is_no_startadc():
    """What a vendor request takes says nothing about the USB event callback."""
    assert "resets-startadc" not in rules(handler_policy(50, 0, "usb_event_limit_ms"))


@pytest.mark.parametrize(("timeout_ms", "is_warned"), [(500, True), (666, True), (667, False)])
def test_a_host_that_repeats_soon_makes_a_desync(timeout_ms, is_warned):
    """Four failures within 2000 ms: the first and the fourth are three time-outs apart."""
    assert ("patient-host-desyncs" in rules(REFERENCE, host_timeout_ms=timeout_ms)) == is_warned


def test_clocks_can_make_a_healthy_device_reset():
    """A pet of 4900 ms on a slow tick against a fast watchdog clock; on a nominal board it holds.

    So the tolerance of a board decides, and the policy alone cannot.
    """
    tight = replace(SHIPPED, pet_interval_ms=4_900)
    worn = LabBench.of("fw-2.3", Options(tick_ppm=40_000, watchdog_clock_ppm=30_000))
    assert "fires-in-health" not in rules(tight)
    assert rules(tight, worn)["fires-in-health"] is Severity.ERROR
    assert bounds(tight, worn)[Condition.MAIN_DEATH].unseen
    with BenchWorld("fw-2.3", tight, options=worn.options) as world:
        world.boot()
        world.run_until(6_000 * MS)
        assert [reset.cause for reset in world.chip.resets] == ["watchdog"]


def test_a_board_can_eat_the_margin():
    """The promise of the policy is for nominal clocks."""
    worn = LabBench.of("fw-2.3", Options(watchdog_clock_ppm=40_000, tick_ppm=40_000))
    tuned = replace(SHIPPED, pet_interval_ms=2_400)
    assert "clocks-eat-the-margin" not in rules(tuned)
    assert rules(tuned, worn)["clocks-eat-the-margin"] is Severity.WARNING


def test_the_later_reset_is_told_with_its_number():
    """The firmware's own comments say 5 s."""
    (text,) = [i.text for i in findings(SHIPPED, FW_2_3) if i.rule == "later-than-the-period"]
    assert "8156.15 ms" in text
    assert "gave up" in text


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("coarse-poll", {"poll_interval_ms": 200}),
        ("spin-stays", {"level_5_enabled": False}),
        ("spin-is-for-level-5", {}),
        ("paused-reader-spends-the-cap", {}),
        ("one-skipped-pet-is-fatal", {}),
    ],
)
def test_each_finding_has_a_policy_that_shows_it(rule, changes):
    """And one that does not."""
    assert rule in rules(replace(SHIPPED, **changes))
    assert rule not in rules(Policy.preset("none")) or rule == "spin-stays"


@pytest.mark.parametrize(("tick_ppm", "text"), [(0, "for 2005 ms"), (40_000, "for 2085.2 ms")])
def test_a_pause_that_spends_the_cap_is_told_in_real_time(tick_ppm, text):
    """Five times 401 ticks, and a tick may be 4 % long (cyu3os.h)."""
    found = findings(SHIPPED, LabBench.of("fw-2.3", Options(tick_ppm=tick_ppm)))
    assert any(item.rule == "paused-reader-spends-the-cap" and text in item.text for item in found)


# ---------------------------------------------------------------- the command


def test_the_command_prints_bounds_and_findings():
    """A table for people, then what is not seen, then the findings."""
    done = fx3loop("bounds", "level-1-4-5", "--firmware", "fw-2.3")
    assert done.exit_code == 0
    assert re.search(r"main_death +5 +5057\.250 ms +8156\.150 ms", done.stdout)
    assert "unseen     cold_start" in done.stdout
    assert "warning    one-skipped-pet-is-fatal" in done.stdout


def test_the_command_ends_with_1_on_an_error():
    """A finding of severity error is a failed check."""
    done = fx3loop("bounds", "level-1-4-5", "--host-timeout-ms", 2_500)
    assert done.exit_code == 1
    assert "error      within-host-timeout" in done.stdout


def test_the_document_has_a_schema_and_nanoseconds():
    """For programs."""
    document = json.loads(fx3loop("bounds", "reference", "--json").stdout)
    assert document["schema"] == "fx3loop.bounds/1"
    assert document["digest"] == REFERENCE.digest
    main = document["conditions"][0]
    assert main["condition"] == "main_death"
    assert main["detection_ns"] == {"low": 5_057_250_001, "high": 6_656_149_999}
    assert main["exhaustive"] is None
    assert document["main_loop"]["survivable_stall_ns"] == 4_400 * MS


def test_a_board_file_turns_knobs(tmp_path):
    """And an option on the command line wins over it."""
    board = tmp_path / "board.toml"
    board.write_text("watchdog_clock_ppm = 500\nclear_halt_acked = false\n")
    assert read_board(board) == ("watchdog_clock_ppm=500", "clear_halt_acked=off")
    more = ("--option", "watchdog_clock_ppm=-500", "--json")
    document = json.loads(fx3loop("bounds", "none", "--board", board, *more).stdout)
    assert document["options"] == ["clear_halt_acked=off", "watchdog_clock_ppm=-500"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("watchdog_clock_ppm = ", "board.toml is no TOML"),
        ("watchdog_clok_ppm = 5", "watchdog_clock_ppm"),
        ("watchdog_clock_ppm = 5000000", "not within"),
        ("[watchdog]\nclock_ppm = 5", "watchdog is no knob"),
    ],
)
def test_a_wrong_board_file_is_named(tmp_path, text, names):
    """File, key and a right example, in one line, exit 2."""
    board = tmp_path / "board.toml"
    board.write_text(text)
    done = fx3loop("bounds", "none", "--board", board)
    assert done.exit_code == 2
    assert names in done.stderr
    assert "board.toml" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (("level-1-4-6",), "level-1-4-5"),
        (("none", "--trace-dir", "x"), "--exhaustive"),
        (("none", "--condition", "main_death"), "--exhaustive"),
        (("none", "--exhaustive", "--condition", "main_deth"), "main_death"),
        (("none", "--exhaustive", "--option", "poll_offset_ms=3"), "poll_offset_ms"),
        (("none", "--exhaustive", "--firmware", "original"), "fw-2.3"),
        (("none", "--firmware", "fw-2.4"), "fw-2.3"),
        (("none", "--board", "missing.toml"), "missing.toml"),
    ],
)
def test_wrong_input_is_named(arguments, names):
    """Usage errors end with 2 and name what would be right."""
    done = fx3loop("bounds", *arguments)
    assert done.exit_code == 2
    assert names in done.stderr


# ---------------------------------------------------------------- docs/bounds.md


def document_table() -> str:
    """The table of docs/bounds.md, as the code has it now."""
    lines = [
        "| policy | condition | level | soonest (ns) | latest (ns) | survived up to (ns) |",
        "|---|---|---|---|---|---|",
    ]
    for name, firmware in (("level-1-4-5", "fw-2.3"), ("reference", "reference")):
        for condition, bound in bounds(Policy.preset(name), LabBench.of(firmware)).items():
            if bound.detection is None:
                lines.append(f"| `{name}` | {condition} | none | | | |")
                continue
            survivable = "" if bound.survivable_ns is None else f"{bound.survivable_ns:,}"
            lines.append(
                f"| `{name}` | {condition} | {bound.level:d} | {bound.detection.low_ns:,} | "
                f"{bound.detection.high_ns:,} | {survivable} |"
            )
    return "\n".join(lines)


def test_the_document_has_the_numbers_of_the_code():
    """docs/bounds.md, between its two marks."""
    text = (ROOT / "docs/bounds.md").read_text()
    found = re.search(r"<!-- bounds:.*?-->\n(.*?)\n<!-- end of bounds -->", text, re.DOTALL)
    assert found is not None
    assert found.group(1).strip() == document_table()
