"""Bugs in the climb: which level comes next, when, and when the cascade comes down again."""

from __future__ import annotations

from tests.scenarios.mutants.workshop import VECTORS, Mutant

LADDER = "each status has its rungs in order, a first level and a ceiling (policy)"
SETTLE = "a remedy gets 1 s to help before the next level (policy)"
COOL = "levels 2 and 3 rest 1 s, level 4 from the host 10 s (policy)"
DOWN = "the cascade comes down after 10 s of proven health (policy)"
NOTE = "the intent is noted before it is acted on (contract)"
LOCKS = "glUibLock and the channel mutex (SDK 1.3.1)"

LADDERS = (
    Mutant(
        "ceiling_off",
        "cascade",
        "    return tuple(policy.ladder(code) for code in StatusCode)",
        "    return tuple(\n"
        "        policy.ladder(code) and tuple(\n"
        "            level for level in Level\n"
        "            if level < Level.WATCHDOG and policy.is_enabled(level)\n"
        "        )\n"
        "        for code in StatusCode\n"
        "    )",
        "Every status may climb to the top, a paused reader's too.",
        LADDER,
    ),
    Mutant(
        "levels_upside_down",
        "cascade",
        "    return tuple(policy.ladder(code) for code in StatusCode)",
        "    return tuple(policy.ladder(code)[::-1] for code in StatusCode)",
        "The strongest remedy comes first.",
        LADDER,
    ),
    Mutant(
        "first_rung_left_out",
        "cascade",
        "lowest = min(climb.level + 1, usable[-1])",
        "lowest = min(climb.level + 2, usable[-1])",
        "The climb begins at the second level.",
        LADDER,
    ),
    Mutant(
        "never_climbs",
        "cascade",
        "lowest = min(climb.level + 1, usable[-1])",
        "lowest = usable[0]",
        "The same level is tried again and again.",
        LADDER,
    ),
    Mutant(
        "climbs_past_its_ladder",
        "cascade",
        "lowest = min(climb.level + 1, usable[-1])",
        "lowest = climb.level + 1",
        "Beyond the last rung nothing is found, and the ladder's end is called its cap.",
        "where the ladder ends its last rung is tried again (contract)",
    ),
    Mutant(
        "climbs_past_what_is_there",
        "cascade",
        "if available & level_bit(level) and not (past_locks and level in LOCKING_LEVELS)",
        "if not (past_locks and level in LOCKING_LEVELS)",
        "The platform is asked what is possible, and its answer is not looked at.",
        "a level whose bit is clear is skipped (contract)",
    ),
    Mutant(
        "stalls_climb_with_the_stream",
        "cascade",
        "                return self._stall\n",
        "                return self._stream\n",
        "A paused reader's restarts count as tries of a wedge.",
        "three families of conditions climb apart (judgement)",
    ),
    Mutant(
        "ep0_climbs_with_the_stream",
        "cascade",
        "                return self._ep0\n            case _:",
        "                return self._stream\n            case _:",
        "What was tried for EP0 counts as tried for the stream, and the other way round.",
        "three families of conditions climb apart (judgement)",
    ),
)

