"""A pyusb backend on a world: ``usb.core.find(backend=get_backend(world))``.

Time advances with the calls, or follows the wall clock (:mod:`sim.host.pacing`);
:mod:`sim.host.virtual_time` lets a program's sleeps pass in the world.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sim.host.pacing import PacedBackend
from sim.host.world_backend import WorldBackend

if TYPE_CHECKING:
    from sim.bench import Bench


def get_backend(world: Bench, *, process: str = "", pace: str = "calls", speed: float = 1.0) -> Any:  # noqa: ANN401 - pyusb has no types
    """The pyusb backend of this world; the same object at each call, as libusb's is.

    Args:
        world: the bench.
        process: name of the program; programs of different names are different processes, which
            meet only in what they claim.
        pace: ``calls``: time passes in calls alone, as long as each takes. ``wall``: time also
            follows the wall clock between calls, and a call that waits takes its time.
        speed: of a ``wall`` pace: simulated seconds in one second.

    Raises:
        ValueError: there is no such pace.
    """
    if pace not in ("calls", "wall"):
        raise ValueError(f"no pace {pace!r}; use pace='calls' or pace='wall'")
    key = (process, pace, speed)
    backend = world.backends.get(key)
    if backend is None:
        if pace == "wall":
            backend = PacedBackend(world, process, speed)
        else:
            backend = WorldBackend(world, process)
        world.backends[key] = backend
    return backend
