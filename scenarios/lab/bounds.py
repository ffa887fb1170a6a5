"""Closed forms: how soon and how late each level answers, and what it lets pass.

Derived in docs/bounds.md. Ticks are those of the OS, polls and looks of the heartbeat gate come at
ticks, and a poll that shares its tick with a look begins when the pet is over.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from health import Level, Policy, StatusCode
from scenarios.errors import InputError
from scenarios.lab.bench import BUFFER_NS, LabBench

MILLISECOND_NS = 1_000_000
RING_BUFFERS = 8
"""Of the DMA channel: 4 for each of 2 producers (StartStopApplication.c)."""
RING_FREE_MIN = RING_BUFFERS - 2
"""While the host reads everything, at most one buffer waits and one is being filled."""
SLOWEST_FIRST_BUFFER_NS = 8_192_000
"""8192 samples at 1 MS/s, the slowest that the converter samples (LTC2208 data sheet)."""
START_TICKS = 1
"""START works for less than a tick before it sets the trigger."""
LEVEL_1_TICKS = 2
"""Level 1 sleeps to the next tick and acts in it (RunApplication.c: 1 to 2 ms)."""


class Condition(StrEnum):
    """What can be wrong."""

    MAIN_DEATH = "main_death"
    USB_SPIN = "usb_spin"
    EP0_BLOCKED = "ep0_blocked"
    USB_EVENT_BLOCKED = "usb_event_blocked"
    STREAM_STALL = "stream_stall"
    DMA_ERROR = "dma_error"
    COLD_START = "cold_start"


MEANING = {
    Condition.MAIN_DEATH: "the main loop never beats again (HANGMAIN)",
    Condition.USB_SPIN: "an EP0 handler spins in the USB thread and starves the main loop",
    Condition.EP0_BLOCKED: "an EP0 handler blocks for ever (HANGFX3)",
    Condition.USB_EVENT_BLOCKED: "SET_CONFIGURATION blocks for ever in the USB event callback",
    Condition.STREAM_STALL: "the host takes no data; a paused reader looks the same",
    Condition.DMA_ERROR: "a DMA error stops the stream while the host reads",
    Condition.COLD_START: "START is answered, but the first buffer never comes",
}


@dataclass(frozen=True)
class Interval:
    """A time between two others, in ns, both of them included."""

    low_ns: int
    high_ns: int


@dataclass(frozen=True)
class Bound:
    """What a policy does about one condition.

    Attributes:
        condition: what is wrong.
        level: the level that answers first; None when the policy does nothing.
        detection: from the onset to the begin of the remedy, or to the reset of level 5.
        slack_ns: how far from an end of `detection` the true extremes may lie; 0 is equality.
        slack_reason: why there is slack; empty where there is none.
        remedy: how long the remedy takes; for levels 4 and 5 without the host's upload.
        ladder: the levels that follow one another while nothing helps.
        settle_ns: from the end of a remedy that did not help to the next level.
        survivable_ns: a condition that lasts no longer is never answered.
        margin_ns: that, less the longest time that is legal; None where a legal one has no limit.
        legal: what the longest legal time is.
        unseen: why the policy does nothing; empty when it does.
    """

    condition: Condition
    level: Level | None
    detection: Interval | None = None
    slack_ns: int = 0
    slack_reason: str = ""
    remedy: Interval | None = None
    ladder: tuple[Level, ...] = ()
    settle_ns: int | None = None
    survivable_ns: int | None = None
    margin_ns: int | None = None
    legal: str = ""
    unseen: str = ""


def bounds(policy: Policy, bench: LabBench) -> dict[Condition, Bound]:
    """Return what *policy* does about every condition on *bench*.

    Raises:
        InputError: reading the clock ends so near to a tick that a pet decides where the next poll
            lies; no closed form holds there.
    """
    if (bench.look_ns + bench.pet_ns(policy)) // bench.tick_ns != bench.look_ticks:
        raise InputError(
            f"i2c_byte_ns = {bench.options.i2c_byte_ns}: reading the clock generator takes "
            f"{bench.look_ns} ns, which ends within a pet of a tick, and no closed form holds "
            f"there; a right value is 22500"
        )
    return {
        Condition.MAIN_DEATH: _main_death(policy, bench),
        Condition.USB_SPIN: _usb_spin(policy, bench),
        Condition.EP0_BLOCKED: _handler(
            policy,
            bench,
            Condition.EP0_BLOCKED,
            StatusCode.EP0_WEDGED,
            policy.ep0_limit_ms,
            "ep0_limit_ms",
        ),
        Condition.USB_EVENT_BLOCKED: _handler(
            policy,
            bench,
            Condition.USB_EVENT_BLOCKED,
            StatusCode.USB_EVENT_WEDGED,
            policy.usb_event_limit_ms,
            "usb_event_limit_ms",
        ),
        Condition.STREAM_STALL: _stream_stall(policy, bench),
        Condition.DMA_ERROR: _dma_error(policy, bench),
        Condition.COLD_START: _cold_start(policy, bench),
    }


def skippable_looks(policy: Policy, bench: LabBench) -> int:
    """Return how many pet intervals the watchdog outlasts: the largest j with j C < P."""
    return (bench.watchdog_ns(policy) - 1) // (policy.pet_interval_ms * bench.tick_ns)


def survivable_stall_ns(policy: Policy, bench: LabBench) -> int:
    """Return the longest stall of the main loop that level 5 survives at every phase, in ns.

    It is j C - I (I the poll interval), one beat more than the policy's own promise, which also
    keeps `pet_jitter_ms` free; 0 where the watchdog fires in good health.
    """
    ticks = skippable_looks(policy, bench) * policy.pet_interval_ms - policy.poll_interval_ms
    return max(ticks, 0) * bench.tick_ns


def certainly_fatal_stall_ns(policy: Policy, bench: LabBench) -> int:
    """Return the shortest stall of the main loop that is reset at every phase, in ns: (j + 1) C."""
    return (skippable_looks(policy, bench) + 1) * policy.pet_interval_ms * bench.tick_ns


def longest_block_ns(policy: Policy, bench: LabBench) -> int:
    """Return the longest time that a remedy may block the main loop, in ns."""
    budgets = [policy.budget_ms(level) for level in (1, 2, 3) if policy.is_enabled(level)]
    return max(budgets, default=0) * bench.tick_ns


# ---------------------------------------------------------------- level 5


def _main_death(policy: Policy, bench: LabBench) -> Bound:
    condition = Condition.MAIN_DEATH
    if not policy.level_5_enabled:
        return Bound(condition, None, unseen="level 5 is off, and nobody else looks at the loop")
    if not skippable_looks(policy, bench):
        return Bound(condition, None, unseen="on this board level 5 fires before a pet, in health")
    period_ns = bench.watchdog_ns(policy)
    pet_ns = bench.pet_ns(policy)
    poll_ns = (policy.poll_interval_ms - 1) * bench.tick_ns
    detection = Interval(
        period_ns - max(poll_ns, pet_ns) + 1,
        period_ns + policy.pet_interval_ms * bench.tick_ns - pet_ns - 1,
    )
    survivable_ns = survivable_stall_ns(policy, bench)
    return Bound(
        condition,
        Level.WATCHDOG,
        detection,
        remedy=_re_enumeration(bench),
        survivable_ns=survivable_ns,
        margin_ns=survivable_ns - longest_block_ns(policy, bench),
        legal="the longest remedy's budget",
    )


def _usb_spin(policy: Policy, bench: LabBench) -> Bound:
    condition = Condition.USB_SPIN
    dead = _main_death(policy, bench)
    if dead.detection is None:
        why = "level 5 is off, and every other level is decided in the main loop, which starves"
        return Bound(condition, None, unseen=dead.unseen if policy.level_5_enabled else why)
    # A SETUP at the very ns of a beat runs first: the best latency is one ns less.
    detection = Interval(dead.detection.low_ns - 1, dead.detection.high_ns)
    survivable_ns = survivable_stall_ns(policy, bench)
    return Bound(
        condition,
        Level.WATCHDOG,
        detection,
        remedy=dead.remedy,
        survivable_ns=survivable_ns,
        margin_ns=survivable_ns - policy.longest_handler_ms * bench.tick_ns,
        legal="the longest handler, were it all busy waits",
    )


# ---------------------------------------------------------------- level 4


def _handler(
    policy: Policy,
    bench: LabBench,
    condition: Condition,
    code: StatusCode,
    limit_ms: int,
    field: str,
) -> Bound:
    ladder = policy.ladder(code)
    if not limit_ms or not ladder:
        unseen = f"{field} = 0" if not limit_ms else "no level is on for it"
        if policy.level_5_enabled:
            unseen += "; the main loop beats on, so level 5 rests"
        return Bound(condition, None, unseen=unseen)
    tick_ns = bench.tick_ns
    low_ns = (limit_ms - 1) * tick_ns + 1
    high_ns = (limit_ms + policy.poll_interval_ms - 1) * tick_ns + bench.pet_ns(policy)
    return Bound(
        condition,
        ladder[0],
        Interval(low_ns, high_ns),
        remedy=_re_enumeration(bench),
        ladder=ladder,
        survivable_ns=low_ns - 1,
        margin_ns=low_ns - 1 - policy.longest_handler_ms * tick_ns,
        legal="longest_handler_ms",
    )


# ---------------------------------------------------------------- level 1


def still_ticks(limit_ms: int, policy: Policy, bench: LabBench) -> int:
    """Return how long after the poll that saw the last move a poll finds *limit_ms* reached.

    Every poll but that one reads the clock, and puts the next one off by whole ticks.
    """
    interval = policy.poll_interval_ms
    more = max(limit_ms - interval, 0)
    slow = interval + bench.look_ticks
    return interval + -(-more // slow) * slow


def _frozen(policy: Policy, bench: LabBench, limit_ms: int) -> Interval:
    """Return the latency from the last buffer of a stream that a sample saw moving."""
    still = still_ticks(limit_ms, policy, bench)
    pet_ns = bench.pet_ns(policy)
    return Interval(
        still * bench.tick_ns + bench.look_ns - pet_ns,
        (still + policy.poll_interval_ms) * bench.tick_ns + bench.look_ns + pet_ns,
    )


def cold_age_ticks(first: int, policy: Policy, bench: LabBench) -> int:
    """Return how old a cold start is when it is found.

    Args:
        first: its age in ticks at the first poll after START; each poll from then on reads the
            clock, and puts the next one off.
        policy: the policy.
        bench: what it runs on.
    """
    slow = policy.poll_interval_ms + bench.look_ticks
    return first + max(-(-(policy.cold_start_ms - first) // slow), 0) * slow


def _stream_stall(policy: Policy, bench: LabBench) -> Bound:
    condition = Condition.STREAM_STALL
    ladder = policy.ladder(StatusCode.STREAM_STALL)
    if not policy.stream_stall_ms or not ladder:
        return Bound(condition, None, unseen="stream_stall_ms = 0, or no level is on for it")
    frozen = _frozen(policy, bench, policy.stream_stall_ms)
    detection = Interval(
        frozen.low_ns + RING_FREE_MIN * BUFFER_NS, frozen.high_ns + RING_BUFFERS * BUFFER_NS
    )
    return Bound(
        condition,
        ladder[0],
        detection,
        2 * BUFFER_NS + 2 * bench.pet_ns(policy),
        "the ring takes 6 to 8 buffers more after the host has paused, and a pet moves one poll",
        remedy=_level_1(bench),
        ladder=ladder,
        survivable_ns=detection.low_ns - 1,
        legal="none: a reader may pause as long as it likes, and the cap bounds the cost",
    )


def _dma_error(policy: Policy, bench: LabBench) -> Bound:
    condition = Condition.DMA_ERROR
    limit_ms, code = policy.stream_stall_ms, StatusCode.STREAM_STALL
    # Without the ring's level a blocked state machine is explained by a paused reader.
    if policy.stream_wedge_ms and bench.revision.samples_ring:
        limit_ms, code = policy.stream_wedge_ms, StatusCode.STREAM_WEDGE
    ladder = policy.ladder(code)
    if not limit_ms or not ladder:
        return Bound(condition, None, unseen="neither a stall nor a wedge of the stream is treated")
    frozen = _frozen(policy, bench, limit_ms)
    return Bound(
        condition,
        ladder[0],
        Interval(frozen.low_ns - BUFFER_NS, frozen.high_ns),
        BUFFER_NS + 2 * bench.pet_ns(policy),
        "the last buffer came up to one buffer before the error, and a pet moves one poll",
        remedy=_level_1(bench) if ladder[0] == Level.STREAM else None,
        ladder=ladder,
        settle_ns=_settle_ns(policy, bench, limit_ms),
        survivable_ns=None,
        legal="none: such an error does not pass by itself",
    )


def _cold_start(policy: Policy, bench: LabBench) -> Bound:
    condition = Condition.COLD_START
    ladder = policy.ladder(StatusCode.COLD_START)
    limit_ms = policy.cold_start_ms
    if not limit_ms or not ladder:
        return Bound(condition, None, unseen="cold_start_ms = 0: a count of zero proves nothing")
    if not bench.revision.samples_clock:
        why = f"firmware {bench.revision.name} does not tell that the clock runs"
        return Bound(condition, None, unseen=why)
    tick_ns = bench.tick_ns
    ages = [cold_age_ticks(first, policy, bench) for first in range(1, policy.poll_interval_ms + 1)]
    low_ns = (min(ages) - 1) * tick_ns + bench.look_ns + 1
    high_ns = max(ages) * tick_ns
    return Bound(
        condition,
        ladder[0],
        Interval(low_ns, high_ns + bench.look_ns + bench.pet_ns(policy)),
        START_TICKS * tick_ns if bench.look_ticks else 0,
        "a START in progress moves the first poll" if bench.look_ticks else "",
        remedy=_level_1(bench) if ladder[0] == Level.STREAM else None,
        ladder=ladder,
        settle_ns=_settle_ns(policy, bench, limit_ms),
        survivable_ns=low_ns - 1,
        margin_ns=low_ns - 1 - SLOWEST_FIRST_BUFFER_NS,
        legal="the first buffer at 1 MS/s takes 8.2 ms",
    )


# ---------------------------------------------------------------- remedies


def _level_1(bench: LabBench) -> Interval:
    return Interval(1, LEVEL_1_TICKS * bench.tick_ns)


def _re_enumeration(bench: LabBench) -> Interval:
    """Return how long the bus takes to come back; the host's upload lies in between."""
    options = bench.options
    bus_ms = options.boot_rom_enumeration_ms + options.application_enumeration_ms
    return Interval(
        bus_ms * MILLISECOND_NS, (bus_ms + 2 * options.descriptor_reading_ms) * MILLISECOND_NS
    )


def _settle_ns(policy: Policy, bench: LabBench, limit_ms: int) -> int:
    """Return when the next level follows one that ran but did not help.

    The next poll comes one interval after the remedy's last tick, so whole polls count from there.
    """
    return still_ticks(max(policy.settle_ms, limit_ms), policy, bench) * bench.tick_ns
