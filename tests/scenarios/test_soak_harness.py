"""The loop of the soak on a scripted device: what it does in which order, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hw.errors import DeviceTimeoutError, NoDeviceError, TransferError
from hw.protocol import DeviceInfo, Stats
from scenarios.errors import InputError
from scenarios.soak.glibc_random import GlibcRandom
from scenarios.soak.harness import Harness
from scenarios.soak.journal import Journal
from scenarios.soak.place import Outcome
from scenarios.soak.plan import Plan, checked_hours, parse_seed
from scenarios.soak.record import KEPT, KEPT_REASONS
from scenarios.soak.tables import table

SECOND_NS = 1_000_000_000
RUN_NS = SECOND_NS
"""What a scenario takes here."""
GOOD = Outcome(None)


def snapshot(**changes):
    """A healthy reply to GETSTATS."""
    fields = dict.fromkeys(
        ("dma_count", "pib_errors", "last_pib_error", "i2c_failures", "streaming_faults"), 0
    )
    return Stats(**{**fields, "gpif_state": 1, "clock_status": 1, **changes})


class ScriptedPlace:
    """A place whose device does what it is told in advance.

    Attributes:
        log: everything that happened, in order.
        outcomes: of scenarios, by number of the run from 1; all others pass.
        answers: of TESTFX3, by number of the request from 1: a board code or an error to raise.
        found: what each attempt to find the device again ends with: None or an error.
        reloaded: the same for reloads.
    """

    def __init__(self, outcomes=None, answers=None, found=(), reloaded=()):
        self.log = []
        self.outcomes = outcomes or {}
        self.answers = answers or {}
        self.found = list(found)
        self.reloaded = list(reloaded)
        self.snapshots = []
        self.generation = 0
        self.device = self
        self.time_ns = 0
        self.runs = 0
        self.requests = 0
        self.on_run = lambda name: None

    def now_ns(self):
        return self.time_ns

    def sleep_ms(self, duration_ms):
        self.log.append(f"sleep {duration_ms}")
        self.time_ns += duration_ms * 1_000_000

    def run(self, name):
        self.runs += 1
        self.log.append(f"run {name}")
        self.on_run(name)
        self.time_ns += RUN_NS
        return self.outcomes.get(self.runs, GOOD)

    def info(self):
        self.requests += 1
        self.log.append("TESTFX3")
        answer = self.answers.get(self.requests, 4)
        if isinstance(answer, Exception):
            raise answer
        return DeviceInfo(answer, 2, 3, 0)

    def stats(self):
        self.log.append("GETSTATS")
        return self.snapshots.pop(0) if self.snapshots else snapshot()

    def stop(self):
        self.log.append("STOPFX3")

    def set_gpio(self, word):
        self.log.append(f"GPIOFX3 {word:#06x}")

    def reacquire(self):
        self.log.append("reacquire")
        self._end(self.found)

    def reload(self):
        self.log.append("reload")
        self._end(self.reloaded)

    def _end(self, script):
        error = script.pop(0) if script else None
        if error is not None:
            raise error
        self.generation += 1


def plan(**changes):
    return Plan(**{"table": table("v0.1.0"), "seed": 1, "max_cycles": 1, **changes})


def soak(place, lines=None, journal=None, is_stopped=lambda: False, **changes):
    """Run a soak there, and return its record."""
    say = (lambda line: None) if lines is None else lines.append
    return Harness(plan(**changes), place, say, journal=journal, is_stopped=is_stopped).run()


# ---------------------------------------------------------------- a cycle


def test_a_cycle_step_by_step():
    """Health check first; then run, clean up without a clear-halt, and check."""
    place = ScriptedPlace()
    soak(place)
    assert place.log == [
        "TESTFX3",
        "GETSTATS",
        "run abandoned_stream",
        "STOPFX3",
        "GPIOFX3 0x0800",
        "sleep 100",
        "TESTFX3",
        "GETSTATS",
    ]


def test_after_a_failure_getstats_is_read_before_the_clean_up():
    """What the device says right then is what helps to understand it."""
    place = ScriptedPlace(outcomes={2: Outcome("no data")})
    place.snapshots = [
        snapshot(),
        snapshot(),
        snapshot(gpif_state=9, dma_count=8, pib_errors=3, last_pib_error=0x1005),
    ]
    lines = []
    soak(place, lines, max_cycles=2)
    begin = place.log.index("run gpio_during_stream")
    assert place.log[begin : begin + 3] == ["run gpio_during_stream", "GETSTATS", "STOPFX3"]
    assert "FAIL gpio_during_stream: no data" in lines
    assert (
        ">>> FAIL gpio_during_stream: gpif=9 dma=8 pib=3 pib_arg=0x1005 i2c=0 faults=0 "
        "si5351=0x01 prev=abandoned_stream"
    ) in lines


def test_one_draw_a_cycle_and_nothing_else_draws():
    """Failures, retries and lost devices do not move the sequence."""
    place = ScriptedPlace(
        outcomes={1: Outcome("x")}, answers={2: TransferError("TESTFX3"), 5: NoDeviceError("x")}
    )
    soak(place, max_cycles=50)
    random = GlibcRandom(1)
    expected = [f"run {table('v0.1.0').pick(random.draw())}" for _ in range(50)]
    assert [entry for entry in place.log if entry.startswith("run")] == expected


def test_the_status_line_comes_each_tenth_cycle():
    """In the original's words."""
    place = ScriptedPlace(outcomes={10: Outcome("no data"), 3: Outcome("no data")})
    place.snapshots = [snapshot() for _ in range(12)]
    place.snapshots.append(snapshot(dma_count=7, pib_errors=12, i2c_failures=2, streaming_faults=5))
    lines = []
    soak(place, lines, max_cycles=19)
    status = [line for line in lines if line.startswith("[")]
    assert status == [
        "[00:00:11] cycle=10 pass=8 fail=2 | last=wedge_recovery(FAIL) | "
        "dma=7 pib=12 i2c=2 faults=5"
    ]


