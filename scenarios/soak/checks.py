"""The health check after each cycle, and what is done about a device that is not well."""

from __future__ import annotations

from collections.abc import Callable

from hw.errors import DeviceError, NoDeviceError
from hw.protocol import GPIF_DISABLED, HARDWARE_RX888MK2
from scenarios.soak.place import Place
from scenarios.soak.record import KEPT, Record

RETRY_AFTER_MS = 2_000
PATIENCE_MS = 5_000
"""So long soak_test.sh waits for the boot ROM; fx3_cmd.c looks once and gives up."""
IDLE_STATES = (0, 1, GPIF_DISABLED)
"""Reset, idle, disabled: what the state machine may be in between two scenarios (fx3_cmd.c)."""

PASSED = "passed"
RETRIED = "retried"
REACQUIRED = "reacquired"
LATE = "late"
FAILED = "failed"
LOST = "lost"


class HealthCheck:
    """Asks TESTFX3 and GETSTATS, as fx3_cmd.c does.

    Args:
        place: where.
        record: counts are kept there.
        say: prints a line.
    """

    def __init__(self, place: Place, record: Record, say: Callable[[str], None]) -> None:
        self._place = place
        self._record = record
        self._say = say
        self.lost_because = ""

    def once(self) -> bool:
        """Check without a second chance, as before the first cycle.

        The counts of health checks are about cycles, so this is not among them.
        """
        try:
            return self._is_well()
        except NoDeviceError as error:
            self._say(f"HEALTH FAIL: {error}")
            return False

    def after(self, scenario: str) -> str:
        """Check after a cycle, once more 2 s later, and find a lost device again; count it.

        Args:
            scenario: what ran, for the message.

        Returns:
            ``passed``, ``retried`` or ``reacquired``, which are good; ``late`` (found only after
            the original would have given up, so it counts as failed, but the run goes on),
            ``failed``, or ``lost``.
        """
        verdict = self._verdict(scenario)
        health = self._record.health
        if verdict in (LATE, FAILED, LOST):
            health.failed += 1
            if len(health.failures) < KEPT:
                health.failures.append((self._record.cycles, scenario, verdict))
        else:
            health.passed += 1
            health.retried += verdict == RETRIED
            health.reacquired += verdict == REACQUIRED
        return verdict

    def _verdict(self, scenario: str) -> str:
        try:
            if self._is_well():
                return PASSED
            self._place.sleep_ms(RETRY_AFTER_MS)
            return RETRIED if self._is_well() else FAILED
        except NoDeviceError:
            self._say(f"# soak: no device after {scenario}, trying to find it again")
        if self._is_found(scenario):
            return REACQUIRED
        self._say(f"# soak: {self.lost_because}; once more in {PATIENCE_MS // 1_000} s")
        self._place.sleep_ms(PATIENCE_MS)
        return LATE if self._is_found(scenario) else LOST

    def _is_found(self, scenario: str) -> bool:
        try:
            self._place.reacquire()
            if self._is_well():
                return True
            self.lost_because = f"not well after {scenario}, although it was found again"
        except DeviceError as error:
            self.lost_because = f"gone after {scenario}: {error}"
        return False

    def _is_well(self) -> bool:
        """Ask once.

        Raises:
            NoDeviceError: it is not there; nothing is printed, for that may be mended.
        """
        device = self._place.device
        try:
            hardware = device.info().hardware
            if hardware != HARDWARE_RX888MK2:
                self._say(
                    f"HEALTH FAIL: hwconfig 0x{hardware:02X}, expected 0x{HARDWARE_RX888MK2:02X}"
                )
                return False
            stats = device.stats()
        except NoDeviceError:
            raise
        except DeviceError as error:
            self._say(f"HEALTH FAIL: {error}")
            return False
        if stats.gpif_state not in IDLE_STATES:
            self._say(f"HEALTH WARN: GPIF state {stats.gpif_state} is not idle")
        self._record.counters.see(stats, self._place.generation)
        return True
