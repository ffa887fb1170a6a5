"""A health module of somebody's own, from a file or an entry point, judged by the same suite."""

from __future__ import annotations

import json
from importlib import metadata

import pytest
from click.testing import CliRunner

from health import Health
from scenarios import custom_health
from scenarios.cli import cli
from scenarios.errors import InputError
from scenarios.registry import find
from scenarios.runner import run_episode
from sim.world import BenchWorld

OWN = '''
"""Derived from the reference module: it does not believe in stalls shorter than a second."""
from health import Health, StatusCode
from health.status import HEALTHY


class Patient(Health):
    def evaluate(self):
        status = super().evaluate()
        is_short = status.code == StatusCode.STREAM_STALL and status.evidence.age_ms < 1_000
        return HEALTHY if is_short else status


class Idle:
    """Somebody's first try: the whole contract, and nothing in it."""

    def __init__(self, policy, platform, watchdog=None):
        pass

    def init(self):
        pass

    def record_event(self, event, first=0, second=0, third=0):
        pass

    def evaluate(self):
        return HEALTHY

    def recover(self, status):
        from health.cascade import NOTHING

        return NOTHING

    def main_heartbeat(self):
        pass


class Broken(Idle):
    def evaluate(self):
        raise RuntimeError("not finished")


class Half:
    def init(self):
        pass


NUMBER = 1
'''


@pytest.fixture
def own(tmp_path):
    """The path of a file with modules of somebody's own."""
    path = tmp_path / "own_health.py"
    path.write_text(OWN)
    return path


def run(*arguments):
    """Run fx3loop; returns what came of it."""
    return CliRunner().invoke(cli, list(arguments), standalone_mode=False)


def test_it_runs_inside_the_firmware(own):
    """A paused reader is restarted only after the second that this module waits."""
    factory = custom_health.find(f"{own}:Patient")
    facts = run_episode(find("paused_reader"), firmware="reference", health=factory).facts
    (life,) = facts.lives
    first_ms = (life.acts[0].at_ns - facts.onset_ns) / 1e6
    assert 1_000 <= first_ms <= 1_101
    assert facts.health == "Patient"
    with BenchWorld(health=factory) as world:
        world.boot()
        assert type(world.firmware.health) is factory


def test_it_is_judged_by_the_same_rules(own):
    """What the reference policy promises, this module does not keep, and the suite says so."""
    factory = custom_health.find(f"{own}:Patient")
    row = run_episode(find("paused_reader"), firmware="reference", health=factory).row
    assert any("expected 299 to 402 ms" in text for text in row.violations)
    assert row.health == "Patient"
    idle = custom_health.find(f"{own}:Idle")
    row = run_episode(find("stopfx3_hang"), firmware="reference", health=idle).row
    assert row.verdict == "locked_up"
    assert any("was left alone" in text for text in row.violations)
    assert any("watchdog armed with [] ms" in text for text in row.violations)


def test_it_runs_in_the_host_position(own):
    """The reference module resets a device whose EP0 hangs from the host; an idle one does not."""
    scenario = find("stopfx3_hang")
    row = run_episode(scenario, firmware="fw-2.2", position="host").row
    assert row.remedies == (4,)
    factory = custom_health.find(f"{own}:Idle")
    row = run_episode(scenario, firmware="fw-2.2", position="host", health=factory).row
    assert row.remedies == ()


def test_run_takes_it_by_path(own):
    """In this process and in others; the rows name it."""
    one = run("run", "paused_reader", "--firmware", "reference", "--health", f"{own}:Patient")
    assert one.return_value == 1 or one.exit_code == 1
    assert "Patient" in one.output
    several = run(
        "run", "-k", "paused*", "--json", "--firmware", "reference", "--health", f"{own}:Patient"
    )
    assert "Patient" in several.output
    assert "expected 299 to 402 ms" in several.output


def test_a_soak_takes_it_by_path(own):
    """The harness's scenarios fail where they count the restarts of an unread stream."""
    done = run(
        *("soak", "--hours", "1", "--max-cycles", "3", "--seed", "1", "-q", "--json", "-"),
        *("--weight", "wedge_recovery=1000000", "--health", f"{own}:Patient"),
    )
    document = json.loads(done.stdout[done.stdout.index("{") :])
    assert document["strict_failed"] == 3


def test_an_entry_point_offers_it(own, monkeypatch):
    """A project's name in the group fx3loop.health stands for its class."""
    custom_health.find.cache_clear()
    point = metadata.EntryPoint("mine", "health:Health", custom_health.GROUP)
    monkeypatch.setattr(custom_health, "entry_points", lambda group: [point])
    assert custom_health.find("mine") is Health
    with pytest.raises(InputError, match="did you mean mine"):
        custom_health.find("mime")
    custom_health.find.cache_clear()


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("nowhere.py:Mine", "no file 'nowhere.py'"),
        ("{own}:Patent", "did you mean Patient"),
        ("{own}:Half", "has no method record_event"),
        ("{own}:NUMBER", "is no class"),
        ("{bad}:Mine", "cannot be imported: SyntaxError"),
        ("mine", "no project offers one"),
    ],
)
def test_what_is_wrong_is_named(own, tmp_path, text, part):
    """One line with the file, what is wrong and a right example or the nearest name."""
    bad = tmp_path / "bad_health.py"
    bad.write_text("def (\n")
    with pytest.raises(InputError, match=part):
        custom_health.find(text.format(own=own, bad=bad))


def test_a_module_that_raises_fails_its_run(own):
    """Its own error stands in the result; the others go on."""
    done = run(
        *("run", "paused_reader", "steady_stream", "--firmware", "reference"),
        *("--health", f"{own}:Broken", "--json"),
    )
    assert "not finished" in done.output


def test_the_reference_module_has_no_name():
    """An empty text is the reference module, and rows do not mention it."""
    assert custom_health.find("") is Health
    assert run_episode(find("paused_reader")).row.health == ""
