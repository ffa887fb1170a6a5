"""Worlds that boot, run 10 s, wedge once and recover once, made and torn down.

Twice: a DMA error that the firmware's level 1 mends, and a handler that hangs in STOPFX3, where
level 4 resets the chip and the host uploads the firmware again over pyusb and restarts the stream.
"""

from __future__ import annotations

from time import perf_counter

from hw.boot import Image
from hw.errors import DeviceTimeoutError, NoDeviceError
from hw.rx888 import Rx888
from sim.faults import Fault
from sim.firmware import image
from sim.host.backend import get_backend
from sim.host.drain import Drain
from sim.host.runtime import WorldRuntime
from sim.world import BenchWorld

SECOND_NS = 1_000_000_000
DMA_ERROR = Fault("dma_error", at_ms=3_000)
HANG = Fault("hang", call="usb_flush_ep", thread="usb", during="STOPFX3")
WORLDS = 100
IMAGE = Image.parse(image("reference"))


def hang_and_upload(seed: int) -> None:
    """STOP hangs, level 4 resets, the host uploads again and streams."""
    with BenchWorld("reference", "level-1-4", seed=seed, faults=[HANG]) as world:
        world.boot()
        device = Rx888.open(get_backend(world), WorldRuntime(world))
        stream(world, device)
        world.sleep(SECOND_NS)
        device.stop()
        try:
            device.info()
        except (DeviceTimeoutError, NoDeviceError):
            device.reacquire(IMAGE)
        stream(world, device)
        world.run_until(10 * SECOND_NS)
        assert [reset.cause for reset in world.chip.resets] == ["device_reset"]
        assert [level for _, level in remedies(world)] == [4]


def stream(world: BenchWorld, device: Rx888) -> None:
    """Start the stream and read all of it."""
    usb = world.host.device
    assert usb is not None
    device.start_adc(64_000_000)
    Drain(world, usb).start()
    device.start()


def remedies(world: BenchWorld) -> list[tuple[int, int]]:
    """Every remedy of every boot: (time in ns, level)."""
    return [remedy for program in world.programs for remedy in program.remedies_applied]


def wedge_and_restart(seed: int) -> None:
    """The sockets stop in mid-stream, and level 1 brings the stream back."""
    with BenchWorld("reference", "reference", seed=seed, faults=[DMA_ERROR]) as world:
        world.boot()
        stream(world, Rx888.open(get_backend(world), WorldRuntime(world)))
        world.run_until(10 * SECOND_NS)
        assert [level for _, level in remedies(world)] == [1]
        firmware = world.firmware
        assert firmware is not None
        assert firmware.dma_count > 40_000


def measure(rounds: int) -> dict[str, float]:
    """Worlds per second on one core, with the work of the collector in it."""
    figures = {}
    for name, run in (
        ("per_second", wedge_and_restart),
        ("with_upload_per_second", hang_and_upload),
    ):
        best = 0.0
        for _ in range(rounds):
            began = perf_counter()
            for seed in range(WORLDS):
                run(seed)
            best = max(best, WORLDS / (perf_counter() - began))
        figures[name] = best
    return figures
