"""The steps of a smoke run on an RX888: looks that claim nothing and pass beside a stream.

Source: USBHandler.c (GETSTATS); :mod:`hw.glance` for what a look asks.
"""

from __future__ import annotations

from typing import Any, Final

from hw.bus import Bus
from hw.errors import NoDeviceError
from hw.glance import Found, Look, found_on, glance, look
from hw.host.smoke import NotRun, Stage, Step, StepFailed, Told
from hw.host.smoke_modem import release_step

BUDGET_MS: Final = 10_000


def fx3_steps(bus: Bus, evidence: Step) -> tuple[Step, ...]:
    """Return the steps of one run.

    Args:
        bus: where the device is, with its guard.
        evidence: looks at the host.
    """
    run = _Run(bus)
    return (
        Step("discovery", Stage.DISCOVERY, BUDGET_MS, run.discover, is_required=True),
        Step(
            "GETSTATS",
            Stage.LINK,
            BUDGET_MS,
            run.ask,
            needs=("discovery",),
            is_required=True,
        ),
        Step(
            "probe",
            Stage.LINK,
            BUDGET_MS,
            run.probe,
            needs=("GETSTATS",),
            is_required=True,
        ),
        Step(
            "identity",
            Stage.IDENTITY,
            BUDGET_MS,
            run.identify,
            needs=("discovery",),
            is_required=True,
        ),
        evidence,
        release_step(bus.gate.release),
    )


class _Run:
    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._found: Found | None = None

    def discover(self) -> Told:
        seen = look(self._bus)
        facts = {"port": seen.port, "what": seen.what}
        if seen.what in ("absent", "silent"):
            if seen.error is not None:
                raise seen.error
            raise NoDeviceError("find", f"04b4:00f1, {self._bus.selector.label}")
        if seen.what != "application":
            raise StepFailed(f"{seen.port}: in its boot ROM, no firmware runs", facts)
        self._found = next((item for item in found_on(self._bus) if item.port == seen.port), None)
        return Told(f"an application on port {seen.port}", facts)

    def ask(self) -> Told:
        seen = look(self._bus)
        if seen.error is not None:
            raise seen.error
        if seen.what != "application":
            raise StepFailed(f"{seen.port}: {seen.what}", _facts(seen))
        if seen.stats is None:
            return Told("TESTFX3 is answered; this firmware has no GETSTATS", _facts(seen))
        return Told(f"answered in {seen.answer_ms or 0:.1f} ms", _facts(seen))

    def probe(self) -> Told:
        seen = glance(self._bus)
        facts = {"condition": seen.condition, **_facts(seen.last)}
        if not seen.is_healthy:
            raise StepFailed(seen.condition, facts)
        return Told(seen.condition, facts)

    def identify(self) -> Told:
        found = self._found
        if found is None:
            raise NotRun("it left the bus meanwhile")
        device = found.device
        facts = {
            "port": found.port,
            "speed": found.speed,
            "serial": found.serial or "",
            "ids": f"{device.idVendor:04x}:{device.idProduct:04x}",
            "release": f"{device.bcdDevice:#06x}",
        }
        if not found.serial:
            raise StepFailed("it does not tell its serial number", facts)
        return Told(f"{facts['ids']} on {found.port}, {found.speed} speed", facts)


def _facts(seen: Look) -> dict[str, Any]:
    stats = seen.stats
    return {
        "port": seen.port,
        "what": seen.what,
        "answer_ms": seen.answer_ms,
        "stats": None
        if stats is None
        else {name: getattr(stats, name) for name in sorted(stats.capabilities)},
    }
