"""The recurrence under the stream: clock edges and packets, one after the other, in whole ns.

Within one nanosecond clock edges come first, then the end of a packet, then software. The
recurrence (``step`` with every short cut off) is the truth. The steady closed form, the laps of a
slow host, packets in bulk and the fill of a ring that nobody reads reach the same state sooner;
each can be switched off, so that tests can compare.
"""

from __future__ import annotations

from fractions import Fraction
from operator import attrgetter

from sim.chip.flow_clock import NEVER_NS
from sim.chip.flow_machine import LOAD_STATE, PUSHES, READ_STATE, WAIT_STATE, WAITS, Machine
from sim.chip.flow_origins import Origins
from sim.chip.flow_ring import Ring
from sim.chip.flow_steady import Steady
from sim.chip.gpif import PIB_ERROR_OF_THREAD, THREAD_OF_STATE, GpifTable

_LAP_EDGES_MORE = 3
"""Edges of a lap beside its buffer's words: into RD_LD of the other thread, BUSY and WAIT."""


class Engine(Machine):
    """State machine, ring and link at one instant, and the rules that move them on."""

    __slots__ = (
        "asked",
        "buffer_packets",
        "bulk",
        "delivered",
        "delivered_ns",
        "fills",
        "host_bound",
        "host_faster",
        "laps",
        "next_ns",
        "now_ns",
        "packet",
        "packet_end_ns",
        "packet_ns",
        "steadies",
        "steady",
    )

    def __init__(
        self,
        table: GpifTable,
        ring: Ring,
        origins: Origins,
        *,
        buffer_packets: int,
        packet_ns: int,
        steady: bool,
        laps: bool,
        bulk: bool,
        fills: bool,
    ) -> None:
        super().__init__(table, ring, origins)
        self.buffer_packets = buffer_packets
        self.packet_ns = packet_ns
        self.steadies, self.laps, self.bulk, self.fills = steady, laps, bulk, fills
        self.steady: Steady | None = None
        """The stretch that stands for the fields here since it began, if there is one."""
        self.now_ns = 0
        self.next_ns = 0
        """Up to before this nothing happens but counting, unless something is changed."""
        self.host_faster = self.host_bound = False
        self.asked: int | None = 0
        """Packets asked for since the beginning, less those withdrawn; None: no end."""
        self.delivered = 0
        self.delivered_ns = 0
        """When the last packet was delivered."""
        self.packet = 0
        """Packets of the consumer's current buffer that are delivered."""
        self.packet_end_ns: int | None = None
        """When the packet on the wire ends, if there is one."""

    def copy(self) -> Engine:
        """An engine of its own in the same state."""
        twin: Engine = object.__new__(Engine)
        for put, value in zip(_PUT_FIELDS, _get_fields(self), strict=True):
            put(twin, value)
        twin.ring = self.ring.copy()
        twin.origins = None
        return twin

    def set_clock(self, t_ns: int, rate_hz: Fraction | int | None) -> None:
        """A new anchor, or no edges at all."""
        super().set_clock(t_ns, rate_hz)
        self.host_faster = self.host_bound = False
        if rate_hz is not None:
            drain_ns = self.buffer_packets * self.packet_ns
            self.host_faster = drain_ns <= self.clock.shortest_ns(self.buffer_words)
            lap_edges = self.buffer_words + _LAP_EDGES_MORE
            self.host_bound = drain_ns > self.clock.longest_ns(lap_edges)

    # Moving on.

    def settle(self, t_ns: int) -> None:
        """Be exactly at ``t_ns``, in plain fields, before software changes something there."""
        self.run(t_ns)
        if self.steady is not None:
            self._leave_steady(self.steady, t_ns)
        self.catch_up(t_ns)
        self.next_ns = t_ns

    def run(self, t_ns: int) -> None:
        """Apply every event up to and including ``t_ns``."""
        while self.steady is not None or t_ns >= self.next_ns:
            steady = self.steady
            if steady is None:
                if not self.step(t_ns):
                    break
            elif t_ns <= steady.end_ns:
                break
            else:
                self._leave_steady(steady, steady.end_ns)
        self.now_ns = t_ns

    def step(self, limit_ns: int) -> bool:
        """Apply the next event, or a run of them, at or before ``limit_ns``; False: none."""
        packet_end_ns = self.packet_end_ns
        if packet_end_ns is None and PUSHES[self.state]:
            if self.host_faster and self._enter_steady():
                return True
            if self.fills and self._fill(limit_ns):
                return True
        edge = self.next_edge()
        edge_ns = self.clock.ns_of(edge) if edge else NEVER_NS
        if packet_end_ns is None or edge_ns <= packet_end_ns:
            if edge_ns > limit_ns:
                self.next_ns = edge_ns
                return False
            self.glide(edge - 1)
            self.take_edge()
            self.serve(edge_ns)
            return True
        if packet_end_ns > limit_ns:
            self.next_ns = packet_end_ns
            return False
        if not (self.host_bound and self.laps and self._lap(packet_end_ns, limit_ns)):
            # Strictly before the next edge: a packet that ends in its nanosecond comes after it.
            self._complete(packet_end_ns, min(limit_ns, edge_ns - 1))
        return True

    # The link.

    def serve(self, t_ns: int) -> None:
        """Begin the next packet, if the link is free and there is one and it is wanted."""
        if self.packet_end_ns is not None or not self.ring.live:
            return
        if self.asked is not None and self.delivered >= self.asked:
            return
        if self.ring.waiting() > 0:
            self.packet_end_ns = t_ns + self.packet_ns

    def _complete(self, packet_end_ns: int, limit_ns: int) -> None:
        """End the packet on the wire, and those behind it that no event comes between."""
        ring = self.ring
        packets = 1
        if self.bulk:
            packets = (limit_ns - packet_end_ns) // self.packet_ns + 1
            if self.asked is not None:
                packets = min(packets, self.asked - self.delivered)
            if self.moving and not ring.ready(THREAD_OF_STATE[self.state]):
                # The buffer given back may wake the producer: its last packet comes alone.
                packets = min(packets, max(self.buffer_packets - self.packet - 1, 1))
            else:
                packets = min(packets, self.buffer_packets * ring.waiting() - self.packet)
        end_ns = packet_end_ns + (packets - 1) * self.packet_ns
        self.delivered += packets
        self.delivered_ns = end_ns
        emptied, self.packet = divmod(self.packet + packets, self.buffer_packets)
        if emptied:
            # A producer without a buffer loses every word up to now, and none from here on.
            self.catch_up(end_ns)
            ring.consumed += emptied
        self.packet_end_ns = None
        self.serve(end_ns)

    # Short cuts.

    def _enter_steady(self) -> bool:
        """Begin a closed form where the host waits at an empty ring for a machine in step."""
        if not self.steadies or (self.asked is not None and self.delivered >= self.asked):
            return False
        if self.ring.fails_at_once:
            return False
        first_edge = None if self.ring.level else self.visit_edge()
        if first_edge is None:
            return False
        thread = THREAD_OF_STATE[self.state]
        self.steady = self._stretch(first_edge, thread)
        self.steady.limit(self.asked)
        if self.origins is not None:
            # No words yet, but the next one may not follow upon the last.
            self.origins.pushed(self.ring.place(thread), self.edge + 1, 0)
        return True

    def _stretch(self, first_edge: int, thread: int) -> Steady:
        geometry = (self.buffer_words, self.buffer_packets, self.packet_ns)
        return Steady(self.clock, first_edge, thread, self.delivered, geometry)

    def awaited_stretch(self) -> Steady | None:
        """The closed form that a machine on the way to its first word will begin, if any."""
        ring = self.ring
        if not (self.steadies and self.host_faster and self.moving and self.trigger):
            return None
        if not ring.live or not ring.fresh or ring.fails_at_once or ring.latched:
            return None
        edge, state = self.edge, self.state
        for _ in self.rows:
            if PUSHES[state]:
                break
            # Both producers are ready, and the data counter stands.
            state = self.rows[state][self.trigger << 2 | 1 << 1]
            edge += 1
        if edge == self.edge or state != LOAD_STATE[0]:
            return None
        return self._stretch(edge, 0)

    def _leave_steady(self, steady: Steady, t_ns: int) -> None:
        """Put the closed form's state at ``t_ns`` back into plain fields."""
        ring = self.ring
        self.steady = None
        self.edge = steady.clock.edge_at(t_ns)
        visit, word = divmod(self.edge - steady.first_edge, self.buffer_words)
        thread = (steady.thread + visit) & 1
        self.state = READ_STATE[thread] if word else LOAD_STATE[thread]
        self.count = max(word - 1, 0)
        ring.words = [0, 0]
        ring.words[thread] = (word + 1) % self.buffer_words
        filled = steady.filled(t_ns)
        ring.set_filled(ring.consumed + filled)
        if self.origins is not None:
            words = (ring.consumed + filled) * self.buffer_words + ring.words[thread]
            self.origins.goes_on(words, self.edge + 1)
        sent = steady.sent(t_ns)
        self.delivered = steady.delivered + sent
        if sent:
            self.delivered_ns = steady.delivery_ns(self.delivered)
        emptied, self.packet = divmod(sent, self.buffer_packets)
        ring.consumed += emptied
        if emptied < filled and self.delivered != self.asked:
            self.packet_end_ns = steady.delivery_ns(self.delivered + 1)

    def _fill(self, limit_ns: int) -> bool:
        """Whole buffers filled for a host that asks for nothing, by a machine in step."""
        if self.asked is None or self.delivered < self.asked or self.ring.debris:
            return False
        first_edge = self.visit_edge()
        if first_edge is None:
            return False
        ring = self.ring
        buffers = (self.clock.edge_at(limit_ns) + 1 - first_edge) // self.buffer_words
        buffers = min(buffers, 2 * ring.depth - ring.level)
        if buffers < 1:
            return False
        # To the edge that pushes the last word of these buffers, the machine still in its read.
        last_edge = first_edge + buffers * self.buffer_words - 1
        thread = THREAD_OF_STATE[self.state]
        if self.origins is not None:
            self.origins.pushed(ring.place(thread), self.edge + 1, last_edge - self.edge)
        self.edge = last_edge
        self.state = READ_STATE[thread ^ (buffers - 1) & 1]
        self.count = self.buffer_words - 2
        ring.words = [0, 0]
        ring.set_filled(ring.filled[0] + ring.filled[1] + buffers)
        return True

    def _lap(self, packet_end_ns: int, limit_ns: int) -> bool:
        """Whole laps of a slow host: a buffer freed, refilled, one word lost, parked again."""
        ring, state = self.ring, self.state
        if ring.debris or not (self.moving and self.trigger and ring.live and WAITS[state]):
            return False
        thread = THREAD_OF_STATE[state]
        if ring.level != 2 * ring.depth or ring.words[thread] or not ring.in_step(thread):
            return False
        lap_ns = self.buffer_packets * self.packet_ns
        release_ns = packet_end_ns + (self.buffer_packets - 1 - self.packet) * self.packet_ns
        laps = (limit_ns + 1 - release_ns) // lap_ns
        if self.asked is not None:
            wanted = self.asked - self.delivered
            laps = min(laps, (wanted + self.packet) // self.buffer_packets - 1)
        if laps < 1:
            return False
        # To the nanosecond before the release after these laps, its last packet on the wire.
        self.packet_end_ns = release_ns + laps * lap_ns
        self.delivered += (laps + 1) * self.buffer_packets - self.packet - 1
        self.delivered_ns = self.packet_end_ns - self.packet_ns
        self.packet = self.buffer_packets - 1
        if self.origins is not None:
            place = (ring.consumed + 2 * ring.depth) * self.buffer_words
            self.origins.lapped(place, release_ns, lap_ns, self.clock, self.buffer_words)
        ring.consumed += laps
        ring.set_filled(ring.consumed + 2 * ring.depth)
        self.pib_errors += laps
        thread ^= laps & 1
        self.pib_code = PIB_ERROR_OF_THREAD[thread]
        self.state = WAIT_STATE[thread]
        self.count = 0
        self.catch_up(self.packet_end_ns - 1)
        return True


_FIELDS = Machine.__slots__ + Engine.__slots__
_get_fields = attrgetter(*_FIELDS)
_PUT_FIELDS = tuple(getattr(Engine, name).__set__ for name in _FIELDS)
