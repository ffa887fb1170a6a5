"""What a policy consists of, and the closed forms that follow from it."""

from __future__ import annotations

from dataclasses import dataclass

from health import ladders
from health.levels import Level
from health.status import StatusCode

HWDT_COUNTS_PER_MS = 33
"""SysWatchDogConfigure loads 33 counts for each ms asked for (SDK 1.3.1, cyu3system.c)."""

HWDT_COUNT_NS = 31_250
"""One count of the 32.000 kHz watchdog clock, in ns (19.2 MHz / 600)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFields:
    """The fields of a policy and what follows from them.

    Times in ms; a detection limit of 0 means: not looked for.

    The defaults are those of the firmware as shipped in 2.3 (preset `level-1-4-5`).

    Attributes:
        name: what people call it: letters, digits, `.`, `_`, `-`. No part of the digest.
        poll_interval_ms: period of the main loop (10 Hz in RunApplication.c).
        level_1_enabled: whether remedy 1 may be selected; likewise up to level 4.
        level_5_enabled: whether the hardware watchdog is armed.
        ep0_limit_ms: a setup handler in progress this long is wedged (health.c: 2000).
        usb_event_limit_ms: the same for the USB event callback, which the firmware does not watch.
        stream_stall_ms: count frozen and blocked this long (RunApplication.c: 3 ticks of 100).
        stream_wedge_ms: the same with free buffers or a reading host; or no buffer after level 1.
        cold_start_ms: armed and clocked this long without a first buffer (fw 2.5: 5 ticks).
        clock_lost_ms: frozen this long without a clock; reported only.
        unknown_ms: frozen this long with a clock, in a state that explains nothing.
        ep0_desync_limit: failed EP0 transfers that make a desync, at most 64.
        ep0_desync_window_ms: the time they must fall into; one exactly this old is out of it.
        ring_buffers: DMA buffers of the stream when all are full (4 for each of 2 producers).
        settle_ms: a condition seen again this long after a remedy was not helped by it.
        healthy_ms: this long proven healthy, the cascade starts from the first level again.
        level_1_cool_down_ms: least time from the end of a level to its next use; up to level 4.
        level_1_cap: uses of level 1 between START or STOP, 0 = unlimited (health.c: 5).
        level_2_cap: uses of level 2 until health is proven, 0 = unlimited; up to level 4.
        level_1_budget_ms: within this remedy 1 ends or fails; up to level 3.
        stream_stall_first_level: the first level tried for a status, 0 = report only.
        stream_stall_ceiling: the last level tried for it; likewise for every status.
        hwdt_period_ms: as configured; the hardware makes it 3.125 % longer.
        pet_interval_ms: time between two looks of the heartbeat gate.
        pet_jitter_ms: how late a pet may come.
        host_control_timeout_ms: when a host gives up on a control transfer (fx3_cmd.c: 1000).
        longest_handler_ms: the longest legal handler: STARTADC polls for the PLL lock 100 ms and
            more, RESETFX3 sleeps 100 ms.
        sdk_data_wait_ms: how long the SDK waits for an EP0 data phase (cyu3usb.h: 5000).
    """

    name: str
    poll_interval_ms: int = 100
    level_1_enabled: bool = True
    level_2_enabled: bool = False
    level_3_enabled: bool = False
    level_4_enabled: bool = True
    level_5_enabled: bool = True
    ep0_limit_ms: int = 2000
    usb_event_limit_ms: int = 0
    stream_stall_ms: int = 300
    stream_wedge_ms: int = 0
    cold_start_ms: int = 0
    clock_lost_ms: int = 0
    unknown_ms: int = 0
    ep0_desync_limit: int = 0
    ep0_desync_window_ms: int = 0
    ring_buffers: int = 8
    settle_ms: int = 1000
    healthy_ms: int = 10_000
    level_1_cool_down_ms: int = 0
    level_2_cool_down_ms: int = 0
    level_3_cool_down_ms: int = 0
    level_4_cool_down_ms: int = 0
    level_1_cap: int = 5
    level_2_cap: int = 0
    level_3_cap: int = 0
    level_4_cap: int = 0
    level_1_budget_ms: int = 10
    level_2_budget_ms: int = 10
    level_3_budget_ms: int = 500
    stream_stall_first_level: int = 1
    stream_stall_ceiling: int = 1
    stream_wedge_first_level: int = 0
    stream_wedge_ceiling: int = 0
    cold_start_first_level: int = 0
    cold_start_ceiling: int = 0
    ep0_wedged_first_level: int = 4
    ep0_wedged_ceiling: int = 4
    usb_event_wedged_first_level: int = 0
    usb_event_wedged_ceiling: int = 0
    ep0_desync_first_level: int = 0
    ep0_desync_ceiling: int = 0
    application_wedged_first_level: int = 0
    application_wedged_ceiling: int = 0
    unknown_first_level: int = 0
    unknown_ceiling: int = 0
    hwdt_period_ms: int = 5000
    pet_interval_ms: int = 3000
    pet_jitter_ms: int = 0
    host_control_timeout_ms: int = 1000
    longest_handler_ms: int = 200
    sdk_data_wait_ms: int = 5000

    def is_enabled(self, level: int) -> bool:
        """Return whether *level* (1 to 5) is on."""
        return bool(getattr(self, f"level_{level:d}_enabled"))

    def cap(self, level: int) -> int:
        """Return how often *level* (1 to 4) may be used; 0 = unlimited."""
        return int(getattr(self, f"level_{level:d}_cap"))

    def cool_down_ms(self, level: int) -> int:
        """Return the least time from the end of *level* (1 to 4) to its next use, in ms."""
        return int(getattr(self, f"level_{level:d}_cool_down_ms"))

    def budget_ms(self, level: int) -> int:
        """Return within how many ms remedy *level* (1 to 3) ends or fails."""
        return int(getattr(self, f"level_{level:d}_budget_ms"))

    def ladder(self, code: StatusCode) -> tuple[Level, ...]:
        """Return the enabled levels for a status, in order; empty means report only.

        Args:
            code: a status. OK and CLOCK_LOST have no ladder in any policy: a clock may be stopped
                by the host's own choice, and no level of the device mends one.
        """
        rungs = ladders.LADDERS[code]
        if not rungs:
            return ()
        first_name, ceiling_name = ladders.field_names(code)
        first = getattr(self, first_name)
        ceiling = getattr(self, ceiling_name)
        return tuple(
            level for level in rungs if first <= level <= ceiling and self.is_enabled(level)
        )

    @property
    def hwdt_effective_us(self) -> int:
        """The real watchdog period in us: 5,156,250 for a configured 5000 ms.

        Source: 33 counts a ms of a 32.000 kHz clock; SysWatchDogConfigure in SDK 1.3.1.
        """
        return self.hwdt_period_ms * HWDT_COUNTS_PER_MS * HWDT_COUNT_NS // 1000

    @property
    def skippable_pets(self) -> int:
        """How many pets in a row may be skipped without a reset: floor((P - jitter) / C) - 1.

        P is the configured period, which the hardware never undercuts.
        """
        return (self.hwdt_period_ms - self.pet_jitter_ms) // self.pet_interval_ms - 1

    @property
    def survivable_stall_ms(self) -> int:
        """A stall of the main loop shorter than this never resets: (k + 1) C - 2 beats, in ms.

        k is `skippable_pets`. Checked by brute force over every phase for C of 1, 1.5, 2 and 3 s.
        """
        pets = self.skippable_pets + 1
        return pets * self.pet_interval_ms - 2 * self.poll_interval_ms