def test_quiet_shows_what_a_failure_said_and_nothing_of_what_passed():
    """Remarks of a failed scenario are replayed, others are not."""
    outcomes = {1: Outcome(None, text="fine", remarks=("a",)), 2: Outcome("bad", remarks=("b",))}
    quiet, loud = [], []
    soak(ScriptedPlace(outcomes), quiet, max_cycles=2, is_quiet=True)
    soak(ScriptedPlace(outcomes), loud, max_cycles=2)
    assert "# b" in quiet
    assert "FAIL gpio_during_stream: bad" in quiet
    assert not {"# a", "PASS abandoned_stream: fine"} & set(quiet)
    assert {"# a", "PASS abandoned_stream: fine", "# b"} <= set(loud)


# ---------------------------------------------------------------- when it ends


@pytest.mark.parametrize(("limit", "cycles"), [(1, 1), (7, 7)])
def test_it_ends_after_so_many_cycles(limit, cycles):
    """Exactly."""
    assert soak(ScriptedPlace(), max_cycles=limit).cycles == cycles


@pytest.mark.parametrize(
    ("hours", "cycles"), [(1.1 / 3600, 1), (1.1001 / 3600, 2), (2.1999 / 3600, 2), (2.2 / 3600, 2)]
)
def test_it_ends_at_its_time(hours, cycles):
    """A cycle takes 1.1 s here; one begins as long as the time is not reached."""
    assert soak(ScriptedPlace(), max_cycles=0, hours=hours).cycles == cycles


