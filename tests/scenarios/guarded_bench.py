"""A world that the guard takes for a real device, and a supervisor with everything to be played."""

from contextlib import nullcontext

from health import Level, Policy
from hw.boot import Image
from hw.bus import WORLD_ATTRIBUTE, Selector
from hw.guard import Authority, Grant, HostState
from hw.guard.certificate import Certificate, Firmware
from hw.rx888 import Rx888
from hw.supervisor import (
    UNRESTRAINED,
    Log,
    Memory,
    StandingMandate,
    Supervisor,
    standing_authority,
)
from scenarios.listener import Listener
from sim.host.backend import get_backend
from sim.host.runtime import WorldRuntime
from sim.world import BenchWorld

ALL = frozenset((Level.STREAM, Level.EP0, Level.APPLICATION, Level.DEVICE_RESET))
SECOND_NS = 1_000_000_000


class Unmarked:
    """A world's backend without its mark: to the guard a real bus."""

    def __init__(self, backend):
        self._backend = backend

    def __getattr__(self, name):
        if name == WORLD_ATTRIBUTE:
            raise AttributeError(name)
        return getattr(self._backend, name)


def certificate_of(policy):
    return Certificate(
        policy_name=policy.name,
        policy_digest=policy.digest,
        policy_toml=policy.to_toml(),
        firmware=Firmware("fw-2.3", (2, 3), 20, test_hooks=True),
        versions={},
        seed=1,
        is_good=True,
        positions={"host": {}},
        not_covered=(),
    )


class NoMark(nullcontext):
    """A mark that nobody reads."""

    def end(self, outcome="done"):
        pass


class NoJournal:
    """Marks nothing: these worlds do thousands of things a second."""

    def begin(self, operation, target, **facts):
        return NoMark()


class GuardedBench:
    """One device, one supervisor in a process of its own, and perhaps a program that streams."""

    def __init__(
        self,
        firmware="fw-2.3",
        *,
        policy="reference",
        faults=(),
        has_program=True,
        levels=ALL,
        restraint=UNRESTRAINED,
        memory=None,
        is_booted=True,
        image=True,
        notifier=None,
        seed=1,
        journal=None,
        device_policy="none",
    ):
        self.world = BenchWorld(firmware, device_policy, seed=seed, faults=faults)
        self.runtime = WorldRuntime(self.world)
        if is_booted:
            self.world.boot()
            self.serial = self.world.host.device.serial_number
        else:
            with BenchWorld(firmware, "none") as other:
                other.boot()
                self.serial = other.host.device.serial_number
            self.world.power_on()
        self.levels = levels
        self.state = HostState.NORMAL
        self.exchanges = []
        self.lines = []
        chosen = Policy.preset(policy) if isinstance(policy, str) else policy
        self.backend = get_backend(self.world, process="supervisor")
        self.device = Rx888.expect(
            Unmarked(self.backend),
            self.runtime,
            selector=Selector(serial=self.serial),
            authority=standing_authority(
                Authority(), self.grants, lambda: self.state, lambda: 1_000.0
            ),
            is_shared=True,
            journal=journal or NoJournal(),
        )
        self.device.observe(self.exchanges.append)
        self.memory = memory or Memory()
        self.log = Log(self.lines.append, lambda: f"{self.world.now_ns / 1e9:.3f}")
        self.supervisor = Supervisor(
            self.device,
            self.runtime,
            chosen,
            Image.parse(self.world.image) if image is True else image,
            mandate=StandingMandate(
                chosen, certificate_of(chosen), self.serial, self.grants, lambda: self.state
            ),
            memory=self.memory,
            restraint=restraint,
            log=self.log,
            notifier=notifier,
        )
        self.listener = Listener(self.world) if has_program else None
        self.supervisor.start()

    def grants(self):
        return (Grant(self.serial, frozenset(self.levels)),) if self.levels else ()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.world.close()

    def run(self, seconds):
        self.world.run_until(self.world.now_ns + round(seconds * SECOND_NS))

    @property
    def is_serving(self):
        supervisor = self.supervisor
        return not supervisor.is_absent and supervisor.status == 0

    @property
    def acts(self):
        """Everything that the supervisor sent beside questions."""
        return [item for item in self.exchanges if item.kind != "in"]

    def events(self, name):
        return [line for line in self.lines if f" event={name}" in line]

    def wedge_stream(self):
        """A DMA error: the stream stands still until level 1."""
        self.world.chip.stream.fail()

    def hang_ep0(self, duration_ms):
        """HANGFX3, the firmware's own test hook, from a third program."""
        backend = get_backend(self.world, process="stranger")

        def call():
            Rx888.open(backend, self.runtime, is_shared=True).hang_handler(
                duration_ms, timeout_ms=10
            )

        self.runtime.spawn("stranger", call)
