"""The numbers that ``srand`` and ``rand`` of the GNU C library give, on any machine.

The original harness (fx3_cmd.c) draws its scenarios with them, so a soak is repeated exactly only
by the same generator: additive feedback over 31 words, the first 310 sums thrown away.
"""

from __future__ import annotations

from collections import deque

WORDS = 31
LAG = 3
DISCARDED = 310
MULTIPLIER = 16_807
MODULUS = 2_147_483_647
WORD_MASK = 0xFFFF_FFFF
SIGN = 1 << 31


class GlibcRandom:
    """A generator of its own, with the state that ``srand`` would have set.

    Args:
        seed: what ``srand`` takes, an unsigned 32-bit number; 0 means 1, as there.
    """

    def __init__(self, seed: int) -> None:
        unsigned = seed & WORD_MASK
        word = (unsigned - 2 * SIGN if unsigned & SIGN else unsigned) or 1
        words = [word]
        for _ in range(WORDS - 1):
            word = MULTIPLIER * word % MODULUS
            words.append(word)
        # The next three words repeat the first three, which is a turn of the ring by three.
        self._words = deque(words[LAG:] + words[:LAG], maxlen=WORDS)
        for _ in range(DISCARDED):
            self._step()

    def draw(self) -> int:
        """Return what ``rand()`` would: 31 bits."""
        return self._step() >> 1

    def _step(self) -> int:
        words = self._words
        word = (words[0] + words[-LAG]) & WORD_MASK
        words.append(word)
        return word
