"""Bugs in counting: caps, sessions, and what a refusal costs."""

from __future__ import annotations

from tests.scenarios.mutants.workshop import Mutant

CAP = "level 1 at most 5 times in a session, begun by START or STOP (SETARGFX3 id 14, F6)"
HIGHER = "two tries without proven health in between are enough (policy)"
REFUSED = "a refused level is no failure and uses no cap up (contract)"

CAPS = (
    Mutant(
        "cap_never_reset",
        "cascade",
        "self._uses[level] if self._uses_session == self._record.session else 0",
        "self._uses[level]",
        "START and STOP do not give the cap back.",
        CAP,
    ),
    Mutant(
        "cap_off_by_one",
        "cascade",
        "self._record.stream_cap != 0 and used >= self._record.stream_cap",
        "self._record.stream_cap != 0 and used > self._record.stream_cap",
        "One use more than the cap.",
        CAP,
    ),
    Mutant(
        "cap_off_by_one_below",
        "cascade",
        "self._record.stream_cap != 0 and used >= self._record.stream_cap",
        "self._record.stream_cap != 0 and used + 1 >= self._record.stream_cap",
        "One use less than the cap.",
        CAP,
    ),
    Mutant(
        "cap_of_zero_allows_nothing",
        "cascade",
        "self._record.stream_cap != 0 and used >= self._record.stream_cap",
        "used >= self._record.stream_cap",
        "A cap of 0 is taken for no use, not for no limit.",
        "cap 0 is unlimited (SETARGFX3 id 14)",
    ),
    Mutant(
        "cap_of_the_host_ignored",
        "record",
        "                self.stream_cap = first\n",
        "                pass\n",
        "The policy's cap stays, whatever the host sets.",
        "SETARGFX3 id 14 takes effect at once",
    ),
    Mutant(
        "cap_change_gives_uses_back",
        "record",
        "                self.stream_cap = first\n",
        "                self.stream_cap = first\n"
        "                self.session = (self.session + 1) & WRAP\n",
        "A new cap begins a new session.",
        CAP,
    ),
    Mutant(
        "cap_reset_by_resumed_data",
        "cascade",
        "            if self._stream.level or self._ep0.level:\n",
        "            if self._stream_work() != self._stream.seen_work:\n"
        "                self._uses[Level.STREAM] = 0\n"
        "            if self._stream.level or self._ep0.level:\n",
        "The cap is given back when data moves again, which eight full buffers do.",
        "commit 005b4e2: reset on resumed data defeats the cap",
    ),
    Mutant(
        "uses_not_counted",
        "cascade",
        "        self._uses[level] += 1",
        "        self._uses[level] += 0",
        "Nothing is ever used up.",
        CAP,
    ),
    Mutant(
        "use_counted_in_the_new_session",
        "cascade",
        "        self._count_use(level, session)\n",
        "        self._count_use(level, record.session)\n",
        "A restart during which the host sends START is counted in the new session.",
        CAP,
    ),
    Mutant(
        "cap_of_one_level_for_all",
        "cascade",
        "            cap = self._policy.cap(level)\n",
        "            cap = self._policy.level_1_cap\n",
        "Levels 2 to 4 are counted against the cap of level 1.",
        HIGHER,
    ),
    Mutant(
        "higher_caps_off",
        "cascade",
        "            return cap != 0 and self._uses[level] >= cap",
        "            return False",
        "Levels 2 and 3 are tried without end.",
        HIGHER,
    ),
    Mutant(
        "uses_given_back_too_early",
        "cascade",
        "        if stream.level == 0 and ep0.level == 0:",
        "        if stream.level == 0 or ep0.level == 0:",
        "One healthy look gives the uses of levels 2 and 3 back.",
        HIGHER,
    ),
    Mutant(
        "refused_counts_as_failed",
        "cascade",
        "        if outcome == Outcome.REFUSED:\n            return recovery\n",
        "        if outcome == Outcome.REFUSED:\n"
        "            self._climb(status.code).level = level\n"
        "            return recovery\n",
        "What a guard forbids counts as tried, and the next level follows.",
        REFUSED,
    ),
    Mutant(
        "refused_uses_the_cap_up",
        "cascade",
        "        if outcome == Outcome.REFUSED:\n            return recovery\n",
        "        if outcome == Outcome.REFUSED:\n"
        "            self._count_use(level, session)\n"
        "            return recovery\n",
        "What a guard forbids is counted as used.",
        REFUSED,
    ),
)
