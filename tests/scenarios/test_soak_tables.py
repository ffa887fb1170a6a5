"""The soak's tables: size, order and bounds, and the run counts that were published of them."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import pytest

from scenarios.errors import InputError
from scenarios.soak.glibc_random import GlibcRandom
from scenarios.soak.tables import SUITE_NAMES, parse_weights, table

SIZES = {
    "v0.1.0": (47, 262),
    "efcd873": (46, 252),
    "0fcfae8": (41, 237),
    "290198b": (39, 231),
    "510e55a": (17, 137),
}

PUBLISHED = [
    (
        "0fcfae8",
        26,
        3_368,
        {
            "wedge_recovery": 211,
            "test_health_recovery": 55,
            "test_main_recovery": 58,
            "stop_start_cycle": 282,
            "rapid_start_stop": 141,
            "clock_pull": 140,
            "freq_hop": 122,
            "pll_preflight": 119,
            "startadc_mid_stream": 89,
            "pib_overflow": 84,
            "abandoned_stream": 211,
            "dma_count_reset": 77,
            "dma_count_monotonic": 68,
            "watchdog_cap_observe": 71,
            "watchdog_cap_restart": 72,
            "sustained_stream": 31,
            "setarg_gap_index": 37,
        },
    ),
    (
        "290198b",
        20,
        534,
        {
            "stop_start_cycle": 51,
            "dma_count_monotonic": 10,
            "dma_count_reset": 11,
            "sustained_stream": 8,
        },
    ),
    ("290198b", 20, 688, {"dma_count_monotonic": 13}),
    ("290198b", 20, 390, {"dma_count_reset": 8, "sustained_stream": 4}),
    ("v0.1.0", 1, 1_816, {"clk0_chip_query": 58}),
]
"""Table, seed, cycles, and the runs that the firmware project published (or that follow)."""


def picks(name, seed):
    """Scenarios without end."""
    chosen, random = table(name), GlibcRandom(seed)
    while True:
        yield chosen.pick(random.draw())


@pytest.mark.parametrize("name", SIZES)
def test_size_and_total_weight(name):
    """Both decide what a draw means."""
    chosen = table(name)
    assert (len(chosen.entries), chosen.total_weight) == SIZES[name]
    assert len(set(chosen.names)) == len(chosen.names)


@pytest.mark.parametrize(
    ("draw", "name"),
    [
        (0, "stop_start_cycle"),
        (19, "stop_start_cycle"),
        (20, "wedge_recovery"),
        (34, "wedge_recovery"),
        (35, "pib_overflow"),
        (131, "sustained_stream"),
        (132, "rapid_start_stop"),
        (197, "abandoned_stream"),
        (198, "stale_vendor_codes"),
        (261, "test_main_recovery"),
        (262, "stop_start_cycle"),
    ],
)
def test_the_bounds_are_inclusive(draw, name):
    """The last draw of a scenario and the first of the next; 262 begins anew."""
    assert table("v0.1.0").pick(draw) == name


@pytest.mark.parametrize(("name", "seed", "cycles", "runs"), PUBLISHED)
def test_published_run_counts_are_met_exactly(name, seed, cycles, runs):
    """The same seed and table choose the same scenarios as often as the original did."""
    counts = Counter(islice(picks(name, seed), cycles))
    assert {scenario: counts[scenario] for scenario in runs} == runs


def test_the_triple_that_a_commit_message_quotes():
    """Cycles 125 to 127 of a run of 17 February 2026."""
    triple = list(islice(picks("510e55a", 1_771_373_722), 124, 127))
    assert triple == ["freq_hop", "stop_start_cycle", "debug_race"]


def test_a_weight_can_be_replaced_and_a_negative_one_means_none():
    """The order stays."""
    chosen = table("510e55a").reweighted({"stop_start_cycle": -3, "freq_hop": 11})
    assert chosen.total_weight == 137 - 20 + 1
    assert chosen.pick(0) == "wedge_recovery"
    assert chosen.names == table("510e55a").names


def test_a_weight_of_an_unknown_scenario_is_an_error_that_names_the_nearest():
    """The original goes on with a note, so that a typing error goes unseen for hours."""
    with pytest.raises(InputError, match="did you mean clock_pull"):
        table("v0.1.0").reweighted({"clok_pull": 1})


def test_without_any_weight_there_is_nothing_to_run():
    """As in the original."""
    with pytest.raises(InputError, match="nothing to run"):
        table("v0.1.0").reweighted(dict.fromkeys(table("v0.1.0").names, 0))


@pytest.mark.parametrize("text", ["freq_hop", "freq_hop=", "freq_hop=many", "freq_hop=1.5"])
def test_a_weight_without_a_number_is_an_error_with_an_example(text):
    """One line."""
    with pytest.raises(InputError, match="for example hw_smoke=3"):
        parse_weights([text])


def test_later_weights_win():
    """As later options do everywhere."""
    assert parse_weights(["freq_hop=1", "freq_hop=7"]) == {"freq_hop": 7}


def test_an_unknown_table_is_an_error_that_names_the_tables():
    """One line."""
    with pytest.raises(InputError, match=r"no soak table 'v9': .*|no soak table 'v9'"):
        table("v9")


def test_soak_names_are_in_the_table():
    """What is called otherwise on the command line is called so in the newest table."""
    assert set(SUITE_NAMES) <= set(table("v0.1.0").names)
