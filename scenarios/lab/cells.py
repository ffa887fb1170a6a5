"""The cells of the matrix, as values: which fault, at which SDK call, in which manner and phase."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from health import Policy
from hw.protocol import Request
from scenarios.custom_health import REFERENCE
from scenarios.lab.calls import Site, record
from scenarios.lab.histories import AROUND_QUESTIONS, AROUND_REQUEST, AROUND_STREAM, REQUESTS
from scenarios.lab.onsets import rhythm, worst_onset_ms
from scenarios.runner import UPTIME_US
from sim.faults import Fault, failure_of
from sim.streams import Stream

MANNERS = ("blocked", "spinning")
LOCKS = ("none", "channel", "usb")
WINDOW_MS = 3_000
"""Sampled onsets are drawn over so long, or over a pet interval that is longer: the same onsets for
every policy with the same seed, so that two of them can be compared."""
LOST_CLOCK_MS = 1_000
PAUSE_MS = 1_000
STREAM = "stream"
"""Stands for a request where a fault strikes a running stream and no call."""
BUSY_HOST = "busy host"
"""Stands for one where it strikes a device that is asked ten times a second."""
WHOLE_DEVICE = (
    Fault("main_hang", manner="blocked"),
    Fault("main_hang", manner="spinning"),
    Fault("timer_death"),
    Fault("dma_error"),
    Fault("clock_loss", for_ms=LOST_CLOCK_MS),
    Fault("host_paused", for_ms=PAUSE_MS),
)
"""Faults that strike no call: the threads, the stream, the endpoint, the clock, the host."""
DESYNC = Fault("ep0_desync")
COLD_STARTS = (Fault("cold_start", until="restart"), Fault("cold_start", until="reset"))


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        request: the request whose call it strikes, or ``stream`` or ``busy host``.
        fault: what happens; its ``at_ms`` is 0 until :meth:`at` sets it.
    """

    request: str
    fault: Fault

    @property
    def name(self) -> str:
        """What it is called in a certificate: request and fault, without a time."""
        return f"{self.request}: {self.fault}"

    @property
    def scenario(self) -> str:
        """The history that it is put into."""
        if self.request in AROUND_REQUEST:
            return AROUND_REQUEST[self.request].name
        return {STREAM: AROUND_STREAM, BUSY_HOST: AROUND_QUESTIONS}[self.request].name

    @property
    def lock(self) -> str:
        """The lock that is held meanwhile, or an empty text where none can be."""
        return self.fault.lock if self.fault.kind == "hang" else ""

    @property
    def manner(self) -> str:
        """``blocked``, ``spinning``, or an empty text where no thread hangs."""
        return self.fault.manner if self.fault.kind in ("hang", "delay", "main_hang") else ""

    def at(self, at_ms: int) -> Fault:
        """Return the fault for a history whose request is sent in the ms before ``at_ms``."""
        return replace(self.fault, at_ms=at_ms - 1)


@dataclass(frozen=True)
class Phase:
    """A moment for the onset.

    Attributes:
        kind: ``worst`` or ``sampled``.
        at_ms: the moment in ms of the world's clock.
        seed: of the world.
    """

    kind: str
    at_ms: int
    seed: int


def cells(firmware: str, policy: Policy, health: str = REFERENCE) -> tuple[Cell, ...]:
    """Return every cell of a policy on a firmware, in the order of the requests and their calls.

    Args:
        firmware: revision; its calls are recorded.
        policy: the slowest legal call is as long as it says, in ``longest_handler_ms``.
        health: what makes the health module, which makes calls of its own.
    """
    found = []
    for request in REQUESTS:
        for site in record(firmware, policy, request, health).sites:
            found += [Cell(request, fault) for fault in _faults_at(site, policy)]
    found += [Cell("STARTFX3", fault) for fault in COLD_STARTS]
    found += [Cell(STREAM, fault) for fault in WHOLE_DEVICE]
    # How soon a desync shows depends on how often the host asks.
    found += [Cell(BUSY_HOST, DESYNC), Cell("STOPFX3", DESYNC)]
    return tuple(found)


def _faults_at(site: Site, policy: Policy) -> Iterator[Fault]:
    during = site.request if site.request in Request.__members__ else ""
    base = Fault("hang", call=site.call, thread="usb", during=during, nth=site.nth)
    for manner in MANNERS:
        for lock in LOCKS:
            yield replace(base, manner=manner, lock=lock)
    for manner in MANNERS:
        yield replace(base, kind="delay", manner=manner, for_ms=policy.longest_handler_ms)
    if failure_of(site.call, 0) is not None:
        yield replace(base, kind="error")


def phases(
    cell: Cell,
    firmware: str,
    policy: Policy,
    seed: int,
    sampled: int,
    health: str = REFERENCE,
) -> tuple[Phase, ...]:
    """Return the moments at which a cell is looked at: the worst one, then sampled ones.

    The worst onset (:func:`scenarios.lab.onsets.worst_onset_ms`) is the worst as long as no remedy
    is tried before: on a firmware that does not wait for a callback in progress level 1 takes 1 to
    2 ms each time and moves the loop's later passes; there the sampled onsets show more. When a
    desync shows depends on the host.

    Args:
        cell: what strikes; it draws moments of its own.
        firmware: revision.
        policy: its poll and pet intervals.
        seed: of the draws, and of the worlds.
        sampled: how many to draw, beside the worst.
        health: what makes the health module.
    """
    # A stream without a request of its own begins as the one that STOP meets.
    request = cell.request if cell.request in AROUND_REQUEST else "STOPFX3"
    ready_ms = record(firmware, policy, request, health).ready_ms + UPTIME_US[1] // 1_000
    random = Stream(seed, cell.name)
    beats_and_pets = rhythm(cell.scenario, firmware, policy, seed, ready_ms, health)
    worst_ms = worst_onset_ms(cell.fault.kind, beats_and_pets, firmware, policy, ready_ms)
    found = [Phase("worst", worst_ms, seed)]
    for number in range(1, sampled + 1):
        at_ms = ready_ms + random.below(max(WINDOW_MS, policy.pet_interval_ms))
        found.append(Phase("sampled", at_ms, seed + number))
    return tuple(found)
