"""What a device can answer: the one place that knows which firmware learned what when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from hw.protocol import DeviceInfo, Stats

HANG_HOOKS_SINCE: Final = (2, 3)
"""HANGFX3 and HANGMAIN (firmware 2.3, ``USBHandler.c``)."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What one firmware can answer.

    Attributes:
        firmware: major and minor version.
        stats_fields: names of the fields of :class:`hw.protocol.Stats` that it sends; none where
            GETSTATS stalls. It has 20 bytes up to 2.2, 22 in development builds after that, and 26
            in 2.3.
        hang_hooks: whether HANGFX3 and HANGMAIN exist. Told by the version, since asking would
            hang it.
    """

    firmware: tuple[int, int]
    stats_fields: frozenset[str]
    hang_hooks: bool

    @classmethod
    def of(cls, info: DeviceInfo, stats: Stats | None) -> Self:
        """Conclude from two replies.

        Args:
            info: of TESTFX3.
            stats: of GETSTATS, or ``None`` where that stalled.
        """
        firmware = (info.firmware_major, info.firmware_minor)
        fields = frozenset() if stats is None else stats.capabilities
        return cls(firmware, fields, firmware >= HANG_HOOKS_SINCE)

    @property
    def has_stats(self) -> bool:
        """Whether GETSTATS is answered at all."""
        return bool(self.stats_fields)

    @property
    def has_boot_count(self) -> bool:
        """Whether GETSTATS tells how often the firmware started up."""
        return "boot_count" in self.stats_fields

    @property
    def has_clock_state(self) -> bool:
        """Whether GETSTATS tells whether the sample clock's output is on."""
        return "clk0_on" in self.stats_fields
