"""A soak's place in a simulated world."""

from __future__ import annotations

from health import Health, HealthFactory, Policy
from hw.boot import Image
from hw.rx888 import Rx888
from scenarios.contract import Examiner, WorldLedger
from scenarios.soak.device_place import DevicePlace, cast_of
from scenarios.soak.tables import Table
from sim.host.backend import get_backend
from sim.host.runtime import WorldRuntime
from sim.options import Options
from sim.world import BenchWorld


class SoakBench(DevicePlace):
    """A world with one device, on which soaks run; close it, or use it in a ``with``.

    Args:
        table: what may be drawn; every scenario with a weight is looked up before anything runs.
        firmware: revision.
        policy: of the health module inside the firmware.
        seed: of the world.
        options: the bench's knobs.
        health: class of the health module in the firmware.

    Raises:
        InputError: a scenario is not known, or does not run on this firmware.
    """

    def __init__(
        self,
        table: Table,
        firmware: str = "reference",
        policy: Policy | str = "reference",
        *,
        seed: int = 0,
        options: Options | None = None,
        health: HealthFactory = Health,
    ) -> None:
        cast = cast_of(table, firmware)
        self.world = BenchWorld(firmware, policy, seed=seed, options=options, health=health)
        self.world.boot()
        runtime = WorldRuntime(self.world)
        device = Rx888.open(get_backend(self.world), runtime, clear_halt=False)
        examiner = Examiner(firmware, device, WorldLedger(self.world))
        super().__init__(device, runtime, Image.parse(self.world.image), examiner, cast)

    def close(self) -> None:
        """End the world."""
        self.world.close()
