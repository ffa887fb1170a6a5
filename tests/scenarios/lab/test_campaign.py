"""A campaign file: what it comes to, and what is said to a wrong one."""

from __future__ import annotations

import pytest

from health import Policy
from scenarios.errors import InputError
from scenarios.lab import campaign_file
from scenarios.lab.campaign import ROWS_PER_JOB

SMALL = """
name = "small"
seed = 3
runs = 20
[policy]
base = "level-1-4-5"
pet_interval_ms = [1500, 3000]
[options]
watchdog_clock_ppm = { distribution = "uniform", low = -1000, high = 1000, source = "assumed" }
[host]
restart_after_ms = 2000
[[fault]]
name = "stall"
fault = "main_hang"
duration_ms = { distribution = "uniform", low = 2000, high = 6000, source = "assumed" }
[[fault]]
fault = "hang:call=usb_flush_ep,thread=usb,during=STOPFX3"
"""
LIFE = """
[policy]
base = ["reference", "level-1-4-5"]
[life]
days = 30
devices = 3
[[fault]]
fault = "main_hang"
per_day = 0.5
source = "assumed"
"""


def parse(text):
    return campaign_file.parse(text, "c.toml")


def rows(campaign):
    return [planned for job in campaign.jobs() for planned in job.planned]


# ---------------------------------------------------------------- what it comes to


def test_a_row_for_each_policy_fault_and_run():
    """2 policies x 2 faults x 20 runs, policy by policy."""
    campaign = parse(SMALL)
    found = rows(campaign)
    assert len(found) == campaign.rows == 80
    assert [item.row for item in found] == list(range(80))
    assert [item.strike for item in found[:41:20]] == ["stall", "hang", "stall"]
    assert {item.trial.policy.pet_interval_ms for item in found[:40]} == {1_500}
    assert found[20].trial.request == "STOPFX3"
    assert {len(job.planned) for job in campaign.jobs()} == {ROWS_PER_JOB}


def test_every_policy_meets_the_same_accidents():
    """Onset, duration, bench and seed of a run do not depend on the policy."""
    found = rows(parse(SMALL))
    for one, other in zip(found[:40], found[40:], strict=True):
        assert one.trial.policy != other.trial.policy
        for name in ("onset_ms", "seed", "options", "fault", "behaviour"):
            assert getattr(one.trial, name) == getattr(other.trial, name)


