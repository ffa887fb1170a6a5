"""Bugs around callbacks of the USB thread, ages and failed EP0 transfers."""

from __future__ import annotations

from tests.scenarios.mutants.workshop import NOBODY, VECTORS, Mutant

WEDGED = "a handler in progress for 2000 ms is wedged, one that ends before is not (health.c)"
SEEN = "a hang in SET_CONFIGURATION or a bus reset is answered by level 4 (policy)"
TICKS = "CyU3PGetTime counts ms in 32 bits (cyu3os.h)"
DESYNC = "four failed EP0 transfers within 2 s are a desync (#111, #142)"

HANDLERS = (
    Mutant(
        "ep0_age_from_the_event_callback",
        "detect",
        "    ep0_enter_ms = ep0.enter_ms\n",
        "    ep0_enter_ms = usb_event.enter_ms\n",
        "The handler's age is counted from another callback's entry.",
        WEDGED,
    ),
    Mutant(
        "ep0_limit_halved",
        "detect",
        "is_over(age_ms(now_ms, ep0_enter_ms), policy.ep0_limit_ms)",
        "is_over(age_ms(now_ms, ep0_enter_ms), policy.host_control_timeout_ms)",
        "The host's time-out of 1000 ms stands where the limit should.",
        WEDGED,
    ),
    Mutant(
        "ep0_limit_of_the_data_wait",
        "detect",
        "is_over(age_ms(now_ms, ep0_enter_ms), policy.ep0_limit_ms)",
        "is_over(age_ms(now_ms, ep0_enter_ms), policy.sdk_data_wait_ms)",
        "The SDK's wait of 5000 ms stands where the limit should.",
        WEDGED,
    ),
    Mutant(
        "ep0_exit_lost",
        "record",
        "                self.ep0.leave()",
        "                pass",
        "The exit of the setup callback is not recorded, as on one path of commit 489411b.",
        "incident F17: a reset 2 s after every such request",
    ),
    Mutant(
        "ep0_enter_lost",
        "record",
        "                self.ep0.enter(self.now_ms())",
        "                pass",
        "The entry of the setup callback is not recorded.",
        "incident F16: a hang in STOPFX3 is answered by level 4",
    ),
    Mutant(
        "event_callback_taken_for_setup",
        "record",
        "                self.usb_event.enter(self.now_ms())",
        "                self.ep0.enter(self.now_ms())",
        "The event callback's entry is put down to the setup callback, its exit is not.",
        WEDGED,
    ),
    Mutant(
        "event_callback_not_watched",
        "detect",
        "elif event_busy and is_over(age_ms(now_ms, event_enter_ms), policy.usb_event_limit_ms):",
        "elif event_busy and is_over(age_ms(now_ms, event_enter_ms), 0):",
        "Only the setup callback is looked at, as in firmware 2.3.",
        SEEN,
    ),
    Mutant(
        "event_exit_lost",
        "record",
        "                self.usb_event.leave()",
        "                pass",
        "The exit of the event callback is not recorded.",
        "SET_CONFIGURATION takes about 100 ms and ends (RunApplication.c)",
    ),
    Mutant(
        "no_second_look_at_the_sequence",
        "detect",
        "bool(ep0_sequence & 1) and ep0_sequence == ep0.sequence",
        "bool(ep0_sequence & 1)",
        "The flag is read once, so times of two different calls are compared.",
        "health.c reads flag, clock and entry in a thread that every other one preempts",
    ),
    Mutant(
        "entry_read_after_the_clock",
        "detect",
        "    now_ms = record.now_ms()\n    ep0_busy = bool(ep0_sequence & 1) and "
        "ep0_sequence == ep0.sequence\n",
        "    now_ms = record.now_ms()\n    ep0_busy = bool(ep0.sequence & 1)\n",
        "The flag is read after the clock, the entry before it: the firmware's race, turned round.",
        "health.c reads flag, clock and entry in a thread that every other one preempts",
    ),
    Mutant(
        "enter_time_written_last",
        "record",
        "        self.enter_ms = now_ms\n"
        "        self.sequence = ((self.sequence + 1) | 1) & WRAP\n",
        "        self.sequence = ((self.sequence + 1) | 1) & WRAP\n"
        "        self.enter_ms = now_ms\n",
        "The flag is set before the time of entry is written.",
        "a reader in between sees an old time with a new flag (health.c)",
        NOBODY,
        "No SDK call lies between the two writes and Python cannot be preempted there; a C port "
        "needs the order, and its review the line.",
    ),
    Mutant(
        "limits_of_zero_always_over",
        "detect",
        "    return limit_ms != 0 and age >= limit_ms",
        "    return age >= limit_ms",
        "A limit of 0 is taken for no time, not for off.",
        "a detection that is off finds nothing (policy level-1-4-5)",
    ),
    Mutant(
        "limits_passed_not_reached",
        "detect",
        "    return limit_ms != 0 and age >= limit_ms",
        "    return limit_ms != 0 and age > limit_ms",
        "Every limit is compared with > where the firmware has >=.",
        "3 ticks of 100 ms make a stall (RunApplication.c)",
    ),
)

