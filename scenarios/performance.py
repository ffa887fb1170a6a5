"""A scenario played once: what the original test says of it, and what a strict eye sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hw.errors import DeniedError, DeviceError
from scenarios.contract import Examiner
from scenarios.errors import Trouble, describe
from scenarios.scenario import Scenario
from scenarios.station import Station


@dataclass(frozen=True)
class Performance:
    """How it went.

    Attributes:
        scenario: what was played.
        failure: why the original test fails, or None when it passes.
        text: what its PASS line says; may be empty.
        violations: what the strict rule found beyond that, in order.
        began_ns: when it began, on the runtime's clock.
        ended_ns: when it ended.
    """

    scenario: Scenario
    failure: str | None
    text: str
    violations: tuple[str, ...]
    began_ns: int
    ended_ns: int

    @property
    def passed(self) -> bool:
        """The original's rule is met, and nothing else was wrong either."""
        return self.failure is None and not self.violations


def perform(
    scenario: Scenario,
    station: Station,
    examiner: Examiner | None,
    parameters: Mapping[str, int] | None = None,
) -> Performance:
    """Play a scenario on a station.

    Args:
        scenario: what is played.
        station: where.
        examiner: the strict eye; it observes the station's device already. None for none.
        parameters: of the scenario's function.

    Returns:
        What came of it; a device that leaves the bus is a failure, not an error.

    Raises:
        DeniedError: the guard forbids what the scenario does.
    """
    station.violations.clear()
    if examiner is not None:
        station.on_reading = examiner.reading
        examiner.begin(scenario)
    began_ns = station.runtime.now_ns()
    failure: str | None = None
    text = ""
    try:
        text = scenario.run(station, **(parameters or {})) or ""
    except DeniedError:
        station.read_no_more()
        raise
    except (DeviceError, Trouble) as error:
        failure = describe(error)
    ended_ns = station.runtime.now_ns()
    station.read_no_more()
    found = tuple(station.violations)
    if examiner is not None:
        found += examiner.end()
    return Performance(scenario, failure, text, found, began_ns, ended_ns)
