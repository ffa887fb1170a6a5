"""Verify: certificates, baselines, the smallest schedule and its replay, the command."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from health import Health, Policy
from hw.guard.certificate import (
    REFERENCE as REFERENCE_CLASS,
    Certificate,
    CertificateError,
    HealthClass,
    digest_of,
)
from scenarios import custom_health
from scenarios.cli import cli
from scenarios.errors import InputError
from scenarios.lab import baseline, evidence, purity, schedule as schedules, verify
from scenarios.lab.cells import Cell, cells
from scenarios.lab.claims import Claim
from scenarios.lab.matrix import Place, run_cell
from scenarios.lab.schedule import Schedule
from scenarios.lab.shrink import smallest
from scenarios.soak.place import Outcome
from sim.faults import Fault

REFERENCE = Policy.preset("reference")
SHIPPED = Policy.preset("level-1-4-5")
HANG = Fault("hang", call="dma_multi_channel_reset", thread="usb", during="STOPFX3")
SPIN = replace(HANG, manner="spinning")
BLOCKED, SPINNING = Cell("STOPFX3", HANG), Cell("STOPFX3", SPIN)


def fx3loop(*arguments):
    return CliRunner().invoke(cli, [str(item) for item in arguments], prog_name="fx3loop")


def certified(policy=REFERENCE, position="device", chosen=(BLOCKED, SPINNING), sampled=1):
    """A certificate over few cells and nothing else."""
    place = Place(policy, position, "reference", sampled=sampled)
    matrix = tuple(run_cell(place, cell) for cell in chosen)
    return verify.certify([verify.Verified(place, matrix, (), None, ())])


@pytest.fixture
def few(monkeypatch):
    """Verify two cells and one scenario, so that the command is quick."""
    whole = verify.tasks_of

    def tasks_of(place, hours):
        return [
            task
            for task in whole(place, hours)
            if (isinstance(task, verify.CellTask) and task.cell in (BLOCKED, SPINNING))
            or (isinstance(task, verify.ScenarioTask) and task.job.scenario == "stopfx3_hang")
        ]

    monkeypatch.setattr(verify, "tasks_of", tasks_of)


def test_the_results_are_the_same_with_two_processes():
    """Rows do not depend on the number of workers."""
    place = Place(REFERENCE, "device", "reference", sampled=1)
    tasks = [verify.CellTask(place, cell) for cell in cells("reference", REFERENCE)[:6]]
    assert list(verify.run_tasks(tasks, 2)) == list(verify.run_tasks(tasks, 1))


# ---------------------------------------------------------------- certificate


def test_a_certificate_reads_back_as_it_was_written(tmp_path):
    made = certified()
    made.write(tmp_path / "c.json")
    assert Certificate.read(tmp_path / "c.json") == made
    assert made.is_good
    assert made.policy_digest == REFERENCE.digest
    assert Policy.from_toml(made.policy_toml) == REFERENCE


def test_two_verifications_give_one_digest():
    """Same seed, same certificate, byte for byte."""
    assert certified().digest == certified().digest


def test_a_changed_certificate_is_refused():
    """Its digest is over everything else in it, whatever the layout."""
    document = certified().as_dict()
    assert Certificate.from_json(json.dumps(document, indent=8)).is_good
    document["is_good"] = False
    with pytest.raises(CertificateError, match="was changed after it was written"):
        Certificate.from_json(json.dumps(document))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is no JSON"),
        ("[]", "its schema is None"),
        ('{"schema": "fx3loop.run/2"}', "its schema is 'fx3loop.run/2'"),
    ],
)
def test_what_is_no_certificate_is_refused(text, says):
    with pytest.raises(CertificateError, match=says):
        Certificate.from_json(text)


def test_a_field_that_is_missing_is_named():
    """Even in a file whose digest is right."""
    document = certified().as_dict()
    del document["digest"], document["firmware"]["stats_bytes"]
    document["digest"] = digest_of(document)
    with pytest.raises(CertificateError, match="firmware: stats_bytes is missing or no int"):
        Certificate.from_json(json.dumps(document))


def test_a_certificate_holds_for_what_it_is_bound_to():
    """Policy digest, position, and a firmware that tells at least as much."""
    made = certified()
    assert made.refusal(REFERENCE.digest, "device", 26) == ""
    assert "bound to policy" in made.refusal(SHIPPED.digest, "device", 26)
    assert "not in position host" in made.refusal(REFERENCE.digest, "host", 26)
    assert "25: there the module sees less" in made.refusal(REFERENCE.digest, "device", 25)
    broken = replace(made, is_good=False)
    assert "broken claims" in broken.refusal(REFERENCE.digest, "device", 26)


def test_a_gap_stands_under_not_covered():
    """The shipped policy does not look at SET_CONFIGURATION; no violation, but told."""
    cell = Cell("SET_CONFIGURATION", Fault("hang", call="set_ep_config", thread="usb"))
    made = certified(SHIPPED, chosen=(cell,), sampled=0)
    assert made.is_good
    assert f"device: {cell.name} ends locked_up" in made.not_covered


# ---------------------------------------------------------------- whose health module

OWN = """
from collections import deque

