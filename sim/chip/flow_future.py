"""What the stream will do as things stand: a copy of the engine runs ahead, or a closed form."""

from __future__ import annotations

from sim.chip.flow_clock import NEVER_NS
from sim.chip.flow_engine import Engine
from sim.chip.flow_steady import Steady

_LAST_NS = NEVER_NS - 1

_LOOK_AHEAD_EVENTS = 256
"""Events after which a search for the next lost word settles for a lower bound."""


def delivery_ns(engine: Engine, packets: int) -> int | None:
    """When the count of delivered packets reaches ``packets``; None: not as things stand."""
    if engine.asked is not None and packets > engine.asked:
        return None
    if engine.steady is not None and packets > engine.steady.delivered:
        return engine.steady.delivery_ns(packets)
    if packets <= engine.delivered:
        return engine.delivered_ns
    if engine.packet_end_ns is None and not engine.next_edge():
        # Nothing is on its way and the machine is at rest.
        return None
    awaited = engine.awaited_stretch()
    if awaited is not None:
        return awaited.delivery_ns(packets)
    future = engine.copy()
    future.asked = packets
    while future.delivered < packets:
        if not future.step(_LAST_NS):
            return None
        if future.steady is not None:
            return future.steady.delivery_ns(packets)
    return future.delivered_ns


def pib_error_ns(engine: Engine) -> int | None:
    """When the next word is lost: exact, or after many events on the way a lower bound.

    The engine must have caught up with the clock.
    """
    if engine.steady is not None:
        return _overrun_ns(engine.steady, engine)
    if engine.packet_end_ns is None and not engine.next_edge():
        return None
    awaited = engine.awaited_stretch()
    if awaited is not None:
        return _overrun_ns(awaited, engine)
    future = engine.copy()
    # Each lap loses a word: the first of them is wanted.
    future.laps = False
    for _ in range(_LOOK_AHEAD_EVENTS):
        loses = future.loses_next()
        edge = future.edge + 1 if loses else future.next_edge()
        edge_ns = future.clock.ns_of(edge) if edge else NEVER_NS
        packet_end_ns = future.packet_end_ns
        if loses and (packet_end_ns is None or edge_ns <= packet_end_ns):
            return None if edge_ns == NEVER_NS else edge_ns
        if not future.step(_LAST_NS):
            return None
        if future.steady is not None:
            return _overrun_ns(future.steady, future)
        if future.pib_errors > engine.pib_errors:
            return edge_ns
    return edge_ns if packet_end_ns is None else min(edge_ns, packet_end_ns)


def _overrun_ns(steady: Steady, engine: Engine) -> int | None:
    """The first loss after a steady stretch: the machine meets the ring that stays full."""
    if engine.asked is None:
        return None
    return steady.overrun_ns(engine.asked, 2 * engine.ring.depth)
