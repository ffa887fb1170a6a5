"""A soak's place: the suite's scenarios on one open device, one after the other."""

from __future__ import annotations

from contextlib import suppress
from typing import Self

from hw.boot import Image
from hw.errors import DeviceError, NoDeviceError
from hw.protocol import APPLICATION_PRODUCT_ID, BOOT_PRODUCT_ID
from hw.runtime import Runtime
from hw.rx888 import Rx888
from scenarios import registry
from scenarios.contract import Examiner
from scenarios.errors import InputError
from scenarios.performance import perform
from scenarios.scenario import Scenario
from scenarios.soak.place import Outcome
from scenarios.soak.tables import SUITE_NAMES, Table
from scenarios.station import Station
from scenarios.suite import moves

REOPEN_AFTER_MS = 500
FOUND_LIMIT_MS = 4_000
RESET_SETTLE_MS = 3_000
BOOT_ROM_LIMIT_MS = 5_000


class DevicePlace:
    """An open device on which soaks run; close it, or use it in a ``with``.

    The device is opened once with a clear-halt whose result does not matter, and never cleared
    again, as one process of fx3_cmd.c does.

    Args:
        device: the open driver, its halt not yet cleared.
        runtime: its clock.
        image: firmware for its boot ROM, or None: then a device that lost its firmware is lost.
        examiner: observes the device already.
        cast: the scenarios by their soak names, of :func:`cast_of`.
    """

    def __init__(
        self,
        device: Rx888,
        runtime: Runtime,
        image: Image | None,
        examiner: Examiner,
        cast: dict[str, Scenario],
    ) -> None:
        self.device = device
        self._runtime = runtime
        self._image = image
        self._examiner = examiner
        self._scenarios = cast
        self._station = Station(device, runtime, image=image)
        self._clear_halt()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the device."""
        self.device.close()

    @property
    def generation(self) -> int:
        """See :attr:`Place.generation`."""
        return self.device.generation

    def now_ns(self) -> int:
        """The runtime's time."""
        return self._runtime.now_ns()

    def sleep_ms(self, duration_ms: int) -> None:
        """Let time pass."""
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


def cast_of(table: Table, firmware: str) -> dict[str, Scenario]:
    """Return every scenario of a table that has a weight, by its soak name.

    Raises:
        InputError: one is not known, or does not run on this firmware.
    """
    return {name: _scenario(name, firmware) for name, weight in table.entries if weight}


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