from health import Health


class Same(Health):
    '''Does as the reference module does.'''


class Blind(Health):
    '''Never finds anything.'''

    def evaluate(self):
        from health.status import HEALTHY

        return HEALTHY


class Restless(Health):
    '''Remembers each question.'''

    def __init__(self, policy, platform, watchdog=None):
        super().__init__(policy, platform, watchdog)
        self.asked = {"times": deque()}
        self.asked["itself"] = self.asked

    def evaluate(self):
        self.asked["times"].append(1)
        return super().evaluate()
"""


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "own_verified.py"
    path.write_text(OWN)
    custom_health.find.cache_clear()
    custom_health._module.cache_clear()
    return path


def test_a_certificate_says_whose_health_module_it_is_of(few, own, tmp_path):
    """The file without its folder, its class and its digest; the reference module has no file."""
    digest = hashlib.sha256(own.read_bytes()).hexdigest()
    out = tmp_path / "c.json"
    done = fx3loop("verify", "reference", "--health", f"{own}:Same", "--out", out)
    assert done.exit_code == 0, done.output
    assert f"health module own_verified.py:Same ({digest[:12]}): every claim holds" in done.stdout
    made = Certificate.read(out)
    assert made.health == HealthClass("own_verified.py:Same", False, digest)
    assert certified(sampled=0).health == HealthClass("reference", True, "")


@pytest.mark.parametrize("position", ["device", "host"])
def test_the_certificate_of_another_class_never_passes_for_the_reference_s(own, position):
    """Whatever else fits: who supervises runs the reference module."""
    place = Place(REFERENCE, position, "reference", sampled=0, health=f"{own}:Same")
    made = verify.certify([verify.Verified(place, (), (), None, ())])
    assert made.is_good
    refusal = made.refusal(REFERENCE.digest, position, 26)
    assert "verified with the health module own_verified.py:Same" in refusal
    assert replace(made, health=REFERENCE_CLASS).refusal(REFERENCE.digest, position, 26) == ""


@pytest.mark.parametrize(
    ("health", "says"),
    [
        (None, "health is missing or no dict"),
        ({}, "health: name is missing or no str"),
        (
            {"name": "mine.py:Mine", "is_reference": True, "file_sha256": "0" * 64},
            "mine.py:Mine .* is not the reference health module",
        ),
        (
            {"name": "reference", "is_reference": 1, "file_sha256": ""},
            "health: is_reference is missing or no bool",
        ),
        (
            {"name": "reference", "is_reference": True, "file_sha256": "", "since": 1},
            "health has fields that this version does not know",
        ),
    ],
)
def test_a_certificate_that_does_not_say_so_clearly_is_refused(health, says):
    """Even in a file whose digest is right: none is taken for the reference's by default."""
    document = certified(sampled=0).as_dict()
    del document["digest"]
    document["health"] = health
    if health is None:
        del document["health"]
    document["digest"] = digest_of(document)
    with pytest.raises(CertificateError, match=says):
        Certificate.from_json(json.dumps(document))


def test_a_certificate_from_before_is_refused():
    """The version before did not say whose health module it was of."""
    document = certified(sampled=0).as_dict()
    del document["digest"], document["health"]
    document["schema"] = "fx3loop.certificate/1"
    document["digest"] = digest_of(document)
    with pytest.raises(CertificateError, match=r"its schema is 'fx3loop.certificate/1'"):
        Certificate.from_json(json.dumps(document))


def test_another_health_module_is_what_is_verified(few, own, tmp_path):
    """One that finds nothing breaks the claim, and the schedule replays it with that module."""
    path = tmp_path / "v.json"
    done = fx3loop("verify", "reference", "--health", f"{own}:Blind", "--schedule", path)
    assert done.exit_code == 1
    assert "CLAIM BROKEN" in done.stdout
    assert schedules.read(path).schedule.health == f"{own}:Blind"
    replayed = fx3loop("run", path)
    assert replayed.exit_code == 1
    assert "the trace is the recorded one" in replayed.stderr
    assert "health        Blind" in replayed.stdout