AGES = (
    Mutant(
        "ages_do_not_wrap",
        "ticks",
        "    difference_ms = (now_ms - then_ms) & WRAP\n",
        "    difference_ms = now_ms - then_ms\n",
        "Ages are signed differences.",
        TICKS,
    ),
    Mutant(
        "ages_are_absolute",
        "ticks",
        "    difference_ms = (now_ms - then_ms) & WRAP\n",
        "    difference_ms = abs(now_ms - then_ms)\n",
        "Ages are absolute differences, 49.7 days at the wrap.",
        TICKS,
    ),
    Mutant(
        "ages_in_10_bits",
        "ticks",
        "    difference_ms = (now_ms - then_ms) & WRAP\n",
        "    difference_ms = (now_ms - then_ms) & 0x3FF\n",
        "An age is kept in too few bits and begins again after a second.",
        WEDGED,
    ),
    Mutant(
        "stamps_in_the_future_are_old",
        "ticks",
        "    return 0 if difference_ms > WRAP - LATEST_READER_MS else difference_ms",
        "    return difference_ms",
        "A stamp that a higher thread wrote after the clock was read is 49.7 days old.",
        "ThreadX preempts between two reads",
        NOBODY,
        "Every stamp is read before the clock, so that none lies in the future; the rule is a "
        "second line of defence, for code that reads them in another order.",
    ),
)

EP0_ERRORS = (
    Mutant(
        "cancelled_transfers_not_counted",
        "record",
        "            case Event.EP0_ERROR | Event.EP0_CANCELLED:",
        "            case Event.EP0_ERROR:",
        "Only failed data stages count, not those that a new SETUP cut short.",
        DESYNC,
    ),
    Mutant(
        "desync_one_error_late",
        "detect",
        "    return min(since_bus, since_remedy) >= policy.ep0_desync_limit",
        "    return min(since_bus, since_remedy) > policy.ep0_desync_limit",
        "One error more is wanted than the policy says.",
        DESYNC,
    ),
    Mutant(
        "desync_one_error_early",
        "detect",
        "    return min(since_bus, since_remedy) >= policy.ep0_desync_limit",
        "    return min(since_bus, since_remedy) >= policy.ep0_desync_limit - 1",
        "One error less is wanted than the policy says.",
        DESYNC,
    ),
    Mutant(
        "desync_aged_by_the_newest_error",
        "record",
        "        return self.ep0_error_times_ms[self.ep0_error_next]",
        "        return self.ep0_error_times_ms[self.ep0_error_next - 1]",
        "The ring is read one slot off, so that errors far apart fall into one window.",
        DESYNC,
    ),
    Mutant(
        "ring_of_errors_does_not_turn",
        "record",
        "        self.ep0_error_next = (self.ep0_error_next + 1) % len(self.ep0_error_times_ms)",
        "        self.ep0_error_next = 0",
        "Every error is written into the same slot of the ring.",
        DESYNC,
    ),
    Mutant(
        "desync_while_a_handler_runs",
        "detect",
        "        not (ep0_busy or event_busy)\n        and ep0_errors",
        "        ep0_errors",
        "A desync is called while the handler that failed is still in progress.",
        "level 2 takes a lock that the handler may hold (SDK 1.3.1)",
        VECTORS,
        "The reference firmware offers no level while a callback is in progress, and a fourth "
        "error with a handler still running needs a request that fails and goes on.",
    ),
    Mutant(
        "desync_window_one_longer",
        "detect",
        "age_ms(now_ms, oldest_error_ms) < policy.ep0_desync_window_ms",
        "age_ms(now_ms, oldest_error_ms) <= policy.ep0_desync_window_ms",
        "An error exactly 2000 ms old still counts.",
        DESYNC,
    ),
    Mutant(
        "bus_reset_forgives_nothing",
        "record",
        "        self.ep0_forgiven_by_bus = self.ep0_errors\n",
        "",
        "Errors from before a bus reset count with those after it.",
        "EP0 begins afresh with a bus reset (USB 2.0 9.1.1.3)",
        VECTORS,
        "A bus reset of this board ends in its boot ROM (seen on hardware), where all memory of "
        "errors is lost.",
    ),
    Mutant(
        "remedy_forgives_no_errors",
        "cascade",
        "            record.ep0_forgiven_by_remedy = record.ep0_errors\n",
        "            pass\n",
        "The errors that level 2 answered are counted again after it.",
        "level 2 clears EP0, level 4 is for what it does not clear (F26)",
    ),
)
