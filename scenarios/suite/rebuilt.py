"""The four tests that the recovery plan names and nobody has: our reconstruction.

The plan of the EP0 watchdog lists them as the tests that showed the lockup of STOPFX3 (incident
F16), but no repository holds them; their names are all that is known. Each docstring says what we
made of the name. Around the hang they differ in what runs beside the STOP that hangs: polls,
nothing at all, a START at work, or a count of how long answers take. With that hang a firmware
without level 4 locks up in each of them; one with level 4 is reset, uploaded and serves again
where the thread blocks, and is lost where it spins, which level 5 alone ends. Functions are as in
:mod:`scenarios.suite.protocol`.

Source: the names in ``PLAN_RECOVERY.md``; ``rapid_start_stop`` of ``fx3_cmd.c``, their ancestor.
"""

from __future__ import annotations

from hw.errors import DeviceError
from hw.protocol import GpifState
from scenarios.errors import Trouble
from scenarios.station import MILLISECOND_NS, Station
from scenarios.suite.moves import MHZ, ask, read_enough

STRESS_CYCLES = 50
EXTREME_CYCLES = 200
PAUSE_MS = 1
LATENCY_SAMPLES = 100
LATENCY_LIMIT_MS = 100
"""A handler that is well takes less (``health.c``)."""
JOIN_LIMIT_MS = 5_000


class StatsPoller:
    """Asks GETSTATS in a thread of its own until it is stopped.

    Args:
        station: where it works.
        interval_ms: between two requests.

    Attributes:
        answered: how many requests were answered.
    """

    def __init__(self, station: Station, interval_ms: int = PAUSE_MS) -> None:
        self.answered = 0
        self._station = station
        self._interval_ms = interval_ms
        self._is_stopping = False
        self._thread = station.runtime.spawn("GETSTATS poller", self._run)

    def stop(self) -> None:
        """Stop; returns when the last request has ended.

        Raises:
            DeviceError: of the request that failed.
        """
        self._is_stopping = True
        self._thread.join(JOIN_LIMIT_MS)

    def _run(self) -> None:
        while not self._is_stopping:
            self._station.device.stats()
            self.answered += 1
            self._station.sleep_ms(self._interval_ms)


def rapid_stress_with_concurrent_stats(station: Station, cycles: int = STRESS_CYCLES) -> str:
    """50 quick starts and stops while a second thread asks GETSTATS (our reconstruction)."""
    station.set_clock(32 * MHZ)
    poller = StatsPoller(station)
    try:
        _stress(station, cycles, PAUSE_MS)
    except DeviceError:
        # The poller meets the same silence; what the stress saw is the finding.
        _stop_quietly(poller)
        raise
    poller.stop()
    return f"{cycles} cycles, {poller.answered} GETSTATS, {_proof(station)} bytes"


def _stop_quietly(poller: StatsPoller) -> None:
    try:
        poller.stop()
    except (DeviceError, TimeoutError):
        return


def rapid_start_stop_extreme(station: Station, cycles: int = EXTREME_CYCLES) -> str:
    """200 starts and stops at 64 MS/s without any pause (our reconstruction)."""
    station.set_clock(64 * MHZ)
    _stress(station, cycles, 0)
    return f"{cycles} cycles, {_proof(station)} bytes"


def stop_during_starting(station: Station, cycles: int = STRESS_CYCLES) -> str:
    """STOPFX3 sent while STARTFX3 is under way, 50 times (our reconstruction).

    The two come from two threads. The host carries one control request at a time, but STARTFX3 is
    acknowledged before it is done, so STOPFX3 arrives while its handler is at work.
    """
    station.set_clock(32 * MHZ)
    for cycle in range(cycles):
        station.begin(f"cycle {cycle + 1}")
        stopping = station.runtime.spawn("STOPFX3", station.device.stop)
        try:
            station.device.start()
        finally:
            stopping.join(JOIN_LIMIT_MS)
    # Which of the last two came first is the system's choice.
    station.device.stop()
    state = station.device.stats().gpif_state
    station.strictly(state == GpifState.IDLE, f"GPIF state {state} after STOPFX3, not 1")
    return f"{cycles} cycles, {_proof(station)} bytes"


def health_latency_after_stress(station: Station, cycles: int = STRESS_CYCLES) -> str:
    """After 50 quick starts and stops every probe is answered in 100 ms (our reconstruction)."""
    station.set_clock(32 * MHZ)
    _stress(station, cycles, PAUSE_MS)
    station.begin("probes")
    worst_ns = 0
    for sample in range(LATENCY_SAMPLES):
        began_ns = station.runtime.now_ns()
        if sample % 2:
            station.device.stats()
        else:
            ask(station)
        worst_ns = max(worst_ns, station.runtime.now_ns() - began_ns)
    if worst_ns > LATENCY_LIMIT_MS * MILLISECOND_NS:
        raise Trouble(f"an answer took {worst_ns // MILLISECOND_NS} ms")
    return f"answers within {worst_ns // 1_000} µs, {_proof(station)} bytes"


def _stress(station: Station, cycles: int, pause_ms: int) -> None:
    for cycle in range(cycles):
        station.begin(f"cycle {cycle + 1}")
        for call in (station.device.start, station.device.stop):
            call()
            if pause_ms:
                station.sleep_ms(pause_ms)


def _proof(station: Station) -> int:
    """Start, read a block, stop: the device streams."""
    station.begin("last start")
    station.device.start()
    received = read_enough(station, 2_000)
    station.device.stop()
    return received
