"""The I2C bus of the board: who answers at which address."""

from __future__ import annotations

from typing import Protocol


class I2cDevice(Protocol):
    """A register-mode device on the bus."""

    def read(self, register: int, count: int) -> bytes:
        """Return ``count`` bytes from ``register`` on, auto-incremented."""

    def write(self, register: int, data: bytes) -> None:
        """Store bytes from ``register`` on, auto-incremented."""


class I2cBus:
    """Devices by their 8-bit write address (the form that the firmware and its tools use).

    An address that is not here is not acknowledged.
    """

    def __init__(self) -> None:
        self.devices: dict[int, I2cDevice] = {}
