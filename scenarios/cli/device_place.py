"""Where ``fx3loop device`` works: a world of its own, or a real device behind the guard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hw.boot import Image
from hw.runtime import Runtime, ThreadRuntime
from hw.rx888 import Rx888
from scenarios.cli.running import Device
from scenarios.station import Station
from sim.host.backend import get_backend
from sim.host.runtime import WorldRuntime
from sim.world import BenchWorld


@dataclass(frozen=True)
class Place:
    """A device that can be opened, and its clock.

    Attributes:
        open_device: opens it anew.
        runtime: its clock.
        image: firmware to upload, or None.
    """

    open_device: Callable[[], Rx888]
    runtime: Runtime
    image: Image | None

    def station(self) -> Station:
        """Open the device and return a place of work.

        Raises:
            DeviceError: it is not there, or cannot be opened.
        """
        return Station(self.open_device(), self.runtime, image=self.image)


@contextmanager
def world_place(
    make_world: Callable[[], BenchWorld], image: Image | None, *, is_live: bool
) -> Iterator[Place]:
    """A world with a device that was just uploaded to.

    Args:
        make_world: makes it.
        image: what is uploaded later, instead of the same again.
        is_live: a person types: the world keeps step with the wall clock.
    """
    with make_world() as world:
        world.boot()
        backend = get_backend(world, pace="wall" if is_live else "calls")
        runtime = WorldRuntime(world)
        yield Place(
            lambda: Rx888.open(backend, runtime), runtime, image or Image.parse(world.image)
        )


def usb_place(device: Device) -> Place:
    """A real device, as the command line asked for it."""
    runtime = ThreadRuntime()

    def open_device() -> Rx888:
        return Rx888.open(
            None,
            runtime,
            selector=device.selector,
            authority=device.authority,
            image=device.image,
        )

    return Place(open_device, runtime, device.image)
