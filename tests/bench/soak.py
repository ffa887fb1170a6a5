"""A simulated hour of the soak: wall time, beside the same pyusb calls on an empty backend, memory.

Release 0.1.0's table with seeds 1 and 26 on firmware 2.3 as shipped, and with sustained_stream left
out, whose 30 s of blocking reads of 64 KiB are most of the work. The calls of an hour are recorded
and made again on a backend that answers at once, which shows what pyusb and the driver alone take.
Each hour has a process of its own, so that its peak memory is its own.

One hour alone: ``python -m tests.bench.soak SEED HOURS``.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from time import perf_counter

from hw.exchange import Exchange
from hw.runtime import ThreadRuntime
from hw.rx888 import Rx888
from scenarios.soak.bench import SoakBench
from scenarios.soak.harness import Harness
from scenarios.soak.plan import Plan
from scenarios.soak.tables import table
from tests.bench.driver import InstantBackend
from tests.hw.fake_usb import FakeDevice

SHIPPED = ("fw-2.3", "level-1-4-5")
SEEDS = (1, 26)
EARLY_SHARE = 1 / 6
"""Ten minutes of an hour."""

Call = tuple[str, int, int, int, bytes, int]


def hour(seed: int, hours: float, **weights: int) -> dict[str, float]:
    """Run a soak, and say how long it took and what memory it peaked at, early and in the end."""
    chosen = table("v0.1.0").reweighted(weights)
    peaks: list[int] = []

    def look(done: float) -> None:
        if done >= EARLY_SHARE and not peaks:
            peaks.append(_peak_kib())

    with SoakBench(chosen, *SHIPPED, seed=seed) as place:
        harness = Harness(Plan(chosen, seed, hours), place, lambda line: None, progress=look)
        began = perf_counter()
        record = harness.run()
        took = perf_counter() - began
    return {
        "wall_s": took,
        "cycles": record.cycles,
        "simulated_s": record.duration_ms / 1_000,
        "early_peak_kib": peaks[0],
        "peak_kib": _peak_kib(),
    }


def replay(seed: int, hours: float) -> tuple[float, int]:
    """Record the calls of a soak, and return the seconds that they take alone, and their number."""
    calls = recorded(seed, hours)
    device = Rx888.open(InstantBackend(FakeDevice()), ThreadRuntime(), clear_halt=False)
    began = perf_counter()
    for kind, request, value, index, sent, asked_bytes in calls:
        if kind == "bulk":
            device.read(asked_bytes, timeout_ms=1_000)
        elif kind == "in":
            device.request_in(request, asked_bytes, value=value, index=index)
        elif kind == "out":
            device.request_out(request, sent, value=value, index=index)
    took = perf_counter() - began
    device.close()
    return took, len(calls)


def recorded(seed: int, hours: float) -> list[Call]:
    """Every transfer of a soak that its driver made."""
    calls: list[Call] = []

    def note(item: Exchange) -> None:
        calls.append((item.kind, item.request, item.value, item.index, item.sent, item.asked_bytes))

    chosen = table("v0.1.0")
    with SoakBench(chosen, *SHIPPED, seed=seed) as place:
        place.device.observe(note)
        Harness(Plan(chosen, seed, hours), place, lambda line: None).run()
    return calls


def measure(hours: float) -> dict[str, float]:
    """Every figure, for runs of so many simulated hours."""
    figures: dict[str, float] = {}
    for seed in SEEDS:
        run = _in_a_process(seed, hours)
        figures[f"seed_{seed}_wall_s"] = run["wall_s"]
        figures[f"seed_{seed}_cycles"] = run["cycles"]
        figures[f"seed_{seed}_realtime_factor"] = run["simulated_s"] / run["wall_s"]
        figures[f"seed_{seed}_peak_mib"] = run["peak_kib"] / 1_024
        figures[f"seed_{seed}_late_growth_mib"] = (run["peak_kib"] - run["early_peak_kib"]) / 1_024
    seed = SEEDS[0]
    without = _in_a_process(seed, hours, "sustained_stream=0")
    figures["without_sustained_wall_s"] = without["wall_s"]
    figures["without_sustained_realtime_factor"] = without["simulated_s"] / without["wall_s"]
    alone_s, number = replay(seed, hours)
    figures["calls"] = number
    figures["calls_alone_wall_s"] = alone_s
    figures["ratio_to_calls_alone"] = figures[f"seed_{seed}_wall_s"] / alone_s
    return figures


def _in_a_process(seed: int, hours: float, *weights: str) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.soak", str(seed), str(hours), *weights]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def _peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    changed = dict(text.split("=") for text in sys.argv[3:])
    numbers = {name: int(weight) for name, weight in changed.items()}
    print(json.dumps(hour(int(sys.argv[1]), float(sys.argv[2]), **numbers)))
