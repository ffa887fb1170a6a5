"""What a supervisor has counted since it began: whole numbers, few keys, never more than those."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from health import Level, Outcome, StatusCode


@dataclass
class Tally:
    """Counts of one supervisor.

    Attributes:
        polls: passes of the loop.
        probes: probes that have ended, the failed ones too.
        failed_probes: those without a full answer.
        statuses: how often each condition began.
        remedies: remedies by level and outcome.
        would: what it would have done, by level and condition: once for each time that a condition
            began and the supervisor might not act.
        uploads: images uploaded to a device that was found in its boot ROM, by success.
        departures: how often the device left the bus.
    """

    polls: int = 0
    probes: int = 0
    failed_probes: int = 0
    statuses: Counter[StatusCode] = field(default_factory=Counter)
    remedies: Counter[tuple[Level, Outcome]] = field(default_factory=Counter)
    would: Counter[tuple[Level, StatusCode]] = field(default_factory=Counter)
    uploads: Counter[bool] = field(default_factory=Counter)
    departures: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The counts for JSON, in a fixed order."""
        return {
            "polls": self.polls,
            "probes": self.probes,
            "failed_probes": self.failed_probes,
            "statuses": {code.name: count for code, count in sorted(self.statuses.items())},
            "remedies": [
                {"level": int(level), "outcome": outcome.name, "count": count}
                for (level, outcome), count in sorted(self.remedies.items())
            ],
            "would": [
                {"level": int(level), "status": code.name, "count": count}
                for (level, code), count in sorted(self.would.items())
            ],
            "uploads": {"done": self.uploads[True], "failed": self.uploads[False]},
            "departures": self.departures,
        }
