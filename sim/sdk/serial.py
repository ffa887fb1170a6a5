"""I2C and GPIO calls (SDK 1.3.4 cyu3i2c.h, cyu3gpio.h; S131 lpp/cyu3i2c.c)."""

from __future__ import annotations

from hw.protocol import SdkStatus
from sim.rtos import SUCCESS, WAIT_FOREVER
from sim.sdk.base import SdkBase

FAILURE = int(SdkStatus.FAILURE)


class SerialCalls(SdkBase):
    """Calls on the board's slow buses.

    Register-mode I2C polls without yielding while it holds glI2cLock, so its time is CPU work.
    """

    i2c_ready = False
    gpio_ready = False

    def i2c_init(self) -> int:
        """CyU3PI2cInit."""
        return SdkStatus.SUCCESS

    def i2c_set_config(self, bit_rate_hz: int) -> int:
        """CyU3PI2cSetConfig in register mode; the firmware asks for 400 kHz."""
        del bit_rate_hz
        self.i2c_ready = True
        return SdkStatus.SUCCESS

    def i2c_receive_bytes(self, address: int, register: int, count: int) -> tuple[int, bytes]:
        """CyU3PI2cReceiveBytes: (status, data); FAILURE is a NACK."""
        if not self.i2c_ready:
            return SdkStatus.NOT_CONFIGURED, b""
        if self.i2c_lock.get(WAIT_FOREVER) != SUCCESS:
            return SdkStatus.MUTEX_FAILURE, b""
        chip = self.chip
        self.rtos.work(chip.options.i2c_byte_read_ns * count)
        device = chip.i2c.devices.get(address & 0xFE)
        data = b"" if device is None else device.read(register, count)
        self.i2c_lock.put()
        return (SUCCESS if device is not None else FAILURE), data

    def i2c_transmit_bytes(self, address: int, register: int, data: bytes) -> int:
        """CyU3PI2cTransmitBytes; FAILURE is a NACK."""
        if not self.i2c_ready:
            return SdkStatus.NOT_CONFIGURED
        if self.i2c_lock.get(WAIT_FOREVER) != SUCCESS:
            return SdkStatus.MUTEX_FAILURE
        self.rtos.work(self.chip.options.i2c_byte_write_ns * len(data))
        device = self.chip.i2c.devices.get(address & 0xFE)
        if device is not None:
            device.write(register, data)
        self.i2c_lock.put()
        return SUCCESS if device is not None else FAILURE

    def gpio_init(self) -> int:
        """CyU3PGpioInit: ALREADY_STARTED the second time."""
        if self.gpio_ready:
            return SdkStatus.ALREADY_STARTED
        self.gpio_ready = True
        return SdkStatus.SUCCESS

    def gpio_simple_get_value(self, pin: int) -> tuple[int, bool | None]:
        """CyU3PGpioSimpleGetValue: (status, level or None)."""
        if not self.gpio_ready:
            return SdkStatus.NOT_STARTED, None
        if not 0 <= pin <= 60:
            return SdkStatus.BAD_ARGUMENT, None
        return SdkStatus.SUCCESS, self.chip.gpio_inputs.get(pin, False)
