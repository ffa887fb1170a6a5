"""What a policy claims to cover: by which level at the latest, and within what.

A claim is what the closed forms of :mod:`scenarios.lab.bounds` promise. Where there is none, the
cell is a known gap, and the certificate lists it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from health import Policy, StatusCode
from scenarios.lab.bench import LabBench
from scenarios.lab.bounds import MILLISECOND_NS, Condition, bounds
from scenarios.lab.cells import BUSY_HOST, Cell
from sim.firmware import revision

SLACK_MS = 3
"""An onset inside of a handler meets polls that the handler moved: two looks each lag by up to a
tick, and the loop's own work takes less than one."""
CONDITIONS = {
    "main_hang": Condition.MAIN_DEATH,
    "timer_death": Condition.MAIN_DEATH,
    "dma_error": Condition.DMA_ERROR,
    "cold_start": Condition.COLD_START,
}
"""The condition that a fault of the whole device makes."""


@dataclass(frozen=True)
class Claim:
    """What is promised about a cell.

    Attributes:
        kind: ``recovers`` (a level acts within the bound and the device serves again), ``serves``
            (it serves again, by whatever) or ``harmless`` (legal: nothing beyond level 1 happens).
        level: the level that has acted at the latest; 0 where none has to.
        within_ms: bound of its detection from the onset; 0 where there is none.
        instead: what may be kept in its place, by a lower level and sooner; None for nothing.
    """

    kind: str
    level: int = 0
    within_ms: int = 0
    instead: Claim | None = None


HARMLESS = Claim("harmless")
SERVES = Claim("serves")


def claim(policy: Policy, position: str, firmware: str, cell: Cell) -> Claim | None:
    """Return what the policy claims about a cell, or None where it claims nothing.

    Args:
        policy: whose claim.
        position: ``device`` or ``host``; from the host nothing is promised about a hung thread,
            since neither RESETFX3 nor a port reset is served by one that spins.
        firmware: revision; one that does not wait with levels 1 to 3 for a callback in progress
            may hang its main thread in them, and level 5 alone is left.
        cell: what strikes.
    """
    kind = cell.fault.kind
    if kind in ("delay", "host_paused", "clock_loss"):
        return HARMLESS
    if position != "device":
        return None
    if kind == "hang":
        return _hang(policy, firmware, cell)
    if kind == "error":
        return SERVES if policy.ladder(StatusCode.STREAM_STALL) else None
    if kind == "ep0_desync":
        return _desync(policy, cell)
    return bounded(policy, firmware, CONDITIONS[kind])


@lru_cache
def bounded(policy: Policy, firmware: str, condition: Condition) -> Claim | None:
    """Return what the closed forms promise about a condition, or None where they see nothing."""
    bound = bounds(policy, LabBench.of(firmware))[condition]
    if bound.level is None or bound.detection is None:
        return None
    latest_ms = -(-bound.detection.high_ns // MILLISECOND_NS)
    return Claim("recovers", bound.level, latest_ms + SLACK_MS)


def _hang(policy: Policy, firmware: str, cell: Cell) -> Claim | None:
    if cell.manner == "spinning":
        return bounded(policy, firmware, Condition.USB_SPIN)
    is_setup = bool(cell.fault.during)
    blocked = Condition.EP0_BLOCKED if is_setup else Condition.USB_EVENT_BLOCKED
    found = bounded(policy, firmware, blocked)
    if found is None or cell.lock == "none" or revision(firmware).remedies_wait:
        return found
    # Before the limit is over, a remedy for the stream may wait for that lock for ever in the main
    # thread; then level 5 alone is left, and its time begins there. Whether one is tried is the
    # host's affair: while it reads on, the stream is well.
    last = bounded(policy, firmware, Condition.MAIN_DEATH)
    if last is None:
        return None
    return Claim("recovers", last.level, found.within_ms + last.within_ms, instead=found)


def _desync(policy: Policy, cell: Cell) -> Claim | None:
    """Nobody sees a desync before requests fail, so its bound is the host's affair."""
    ladder = policy.ladder(StatusCode.EP0_DESYNC)
    limit = policy.ep0_desync_limit
    if not limit or not ladder:
        return None
    # A host that waits out each time-out of its own fails so often within the window.
    failures = policy.ep0_desync_window_ms // policy.host_control_timeout_ms + 1
    if cell.request != BUSY_HOST and failures <= limit:
        return None
    return Claim("recovers", ladder[0])
