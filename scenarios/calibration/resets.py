"""Resets, the boot ROM, uploads, and the tests that go through all of them."""

from __future__ import annotations

from functools import partial

from hw.protocol import BOOT_PRODUCT_ID, Request
from scenarios import registry
from scenarios.calibration.bench import MHZ, NS_PER_MS, NS_PER_S, SHIPPED, booted, ignoring_failure
from scenarios.calibration.figure import Figure, Group, Interval, Rule, about, exactly, over
from scenarios.performance import perform
from scenarios.suite import moves

APPLICATION_APPEARS = "new device 04b4:00f1"


def reset_request() -> Interval:
    """From the acknowledgement of RESETFX3 to the reset."""
    with booted() as bench:
        bench.device.reset()
        acknowledged_ns = bench.world.now_ns
        bench.sleep_ms(500)
        (reset,) = bench.world.chip.resets
        return exactly((reset.at_ns - acknowledged_ns) / NS_PER_MS)


def boot_rom_after_reset() -> Interval:
    """From a reset to the boot ROM on the bus."""
    with booted() as bench:
        bench.device.reset()
        bench.device.wait_for(BOOT_PRODUCT_ID, timeout_ms=10_000)
        (reset,) = bench.world.chip.resets
        return exactly((bench.world.now_ns - reset.at_ns) / NS_PER_S)


def boot_rom_after_port_reset() -> Interval:
    """From a port reset to the boot ROM on the bus."""
    with booted() as bench:
        began_ns = bench.world.now_ns
        ignoring_failure(bench.device.port_reset)
        bench.device.wait_for(BOOT_PRODUCT_ID, timeout_ms=20_000)
        return exactly((bench.world.now_ns - began_ns) / NS_PER_S)


def enumeration() -> Interval:
    """From the jump into the uploaded firmware to a configured device."""
    with booted() as bench:
        station = bench.station()
        bench.device.reset()
        bench.device.wait_for(BOOT_PRODUCT_ID, timeout_ms=10_000)
        bench.device.reacquire(moves.require_image(station), timeout_ms=10_000)
        jumped_ns = max(
            item[4]
            for item in bench.record.records
            if item[1] == "host/control" and item[2].startswith(f"{Request.RAM_ACCESS:#04x} ")
        )
        configured_ns = max(
            at_ns for at_ns, text in bench.world.host.log if text.startswith(APPLICATION_APPEARS)
        )
        return exactly((configured_ns - jumped_ns) / NS_PER_MS)


def upload() -> Interval:
    """The upload helper on a device in its boot ROM, with its waits."""
    with booted() as bench:
        station = bench.station()
        bench.device.reset()
        bench.device.wait_for(BOOT_PRODUCT_ID, timeout_ms=10_000)
        began_ns = bench.world.now_ns
        moves.upload(station)
        return exactly((bench.world.now_ns - began_ns) / NS_PER_S)


def reload() -> Interval:
    """RESETFX3, the harness's wait of 3 s, and the upload helper."""
    with booted() as bench:
        station = bench.station()
        began_ns = bench.world.now_ns
        bench.device.reset()
        station.sleep_ms(3_000)
        moves.upload(station)
        return exactly((bench.world.now_ns - began_ns) / NS_PER_S)


def serves_again() -> Interval:
    """Bytes of the first block after level 4 and an upload, both firmwares."""
    received = []
    for firmware, policy in (SHIPPED, ("reference", "reference")):
        with booted(firmware, policy) as bench:
            station = bench.station()
            ignoring_failure(partial(bench.device.hang_handler, 60_000))
            bench.device.wait_for(BOOT_PRODUCT_ID, timeout_ms=10_000)
            moves.upload(station)
            bench.device.start_adc(64 * MHZ)
            received.append(moves.primed_start(station))
    return over(received)


