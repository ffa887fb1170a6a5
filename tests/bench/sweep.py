"""Sweeps: rows a second, one worker against two, and a device-year of daily faults (10 s at most).

Alone: ``python -m tests.bench.sweep``.
"""

from __future__ import annotations

from time import perf_counter

from scenarios.lab import campaign_file
from scenarios.lab.campaign import Campaign
from scenarios.lab.campaign_run import Engine, results

ROWS = """
runs = 300
[[fault]]
fault = "main_hang"
[[fault]]
fault = "hang:call=usb_flush_ep,thread=usb,during=STOPFX3"
"""
YEAR = """
[life]
days = 365
[[fault]]
fault = "main_hang"
per_day = 0.5
source = "assumed"
[[fault]]
fault = "hang:call=usb_flush_ep,thread=usb,during=STOPFX3"
per_day = 0.3
source = "assumed"
[[fault]]
fault = "host_paused:for_ms=2000"
per_day = 0.2
source = "assumed"
"""


def measure(rounds: int) -> dict[str, float]:
    """Best of so many rounds, one worker and two in turn; the workers are there already."""
    campaign = campaign_file.parse(ROWS, "bench")
    year = campaign_file.parse(YEAR, "bench")
    run(campaign_file.parse(ROWS.replace("300", "40"), "bench"), 2)
    one_s = two_s = year_s = float("inf")
    for _ in range(rounds):
        one_s = min(one_s, run(campaign, 1))
        two_s = min(two_s, run(campaign, 2))
        year_s = min(year_s, run(year, 1))
    return {
        "rows_per_second_one_worker": campaign.rows / one_s,
        "rows_per_second_two_workers": campaign.rows / two_s,
        "two_workers_against_one": one_s / two_s,
        "device_year_wall_s": year_s,
        "device_year_faults": year.rows,
    }


def run(campaign: Campaign, jobs: int) -> float:
    """Return how long the rows of a campaign take, in s."""
    began = perf_counter()
    done = sum(len(part) for part in results(campaign.jobs(), Engine(jobs=jobs)))
    assert done == campaign.rows
    return perf_counter() - began


if __name__ == "__main__":
    for name, value in measure(rounds=3).items():
        print(f"{name:32s} {value:>12,.2f}")