def test_ctrl_c_finishes_the_cycle_in_progress():
    """The flag is asked before a cycle; the summary is printed all the same."""
    pressed = []
    place = ScriptedPlace()
    place.on_run = lambda name: pressed.append(name) if place.runs == 3 else None
    lines = []
    record = soak(place, lines, max_cycles=9, is_stopped=lambda: bool(pressed))
    assert record.cycles == 3
    assert record.was_interrupted
    assert place.log[-1] == "GETSTATS"
    assert lines[-1] == "Result: STOPPED EARLY, ALL PASSED (3 cycles)"


def test_a_second_ctrl_c_ends_the_cycle_and_leaves_the_device_stopped():
    """It arrives as a KeyboardInterrupt in the middle of a scenario."""
    place = ScriptedPlace()

    def press(name):
        if place.runs == 3:
            raise KeyboardInterrupt

    place.on_run = press
    lines = []
    record = soak(place, lines, max_cycles=9)
    assert record.was_interrupted
    assert record.cycles == 2
    assert place.log[-3:] == ["STOPFX3", "GPIOFX3 0x0800", "sleep 100"]
    assert "=== SOAK TEST SUMMARY ===" in lines


def test_a_defect_of_this_program_leaves_the_device_stopped_too():
    """And is not swallowed."""
    place = ScriptedPlace()

    def break_down(name):
        raise RuntimeError("defect")

    place.on_run = break_down
    with pytest.raises(RuntimeError, match="defect"):
        soak(place)
    assert "STOPFX3" in place.log


# ---------------------------------------------------------------- health checks


def test_a_failed_check_before_the_first_cycle_ends_it():
    """No scenario runs, no second chance, and that is a failure."""
    place = ScriptedPlace(answers={1: DeviceTimeoutError("TESTFX3")})
    lines = []
    record = soak(place, lines)
    assert place.runs == 0
    assert "sleep 2000" not in place.log
    assert not record.is_good
    assert any(line.startswith("SOAK ABORT: the health check before") for line in lines)


@pytest.mark.parametrize("trouble", [TransferError("TESTFX3"), DeviceTimeoutError("TESTFX3"), 0])
def test_a_check_that_passes_2_s_later_counts_as_passed(trouble):
    """Also where the board code was wrong once."""
    place = ScriptedPlace(answers={2: trouble})
    record = soak(place)
    assert place.log.count("sleep 2000") == 1
    assert (record.health.passed, record.health.retried, record.health.failed) == (1, 1, 0)
    assert record.is_good


def test_a_check_that_fails_twice_is_a_failure_and_the_run_goes_on():
    """The original goes on as well, but ends with 0."""
    place = ScriptedPlace(answers={2: TransferError("x"), 3: TransferError("x")})
    record = soak(place, max_cycles=2)
    assert record.cycles == 2
    assert (record.health.passed, record.health.failed) == (1, 1)
    assert (record.failed, record.is_good) == (0, False)


@pytest.mark.parametrize("state", [0, 1, 255])
def test_idle_states_need_no_warning(state):
    """Reset, idle, disabled."""
    place = ScriptedPlace()
    place.snapshots = [snapshot(gpif_state=state)] * 2
    lines = []
    soak(place, lines)
    assert not [line for line in lines if "WARN" in line]


def test_a_busy_state_machine_is_a_warning_only():
    """As in the original."""
    place = ScriptedPlace()
    place.snapshots = [snapshot(gpif_state=9)] * 2
    lines = []
    assert soak(place, lines).is_good
    assert "HEALTH WARN: GPIF state 9 is not idle" in lines


@pytest.mark.parametrize("number", [2, 3])
def test_a_lost_device_is_found_again_and_the_run_goes_on(number):
    """At the first check or at the one 2 s later."""
    answers = {2: TransferError("TESTFX3")} if number == 3 else {}
    place = ScriptedPlace(answers={**answers, number: NoDeviceError("TESTFX3")})
    record = soak(place, max_cycles=3)
    assert place.log.count("reacquire") == 1
    assert record.cycles == 3
    assert (record.health.passed, record.health.reacquired) == (3, 1)
    assert record.is_good


