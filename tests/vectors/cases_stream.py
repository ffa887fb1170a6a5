"""Scripts about the stream and about how its remedies climb."""

from __future__ import annotations

from dataclasses import replace

from health import Event, Level, Outcome, Policy, level_bit
from tests.vectors.script import ALL_LEVELS, BARE, REFERENCE, Cases, Script, case

STREAM: Cases = {}
CASCADE: Cases = {}


def streaming(policy: Policy = BARE, start_ms: int = 0) -> Script:
    """Return a script whose stream was started with its clock on."""
    script = Script(policy, start_ms).init()
    return script.record(Event.CLOCK_STATE, 1).record(Event.STREAM_START)


@case(STREAM)
def stall_is_capped() -> Script:
    """A paused reader: level 1 every 400 ms up to the cap, then capped; START gives it back."""
    script = streaming(replace(REFERENCE, level_1_cap=2))
    for time_ms in range(0, 1600, 100):
        script.sampled(time_ms, 8, 9, 8)
    script.record(Event.STREAM_START)
    for time_ms in range(1600, 2100, 100):
        script.sampled(time_ms, 7, 8, 8)
    return script


@case(STREAM)
def stall_to_the_ms_over_the_wrap() -> Script:
    """299, 300 and 301 ms after the sample that saw the count change, over the wrap."""
    script = streaming(replace(REFERENCE, level_1_enabled=False), start_ms=2**32 - 150)
    for time_ms in (0, 100, 399, 400, 401):
        script.sampled(time_ms, 0 if time_ms == 0 else 8, 8, 8)
    return script


@case(STREAM)
def cap_changes_at_once() -> Script:
    """The host raises the cap, takes it away, and its choice survives STOP and START."""
    script = streaming(replace(REFERENCE, level_1_cap=1))
    caps = {800: 2, 1600: 0, 2400: 1}
    for time_ms in range(0, 3600, 100):
        if time_ms in caps:
            script.record(Event.STREAM_CAP, caps[time_ms])
        if time_ms == 2800:
            script.record(Event.STREAM_STOP).record(Event.STREAM_START)
        script.sampled(time_ms, 7, 8, 8)
    return script


@case(STREAM)
def wedge_climbs() -> Script:
    """Blocked with free buffers: 1, then as an application wedge 3 and 4."""
    script = streaming()
    for time_ms in range(0, 2600, 100):
        script.sampled(time_ms, 7, 8, 3)
    return script


@case(STREAM)
def dead_after_level_1() -> Script:
    """After level 1 the block is disabled and no buffer comes, although buffers are free."""
    script = streaming()
    for time_ms in range(0, 400, 100):
        script.sampled(time_ms, 8, 8, 8)
    for time_ms in range(400, 1500, 100):
        script.sampled(time_ms, 0, 255, 0)
    return script


@case(STREAM)
def a_reading_host_makes_a_wedge() -> Script:
    """Full buffers, but a host that reads: no paused reader."""
    script = streaming().record(Event.HOST_READING, 1)
    for time_ms in range(0, 500, 100):
        script.sampled(time_ms, 8, 7, 8)
    return script


@case(STREAM)
def cold_start() -> Script:
    """The first buffer never comes: 1, and over a STOP and START 3, then 4."""
    script = streaming()
    for time_ms in range(33, 3000, 100):
        if time_ms == 933:
            script.record(Event.STREAM_STOP).record(Event.STREAM_START)
        script.sampled(time_ms, 0, 1, 0)
    return script


@case(STREAM)
def clock_lost_and_back() -> Script:
    """Reported only while the clock is gone; when it is back, level 1 brings the stream back."""
    script = streaming()
    script.sampled(0, 500, 6, 2).record(Event.CLOCK_STATE, 0)
    for time_ms in range(100, 1000, 100):
        script.sampled(time_ms, 500, 6, 2)
    script.record(Event.CLOCK_STATE, 1)
    for time_ms in range(1000, 1500, 100):
        script.sampled(time_ms, 500, 8, 2)
    return script.sampled(1500, 781, 2, 1)


@case(STREAM)
def frozen_read_state() -> Script:
    """A clock that was never reported, frozen in a read state: lost."""
    script = Script(BARE).record(Event.STREAM_START)
    for time_ms in range(0, 500, 100):
        script.sampled(time_ms, 500, 2, 1)
    return script


@case(STREAM)
def startadc_in_mid_stream() -> Script:
    """State 255 with a stale count is legal, and so is a count that passes zero."""
    script = streaming()
    for number, count in enumerate((2**32 - 781, 0, 781)):
        script.sampled(100 * number, count, 2, 1)
    for time_ms in range(300, 7000, 700):
        script.sampled(time_ms, 781, 255, 0)
    return script


@case(STREAM)
def start_before_the_first_sample() -> Script:
    """A sample from before START says nothing of the new stream, however long it stood still."""
    script = streaming(replace(REFERENCE, level_1_enabled=False))
    for time_ms in range(0, 500, 100):
        script.sampled(time_ms, 8, 8, 8)
    return script.record(Event.STREAM_START).at(500).poll()


