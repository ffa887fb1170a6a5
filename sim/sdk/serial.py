"""I2C and GPIO calls (SDK 1.3.4 cyu3i2c.h, cyu3gpio.h; S131 lpp/cyu3i2c.c, lpp/cyu3gpio.c)."""

from __future__ import annotations

from hw.protocol import SdkStatus
from sim.rtos import SUCCESS, WAIT_FOREVER
from sim.sdk.base import SdkBase
from sim.sdk.types import GpioSimpleConfig

FAILURE = int(SdkStatus.FAILURE)
PINS = 61
"""GPIO 0 to 60 (cyu3gpio.h)."""
WRITE_OVERHEAD_BYTES = 2
"""Address and register number go ahead of the data."""
READ_OVERHEAD_BYTES = 3
"""Address, register number, and the address again, with its lowest bit set, after a restart."""


class SerialCalls(SdkBase):
    """Calls on the board's slow buses and pins.

    Register-mode I2C polls without yielding while it holds glI2cLock, so its time is CPU work.
    GPIO calls take no lock.
    """

    i2c_ready = False
    gpio_ready = False

    # ------------------------------------------------------------ I2C

    def i2c_init(self) -> int:
        """CyU3PI2cInit."""
        return SdkStatus.SUCCESS

    def i2c_set_config(self, bit_rate_hz: int) -> int:
        """CyU3PI2cSetConfig in register mode; the firmware asks for 400 kHz."""
        del bit_rate_hz
        self.i2c_ready = True
        return SdkStatus.SUCCESS

    def i2c_receive_bytes(self, address: int, register: int, count: int) -> tuple[int, bytes]:
        """CyU3PI2cReceiveBytes: (status, data); FAILURE is a NACK.

        Args:
            address: the device in its 8-bit form; the call sets the direction bit by itself.
            register: the first register.
            count: how many bytes.
        """
        if not self.i2c_ready:
            return SdkStatus.NOT_CONFIGURED, b""
        if self.i2c_lock.get(WAIT_FOREVER) != SUCCESS:
            return SdkStatus.MUTEX_FAILURE, b""
        device = self.chip.i2c.devices.get(address & 0xFE)
        options = self.chip.options
        overhead_ns = options.i2c_read_driver_ns + options.i2c_conditions_ns
        if device is None:
            self.rtos.work(overhead_ns + options.i2c_byte_ns)
            status, data = FAILURE, b""
        else:
            wire_bytes = READ_OVERHEAD_BYTES + count
            self.rtos.work(overhead_ns + options.i2c_byte_ns * wire_bytes)
            status, data = SUCCESS, device.read(register, count)
        self.i2c_lock.put()
        return status, data

    def i2c_transmit_bytes(self, address: int, register: int, data: bytes) -> int:
        """CyU3PI2cTransmitBytes; FAILURE is a NACK; arguments as in the read."""
        if not self.i2c_ready:
            return SdkStatus.NOT_CONFIGURED
        if self.i2c_lock.get(WAIT_FOREVER) != SUCCESS:
            return SdkStatus.MUTEX_FAILURE
        device = self.chip.i2c.devices.get(address & 0xFE)
        options = self.chip.options
        if device is None:
            self.rtos.work(options.i2c_conditions_ns + options.i2c_byte_ns)
        else:
            wire_bytes = WRITE_OVERHEAD_BYTES + len(data)
            self.rtos.work(options.i2c_conditions_ns + options.i2c_byte_ns * wire_bytes)
            device.write(register, data)
        self.i2c_lock.put()
        return FAILURE if device is None else SUCCESS

    # ------------------------------------------------------------ GPIO

    def gpio_init(self) -> int:
        """CyU3PGpioInit: ALREADY_STARTED the second time."""
        if self.gpio_ready:
            return SdkStatus.ALREADY_STARTED
        self.gpio_ready = True
        self._gpio_overridden: set[int] = set()
        self._gpio_drives: dict[int, tuple[bool, bool]] = {}
        return SdkStatus.SUCCESS

    def device_gpio_override(self, pin: int, simple: bool) -> int:
        """CyU3PDeviceGpioOverride: the pin leaves its block and becomes a GPIO."""
        if not 0 <= pin < PINS:
            return SdkStatus.BAD_ARGUMENT
        if not simple:
            return SdkStatus.NOT_SUPPORTED  # complex pins are not modelled
        if self.gpio_ready:
            self._gpio_overridden.add(pin)
        return SUCCESS

    def gpio_set_simple_config(self, pin: int, config: GpioSimpleConfig) -> int:
        """CyU3PGpioSetSimpleConfig: NOT_CONFIGURED for a pin that is not a GPIO."""
        if not self.gpio_ready:
            return SdkStatus.NOT_STARTED
        if not 0 <= pin < PINS:
            return SdkStatus.BAD_ARGUMENT
        if pin not in self._gpio_overridden:
            return SdkStatus.NOT_CONFIGURED
        self._gpio_drives[pin] = (config.drive_low_enabled, config.drive_high_enabled)
        return self.gpio_set_value(pin, config.out_value)

    def gpio_set_value(self, pin: int, level: bool) -> int:
        """CyU3PGpioSetValue: NOT_CONFIGURED for a pin without a simple configuration."""
        if not self.gpio_ready:
            return SdkStatus.NOT_STARTED
        drives = self._gpio_drives.get(pin)
        if drives is None:
            return SdkStatus.NOT_CONFIGURED if 0 <= pin < PINS else SdkStatus.BAD_ARGUMENT
        if drives[level]:
            self.chip.on_pin(pin, level)
        return SUCCESS

    def gpio_simple_set_value(self, pin: int, level: bool) -> int:
        """CyU3PGpioSimpleSetValue: the same for simple pins, without a look at the complex ones."""
        return self.gpio_set_value(pin, level)

    def gpio_simple_get_value(self, pin: int) -> tuple[int, bool | None]:
        """CyU3PGpioSimpleGetValue: (status, level or None)."""
        if not self.gpio_ready:
            return SdkStatus.NOT_STARTED, None
        if not 0 <= pin < PINS:
            return SdkStatus.BAD_ARGUMENT, None
        return SdkStatus.SUCCESS, self.chip.gpio_inputs.get(pin, False)
