"""Shared by the tests of the simulator: benches, programs on them, and what hosts do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hw import protocol
from hw.protocol import Argument, Request, Stats
from hw.rx888 import Rx888 as Driver
from sim.board import Rx888
from sim.chip.gpif import EDGES_16, GpifTable
from sim.chip.usb import ControlTransfer, Setup, TransferStatus
from sim.host.backend import get_backend
from sim.host.controller import HostController
from sim.host.drain import Drain
from sim.host.runtime import WorldRuntime
from sim.kernel import World
from sim.options import Options
from sim.sdk import Sdk
from sim.sdk.types import SetDescriptor
from sim.world import BenchWorld

US = 1_000
MS = 1_000_000
SECOND_NS = 1_000_000_000
MHZ = 1_000_000

DONE, STALLED, CANCELLED = (
    TransferStatus.DONE,
    TransferStatus.STALLED,
    TransferStatus.CANCELLED,
)

CLOCK_TABLE = {
    16 * MHZ: (56, "FF FF 00 0E 97 FB 42 17", "00 01 00 1A 00 00 00 00"),
    32 * MHZ: (28, "FF FF 00 0E 97 FB 42 17", "00 01 00 0C 00 00 00 00"),
    64 * MHZ: (14, "FF FF 00 0E 97 FB 42 17", "00 01 00 05 00 00 00 00"),
    48 * MHZ: (18, "FF FF 00 0E 00 F0 00 00", "00 01 00 07 00 00 00 00"),
    128 * MHZ: (6, "FF FF 00 0C 38 FE 38 B8", "00 01 00 01 00 00 00 00"),
    1 * MHZ: (900, "FF FF 00 0E AA FA AA AA", "00 01 01 C0 00 00 00 00"),
    200 * MHZ: (4, "FF FF 00 0C D0 F9 7A D0", "00 01 00 00 00 00 00 00"),
    1: (858, "FF FF 00 0E A9 F2 41 A9", "00 01 41 AB 00 00 00 00"),
    451 * MHZ: (0, "FF FF 03 FE 00 F0 00 00", "00 01 03 FE 00 00 00 00"),
}
"""AN619, Si5351.c: frequency, divider, registers 26 to 33 and 42 to 49."""

PERIOD_NS = 5_156_250_000
"""5000 ms as the hardware watchdog counts them (judgement)."""


class Program:
    """Firmware that consists of one function."""

    name = "bare"

    def __init__(self, main: Callable[[Sdk], None], table: GpifTable) -> None:
        self.main = main
        self.table = table


class BareBench(World):
    """The board and a host with a program of the test's own instead of firmware."""

    def __init__(
        self,
        main: Callable[[Sdk], None] = lambda sdk: None,
        *,
        options: Options | None = None,
        table: GpifTable = EDGES_16,
    ) -> None:
        super().__init__()
        self.options = options or Options()
        self.host = HostController(self, self.options)
        self.board = Rx888(self, self.options, lambda ram, entry: Program(main, table))
        self.chip = self.board.chip
        self.chip.link = self.host
        self.host.vbus = self.chip.vbus
        self.chip.start(bytearray(), 0)
        self.run_until(MS)

    @property
    def sdk(self) -> Sdk:
        assert self.chip.sdk is not None
        return self.chip.sdk

    def thread(self, call: Callable[[], Any], priority: int = 8, name: str = "test"):
        """Run a call in a firmware thread, beside the test."""
        assert self.chip.rtos is not None
        return self.chip.rtos.create_thread(name, priority, call)

    def call(self, call: Callable[[], Any], limit_ns: int = SECOND_NS) -> Any:
        """Run a call in a firmware thread and return what it returned."""
        result: list = []
        self.thread(lambda: result.append(call()))
        self.run_until(self.now_ns + limit_ns)
        assert result, "the call has not returned"
        return result[0]