@case(STREAM)
def unknown_climbs() -> Script:
    """Clocked and frozen in IDLE: 2, 3, 4; past a handler that is stuck, 4 at once."""
    script = streaming(replace(BARE, unknown_ms=500, level_2_cool_down_ms=0))
    for time_ms in range(0, 2000, 100):
        script.sampled(time_ms, 500, 1, 0)
    script = script.record(Event.EP0_ENTER)
    for time_ms in range(2000, 2800, 100):
        script.sampled(time_ms, 500, 1, 0)
    return script


@case(CASCADE)
def refused_never_escalates() -> Script:
    """A refused level is asked for again and nothing above it; then it is allowed."""
    script = streaming(replace(BARE, level_1_cap=1))
    script.ends = Outcome.REFUSED
    for time_ms in range(0, 1200, 100):
        script.sampled(time_ms, 7, 8, 3)
    script.ends = Outcome.DONE
    return script.sampled(1200, 7, 8, 3)


@case(CASCADE)
def failed_climbs_at_once() -> Script:
    """A failed remedy is not given time to settle; a remedy of 7 ms tells its time."""
    script = streaming()
    script.ends = Outcome.FAILED
    script.takes_ms = 7
    for time_ms in range(0, 1800, 100):
        script.sampled(time_ms, 7, 8, 3)
    return script


@case(CASCADE)
def unavailable_levels_are_skipped() -> Script:
    """Beside a program that owns the interface 2 and 3 are not possible; later nothing is."""
    script = streaming()
    script.mask = ALL_LEVELS & ~level_bit(Level.EP0) & ~level_bit(Level.APPLICATION)
    for time_ms in range(0, 900, 100):
        script.sampled(time_ms, 7, 8, 3)
    script.mask = 0
    for time_ms in range(900, 1500, 100):
        script.sampled(time_ms, 7, 8, 3)
    return script


@case(CASCADE)
def locks_are_waited_for() -> Script:
    """Level 3 waits for a handler that is in progress, and follows when that ends."""
    script = streaming()
    script.ends = Outcome.FAILED
    for time_ms in range(0, 400, 100):
        script.sampled(time_ms, 7, 8, 3)
    script.record(Event.EP0_ENTER)
    for time_ms in range(400, 900, 100):
        script.sampled(time_ms, 7, 8, 3)
    script.record(Event.EP0_EXIT)
    return script.sampled(900, 7, 8, 3)


@case(CASCADE)
def past_a_stuck_handler() -> Script:
    """What nothing explains, beside a handler that lasts too long to be legal: level 4 at once."""
    script = streaming(replace(BARE, unknown_ms=500)).record(Event.EP0_ENTER)
    for time_ms in range(0, 700, 100):
        script.sampled(time_ms, 500, 1, 0)
    return script


@case(CASCADE)
def a_reported_status_is_no_proof() -> Script:
    """Level 2, then a clock that is away for a moment: health is proven from its return alone."""
    script = streaming()
    for _ in range(4):
        script.record(Event.EP0_CANCELLED, 0x51)
    for time_ms in range(0, 1300, 100):
        script.record(Event.EP0_ENTER).record(Event.EP0_EXIT)
        if time_ms in (500, 1000):
            script.at(time_ms).record(Event.CLOCK_STATE, int(time_ms == 1000))
        script.sampled(time_ms, 500 if 500 <= time_ms < 1000 else time_ms + 1, 2, 1)
    for _ in range(4):
        script.record(Event.EP0_CANCELLED, 0x51)
    return script.sampled(1300, 1301, 2, 1)


@case(CASCADE)
def cool_down_and_cap() -> Script:
    """Level 4 fails: again after its cool-down, up to its cap."""
    script = Script(replace(BARE, level_4_cool_down_ms=300, level_4_cap=2))
    script.record(Event.EP0_ENTER)
    script.ends = Outcome.FAILED
    for time_ms in (2000, 2299, 2300, 2600, 2900):
        script.at(time_ms).poll()
    return script


@case(CASCADE)
def proven_health_comes_down() -> Script:
    """A stream that moves for healthy_ms begins the ladder again; the stream cap stays used."""
    script = streaming(replace(BARE, level_1_cap=2))
    for time_ms in range(0, 400, 100):
        script.sampled(time_ms, 7, 8, 3)
    for time_ms in range(400, 1500, 100):
        script.sampled(time_ms, time_ms, 2, 1)
    for time_ms in range(1500, 2900, 100):
        script.sampled(time_ms, 7, 8, 3)
    return script


@case(CASCADE)
def evidence() -> Script:
    """Everything that was recorded is in the evidence of a status."""
    script = streaming(replace(BARE, level_4_enabled=False))
    script.record(Event.STREAM_SAMPLE, 17, 6, 3).record(Event.PIB_ERROR, 0x1005)
    script.record(Event.PIB_ERROR, 0x1006).record(Event.EP_UNDERRUN).record(Event.CONFIGURED)
    script.record(Event.HOST_READING, 0).record(Event.EP0_CANCELLED, 0x51)
    return script.record(Event.EP0_ENTER).at(2345).poll()
