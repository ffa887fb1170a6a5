"""What a policy claims to cover, in closed form: by which level at the latest, and within what.

A claim is what the policy's own numbers promise. Where there is none, the cell is a known gap, and
the certificate lists it.
"""

from __future__ import annotations

from dataclasses import dataclass

from health import Level, Policy, StatusCode
from scenarios.lab.cells import BUSY_HOST, Cell
from sim.firmware import revision

SLACK_MS = 3
"""Two looks each lag by up to a tick, and the loop's own work takes less than one."""
SAMPLES = 2
"""The sample after the onset is the first to show it, and a poll is the last to find it over."""


@dataclass(frozen=True)
class Claim:
    """What is promised about a cell.

    Attributes:
        kind: ``recovers`` (a level acts within the bound and the device serves again), ``serves``
            (it serves again, by whatever) or ``harmless`` (legal: nothing beyond level 1 happens).
        level: the level that has acted at the latest; 0 where none has to.
        within_ms: bound of its detection from the onset; 0 where there is none.
    """

    kind: str
    level: int = 0
    within_ms: int = 0


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
    if kind in ("main_hang", "timer_death"):
        return watchdog(policy)
    if kind == "error":
        return SERVES if policy.ladder(StatusCode.STREAM_STALL) else None
    return _condition(policy, firmware, kind, cell)


def watchdog(policy: Policy) -> Claim | None:
    """Return what level 5 promises: within P + C of the last beat, which the onset follows."""
    if not policy.level_5_enabled:
        return None
    period_ms = -(-policy.hwdt_effective_us // 1_000)
    return Claim("recovers", Level.WATCHDOG, period_ms + policy.pet_interval_ms + SLACK_MS)


def _hang(policy: Policy, firmware: str, cell: Cell) -> Claim | None:
    if cell.manner == "spinning":
        # Priority 4 starves the main loop at 8: level 4 cannot act.
        return watchdog(policy)
    is_setup = bool(cell.fault.during)
    limit_ms = policy.ep0_limit_ms if is_setup else policy.usb_event_limit_ms
    code = StatusCode.EP0_WEDGED if is_setup else StatusCode.USB_EVENT_WEDGED
    if not limit_ms or not policy.ladder(code):
        return None
    within_ms = limit_ms + policy.poll_interval_ms + SLACK_MS
    if cell.lock != "none" and not revision(firmware).remedies_wait:
        # Before the limit is over, a remedy for the stream may wait for that lock for ever in the
        # main thread; then level 5 alone is left, and its time begins there.
        last = watchdog(policy)
        if last is None:
            return None
        within_ms += last.within_ms
    return Claim("recovers", Level.DEVICE_RESET, within_ms)


def _condition(policy: Policy, firmware: str, kind: str, cell: Cell) -> Claim | None:
    if kind == "ep0_desync":
        return _desync(policy, cell)
    code, limit_ms = {
        "dma_error": (StatusCode.STREAM_STALL, policy.stream_stall_ms),
        "cold_start": (StatusCode.COLD_START, policy.cold_start_ms),
    }[kind]
    if code is StatusCode.COLD_START and not revision(firmware).samples_clock:
        # Without a look at the clock a missing first buffer may be the clock's absence.
        return None
    ladder = policy.ladder(code)
    if not limit_ms or not ladder:
        return None
    return Claim("recovers", ladder[0], limit_ms + SAMPLES * policy.poll_interval_ms + SLACK_MS)


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
