"""Device, reset, watchdog and register calls (SDK 1.3.4 cyu3system.h; S131 system/cyu3device.c)."""

from __future__ import annotations

from hw.protocol import SdkStatus
from sim.rtos import SUCCESS
from sim.sdk.base import SdkBase

EP1_SOCKET_STATUS_REGISTER = 0xE003_808C
"""SCK_STATUS of the USB consumer socket 1; its low bits hold the number of filled buffers."""
DIE_ID_REGISTERS = (0xE005_5010, 0xE005_5014)


class SystemCalls(SdkBase):
    """Calls on the chip as a whole."""

    def device_init(self) -> int:
        """CyU3PDeviceInit: clocks and interrupt controller."""
        return SdkStatus.SUCCESS

    def device_cache_control(self) -> int:
        """CyU3PDeviceCacheControl: no effect in the model."""
        return SdkStatus.SUCCESS

    def device_configure_io_matrix(self) -> int:
        """CyU3PDeviceConfigureIOMatrix: pin roles; no effect in the model."""
        return SdkStatus.SUCCESS

    def device_reset(self, warm: bool) -> None:
        """CyU3PDeviceReset: never returns. Cold (False) ends in the boot ROM.

        A warm reset is not modelled: this firmware always passes CyFalse.
        """
        if warm:
            raise NotImplementedError("device_reset(True): no firmware here resets warm")
        self.busy_wait(100)
        self.chip.request_reset("device_reset")
        self.rtos.spin()

    def sys_watch_dog_configure(self, enable: bool, period_ms: int) -> None:
        """CyU3PSysWatchDogConfigure: about 0.4 ms of busy waits."""
        self.chip.watchdog.configure(enable, period_ms)
        self.busy_wait(400)

    def sys_watch_dog_clear(self) -> None:
        """CyU3PSysWatchDogClear: reloads the period, then 0.1 ms of busy wait."""
        self.chip.watchdog.clear()
        self.busy_wait(100)

    def read_device_registers(self, address: int, count: int) -> tuple[int, list[int]]:
        """CyU3PReadDeviceRegisters: no lock, any thread.

        The registers that exist here: the die id, and the status of EP1's consumer socket.
        """
        if count == 1 and address == EP1_SOCKET_STATUS_REGISTER:
            return SUCCESS, [self.chip.stream.flow.full(self.world._now)]
        values = []
        for offset in range(count):
            register = address + 4 * offset
            if register in DIE_ID_REGISTERS:
                values.append(self.chip.die_id[DIE_ID_REGISTERS.index(register)])
            else:
                return SdkStatus.BAD_ARGUMENT, []
        return SdkStatus.SUCCESS, values
