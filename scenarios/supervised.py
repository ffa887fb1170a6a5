"""A world under supervision: a device, a program that streams from it, and a supervisor beside it.

Program and supervisor are two processes of one host, as on a station: the program owns the
interface, the supervisor sends vendor requests alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from health import Policy
from hw.boot import Image
from hw.rx888 import Rx888
from hw.supervisor import Log, Mandate, Memory, Restraint, Supervisor
from scenarios.listener import Listener
from sim.faults import Fault
from sim.host.backend import get_backend
from sim.host.runtime import WorldRuntime
from sim.kernel import HARDWARE
from sim.options import Options
from sim.world import BenchWorld

PROCESS = "supervisor"
STEP_NS = 100_000_000
LAST_LOOK_MS = 5_000
UNPLUGGED_MS = 5_000
"""So long the cable is out."""


@dataclass(frozen=True)
class Plan:
    """What runs.

    Attributes:
        firmware: revision of the device.
        policy: of the supervisor.
        device_policy: of the module in the firmware; a preset's name, or a policy.
        seed: of the world.
        faults: what goes wrong.
        options: the bench's knobs.
        image: firmware that the supervisor uploads; None for the device's own.
        has_program: a program streams.
        unplug_at_ms: when the cable is pulled, for :data:`UNPLUGGED_MS`; None for never.
    """

    policy: Policy
    firmware: str = "reference"
    device_policy: Policy | str = "none"
    seed: int = 1
    faults: tuple[Fault, ...] = ()
    options: Options | None = None
    image: Image | None = None
    has_program: bool = True
    unplug_at_ms: int | None = None


class SupervisedWorld:
    """The world of a plan; a context manager that closes it.

    Args:
        plan: what runs.
        mandate: whether the supervisor may act.
        memory: of the supervisor.
        restraint: of the supervisor.
        write: takes each line of the log.
        is_json: the log's form.

    Attributes:
        world: the bench.
        supervisor: beside the program.
        listener: the program, or None.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        mandate: Mandate | None = None,
        memory: Memory | None = None,
        restraint: Restraint | None = None,
        write: Callable[[str], None] = lambda line: None,
        is_json: bool = False,
    ) -> None:
        self.world = BenchWorld(
            plan.firmware,
            plan.device_policy,
            seed=plan.seed,
            options=plan.options,
            faults=plan.faults,
        )
        world = self.world
        runtime = WorldRuntime(world)
        self.log = Log(write, lambda: f"{world.now_ns / 1e9:.3f}", is_json=is_json)
        world.boot()
        self.supervisor = Supervisor(
            Rx888.expect(get_backend(world, process=PROCESS), runtime, is_shared=True),
            runtime,
            plan.policy,
            plan.image or Image.parse(world.image),
            mandate=mandate,
            memory=memory,
            restraint=restraint or Restraint(),
            log=self.log,
        )
        self.listener = (
            Listener(world, lambda text: self.log("program", says=text))
            if plan.has_program
            else None
        )
        self.supervisor.start()
        if plan.unplug_at_ms is not None:
            self._at(plan.unplug_at_ms, world.host.unplug)
            self._at(plan.unplug_at_ms + UNPLUGGED_MS, world.host.plug)

    def _at(self, at_ms: int, call: Callable[[], None]) -> None:
        due_ns = max(self.world.now_ns, at_ms * 1_000_000)
        self.world.alarm(due_ns, call, HARDWARE)

    def __enter__(self) -> SupervisedWorld:
        return self

    def __exit__(self, *exception: object) -> None:
        self.world.close()

    @property
    def is_well(self) -> bool:
        """The program is served; without one, the control endpoint answers."""
        if self.listener is not None:
            return self.listener.is_served
        return not self.supervisor.is_absent and self.supervisor.status == 0

    def run(self, duration_ms: int) -> Iterable[int]:
        """Let time pass in steps of 100 ms, so that whoever watches can stop or pace it.

        Args:
            duration_ms: how long.

        Yields:
            The time that has passed, in ns, after each step.
        """
        began_ns = self.world.now_ns
        end_ns = began_ns + duration_ms * 1_000_000
        while self.world.now_ns < end_ns:
            self.world.run_until(min(self.world.now_ns + STEP_NS, end_ns))
            yield self.world.now_ns - began_ns

    def end(self) -> None:
        """Stop the supervisor, then the program, each after what it does now."""
        self.supervisor.stop()
        if self.listener is not None:
            self.listener.stop()
