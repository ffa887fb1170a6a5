"""A device that is not there: what a driver holds before it has found one."""

from __future__ import annotations

from array import array
from typing import NoReturn

from hw.bus import Selector
from hw.connection import request_name
from hw.errors import NoDeviceError
from hw.guard import Operation
from hw.ownership import Owner


class Absence:
    """Stands in the place of a :class:`hw.connection.Connection`; each transfer finds no device.

    Attributes:
        place: where the device is expected.
        address: none.
        owner: nobody can tell.
    """

    address: tuple[int | None, int | None] = (None, None)
    owner = Owner.UNKNOWN

    def __init__(self, place: Selector) -> None:
        self.place = place

    def hold(self) -> None:
        """Nothing can be locked."""

    def close(self) -> None:
        """Nothing is open."""

    def control_out(
        self,
        operation: Operation,
        request: int,
        payload: bytes,
        timeout_ms: int,
        *,
        value: int = 0,
        index: int = 0,
    ) -> int:
        """NoDeviceError."""
        del operation, payload, timeout_ms, value, index
        self._lacks(request_name(request))

    def control_in(
        self,
        request: int,
        size_bytes: int,
        timeout_ms: int,
        *,
        value: int = 0,
        index: int = 0,
        operation: Operation = Operation.PROBE,
    ) -> bytes:
        """NoDeviceError."""
        del size_bytes, timeout_ms, value, index, operation
        self._lacks(request_name(request))

    def bulk_read_into(self, buffer: array[int], timeout_ms: int) -> int:
        """NoDeviceError."""
        del buffer, timeout_ms
        self._lacks("bulk read")

    def clear_halt(self) -> None:
        """NoDeviceError."""
        self._lacks("clear halt")

    def set_configuration(self) -> None:
        """NoDeviceError."""
        self._lacks("set configuration")

    def port_reset(self) -> None:
        """NoDeviceError."""
        self._lacks("port reset")

    def _lacks(self, operation: str) -> NoReturn:
        raise NoDeviceError(operation, f"not found yet, {self.place.label}")
