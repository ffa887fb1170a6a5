"""A simulated hour of the soak: its time on one core, that of its pyusb calls alone, and memory.

Release 0.1.0's table with seeds 1 and 26 on firmware 2.3 as shipped, with and without
sustained_stream, whose 30 s of blocking reads of 64 KiB are most of the calls.

The calls of an hour are recorded where pyusb hands them to its backend, in a run of their own, and
made again through pyusb's public API on two backends that answer at once, without a world or a
driver: an empty one, whose reads leave the buffer as it is, and one that copies as many bytes as
were asked for, as any real one must. A call that failed in the world succeeds there. All sides take
turns in one process, and the best of each counts. It is one thread that never waits, so the
processor's time is what it takes on a core of its own, whoever else uses the machine. Memory is
the process's peak after the first run; late growth is that, less the peak after ten minutes of it.

One hour alone: ``python -m tests.bench.soak SEED HOURS ROUNDS [NAME=WEIGHT]...``.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from array import array
from time import process_time
from typing import Any

import usb.core

from hw.protocol import BULK_IN_ENDPOINT, DIRECTION_IN
from scenarios.collector import relax_collector
from scenarios.soak.bench import SoakBench
from scenarios.soak.harness import Harness, no_progress
from scenarios.soak.plan import Plan
from scenarios.soak.tables import table
from sim.host.backend import get_backend
from tests.bench.driver import InstantBackend
from tests.hw.fake_usb import FakeDevice

SHIPPED = ("fw-2.3", "level-1-4-5")
SEEDS = (1, 26)
EARLY_SHARE = 1 / 6
"""Ten minutes of an hour."""
TIMEOUT_MS = 1_000
LONGEST_READ_BYTES = 1 << 22
"""What the kernel takes in one piece (usbfs)."""
RATIO_TARGET = 3.0
"""The whole soak takes at most so many times what its pyusb calls take alone."""
WITHOUT_SUSTAINED_TARGET_S = 4.0


class CopyingBackend(InstantBackend):
    """Reads hand over bytes that stand ready."""

    def __init__(self, device: FakeDevice) -> None:
        super().__init__(device)
        self._ready = memoryview(bytes(LONGEST_READ_BYTES))

    def bulk_read(
        self, dev_handle: FakeDevice, ep: int, intf: int, buff: array[int], timeout: int
    ) -> int:
        memoryview(buff)[:] = self._ready[: len(buff)]
        return len(buff)


Read = tuple[int]
"""Bytes asked for."""
Control = tuple[int, int, int, int, Any]
"""bmRequestType, bRequest, wValue, wIndex, and the data or how many bytes are asked for."""
Calls = list[tuple[Read | Control, int]]
"""Calls in their order, equal ones in a row counted."""


def hour(seed: int, hours: float, **weights: int) -> dict[str, float]:
    """Run a soak, and say what time it took and what memory it peaked at, early and in the end."""
    peaks: list[int] = []

    def look(done: float) -> None:
        if done >= EARLY_SHARE and not peaks:
            peaks.append(_peak_kib())

    chosen = table("v0.1.0").reweighted(weights)
    with SoakBench(chosen, *SHIPPED, seed=seed) as place:
        harness = Harness(Plan(chosen, seed, hours), place, lambda line: None, progress=look)
        began = process_time()
        record = harness.run()
        took = process_time() - began
    return {
        "cpu_s": took,
        "cycles": record.cycles,
        "simulated_s": record.duration_ms / 1_000,
        "early_peak_kib": peaks[0],
        "peak_kib": _peak_kib(),
    }


def recorded(seed: int, hours: float, **weights: int) -> Calls:
    """Every transfer of a soak that pyusb handed to the world's backend."""
    calls: Calls = []

    def note(call: Read | Control) -> None:
        if calls and calls[-1][0] == call:
            calls[-1] = (call, calls[-1][1] + 1)
        else:
            calls.append((call, 1))

    chosen = table("v0.1.0").reweighted(weights)
    with SoakBench(chosen, *SHIPPED, seed=seed) as place:
        backend = get_backend(place.world)
        control, read = backend.ctrl_transfer, backend.bulk_read

        def noted_control(
            handle: object,
            request_type: int,
            request: int,
            value: int,
            index: int,
            data: array[int],
            timeout_ms: int,
        ) -> int:
            sent = len(data) if request_type & DIRECTION_IN else array("B", data)
            note((request_type, int(request), value, index, sent))
            return int(control(handle, request_type, request, value, index, data, timeout_ms))

        def noted_read(
            handle: object, endpoint: int, number: int, buffer: array[int], timeout_ms: int
        ) -> int:
            note((len(buffer),))
            return int(read(handle, endpoint, number, buffer, timeout_ms))

        backend.ctrl_transfer, backend.bulk_read = noted_control, noted_read
        Harness(Plan(chosen, seed, hours), place, lambda line: None, progress=no_progress).run()
    return calls


