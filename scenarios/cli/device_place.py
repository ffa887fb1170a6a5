"""Where ``fx3loop device`` works: a world of its own, or a real device behind the guard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hw.boot import Image
from hw.bus import Bus, Selector, UsbBackend, UsbDevice
from hw.guard import Authority, AuthoritySource
from hw.owner import owners_of
from hw.runtime import Runtime, ThreadRuntime
from hw.rx888 import Rx888
from scenarios.cli.running import Device
from scenarios.station import Station
from sim.host.backend import get_backend
from sim.host.runtime import WorldRuntime
from sim.host.usbfs import Handle
from sim.world import BenchWorld

THIS_PROGRAM = "this program"


@dataclass(frozen=True)
class Place:
    """A device that can be found and opened, and its clock.

    Attributes:
        open_device: opens it anew.
        open_bus: what looks for it, without opening anything.
        owners: which programs hold a device.
        runtime: its clock.
        image: firmware to upload, or None.
        is_live: time passes by itself: a real device, or a world in step with the wall clock.
    """

    open_device: Callable[[], Rx888]
    open_bus: Callable[[], Bus]
    owners: Callable[[UsbDevice], tuple[str, ...]]
    runtime: Runtime
    image: Image | None
    is_live: bool

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
        is_live: a person looks on: the world keeps step with the wall clock.
    """
    with make_world() as world:
        world.boot()
        backend = get_backend(world, pace="wall" if is_live else "calls")
        runtime = WorldRuntime(world)

        def owners(found: UsbDevice) -> tuple[str, ...]:
            there = world.host.device
            if there is None or (found.bus, found.address) != (there.bus, there.address):
                return ()
            handles = [item for item in there.claims.values() if isinstance(item, Handle)]
            return tuple(handle.process or THIS_PROGRAM for handle in handles)

        yield _place(
            backend,
            runtime,
            Authority(),
            Selector(),
            owners,
            image=image or Image.parse(world.image),
            is_live=is_live,
        )


def usb_place(device: Device) -> Place:
    """A real device, as the command line asked for it."""
    return _place(
        None,
        ThreadRuntime(),
        device.authority,
        device.selector,
        lambda found: owners_of(found.bus, found.address),
        image=device.image,
        is_live=True,
    )


def _place(
    backend: UsbBackend | None,
    runtime: Runtime,
    authority: Authority | AuthoritySource,
    selector: Selector,
    owners: Callable[[UsbDevice], tuple[str, ...]],
    *,
    image: Image | None,
    is_live: bool,
) -> Place:
    def open_device() -> Rx888:
        # A world's device runs already; a real one may wait for its firmware.
        return Rx888.open(
            backend,
            runtime,
            selector=selector,
            authority=authority,
            image=image if backend is None else None,
        )

    def open_bus() -> Bus:
        return Bus(backend, runtime, authority, selector)

    return Place(open_device, open_bus, owners, runtime, image, is_live)
