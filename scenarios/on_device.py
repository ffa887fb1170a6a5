"""Runs a scenario on a real device, through the guard."""

from __future__ import annotations

from contextlib import suppress

from hw.boot import Image
from hw.bus import Selector, UsbBackend
from hw.errors import DeviceError
from hw.guard import Authority, AuthoritySource
from hw.runtime import Runtime, ThreadRuntime
from hw.rx888 import Rx888
from hw.trace.exchanges import follow
from hw.trace.transfers import TransferLog
from scenarios.contract import Examiner
from scenarios.host_program import NOTHING, HostProgram, Report
from scenarios.judge import DEGRADED, LEFT_ALONE, LOCKED_UP, PASS, RECOVERED, Row
from scenarios.performance import Performance
from scenarios.scenario import Scenario
from scenarios.station import EP0_ANSWERS, Station
from sim.streams import Stream

ON_DEVICE = "device's own"
"""Policy of a firmware that brings its own."""
MILLISECOND_NS = 1_000_000


def run_on_device(
    scenario: Scenario,
    *,
    firmware: str,
    seed: int = 0,
    authority: Authority | AuthoritySource | None = None,
    selector: Selector | None = None,
    image: Image | None = None,
    backend: UsbBackend | None = None,
    runtime: Runtime | None = None,
    transfers: TransferLog | None = None,
) -> Row:
    """Run a scenario on a device, judge it as strictly as its replies allow, and close it.

    Args:
        scenario: what runs.
        firmware: the revision that the device is expected to run.
        seed: of what the scenario draws.
        authority: what the guard is told, or what answers with it; by default it allows nothing.
        selector: which device; by default the only one there is.
        image: firmware to upload to a boot ROM.
        backend: a pyusb backend; by default the system's libusb.
        runtime: clock and threads; by default the operating system's.
        transfers: is told what the driver sees of each transfer; None for nobody.

    Raises:
        DeniedError: the guard does not allow it.
        DeviceError: there is no such device, or it cannot be opened.
        FirmwareNotKnown: there is no such revision.
    """
    clock = runtime or ThreadRuntime()
    parameters = scenario.draw(Stream(seed, scenario.name))
    device = Rx888.open(backend, clock, selector=selector, authority=authority, image=image)
    with device:
        if transfers is not None:
            device.observe(follow(transfers, lambda: device.address))
        began_ns = clock.now_ns()
        examiner = Examiner(firmware, device, None)
        station = Station(device, clock, image=image)
        program = HostProgram(station, scenario, image, None, examiner)
        try:
            report = program.run(parameters)
            ended_ns = clock.now_ns()
        finally:
            # Whatever happened, nobody reads from now on.
            with suppress(DeviceError):
                device.stop()
    return _row(
        scenario,
        station,
        report,
        program.performance,
        firmware=firmware,
        seed=seed,
        duration_ns=ended_ns - began_ns,
    )


def _row(
    scenario: Scenario,
    station: Station,
    report: Report,
    performance: Performance,
    *,
    firmware: str,
    seed: int,
    duration_ns: int,
) -> Row:
    """What is known of such a run: nobody sees into the device, and nothing was injected."""
    failure = performance.failure
    return Row(
        incident=scenario.incident,
        scenario=scenario.name,
        firmware=firmware,
        policy=ON_DEVICE,
        position="device",
        fault="nothing",
        manner=None,
        injected=(),
        options=(),
        host_saw=report.saw,
        host_saw_after_ms=None,
        host_saw_in=report.step,
        ep0=report.ep0,
        detected_level=None,
        detected_after_ms=None,
        remedies=(),
        serving_after_ms=0 if report.saw == NOTHING else None,
        uploads=station.device.generation,
        verdict=_verdict(report),
        seed=seed,
        simulated_ms=duration_ns // MILLISECOND_NS,
        unused_faults=(),
        violations=(),
        original=PASS if failure is None else f"fail: {failure}",
        strict=performance.violations,
        said=(*station.said, *filter(None, (performance.text,))),
    )


def _verdict(report: Report) -> str:
    if report.saw == NOTHING:
        return LEFT_ALONE
    if report.served_ns is not None:
        return RECOVERED
    return DEGRADED if report.ep0 == EP0_ANSWERS else LOCKED_UP
