"""The sample stream from the ADC's clock to the host's packets, exact at every nanosecond asked.

``Flow`` joins the GPIF II state machine, the DMA ring and the bulk endpoint. Nothing is simulated
while nothing changes: a count, a level or a state is computed from the last change when somebody
looks, with integers alone, and the predictions name the only instants at which the world has to
wake up. It knows no clock but the times it is given, in ns, which never go back.

Order within one nanosecond: clock edges (seeing what was changed before), then the end of a
packet, then software in the order of its calls. An edge or a packet end is therefore never
influenced by software of its own nanosecond. The model of the parts:

* One state of the table an edge; RD_LD and RD push one word each, RD until the data counter hits,
  so ``buffer_words`` words a visit: one DMA buffer (GPIF_DATA_COUNT_LIMIT 8190, 16384 bytes).
* A buffer is committed with its last word, in that edge's nanosecond, and its first packet may
  start there. Partial buffers and packets never count. DMA_RDY is seen without pipeline delay.
* DMA_RDY is false while the channel is not armed, has failed, or has no free buffer for that
  producer. A word pushed then is lost: one PIB error each, in any pushing state.
* After a word lost in RD_LD while a buffer comes free before the next edge, or a new trigger in
  mid buffer without a channel reset, a producer is out of step with the machine and its buffers
  end in mid visit. That is followed word by word, if more slowly.
"""

from __future__ import annotations

from fractions import Fraction

from sim.chip import flow_future
from sim.chip.flow_engine import Engine
from sim.chip.flow_machine import WAITS
from sim.chip.flow_origins import Origins
from sim.chip.flow_ring import Ring
from sim.chip.flow_steady import Steady
from sim.chip.gpif import THREAD_OF_STATE, GpifState, GpifTable

BUFFER_COUNT = 8
"""Both producers' buffers: the channel's count, 4, is per producer (cyu3dma.h)."""

BUFFER_WORDS = 8192
"""16-bit samples in one 16 KiB buffer, and in one visit of the state machine."""

PACKET_BYTES = 1024
"""wMaxPacketSize of bulk endpoint 0x81 at SuperSpeed."""

PACKET_NS = 2_560
"""Time of a packet at the 400 MB/s that SuperSpeed bulk reaches in practice."""

_WORD_BYTES = 2


