"""What each handler of CLEAR_FEATURE(ENDPOINT_HALT) does to programs that open, read and close.

Every program of the original tests clears the halt of EP1 when it opens the device, halted or not
(tests/fx3_cmd.c); incident F10 is what came of that with four handlers. The plan of the firmware's
authors leaves open whether the stall and the flush become a level 2 remedy (PLAN_RECOVERY.md,
question 3). Here the same programs meet each handler, and how they fare is counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum

from hw.boot import Image
from hw.errors import DeviceError
from hw.rx888 import Rx888
from scenarios.errors import describe
from sim.chip.fx3 import Reset
from sim.host.backend import get_backend
from sim.host.runtime import WorldRuntime
from sim.options import Options
from sim.streams import Stream
from sim.world import BenchWorld

MILLISECOND_NS = 1_000_000
RATE_HZ = 32_000_000
PACKET_BYTES = 1_024
FIRST_PACKETS_MAX = 64
BLOCK_BYTES = 1 << 20
BLOCKS = 20
"""A third of a second at 32 MS/s: longer than three polls of the main loop."""
READ_TIMEOUT_MS = 500
RETRY_PAUSES_MS = (500, 1_000)
"""The original's retry: STOPFX3, a pause, clear-halt, primed start; twice (tests/fx3_cmd.c)."""
OPENINGS = 3
"""After so many failures to open the device a run is given up."""
FILL_MS = 20
"""After this a stream that nobody reads has filled the ring."""
BETWEEN_MS_MAX = 200
"""From one program to the next at most: twice the poll interval, so that every phase is met."""


GONE = "device gone"
"""What a program sees of a device that has reset itself; it opens it anew."""


class Handler(StrEnum):
    """What CLEAR_FEATURE(ENDPOINT_HALT) does besides its acknowledgement."""

    FLUSH = "flush"
    STALL = "stall"
    ACK = "ack"
    TEARDOWN = "teardown"
    DEFERRED = "deferred"


MEANING = {
    Handler.FLUSH: "stall call and flush in the callback (as shipped, 309fb4e)",
    Handler.STALL: "stall call alone in the callback (35521f5)",
    Handler.ACK: "nothing (a2d956c)",
    Handler.TEARDOWN: "channel reset, flush, re-arm, stall call (before 35521f5)",
    Handler.DEFERRED: "nothing; level 2 makes the stall call and flushes at the next poll",
}


@dataclass(frozen=True)
class Program:
    """How a host program behaves.

    Attributes:
        stops: it sends STOPFX3 before it closes; off: it is killed in mid stream.
        sets_clock: it sends STARTADC, which stops a stream that still runs; off: it finds the clock
            running, as one that programs the clock generator over I2C and comes back.
        wait_ms: from the clear-halt to what follows.
    """

    stops: bool = True
    sets_clock: bool = True
    wait_ms: int = 0


@dataclass(frozen=True)
class Failure:
    """One attempt that did not read its stream through.

    Attributes:
        text: what the program saw.
        in_mid_stream: after data had come.
        buffers: DMA count a little later, as GETSTATS shows it; None where it does not answer.
        gpif_state: the state machine's, as above.
    """

    text: str
    in_mid_stream: bool
    buffers: int | None = None
    gpif_state: int | None = None


@dataclass
class Visit:
    """One program's time with the device.

    Attributes:
        failures: of its attempts, in order.
        served_after_ms: from its opening to the first data of the attempt that read its stream
            through; None when none did.
    """

    failures: list[Failure] = field(default_factory=list)
    served_after_ms: float | None = None


@dataclass(frozen=True)
class Outcome:
    """How programs fared, one after the other, on one device.

    Attributes:
        handler: what the firmware did.
        visits: the programs, in order.
        remedies: levels that the device applied, in order, over all of its boots.
        resets: of the chip.
    """

    handler: Handler
    visits: tuple[Visit, ...]
    remedies: tuple[int, ...]
    resets: tuple[Reset, ...]

    @property
    def failed(self) -> int:
        """Programs whose first attempt failed."""
        return sum(bool(visit.failures) for visit in self.visits)

    @property
    def never_served(self) -> int:
        """Programs that gave up."""
        return sum(visit.served_after_ms is None for visit in self.visits)

    @property
    def recovery_ms(self) -> tuple[float, ...]:
        """How long those that failed first and were served then had to wait."""
        return tuple(
            visit.served_after_ms
            for visit in self.visits
            if visit.failures and visit.served_after_ms is not None
        )


