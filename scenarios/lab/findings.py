"""What is wrong, or worth knowing, about a policy on a bench, with how bad it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from health import Level, Policy, StatusCode
from scenarios.lab import bounds as forms
from scenarios.lab.bench import LabBench
from scenarios.lab.bounds import LEVEL_1_TICKS, MILLISECOND_NS

HARNESS_NS = 8_000 * MILLISECOND_NS
"""test_main_recovery asks eight times, once a second, for the end of a dead main loop
(fx3_cmd.c)."""
PLL_POLLS = 100
"""So often STARTADC asks for the PLL's lock at the most, and sleeps a tick before each
(USBHandler.c); what else it does keeps the main loop from looking."""
STARTADC_WAITS = "STARTADC, where the PLL does not lock"
COARSE_POLLS = 2
"""Fewer polls than this within a limit, and the poll adds half of it or more."""


class Severity(StrEnum):
    """How bad it is."""

    ERROR = "error"
    """A healthy device or a patient host is hit: do not run this policy on this bench."""
    WARNING = "warning"
    """Something legal can be hit, or something broken stays broken."""
    NOTE = "note"
    """True of any policy of this kind, and not what its comments lead one to expect."""


@dataclass(frozen=True)
class Finding:
    """One thing found.

    Attributes:
        severity: how bad it is.
        rule: short name of the rule.
        text: what can happen, with the numbers, in one line.
    """

    severity: Severity
    rule: str
    text: str


NOTES = ("blind-to-cold-start", "blind-to-clock", "blind-to-usb-events")
"""Cautions of the policy that are blind spots, not hazards."""


def findings(
    policy: Policy, bench: LabBench, host_timeout_ms: int | None = None
) -> tuple[Finding, ...]:
    """Return all findings, the worst first, else in the order of the levels they concern.

    Args:
        policy: the policy.
        bench: what it runs on.
        host_timeout_ms: when the host gives up on a control transfer, in ms; by default as the
            policy says.
    """
    timeout_ms = policy.host_control_timeout_ms if host_timeout_ms is None else host_timeout_ms
    found = [
        *_stream(policy, bench),
        *_polls(policy),
        *_host(policy, timeout_ms),
        *_handlers(policy, bench),
        *_spin(policy),
        *_watchdog(policy, bench),
    ]
    for rule, text in policy.warnings():
        severity = Severity.NOTE if rule in NOTES else Severity.WARNING
        found.append(Finding(severity, rule, text))
    order = list(Severity)
    return tuple(sorted(found, key=lambda finding: order.index(finding.severity)))


def _stream(policy: Policy, bench: LabBench) -> Iterator[Finding]:
    if not policy.stream_stall_ms or not policy.ladder(StatusCode.STREAM_STALL):
        return
    if policy.level_1_cap:
        # After each remedy the polls begin again at its last tick, and the first sees a full ring.
        again_ticks = policy.poll_interval_ms + LEVEL_1_TICKS - 1 + bench.look_ticks
        again_ticks += forms.still_ticks(policy.stream_stall_ms, policy, bench)
        spent_ns = again_ticks * policy.level_1_cap * bench.tick_ns
        yield Finding(
            Severity.NOTE,
            "paused-reader-spends-the-cap",
            f"a reader that pauses for {_ms(spent_ns)} uses all {policy.level_1_cap} level 1 "
            "remedies of its session: a wedge after that stays until the next START or STOP",
        )


def _polls(policy: Policy) -> Iterator[Finding]:
    for name in (
        "ep0_limit_ms",
        "usb_event_limit_ms",
        "stream_stall_ms",
        "stream_wedge_ms",
        "cold_start_ms",
    ):
        limit_ms = getattr(policy, name)
        if 0 < limit_ms < COARSE_POLLS * policy.poll_interval_ms:
            yield Finding(
                Severity.WARNING,
                "coarse-poll",
                f"{name} = {limit_ms} with poll_interval_ms = {policy.poll_interval_ms}: the "
                f"answer comes up to {limit_ms + policy.poll_interval_ms} ms after the onset",
            )


def _host(policy: Policy, timeout_ms: int) -> Iterator[Finding]:
    limits = {
        "ep0_limit_ms": (policy.ep0_limit_ms, StatusCode.EP0_WEDGED),
        "usb_event_limit_ms": (policy.usb_event_limit_ms, StatusCode.USB_EVENT_WEDGED),
    }
    for name, (limit_ms, code) in limits.items():
        if 0 < limit_ms <= timeout_ms and policy.ladder(code):
            yield Finding(
                Severity.ERROR,
                "within-host-timeout",
                f"{name} = {limit_ms} does not exceed the host's time-out of {timeout_ms} ms: the "
                "device is reset while its host still waits for the answer",
            )
    limit = policy.ep0_desync_limit
    if limit and policy.ladder(StatusCode.EP0_DESYNC) and timeout_ms:
        # The oldest error has to be younger than the window when the last one comes.
        fails = -(-policy.ep0_desync_window_ms // timeout_ms) + 1
        within = fails if (fails - 1) * timeout_ms < policy.ep0_desync_window_ms else fails - 1
        if within >= limit:
            yield Finding(
                Severity.WARNING,
                "patient-host-desyncs",
                f"a host that repeats a request after {timeout_ms} ms fails {within} times in "
                f"ep0_desync_window_ms = {policy.ep0_desync_window_ms}: that is a desync at "
                f"ep0_desync_limit = {limit}",
            )


def _handlers(policy: Policy, bench: LabBench) -> Iterator[Finding]:
    startadc_ms = bench.revision.adc_settle_ticks or PLL_POLLS
    longest_ms = policy.longest_handler_ms
    known = {
        "ep0_limit_ms": (
            StatusCode.EP0_WEDGED,
            max(longest_ms, startadc_ms),
            "longest_handler_ms" if longest_ms >= startadc_ms else STARTADC_WAITS,
        ),
        "usb_event_limit_ms": (StatusCode.USB_EVENT_WEDGED, longest_ms, "longest_handler_ms"),
    }
    for name, (code, legal_ms, what) in known.items():
        limit_ms = getattr(policy, name)
        if not limit_ms or not policy.ladder(code):
            continue
        # The entry is stamped in ticks, so that a limit spares what ends a tick before it.
        margin_ms = limit_ms - 1 - legal_ms
        if margin_ms < 0:
            yield Finding(
                Severity.ERROR,
                "resets-startadc",
                f"{name} = {limit_ms}: a legal handler takes {legal_ms} ms ({what}), and a healthy "
                "device is reset in it",
            )
        elif margin_ms == 0:
            yield Finding(
                Severity.WARNING,
                "no-handler-margin",
                f"{name} = {limit_ms} leaves no margin: the longest legal handler takes "
                f"{legal_ms} ms ({what}), and one of {limit_ms} ms is reset",
            )


def _spin(policy: Policy) -> Iterator[Finding]:
    if not policy.level_4_enabled:
        return
    if policy.level_5_enabled:
        yield Finding(
            Severity.NOTE,
            "spin-is-for-level-5",
            "a handler that spins starves the main loop (USB thread 4, main loop 8): level 4 is "
            "never decided, and level 5 answers later",
        )
        return
    yield Finding(
        Severity.WARNING,
        "spin-stays",
        "a handler that spins starves the main loop (USB thread 4, main loop 8): level 4 is never "
        "decided, and with level 5 off the device stays dead",
    )


def _watchdog(policy: Policy, bench: LabBench) -> Iterator[Finding]:
    if not policy.level_5_enabled:
        return
    period_ns = bench.watchdog_ns(policy)
    tick_ns = bench.tick_ns
    late_pet_ns = (policy.pet_interval_ms + policy.pet_jitter_ms) * tick_ns
    if late_pet_ns >= period_ns:
        yield Finding(
            Severity.ERROR,
            "fires-in-health",
            f"pet_interval_ms + pet_jitter_ms last {_ms(late_pet_ns)} on this board and its "
            f"watchdog {_ms(period_ns)}: a healthy device is reset",
        )
        return
    survivable_ns = forms.survivable_stall_ns(policy, bench)
    block_ns = forms.longest_block_ns(policy, bench)
    if block_ns >= survivable_ns:
        yield Finding(
            Severity.ERROR,
            "remedy-outlasts-watchdog",
            f"a remedy may block the main loop for {_ms(block_ns)}, and level 5 survives stalls up "
            f"to {_ms(survivable_ns)} on this board: it can fire inside the remedy",
        )
    elif survivable_ns < policy.survivable_stall_ms * MILLISECOND_NS:
        yield Finding(
            Severity.WARNING,
            "clocks-eat-the-margin",
            f"on this board a stall of {_ms(survivable_ns)} is the longest that is survived; the "
            f"policy promises {policy.survivable_stall_ms} ms",
        )
    fatal_ns = forms.certainly_fatal_stall_ns(policy, bench)
    yield Finding(
        Severity.NOTE,
        "stall-by-chance",
        f"a stall of the main loop between {_ms(survivable_ns)} and {_ms(fatal_ns)} resets the "
        "device at some phases of the pet and not at others, also when it is over by then",
    )
    latest_ns = period_ns + policy.pet_interval_ms * tick_ns - bench.pet_ns(policy)
    late = " and after the project's own test gave up" if latest_ns > HARNESS_NS else ""
    yield Finding(
        Severity.NOTE,
        "later-than-the-period",
        f"a dead main loop is reset up to {_ms(latest_ns)} after its death{late}, not within "
        f"hwdt_period_ms = {policy.hwdt_period_ms}",
    )


def _ms(duration_ns: int) -> str:
    return f"{duration_ns / MILLISECOND_NS:g} ms"


BLIND_SPOTS = {
    Level.STREAM: (
        "tell a paused reader from a wedge where the ring's level is not sampled; a stream that "
        "delivers wrong samples; a host that reads too slowly but never stops"
    ),
    Level.EP0: "answer while a handler is in progress: it takes locks that the handler may hold",
    Level.APPLICATION: "answer while a handler is in progress, for the same reason",
    Level.DEVICE_RESET: (
        "see a handler that spins (the main loop starves), a hang that ends within its limit again "
        "and again, a dead main loop, a host that is gone"
    ),
    Level.WATCHDOG: (
        "see anything while the main loop beats: a blocked USB thread, a dead stream, a wrong reply"
    ),
}
"""What each level cannot do, whatever the policy."""
