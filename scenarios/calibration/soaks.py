"""Published soaks: which scenarios they drew, how those ended, and how long it all took.

The order of a soak follows from its table and seed alone, so the number of runs is compared without
a world. Outcomes and pace are those of a replay; each takes a minute or more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from hw.exchange import Exchange
from hw.protocol import Request
from scenarios import registry
from scenarios.calibration.bench import MAY_2026, NS_PER_MS, SHIPPED, booted
from scenarios.calibration.figure import Figure, Group, Interval, about, exactly
from scenarios.performance import perform
from scenarios.soak.bench import SoakBench
from scenarios.soak.glibc_random import GlibcRandom
from scenarios.soak.harness import Harness
from scenarios.soak.plan import Plan
from scenarios.soak.record import Record
from scenarios.soak.tables import SUITE_NAMES, table
from scenarios.suite import tap

PACE_PERCENT = 2
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


# --- the order ----------------------------------------------------------------------------------


@cache
def drawn(soak: Soak) -> tuple[str, ...]:
    """The scenarios of a soak in their order."""
    random = GlibcRandom(soak.seed)
    chosen = table(soak.table)
    return tuple(chosen.pick(random.draw()) for _ in range(soak.cycles))


def runs(soak: Soak, scenario: str) -> Interval:
    """How often a scenario was drawn."""
    return exactly(Counter(drawn(soak))[scenario])


def published_triple() -> Interval:
    """How many of cycles 125 to 127 are what the commit quotes."""
    quoted = ("freq_hop", "stop_start_cycle", "debug_race")
    return exactly(sum(map(str.__eq__, drawn(FEBRUARY_252)[124:127], quoted)))


FAILED_CYCLES = (126, 166, 196, 201, 215, 247, 249)
"""Of those 252, where STARTFX3 failed."""


def failed_starts_explained() -> Interval:
    """Of the seven scenarios that failed: those that send STARTFX3 right after STARTADC."""
    failed = [drawn(FEBRUARY_252)[cycle - 1] for cycle in FAILED_CYCLES]
    return exactly(
        sum(_starts_right_after_clock(name) for name in failed), note=", ".join(failed)
    )


@cache
def _starts_right_after_clock(name: str) -> bool:
    requests: list[int] = []

    def seen(exchange: Exchange) -> None:
        if exchange.kind in ("out", "in"):
            requests.append(exchange.request)

    with booted(*MAY_2026) as bench:
        bench.device.observe(seen)
        perform(registry.find(SUITE_NAMES.get(name, name)), bench.station(), None)
    pairs = zip(requests, requests[1:], strict=False)
    return (Request.STARTADC, Request.STARTFX3) in list(pairs)


# --- replays ------------------------------------------------------------------------------------


@cache
def replay(soak: Soak) -> Record:
    """Run a soak again, all its cycles."""
    chosen = table(soak.table)
    plan = Plan(
        chosen,
        soak.seed,
        hours=HOURS_MAX,
        max_cycles=soak.cycles,
        firmware=soak.firmware,
        policy=soak.policy,
    )
    with SoakBench(chosen, soak.firmware, soak.policy, seed=soak.seed) as place:
        return Harness(plan, place, lambda line: None).run()


def acceptance_run() -> Interval:
    """Lines of the acceptance run that are ok."""
    with booted() as bench:
        bench.device.close()
        return exactly(sum(line.is_ok for line in tap.fw_test(bench.reopened)))


def _seconds(record: Record) -> Interval:
    return exactly(record.duration_ms / 1_000, note=f"{record.cycles} cycles")


# --- figures ------------------------------------------------------------------------------------


def _drawn(soak: Soak, *counts: tuple[str, int]) -> tuple[Figure, ...]:
    return tuple(
        Figure(
            key=f"runs_{soak.key}_{scenario}",
            quantity=f"{soak.name}: runs of {scenario}",
            published=str(count),
            source=soak.source,
            expected=exactly(count),
            measure=lambda scenario=scenario: runs(soak, scenario),  # type: ignore[misc]
        )
        for scenario, count in counts
    )


def _outcome(
    soak: Soak,
    key: str,
    quantity: str,
    count: float,
    measure: Callable[[Record], float],
    *,
    reason: str = "",
    remark: str = "",
) -> Figure:
    return Figure(
        key=f"replay_{soak.key}_{key}",
        quantity=f"{soak.name}: {quantity}",
        published=f"{count:,}",
        source=soak.source,
        expected=exactly(count),
        measure=lambda: exactly(measure(replay(soak))),
        reason=reason,
        remark=remark,
        is_long=True,
    )


def _passed(soak: Soak, scenario: str, count: int, **texts: str) -> Figure:
    return _outcome(
        soak,
        f"{scenario}_passed",
        f"{scenario} passed",
        count,
        lambda record: record.tallies[scenario].passed,
        **texts,
    )


def _failed(soak: Soak, scenario: str, count: int, **texts: str) -> Figure:
    return _outcome(
        soak,
        f"{scenario}_failed",
        f"{scenario} failed",
        count,
        lambda record: record.tallies[scenario].failed,
        **texts,
    )


def _failures(soak: Soak, count: int, **texts: str) -> Figure:
    return _outcome(
        soak, "failures", "scenarios failed", count, lambda record: record.failed, **texts
    )


def _health(soak: Soak, **texts: str) -> Figure:
    return _outcome(
        soak,
        "health",
        "health checks passed",
        soak.cycles,
        lambda record: record.health.passed,
        **texts,
    )


def _pace(soak: Soak, hours: int, reason: str = "") -> Figure:
    return Figure(
        key=f"replay_{soak.key}_pace",
        quantity=f"{soak.name}: time",
        published=f"{hours} h",
        source=soak.source,
        unit="s",
        expected=about(3_600 * hours, PACE_PERCENT),
        measure=lambda: _seconds(replay(soak)),
        reason=reason,
        is_long=True,
    )


def _not_compared(key: str, quantity: str, published: str, source: str, reason: str) -> Figure:
    return Figure(
        key=key, quantity=quantity, published=published, source=source, reason=reason
    )


ORDER = Group(
    "Soaks: what was drawn",
    (
        Figure(
            key="order_252_triple",
            quantity=f"{FEBRUARY_252.name}: of cycles 125 to 127, those drawn as quoted",
            published="3: freq_hop, stop_start_cycle, debug_race",
            source=FEBRUARY_252.source,
            expected=exactly(3),
            measure=published_triple,
        ),
        Figure(
            key="order_252_failed",
            quantity=f"{FEBRUARY_252.name}: of the 7 failed, those with STARTFX3 right after "
            "STARTADC",
            published="7: STARTFX3 fails because STARTADC still sleeps",
            source="commits 0362f33, 4d6e629",
            expected=exactly(7),
            measure=failed_starts_explained,
        ),
        *_drawn(FEBRUARY_390, ("dma_count_reset", 8), ("sustained_stream", 4)),
        *_drawn(FORCED_688, ("dma_count_monotonic", 13)),
        *_drawn(
            SOFT_534,
            ("stop_start_cycle", 51),
            ("dma_count_monotonic", 10),
            ("dma_count_reset", 11),
            ("sustained_stream", 8),
        ),
        *_drawn(
            TWO_HOURS_3368,
            ("stop_start_cycle", 282),
            ("wedge_recovery", 211),
            ("abandoned_stream", 211),
            ("rapid_start_stop", 141),
            ("clock_pull", 140),
            ("freq_hop", 122),
            ("pll_preflight", 119),
            ("startadc_mid_stream", 89),
            ("pib_overflow", 84),
            ("dma_count_reset", 77),
            ("watchdog_cap_restart", 72),
            ("watchdog_cap_observe", 71),
            ("dma_count_monotonic", 68),
            ("test_main_recovery", 58),
            ("test_health_recovery", 55),
            ("setarg_gap_index", 37),
            ("sustained_stream", 31),
        ),
        *_drawn(HOUR_1816, ("clk0_chip_query", 58)),
    ),
)
"""Runs by scenario."""

OUTCOME = Group(
    "Soaks: outcome and pace",
    (
        _failures(FEBRUARY_390, 9, reason="cause unknown"),
        _failed(FEBRUARY_390, "dma_count_reset", 8, reason="cause unknown"),
        _failed(FEBRUARY_390, "sustained_stream", 1, reason="cause unknown"),
        _failed(FORCED_688, "dma_count_monotonic", 4, reason="cause unknown"),
        _outcome(
            FORCED_688,
            "faults",
            "streaming faults",
            239,
            lambda record: record.counters.as_dict()["streaming_faults"],
            reason="cause unknown",
        ),
        _outcome(
            FORCED_688,
            "pib_errors",
            "PIB errors",
            12_808,
            lambda record: record.counters.as_dict()["pib_errors"],
            reason="cause unknown",
        ),
        _passed(SOFT_534, "stop_start_cycle", 51),
        _passed(SOFT_534, "dma_count_monotonic", 10),
        _passed(SOFT_534, "dma_count_reset", 11),
        _passed(SOFT_534, "sustained_stream", 8),
        _failed(SOFT_534, "gpif_soft_stop", 0, remark="published: state 1 at every stop"),
        _outcome(
            SOFT_534,
            "scenarios",
            "scenarios without a failure, of 39",
            37,
            lambda record: sum(not tally.failed for tally in record.tallies.values()),
            reason="abandoned_stream and watchdog_cap_observe failed because the harness of the "
            "time left the watchdog's cap at 0 (mended in 2d92244); the replay is of the mended "
            "harness",
        ),
        _health(SOFT_534),
        _pace(HOUR_2099, 1),
        _failed(HOUR_2099, "rapid_start_stop", 1, reason="cause unknown"),
        _health(HOUR_2099),
        _pace(TWO_HOURS_3368, 2),
        _passed(TWO_HOURS_3368, "wedge_recovery", 211),
        _passed(TWO_HOURS_3368, "test_health_recovery", 54, reason="cause unknown"),
        _passed(TWO_HOURS_3368, "test_main_recovery", 58, reason="cause unknown"),
        _failures(TWO_HOURS_3368, 1, reason="cause unknown"),
        _health(TWO_HOURS_3368),
        _pace(HOUR_1816, 1),
        _passed(HOUR_1816, "clk0_chip_query", 58),
        _failures(HOUR_1816, 1, reason="cause unknown"),
        Figure(
            key="acceptance_run",
            quantity="acceptance run: lines that are ok, of 41",
            published="41",
            source="fw_test.sh, release 0.1.0",
            expected=exactly(41),
            measure=acceptance_run,
        ),
        _not_compared(
            "soak_367",
            "367 cycles, 13 STARTFX3 time-outs (3.5 %)",
            "3.5 %",
            "about commit 6245d20, 17 February",
            "seed unknown; the revision of that week (STARTADC asleep, table of before) is not "
            "modelled; its cause is row STARTADC of the original firmware",
        ),
        _not_compared(
            "soak_252_failures",
            "252 cycles of seed 1771373722: 7 failures (2.78 %)",
            "7",
            "commit 0362f33, 18 February",
            "the revision of that week is not modelled; that the seven cycles are ones which the "
            "cause can reach is compared above",
        ),
        _not_compared(
            "soak_chunks",
            "hours in chunks of 20 cycles, dead at the first start",
            "about 10 % of cycles (0x1005), 5 of another kind (0x1006)",
            "era of commit 78db0bf, 19 February",
            "seeds unknown; endpoint trouble of that host's xHCI, which is no part of the model",
        ),
        _not_compared(
            "soak_380",
            "380 cycles: dma_count_monotonic failed",
            "2",
            "before commit cda1401, 27 February",
            "seed unknown; its synchronous reads of that time left gaps of 1 ms",
        ),
        _not_compared(
            "soak_pr93",
            "1 h: lock-up in rapid_start_stop",
            "unrecoverable",
            "head of pull request 93",
            "seed unknown, and the SDK call that hung was never found; `fx3loop run "
            "rapid_start_stop` injects that hang",
        ),
        _not_compared(
            "soak_1275",
            "seed 25, pet from the main loop: streaming dead after about 900 of 1275 cycles",
            "health 1275 of 1275, 699 faults",
            "commit d04afa2",
            "cause unknown (incident F19), so it is not modelled",
        ),
        _not_compared(
            "soak_pet_fixed",
            "seed 25, 1 h each: failures",
            "0",
            "commits caabaf4, 6ddeb5b",
            "no number of cycles and no table were published",
        ),
        _not_compared(
            "soak_fw_2_4",
            "3 h on firmware 2.4",
            "validated",
            "pull request 115",
            "no counts were published",
        ),
        _not_compared(
            "tap_38",
            "acceptance run of 38 lines",
            "6 failed, then 0",
            "era of commit 1670384",
            "the script of that time is not known",
        ),
    ),
)
"""How they ended."""