def recovery_test(name: str) -> Interval:
    """How long one of the two recovery tests takes, at several phases."""
    taken = []
    for phase_us in range(0, 3_000_000, 750_013):
        with booted(uptime_us=1_000_000 + phase_us) as bench:
            done = perform(registry.find(name), bench.station(), None)
            if done.failure is None:
                taken.append((done.ended_ns - done.began_ns) / NS_PER_S)
    return over(taken)


GROUP = Group(
    "Resets and uploads",
    (
        Figure(
            key="main_recovery_test",
            quantity="test_main_recovery in whole",
            published="about 15 s; probes 4 to 8 s, and the upload",
            source="commit 8c0d579",
            unit="s",
            expected=about(15, 20),
            measure=lambda: recovery_test("test_main_recovery"),
            rule=Rule.MEETS,
        ),
        Figure(
            key="health_recovery_test",
            quantity="test_health_recovery in whole",
            published="about 15 s",
            source="commit 8c0d579",
            unit="s",
            expected=about(15, 20),
            measure=lambda: recovery_test("test_health_recovery"),
            rule=Rule.MEETS,
            reason="its own waits are 1 s for the hang, 4 s and the upload's 6 s; 15 s was said of "
            "both recovery tests at once",
        ),
        Figure(
            key="reset_request",
            quantity="RESETFX3: from the acknowledgement to the reset",
            published="100 ms asleep",
            source="USBHandler.c",
            unit="ms",
            expected=Interval(99, 101),
            measure=reset_request,
        ),
        Figure(
            key="boot_rom",
            quantity="from a reset to the boot ROM on the bus",
            published="1 to 3 s",
            source="PLAN-reload-interval; soak_test.sh",
            unit="s",
            expected=Interval(1, 3),
            measure=boot_rom_after_reset,
            rule=Rule.MEETS,
            remark="this is option boot_rom_enumeration_ms; test_health_recovery leaves it 1.9 s",
        ),
        Figure(
            key="port_reset",
            quantity="from a port reset (usbreset) to the boot ROM on the bus",
            published="2 to 7 s",
            source="soak_test.sh, seen on hardware",
            unit="s",
            expected=Interval(2, 7),
            measure=boot_rom_after_port_reset,
            remark="why the firmware does that is inferred, not known",
        ),
        Figure(
            key="enumeration",
            quantity="from the last byte of the firmware to a configured device",
            published="about 430 ms (usbmon)",
            source="ka9q-compat-audit",
            unit="ms",
            expected=about(430, 10),
            measure=enumeration,
            rule=Rule.MEETS,
            remark="option application_enumeration_ms is its greater part",
        ),
        Figure(
            key="serves_again",
            quantity="first block of a stream after level 4 and an upload",
            published="the device serves again: re-acquired, re-uploaded, data",
            source="judgement",
            unit="bytes",
            expected=exactly(16_384),
            measure=serves_again,
        ),
        Figure(
            key="host_setup",
            quantity="from a visible device to one that programs may open",
            published="kernel about 3 ms, udev and libusb several hundred ms",
            source="commit 57e68c5",
            reason="software of that host; the model's device can be opened at once",
        ),
        Figure(
            key="harness_waits",
            quantity="waits of the harness after RESETFX3 and usbreset",
            published="3 s; usbreset 0.5 to 2 s",
            source="PLAN-reload-interval; soak_test.sh",
            reason="a choice of those programs, and software of that host",
        ),
        Figure(
            key="upload",
            quantity="upload helper on a device in its boot ROM",
            published="fixed waits of 4 s and 2 s; about 5 s in fact",
            source="fx3_cmd.c, upload_firmware; commit 8c0d579",
            unit="s",
            expected=Interval(5, 6),
            measure=upload,
            rule=Rule.MEETS,
        ),
        Figure(
            key="reload",
            quantity="reload between two chunks: RESETFX3, 3 s, upload",
            published="about 10 s",
            source="PLAN-reload-interval; soak_test.sh",
            unit="s",
            expected=about(10, 20),
            measure=reload,
            rule=Rule.MEETS,
        ),
    ),
)
"""Figures about resets."""
