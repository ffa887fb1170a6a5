"""How a supervisor holds itself back: a pause that grows with each reset, and an end to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Restraint:
    """How many resets are too many.

    A device that has to be reset again and again is not mended by one reset more, and each costs a
    host controller an enumeration. The count is kept over restarts of the supervisor, as systemd
    keeps its start limit; a window that slides gives the device another chance by itself, and a
    station that nobody visits for a month needs that.

    Attributes:
        resets: so many within the window are a crash loop, 0 is without limit.
        window_s: in s.
        first_pause_s: least time from a reset to the next one.
        longest_pause_s: the pause doubles with each reset within the window, up to this.

    Source: judgement, after systemd's StartLimitIntervalSec and StartLimitBurst.
    """

    resets: int = 6
    window_s: int = 3_600
    first_pause_s: int = 10
    longest_pause_s: int = 600

    def hindrance(self, now_s: int, resets_s: Sequence[int]) -> str:
        """Return in one line why the device may not be reset now; empty when it may.

        Args:
            now_s: the time, in s of the clock of the second argument.
            resets_s: when it was reset before, in any order. A clock that was set back makes some
                of them lie in the future; they count as long as they would in the past.
        """
        recent = sorted(at_s for at_s in resets_s if abs(now_s - at_s) < self.window_s)
        count = len(recent)
        if not count:
            return ""
        if self.resets and count >= self.resets:
            until_s = recent[count - self.resets] + self.window_s
            return (
                f"crash loop: {count} resets within {self.window_s} s, no other before {until_s} s"
            )
        pause_s = min(self.first_pause_s << (count - 1), self.longest_pause_s)
        until_s = recent[-1] + pause_s
        # A clock that was set back may not stretch the pause.
        if not 0 < until_s - now_s <= pause_s:
            return ""
        return f"back-off of {pause_s} s after {count} resets, until {until_s} s"


UNRESTRAINED = Restraint(resets=0, first_pause_s=0, longest_pause_s=0)
"""For scenarios, where the policy alone is to be judged."""