class Flow:
    """One stream, advanced lazily.

    Args:
        table: the waveform that the firmware loads.
        buffer_count: buffers of both producers together; even.
        buffer_words: 16-bit words in a buffer, and in a visit of the machine.
        packet_bytes: size of a packet on the link; a buffer holds whole packets.
        packet_ns: time that a packet takes; packets follow one another without a gap.
        wrong_producer_stalls: what the channel does when the first word after ``arm`` comes from
            thread 1. True: the consumer waits for producer 0 and producer 0 for the machine, so
            both producers stall, nothing is committed and DMA_RDY stays false until the next reset
            and arm (that word is swallowed without a PIB error; the machine ends in a wait state
            with produced unchanged). False: the order is taken as it comes; and if the machine
            returns to IDLE before anything is committed, the words that strayed into thread 1
            are forgotten.
        forced_stop_leaves_debris: a forced disable of a machine that waits for a buffer leaves that
            thread dirty: in later sessions, once it runs out of buffers it never becomes ready
            again before the next reset, until a soft disable cleans it. False: it leaves nothing.
        steady, laps, bulk, fills: the four short cuts; off, every event is stepped. Results are
            equal.

    """

    __slots__ = (
        "_before",
        "_engine",
        "_glance",
        "_glance_ns",
        "_leaves_debris",
        "_loaded",
        "_origins",
        "_stretch",
        "packet_samples",
    )

    def __init__(
        self,
        table: GpifTable,
        *,
        buffer_count: int = BUFFER_COUNT,
        buffer_words: int = BUFFER_WORDS,
        packet_bytes: int = PACKET_BYTES,
        packet_ns: int = PACKET_NS,
        wrong_producer_stalls: bool = True,
        forced_stop_leaves_debris: bool = True,
        steady: bool = True,
        laps: bool = True,
        bulk: bool = True,
        fills: bool = True,
    ) -> None:
        if buffer_count < 2 or buffer_count % 2:
            raise ValueError(f"two producers share the buffers evenly, not {buffer_count} of them")
        if buffer_words < 2:
            raise ValueError(f"a visit pushes at least 2 words, not {buffer_words}")
        packets, rest = divmod(buffer_words * _WORD_BYTES, packet_bytes)
        if rest:
            raise ValueError(f"{buffer_words} words are not whole packets of {packet_bytes} bytes")
        if packet_ns < 1:
            raise ValueError(f"a packet takes time, not {packet_ns} ns")
        self.packet_samples = packet_bytes // _WORD_BYTES
        """Samples in a packet."""
        self._loaded = False
        self._leaves_debris = forced_stop_leaves_debris
        self._glance_ns = -1
        self._glance = (0, 0)
        self._stretch: Steady | None = None
        self._before = 0
        """Buffers committed before the closed form that was glanced at last."""
        self._origins = Origins()
        self._engine = Engine(
            table,
            Ring(buffer_count, buffer_words, wrong_producer_stalls),
            self._origins,
            buffer_packets=packets,
            packet_ns=packet_ns,
            steady=steady,
            laps=laps,
            bulk=bulk,
            fills=fills,
        )

    # Operations: software or the host changes something at ``t_ns``.

    def clock(self, t_ns: int, rate_hz: Fraction | int | None) -> None:
        """The sample clock runs at a new rate from here, its first edge one period on; None: off.

        Without edges the machine freezes in whatever state it is in (the clock is external and
        GPIF_CONFIG has no internal substitute); packets on the link go on.
        """
        self._settle(t_ns)
        self._engine.set_clock(t_ns, rate_hz)

    def load(self, t_ns: int) -> None:
        """GpifLoad: the waveform is valid and the block enabled; the machine does not run yet."""
        self._settle(t_ns)
        self._loaded = True
        self._engine.moving = False
        self._engine.state = int(GpifState.RESET)

    def start(self, t_ns: int, state: int = GpifState.RESET) -> None:
        """GpifSMStart: the machine is in ``state``, its counter 0, and moves with the next edge."""
        if not self._loaded or state == GpifState.DISABLED:
            raise ValueError("the state machine starts in a state of a loaded waveform only")
        self._settle(t_ns)
        engine = self._engine
        engine.moving = True
        engine.state = int(GpifState(state))
        engine.count = 0

    def pause(self, t_ns: int) -> None:
        """GpifDisable(False): stopped where it is, trigger cleared, waveform kept."""
        self._halt(t_ns)
        self._engine.ring.debris = 0

    def unload(self, t_ns: int) -> None:
        """GpifDisable(True): stopped, trigger cleared, waveform gone."""
        self._settle(t_ns)
        engine = self._engine
        if engine.moving and WAITS[engine.state] and self._leaves_debris:
            engine.ring.debris |= 1 << THREAD_OF_STATE[engine.state]
        self._halt(t_ns)
        self._loaded = False

    def _halt(self, t_ns: int) -> None:
        self._settle(t_ns)
        self._engine.moving = False
        self._engine.trigger = False

    def trigger(self, t_ns: int, on: bool) -> None:
        """GpifControlSWInput: FW_TRG as the next edge will see it."""
        self._settle(t_ns)
        self._engine.trigger = on

    def arm(self, t_ns: int) -> None:
        """SetXfer without an end, on a channel that is new or was reset."""
        if self.armed:
            raise ValueError("the channel is armed; reset it first")
        self._settle(t_ns)
        self._engine.ring.arm()

    def reset(self, t_ns: int) -> None:
        """Channel reset and endpoint flush: drop all that is not wholly on the wire, stop taking.

        The packet on the wire is dropped too; what the host has asked for stays asked for.
        """
        self._settle(t_ns)
        engine = self._engine
        engine.ring.reset()
        self._drop_packet()
        engine.packet = 0
        self._origins.drop(engine.delivered * self.packet_samples)

    def fail(self, t_ns: int) -> None:
        """A DMA hardware error: every socket of the channel is disabled, the consumer's too.

        Nothing is committed and nothing delivered any more. Committed buffers stay where they are,
        counted by ``full``, until a reset drops them; the packet on the wire is lost.
        """
        self._settle(t_ns)
        self._engine.ring.fail()
        self._drop_packet()

    def credit(self, t_ns: int, packets: int | None) -> None:
        """The host asks for ``packets`` more; None: for all there will ever be.

        Costs next to nothing while it is certain that the host still waits for earlier ones.
        """
        engine = self._engine
        asked = engine.asked
        if packets is not None and packets < 0:
            raise ValueError(f"a host cannot ask for {packets} packets; withdraw cancels")
        total = None if packets is None or asked is None else asked + packets
        if asked is not None and asked > engine.delivered:
            steady = engine.steady
            if steady is not None:
                if engine.now_ns <= t_ns <= steady.end_ns:
                    engine.asked = total
                    steady.limit(total)
                    return
            elif engine.now_ns <= t_ns < self._served_until_ns(asked):
                # The link cannot have sent it all: asking now or before is the same.
                engine.asked = total
                return
        self._settle(t_ns)
        engine.asked = total
        engine.serve(t_ns)

    def smooth_read(self, t_ns: int, asked: int, packets: int) -> int | None:
        """When ``packets`` more than ``asked`` will have come, if nothing hinders the stream.

        None unless the host has asked for exactly ``asked`` so far and waits at an empty ring for
        a machine in step; otherwise :meth:`smooth_credit` may ask for those packets.
        """
        engine = self._engine
        steady = engine.steady
        if steady is None or engine.asked != asked or not engine.now_ns <= t_ns <= steady.end_ns:
            return None
        return steady.delivery_ns(asked + packets)

    def smooth_error_ns(self, asked: int) -> int:
        """When a word is lost where :meth:`smooth_credit` asks for so many packets and no more."""
        engine = self._engine
        if engine.steady is None:
            raise ValueError("the stream does not run smoothly")
        return engine.steady.overrun_ns(asked, 2 * engine.ring.depth)

    def smooth_credit(self, packets: int, due_ns: int) -> None:
        """Ask for the packets of which :meth:`smooth_read` has just said when they are there."""
        engine = self._engine
        if engine.asked is not None and engine.steady is not None:
            engine.asked += packets
            engine.steady.end_ns = due_ns

    def withdraw(self, t_ns: int) -> int:
        """The host cancels all it has asked for; returns those packets (0 if without an end).

        The packet on the wire is cancelled with them; its data stays and is sent again later.
        """
        self._settle(t_ns)
        engine = self._engine
        packets = 0 if engine.asked is None else engine.asked - engine.delivered
        engine.asked = engine.delivered
        self._drop_packet()
        return packets

    # Looks: exact at ``t_ns``, after everything that happens in that nanosecond.

    @property
    def loaded(self) -> bool:
        """A waveform is loaded and the block enabled."""
        return self._loaded

    @property
    def running(self) -> bool:
        """The machine is started (a stopped clock does not change that)."""
        return self._engine.moving

    @property
    def armed(self) -> bool:
        """The channel was armed since its last reset, whatever became of it."""
        return self._engine.ring.armed

    def state(self, t_ns: int) -> int:
        """CURRENT_STATE; 255 while nothing is loaded."""
        steady = self._look(t_ns)
        if steady is not None:
            return steady.state(t_ns)
        return self._engine.state if self._loaded else int(GpifState.DISABLED)

    def glance(self, t_ns: int) -> tuple[int, int]:
        """``produced`` and ``state`` at once; asked again at the same time it is free."""
        if t_ns == self._glance_ns:
            return self._glance
        engine = self._engine
        steady = engine.steady
        if steady is None:
            # What is counted before the next event is no part of this.
            if not engine.now_ns <= t_ns < engine.next_ns:
                steady = self._look(t_ns)
        elif t_ns > steady.end_ns:
            steady = self._look(t_ns)
        if steady is not None:
            if steady is not self._stretch:
                self._stretch = steady
                self._before = engine.ring.produced
            filled, state = steady.glance(t_ns)
            self._glance = (self._before + filled, state)
        else:
            state = engine.state if self._loaded else int(GpifState.DISABLED)
            self._glance = (engine.ring.produced, state)
        self._glance_ns = t_ns
        return self._glance

    def produced(self, t_ns: int) -> int:
        """Buffers committed ever; a channel reset does not take back any."""
        steady = self._look(t_ns)
        produced = self._engine.ring.produced
        return produced if steady is None else produced + steady.filled(t_ns)

    def consumed(self, t_ns: int) -> int:
        """Buffers sent ever, to their last packet."""
        steady = self._look(t_ns)
        engine = self._engine
        consumed = engine.ring.consumed_ever
        return consumed if steady is None else consumed + steady.sent(t_ns) // engine.buffer_packets

    def full(self, t_ns: int) -> int:
        """Buffers committed and not yet sent to their last packet."""
        steady = self._look(t_ns)
        return self._engine.ring.level if steady is None else steady.level(t_ns)

    def delivered_packets(self, t_ns: int) -> int:
        """Packets that reached the host ever."""
        steady = self._look(t_ns)
        return self._engine.delivered if steady is None else steady.delivered + steady.sent(t_ns)

    def outstanding(self, t_ns: int) -> int | None:
        """Packets asked for and not delivered, the one on the wire included; None: without end."""
        delivered = self.delivered_packets(t_ns)
        asked = self._engine.asked
        return None if asked is None else asked - delivered

    def pib_errors(self, t_ns: int) -> int:
        """Words lost ever; the hardware raises one error for each, software may see fewer."""
        self._look(t_ns)
        return self._engine.pib_errors

    def last_pib_code(self, t_ns: int) -> int:
        """0x1005 after a word lost on thread 0, 0x1006 on thread 1; 0 before the first."""
        self._look(t_ns)
        return self._engine.pib_code

    def samples_taken(self, t_ns: int) -> int:
        """Samples that the ADC has made ever, taken or not: edges of the sample clock."""
        return self._origins.samples_before + self._engine.clock.edge_at(t_ns)

    def sources(self, t_ns: int, first_packet: int, samples: int) -> list[tuple[int, int]]:
        """Where delivered samples come from, in runs without a loss.

        Args:
            t_ns: not before their delivery.
            first_packet: number of the packet that they begin with, ever.
            samples: how many.

        Returns:
            (place of the first among all that the ADC has made, from 0; how many) of each run.
        """
        self._look(t_ns)
        return self._origins.of(first_packet * self.packet_samples, samples)

    def newest_source(self, t_ns: int, first_packet: int) -> int | None:
        """The place of a packet's first sample, if nothing was lost since; see :meth:`sources`."""
        if self._engine.steady is None:
            self._look(t_ns)
        return self._origins.of_newest(first_packet * self.packet_samples)

    # Predictions: hold until the next operation.

    def delivery_time(self, packets_total: int) -> int | None:
        """The ns at which ``delivered_packets`` reaches a count; None: never as things stand.

        For a count that was reached already: a time not later than that of the last look.
        """
        return flow_future.delivery_ns(self._engine, packets_total)

    def delivery_times(self, packets_total: int, step: int, times: int) -> list[int]:
        """``delivery_time`` of a count and the next ones, ``step`` apart, as far as they are known.

        Args:
            packets_total: the first count.
            step: packets from one count to the next.
            times: how many counts.

        Returns:
            At most ``times`` instants; the list ends before the first that never comes.
        """
        steady = self._engine.steady
        whole = step % self._engine.buffer_packets == 0
        if steady is not None and packets_total > steady.delivered and whole:
            return steady.deliveries_ns(packets_total, step, times)
        found: list[int] = []
        for number in range(times):
            due_ns = self.delivery_time(packets_total + number * step)
            if due_ns is None:
                break
            found.append(due_ns)
        return found

    def next_pib_error(self, t_ns: int) -> int | None:
        """The ns of the next lost word after ``t_ns``; None: never as things stand.

        Exact for anything near. Where a great many events come first (a host hardly slower than
        the source) a lower bound after ``t_ns``: look there, and ask again if nothing is lost.
        """
        self._look(t_ns)
        return flow_future.pib_error_ns(self._engine)

    # Inside.

    def _look(self, t_ns: int) -> Steady | None:
        """Be at ``t_ns``; the closed form that holds there, None where the fields are exact."""
        engine = self._engine
        steady = engine.steady
        if steady is not None:
            if t_ns <= steady.end_ns:
                return steady
        elif t_ns == engine.now_ns:
            return None
        self._check(t_ns)
        engine.run(t_ns)
        if engine.steady is None:
            engine.catch_up(t_ns)
        return engine.steady

    def _settle(self, t_ns: int) -> None:
        self._glance_ns = -1
        engine = self._engine
        if t_ns == engine.now_ns and engine.steady is None:
            engine.next_ns = t_ns
            return
        self._check(t_ns)
        engine.settle(t_ns)

    def _check(self, t_ns: int) -> None:
        now_ns = self._engine.now_ns
        if t_ns < now_ns:
            raise ValueError(f"time does not go back from {now_ns} ns to {t_ns} ns")

    def _drop_packet(self) -> None:
        self._engine.packet_end_ns = None

    def _served_until_ns(self, asked: int) -> int:
        """A time before which the link cannot have sent all that was asked for."""
        engine = self._engine
        packets = asked - engine.delivered
        if engine.packet_end_ns is None:
            return engine.now_ns + packets * engine.packet_ns
        return engine.packet_end_ns + (packets - 1) * engine.packet_ns
