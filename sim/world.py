"""A whole bench in one object: host, cable, board, firmware and policy, on one clock."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from health import Policy
from sim.board import Rx888
from sim.chip.bootrom import RAM_BASE
from sim.errors import SimulationError
from sim.firmware import Firmware, image, program_of, revision
from sim.firmware.image import ENTRY_ADDRESS
from sim.host.controller import HostController
from sim.kernel import World
from sim.options import Options

if TYPE_CHECKING:
    from hw.trace import Recorder
    from sim.faults import Fault
    from sim.injector import Injector


class BenchWorld(World):
    """An RX888mk2 on a host's port, its power off until :meth:`power_on` or :meth:`boot`.

    Args:
        firmware: name of the revision whose image :meth:`boot` uploads.
        policy: the health module's policy, or a preset's name.
        seed: see :class:`sim.kernel.World`.
        options: the bench's knobs.
        faults: what goes wrong.
        trace: recorder, or None.

    Attributes:
        host: controller and cable.
        board: the RX888mk2; ``board.chip`` is its FX3.
        injector: the armed faults, with what each has done.
        programs: every firmware that was booted, in order.
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
    ) -> None:
        super().__init__(seed, trace)
        self.revision = revision(firmware)
        self.policy = Policy.preset(policy) if isinstance(policy, str) else policy
        self.options = options or Options()
        self.backend: Any = None
        self.programs: list[Firmware] = []
        self.host = HostController(self, self.options)
        self.board = Rx888(self, self.options, self._load)
        self.chip = self.board.chip
        self.chip.link = self.host
        self.injector = self._arm(tuple(faults))

    def _arm(self, faults: tuple[Fault, ...]) -> Injector | None:
        if not faults:
            return None
        from sim.injector import Injector

        return Injector(self, faults)

    def _load(self, ram: bytearray, entry: int) -> Firmware | None:
        """What the boot ROM's jump finds: any revision's image runs, under this world's policy."""
        found = program_of(ram, entry)
        if found is None:
            return None
        program = Firmware(found, self.policy, self.options.poll_offset_ms)
        self.programs.append(program)
        return program

    @property
    def firmware(self) -> Firmware | None:
        """The firmware that runs now, or None."""
        program = self.chip.program
        return program if isinstance(program, Firmware) else None

    @property
    def image(self) -> bytes:
        """The image of this world's revision."""
        return image(self.revision.name)

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