def register_descriptors(sdk: Sdk) -> None:
    """What a firmware registers before it connects."""
    for kind, descriptor in (
        (SetDescriptor.SS_DEVICE, protocol.DEVICE_DESCRIPTOR_SS),
        (SetDescriptor.HS_DEVICE, protocol.DEVICE_DESCRIPTOR_HS),
        (SetDescriptor.SS_BOS, protocol.BOS_DESCRIPTOR),
        (SetDescriptor.SS_CONFIGURATION, protocol.CONFIGURATION_DESCRIPTOR_SS),
        (SetDescriptor.HS_CONFIGURATION, protocol.CONFIGURATION_DESCRIPTOR_HS),
    ):
        assert sdk.usb_set_desc(kind, 0, descriptor) == 0


def request(
    world: BenchWorld | BareBench,
    request: int,
    value: int = 0,
    *,
    index: int = 0,
    data: bytes = b"",
    length: int | None = None,
    into: bool = False,
    limit_ms: int = 1_000,
) -> ControlTransfer:
    """One vendor request of a host program, with the harness's time-out of 1000 ms."""
    assert world.host.device is not None
    size = len(data) if length is None else length
    kind = 0xC0 if into else 0x40
    setup = Setup(kind, request, value, index, size)
    return world.host.control(world.host.device, setup, data, limit_ms)


def word(world: BenchWorld, code: int, number: int = 0, limit_ms: int = 1_000) -> TransferStatus:
    """An OUT request as fx3_cmd.c sends it: four bytes, little-endian."""
    return request(world, code, data=number.to_bytes(4, "little"), limit_ms=limit_ms).status


def stats(world: BenchWorld) -> Stats:
    """GETSTATS, in whatever form this firmware has it."""
    transfer = request(world, Request.GETSTATS, length=26, into=True)
    assert transfer.status is DONE, transfer.status
    return Stats.unpack(transfer.reply)


def set_cap(world: BenchWorld, cap: int) -> None:
    """SETARGFX3 id 14, as fx3_cmd.c sends it."""
    transfer = request(world, Request.SETARGFX3, cap, index=Argument.WATCHDOG_CAP, data=b"\x00")
    assert transfer.status is DONE


def alive(world: BenchWorld, limit_ms: int = 1_000) -> bool:
    """TESTFX3 with four bytes of answer, as fx3_cmd.c asks."""
    device = world.host.device
    if device is None or not device.is_application:
        return False
    transfer = request(world, Request.TESTFX3, length=4, into=True, limit_ms=limit_ms)
    return transfer.status is DONE and len(transfer.reply) == 4


def booted(firmware: str = "fw-2.3", policy: str | Any = "level-1-4-5", **more: Any) -> BenchWorld:
    """A bench whose application has enumerated."""
    world = BenchWorld(firmware, policy, **more)
    world.boot()
    return world


def clocked(world: BenchWorld, rate_hz: int = 64 * MHZ) -> BenchWorld:
    """STARTADC."""
    assert word(world, Request.STARTADC, rate_hz) is DONE
    return world


def streaming(world: BenchWorld, rate_hz: int = 64 * MHZ) -> Drain:
    """STARTADC, a reader that takes everything, STARTFX3."""
    clocked(world, rate_hz)
    assert world.host.device is not None
    drain = Drain(world, world.host.device)
    drain.start()
    assert word(world, Request.STARTFX3) is DONE
    return drain


def driver(world: BenchWorld, **more: Any) -> Driver:
    """The pyusb driver on a world."""
    return Driver.open(get_backend(world), WorldRuntime(world), **more)


def levels(world: BenchWorld) -> list[int]:
    """The levels that were applied since the last boot, in order."""
    return [level for program in world.programs[-1:] for _, level in program.remedies_applied]


def pause(world: World, duration_ms: int | float) -> None:
    """Let simulated time pass."""
    world.run_until(world.now_ns + round(duration_ms * MS))