def test_draws_are_a_hypercube_unless_asked_otherwise():
    """20 runs, one from each twentieth of 2000 to 6000 ms."""
    stalls = [item.trial.fault.for_ms for item in rows(parse(SMALL))[:20]]
    assert [(value - 2_000) * 20 // 4_001 for value in sorted(stalls)] == list(range(20))
    independent = parse(SMALL.replace("runs = 20", 'runs = 20\nsampling = "independent"'))
    stalls = [item.trial.fault.for_ms for item in rows(independent)[:20]]
    assert [(value - 2_000) * 20 // 4_001 for value in sorted(stalls)] != list(range(20))


def test_sources_are_named():
    """Every distribution, a default's too."""
    found = parse(SMALL).distributions
    assert found["option.watchdog_clock_ppm"].source == "assumed"
    assert found["stall.onset_ms"].source.startswith("judgement")
    assert "host.restart_after_ms" not in found


def test_the_digest_is_of_all_that_decides_a_row():
    """A comment is nothing; a value is."""
    digest = parse(SMALL).digest
    assert parse("# a word\n" + SMALL).digest == digest
    assert parse(SMALL.replace("seed = 3", "seed = 4")).digest != digest


def test_a_policy_file_beside_the_campaign_counts(tmp_path):
    """Its content, not its name."""
    path = tmp_path / "c.toml"
    path.write_text(SMALL.replace('"level-1-4-5"', '"mine.toml"'))
    policy = tmp_path / "mine.toml"
    policy.write_text(Policy.preset("level-1-4-5").to_toml())
    first = campaign_file.load(str(path))
    policy.write_text(Policy.preset("reference").to_toml())
    assert campaign_file.load(str(path)).digest != first.digest


def test_a_policy_that_breaks_a_rule_is_left_out_and_named():
    """A pet as rare as the period can never be in time."""
    campaign = parse(SMALL.replace("[1500, 3000]", "[1500, 6000]"))
    assert len(campaign.policies) == 1
    (text,) = campaign.left_out
    assert "pet_interval_ms = 6000" in text


def test_a_hypercube_of_policies_spans_its_ranges():
    """Eight policies over eight values of one field, each once."""
    text = SMALL.replace(
        "pet_interval_ms = [1500, 3000]",
        'design = "latin_hypercube"\ncount = 8\n'
        "pet_interval_ms = { low = 1000, high = 2400, step = 200 }\n"
        "stream_stall_ms = { low = 200, high = 900 }",
    )
    campaign = parse(text)
    assert sorted(item.pet_interval_ms for item in campaign.policies) == list(
        range(1_000, 2_401, 200)
    )
    assert campaign.varied == ("pet_interval_ms", "stream_stall_ms")


def test_a_list_of_policies_and_a_range():
    """Any fields, together."""
    listed = parse(
        SMALL.replace("pet_interval_ms = [1500, 3000]", 'design = "list"')
        + "[[policy.list]]\npet_interval_ms = 1500\n[[policy.list]]\nep0_limit_ms = 1500\n"
    )
    assert [item.pet_interval_ms for item in listed.policies] == [1_500, 3_000]
    assert listed.policies[1].ep0_limit_ms == 1_500
    ranged = parse(SMALL.replace("[1500, 3000]", "{ low = 1000, high = 2000, step = 500 }"))
    assert [item.pet_interval_ms for item in ranged.policies] == [1_000, 1_500, 2_000]


def test_a_life_has_a_row_for_each_fault_that_comes():
    """The same faults for each policy; about half a fault a day."""
    campaign = parse(LIFE)
    found = rows(campaign)
    assert campaign.rows == len(found)
    jobs = list(campaign.jobs())
    assert len(jobs) == 6
    assert [item.trial.onset_ms for item in jobs[0].planned] == [
        item.trial.onset_ms for item in jobs[3].planned
    ]
    assert 25 < len(found) / 2 < 70
    assert all(item.trial.onset_ms < 30 * 86_400_000 for item in found)


def test_half_a_job_is_no_job():
    """A sweep goes on where a job begins."""
    campaign = parse(SMALL)
    assert [campaign.whole_jobs(rows) for rows in (0, 15, 16, 79, 80)] == [0, 0, 16, 64, 80]
    life = parse(LIFE)
    first = len(next(life.jobs()).planned)
    assert life.whole_jobs(first - 1) == 0
    assert life.whole_jobs(first) == first


@pytest.mark.parametrize("name", campaign_file.presets())
def test_presets_can_be_run(name):
    """They are examples, too."""
    campaign = campaign_file.load(name)
    assert campaign.name == name
    assert campaign.rows > 0


# ---------------------------------------------------------------- wrong files


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("runs = 20", "", ["runs is missing", "runs = 100"]),
        ("runs = 20", "runs = 0", ["runs is not 0", "runs = 100"]),
        ("runs = 20", "run = 20", ["no key 'run'; did you mean runs"]),
        ("seed = 3", 'seed = "a"', ["seed is not 'a'", "seed = 1"]),
        ("seed = 3", 'seed = 3\nsampling = "sobol"', ["sampling", "latin_hypercube"]),
        ("seed = 3", 'seed = 3\nfirmware = "2.9"', ["firmware", 'firmware = "reference"']),
        ("seed = 3", "seed = 3\nrate_hz = 65000000", ["rate_hz", "64000000"]),
        ('base = "level-1-4-5"', 'base = "level-9"', ["policy: base", "level-1-4"]),
        ("pet_interval_ms", "pet_intervall_ms", ["policy", "did you mean pet_interval_ms"]),
        ("[1500, 3000]", '["often"]', ["pet_interval_ms = [1000, 1500, 3000]"]),
        ("[1500, 3000]", "{ low = 5 }", ["low = 500, high = 4000, step = 50"]),
        ("[1500, 3000]", "[6000, 7000]", ["no policy keeps the rules"]),
        ("[1500, 3000]", "1500\ncount = 4", ["count goes with design"]),
        ("watchdog_clock_ppm", "watchdog_clock", ["options", "watchdog_clock_ppm"]),
        ("low = -1000", "low = -200000", ["watchdog_clock_ppm", "not within -100000 to 100000"]),
        ("restart_after_ms", "patience_ms", ["host", "did you mean upload_after_ms"]),
        ('fault = "main_hang"', 'fault = "main_hung"', ["fault 1", "main_hang"]),
        ('fault = "main_hang"', 'fault = "main_hang:at_ms=5"', ["onset_ms"]),
        ('fault = "main_hang"', 'fault = "watchdog_stuck"', ["hurts nobody"]),
        ('fault = "main_hang"', 'fault = "dma_error"', ["duration_ms", "does not pass by itself"]),
        ('name = "stall"', 'name = "hang"', ["two are called 'hang'"]),
        ('name = "stall"', 'name = "stall"\nrequest = "STOP"', ["request", "STOPFX3"]),
        ('name = "stall"', 'name = "stall"\nper_day = 1', ['source = "assumed"']),
        ("[host]", "[life]\ndays = 9\n[host]", ["runs", "days = 365"]),
        ("[[fault]]", "[[faults]]", ["did you mean fault"]),
        ("runs = 20", "runs = ", ["is no TOML"]),
    ],
)
def test_an_error_names_file_key_and_a_right_example(old, new, words):
    """One line each."""
    with pytest.raises(InputError) as caught:
        parse(SMALL.replace(old, new))
    text = str(caught.value)
    assert text.startswith("c.toml")
    assert "\n" not in text
    for word in words:
        assert word in text


def test_a_life_needs_rates():
    """How often a fault comes is not known; somebody has to say so."""
    with pytest.raises(InputError, match=r'per_day = 1\.0 and source = "assumed"'):
        parse(LIFE.replace("per_day = 0.5", ""))


def test_no_campaign_of_that_name():
    """The nearest preset."""
    with pytest.raises(InputError, match="did you mean pet-interval"):
        campaign_file.load("pet-intervals")
    with pytest.raises(InputError, match=r"cannot read /nowhere/c\.toml"):
        campaign_file.load("/nowhere/c.toml")