def test_a_device_that_is_found_late_fails_its_check_and_the_run_goes_on():
    """The original looks once and aborts; ours looks again 5 s later, and still ends with 1."""
    place = ScriptedPlace(answers={2: NoDeviceError("TESTFX3")}, found=[NoDeviceError("open")])
    record = soak(place, max_cycles=3)
    begin = place.log.index("reacquire")
    assert place.log[begin : begin + 3] == ["reacquire", "sleep 5000", "reacquire"]
    assert (record.cycles, record.aborts) == (3, [])
    assert (record.health.passed, record.health.failed) == (2, 1)
    assert [(cycle, verdict) for cycle, _, verdict in record.health.failures] == [(1, "late")]
    assert not record.is_good


GONE = NoDeviceError("open")


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        ({2: NoDeviceError("TESTFX3")}, [GONE, GONE]),
        ({number: NoDeviceError("TESTFX3") for number in (2, 3, 4)}, [None, None]),
        ({2: NoDeviceError("TESTFX3"), 3: TransferError("TESTFX3"), 4: 0}, [None, None]),
        ({2: NoDeviceError("TESTFX3"), 3: TransferError("TESTFX3")}, [None, GONE]),
    ],
)
def test_a_device_that_stays_lost_aborts_the_run_and_fails_it(answers, found):
    """Not found, lost again at once, or not well; the summary is printed, and it ends with 1."""
    place = ScriptedPlace(answers=answers, found=found)
    lines = []
    record = soak(place, lines, max_cycles=9)
    assert record.cycles == 1
    assert record.health.failed == 1
    assert record.failed == 0
    assert not record.is_good
    assert "after abandoned_stream" in record.as_dict()["aborted"]
    assert "=== SOAK TEST SUMMARY ===" in lines
    assert lines[-1].endswith("aborted")


# ---------------------------------------------------------------- results


def test_a_broken_strict_rule_fails_the_run_but_not_the_original_count():
    """The table is the original's; the strict rule has its own lines."""
    place = ScriptedPlace(outcomes={2: Outcome(None, ("state 255", "a stall is missing"))})
    lines = []
    record = soak(place, lines, max_cycles=3)
    assert (record.passed, record.failed, record.strict_failed) == (3, 0, 1)
    assert not record.is_good
    assert "  cycle 2 gpio_during_stream: state 255; a stall is missing" in lines


def test_the_summary_has_the_originals_columns():
    """Name 24 wide, three numbers 5 wide, only what ran, and the total."""
    place = ScriptedPlace(outcomes={2: Outcome("x")})
    lines = []
    soak(place, lines, max_cycles=3)
    head = lines.index("Scenario                  Runs  Pass  Fail")
    assert lines[head + 1 : head + 4] == [
        "gpio_during_stream           1     0     1",
        "abandoned_stream             2     2     0",
        "TOTAL                        3     2     1",
    ]
    assert lines[-1] == "Result: 1 FAILURES in 3 cycles (33.33% failure rate)"


def test_counters_go_on_over_a_new_boot():
    """The original shows what the last boot counted; ours adds the boots before it."""
    place = ScriptedPlace(answers={3: NoDeviceError("TESTFX3")})
    place.snapshots = [
        snapshot(),
        snapshot(pib_errors=5, i2c_failures=2, streaming_faults=1),
        snapshot(pib_errors=9),
    ]
    record = soak(place, max_cycles=2)
    assert record.counters.as_dict() == {
        "boots": 2,
        "pib_errors": 14,
        "i2c_failures": 2,
        "streaming_faults": 1,
    }
    assert record.counters.last == snapshot(pib_errors=9)


def test_counters_that_fall_are_a_boot_that_nobody_saw():
    """SET_CONFIGURATION zeroes them, whoever sends it."""
    place = ScriptedPlace()
    place.snapshots = [snapshot(pib_errors=5), snapshot(pib_errors=2)]
    assert soak(place).counters.as_dict()["pib_errors"] == 7


