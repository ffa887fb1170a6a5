"""The generator of the soak gives the numbers of the C library's srand and rand."""

from __future__ import annotations

import ctypes
import ctypes.util
import sys

import pytest

from scenarios.soak.glibc_random import GlibcRandom
from scenarios.soak.tables import table

SEEDS = (0, 1, 2, 20, 25, 26, 42, 1_771_373_722, 2**31 - 1, 2**31, 4_000_000_000, 2**32 - 1)

FIRST_SIX = {
    1: [
        (183, "abandoned_stream"),
        (166, "gpio_during_stream"),
        (189, "abandoned_stream"),
        (185, "abandoned_stream"),
        (215, "watchdog_cap_observe"),
        (75, "pll_preflight"),
    ],
    20: [
        (31, "wedge_recovery"),
        (78, "pll_preflight"),
        (189, "abandoned_stream"),
        (13, "stop_start_cycle"),
        (132, "rapid_start_stop"),
        (255, "vendor_rqt_wrap"),
    ],
    42: [
        (134, "rapid_start_stop"),
        (116, "double_stop"),
        (67, "oob_setarg"),
        (35, "pib_overflow"),
        (188, "abandoned_stream"),
        (122, "double_start"),
    ],
}


def test_the_first_number_of_seed_1_is_the_well_known_one():
    """Every program that calls rand() without srand() on Linux sees it first."""
    assert GlibcRandom(1).draw() == 1_804_289_383


def test_seed_0_means_seed_1():
    """As srand has it."""
    zero, one = GlibcRandom(0), GlibcRandom(1)
    assert [zero.draw() for _ in range(100)] == [one.draw() for _ in range(100)]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the C library is another one")
@pytest.mark.parametrize("seed", SEEDS)
def test_it_equals_the_c_library_of_this_machine(seed):
    """A thousand numbers a seed, seeds beyond 31 bits included."""
    library = ctypes.CDLL(ctypes.util.find_library("c"))
    if not hasattr(library, "gnu_get_libc_version"):
        pytest.skip("not the GNU C library")
    library.srand(ctypes.c_uint(seed))
    expected = [library.rand() for _ in range(1_000)]
    ours = GlibcRandom(seed)
    assert [ours.draw() for _ in range(1_000)] == expected


@pytest.mark.parametrize("seed", FIRST_SIX)
def test_the_first_six_picks_of_release_0_1_0(seed):
    """Number modulo 262, and the scenario that the scan of the table finds for it."""
    chosen, random = table("v0.1.0"), GlibcRandom(seed)
    picks = []
    for _ in range(6):
        draw = random.draw()
        picks.append((draw % chosen.total_weight, chosen.pick(draw)))
    assert picks == FIRST_SIX[seed]
