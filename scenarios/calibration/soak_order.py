"""Which scenarios the published soaks drew: this follows from table and seed alone."""

from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import pairwise

from hw.exchange import Exchange
from hw.protocol import Request
from scenarios import registry
from scenarios.calibration.bench import MAY_2026, booted
from scenarios.calibration.figure import Figure, Group, Interval, exactly
from scenarios.calibration.soaks import (
    FEBRUARY_252,
    FEBRUARY_390,
    FORCED_688,
    HOUR_1816,
    SOFT_534,
    TWO_HOURS_3368,
    Soak,
    drawn,
)
from scenarios.performance import perform
from scenarios.soak.tables import SUITE_NAMES


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
    return exactly(sum(_starts_right_after_clock(name) for name in failed), note=", ".join(failed))


@cache
def _starts_right_after_clock(name: str) -> bool:
    requests: list[int] = []

    def seen(exchange: Exchange) -> None:
        if exchange.kind in ("out", "in"):
            requests.append(exchange.request)

    with booted(*MAY_2026) as bench:
        bench.device.observe(seen)
        perform(registry.find(SUITE_NAMES.get(name, name)), bench.station(), None)
    return (Request.STARTADC, Request.STARTFX3) in pairwise(requests)


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


GROUP = Group(
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