def test_a_schedule_from_before_is_of_the_reference_module(tmp_path):
    """There was no other."""
    path = tmp_path / "v.json"
    schedules.write(replace(loaded_schedule(), faults=(SPIN,)), [], path)
    path.write_text(path.read_text().replace('  "health": "",\n', ""))
    assert '"health"' not in path.read_text()
    assert schedules.read(path).schedule.health == ""


def test_an_evaluate_of_somebody_s_own_that_changes_something_is_seen(own):
    """The check looks into the attributes of the class, whatever holds them, and at circles."""
    place = Place(REFERENCE, "device", "reference", health=f"{own}:Restless")
    found = purity.evaluate_changes_nothing(place)
    assert any(text.startswith("evaluate changed the state") for text in found)
    same = replace(place, health=f"{own}:Same")
    assert purity.evaluate_changes_nothing(same) == ()


def test_a_file_that_changes_meanwhile_is_not_certified(few, own, tmp_path, monkeypatch):
    """Nobody knows which of the two was verified."""
    whole = verify.run_tasks

    def run_tasks(tasks, processes):
        own.write_text(OWN + "\n")
        return whole(tasks, processes)

    monkeypatch.setattr(verify, "run_tasks", run_tasks)
    out = tmp_path / "c.json"
    done = fx3loop("verify", "reference", "--health", f"{own}:Same", "--out", out)
    assert (done.exit_code, "was changed while it was verified" in done.stderr) == (2, True)
    assert not out.exists()


def test_verify_names_a_health_module_that_is_none():
    done = fx3loop("verify", "reference", "--health", "nowhere.py:Mine")
    assert (done.exit_code, "no file 'nowhere.py'" in done.stderr) == (2, True)


# ---------------------------------------------------------------- baseline


def test_nothing_is_worse_than_itself():
    made = certified()
    assert baseline.worse(made, made) == []


def test_a_later_level_5_is_worse():
    """The pet interval of the shipped policy costs 1.5 s against the reference."""
    found = baseline.worse(certified(), certified(SHIPPED))
    assert any("STOPFX3" in text and "spinning" in text for text in found)
    assert any("serves again after" in text for text in found)
    assert all("spinning" in text for text in found)


def test_a_worse_verdict_is_worse():
    """Level 4 alone never answers a spin (level-1-4)."""
    found = baseline.worse(certified(), certified(Policy.preset("level-1-4")))
    assert f"device: {SPINNING.name}: verdict locked_up, was recovered" in found


def test_one_microsecond_later_is_worse_and_one_earlier_is_not():
    """Runs are exact, so there is no tolerance."""
    made = certified(sampled=0)
    for change, count in ((0.001, 1), (0, 0), (-0.001, 0)):
        other = Certificate.from_json(json.dumps(made.as_dict()))
        other.positions["device"]["cells"][BLOCKED.name]["serving_ms"] += change
        assert len(baseline.worse(made, other)) == count


def test_a_baseline_of_another_position_is_refused():
    with pytest.raises(InputError, match="holds position device, not host"):
        baseline.require_common(certified(sampled=0), ("host",))


# ---------------------------------------------------------------- the smallest schedule


def loaded_schedule():
    return Schedule(
        scenario="around_stopfx3",
        firmware="fw-2.3",
        policy=Policy.preset("level-1-4"),
        position="device",
        seed=3,
        faults=(
            Fault("delay", call="usb_flush_ep", for_ms=150, at_ms=5_000, times=3),
            replace(SPIN, at_ms=5_999),
            Fault("host_paused", at_ms=5_500, for_ms=777),
        ),
        parameters=(("at_ms", 6_000),),
    )


CLAIMED = Claim("recovers", 4, 2_103)


def test_the_smallest_schedule_keeps_what_matters_alone():
    """Of three faults one is enough, at any time; a second search ends with the same."""
    whole = loaded_schedule()
    wanted = evidence.shown(whole, CLAIMED, "hang")

    def shows(item):
        return evidence.same(evidence.shown(item, CLAIMED, "hang"), wanted)

    least = smallest(whole, shows)
    assert least == replace(whole, faults=(SPIN,))
    assert smallest(least, shows) == least


def test_a_schedule_that_shows_nothing_cannot_be_shrunk():
    with pytest.raises(ValueError, match="does not show"):
        smallest(loaded_schedule(), lambda item: False)


