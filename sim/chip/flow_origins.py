"""Where the delivered samples come from: their places in the stream that the ADC made.

Sample n of the source is the one of the n-th edge of the sample clock, from 0; the ADC samples
whether or not anybody takes it. Delivered words are counted from 0, too. Between two losses both
count in step, so a short list of runs says it all: each begins at a delivered word, with the
source sample that this word holds.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from dataclasses import dataclass

from sim.chip.flow_clock import SampleClock

RUNS_KEPT = 4_096
"""Runs that are remembered, the newest ones; older words look as if they led up to the oldest."""


@dataclass(frozen=True, slots=True)
class Laps:
    """Runs of one buffer each, made by a host that frees one buffer after the other.

    Attributes:
        release_ns: when the first buffer was freed; the next clock edge takes its first sample.
        lap_ns: from one release to the next.
        clock: the sample clock of that time.
        samples_before: source samples before that clock's first edge.
        buffer_words: words in a buffer.
    """

    release_ns: int
    lap_ns: int
    clock: SampleClock
    samples_before: int
    buffer_words: int

    def sample(self, word: int) -> int:
        """The source sample of a word, counted from the first one of the laps."""
        lap, offset = divmod(word, self.buffer_words)
        edge = self.clock.edge_at(self.release_ns + lap * self.lap_ns)
        return self.samples_before + edge + offset


class Origins:
    """The runs of one stream.

    Attributes:
        samples_before: source samples taken before the present sample clock began.
        first_word: delivered words before the ring was last reset: word 0 of its buffer 0.
    """

    __slots__ = ("_laps", "_next_sample", "_next_word", "_runs", "first_word", "samples_before")

    def __init__(self) -> None:
        self.samples_before = 0
        self.first_word = 0
        self._runs: list[tuple[int, int]] = []
        self._laps: dict[int, Laps] = {}
        """Runs that are laps, by their first word."""
        self._next_word = self._next_sample = -1

    def pushed(self, place: int, edge: int, words: int) -> None:
        """Words went into the ring, one an edge.

        Args:
            place: of the first, counted over the ring's buffers in their turn since the reset.
            edge: of the first.
            words: how many.
        """
        word = self.first_word + place
        sample = self.samples_before + edge - 1
        if word != self._next_word or sample != self._next_sample:
            self._begin(word, sample)
        self._next_word = word + words
        self._next_sample = sample + words

    def goes_on(self, place: int, edge: int) -> None:
        """Everything up to here was pushed without a gap; the next word comes with this edge."""
        self._next_word = self.first_word + place
        self._next_sample = self.samples_before + edge - 1

    def lapped(
        self, place: int, release_ns: int, lap_ns: int, clock: SampleClock, buffer_words: int
    ) -> None:
        """Laps went into the ring, from this place on."""
        word = self.first_word + place
        laps = Laps(release_ns, lap_ns, clock, self.samples_before, buffer_words)
        self._begin(word, laps.sample(0))
        self._laps[word] = laps
        self._next_word = -1

    def clock_ends(self, edges: int) -> None:
        """The sample clock changes after this edge."""
        self.samples_before += edges

    def drop(self, delivered_words: int) -> None:
        """The ring was emptied: what was not delivered never will be."""
        self.first_word = delivered_words
        runs = self._runs
        while runs and runs[-1][0] >= delivered_words:
            self._laps.pop(runs.pop()[0], None)
        self._next_word = -1

    def of(self, word: int, words: int) -> list[tuple[int, int]]:
        """The source of delivered words, in runs: (first sample, how many).

        Args:
            word: the first.
            words: how many.
        """
        runs = self._runs
        if not runs:
            return [(word, words)] if words else []
        newest = self.of_newest(word)
        if newest is not None:
            return [(newest, words)]
        end = word + words
        index = max(bisect_right(runs, word, key=_first_word) - 1, 0)
        found: list[tuple[int, int]] = []
        while word < end:
            first, sample = runs[index]
            until = runs[index + 1][0] if index + 1 < len(runs) else end
            until = min(until, end)
            laps = self._laps.get(first)
            if laps is None:
                found.append((sample + word - first, until - word))
            else:
                self._of_laps(laps, first, word, until, found)
            word = until
            index += 1
        return found

    def of_newest(self, word: int) -> int | None:
        """The source of a delivered word and all behind it, if they are part of the newest run."""
        if not self._runs:
            return None
        first, sample = self._runs[-1]
        if word < first or first in self._laps:
            return None
        return sample + word - first

    @staticmethod
    def _of_laps(
        laps: Laps, first: int, word: int, until: int, found: list[tuple[int, int]]
    ) -> None:
        size = laps.buffer_words
        while word < until:
            end = min(until, word + size - (word - first) % size)
            found.append((laps.sample(word - first), end - word))
            word = end

    def _begin(self, word: int, sample: int) -> None:
        runs = self._runs
        insort(runs, (word, sample))
        if len(runs) >= 2 * RUNS_KEPT:
            for old, _ in runs[:RUNS_KEPT]:
                self._laps.pop(old, None)
            del runs[:RUNS_KEPT]


def _first_word(run: tuple[int, int]) -> int:
    return run[0]
