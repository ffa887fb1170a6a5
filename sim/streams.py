"""Named streams of random numbers, independent of each other and stable over library versions."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Stream:
    """A named stream of random numbers that stays the same over library versions.

    It maps raw 64-bit output of PCG64 by its own integer arithmetic; numpy's distributions may
    change between releases, the raw generator may not (NEP 19).
    """

    __slots__ = ("_raw",)

    def __init__(self, seed: int, name: str) -> None:
        from numpy.random import PCG64, SeedSequence

        self._raw = PCG64(SeedSequence([seed, crc32(name.encode())])).random_raw

    def below(self, bound: int) -> int:
        """Draw an integer in [0, bound), for a bound up to 2**32."""
        return (int(self._raw()) >> 32) * bound >> 32

    def many_below(self, bound: int, count: int) -> list[int]:
        """Draw ``count`` integers in [0, bound): the same that as many :meth:`below` would give."""
        return [(raw >> 32) * bound >> 32 for raw in self._raw(count).tolist()]

    def raw(self, count: int) -> NDArray[np.uint64]:
        """Draw ``count`` words of 64 random bits."""
        return self._raw(count)

    def between(self, low: int, high: int) -> int:
        """Draw an integer in [low, high], both ends included."""
        return low + self.below(high - low + 1)

    def chance(self, parts: int, of: int) -> bool:
        """True with probability parts / of."""
        return self.below(of) < parts
