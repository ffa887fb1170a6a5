"""A module on hands that obey, with every step and every answer written down."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import astuple, fields, replace

from health import Event, Evidence, Health, Intent, Level, Outcome, Policy, Status, level_bit

REFERENCE = Policy.preset("reference")
BARE = replace(REFERENCE, level_4_cool_down_ms=0, settle_ms=400, healthy_ms=1000)

SCHEMA = "fx3loop.vectors/1"
WRAP = 0xFFFF_FFFF
ALL_LEVELS = sum(level_bit(level) for level in Level if level != Level.WATCHDOG)
EVIDENCE_NAMES = tuple(field.name for field in fields(Evidence))

Step = dict[str, int | str]
Case = Callable[[], "Script"]
Cases = dict[str, Case]


def case(cases: Cases) -> Callable[[Case], Case]:
    """Add a function that returns a script to *cases*; its docstring says what it shows."""

    def register(script: Case) -> Case:
        cases[script.__name__] = script
        return script

    return register


class Script:
    """Drives one module; it is the module's platform and watchdog too.

    Args:
        policy: what the module decides by.
        start_ms: the clock at the beginning; the times of a script count from here.
    """

    def __init__(self, policy: Policy, start_ms: int = 0) -> None:
        self.policy = policy
        self.start_ms = start_ms
        self.time_ms = start_ms
        self.steps: list[Step] = []
        self.interrupts: list[Step] = []
        self.mask = ALL_LEVELS
        self.ends = Outcome.DONE
        self.takes_ms = 0
        self.armed_ms = 0
        self.pet_interval_ms = 0
        self.pets = 0
        self.look: Callable[[], None] | None = None
        self.health = Health(policy, self, self)

    def now_ms(self) -> int:
        """Return the time; what was announced as an interrupt happens right after it is taken."""
        seen_ms = self.time_ms & WRAP
        interrupts, self.interrupts = self.interrupts, []
        for step in interrupts:
            self.time_ms = int(step["at_ms"])
            self._play(step)
        return seen_ms

    def available(self) -> int:
        """Return the mask of the script."""
        return self.mask

    def note(self, intent: Intent) -> None:
        """Persist nothing."""
        del intent

    def apply(self, level: Level, status: Status) -> Outcome:
        """End as the script says, after as long as it says."""
        del level, status
        self.time_ms += self.takes_ms
        return self.ends

    def arm(self, period_ms: int) -> None:
        """Remember the period."""
        self.armed_ms = period_ms

    def clear(self) -> None:
        """Count a pet."""
        self.pets += 1

    def every(self, interval_ms: int, call: Callable[[], None]) -> None:
        """Remember the look of the gate."""
        self.pet_interval_ms = interval_ms
        self.look = call

    def _step(self, at_ms: int, op: str, **values: int) -> Step:
        step: Step = {"at_ms": at_ms & WRAP, "op": op, **values}
        self.steps.append(step)
        return step

    def _play(self, step: Step) -> None:
        arguments = [int(step[name]) for name in ("first", "second", "third")]
        self.health.record_event(Event(int(step["event"])), *arguments)

    def at(self, offset_ms: int) -> Script:
        """Set the clock to *offset_ms* after the start."""
        self.time_ms = self.start_ms + offset_ms
        return self

    def init(self) -> Script:
        """Initialise; the answer is what was armed, 0 if nothing was."""
        self.health.init()
        armed = {"armed_ms": self.armed_ms, "pet_interval_ms": self.pet_interval_ms}
        self._step(self.time_ms, "init", **armed)
        return self

    def record(self, event: Event, first: int = 0, second: int = 0, third: int = 0) -> Script:
        """Record one event."""
        arguments = {"event": int(event), "first": first, "second": second, "third": third}
        self._play(self._step(self.time_ms, "record", **arguments))
        return self

    def interrupt(self, offset_ms: int, event: Event) -> Script:
        """Announce an event that comes while the next evaluate reads the clock."""
        arguments = {"event": int(event), "first": 0, "second": 0, "third": 0}
        at_ms = self.start_ms + offset_ms
        self.interrupts.append(self._step(at_ms, "interrupt", **arguments))
        return self

    def heartbeat(self) -> Script:
        """Beat once."""
        self.health.main_heartbeat()
        self._step(self.time_ms, "heartbeat")
        return self

    def evaluate(self) -> Status:
        """Evaluate; the answer is the status, with its evidence unless it is OK."""
        asked_ms = self.time_ms
        status = self.health.evaluate()
        evidence = dict(zip(EVIDENCE_NAMES, astuple(status.evidence), strict=True))
        answer = {"code": int(status.code), "since_ms": status.since_ms}
        self._step(asked_ms, "evaluate", **answer, **(evidence if status.code else {}))
        return status

    def poll(self) -> Script:
        """Evaluate and recover; the answer of recover is what it did."""
        status = self.evaluate()
        asked_ms = self.time_ms
        recovery = self.health.recover(status)
        platform = {"available": self.mask, "ends": int(self.ends), "takes_ms": self.takes_ms}
        answer = {
            "level": int(recovery.level or 0),
            "outcome": int(recovery.outcome),
            "wanted": int(recovery.wanted or 0),
            "took_ms": recovery.took_ms,
        }
        self._step(asked_ms, "recover", **(platform if status.code else {}), **answer)
        return self

    def gate(self) -> Script:
        """Let the gate look; the answer is the number of pets so far."""
        if self.look is not None:
            self.look()
        self._step(self.time_ms, "gate", pets=self.pets)
        return self

    def sampled(self, offset_ms: int, count: int, state: int, full: int) -> Script:
        """Sample and poll at *offset_ms*."""
        return self.at(offset_ms).record(Event.STREAM_SAMPLE, count, state, full).poll()


def as_integers(policy: Policy) -> dict[str, int]:
    """Return every field of *policy* but the name, booleans as 0 and 1."""
    names = [field.name for field in fields(policy) if field.name != "name"]
    return {name: int(getattr(policy, name)) for name in names}


def document(topic: str, cases: Cases) -> str:
    """Return the file of one topic: one case a script, one step a line."""
    parts = []
    for name, build in cases.items():
        script = build()
        about = getattr(build, "func", build).__doc__
        policy = json.dumps(as_integers(script.policy))
        steps = ",\n".join(json.dumps(step) for step in script.steps)
        parts.append(
            f'{{"name": {json.dumps(name)},\n"about": {json.dumps(about)},\n'
            f'"start_ms": {script.start_ms},\n"policy": {policy},\n"steps": [\n{steps}\n]}}'
        )
    head = f'{{"schema": "{SCHEMA}",\n"topic": "{topic}",\n"cases": [\n'
    return head + ",\n".join(parts) + "\n]}\n"
