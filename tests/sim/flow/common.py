"""Shared by the tests: the firmware's START and STOP, and a look at everything."""

from __future__ import annotations

from sim.chip.flow import Flow

US = 1_000
MS = 1_000_000
MHZ = 1_000_000

BUFFER_PACKETS = 16


def start(flow: Flow, t_ns: int) -> None:
    """STARTFX3 without its USB part: trigger low, forced disable, reset, arm, load, start, high."""
    flow.trigger(t_ns, False)
    flow.unload(t_ns)
    flow.reset(t_ns)
    flow.arm(t_ns)
    flow.load(t_ns)
    flow.start(t_ns)
    flow.trigger(t_ns, True)


def view(flow: Flow, t_ns: int) -> dict[str, int | None]:
    """Every look at one instant; ``glance``, which remembers, before and after the others."""
    first = flow.glance(t_ns)
    assert first == (flow.produced(t_ns), flow.state(t_ns))
    assert flow.glance(t_ns) == first
    return {
        "state": flow.state(t_ns),
        "produced": flow.produced(t_ns),
        "consumed": flow.consumed(t_ns),
        "full": flow.full(t_ns),
        "delivered": flow.delivered_packets(t_ns),
        "outstanding": flow.outstanding(t_ns),
        "pib_errors": flow.pib_errors(t_ns),
        "pib_code": flow.last_pib_code(t_ns),
    }
