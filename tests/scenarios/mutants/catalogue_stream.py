"""Bugs around the stream: what is recorded of it, and what it is taken for."""

from __future__ import annotations

from tests.scenarios.mutants.workshop import Mutant

PAUSED = "a paused reader costs level 1 up to its cap and nothing more (judgement)"
STALL = "3 ticks of 100 ms make a stall (RunApplication.c)"
IDLE = "a device that does not stream is left alone (RunApplication.c)"
FOUR_LOOKS = "one restart each 4 looks: one to see the new count, three to call it stuck (F6)"
CLOCK = "incident F4: no level mends a clock, and the host may have stopped it"

STREAM = (
    Mutant(
        "full_ring_not_seen",
        "detect",
        "    return record.buffers_full >= policy.ring_buffers",
        "    return record.buffers_full > policy.ring_buffers",
        "Eight of eight buffers full are not enough, so a paused reader looks like a wedge.",
        PAUSED,
    ),
    Mutant(
        "reader_explains_the_wrong_way",
        "detect",
        "    return record.buffers_full >= policy.ring_buffers",
        "    return record.buffers_full < policy.ring_buffers",
        "Free buffers are taken for a paused reader, full ones for a wedge.",
        PAUSED,
    ),
    Mutant(
        "wedge_taken_for_a_stall",
        "detect",
        "        and not _reader_explains(policy, record)\n    ):",
        "        and False\n    ):",
        "How full the buffers are is not looked at, so that a wedge never gets beyond level 1.",
        "a wedge that level 1 did not mend is the application's (judgement)",
    ),
    Mutant(
        "stall_limit_halved",
        "detect",
        "is_over(still_ms, policy.stream_stall_ms)",
        "is_over(still_ms, policy.stream_stall_ms // 2)",
        "A stall is called one tick too early.",
        STALL,
    ),
    Mutant(
        "stall_aged_from_start",
        "detect",
        "since_ms = record.state_since_ms if record.dma_count else record.count_since_ms",
        "since_ms = record.epoch_ms",
        "The stall is counted from START instead of from the last buffer.",
        STALL,
    ),
    Mutant(
        "stall_aged_by_the_state",
        "record",
        "        elif gpif_state != self.gpif_state and not (\n"
        "            is_blocked(gpif_state) and is_blocked(self.gpif_state)\n        ):\n",
        "        elif dma_count:\n",
        "Every look at a stream that stands still begins its age again.",
        STALL,
    ),
    Mutant(
        "old_count_kept_after_a_remedy",
        "record",
        "        self.dma_count = 0\n        self.sample_ms = now_ms\n",
        "        self.sample_ms = now_ms\n",
        "After level 1 the stuck count of before is still remembered.",
        FOUR_LOOKS,
    ),
    Mutant(
        "stream_not_restarted_in_the_record",
        "cascade",
        "        record.restart_stream(ended_ms)\n",
        "",
        "After a remedy the stream is still as old as before it.",
        "one restart each 4 looks (F6)",
    ),
    Mutant(
        "blind_at_count_zero",
        "detect",
        "        return _detect_without_buffers(policy, record, still_ms)",
        "        return _OK",
        "Only counts above 0 are looked at, as in firmware 2.3.",
        "incident F25: a first buffer that never comes",
    ),
    Mutant(
        "cold_start_before_the_clock_settled",
        "detect",
        "is_over(still_ms, policy.cold_start_ms)",
        "is_over(still_ms, policy.stream_stall_ms)",
        "The first buffer gets the time of a stall, not its own.",
        "fw 2.5 waits 5 ticks for the first buffer",
    ),
    Mutant(
        "first_buffer_not_remembered",
        "record",
        "                self.flowed_session = session\n",
        "",
        "That this session ever had data is not kept, so a wedge after level 1 looks cold.",
        "a restarted stream without a buffer is wedged after 3 ticks (judgement)",
    ),
    Mutant(
        "cold_start_taken_for_a_wedge",
        "detect",
        "    if record.flowed_session == record.session:\n",
        "    if record.flowed_session <= record.session:\n",
        "A session that never had data is taken for one that had.",
        "fw 2.5 waits 5 ticks for the first buffer",
    ),
    Mutant(
        "idle_device_judged",
        "detect",
        "    elif record.armed and record.sample_epoch == record.epoch:",
        "    elif record.sample_epoch == record.epoch:",
        "A stream that was never started counts as one without data.",
        IDLE,
    ),
    Mutant(
        "stop_leaves_it_armed",
        "record",
        "                self._begin_session(armed=0)",
        "                self._begin_session(armed=1)",
        "STOP is recorded as a START.",
        IDLE,
    ),
    Mutant(
        "start_not_recorded",
        "record",
        "                self._begin_session(armed=1)",
        "                pass",
        "START does not arm the detection, so that no stream is ever watched.",
        STALL,
    ),
    Mutant(
        "lost_clock_escalates",
        "detect",
        "        lost = still_ms >= policy.clock_lost_ms\n"
        "        return StatusCode.CLOCK_LOST if lost else _OK",
        "        lost = still_ms >= policy.clock_lost_ms\n"
        "        return StatusCode.STREAM_WEDGE if lost else _OK",
        "A stream without its clock is restarted, each 300 ms for ever.",
        CLOCK,
    ),
    Mutant(
        "clock_not_looked_at",
        "record",
        "                self._set_clock(first)",
        "                self._set_clock(CLOCK_ON)",
        "Every report of the clock is taken for a good one.",
        CLOCK,
    ),
    Mutant(
        "frozen_stream_never_explained",
        "detect",
        "        return StatusCode.UNKNOWN if unexplained else _OK",
        "        return _OK",
        "What fits no other condition is nothing.",
        "a wedge that no rule explains is answered after 5 s (judgement)",
    ),
    Mutant(
        "report_once",
        "detect",
        "    return Status(code, since_ms, evidence)",
        "    record.state_since_ms = record.count_since_ms = now_ms\n"
        "    return Status(code, since_ms, evidence)",
        "evaluate begins the age again when it has reported, so it answers differently at once.",
        "evaluate changes nothing (contract)",
    ),
    Mutant(
        "handlers_not_watched_in_a_stream",
        "detect",
        "    if ep0_busy and is_over(age_ms(now_ms, ep0_enter_ms), policy.ep0_limit_ms):",
        "    if not record.armed and ep0_busy and "
        "is_over(age_ms(now_ms, ep0_enter_ms), policy.ep0_limit_ms):",
        "While a stream runs, handlers are not looked at.",
        "a hung handler comes first: remedies of the stream wait for its locks (SDK 1.3.1)",
    ),
    Mutant(
        "lost_clock_not_reported",
        "detect",
        "        lost = still_ms >= policy.clock_lost_ms\n"
        "        return StatusCode.CLOCK_LOST if lost else _OK",
        "        return _OK",
        "A stream without its clock is not told from one that nothing explains.",
        "a lost clock is reported (F4)",
    ),
    Mutant(
        "sample_of_the_old_stream_believed",
        "detect",
        "    elif record.armed and record.sample_epoch == record.epoch:",
        "    elif record.armed:",
        "A sample from before START is judged as one of the new stream.",
        "START makes older samples meaningless (StartStopApplication.c)",
    ),
    Mutant(
        "treated_wedge_named_as_new",
        "detect",
        "            code = StatusCode.APPLICATION_WEDGED",
        "            code = StatusCode.STREAM_WEDGE",
        "A wedge that level 1 did not mend keeps its first name.",
        "a wedge that level 1 did not mend is the application's (judgement)",
    ),
)
