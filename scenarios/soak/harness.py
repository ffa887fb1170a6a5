"""The loop of the soak: draw, run, clean up, check, and go on until time or somebody says stop.

Source: ``fx3_cmd.c``, the soak command; ``soak_test.sh`` for chunks with a reload between them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hw.errors import DeviceError
from hw.protocol import GPIO_BOOT_WORD
from scenarios.soak import summary
from scenarios.soak.checks import LOST, HealthCheck
from scenarios.soak.glibc_random import GlibcRandom
from scenarios.soak.journal import Journal
from scenarios.soak.place import Outcome, Place
from scenarios.soak.plan import Plan
from scenarios.soak.record import NS_PER_MS, Record

SETTLE_MS = 100
STATUS_INTERVAL_CYCLES = 10
JOURNAL_SCHEMA = "fx3loop.soak-journal/1"

Say = Callable[[str], None]


def no_progress(done: float) -> None:
    """Nobody watches."""
    del done


class Harness:
    """One soak.

    Args:
        plan: what to do.
        place: where.
        say: prints a line.
        journal: written to after each cycle, or None.
        is_stopped: asked before each cycle; somebody pressed Ctrl-C.
        progress: told after each cycle how much is done, from 0 to 1.
    """

    def __init__(
        self,
        plan: Plan,
        place: Place,
        say: Say,
        *,
        journal: Journal | None = None,
        is_stopped: Callable[[], bool] = lambda: False,
        progress: Callable[[float], None] = no_progress,
    ) -> None:
        self.plan = plan
        self.record = Record(plan, place.now_ns())
        self._place = place
        self._say = say
        self._journal = journal
        self._is_stopped = is_stopped
        self._progress = progress
        self._check = HealthCheck(place, self.record, say)

    def run(self) -> Record:
        """Run it all; ends with the device stopped, whatever happens.

        A second Ctrl-C, which arrives as a KeyboardInterrupt, ends the cycle in progress too.

        Raises:
            InputError: the journal cannot be written any more.
        """
        self._tell(summary.header(self.record))
        self._write({"schema": JOURNAL_SCHEMA, "event": "start", **self._plan_line()}, sync=True)
        try:
            self._run_chunks()
        except KeyboardInterrupt:
            self.record.was_interrupted = True
            # A world that was cut off in the middle of an event may be past use; a device is not.
            with suppress(Exception):
                self._clean_up()
        except BaseException:
            self._clean_up()
            raise
        self._tell(summary.summary(self.record))
        self._write({"event": "end", **self.record.as_dict()}, sync=True)
        return self.record

    # ------------------------------------------------------------ chunks

    def _run_chunks(self) -> None:
        chunk = 0
        while True:
            self._run_chunk(self.plan.chunk_seed(chunk))
            if not self.plan.reload_interval or self._is_over():
                return
            chunk += 1
            self._say(f"# soak: reload, then chunk {chunk} with seed {self.plan.chunk_seed(chunk)}")
            try:
                self._place.reload()
            except DeviceError as error:
                self._abort(f"the reload before chunk {chunk} failed: {error}")
                return

    def _run_chunk(self, seed: int) -> None:
        self.record.chunks += 1
        if not self._check.once():
            self._abort("the health check before the first cycle failed")
            return
        random = GlibcRandom(seed)
        previous = None
        last_cycle = self.record.cycles + self.plan.reload_interval
        while not self._is_over():
            if self.plan.reload_interval and self.record.cycles == last_cycle:
                return
            scenario = self.plan.table.pick(random.draw())
            if not self._cycle(scenario, previous):
                return
            previous = scenario

    def _is_over(self) -> bool:
        """Whether no further cycle may begin."""
        plan, record = self.plan, self.record
        if self._is_stopped():
            record.was_interrupted = True
            return True
        elapsed_ns = self._place.now_ns() - record.began_ns
        return elapsed_ns >= plan.duration_ns or 0 < plan.max_cycles <= record.cycles

    # ------------------------------------------------------------ a cycle

    def _cycle(self, scenario: str, previous: str | None) -> bool:
        """Run one scenario and what follows it; returns False when the device is lost."""
        place, record = self._place, self.record
        began_ns = place.now_ns()
        outcome = place.run(scenario)
        record.count(scenario, previous, outcome)
        self._print_outcome(scenario, previous, outcome)
        self._clean_up()
        health = self._check.after(scenario)
        record.ended_ns = place.now_ns()
        is_bad = outcome.failure is not None or bool(outcome.violations)
        self._write(
            self._cycle_line(scenario, outcome, health, began_ns), sync=is_bad or health == LOST
        )
        if health == LOST:
            self._abort(self._check.lost_because)
            return False
        if record.cycles % STATUS_INTERVAL_CYCLES == 0:
            self._say(summary.status_line(record, scenario, outcome.failure is None))
        self._progress(self._done())
        return True

    def _clean_up(self) -> None:
        """STOP and the boot word for the pins, results ignored, and never a clear-halt."""
        device = self._place.device
        with suppress(DeviceError):
            device.stop()
        with suppress(DeviceError):
            device.set_gpio(GPIO_BOOT_WORD)
        self._place.sleep_ms(SETTLE_MS)

    def _print_outcome(self, scenario: str, previous: str | None, outcome: Outcome) -> None:
        has_passed = outcome.failure is None
        if not (self.plan.is_quiet and has_passed):
            self._tell([f"# {remark}" for remark in outcome.remarks])
            text = outcome.text if has_passed else outcome.failure
            self._say(f"{'PASS' if has_passed else 'FAIL'} {scenario}{': ' if text else ''}{text}")
        if not has_passed:
            self._say(summary.failure_line(self._place.device, scenario, previous))
        self._tell([f">>> STRICT {scenario}: {text}" for text in outcome.violations])

    # ------------------------------------------------------------ words

    def _abort(self, reason: str) -> None:
        self.record.abort(reason)
        self._say(f"SOAK ABORT: {reason}")
        self._write({"event": "abort", "cycle": self.record.cycles, "reason": reason}, sync=True)

    def _done(self) -> float:
        plan, record = self.plan, self.record
        by_time = (record.ended_ns - record.began_ns) / plan.duration_ns
        by_count = record.cycles / plan.max_cycles if plan.max_cycles else 0.0
        return min(1.0, max(by_time, by_count))

    def _tell(self, lines: list[str]) -> None:
        for line in lines:
            self._say(line)

    def _write(self, line: dict[str, Any], *, sync: bool) -> None:
        if self._journal is not None:
            self._journal.write(line, sync=sync)

    def _plan_line(self) -> dict[str, Any]:
        plan = self.plan
        return {
            "seed": plan.seed,
            "table": plan.table.name,
            "firmware": plan.firmware,
            "policy": plan.policy,
            "options": list(plan.options),
            "hours": plan.hours,
            "max_cycles": plan.max_cycles,
            "reload_interval": plan.reload_interval,
        }

    def _cycle_line(
        self, scenario: str, outcome: Outcome, health: str, began_ns: int
    ) -> dict[str, Any]:
        record = self.record
        return {
            "event": "cycle",
            "cycle": record.cycles,
            "scenario": scenario,
            "passed": outcome.failure is None,
            "failure": outcome.failure,
            "violations": list(outcome.violations),
            "health": health,
            "began_ms": (began_ns - record.began_ns) // NS_PER_MS,
            "took_ms": (record.ended_ns - began_ns) // NS_PER_MS,
        }
