"""The vectors are what the module answers, and can be played by who knows their README alone."""

import json
from dataclasses import fields
from pathlib import Path

import pytest

from health import Event, Evidence, Health, Level, Outcome, Policy, StatusCode

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tests" / "vectors"
FILES = sorted(FOLDER.glob("*.json"))
CASES = [
    pytest.param(case, id=f"{path.stem}-{case['name']}")
    for path in FILES
    for case in json.loads(path.read_text(encoding="ascii"))["cases"]
]
STEPS = [step for parameter in CASES for step in parameter.values[0]["steps"]]


class Player:
    """A platform that does what the steps say, to any health module."""

    def __init__(self, case, health_class=Health):
        self.now = 0
        self.pending = []
        self.step = {}
        self.armed_ms = self.interval_ms = self.pets = 0
        self.look = lambda: None
        self.status = None
        kinds = {field.name: field.type for field in fields(Policy)}
        values = {
            name: bool(value) if kinds[name] == "bool" else value
            for name, value in case["policy"].items()
        }
        self.health = health_class(Policy(name="vector", **values), self, self)

    def now_ms(self):
        seen_ms = self.now
        pending, self.pending = self.pending, []
        for step in pending:
            self.now = step["at_ms"]
            self.record(step)
        return seen_ms

    def available(self):
        return self.step["available"]

    def note(self, intent):
        assert intent.level == self.step["level"]

    def apply(self, level, status):
        assert status is self.status
        assert level == self.step["level"]
        self.now = (self.now + self.step["takes_ms"]) % 2**32
        return Outcome(self.step["ends"])

    def arm(self, period_ms):
        self.armed_ms = period_ms

    def clear(self):
        self.pets += 1

    def every(self, interval_ms, call):
        self.interval_ms, self.look = interval_ms, call

    def play(self, step):
        """Do one step and return what to compare."""
        self.step = step
        if step["op"] != "interrupt":
            self.now = step["at_ms"]
        return getattr(self, step["op"])(step)

    def init(self, step):
        del step
        self.health.init()
        return {"armed_ms": self.armed_ms, "pet_interval_ms": self.interval_ms}

    def record(self, step):
        self.health.record_event(Event(step["event"]), step["first"], step["second"], step["third"])
        return {}

    def interrupt(self, step):
        self.pending.append(step)
        return {}

    def evaluate(self, step):
        self.status = self.health.evaluate()
        seen = {"code": int(self.status.code), "since_ms": self.status.since_ms}
        for field in fields(Evidence):
            if field.name in step:
                seen[field.name] = getattr(self.status.evidence, field.name)
        return seen

    def recover(self, step):
        del step
        recovery = self.health.recover(self.status)
        return {
            "level": int(recovery.level or 0),
            "outcome": int(recovery.outcome),
            "wanted": int(recovery.wanted or 0),
            "took_ms": recovery.took_ms,
        }

    def heartbeat(self, step):
        del step
        self.health.main_heartbeat()
        return {}

    def gate(self, step):
        del step
        self.look()
        return {"pets": self.pets}


@pytest.mark.parametrize("case", CASES)
def test_the_module_gives_the_vectors(case):
    """Every step of every case, played from the file alone."""
    player = Player(case)
    for step in case["steps"]:
        seen = player.play(step)
        assert {name: step[name] for name in seen} == seen, step


def test_the_vectors_are_up_to_date(monkeypatch):
    """The generator writes what lies in the folder, byte for byte, and nothing else lies there."""
    monkeypatch.syspath_prepend(str(ROOT))
    from tests.vectors.generate import vectors

    written = {path.name: path.read_text(encoding="ascii") for path in FILES}
    assert vectors() == written


def test_the_form_is_what_the_readme_says():
    """Schema, flat steps of integers, and only the operations of the README."""
    for path in FILES:
        document = json.loads(path.read_text(encoding="ascii"))
        assert document["schema"] == "fx3loop.vectors/1"
        assert document["topic"] == path.stem
        for case in document["cases"]:
            assert case["about"].endswith(".")
            assert all(type(value) is int for value in case["policy"].values())
            assert len(case["policy"]) == len(fields(Policy)) - 1
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    for step in STEPS:
        assert f"| `{step['op']}` |" in readme
        assert all(type(value) is int for name, value in step.items() if name != "op")
        assert 0 <= step["at_ms"] < 2**32


def test_the_vectors_cover_the_contract():
    """Every event, status, level, outcome and operation, the wrap, the race, the cap, the gate."""
    assert {step["event"] for step in STEPS if step["op"] == "record"} == set(Event)
    assert {step["code"] for step in STEPS if step["op"] == "evaluate"} == set(StatusCode)
    recoveries = [step for step in STEPS if step["op"] == "recover"]
    assert {step["level"] for step in recoveries} == {0, *Level} - {Level.WATCHDOG}
    assert {step["outcome"] for step in recoveries} == set(Outcome)
    assert {step["op"] for step in STEPS} == {
        "init",
        "record",
        "interrupt",
        "evaluate",
        "recover",
        "heartbeat",
        "gate",
    }
    times_ms = {step["at_ms"] >> 31 for step in STEPS}
    assert times_ms == {0, 1}
