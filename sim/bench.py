"""The parts of a bench: host, cable, board, firmware and policy, on one clock."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from health import Health, HealthFactory, Policy
from sim.board import Rx888
from sim.firmware import Firmware, image, program_of, revision
from sim.host.controller import HostController
from sim.host.virtual_time import VirtualTime
from sim.kernel import World
from sim.latest import Latest
from sim.options import NO_HUB, Options

if TYPE_CHECKING:
    from hw.trace import Recorder
    from sim.host.trouble import EndpointTrouble

PROGRAMS_KEPT = 8
"""Each is a whole firmware with its threads; a long run resets the device again and again."""


class Bench(World):
    """A host, a cable and an RX888mk2 whose power is off.

    Args:
        firmware: name of the revision whose image the host has.
        policy: the health module's policy, or a preset's name.
        seed: see :class:`sim.kernel.World`.
        options: the bench's knobs.
        trace: recorder, or None.
        health: class of the health module in the firmware.

    Attributes:
        host: controller and cable.
        board: the RX888mk2; ``board.chip`` is its FX3.
        backends: of the programs on this host, see :func:`sim.host.backend.get_backend`.
        endpoint_trouble: what its controller does to EP1 when a fault wants it.
        programs: the firmware that was booted, in order: the latest of them, and how many.
    """

    def __init__(
        self,
        firmware: str,
        policy: Policy | str,
        seed: int,
        options: Options | None,
        trace: Recorder | None,
        health: HealthFactory = Health,
    ) -> None:
        super().__init__(seed, trace)
        self.health_class = health
        self.revision = revision(firmware)
        self.policy = Policy.preset(policy) if isinstance(policy, str) else policy
        self.options = options or Options()
        self.backends: dict[Hashable, Any] = {}
        self.endpoint_trouble: EndpointTrouble | None = None
        self.programs: Latest[Firmware] = Latest(PROGRAMS_KEPT)
        self.host = HostController(self, self.options)
        self.board = Rx888(self, self.options, self._load)
        self.chip = self.board.chip
        self.chip.link = self.host
        self.host.vbus = self.chip.vbus
        if self.options.hub != NO_HUB:
            from sim.host.hub import UsbHub

            self.host.hub = UsbHub(self.host, self.options.hub)

    def _load(self, ram: bytearray, entry: int) -> Firmware | None:
        """What the boot ROM's jump finds: any revision's image runs, under this world's policy."""
        found = program_of(ram, entry)
        if found is None:
            return None
        program = Firmware(found, self.policy, self.options.poll_offset_ms, self.health_class)
        self.programs.append(program)
        return program

    @property
    def firmware(self) -> Firmware | None:
        """The firmware that runs now, or None."""
        program = self.chip.program
        return program if isinstance(program, Firmware) else None

    def virtual_time(self) -> VirtualTime:
        """Put the time module on this world's clock: ``with world.virtual_time():``."""
        return VirtualTime(self)

    @property
    def image(self) -> bytes:
        """The image of this world's revision."""
        return image(self.revision.name)
