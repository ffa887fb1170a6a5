"""The health module in the host position: a probe that samples, and a loop that decides.

The very same ``Health`` that runs in the firmware runs here over USB. It is written against the
Runtime protocol alone: on hardware probe and loop are threads, in a world they are tasks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from health import Event, Health, HealthFactory, Intent, Level, Outcome, Policy, Status, StatusCode
from health.cascade import Recovery
from hw.boot import Image
from hw.errors import DeniedError, DeviceError
from hw.platform import HostPlatform, HostSampler
from hw.protocol import BOOT_PRODUCT_ID
from hw.runtime import Handle, Runtime
from hw.rx888 import Rx888
from hw.supervisor.deeds import Deeds
from hw.supervisor.log import Log, silent
from hw.supervisor.mandate import FreeHand, Mandate
from hw.supervisor.memory import UPLOAD, Memory
from hw.supervisor.notify import Notifier
from hw.supervisor.restraint import UNRESTRAINED, Restraint
from hw.supervisor.tally import Tally
from hw.supervisor.turn import Turn
from hw.trace import Recorder

MILLISECOND_NS = 1_000_000
TRACK = "host/health"
REMEDIES_KEPT = 1_024
TURN_TIMEOUT_MS = 5_000
"""So long a remedy waits for the probe under way; two time-outs of a request are the longest."""
PROBE_STUCK_MS = 15_000
"""A probe that has not come back by then is stuck in the system, and systemd is told no more."""
END_LIMIT_MS = 120_000
"""More than the longest level 4 from the host can block."""
FOUND_IN_BOOT_ROM = "BOOT_ROM"


@dataclass(frozen=True)
class Remedy:
    """A remedy that was begun.

    Attributes:
        at_ns: when.
        level: which.
        code: the status that it answers, where that is known.
        position: where the module runs that applied it, ``device`` or ``host``.
    """

    at_ns: int
    level: Level
    code: StatusCode | None = None
    position: str = "host"


class Supervisor:
    """Watches one device over USB, and recovers it where it has the right to.

    The probe and whatever touches the device take turns: during a remedy nothing probes. A device
    that leaves the bus is found again; in its boot ROM it is uploaded to. What may not be done is
    logged and counted, once for each time that a condition begins.

    Args:
        device: the open driver; shared, or the one that a program in this process uses too.
        runtime: its clock and threads.
        policy: what it decides by.
        image: firmware to upload, or None: then level 4 is not available.
        mandate: whether it may act now.
        memory: what is written down before anything is done.
        restraint: how often a device may be reset.
        log: takes one line an event.
        notifier: tells the service manager, where there is one.
        now_s: UTC in s since 1970; by default the runtime's clock.
        trace: recorder, or None.
        health: class of the health module.

    Attributes:
        remedies: the remedies begun, the latest; ``tally`` counts them all.
        tally: what was counted.
        is_busy: something is done to the device; a program in this process keeps away meanwhile.
        observing: why it only observes; empty while it may act.
        status: what was evaluated last.
    """

    def __init__(
        self,
        device: Rx888,
        runtime: Runtime,
        policy: Policy,
        image: Image | None,
        *,
        mandate: Mandate | None = None,
        memory: Memory | None = None,
        restraint: Restraint = UNRESTRAINED,
        log: Log | None = None,
        notifier: Notifier | None = None,
        now_s: Callable[[], int] | None = None,
        trace: Recorder | None = None,
        health: HealthFactory = Health,
    ) -> None:
        self.remedies: deque[Remedy] = deque(maxlen=REMEDIES_KEPT)
        self.tally = Tally()
        self.is_busy = False
        self.observing = ""
        self.status = StatusCode.OK
        self._device = device
        self._runtime = runtime
        self._policy = policy
        self._image = image
        self._mandate = mandate or FreeHand()
        self._restraint = restraint
        self._log = log or silent()
        self._notifier = notifier or Notifier({}, runtime.now_ns)
        self._now_s = now_s or (lambda: runtime.now_ns() // 1_000_000_000)
        self._deeds = Deeds(memory or Memory(), self._log, self._now_s)
        self._trace = trace
        self._platform = HostPlatform(
            device,
            image,
            runtime,
            persist=self._begin,
            hindrance=self._hindrance,
            progress=self._progressed,
        )
        self._sampler = HostSampler(device)
        self._health = health(policy, self._platform, None)
        self._turn = Turn(runtime)
        self._probed_ns = runtime.now_ns()
        self._probe_error: Exception | None = None
        self._unwritten = ""
        self._withheld: set[tuple[Level, StatusCode]] = set()
        self._is_stopping = False
        self._loop: Handle[None] | None = None

    # --- outside --------------------------------------------------------------------------------

    @property
    def is_absent(self) -> bool:
        """The device is not on the bus, as far as the last probe could tell."""
        return self._sampler.is_absent

    def tell(self, event: Event) -> None:
        """Learn of a START or STOP from the program that sent it.

        From GETSTATS alone a stream that never left IDLE cannot be told from none.
        """
        self._health.record_event(event)

    def start(self) -> None:
        """Begin to watch, beside the caller."""
        self._loop = self._runtime.spawn("supervisor", self.run)

    def stop(self) -> None:
        """Stop watching, after what is being done; harmless from a signal handler on a loop."""
        self._is_stopping = True
        if self._loop is not None:
            self._loop.join(END_LIMIT_MS)
            self._loop = None

    def run(self, duration_ms: int | None = None) -> None:
        """Watch until somebody calls :meth:`stop`.

        Args:
            duration_ms: stop by itself after this time, ``None`` for never.

        Raises:
            Exception: whatever ended the probe, if it was no error of the device.
        """
        self._health.init()
        self._deeds.tell_what_was_cut_short()
        probe = self._runtime.spawn("supervisor probe", self._probe_on)
        self._notifier.ready()
        began_ns = self._runtime.now_ns()
        try:
            while not self._is_stopping and not self._is_over(duration_ms, began_ns):
                self._look()
                self._runtime.sleep_ms(self._policy.poll_interval_ms)
        finally:
            self._is_stopping = True
            self._notifier.stopping()
            self._end_probe(probe)

    def _end_probe(self, probe: Handle[None]) -> None:
        try:
            probe.join(TURN_TIMEOUT_MS)
        except TimeoutError:
            self._log("probe-stuck", after_ms=TURN_TIMEOUT_MS)

    def _is_over(self, duration_ms: int | None, began_ns: int) -> bool:
        if duration_ms is None:
            return False
        return self._runtime.now_ns() - began_ns >= duration_ms * MILLISECOND_NS

    # --- the probe ------------------------------------------------------------------------------

    def _probe_on(self) -> None:
        try:
            while not self._is_stopping:
                self._probe()
                self._runtime.sleep_ms(self._policy.poll_interval_ms)
        except Exception as error:
            self._probe_error = error
            raise

    def _probe(self) -> None:
        if not self._turn.take(TURN_TIMEOUT_MS):
            return
        try:
            if not self._is_stopping:
                self._sampler.sample(self._health.record_event)
                self.tally.probes += 1
                self.tally.failed_probes += self._sampler.last_error is not None
        except DeniedError as error:
            self._log.news("probe-denied", reason=str(error))
        finally:
            self._probed_ns = self._runtime.now_ns()
            self._turn.give_back()

    # --- the loop -------------------------------------------------------------------------------

    def _look(self) -> None:
        """One pass: evaluate, recover, and say what is new."""
        if self._probe_error is not None:
            raise self._probe_error
        self.tally.polls += 1
        self._unwritten = ""
        self._health.main_heartbeat()
        self._consider_mandate()
        if self._sampler.is_absent:
            self._find_again()
        else:
            self._answer(self._health.evaluate())
        if self._runtime.now_ns() - self._probed_ns < PROBE_STUCK_MS * MILLISECOND_NS:
            self._notifier.progress()

    def _consider_mandate(self) -> None:
        self.observing = self._mandate.observing(self._sampler.stats_bytes)
        if self.observing:
            self._log.forget("acting")
            self._log.news("observing", reason=self.observing)
        elif self._log.news("acting"):
            self._log.forget("observing")

    def _answer(self, status: Status) -> None:
        if status.code != self.status:
            self._status_changed(status)
        recovery = self._health.recover(status)
        if self._deeds.is_under_way:
            self._end(recovery.outcome.name)
        if recovery.level is not None:
            self._applied(recovery)
        elif recovery.outcome is Outcome.REFUSED and recovery.wanted is not None:
            self._would(recovery.wanted, recovery.code)

    def _status_changed(self, status: Status) -> None:
        self.status = status.code
        self.tally.statuses[status.code] += 1
        if self._trace is not None:
            self._trace.instant(TRACK, f"status {status.code.name}", self._runtime.now_ns())
        facts: dict[str, int] = {}
        if status.code != StatusCode.OK:
            evidence = status.evidence
            facts = {
                "age_ms": evidence.age_ms,
                "handler_age_ms": evidence.handler_age_ms,
                "dma_count": evidence.dma_count,
                "gpif_state": evidence.gpif_state,
                "clock": evidence.clock,
            }
        self._log("status", code=status.code.name, **facts)
        self._notifier.status(f"{status.code.name}{', observing' if self.observing else ''}")
        self._log.forget("would")
        self._withheld.clear()

    def _applied(self, recovery: Recovery) -> None:
        assert recovery.level is not None
        if recovery.outcome is Outcome.REFUSED:
            self._would(recovery.level, recovery.code)
            return
        self.tally.remedies[recovery.level, recovery.outcome] += 1
        facts: dict[str, int | str] = {}
        last = self._platform.last_recovery
        if last is not None and last.upload is not None:
            facts["uploaded_bytes"] = last.upload.written_bytes
        if last is not None and last.reason:
            facts["reason"] = last.reason
        self._log(
            "remedy",
            level=int(recovery.level),
            code=recovery.code.name,
            outcome=recovery.outcome.name,
            took_ms=recovery.took_ms,
            **facts,
        )

    def _would(self, level: Level, code: StatusCode) -> None:
        """Count what is not done, once for each time that the condition began; log each reason."""
        if (level, code) not in self._withheld:
            self._withheld.add((level, code))
            self.tally.would[level, code] += 1
        self._log.news(
            "would", level=int(level), code=code.name, reason=self._platform.hindrance(level)
        )

    # --- a device that has left -----------------------------------------------------------------

    def _find_again(self) -> None:
        try:
            product_id = self._device.look()
            if product_id is None:
                if self._log.news("absent"):
                    self.tally.departures += 1
                return
            if product_id != BOOT_PRODUCT_ID:
                self._take_up(None)
                return
            reason = self._upload_hindrance()
            if reason:
                self._log.news("in-boot-rom", reason=reason)
                return
            self._take_up(self._image)
        except DeviceError as error:
            self._log.news("not-found", reason=str(error))

    def _upload_hindrance(self) -> str:
        if self._image is None:
            return "there is no image to upload"
        return self._hindrance(Level.DEVICE_RESET)

    def _take_up(self, image: Image | None) -> None:
        """Open the device that is there again, after an upload if there is an image for it.

        Raises:
            DeviceError: that failed.
        """
        if image is not None and self._deeds.begin(UPLOAD, FOUND_IN_BOOT_ROM):
            return
        outcome = Outcome.FAILED
        self._take_turn()
        try:
            with self._device.acting_for(Level.DEVICE_RESET), self._device.exclusively():
                report = self._device.reacquire(image, has_left=True, progress=self._progressed)
                if report is not None:
                    self._device.info()
            outcome = Outcome.DONE
            facts = {} if report is None else {"uploaded_bytes": report.written_bytes}
            self._log("found", **facts)
            self._log.forget("absent", "in-boot-rom", "not-found")
        finally:
            if image is not None:
                self.tally.uploads[outcome is Outcome.DONE] += 1
            self._end(outcome.name)

    # --- before and after ------------------------------------------------------------------------

    def _hindrance(self, level: Level) -> str:
        """Why a level may not be applied now, the guard's own reasons aside."""
        reason = self.observing or self._unwritten
        # What has begun stands in the memory already, and must not hold itself back.
        if reason or level is not Level.DEVICE_RESET or self._deeds.is_under_way:
            return reason
        return self._restraint.hindrance(self._now_s(), self._deeds.resets_s)

    def _begin(self, intent: Intent) -> None:
        """Pause the probe, and write down what is about to be done."""
        code = intent.status.code
        level = intent.level
        self._unwritten = self._deeds.begin(f"level-{level:d}", code.name)
        if self._unwritten:
            return
        self._take_turn()
        now_ns = self._runtime.now_ns()
        self.remedies.append(Remedy(now_ns, level, code))
        if self._trace is not None:
            self._trace.instant(TRACK, f"level {level:d}: {code.name}", now_ns)
        self._log("remedy-begins", level=int(level), code=code.name)

    def _take_turn(self) -> None:
        self.is_busy = True
        if not self._turn.take(TURN_TIMEOUT_MS):
            # A probe that is stuck in the system must not keep the remedy away that ends it.
            self._log("probe-stuck", after_ms=TURN_TIMEOUT_MS)

    def _end(self, outcome: str) -> None:
        self._deeds.end(outcome)
        self.is_busy = False
        self._probed_ns = self._runtime.now_ns()
        self._turn.give_back()

    def _progressed(self, done_bytes: int, total_bytes: int) -> None:
        """A piece of an upload is done: that feeds the watchdog, and a frozen host ends it."""
        del done_bytes, total_bytes
        self._notifier.progress()
        self._consider_mandate()
        if self.observing:
            raise DeniedError("upload", self.observing, "host-state")
