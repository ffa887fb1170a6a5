"""What ``fx3loop device`` does without opening the device: list, probe, upload, power-cycle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import usb.util

from hw.boot import Image, Upload
from hw.bus import REENUMERATION_TIMEOUT_MS, Bus
from hw.glance import Look, found_on, glance
from hw.ports import Port
from hw.power import OFF_MS, PowerCycle, PowerOutcome, power_cycle
from scenarios.cli import output
from scenarios.cli.device_session import Done, Session
from scenarios.errors import InputError, Trouble
from scenarios.suite.commands import stats_text

NONE = "–"


def show_list(session: Session) -> Done:
    """Every device that is there, applications and boot ROMs."""
    rows: list[dict[str, Any]] = []
    for found in found_on(session.place.open_bus()):
        owners = session.place.owners(found.device)
        rows.append(
            {
                "serial": found.serial,
                "port": found.port,
                "speed": found.speed,
                "what": found.what,
                "owners": list(owners),
            }
        )
    if rows and not session.is_quiet:
        table = output.table("serial", "port", "speed", "what", "owner")
        for row in rows:
            names = ("serial", "port", "speed", "what")
            table.add_row(*(str(row[name] or NONE) for name in names), output.words(row["owners"]))
        output.print_table(table)
    count = len(rows)
    return Done(True, f"{count or 'no'} device{'' if count == 1 else 's'}", {"devices": rows})


def probe(session: Session) -> Done:
    """How the device does, by looks that claim nothing."""
    seen = glance(session.place.open_bus())
    now = seen.last
    answer = "" if now.answer_ms is None else f", answers in {now.answer_ms:.1f} ms"
    details = "" if now.stats is None else f"; {stats_text(now.stats)}"
    facts = {"condition": seen.condition, **facts_of(now)}
    return Done(seen.is_healthy, f"{now.port} {seen.condition}{answer}{details}", facts)


def facts_of(seen: Look) -> dict[str, Any]:
    """Return a look as data."""
    stats = seen.stats
    return {
        "port": seen.port,
        "what": seen.what,
        "answer_ms": seen.answer_ms,
        "stats": None
        if stats is None
        else {name: getattr(stats, name) for name in sorted(stats.capabilities)},
    }


def upload(image: Image | None) -> Callable[[Session], Done]:
    """Upload to a device in its boot ROM; with no image, the session's own."""

    def do(session: Session) -> Done:
        session.image = image or session.image
        firmware = required_image(session)
        if session.is_open:
            # A command before this one may just have reset it.
            report = session.station.device.reacquire(firmware)
        else:
            report = _bring_up(session.place.open_bus(), firmware)
        if report is None:
            raise Trouble("an application runs already; load resets it first")
        return Done(True, f"{report.written_bytes} bytes in {report.duration_ns / 1e6:.1f} ms")

    return do


def required_image(session: Session) -> Image:
    """Return the session's image.

    Raises:
        InputError: there is none.
    """
    if session.image is None:
        raise InputError("which image? upload FILE, or --image FILE")
    return session.image


def cycle(port: Port | None, off_ms: int = OFF_MS) -> Callable[[Session], Done]:
    """Turn the device's port off and on, and upload again where there is an image."""

    def do(session: Session) -> Done:
        session.leave()
        bus = session.place.open_bus()
        done = power_cycle(bus, port=port, off_ms=off_ms)
        has_passed = done.outcome is PowerOutcome.CYCLED
        text = _power_text(done)
        if has_passed and session.image is not None:
            text += f"; {_upload_again(bus, session.image)}"
        facts = {
            "outcome": done.outcome.value,
            "port": done.port,
            "halves": list(done.halves),
            "way": done.way,
            "left_after_ms": done.left_after_ms,
            "back_after_ms": done.back_after_ms,
        }
        return Done(has_passed, text, facts)

    return do


def _power_text(done: PowerCycle) -> str:
    halves = f" ({output.words(done.halves)}, by the {done.way})" if done.halves else ""
    return f"{done.port} {done.outcome.value}{halves}: {done.detail}"


def _upload_again(bus: Bus, image: Image) -> str:
    report = _bring_up(bus, image)
    return (
        "an application was faster" if report is None else f"{report.written_bytes} bytes uploaded"
    )


def _bring_up(bus: Bus, image: Image) -> Upload | None:
    """Upload to what comes up on the bus, and leave it to whoever wants it next."""
    try:
        device, report = bus.bring_up(image, REENUMERATION_TIMEOUT_MS)
        usb.util.dispose_resources(device)
    finally:
        bus.gate.release()
    return report
