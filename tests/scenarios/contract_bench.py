"""Shared by the tests of the contract: a scripted device, a lying one, and an honest program."""

from __future__ import annotations

from collections.abc import Callable

from health import Level
from hw.errors import DeviceError
from hw.exchange import Exchange
from hw.protocol import Request, Stats
from hw.rx888 import Rx888
from scenarios.contract import Examiner
from scenarios.scenario import Scenario

MS = 1_000_000
IDLE = Stats(0, 255, 0, 0, 0, 0, 0x01, 1, 0x4F, True)
"""GETSTATS of a device whose clock was set and that does not stream."""
ANY_RECOVERY = Scenario("any", lambda station: None, "", remedies={Level.STREAM: (0, 10_000)})


class Scripted:
    """A device of which only the transfers exist, 1 ms each."""

    def __init__(self, revision_name: str = "fw-2.3", ledger=None) -> None:
        self.generation = 0
        self.now_ns = 0
        self.sample = IDLE
        self._observer: Callable[[Exchange], None] | None = None
        self.examiner = Examiner(revision_name, self, ledger)

    def observe(self, observer: Callable[[Exchange], None]) -> None:
        self._observer = observer

    def stats(self) -> None:
        self.into(Request.GETSTATS, 26, self.sample.pack())

    def wait(self, duration_ms: int) -> None:
        self.now_ns += duration_ms * MS

    def tell(self, kind, request, *, lasts_ms=1, **fields) -> None:
        base = Exchange(kind, request, 0, 0, b"", 0, b"", 0, None, self.now_ns, 0)
        self.now_ns += lasts_ms * MS
        self._observer(base._replace(ended_ns=self.now_ns, **fields))

    def out(self, request, data=b"", *, value=0, index=0, error=None, lasts_ms=1) -> None:
        self.tell(
            "out", request, sent=data, value=value, index=index, error=error, lasts_ms=lasts_ms
        )

    def word(self, request, number=0, **more) -> None:
        self.out(request, number.to_bytes(4, "little"), **more)

    def into(self, request, asked, reply=b"", *, value=0, index=0, error=None) -> None:
        self.tell(
            "in", request, asked_bytes=asked, reply=reply, value=value, index=index, error=error
        )

    def bulk(self, asked, received, *, lasts_ms=1, error=None) -> None:
        self.tell(
            "bulk",
            0x81,
            asked_bytes=asked,
            received_bytes=received,
            lasts_ms=lasts_ms,
            error=error,
        )

    def found(self, script: Callable[[Scripted], None]) -> tuple[str, ...]:
        """What the examiner says of one scenario that consists of this script."""
        self.examiner.begin(ANY_RECOVERY)
        script(self)
        return self.examiner.end()


class Liar:
    """A real driver whose observers are told of altered transfers.

    Args:
        device: the driver.
        lie: given each transfer and its number among those with the same request; returns the
            transfer to tell of.
    """

    def __init__(self, device: Rx888, lie: Callable[[Exchange, int], Exchange]) -> None:
        self.device = device
        self.lie = lie
        self._numbers: dict[tuple[str, int], int] = {}

    @property
    def generation(self) -> int:
        return self.device.generation

    def stats(self) -> Stats:
        return self.device.stats()

    def observe(self, observer: Callable[[Exchange], None]) -> None:
        def tell(exchange: Exchange) -> None:
            key = exchange.kind, exchange.request
            number = self._numbers.get(key, 0)
            self._numbers[key] = number + 1
            observer(self.lie(exchange, number))

        self.device.observe(tell)


def honest_program(device: Rx888, sleep_ms: Callable[[int], None]) -> None:
    """A bit of everything that the contract speaks of; GETSTATS 0 and 6 are the examiner's own."""
    device.info()
    device.start_adc(16_000_000)
    device.stats()  # 1: not started yet
    sleep_ms(10)
    ignored(lambda: device.read(16_384, timeout_ms=50))
    device.start()
    for _ in range(4):
        device.read(65_536, timeout_ms=500)
    device.stats()  # 2: running, read
    for _ in range(100):
        device.read(65_536, timeout_ms=500)
    device.stats()  # 3: running, read
    device.stop()
    sleep_ms(50)
    device.stats()  # 4: idle
    ignored(lambda: device.request_out(0xB7, bytes(4)))
    ignored(lambda: device.request_out(Request.GPIOFX3, bytes(128)))
    device.request_out(Request.SETARGFX3, b"\0", value=7, index=10)
    ignored(lambda: device.request_out(Request.SETARGFX3, b"\0", value=7, index=42))
    device.info()
    device.start()
    sleep_ms(700)
    device.stats()  # 5: running, not read
    device.stop()
    device.info()


def ignored(call: Callable[[], object]) -> None:
    """Whatever a device says to it."""
    try:
        call()
    except DeviceError:
        return