def test_another_violation_is_not_the_same():
    """Numbers may differ, words may not."""
    assert evidence.same(["answered after 3 ms"], ["answered after 2.5 ms"])
    assert not evidence.same(["level 4 claimed, but none answered"], ["claimed, but locked up"])


def test_a_schedule_replays_with_the_same_trace(tmp_path):
    """``fx3loop run FILE`` says that the trace is the recorded one; a changed seed shows."""
    path = tmp_path / "v.json"
    least = replace(loaded_schedule(), faults=(SPIN,))
    written = schedules.write(least, ["claimed, but locked up"], path)
    assert schedules.read(path) == written
    done = fx3loop("run", path)
    assert done.exit_code == 1
    assert "the trace is the recorded one" in done.stderr
    path.write_text(path.read_text().replace('"seed": 3', '"seed": 4'))
    changed = fx3loop("run", path)
    assert changed.exit_code == 1
    assert "the trace is not the recorded one" in changed.stderr


def broken_claim(path):
    """A schedule whose run is good but for a claim that it breaks."""
    schedule = replace(loaded_schedule(), faults=(replace(HANG, at_ms=5_999),))
    schedules.write(schedule, ["answered after 2000 ms, claimed within 1500 ms"], path)
    return path


def test_a_replay_that_shows_the_violation_is_a_failure_in_every_form(tmp_path):
    """Exit code, text, JSON, JUnit and TAP agree, though no rule of the run alone is broken."""
    path, junit, tap = broken_claim(tmp_path / "v.json"), tmp_path / "j.xml", tmp_path / "r.tap"
    reason = "recorded as: answered after 2000 ms, claimed within 1500 ms"
    done = fx3loop("run", path, "--json", "--junit", junit, "--tap", tap)
    assert done.exit_code == 1
    document = json.loads(done.stdout)
    assert (document["counts"]["passed"], document["counts"]["failed"]) == (0, 1)
    assert document["rows"][0]["reasons"] == [reason]
    suite = ElementTree.parse(junit).getroot()
    assert suite.get("failures") == "1"
    assert suite.find(".//failure").get("message") == reason
    assert tap.read_text().splitlines()[2] == "not ok 1 - around_stopfx3"
    told = fx3loop("run", path)
    assert told.exit_code == 1
    assert f"failed        {reason}" in told.stdout.splitlines()
    assert f"fx3loop: around_stopfx3: {reason}" in told.stderr
    assert fx3loop("run", path, "--tap=-").stdout.splitlines()[2].startswith("not ok 1")


def test_a_replay_with_another_trace_fails_for_that(tmp_path):
    """What was recorded is not what is shown now, so it is no reason."""
    path = broken_claim(tmp_path / "v.json")
    path.write_text(path.read_text().replace('"seed": 3', '"seed": 4'))
    done = fx3loop("run", path, "--json")
    [row] = json.loads(done.stdout)["rows"]
    assert (done.exit_code, row["outcome"]) == (1, "failed")
    assert [text[:35] for text in row["reasons"]] == ["the trace is not the recorded one: "]


