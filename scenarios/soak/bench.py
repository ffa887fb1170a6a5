"""A soak's place in a simulated world: the suite's scenarios on one device, one after the other."""

from __future__ import annotations

from contextlib import suppress

from health import Health, HealthFactory, Policy
from hw.boot import Image
from hw.errors import DeviceError, NoDeviceError
from hw.protocol import APPLICATION_PRODUCT_ID, BOOT_PRODUCT_ID
from hw.rx888 import Rx888
from scenarios import registry
from scenarios.contract import Examiner, WorldLedger
from scenarios.errors import InputError
from scenarios.performance import perform
from scenarios.scenario import Scenario
from scenarios.soak.place import Outcome
from scenarios.soak.tables import SUITE_NAMES, Table
from scenarios.station import Station
from scenarios.suite import moves
from sim.host.backend import get_backend
from sim.host.runtime import WorldRuntime
from sim.options import Options
from sim.world import BenchWorld

REOPEN_AFTER_MS = 500
FOUND_LIMIT_MS = 4_000
RESET_SETTLE_MS = 3_000
BOOT_ROM_LIMIT_MS = 5_000


class SoakBench:
    """A world with one device, on which soaks run; close it, or use it in a ``with``.

    The device is opened once with a clear-halt whose result does not matter, and never cleared
    again, as one process of fx3_cmd.c does.

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
        self._scenarios = {
            name: _scenario(name, firmware) for name, weight in table.entries if weight
        }
        self.world = BenchWorld(firmware, policy, seed=seed, options=options, health=health)
        self.world.boot()
        self._runtime = WorldRuntime(self.world)
        image = Image.parse(self.world.image)
        self._image = image
        self.device = Rx888.open(get_backend(self.world), self._runtime, clear_halt=False)
        self._clear_halt()
        self._station = Station(self.device, self._runtime, image=image)
        self._examiner = Examiner(firmware, self.device, WorldLedger(self.world))

    def __enter__(self) -> SoakBench:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the world."""
        self.world.close()

    @property
    def generation(self) -> int:
        """See :attr:`Place.generation`."""
        return self.device.generation

    def now_ns(self) -> int:
        """Simulated time."""
        return self.world.now_ns

    def sleep_ms(self, duration_ms: int) -> None:
        """Let simulated time pass."""
        self._runtime.sleep_ms(duration_ms)

    def run(self, name: str) -> Outcome:
        """See :meth:`Place.run`."""
        self._station.said.clear()
        done = perform(self._scenarios[name], self._station, self._examiner)
        return Outcome(done.failure, done.violations, done.text, tuple(self._station.said))

    def reacquire(self) -> None:
        """See :meth:`Place.reacquire`; neither product is waited for (fx3_cmd.c)."""
        self.device.close()
        self.sleep_ms(REOPEN_AFTER_MS)
        if self._is_there(APPLICATION_PRODUCT_ID):
            self.device.reacquire(self._image, in_place=True, timeout_ms=FOUND_LIMIT_MS)
        elif self._is_there(BOOT_PRODUCT_ID):
            moves.upload(self._station)
        else:
            raise NoDeviceError("re-acquire", "neither 04b4:00f1 nor 04b4:00f3 is on the bus")

    def reload(self) -> None:
        """See :meth:`Place.reload`; by RESETFX3, as soak_test.sh does where usbreset is missing."""
        with suppress(NoDeviceError):
            self.device.reset()
        self.sleep_ms(RESET_SETTLE_MS)
        self.device.wait_for(BOOT_PRODUCT_ID, timeout_ms=BOOT_ROM_LIMIT_MS)
        moves.upload(self._station)
        self._clear_halt()

    def _is_there(self, product_id: int) -> bool:
        try:
            self.device.wait_for(product_id, timeout_ms=0)
        except NoDeviceError:
            return False
        return True

    def _clear_halt(self) -> None:
        with suppress(DeviceError):
            self.device.clear_halt()


def _scenario(name: str, firmware: str) -> Scenario:
    """Look up what the soak calls by this name."""
    scenario = registry.find(SUITE_NAMES.get(name, name))
    if firmware not in scenario.firmwares:
        able = " or ".join(scenario.firmwares)
        raise InputError(
            f"{name} does not run on firmware {firmware!r} but on {able}; leave it out with "
            f"--weight {name}=0"
        )
    return scenario
