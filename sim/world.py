"""A whole bench in one object: host, cable, board, firmware, policy and faults."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from health import Health, HealthFactory, Policy
from sim.bench import Bench
from sim.chip.bootrom import RAM_BASE
from sim.errors import SimulationError
from sim.firmware import image
from sim.firmware.image import ENTRY_ADDRESS
from sim.options import Options

if TYPE_CHECKING:
    from hw.trace import Recorder
    from sim.faults import Fault
    from sim.injector import Injector


class BenchWorld(Bench):
    """An RX888mk2 on a host's port, its power off until :meth:`power_on` or :meth:`boot`.

    Args:
        firmware: name of the revision whose image :meth:`boot` uploads.
        policy: the health module's policy, or a preset's name.
        seed: see :class:`sim.kernel.World`.
        options: the bench's knobs.
        faults: what goes wrong.
        trace: recorder, or None.
        health: class of the health module in the firmware; a user's own may be judged here.

    Attributes:
        injector: the armed faults, with what each has done.
    """

    def __init__(
        self,
        firmware: str = "reference",
        policy: Policy | str = "reference",
        *,
        seed: int = 0,
        options: Options | None = None,
        faults: Iterable[Fault] = (),
        trace: Recorder | None = None,
        health: HealthFactory = Health,
    ) -> None:
        super().__init__(firmware, policy, seed, options, trace, health)
        self.injector = self._arm(tuple(faults))

    def _arm(self, faults: tuple[Fault, ...]) -> Injector | None:
        if not faults:
            return None
        from sim.injector import Injector

        return Injector(self, faults)

    def boot(self, limit_ms: int = 10_000) -> None:
        """Start where a host has just uploaded this world's image, and run until it enumerated.

        Raises:
            SimulationError: when the application does not appear within ``limit_ms``.
        """
        section = image(self.revision.name)[12:-12]
        ram = bytearray(ENTRY_ADDRESS - RAM_BASE) + section
        self.chip.start(ram, ENTRY_ADDRESS)
        self.wait(self.host.appeared, limit_ms * 1_000_000)
        if self.host.device is None or not self.host.device.is_application:
            raise SimulationError(f"{self.revision.name} did not enumerate in {limit_ms} ms")

    def power_on(self) -> None:
        """Plug the device in; it comes up in its boot ROM."""
        self.chip.power_on()
