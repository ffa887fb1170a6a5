"""The health module in the host position: one loop beside the program that uses the device."""

from __future__ import annotations

from dataclasses import dataclass

from health import Event, Health, HealthFactory, Intent, Level, Policy, StatusCode
from hw.boot import Image
from hw.platform import HostPlatform, HostSampler
from hw.runtime import Handle, Runtime
from hw.rx888 import Rx888
from hw.trace import Recorder

MILLISECOND_NS = 1_000_000
END_LIMIT_MS = 120_000
"""More than the longest level 4 from the host can block."""
TRACK = "host/health"


@dataclass(frozen=True)
class Remedy:
    """A remedy that was begun.

    Attributes:
        at_ns: when.
        level: which.
        code: the status that it answers, where that is known.
    """

    at_ns: int
    level: Level
    code: StatusCode | None = None


class Supervisor:
    """Samples, evaluates and recovers in each poll, over USB.

    It shares the open driver with the program, as a supervising thread of a station does: who
    claims the interface is one process.

    Args:
        device: the open driver.
        runtime: its clock and threads.
        policy: what it decides by; level 4 is all that it has.
        image: firmware to upload.
        trace: recorder, or None.
        health: class of the health module.

    Attributes:
        remedies: every remedy begun.
        is_busy: a remedy is running; the program keeps away from the device meanwhile.
    """

    def __init__(
        self,
        device: Rx888,
        runtime: Runtime,
        policy: Policy,
        image: Image,
        trace: Recorder | None = None,
        health: HealthFactory = Health,
    ) -> None:
        self.remedies: list[Remedy] = []
        self.is_busy = False
        self._runtime = runtime
        self._policy = policy
        self._trace = trace
        self._platform = HostPlatform(device, image, runtime, persist=self._note)
        self._sampler = HostSampler(device)
        self._health = health(policy, self._platform, None)
        self._is_stopping = False
        self._loop: Handle[None] | None = None

    def tell(self, event: Event) -> None:
        """Learn of a START or STOP from the program that sent it.

        From GETSTATS alone a stream that never left IDLE cannot be told from none.
        """
        self._health.record_event(event)

    def start(self) -> None:
        """Begin to watch."""
        self._health.init()
        self._loop = self._runtime.spawn("supervisor", self._run)

    def stop(self) -> None:
        """Stop watching, after a remedy that runs."""
        self._is_stopping = True
        if self._loop is not None:
            self._loop.join(END_LIMIT_MS)
            self._loop = None

    def _run(self) -> None:
        health = self._health
        last_code = StatusCode.OK
        while not self._is_stopping:
            health.main_heartbeat()
            self._sampler.sample(health.record_event)
            status = health.evaluate()
            if status.code != last_code and self._trace is not None:
                self._trace.instant(TRACK, f"status {status.code.name}", self._runtime.now_ns())
            last_code = status.code
            health.recover(status)
            self.is_busy = False
            self._runtime.sleep_ms(self._policy.poll_interval_ms)

    def _note(self, intent: Intent) -> None:
        self.is_busy = True
        now = self._runtime.now_ns()
        self.remedies.append(Remedy(now, intent.level, intent.status.code))
        if self._trace is not None:
            text = f"level {int(intent.level)}: {intent.status.code.name}"
            self._trace.instant(TRACK, text, now)