TIMES = (
    Mutant(
        "no_time_to_settle",
        "cascade",
        "        settling = settling and age_ms(now_ms, climb.ended_ms) < self._policy.settle_ms\n",
        "        settling = False\n",
        "The next level does not wait for the last to help.",
        SETTLE,
    ),
    Mutant(
        "settles_for_ever",
        "cascade",
        "        settling = settling and age_ms(now_ms, climb.ended_ms) < self._policy.settle_ms\n",
        "",
        "A remedy that was done is waited for without end.",
        SETTLE,
    ),
    Mutant(
        "failed_remedies_settle_too",
        "cascade",
        "settling = climb.outcome == Outcome.DONE and lowest > climb.level",
        "settling = climb.outcome != Outcome.NONE and lowest > climb.level",
        "A remedy that failed is waited for as if it could still help.",
        "a remedy that failed is followed at once (contract)",
    ),
    Mutant(
        "end_of_remedy_not_kept",
        "cascade",
        "        climb.ended_ms = ended_ms\n",
        "",
        "The age of the last remedy is counted from boot.",
        SETTLE,
    ),
    Mutant(
        "cool_down_ignored",
        "cascade",
        "        return age_ms(now_ms, self._ended_ms[level]) < self._policy.cool_down_ms(level)",
        "        return False",
        "A level follows on itself without its pause.",
        COOL,
    ),
    Mutant(
        "cools_down_from_boot",
        "cascade",
        "        if not self._applied & level_bit(level):\n            return False\n",
        "",
        "A level that was never used cools down from time 0.",
        COOL,
    ),
    Mutant(
        "comes_down_at_once",
        "cascade",
        "        elif age_ms(now_ms, stream.healthy_since_ms) >= self._policy.healthy_ms:",
        "        else:",
        "Two moving looks are taken for proven health.",
        DOWN,
    ),
    Mutant(
        "never_comes_down",
        "cascade",
        "            stream.come_down()",
        "            pass",
        "What was tried once is never forgotten.",
        DOWN,
    ),
    Mutant(
        "ep0_comes_down_at_once",
        "cascade",
        "            self._ep0_work() != ep0.seen_work\n"
        "            and age_ms(now_ms, ep0.healthy_since_ms) >= self._policy.healthy_ms\n",
        "            self._ep0_work() != ep0.seen_work\n",
        "One answered request is taken for proven health of EP0.",
        DOWN,
    ),
    Mutant(
        "silence_taken_for_health",
        "cascade",
        "        if self._stream_work() == stream.seen_work:\n",
        "        if False:\n",
        "A stream that does not move proves its health by keeping still.",
        DOWN,
    ),
    Mutant(
        "ep0_errors_are_no_doubt",
        "cascade",
        "        if self._record.ep0_errors != ep0.seen_errors:\n",
        "        if False:\n",
        "Requests that fail do not begin the proof of EP0's health again.",
        DOWN,
    ),
    Mutant(
        "doubt_forgotten",
        "cascade",
        "        self._doubt(self._stream, now_ms)\n        self._doubt(self._ep0, now_ms)\n"
        "        ladder",
        "        ladder",
        "A condition that is only reported or waits does not begin the proof of health again.",
        DOWN,
    ),
)

HANDS = (
    Mutant(
        "applies_twice",
        "cascade",
        "        outcome = self._platform.apply(level, status)\n",
        "        self._platform.apply(level, status)\n"
        "        outcome = self._platform.apply(level, status)\n",
        "One recover applies its remedy twice.",
        "one remedy at most in each poll (contract)",
    ),
    Mutant(
        "acts_without_a_note",
        "cascade",
        "        self._platform.note(Intent(level, status))\n",
        "",
        "Nothing is persisted before a level 4 that does not return.",
        NOTE,
    ),
    Mutant(
        "notes_after_it_acted",
        "cascade",
        "        self._platform.note(Intent(level, status))\n"
        "        outcome = self._platform.apply(level, status)\n",
        "        outcome = self._platform.apply(level, status)\n"
        "        self._platform.note(Intent(level, status))\n",
        "The note comes when the remedy has ended, which a level 4 never does.",
        NOTE,
    ),
    Mutant(
        "asks_once_what_is_there",
        "cascade",
        "        available = self._platform.available()\n",
        "        available = 0b11110\n",
        "What is possible is taken from the policy and not asked for.",
        "the platform is asked before every choice (contract)",
    ),
    Mutant(
        "stuck_handler_waited_for",
        "cascade",
        "status.code == StatusCode.UNKNOWN and self._handler_is_stuck(status)",
        "False",
        "A frozen stream beside a stuck handler waits for locks that nobody gives back.",
        LOCKS,
        VECTORS,
        "The reference firmware offers no such level while a callback is in progress, and one that "
        "is stuck has been answered by level 4 before the stream was frozen for 5 s.",
    ),
    Mutant(
        "waits_for_no_locks",
        "cascade",
        " or waits_for_locks(level, status):",
        ":",
        "Levels 2 and 3 are applied while a handler may hold their locks.",
        LOCKS,
        VECTORS,
        "The reference firmware's platform offers no such level while a callback is in progress, "
        "and older firmware never comes to levels 2 and 3 then, since it reports no clock.",
    ),
)