def run(
    handler: Handler,
    program: Program,
    *,
    visits: int = 20,
    seed: int = 0,
    firmware: str = "fw-2.3",
    policy: str = "level-1-4-5",
) -> Outcome:
    """Let programs open, read and close one device.

    Args:
        handler: of CLEAR_FEATURE.
        program: how each of them behaves.
        visits: how many.
        seed: of the sizes of first reads, and of the pauses between programs.
        firmware: revision.
        policy: preset.
    """
    options = Options(clear_halt_handler=handler.value)
    with BenchWorld(firmware, policy, seed=seed, options=options) as world:
        world.boot()
        random = world.random("clear feature")
        seen = []
        if not program.sets_clock:
            with Rx888.open(get_backend(world), WorldRuntime(world), clear_halt=False) as device:
                device.start_adc(RATE_HZ)
        for _ in range(visits):
            seen.append(_visit(world, program, random))
            world.sleep(random.below(BETWEEN_MS_MAX * MILLISECOND_NS))
        remedies = [level for boot in world.programs for _, level in boot.remedies_applied]
        return Outcome(handler, tuple(seen), tuple(remedies), tuple(world.chip.resets))


def shares(
    handler: Handler, waits_ms: Iterable[int], *, visits: int = 40, seed: int = 0
) -> list[tuple[int, float]]:
    """Return the share of programs that fail at first, by how long they wait after opening.

    Args:
        handler: of CLEAR_FEATURE.
        waits_ms: from the clear-halt to what follows.
        visits: programs for each of these.
        seed: see :func:`run`.
    """
    found = []
    for wait_ms in waits_ms:
        outcome = run(handler, Program(wait_ms=wait_ms), visits=visits, seed=seed)
        found.append((wait_ms, outcome.failed / visits))
    return found


def _visit(world: BenchWorld, program: Program, random: Stream) -> Visit:
    visit = Visit()
    opened_ns = world.now_ns
    first_bytes = random.between(1, FIRST_PACKETS_MAX) * PACKET_BYTES
    device = _open(world, visit)
    world.sleep(program.wait_ms * MILLISECOND_NS)
    for pause_ms in (0, *RETRY_PAUSES_MS):
        attempt = _Attempt(world, device)
        failure = attempt.make(program, pause_ms, first_bytes)
        if failure is None:
            visit.served_after_ms = (attempt.served_ns - opened_ns) / MILLISECOND_NS
            break
        visit.failures.append(failure)
        if failure.text == GONE:
            device.close()
            device = _open(world, visit)
    if program.stops:
        with suppress(DeviceError):  # what is wrong has been noted
            device.stop()
    device.close()
    return visit


def _open(world: BenchWorld, visit: Visit) -> Rx888:
    """Open the device, which clears the halt; one that is gone is waited for and uploaded to."""
    firmware = Image.parse(world.image)
    while True:
        try:
            return Rx888.open(get_backend(world), WorldRuntime(world), image=firmware)
        except DeviceError as error:
            visit.failures.append(Failure(describe(error), in_mid_stream=False))
            if len(visit.failures) == OPENINGS:
                raise


class _Attempt:
    """One try to read a stream through."""

    def __init__(self, world: BenchWorld, device: Rx888) -> None:
        self.world = world
        self.device = device
        self.served_ns = 0

    def make(self, program: Program, pause_ms: int, first_bytes: int) -> Failure | None:
        """Make it; a retry begins with STOPFX3, a pause and a clear-halt."""
        try:
            self._read(program, pause_ms, first_bytes)
        except DeviceError as error:
            text, has_data = describe(error), self.served_ns > 0
            self.world.sleep(FILL_MS * MILLISECOND_NS)
            with suppress(DeviceError):
                stats = self.device.stats()
                return Failure(text, has_data, stats.dma_count, stats.gpif_state)
            return Failure(text, has_data)
        return None

    def _read(self, program: Program, pause_ms: int, first_bytes: int) -> None:
        device = self.device
        if pause_ms:
            device.stop()
            self.world.sleep(pause_ms * MILLISECOND_NS)
            device.clear_halt()
        if program.sets_clock:
            device.start_adc(RATE_HZ)
        device.primed_start(first_bytes, timeout_ms=READ_TIMEOUT_MS)
        self.served_ns = self.world.now_ns
        for _ in range(BLOCKS):
            device.read(BLOCK_BYTES, timeout_ms=READ_TIMEOUT_MS)