def replay(calls: Calls, backend: InstantBackend) -> float:
    """The seconds that the calls take on a backend."""
    device = usb.core.find(backend=backend)
    sizes = {call[0] for call, _ in calls if len(call) == 1}
    buffers = {size: array("B", bytes(size)) for size in sizes}
    began = process_time()
    for call, times in calls:
        if len(call) == 1:
            buffer = buffers[call[0]]
            for _ in range(times):
                device.read(BULK_IN_ENDPOINT, buffer, TIMEOUT_MS)
        else:
            for _ in range(times):
                device.ctrl_transfer(*call, TIMEOUT_MS)
    return process_time() - began


def compared(seed: int, hours: float, rounds: int, **weights: int) -> dict[str, float]:
    """Run, record, and take turns: all figures of a soak."""
    figures = hour(seed, hours, **weights)
    calls = recorded(seed, hours, **weights)
    empty, copying = InstantBackend(FakeDevice()), CopyingBackend(FakeDevice())
    costs_s = [figures["cpu_s"]]
    alone_s, with_bytes_s = [replay(calls, empty)], [replay(calls, copying)]
    for _ in range(rounds - 1):
        costs_s.append(hour(seed, hours, **weights)["cpu_s"])
        alone_s.append(replay(calls, empty))
        with_bytes_s.append(replay(calls, copying))
    return {
        "cpu_s": min(costs_s),
        "cycles": figures["cycles"],
        "realtime_factor": figures["simulated_s"] / min(costs_s),
        "calls": sum(times for _, times in calls),
        "calls_alone_cpu_s": min(alone_s),
        "calls_with_bytes_cpu_s": min(with_bytes_s),
        "ratio_to_calls_alone": min(costs_s) / min(alone_s),
        "ratio_to_calls_with_bytes": min(costs_s) / min(with_bytes_s),
        "peak_mib": figures["peak_kib"] / 1_024,
        "late_growth_mib": (figures["peak_kib"] - figures["early_peak_kib"]) / 1_024,
    }


def measure(hours: float, rounds: int) -> dict[str, float]:
    """Every figure, for runs of so many simulated hours."""
    figures = {
        "ratio_to_calls_alone_target": RATIO_TARGET,
        "without_sustained_cpu_s_target": WITHOUT_SUSTAINED_TARGET_S * hours,
    }
    for seed in SEEDS:
        for kind, weights in (("", ()), ("without_sustained_", ("sustained_stream=0",))):
            for name, value in _in_a_process(seed, hours, rounds, *weights).items():
                figures[f"seed_{seed}_{kind}{name}"] = value
    return figures


def _in_a_process(seed: int, hours: float, rounds: int, *weights: str) -> dict[str, float]:
    """In a process of its own, so that its peak memory is its own."""
    command = [sys.executable, "-m", "tests.bench.soak", *map(str, (seed, hours, rounds)), *weights]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def _peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    relax_collector()
    changed = dict(text.split("=") for text in sys.argv[4:])
    numbers = {name: int(weight) for name, weight in changed.items()}
    print(json.dumps(compared(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), **numbers)))
