"""Each level earns its place: without it some fault costs the host more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import pytest

from health import Level, Policy
from hw.boot import Image, upload
from hw.protocol import BOOT_PRODUCT_ID, VENDOR_ID, Argument, Request
from sim.chip.usb import Setup
from sim.faults import Fault
from sim.host.backend import get_backend
from sim.host.drain import Drain
from sim.host.runtime import WorldRuntime
from sim.world import BenchWorld

from .bench import DONE, MHZ, MS, SECOND_NS, alive, levels, pause, stats, streaming, word

FAULT_MS = 3_000
PATIENCE_MS = 60_000
NEVER = 1 << 62


class Station:
    """A host program that streams, and brings its device back when that is in its boot ROM."""

    def __init__(self, world: BenchWorld) -> None:
        self.world = world
        self.rounds = 0
        world.boot()
        streaming(world)

    def packets(self) -> int:
        return self.world.chip.stream.flow.delivered_packets(self.world.now_ns)

    def revive(self) -> None:
        """Upload, set the clock, start: what an operator's script does."""
        import usb.core

        world = self.world
        device = usb.core.find(
            backend=get_backend(world), idVendor=VENDOR_ID, idProduct=BOOT_PRODUCT_ID
        )
        upload(device, Image.parse(world.image), WorldRuntime(world))
        while world.host.device is None or not world.host.device.is_application:
            pause(world, 20)
        assert word(world, Request.STARTADC, 64 * MHZ) is DONE
        Drain(world, world.host.device).start()
        pause(world, 20)
        word(world, Request.STARTFX3)
        self.rounds += 1

    def serving_after(self, provoke: Callable[[BenchWorld], None], data_alone: bool = False) -> int:
        """From the fault to the first 50 ms in which data flows and EP0 answers well, in ns."""
        world = self.world
        world.run_until(FAULT_MS * MS)
        begun_ns = world.now_ns
        provoke(world)
        while world.now_ns - begun_ns < PATIENCE_MS * MS:
            before = self.packets()
            pause(world, 50)
            device = world.host.device
            if device is None:
                continue
            if not device.is_application:
                self.revive()
                continue
            flows = self.packets() - before > 1_000
            if flows and alive(world, 250) and self.answers_well():
                return world.now_ns - begun_ns
        return NEVER

    def answers_well(self) -> bool:
        """Two different questions get their own answers, and an OUT request is taken."""
        world = self.world
        device = world.host.device
        if device is None:
            return False
        asked = (Setup(0xC0, Request.GETSTATS, 0, 0, 26), Setup(0xC0, Request.TESTFX3, 0, 0, 4))
        replies = [world.host.control(device, setup, b"", 250).reply for setup in asked]
        sent = Setup(0x40, Request.SETARGFX3, 0, Argument.VGA, 1)
        taken = world.host.control(device, sent, b"\0", 250).status is DONE
        return [len(reply) for reply in replies] == [26, 4] and taken


def nothing(world: BenchWorld) -> None:
    """The fault comes by itself."""


def stop_stream(world: BenchWorld) -> None:
    """A request in whose handler the fault lies."""
    word(world, Request.STOPFX3)


@dataclass(frozen=True)
class Case:
    """A fault and the level that answers it best."""

    level: Level
    faults: tuple[str, ...]
    provoke: Callable[[BenchWorld], None]
    within_ms: int


CASES = {
    "a DMA error while the reader is away": Case(
        Level.STREAM,
        (f"host_paused:at_ms={FAULT_MS - 500},for_ms=3000", f"dma_error:at_ms={FAULT_MS}"),
        nothing,
        2_600,
    ),
    "stale data on EP0": Case(Level.EP0, (f"ep0_desync:at_ms={FAULT_MS}",), nothing, 2_500),
    "a DMA error that level 1 does not mend": Case(
        Level.APPLICATION,
        (f"dma_error:at_ms={FAULT_MS}", "remedy_fails:level=1,times=0"),
        nothing,
        1_000,
    ),
    "a handler that blocks": Case(
        Level.DEVICE_RESET,
        ("hang:call=usb_flush_ep,thread=usb,during=STOPFX3",),
        stop_stream,
        5_000,
    ),
    "a handler that spins": Case(
        Level.WATCHDOG,
        ("hang:call=usb_flush_ep,thread=usb,during=STOPFX3,manner=spinning",),
        stop_stream,
        10_000,
    ),
    "a main loop that died before a DMA error": Case(
        Level.WATCHDOG,
        (f"main_hang:at_ms={FAULT_MS}", f"dma_error:at_ms={FAULT_MS}"),
        nothing,
        10_000,
    ),
}


def serve(case: Case, policy: Policy) -> tuple[int, list[int], list[str]]:
    faults = [Fault.parse(text) for text in case.faults]
    with BenchWorld("reference", policy, faults=faults) as world:
        taken = Station(world).serving_after(case.provoke)
        applied = [level for program in world.programs for _, level in program.remedies_applied]
        return taken, applied, [reset.cause for reset in world.chip.resets]


@pytest.mark.parametrize("name", CASES)
def test_the_reference_without_a_level_is_worse(name):
    """For each level a fault after which the host is served later without it."""
    case = CASES[name]
    reference = Policy.preset("reference")
    taken, applied, causes = serve(case, reference)
    assert taken <= case.within_ms * MS
    if case.level is Level.WATCHDOG:
        assert (applied, causes) == ([], ["watchdog"])
    else:
        assert case.level in applied
        assert max(applied) == case.level
    without, *_ = serve(case, reference.without_level(case.level))
    assert without >= taken + 500 * MS


def test_every_level_has_such_a_fault():
    """None of the five is decoration."""
    assert {case.level for case in CASES.values()} == set(Level)


@pytest.mark.parametrize("policy", ["none", "level-1", "level-1-4"])
def test_without_level_5_a_dead_main_loop_is_for_ever(policy):
    """DESIGN 3: levels 1 to 4 live in the main loop; only the hardware outlives it."""
    for name, expected in ((policy, []), ("level-1-4-5", ["watchdog"])):
        fault = Fault("main_hang", at_ms=FAULT_MS)
        with BenchWorld("reference", name, faults=[fault]) as world:
            Station(world)
            pause(world, PATIENCE_MS)
            assert [reset.cause for reset in world.chip.resets] == expected


def test_policies_see_more_from_preset_to_preset():
    """DESIGN 2: each preset is at least as good as the one before it, over all these faults."""
    names = Policy.preset_names()
    assert names[0] == "none"
    for case in CASES.values():
        served = [serve(case, Policy.preset(name))[0] for name in names]
        assert served[0] == NEVER
        for before, after in pairwise(served):
            assert after <= before + 100 * MS, (case, served)


def test_no_policy_never_recovers():
    """``none`` never recovers; nothing resets a device behind a policy's back."""
    for case in CASES.values():
        taken, applied, causes = serve(case, Policy.preset("none"))
        assert (applied, causes) == ([], [])
        assert taken == NEVER


def test_a_remedy_climbs_no_further_than_it_must():
    """DESIGN 3: a streaming fault that level 1 mends never costs the firmware."""
    for text in (f"dma_error:at_ms={FAULT_MS}", f"clock_loss:at_ms={FAULT_MS},for_ms=4000"):
        with BenchWorld("reference", "reference", faults=[Fault.parse(text)]) as world:
            station = Station(world)
            assert station.serving_after(nothing) < 6_000 * MS
            pause(world, 30_000)
            assert set(levels(world)) <= {1}
            assert station.rounds == 0
            assert stats(world).boot_count == 1
            assert world.now_ns > 30 * SECOND_NS
