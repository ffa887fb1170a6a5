"""One simulated hour of 64 MS/s, busy and idle, beside the per-buffer model.

Busy: a drain of jittered 1 MiB transfers, GETSTATS from the host at 10 Hz, one stall of a second
each minute, the firmware's polling and its health module. Idle: a steady drain and no other host
activity. The per-buffer model has one SimPy process a side and one bare event a buffer.
"""

from __future__ import annotations

from time import perf_counter

from hw.protocol import STATS_BYTES, VENDOR_IN, Request
from hw.rx888 import Rx888
from sim.chip.usb import Setup, TransferStatus
from sim.host.backend import get_backend
from sim.host.drain import Drain
from sim.host.runtime import WorldRuntime
from sim.world import BenchWorld
from tests.bench import per_buffer

HOUR_S = 3_600
SECOND_NS = 1_000_000_000
RATE_HZ = 64_000_000
SHIPPED = ("fw-2.3", "level-1-4-5")
GETSTATS = Setup(VENDOR_IN, Request.GETSTATS, 0, 0, STATS_BYTES)


def streaming_world() -> BenchWorld:
    """A world whose device streams and whose host does not read yet."""
    world = BenchWorld(*SHIPPED, seed=1)
    world.boot()
    device = Rx888.open(get_backend(world), WorldRuntime(world))
    device.start_adc(RATE_HZ)
    device.start()
    return world


def busy_hour() -> float:
    """Seconds of wall clock that the busy hour takes."""
    with streaming_world() as world:
        usb = world.host.device
        assert usb is not None
        drain = Drain(world, usb, jitter_ns=2_000_000)
        drain.start()
        answered = 0

        def poll() -> None:
            nonlocal answered
            while True:
                world.sleep(SECOND_NS // 10)
                transfer = world.host.control(usb, GETSTATS, b"", 1000)
                answered += transfer.status is TransferStatus.DONE

        def stall() -> None:
            while True:
                world.sleep(59 * SECOND_NS)
                drain.stop()
                world.sleep(SECOND_NS)
                drain.start()

        world.spawn("GETSTATS", poll)
        world.spawn("stalls", stall)
        began = perf_counter()
        world.run_until(world.now_ns + HOUR_S * SECOND_NS)
        took = perf_counter() - began
        assert answered > 35_000
        assert drain.bytes > 0.97 * HOUR_S * 59 / 60 * RATE_HZ * 2
        firmware = world.firmware
        assert firmware is not None
        assert len(firmware.remedies_applied) <= 5
    return took


def idle_hour() -> float:
    """Seconds of wall clock that the hour with a steady drain takes."""
    with streaming_world() as world:
        usb = world.host.device
        assert usb is not None
        drain = Drain(world, usb)
        drain.start()
        began = perf_counter()
        world.run_until(world.now_ns + HOUR_S * SECOND_NS)
        took = perf_counter() - began
        assert drain.bytes > 0.999 * HOUR_S * RATE_HZ * 2
    return took


def measure(rounds: int) -> dict[str, float]:
    """Real-time factors, and the ratio to the per-buffer model."""
    busy, idle, model = [], [], []
    for _ in range(rounds):
        busy.append(busy_hour())
        idle.append(idle_hour())
        began = perf_counter()
        per_buffer.run(10.0, RATE_HZ)
        model.append((perf_counter() - began) / 10.0)
    return {
        "realtime_factor": HOUR_S / min(busy),
        "idle_realtime_factor": HOUR_S / min(idle),
        "per_buffer_realtime_factor": 1 / min(model),
        "vs_per_buffer": HOUR_S / min(idle) * min(model),
    }
