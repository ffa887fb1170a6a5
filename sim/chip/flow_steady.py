"""The steady stream in closed form: the host empties each buffer before the next one is full."""

from __future__ import annotations

from sim.chip.flow_clock import NEVER_NS, SampleClock
from sim.chip.gpif import GpifState

_LOAD_STATE = (int(GpifState.TH0_RD_LD), int(GpifState.TH1_RD_LD))
_READ_STATE = (int(GpifState.TH0_RD), int(GpifState.TH1_RD))


class Steady:
    """A stream that began at ``first_edge`` with an empty ring and a host that waits for data.

    ``first_edge`` is the edge at which the machine entered RD_LD of ``thread``. Buffer j of the
    stretch is full at edge ``first_edge + (j + 1) * buffer_words - 1`` and its packets follow one
    another from that nanosecond on. Holds up to and including ``end_ns``, the end of the last
    packet the host has asked for.
    """

    __slots__ = (
        "buffer_packets",
        "buffer_words",
        "clock",
        "delivered",
        "end_ns",
        "first_edge",
        "packet_ns",
        "thread",
    )

    def __init__(
        self,
        clock: SampleClock,
        first_edge: int,
        thread: int,
        delivered: int,
        geometry: tuple[int, int, int],
    ) -> None:
        self.clock = clock
        self.first_edge = first_edge
        self.thread = thread
        self.delivered = delivered
        """Packets delivered before the stretch."""
        self.buffer_words, self.buffer_packets, self.packet_ns = geometry
        self.end_ns = NEVER_NS

    def limit(self, asked_packets: int | None) -> None:
        """Set the end from the number of packets that the host has asked for in all."""
        self.end_ns = NEVER_NS if asked_packets is None else self.delivery_ns(asked_packets)

    def position(self, t_ns: int) -> int:
        """Edges since the machine entered the first RD_LD."""
        return self.clock.edge_at(t_ns) - self.first_edge

    def filled(self, t_ns: int) -> int:
        """Buffers committed in the stretch."""
        return (self.position(t_ns) + 1) // self.buffer_words

    def state(self, t_ns: int) -> int:
        """The state of the machine."""
        visit, word = divmod(self.position(t_ns), self.buffer_words)
        thread = (self.thread + visit) & 1
        return _READ_STATE[thread] if word else _LOAD_STATE[thread]

    def glance(self, t_ns: int) -> tuple[int, int]:
        """Buffers committed in the stretch, and the state, in one go."""
        clock = self.clock
        edge = (t_ns - clock.anchor_ns) * clock.edges_per_span // clock.span_ns
        visit, word = divmod(edge - self.first_edge, self.buffer_words)
        thread = (self.thread + visit) & 1
        if not word:
            return visit, _LOAD_STATE[thread]
        return visit + (word == self.buffer_words - 1), _READ_STATE[thread]

    def level(self, t_ns: int) -> int:
        """Buffers full: only the one that was committed last can still be on its way."""
        filled, _ = self.glance(t_ns)
        drain_ns = self.buffer_packets * self.packet_ns
        return int(filled > 0 and t_ns - self.fill_ns(filled) < drain_ns)

    def fill_ns(self, buffers: int) -> int:
        """When the stretch has committed this many buffers."""
        return self.clock.ns_of(self.first_edge + buffers * self.buffer_words - 1)

    def sent(self, t_ns: int) -> int:
        """Packets delivered in the stretch; only its last buffer can be partly sent."""
        filled = self.filled(t_ns)
        if not filled:
            return 0
        packets = (t_ns - self.fill_ns(filled)) // self.packet_ns
        return (filled - 1) * self.buffer_packets + min(packets, self.buffer_packets)

    def delivery_ns(self, packets_total: int) -> int:
        """When the lifetime count of delivered packets reaches a number above ``delivered``."""
        buffers, packet = divmod(packets_total - self.delivered - 1, self.buffer_packets)
        # fill_ns(buffers + 1), without its two calls.
        clock = self.clock
        edge = self.first_edge + (buffers + 1) * self.buffer_words - 1
        fill_ns = clock.anchor_ns - (-edge * clock.span_ns // clock.edges_per_span)
        return fill_ns + (packet + 1) * self.packet_ns

    def deliveries_ns(self, packets_total: int, step: int, times: int) -> list[int]:
        """``delivery_ns`` of a count and of the next ones, ``step`` whole buffers apart.

        Those that lie beyond the end of the stretch are left out.
        """
        clock = self.clock
        buffers, packet = divmod(packets_total - self.delivered - 1, self.buffer_packets)
        edge = self.first_edge + (buffers + 1) * self.buffer_words - 1
        edges = step // self.buffer_packets * self.buffer_words
        span_ns, per_span = clock.span_ns, clock.edges_per_span
        offset_ns = clock.anchor_ns + (packet + 1) * self.packet_ns
        due_ns = [
            offset_ns - (-(edge + number * edges) * span_ns // per_span) for number in range(times)
        ]
        while due_ns and due_ns[-1] > self.end_ns:
            due_ns.pop()
        return due_ns

    def overrun_ns(self, asked_packets: int, buffer_count: int) -> int:
        """When the machine meets the ring that stays full once the host has its packets."""
        emptied = (asked_packets - self.delivered) // self.buffer_packets
        return self.clock.ns_of(self.first_edge + (emptied + buffer_count) * self.buffer_words)
