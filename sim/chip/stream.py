"""The streaming path in the world: the lazy :class:`~sim.chip.flow.Flow` and its interrupts.

The flow computes every count and state at any instant; this class tells it when software or the
host changes something, keeps the one alarm of the PIB error interrupt, and lets the host's
endpoint plan again after each change.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from hw.protocol import BULK_PACKET_SS_BYTES
from sim.chip.flow import Flow
from sim.chip.gpif import GpifState, GpifTable
from sim.chip.sequence import SequenceNumbers
from sim.kernel import HARDWARE, World
from sim.tasks import Alarm

Rate = Fraction | int | None
QUIET_STATES = (GpifState.RESET, GpifState.IDLE)


class Stream:
    """Sample clock, GPIF state machine, DMA ring and EP1 of one chip.

    Args:
        world: the clock.
        table: the decoded waveform table that the firmware loads.
        packet_ns: time of one bulk packet on the link.
        packet_bytes: size of one bulk packet.
        wrong_producer_stalls, forced_stop_leaves_debris: see :class:`sim.options.Options`.

    Attributes:
        flow: the exact state; look at it with ``flow.state(world.now_ns)`` and its like.
        sequence: the numbers of EP1's packets at both ends.
        on_change: called after every change that can move a delivery.
    """

    def __init__(
        self,
        world: World,
        table: GpifTable,
        packet_ns: int,
        packet_bytes: int = BULK_PACKET_SS_BYTES,
        *,
        wrong_producer_stalls: bool,
        forced_stop_leaves_debris: bool,
    ) -> None:
        self.world = world
        self.table = table
        self.packet_bytes = packet_bytes
        self.sequence = SequenceNumbers(packet_bytes)
        self.flow = Flow(
            table,
            packet_bytes=packet_bytes,
            packet_ns=packet_ns,
            wrong_producer_stalls=wrong_producer_stalls,
            forced_stop_leaves_debris=forced_stop_leaves_debris,
        )
        self.on_change: Callable[[], None] | None = None
        self._clocked = False
        self._triggered = False
        self._held: list[int | None] | None = None
        self._pib_interrupt: Callable[[int], None] | None = None
        self._pib_seen = 0
        self._pib_alarm: Alarm | None = None

    # ------------------------------------------------- changes by hardware and software

    def clock(self, rate_hz: Rate) -> None:
        """The sample clock changes or stops (None)."""
        self._clocked = rate_hz is not None
        self.flow.clock(self.world.now_ns, rate_hz)
        self._changed()

    def load(self) -> None:
        """GpifLoad: the table is loaded and the block enabled."""
        self.flow.load(self.world.now_ns)
        self._changed()

    def start(self, state: int) -> None:
        """SMStart in ``state``."""
        self.flow.start(self.world.now_ns, state)
        self._changed()

    def pause(self) -> None:
        """GpifDisable(False): the state machine stops, the table stays."""
        self._triggered = False
        self.flow.pause(self.world.now_ns)
        self._changed()

    def unload(self) -> None:
        """GpifDisable(True): the block is off and its table gone."""
        self._triggered = False
        self.flow.unload(self.world.now_ns)
        self._changed()

    def trigger(self, on: bool) -> None:
        """FW_TRG, the state machine's software input."""
        self._triggered = on
        self.flow.trigger(self.world.now_ns, on)
        # Without the trigger the machine goes to IDLE sooner and loses no word it would not have
        # lost with it: an alarm that is set stays a safe lower bound.
        if on:
            self._watch_pib()
        if self.on_change is not None:
            self.on_change()

    def arm(self) -> None:
        """SetXfer without an end: both producers take data."""
        self.flow.arm(self.world.now_ns)
        self._changed()

    def reset(self) -> None:
        """Channel reset: sockets off, every buffer dropped."""
        self.flow.reset(self.world.now_ns)
        self._changed()

    def fail(self) -> None:
        """A DMA hardware error: all sockets stop without a word."""
        self.flow.fail(self.world.now_ns)
        self._changed()

    def restart_sequence(self) -> None:
        """EP1 numbers its packets from 0 again; one that is ready keeps its old number."""
        now = self.world.now_ns
        self.sequence.restart_device(self.flow.delivered_packets(now), self.flow.full(now) > 0)

    # ------------------------------------------------- changes by the host

    def credit(self, packets: int | None) -> None:
        """The host asks for more packets; None: for all that will ever come."""
        if self._held is not None:
            self._held.append(packets)
            return
        self.flow.credit(self.world.now_ns, packets)
        # More credit only puts errors off: an alarm that is set stays a safe lower bound.
        if self._pib_alarm is None:
            self._watch_pib()

    def skip_read(self, asked: int, packets: int, limit_ns: int) -> bool:
        """Let the host read at once what comes smoothly, where nothing else happens before.

        Args:
            asked: packets that this reader knows to be asked for so far. Where others have asked
                too, or a hold has taken it back, the stream is not its own.
            packets: how many more it wants.
            limit_ns: how long it waits for them.

        Returns:
            True when they have come, and the clock stands there; False when nothing was done.
        """
        world, alarm = self.world, self._pib_alarm
        due_ns = self.flow.smooth_read(world._now, asked, packets)
        if due_ns is None or due_ns > world._now + limit_ns:
            return False
        # With more asked for the next PIB error comes later than the last of these packets.
        error_ns = 0
        if alarm is not None and alarm.at_ns <= due_ns:
            error_ns = self.flow.smooth_error_ns(asked + packets)
        if not world.skip_to(due_ns, alarm, error_ns):
            return False
        self.flow.smooth_credit(packets, due_ns)
        return True

    def withdraw(self) -> int:
        """The host cancels what it asked for; returns the packets withdrawn."""
        if self._held is not None:
            self._held.clear()
        packets = self.flow.withdraw(self.world.now_ns)
        self._changed()
        return packets

    def hold(self) -> None:
        """The host takes nothing until :meth:`release`; what it asks for meanwhile is kept."""
        if self._held is None:
            outstanding = self.flow.outstanding(self.world.now_ns)
            self.flow.withdraw(self.world.now_ns)
            self._held = [outstanding]
            self._changed()

    def release(self) -> None:
        """The host goes on with all that was asked for."""
        held, self._held = self._held, None
        for packets in held or ():
            self.credit(packets)
        self._changed()

    # ------------------------------------------------- PIB error interrupt

    def on_pib_error(self, interrupt: Callable[[int], None] | None) -> None:
        """Enable the PIB error interrupt (or mask it): one call with the code, then masked."""
        self._pib_interrupt = interrupt
        self._pib_seen = self.flow.pib_errors(self.world.now_ns)
        self._watch_pib()

    def _changed(self) -> None:
        if self._pib_interrupt is not None or self._pib_alarm is not None:
            self._watch_pib()
        if self.on_change is not None:
            self.on_change()

    def _watch_pib(self) -> None:
        due_ns = None
        if self._pib_interrupt is not None and self._can_push():
            due_ns = self.flow.next_pib_error(self.world.now_ns)
        alarm = self._pib_alarm
        if alarm is not None:
            if due_ns == alarm.at_ns:
                return
            alarm.cancel()
            self._pib_alarm = None
        if due_ns is not None:
            self._pib_alarm = self.world.alarm(due_ns, self._pib_due, HARDWARE)

    def _can_push(self) -> bool:
        """False where no word can come as things stand, which spares a prediction."""
        flow = self.flow
        if not flow.running or not self._clocked:
            return False
        return self._triggered or flow.state(self.world.now_ns) not in QUIET_STATES

    def _pib_due(self) -> None:
        self._pib_alarm = None
        now = self.world.now_ns
        errors = self.flow.pib_errors(now)
        interrupt = self._pib_interrupt
        if errors == self._pib_seen or interrupt is None:
            self._watch_pib()
            return
        self._pib_seen = errors
        self._pib_interrupt = None
        interrupt(self.flow.last_pib_code(now))