def test_a_replay_that_shows_nothing_passes_in_every_form(tmp_path):
    """A schedule without a violation is a run like any other."""
    path = tmp_path / "v.json"
    schedules.write(replace(loaded_schedule(), faults=(replace(HANG, at_ms=5_999),)), [], path)
    done = fx3loop("run", path, "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["counts"]["passed"] == 1
    assert fx3loop("run", path, "--tap=-").stdout.splitlines()[2] == "ok 1 - around_stopfx3"
    both = fx3loop("run", path, "--tap=-", "--json")
    assert (both.exit_code, "both want standard output" in both.stderr) == (2, True)


def test_a_replay_takes_nothing_that_the_file_says(tmp_path):
    path = tmp_path / "v.json"
    schedules.write(replace(loaded_schedule(), faults=(SPIN,)), [], path)
    done = fx3loop("run", path, "--seed", 3)
    assert done.exit_code == 2
    assert "the schedule says that itself" in done.stderr
    path.write_text(path.read_text().replace('"position": "device"', '"position": 5'))
    wrong = fx3loop("run", path)
    assert wrong.exit_code == 2
    assert "position is missing or no str" in wrong.stderr


# ---------------------------------------------------------------- evaluate


def test_evaluate_changes_nothing():
    """Over every status that the device can see, the whole state is the same after it."""
    assert purity.evaluate_changes_nothing(Place(REFERENCE, "device", "reference")) == ()


def test_an_evaluate_that_changes_something_is_seen(monkeypatch):
    """The check can fail."""
    pure = Health.evaluate

    def impure(self):
        self._record.pib_code += 1
        return pure(self)

    monkeypatch.setattr(Health, "evaluate", impure)
    found = purity.evaluate_changes_nothing(Place(REFERENCE, "device", "reference"))
    assert any(text.startswith("evaluate changed the state") for text in found)


# ---------------------------------------------------------------- the command


def test_verify_writes_a_certificate_and_ends_well(few, tmp_path):
    out = tmp_path / "c.json"
    done = fx3loop("verify", "reference", "--out", out, "--schedule", tmp_path / "v.json")
    assert done.exit_code == 0, done.output
    assert "invariants and claims: all hold" in done.stdout
    assert Certificate.read(out).is_good
    assert not (tmp_path / "v.json").exists()
    again = fx3loop("verify", "reference", "--against", out)
    assert again.exit_code == 0
    assert "against the baseline: 0 worse" in again.stdout


def test_verify_fails_against_a_better_baseline(few, tmp_path):
    """Exit 1, and each cell that got worse is printed."""
    out = tmp_path / "c.json"
    assert fx3loop("verify", "reference", "--out", out).exit_code == 0
    done = fx3loop("verify", "level-1-4-5", "--against", out)
    assert done.exit_code == 1
    assert f"worse: device: {SPINNING.name}" in done.stderr


def test_verify_leaves_the_smallest_run_of_a_broken_claim(few, tmp_path, monkeypatch):
    """A claim that cannot be kept: exit 1, and the schedule that replays it."""
    monkeypatch.setattr("scenarios.lab.matrix.claim", lambda *_: Claim("recovers", 4, 1_500))
    path = tmp_path / "v.json"
    done = fx3loop("verify", "level-1-4", "--schedule", path)
    assert done.exit_code == 1
    assert "CLAIM BROKEN" in done.stdout
    assert f"fx3loop run {path}" in done.stderr
    [fault] = schedules.read(path).schedule.faults
    assert fault.kind == "hang"
    assert "the trace is the recorded one" in fx3loop("run", path).stderr


def test_verify_in_both_positions_has_both_in_its_certificate(few, tmp_path):
    done = fx3loop("verify", "reference", "--position", "both", "--json")
    assert done.exit_code == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["schema"] == "fx3loop.certificate/2"
    assert list(document["positions"]) == ["device", "host"]
    assert any(text.startswith("host: no soak") for text in document["not_covered"])


def test_verify_says_what_is_wrong_with_its_input(tmp_path):
    wrong = tmp_path / "c.json"
    wrong.write_text("{}")
    done = fx3loop("verify", "reference", "--against", wrong)
    assert (done.exit_code, "is no certificate" in done.stderr) == (2, True)
    assert fx3loop("verify", "refrence").exit_code == 2


def test_a_soak_leaves_out_what_the_policy_cannot_pass():
    """Without level 5 nobody ends HANGMAIN's spin; with it every scenario is in."""
    short = 1 / 60
    without = verify.soak(Place(Policy.preset("level-1-4"), "device", "fw-2.3"), short)
    assert "test_main_recovery" in without.left_out
    assert verify.soak(Place(REFERENCE, "device", "reference"), short).left_out == ()


@pytest.mark.parametrize(
    ("scenario", "failures"),
    [
        # It probes for 8 s, and P + C is 8.16 s: the device is not back for the check after it.
        ("test_main_recovery", ()),
        (
            "hw_smoke",
            ("cycle 1, hw_smoke: still there", "cycle 1, hw_smoke: health check late"),
        ),
    ],
)
def test_a_health_check_after_a_known_failure_is_that_failure(monkeypatch, scenario, failures):
    """Of any other the cycle is told, with what ran in it."""

    def run(harness):
        harness.record.count(scenario, None, Outcome("still there"))
        harness.record.health.failed = 1
        harness.record.health.failures = [(1, scenario, "late")]
        return harness.record

    monkeypatch.setattr(verify.Harness, "run", run)
    found = verify.soak(Place(SHIPPED, "device", "fw-2.3"), 1 / 60)
    assert found.failures == failures


@pytest.mark.heavy
def test_the_reference_policy_is_verified_whole(tmp_path):
    """Every claim and every invariant, an hour of soak, all scenarios."""
    done = fx3loop("verify", "reference", "-j", 2, "--schedule", tmp_path / "v.json")
    assert done.exit_code == 0, done.output