def test_failures_are_kept_up_to_a_limit_and_counted_beyond():
    """Memory stays bounded however long it runs."""
    many = tuple(str(number) for number in range(KEPT_REASONS + 5))
    place = ScriptedPlace({number: Outcome("x", many) for number in range(1, 500)})
    record = soak(place, max_cycles=KEPT)
    assert len(record.failures) == KEPT
    assert record.failures_dropped == KEPT
    assert max(len(item.reasons) for item in record.failures) == KEPT_REASONS
    assert (record.failed, record.strict_failed) == (KEPT, KEPT)


def test_the_document_says_everything():
    """Schema, what was asked for, counts, failures with cycle and reason, health, counters."""
    place = ScriptedPlace(outcomes={2: Outcome("no data", ("state 9",))})
    document = soak(place, max_cycles=2, firmware="fw-2.3", policy="level-1").as_dict()
    json.dumps(document)
    assert document["schema"] == "fx3loop.soak/1"
    assert (document["seed"], document["table"]) == (1, "v0.1.0")
    assert (document["firmware"], document["policy"]) == ("fw-2.3", "level-1")
    assert (document["cycles"], document["simulated_ms"]) == (2, 2_200)
    assert [tuple(item.values()) for item in document["scenarios"]] == [
        ("gpio_during_stream", 1, 0, 1, 1),
        ("abandoned_stream", 1, 1, 0, 0),
    ]
    assert document["failures"] == [
        {
            "cycle": 2,
            "scenario": "gpio_during_stream",
            "previous": "abandoned_stream",
            "rule": rule,
            "reasons": [reason],
        }
        for rule, reason in (("original", "no data"), ("strict", "state 9"))
    ]
    assert document["health_checks"] == {"passed": 2, "retried": 0, "reacquired": 0, "failed": 0}
    assert document["aborted"] is None


# ---------------------------------------------------------------- chunks


def test_chunks_reload_in_between_and_go_on_with_the_next_seed():
    """As soak_test.sh: each chunk has its own seed and its own first health check."""
    place = ScriptedPlace()
    record = soak(place, seed=20, max_cycles=5, reload_interval=2)
    runs = [entry for entry in place.log if entry.startswith(("run", "reload"))]
    expected = []
    for chunk, size in enumerate((2, 2, 1)):
        random = GlibcRandom(20 + chunk)
        expected += ["reload"] * bool(chunk)
        expected += [f"run {table('v0.1.0').pick(random.draw())}" for _ in range(size)]
    assert runs == expected
    assert (record.chunks, record.cycles) == (3, 5)


def test_the_last_chunk_is_followed_by_no_reload():
    """Two chunks of two, one reload."""
    place = ScriptedPlace()
    soak(place, max_cycles=4, reload_interval=2)
    assert place.log.count("reload") == 1


def test_seeds_of_chunks_wrap_as_an_unsigned_number():
    """2**32 - 1 is followed by 0."""
    assert [plan(seed=2**32 - 1).chunk_seed(chunk) for chunk in (0, 1, 2)] == [2**32 - 1, 0, 1]


def test_an_aborted_chunk_is_followed_by_the_next_one_and_still_a_failure():
    """The reload brings the device back, but what happened happened."""
    place = ScriptedPlace(answers={2: NoDeviceError("TESTFX3")}, found=[GONE, GONE])
    record = soak(place, max_cycles=4, reload_interval=2)
    assert record.cycles == 4
    assert len(record.aborts) == 1
    assert not record.is_good


def test_a_reload_that_fails_ends_the_run():
    """Nothing more can be done there."""
    place = ScriptedPlace(reloaded=[NoDeviceError("wait")])
    record = soak(place, max_cycles=4, reload_interval=2)
    assert record.cycles == 2
    assert "reload before chunk 1" in record.as_dict()["aborted"]
    assert not record.is_good


