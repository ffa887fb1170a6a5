"""Bugs around level 5: the gate between the heartbeat and the watchdog."""

from __future__ import annotations

from tests.scenarios.mutants.workshop import NOBODY, Mutant

FIRES = "level 5 fires between P and P + C after the last beat (health.c, HANGMAIN)"
SPARES = "a main loop that beats is never reset (health.c)"

GATE = (
    Mutant(
        "gate_always_open",
        "watchdog",
        "        if self._beats == self._seen:\n            return\n",
        "",
        "The timer pets the watchdog without a look at the heartbeat.",
        FIRES,
    ),
    Mutant(
        "gate_forgets_what_it_saw",
        "watchdog",
        "        self._seen = self._beats\n",
        "",
        "The look compares with the count at boot, so that one beat opens the gate for good.",
        FIRES,
    ),
    Mutant(
        "gate_inverted",
        "watchdog",
        "if self._beats == self._seen:",
        "if self._beats != self._seen:",
        "The condition is the wrong way round.",
        SPARES,
    ),
    Mutant(
        "gate_wants_many_beats",
        "watchdog",
        "if self._beats == self._seen:",
        "if (self._beats - self._seen) & WRAP < 50:",
        "More beats are wanted than a pet interval has.",
        SPARES,
    ),
    Mutant(
        "timer_beats_for_main",
        "watchdog",
        "        if self._beats == self._seen:",
        "        self.beat()\n        if self._beats == self._seen:",
        "The beat is counted in the timer's callback, which outlives the main loop.",
        FIRES,
    ),
    Mutant(
        "beats_not_counted",
        "watchdog",
        "        self._beats = (self._beats + 1) & WRAP",
        "        self._beats = self._beats & WRAP",
        "The main loop's beat never reaches the gate.",
        SPARES,
    ),
    Mutant(
        "watchdog_never_armed",
        "watchdog",
        "        self._watchdog.arm(period_ms)\n",
        "",
        "The timer pets a watchdog that nobody switched on.",
        FIRES,
    ),
    Mutant(
        "watchdog_armed_twice",
        "watchdog",
        "        self._watchdog.arm(period_ms)\n",
        "        self._watchdog.arm(period_ms)\n        self._watchdog.arm(2 * period_ms)\n",
        "A second call of the set-up arms it again, with another period.",
        FIRES,
    ),
    Mutant(
        "pet_timer_never_started",
        "watchdog",
        "        self._watchdog.every(pet_interval_ms, self.look)\n",
        "",
        "The watchdog is on and nobody pets it.",
        SPARES,
    ),
    Mutant(
        "period_and_interval_swapped",
        "health",
        "self._gate.guard(self._policy.hwdt_period_ms, self._policy.pet_interval_ms)",
        "self._gate.guard(self._policy.pet_interval_ms, self._policy.hwdt_period_ms)",
        "Two arguments of one type change places.",
        "the period is longer than the pet interval (health.c: 5000 and 3000 ms)",
    ),
    Mutant(
        "main_loop_pets",
        "watchdog",
        "        self._beats = (self._beats + 1) & WRAP",
        "        self._beats = (self._beats + 1) & WRAP\n        self._watchdog.clear()",
        "The main loop pets in each pass, as the hardware watchdog was first built.",
        "a pet blocks every thread for 100 us; ten a second stopped streaming (d04afa2)",
    ),
    Mutant(
        "armed_whatever_the_policy",
        "health",
        "if watchdog is not None and policy.level_5_enabled:",
        "if watchdog is not None:",
        "Level 5 is armed where the policy has it off.",
        "a level that is off does nothing (policy level-1-4)",
    ),
    Mutant(
        "heartbeat_forgotten",
        "health",
        "            self._gate.beat()",
        "            pass",
        "main_heartbeat does not tell the gate.",
        SPARES,
    ),
    Mutant(
        "beats_wrap_too_soon",
        "watchdog",
        "self._beats = (self._beats + 1) & WRAP",
        "self._beats = (self._beats + 1) % 5",
        "The counter is so small that a pet interval of 15 beats brings it back to where it was.",
        SPARES,
    ),
    Mutant(
        "beats_saturate",
        "watchdog",
        "self._beats = (self._beats + 1) & WRAP",
        "self._beats = min(self._beats + 1, WRAP)",
        "The counter stops at its largest value instead of wrapping.",
        "32-bit time and counts wrap",
        NOBODY,
        "4,294,967,295 beats of 100 ms are 13.6 years; no run of a device is so long.",
    ),
)
