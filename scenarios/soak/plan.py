"""What a soak is asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from scenarios.errors import InputError
from scenarios.soak.tables import Table

NS_PER_HOUR = 3_600_000_000_000
DEFAULT_HOURS = 1.0
SEED_LIMIT = 1 << 32


@dataclass(frozen=True)
class Plan:
    """A soak before it begins.

    Attributes:
        table: what is chosen from, its weights as they are to be.
        seed: for ``srand``: 0 to 2**32 - 1.
        hours: how long in the device's time.
        max_cycles: how many scenarios at most; 0 is no limit.
        reload_interval: scenarios until the device is reset and uploaded to again, with the next
            seed (soak_test.sh); 0 is never.
        firmware: revision.
        policy: name of the health policy.
        options: the bench's knobs that were turned, as text.
        is_quiet: print what a scenario says only when it fails.
    """

    table: Table
    seed: int
    hours: float = DEFAULT_HOURS
    max_cycles: int = 0
    reload_interval: int = 0
    firmware: str = "reference"
    policy: str = "reference"
    options: tuple[str, ...] = ()
    is_quiet: bool = False

    @property
    def duration_ns(self) -> int:
        """How long, in ns."""
        return round(self.hours * NS_PER_HOUR)

    def chunk_seed(self, chunk: int) -> int:
        """Return the seed of a chunk, counted from 0 (soak_test.sh)."""
        return (self.seed + chunk) % SEED_LIMIT


def checked_hours(hours: float) -> float:
    """Return how long to run; nothing and less mean an hour, as in fx3_cmd.c.

    Raises:
        InputError: no finite number.
    """
    if not isfinite(hours):
        raise InputError(f"{hours} hours is no duration, for example --hours 0.5")
    return hours if hours > 0 else DEFAULT_HOURS


def parse_seed(text: str) -> int:
    """Return a seed; decimal, or hexadecimal with 0x.

    Raises:
        InputError: no number that ``srand`` takes.
    """
    try:
        seed = int(text, 0)
    except ValueError:
        raise InputError(f"seed {text!r} is not a whole number, for example --seed 25") from None
    if not 0 <= seed < SEED_LIMIT:
        raise InputError(f"seed {seed} is not within 0 to {SEED_LIMIT - 1}, which srand takes")
    return seed
