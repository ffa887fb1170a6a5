"""The policy lab: main death over every onset and offset of the shipped policy, on two cores.

Alone: ``python -m tests.bench.lab``.
"""

from __future__ import annotations

from time import perf_counter

from health import Policy
from scenarios.lab.bench import LabBench
from scenarios.lab.bounds import Condition
from scenarios.lab.phases import explore

CORES = 2


def measure(quick: bool = False) -> dict[str, float]:
    """Seconds for the whole space, and what it consists of; quick takes a tenth of the policy."""
    policy = Policy.preset("level-1-4-5")
    if quick:
        policy = Policy(name="quick", pet_interval_ms=300, hwdt_period_ms=900, level_1_budget_ms=1)
    began = perf_counter()
    (result,) = explore(policy, LabBench.of("fw-2.3"), (Condition.MAIN_DEATH,), jobs=CORES).values()
    took_s = perf_counter() - began
    assert result.disagreement == ""
    return {
        "exhaustive_main_death_wall_s": took_s,
        "onsets": result.onsets,
        "runs": result.runs,
    }


if __name__ == "__main__":
    for name, value in measure().items():
        print(f"{name:32s} {value:>12,.2f}")
