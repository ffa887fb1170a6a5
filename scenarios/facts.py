"""What is known about one run, once it is over: the ground for judge, oracle and picture."""

from __future__ import annotations

from dataclasses import dataclass, field

from health import Level, Policy, StatusCode
from hw.supervisor import Remedy
from hw.trace import Kind, Recorder
from scenarios.host_program import Report
from scenarios.performance import Performance
from scenarios.scenario import Scenario
from scenarios.witness import Life
from sim.chip.fx3 import Reset
from sim.faults import Fault
from sim.options import Options

POSITIONS = ("device", "host", "both", "none")
"""Where the health module runs; with ``none`` it decides nothing anywhere."""

HEALTH_TRACKS = {"fx3/health": "device", "host/health": "host"}
"""Where a health module tells what it does, and in which position it runs."""
BEAT_TRACK = "fx3/main thread"
EP0_TRACK = "fx3/EP0"


@dataclass(frozen=True)
class Facts:
    """One run.

    Attributes:
        scenario: what ran.
        parameters: the scenario's own.
        firmware: the revision.
        policy: what the health module decided by.
        position: where it ran, one of :data:`POSITIONS`.
        seed: the world's.
        options: the bench's knobs.
        faults: what was armed.
        has_own_faults: they are the scenario's, not somebody's choice.
        triggered: (time in ns, fault) of each that took effect.
        unused: faults that never did.
        spins: (time in ns, thread) of each spin that began.
        resets: every reset of the chip.
        uploads: how often the firmware was uploaded, by whomever.
        onset_ns: when the scenario itself began the incident, or None.
        report: the host program's.
        performance: how the scenario went by its own rule.
        is_examined: the strict rule was applied; without faults, to what the real suite has.
        said: what the scenario had to say beside that.
        trace: everything recorded.
        ended_ns: end of the run.
        health: name of the health module; empty for the reference module.
        lives: what each health module did with its hands, a boot each in the device.
    """

    scenario: Scenario
    parameters: dict[str, int]
    firmware: str
    policy: Policy
    position: str
    seed: int
    options: Options
    faults: tuple[Fault, ...]
    has_own_faults: bool
    triggered: tuple[tuple[int, Fault], ...]
    unused: tuple[Fault, ...]
    spins: tuple[tuple[int, str], ...]
    resets: tuple[Reset, ...]
    uploads: int
    onset_ns: int | None
    report: Report
    performance: Performance
    is_examined: bool
    said: tuple[str, ...]
    trace: Recorder = field(repr=False)
    ended_ns: int
    health: str = ""
    lives: tuple[Life, ...] = field(default=(), repr=False)

    @property
    def remedies(self) -> tuple[Remedy, ...]:
        """Every remedy begun, in order; level 5 is none, it shows in the resets."""
        found = []
        for kind, track, name, at_ns, _, _ in self.trace.records:
            if kind is Kind.INSTANT and track in HEALTH_TRACKS and name.startswith("level "):
                number, _, code = name.removeprefix("level ").partition(": ")
                place = HEALTH_TRACKS[track]
                found.append(Remedy(at_ns, Level(int(number)), StatusCode[code], place))
        return tuple(found)

    @property
    def beats_ns(self) -> tuple[int, ...]:
        """When the main thread polled."""
        return tuple(
            record[3]
            for record in self.trace.records
            if record[0] is Kind.INSTANT and record[1] == BEAT_TRACK and record[2] == "beat"
        )

    def requests_ns(self, *names: str) -> tuple[int, ...]:
        """When the firmware began to handle these vendor requests."""
        return tuple(
            record[3]
            for record in self.trace.records
            if record[0] is Kind.BEGIN and record[1] == EP0_TRACK and record[2] in names
        )

    @property
    def spins_of_threads(self) -> tuple[tuple[int, str], ...]:
        """The spins but for those of a thread that waits for the reset it asked for itself."""
        resets_ns = {reset.at_ns for reset in self.resets}
        return tuple(spin for spin in self.spins if spin[0] not in resets_ns)
