"""The stream once more, edge by edge and packet by packet: slow, literal, and sharing no code.

Both tables are written out as chains of conditions from the documents of the two firmware
revisions; time is a Fraction; the ring is a list of descriptors with an owner each, as the
hardware has it. Every operation has the meaning that ``Flow`` documents for it.
"""

from __future__ import annotations

import copy
import math
from fractions import Fraction

FREE, FULL = "free", "full"


class Descriptor:
    def __init__(self) -> None:
        self.status = FREE
        self.words = 0
        self.samples: list[int] = []


class Reference:
    def __init__(
        self,
        edges: int,
        buffer_count: int,
        buffer_words: int,
        buffer_packets: int,
        packet_ns: int,
        wrong_producer_stalls: bool,
        forced_stop_leaves_debris: bool = True,
    ) -> None:
        self.has_stop_edges = {16: True, 13: False}[edges]
        self.limit = buffer_words - 2
        self.buffer_words = buffer_words
        self.buffer_packets = buffer_packets
        self.packet_ns = packet_ns
        self.wrong_producer_stalls = wrong_producer_stalls
        self.forced_stop_leaves_debris = forced_stop_leaves_debris
        self.dirty = {0: False, 1: False}
        self.never_ready_again = {0: False, 1: False}
        self.descriptors = [Descriptor() for _ in range(buffer_count)]
        self.empty_ring()
        self.armed = self.failed = self.stalled = self.seen_a_word = False

        self.now = 0
        self.clock_start: int | None = None
        self.period = Fraction(0)
        self.edges_done = 0

        self.loaded = self.running = self.fw_trg = False
        self.s = 0
        self.data_count = 0

        self.asked: int | None = 0
        self.delivered = 0
        self.in_flight_until: int | None = None
        self.packets_of_buffer = 0

        self.produced = self.consumed = 0
        self.errors: list[tuple[int, int]] = []
        self.deliveries: list[int] = []
        self.samples_taken = 0
        self.delivered_samples: list[int] = []

    def empty_ring(self) -> None:
        for descriptor in self.descriptors:
            descriptor.status, descriptor.words, descriptor.samples = FREE, 0, []
        self.producer_at = [0, 1]
        self.consumer_at = 0

    # Time.

    def next_edge_time(self) -> int | None:
        if self.clock_start is None:
            return None
        return math.ceil(self.clock_start + (self.edges_done + 1) * self.period)

    def advance(self, t: int) -> None:
        assert t >= self.now
        while self.one_thing(t):
            pass
        self.now = t

    def one_thing(self, until: int | None) -> bool:
        edge = self.next_edge_time()
        packet = self.in_flight_until
        times = [time for time in (edge, packet) if time is not None]
        if not times or (until is not None and min(times) > until):
            return False
        self.now = min(times)
        if edge is not None and edge == self.now:
            self.edges_done += 1
            self.samples_taken += 1
            if self.running:
                self.clock_edge()
        else:
            self.packet_ends()
        self.start_packet()
        return True

    # State machine.

    def clock_edge(self) -> None:
        before = self.s
        self.s = after = self.table()
        if after == 4:
            self.data_count = 0
            self.push(0)
        elif after == 3:
            self.data_count = 0
            self.push(1)
        elif after == 2:
            if before == 2:
                self.data_count += 1
            self.push(0)
        elif after == 6:
            if before == 6:
                self.data_count += 1
            self.push(1)
        elif (
            after == 1
            and self.producer_at[1] == 0
            and all(descriptor.status == FREE for descriptor in self.descriptors)
            and not self.consumer_moved()
        ):
            # Lenient order, thread 1 came first and went away before anything was committed.
            self.empty_ring()
            self.seen_a_word = False

    def consumer_moved(self) -> bool:
        return self.produced != self.produced_at_arm

    def table(self) -> int:
        s, trigger = self.s, self.fw_trg
        if s == 0:
            return 1
        if s == 1:
            return 4 if trigger else 1
        if s == 2:
            if self.data_count == self.limit:
                return 3
            if self.has_stop_edges and not trigger:
                return 1
            return 2
        if s == 3:
            return 6 if self.dma_rdy(1) else 7
        if s == 4:
            return 2 if self.dma_rdy(0) else 5
        if s == 5:
            return 9
        if s == 6:
            if self.data_count == self.limit:
                return 4
            if not trigger:
                return 1
            return 6
        if s == 7:
            return 8
        if s == 8:
            if self.dma_rdy(1):
                return 3
            if self.has_stop_edges and not trigger:
                return 1
            return 8
        assert s == 9
        if self.dma_rdy(0):
            return 4
        if self.has_stop_edges and not trigger:
            return 1
        return 9

    # DMA.

    def dma_rdy(self, thread: int) -> bool:
        if not self.armed or self.failed or self.stalled:
            return False
        if self.never_ready_again[thread]:
            return False
        return self.descriptors[self.producer_at[thread]].status == FREE

    def push(self, thread: int) -> None:
        if not self.dma_rdy(thread):
            self.errors.append((self.now, 0x1006 if thread else 0x1005))
            return
        if not self.seen_a_word:
            self.seen_a_word = True
            if thread == 1:
                if self.wrong_producer_stalls:
                    self.stalled = True
                    return
                self.producer_at = [1, 0]
        descriptor = self.descriptors[self.producer_at[thread]]
        descriptor.words += 1
        descriptor.samples.append(self.samples_taken - 1)
        if descriptor.words == self.buffer_words:
            descriptor.status = FULL
            self.produced += 1
            self.producer_at[thread] = (self.producer_at[thread] + 2) % len(self.descriptors)
            if self.dirty[thread] and not self.dma_rdy(thread):
                self.never_ready_again[thread] = True

    def start_packet(self) -> None:
        wanted = self.asked is None or self.delivered < self.asked
        there = self.descriptors[self.consumer_at].status == FULL
        works = self.armed and not self.failed and not self.stalled
        if self.in_flight_until is None and wanted and there and works:
            self.in_flight_until = self.now + self.packet_ns

    def packet_ends(self) -> None:
        self.in_flight_until = None
        self.delivered += 1
        self.deliveries.append(self.now)
        descriptor = self.descriptors[self.consumer_at]
        size = self.buffer_words // self.buffer_packets
        sent = self.packets_of_buffer * size
        self.delivered_samples += descriptor.samples[sent : sent + size]
        self.packets_of_buffer += 1
        if self.packets_of_buffer == self.buffer_packets:
            self.packets_of_buffer = 0
            descriptor.status, descriptor.words, descriptor.samples = FREE, 0, []
            self.consumer_at = (self.consumer_at + 1) % len(self.descriptors)
            self.consumed += 1

    # Operations.

    def clock(self, t: int, rate: Fraction | int | None) -> None:
        self.advance(t)
        self.edges_done = 0
        self.clock_start = None if rate is None else t
        if rate is not None:
            self.period = Fraction(10**9) / Fraction(rate)

    def load(self, t: int) -> None:
        self.advance(t)
        self.loaded, self.running, self.s = True, False, 0

    def start(self, t: int, state: int = 0) -> None:
        self.advance(t)
        self.running, self.s, self.data_count = True, state, 0

    def pause(self, t: int) -> None:
        self.advance(t)
        self.running = self.fw_trg = False
        self.dirty = {0: False, 1: False}

    def unload(self, t: int) -> None:
        self.advance(t)
        if self.running and self.s in (8, 9) and self.forced_stop_leaves_debris:
            self.dirty[1 if self.s == 8 else 0] = True
        self.running = self.fw_trg = False
        self.loaded = False

    def trigger(self, t: int, on: bool) -> None:
        self.advance(t)
        self.fw_trg = on

    def arm(self, t: int) -> None:
        self.advance(t)
        self.armed = True
        self.produced_at_arm = self.produced

    def reset(self, t: int) -> None:
        self.advance(t)
        self.empty_ring()
        self.armed = self.failed = self.stalled = self.seen_a_word = False
        self.never_ready_again = {0: False, 1: False}
        self.in_flight_until = None
        self.packets_of_buffer = 0

    def fail(self, t: int) -> None:
        self.advance(t)
        self.failed = self.armed
        self.in_flight_until = None

    def credit(self, t: int, packets: int | None) -> None:
        self.advance(t)
        self.asked = None if packets is None or self.asked is None else self.asked + packets
        self.start_packet()

    def withdraw(self, t: int) -> int:
        self.advance(t)
        packets = 0 if self.asked is None else self.asked - self.delivered
        self.asked = self.delivered
        self.in_flight_until = None
        return packets

    # Looks and predictions.

    def look(self, t: int) -> dict[str, int | None]:
        self.advance(t)
        return {
            "state": self.s if self.loaded else 255,
            "produced": self.produced,
            "consumed": self.consumed,
            "full": sum(descriptor.status == FULL for descriptor in self.descriptors),
            "delivered": self.delivered,
            "outstanding": None if self.asked is None else self.asked - self.delivered,
            "pib_errors": len(self.errors),
            "pib_code": self.errors[-1][1] if self.errors else 0,
        }

    def at_rest(self) -> bool:
        """Nothing will happen any more without an operation."""
        if self.in_flight_until is not None:
            return False
        if self.clock_start is None or not self.running:
            return True
        return self.s in (1, 8, 9) and self.table() == self.s

    def fork(self) -> Reference:
        """The same, to run ahead on its own."""
        twin = copy.copy(self)
        twin.descriptors = [copy.copy(descriptor) for descriptor in self.descriptors]
        twin.producer_at = list(self.producer_at)
        twin.never_ready_again = dict(self.never_ready_again)
        twin.errors = list(self.errors)
        twin.deliveries = list(self.deliveries)
        for descriptor in twin.descriptors:
            descriptor.samples = list(descriptor.samples)
        twin.delivered_samples = []
        return twin

    def delivery_times(self, counts: list[int]) -> list[int | None]:
        """When each count of packets, all above ``delivered``, is reached as things stand."""
        future = self.fork()
        wanted = max(counts) if self.asked is None else min(max(counts), self.asked)
        while future.delivered < wanted and not future.at_rest():
            assert future.one_thing(None)
        known = len(future.deliveries)
        return [future.deliveries[count - 1] if count <= known else None for count in counts]

    def next_pib_error(self, within: int) -> int | None:
        """When the next word is lost, as far as that many edges and packets show."""
        future = self.fork()
        known = len(future.errors)
        for _ in range(within):
            if future.at_rest():
                return None
            assert future.one_thing(None)
            if len(future.errors) > known:
                return future.now
        return None
