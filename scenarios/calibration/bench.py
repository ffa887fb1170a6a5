"""Benches that figures are measured on: a world, the driver on it, and a record of its threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from health import Policy
from hw.boot import Image
from hw.errors import DeviceError
from hw.protocol import Request
from hw.rx888 import Rx888
from hw.trace import Recorder, spans_by_track
from scenarios.station import Station
from sim.firmware import Firmware
from sim.host.backend import get_backend
from sim.host.controller import UsbDevice
from sim.host.drain import Drain
from sim.host.runtime import WorldRuntime
from sim.options import Options
from sim.world import BenchWorld

MHZ = 1_000_000
NS_PER_US = 1_000
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000

SHIPPED = ("fw-2.3", "level-1-4-5")
"""Release 0.1.0 and its watchdogs."""
MAY_2026 = ("fw-2.2", "level-1")
"""The main branch before the EP0 watchdog."""

UPTIME_US = 1_234_567
"""Before anything is measured the device has run for a while, at no round time."""


@dataclass(frozen=True)
class Bench:
    """A booted device and a host program's driver for it.

    Attributes:
        world: the simulated bench.
        device: the driver.
        runtime: the host program's clock.
        record: what the threads did.
    """

    world: BenchWorld
    device: Rx888
    runtime: WorldRuntime
    record: Recorder

    @property
    def firmware(self) -> Firmware:
        """The firmware that was booted last."""
        return self.world.programs[-1]

    @property
    def on_bus(self) -> UsbDevice:
        """The device as the host controller sees it; it has to be there."""
        found = self.world.host.device
        if found is None:
            raise RuntimeError("the device is not on the bus")
        return found

    def station(self) -> Station:
        """A place of work for a scenario."""
        return Station(self.device, self.runtime, image=Image.parse(self.world.image))

    def reopened(self) -> Station:
        """The device opened anew, as by another process of the same program, and a place of work.

        The one before has to be closed.
        """
        image = Image.parse(self.world.image)
        device = Rx888.open(get_backend(self.world), self.runtime, image=image)
        return Station(device, self.runtime, image=image)

    def sleep_ms(self, duration_ms: float) -> None:
        """Let time pass."""
        self.world.run_until(self.world.now_ns + round(duration_ms * NS_PER_MS))

    def handler_ns(self, request: Request) -> list[int]:
        """How long each handler of a request has taken so far, once none is in progress."""
        # A host is told before the handler of an OUT request has done its work.
        while self.firmware.in_callback:
            self.sleep_ms(1)
        spans = spans_by_track(self.record).get("fx3/EP0", [])
        return [span.end_ns - span.start_ns for span in spans if span.name == request.name]

    def beats_ns(self) -> list[int]:
        """When the main loop has turned."""
        return [item[3] for item in self.record.records if item[1:3] == ("fx3/main thread", "beat")]

    def remedies_ns(self) -> list[int]:
        """When the firmware that was booted last has begun a remedy."""
        return [at_ns for at_ns, _ in self.firmware.remedies_applied]

    def unread(self, rate_hz: int = 64 * MHZ) -> int:
        """STARTADC and STARTFX3, and nobody reads.

        Returns:
            When STARTFX3 was acknowledged, in ns.
        """
        self.device.start_adc(rate_hz)
        self.device.start()
        return self.world.now_ns

    def streaming(self, rate_hz: int) -> Drain:
        """STARTADC, a reader that takes everything, STARTFX3."""
        self.device.start_adc(rate_hz)
        drain = Drain(self.world, self.on_bus)
        drain.start()
        self.device.start()
        return drain


@contextmanager
def booted(
    firmware: str = SHIPPED[0],
    policy: Policy | str = SHIPPED[1],
    *,
    options: Options | None = None,
    uptime_us: int = UPTIME_US,
    records: bool = True,
) -> Iterator[Bench]:
    """A bench whose application has enumerated and run for a while.

    Args:
        firmware: revision.
        policy: of the health module.
        options: the bench's knobs.
        uptime_us: from enumeration on; moves the phase of everything that follows.
        records: keep what the threads do; off for long streams.
    """
    record = Recorder(None if records else 0)
    trace = record if records else None
    with BenchWorld(firmware, policy, options=options, trace=trace) as world:
        world.boot()
        world.run_until(world.now_ns + uptime_us * NS_PER_US)
        runtime = WorldRuntime(world)
        device = Rx888.open(get_backend(world), runtime, image=Image.parse(world.image))
        yield Bench(world, device, runtime, record)


def ignoring_failure(call: Callable[[], object]) -> None:
    """Make a call whose failure is what is measured."""
    with suppress(DeviceError):
        call()