# ---------------------------------------------------------------- journal


def test_the_journal_has_a_line_a_cycle(tmp_path):
    """Start, each cycle with what came of it, end; every line is JSON of its own."""
    path = tmp_path / "soak.jsonl"
    place = ScriptedPlace(
        outcomes={2: Outcome("no data", ("state 9",))}, answers={3: TransferError("TESTFX3")}
    )
    with Journal(path) as journal:
        record = soak(place, journal=journal, max_cycles=2)
    start, first, second, end = map(json.loads, path.read_text().splitlines())
    assert (start["schema"], start["event"], start["seed"]) == (
        "fx3loop.soak-journal/1",
        "start",
        1,
    )
    assert first == {
        "event": "cycle",
        "cycle": 1,
        "scenario": "abandoned_stream",
        "passed": True,
        "failure": None,
        "violations": [],
        "health": "passed",
        "began_ms": 0,
        "took_ms": 1_100,
    }
    assert (second["failure"], second["violations"]) == ("no data", ["state 9"])
    assert (second["health"], second["began_ms"], second["took_ms"]) == ("retried", 1_100, 3_100)
    assert end["event"] == "end"
    assert end["cycles"] == record.cycles == 2


def test_every_line_is_there_when_the_next_cycle_begins(tmp_path):
    """A process that dies loses no cycle that ended."""
    path = tmp_path / "soak.jsonl"
    place = ScriptedPlace()
    seen = []
    place.on_run = lambda name: seen.append(len(path.read_text().splitlines()))
    with Journal(path) as journal:
        soak(place, journal=journal, max_cycles=4)
    assert seen == [1, 2, 3, 4]


def test_the_journal_is_appended_to_and_a_torn_line_is_closed(tmp_path):
    """What an earlier run wrote stays; its last line may be torn, the next is not."""
    path = tmp_path / "soak.jsonl"
    path.write_text('{"event": "cyc')
    with Journal(path) as journal:
        soak(ScriptedPlace(), journal=journal)
    torn, *lines = path.read_text().splitlines()
    assert torn == '{"event": "cyc'
    assert [json.loads(line)["event"] for line in lines] == ["start", "cycle", "end"]


def test_a_journal_that_cannot_be_opened_is_named(tmp_path):
    """One line with path and cause."""
    path = tmp_path / "missing" / "soak.jsonl"
    with pytest.raises(InputError, match=r"cannot write the journal .*missing.*No such file"):
        Journal(path)


def test_a_journal_may_be_a_device_file():
    """Nothing to sync there."""
    with Journal(Path("/dev/null")) as journal:
        soak(ScriptedPlace(), journal=journal)


# ---------------------------------------------------------------- what was asked for


@pytest.mark.parametrize(
    ("given", "used"), [(0.0, 1.0), (-2.0, 1.0), (0.25, 0.25), (1.0, 1.0), (1e-9, 1e-9)]
)
def test_no_hours_mean_one(given, used):
    """As in the original."""
    assert checked_hours(given) == used


@pytest.mark.parametrize("given", [float("nan"), float("inf")])
def test_hours_are_a_finite_number(given):
    """One line with an example."""
    with pytest.raises(InputError, match=r"--hours 0\.5"):
        checked_hours(given)


@pytest.mark.parametrize(
    ("text", "seed"), [("0", 0), ("25", 25), ("0x19", 25), ("4294967295", 2**32 - 1)]
)
def test_seeds(text, seed):
    """Any base, 32 bits."""
    assert parse_seed(text) == seed


@pytest.mark.parametrize("text", ["-1", "4294967296", "today", "", "1.5"])
def test_what_is_no_seed(text):
    """Named, in one line."""
    with pytest.raises(InputError, match="seed"):
        parse_seed(text)
