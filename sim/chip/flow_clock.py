"""A sample clock of any rational rate, seen in whole nanoseconds and always from its anchor."""

from __future__ import annotations

from fractions import Fraction

NEVER_NS = 1 << 100
"""Later than every time in a world."""

_NS_PER_S = 1_000_000_000


class SampleClock:
    """Edges 1, 2, 3, ... after ``anchor_ns``; immutable.

    Edge n lies at exactly ``anchor_ns + n / rate`` and is seen at the first whole nanosecond not
    before that. Nothing is accumulated, so a 15.625 ns period drifts by nothing in any time.
    """

    __slots__ = ("anchor_ns", "edges_per_span", "span_ns")

    def __init__(self, anchor_ns: int, rate_hz: Fraction | int) -> None:
        if rate_hz <= 0:
            raise ValueError(f"a clock needs a rate above 0 Hz, not {rate_hz}; None stops it")
        per_ns = Fraction(rate_hz) / _NS_PER_S
        self.anchor_ns = anchor_ns
        self.edges_per_span = per_ns.numerator
        self.span_ns = per_ns.denominator

    def edge_at(self, t_ns: int) -> int:
        """The number of the last edge seen at or before ``t_ns``."""
        return (t_ns - self.anchor_ns) * self.edges_per_span // self.span_ns

    def ns_of(self, edge: int) -> int:
        """The nanosecond at which an edge is seen."""
        return self.anchor_ns - (-edge * self.span_ns // self.edges_per_span)

    def shortest_ns(self, edges: int) -> int:
        """The shortest time between any edge and the one ``edges`` later."""
        return edges * self.span_ns // self.edges_per_span

    def longest_ns(self, edges: int) -> int:
        """The longest time from any instant to the last of the ``edges`` edges after it."""
        return -(-edges * self.span_ns // self.edges_per_span)


class StoppedClock(SampleClock):
    """No edges: the pin is quiet."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(0, 1)

    def edge_at(self, t_ns: int) -> int:
        """Edge 0 for ever."""
        del t_ns
        return 0

    def ns_of(self, edge: int) -> int:
        """Never."""
        del edge
        return NEVER_NS


STOPPED = StoppedClock()
