"""What a soak needs of the place it runs at: a device, a clock, and somebody who runs scenarios."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from hw.protocol import DeviceInfo, Stats


@dataclass(frozen=True)
class Outcome:
    """How one run of a scenario ended.

    Attributes:
        failure: why the original test would have failed, or None.
        violations: what the strict rule found, original pass or not.
        text: what the original would print after the name.
        remarks: its diagnostic lines.
    """

    failure: str | None
    violations: tuple[str, ...] = ()
    text: str = ""
    remarks: tuple[str, ...] = ()


class Device(Protocol):
    """The four requests that the harness itself sends; :class:`hw.rx888.Rx888` has them."""

    def info(self) -> DeviceInfo:
        """TESTFX3, which also turns the debug text off."""
        ...

    def stats(self) -> Stats:
        """GETSTATS."""
        ...

    def stop(self) -> None:
        """STOPFX3."""
        ...

    def set_gpio(self, word: int) -> None:
        """GPIOFX3."""
        ...


class Place(Protocol):
    """A device with a clock, and a way to run scenarios on it.

    The methods that touch the device raise :class:`hw.errors.DeviceError`.
    """

    @property
    def device(self) -> Device:
        """The open device."""
        ...

    @property
    def generation(self) -> int:
        """How often the device was lost and found again; its counters begin anew each time."""
        ...

    def now_ns(self) -> int:
        """The time, from a clock that never goes back."""
        ...

    def sleep_ms(self, duration_ms: int) -> None:
        """Let time pass."""
        ...

    def run(self, name: str) -> Outcome:
        """Run a scenario by its soak name; device errors in it are its failure, not ours."""
        ...

    def reacquire(self) -> None:
        """Close the handle, wait 500 ms, open the application, or upload to the boot ROM first.

        Raises:
            DeviceError: neither of the two is there, or it cannot be opened.
        """
        ...

    def reload(self) -> None:
        """Reset the device into its boot ROM and upload the firmware, as between two chunks.

        Raises:
            DeviceError: the boot ROM does not appear, or the upload fails.
        """
        ...
