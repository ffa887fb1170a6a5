"""A program that streams for ever in a process of its own, as ka9q-radio does."""

from __future__ import annotations

from collections.abc import Callable

from hw.errors import DeviceError
from hw.rx888 import Rx888
from scenarios.reading import open_reader
from sim.host.backend import get_backend
from sim.host.runtime import WorldRuntime
from sim.world import BenchWorld

PROCESS = "listener"
RATE_HZ = 64_000_000
LOOK_INTERVAL_MS = 100
SILENCE_MS = 5_000
"""So long without data and the program begins anew (ka9q-radio: "No rx888 data for 5 seconds")."""
RETRY_MS = 500


class Listener:
    """Opens the device, claims its interface, streams, and begins anew when no data comes.

    It knows nothing of a supervisor and uploads nothing: a device in its boot ROM it cannot open.

    Args:
        world: where it runs.
        say: told what happens to it.

    Attributes:
        is_served: data comes.
        outages: how often it stopped to come.
        away: set to make the program close the device and wait.
    """

    def __init__(self, world: BenchWorld, say: Callable[[str], None] = lambda text: None) -> None:
        self.is_served = False
        self.outages = 0
        self.away = False
        self._runtime = WorldRuntime(world)
        self._backend = get_backend(world, process=PROCESS)
        self._say = say
        self._is_stopping = False
        self._task = self._runtime.spawn(PROCESS, self._run)

    def stop(self) -> None:
        """End the program."""
        self._is_stopping = True
        self._task.join(SILENCE_MS + 10_000)

    def _run(self) -> None:
        while not self._is_stopping:
            if not self.away:
                try:
                    self._listen()
                except DeviceError as error:
                    self._outage(str(error))
            self._runtime.sleep_ms(RETRY_MS)

    def _listen(self) -> None:
        with Rx888.open(self._backend, self._runtime) as device:
            device.start_adc(RATE_HZ)
            reader = open_reader(device, self._runtime)
            reader.start()
            try:
                device.start()
                seen, seen_ns = reader.bytes, self._runtime.now_ns()
                while not self._is_stopping and not self.away:
                    self._runtime.sleep_ms(LOOK_INTERVAL_MS)
                    now_ns = self._runtime.now_ns()
                    if reader.bytes != seen:
                        seen, seen_ns = reader.bytes, now_ns
                        self._served()
                    elif now_ns - seen_ns >= SILENCE_MS * 1_000_000:
                        self._outage(f"no data for {SILENCE_MS // 1_000} s")
                        return
            finally:
                reader.stop()
            device.stop()

    def _served(self) -> None:
        if not self.is_served:
            self.is_served = True
            self._say("streams")

    def _outage(self, reason: str) -> None:
        if self.is_served:
            self.is_served = False
            self.outages += 1
            self._say(reason)
