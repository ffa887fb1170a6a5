"""The soaks that were published with their seed; how they are drawn and run again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from scenarios.calibration.bench import MAY_2026, SHIPPED
from scenarios.soak.bench import SoakBench
from scenarios.soak.glibc_random import GlibcRandom
from scenarios.soak.harness import Harness
from scenarios.soak.plan import Plan
from scenarios.soak.record import Record
from scenarios.soak.tables import table
from sim.options import Options

HOURS_MAX = 24.0
"""More than any of them takes: they end by their number of cycles."""


@dataclass(frozen=True)
class Soak:
    """One soak that was published with its seed.

    Attributes:
        key: for keys of figures.
        table: commit whose scenarios and weights it drew from.
        seed: of srand.
        cycles: how many scenarios ran.
        firmware: the revision nearest to the one that it ran on.
        policy: the watchdogs of that revision.
        source: commit and date.
    """

    key: str
    table: str
    seed: int
    cycles: int
    firmware: str
    policy: str
    source: str

    @property
    def name(self) -> str:
        """For tables."""
        return f"{self.cycles} cycles of seed {self.seed}"


FEBRUARY_252 = Soak(
    "252", "510e55a", 1_771_373_722, 252, "force-stop", "level-1", "commit 0362f33, 18 February"
)
FEBRUARY_390 = Soak(
    "390", "290198b", 20, 390, "force-stop", "level-1", "before commit e5e93de, 27 February"
)
FORCED_688 = Soak("688", "290198b", 20, 688, "force-stop", "level-1", "before commit 8e00ab8, May")
SOFT_534 = Soak("534", "290198b", 20, 534, *MAY_2026, "commits 17f1e81 to 2d92244, 9 May")
HOUR_2099 = Soak("2099", "290198b", 25, 2_099, *MAY_2026, "commits bca1ced, d94ccb3, 11 May")
TWO_HOURS_3368 = Soak("3368", "0fcfae8", 26, 3_368, *SHIPPED, "commit 0fcfae8")
HOUR_1816 = Soak("1816", "v0.1.0", 1, 1_816, *SHIPPED, "commit 13b2091, release 0.1.0")


@cache
def drawn(soak: Soak) -> tuple[str, ...]:
    """The scenarios of a soak in their order."""
    random = GlibcRandom(soak.seed)
    chosen = table(soak.table)
    return tuple(chosen.pick(random.draw()) for _ in range(soak.cycles))


@cache
def replay(soak: Soak, options: Options | None = None) -> Record:
    """Run a soak again, all its cycles.

    Args:
        soak: which.
        options: the bench's knobs.
    """
    chosen = table(soak.table)
    plan = Plan(
        chosen,
        soak.seed,
        hours=HOURS_MAX,
        max_cycles=soak.cycles,
        firmware=soak.firmware,
        policy=soak.policy,
    )
    with SoakBench(chosen, soak.firmware, soak.policy, seed=soak.seed, options=options) as place:
        return Harness(plan, place, lambda line: None).run()
