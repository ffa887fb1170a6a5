"""Scripts about callbacks of the USB thread, EP0 and the hardware watchdog."""

from __future__ import annotations

from dataclasses import replace

from health import Event, Outcome, Policy
from tests.vectors.script import BARE, REFERENCE, Cases, Script, case

HANDLERS: Cases = {}
WATCHDOG: Cases = {}


@case(HANDLERS)
def ep0_limit() -> Script:
    """A setup handler is wedged at exactly its limit, and no longer once it ends."""
    script = Script(Policy.preset("level-1-4")).init().record(Event.EP0_ENTER)
    for time_ms in (0, 1000, 1999):
        script.at(time_ms).poll()
    script.ends = Outcome.FAILED
    for time_ms in (2000, 2001):
        script.at(time_ms).poll()
    return script.record(Event.EP0_EXIT).poll()


@case(HANDLERS)
def ep0_limit_over_the_wrap() -> Script:
    """The same with the clock wrapping 1000 ms after the handler began."""
    script = Script(Policy.preset("level-1-4"), start_ms=2**32 - 1000).record(Event.EP0_ENTER)
    for time_ms in (999, 1000, 1999, 2000, 2001):
        script.at(time_ms).poll()
    return script


@case(HANDLERS)
def usb_event_limit() -> Script:
    """A hung event callback, alone and then beside a younger setup handler."""
    script = Script(REFERENCE).record(Event.USB_EVENT_ENTER).at(1999).poll()
    script.record(Event.EP0_ENTER).at(2000).poll().record(Event.EP0_EXIT).at(2100).poll()
    return script.record(Event.USB_EVENT_EXIT).at(2200).poll()


@case(HANDLERS)
def missing_exit() -> Script:
    """An exit that was never recorded, then an exit too many."""
    script = Script(REFERENCE).record(Event.EP0_ENTER).at(1500).record(Event.EP0_ENTER)
    script.at(3499).poll().at(3500).poll().record(Event.EP0_EXIT).record(Event.EP0_EXIT)
    return script.at(9000).poll()


@case(HANDLERS)
def another_handler_begins_while_the_clock_is_read() -> Script:
    """A ends and B begins between two reads of one evaluation: progress, never an underflow."""
    script = Script(REFERENCE).record(Event.EP0_ENTER).at(3)
    script.interrupt(3, Event.EP0_EXIT).interrupt(4, Event.EP0_ENTER).evaluate()
    script.at(2003).poll().at(2004).poll()
    return script


@case(HANDLERS)
def an_old_handler_ends_while_the_clock_is_read() -> Script:
    """A is over its limit when B replaces it during the evaluation: progress as well."""
    script = Script(REFERENCE, start_ms=2**32 - 2000)
    script.record(Event.USB_EVENT_ENTER).at(2000)
    script.interrupt(2000, Event.USB_EVENT_EXIT).interrupt(2001, Event.USB_EVENT_ENTER)
    script.evaluate()
    return script.at(4000).poll().at(4001).poll()


@case(HANDLERS)
def desync() -> Script:
    """Four failed transfers in the window: level 2, then level 4, with forgiveness after each."""
    script = Script(BARE)
    for time_ms in (0, 100, 1500, 1999):
        script.at(time_ms).record(Event.EP0_ENTER).record(Event.EP0_ERROR, 0x45)
        script.poll().record(Event.EP0_EXIT)
    script.poll()
    for time_ms in range(2100, 3300, 100):
        script.at(time_ms).record(Event.EP0_CANCELLED, 0x51).poll()
    return script


@case(HANDLERS)
def desync_slides() -> Script:
    """Errors as old as the window are out of it; a new configuration forgives all."""
    script = Script(replace(BARE, level_2_enabled=False, level_4_enabled=False))
    for time_ms in (0, 10, 20, 2000, 2005):
        script.at(time_ms).record(Event.EP0_ERROR).poll()
    return script.record(Event.DECONFIGURED).poll().record(Event.EP0_ERROR).poll()


@case(WATCHDOG)
def gate() -> Script:
    """Looks with and without a beat since the last one."""
    script = Script(Policy.preset("level-1-4-5")).init()
    for number, beats in enumerate((0, 1, 0, 0, 3, 1, 0), start=1):
        for _ in range(beats):
            script.heartbeat()
        script.at(3000 * number).gate()
    return script


@case(WATCHDOG)
def level_5_off() -> Script:
    """A policy without level 5 arms nothing."""
    return Script(Policy.preset("level-1-4")).init().heartbeat().gate()
