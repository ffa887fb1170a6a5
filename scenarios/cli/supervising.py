"""What ``fx3loop supervise`` does: on a world with a program in it, or on a real device."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import click

from health import Policy
from hw.boot import Image
from hw.bus import Selector
from hw.errors import NoDeviceError
from hw.guard import Authority, HostState
from hw.guard.locks import DeviceLock
from hw.guard.place import state_dir
from hw.host.watch import HostWatch
from hw.runtime import ThreadRuntime
from hw.rx888 import Rx888
from hw.supervisor import (
    Forbidden,
    FreeHand,
    Log,
    Mandate,
    Memory,
    MemoryDamaged,
    Notifier,
    Restraint,
    StandingMandate,
    Supervisor,
    standing_authority,
)
from hw.supervisor.memory import FILE_NAME, set_aside
from hw.supervisor.metrics import serve
from scenarios import option_text
from scenarios.cli import inputs
from scenarios.cli.supervise_orders import Orders, Result
from scenarios.supervised import Plan, SupervisedWorld
from sim.faults import Fault
from sim.firmware import revision

SIM_DURATION_MS: Final = 60_000
WORLD_SERIAL: Final = "0009072C00D62F32"


def plan(
    policy: Policy,
    image: Image | None,
    *,
    firmware: str,
    device_policy: str,
    faults: tuple[str, ...],
    options: tuple[str, ...],
    seed: int,
    has_program: bool,
    unplug_s: float | None,
) -> Plan:
    """Return what runs in a world, from what was typed.

    Raises:
        FirmwareNotKnown, PolicyError, FaultError, InputError: a name or a value is wrong.
    """
    return Plan(
        policy,
        firmware=revision(firmware).name,
        device_policy=inputs.policy(device_policy),
        seed=seed,
        faults=tuple(Fault.parse(text) for text in faults),
        options=option_text.parse(options),
        image=image,
        has_program=has_program,
        unplug_at_ms=None if unplug_s is None else round(unplug_s * 1000),
    )


def in_world(orders: Orders, chosen: Plan, speed: float) -> Result:
    """Supervise a world until its time is over or somebody ends it.

    Args:
        orders: what was asked for.
        chosen: what runs in the world.
        speed: simulated seconds in one second, 0 for as fast as it goes.

    Raises:
        MetricsError: the counts cannot be served.
    """
    memory = Memory()
    mandate = _world_mandate(orders)
    with SupervisedWorld(
        chosen, mandate=mandate, memory=memory, write=_log_line, is_json=orders.is_json_log
    ) as place:
        limit_ms = orders.limit_ms or SIM_DURATION_MS
        with _serving(orders.metrics, place.supervisor), _ended_by_signal() as is_ended:
            began_s = time.monotonic()
            passed_ns = 0
            for passed_ns in place.run(limit_ms):
                if speed:
                    due_s = began_s + passed_ns / 1e9 / speed
                    time.sleep(max(0.0, due_s - time.monotonic()))
                if is_ended():
                    break
            # Whoever ends it early asks for no verdict.
            is_well = None if is_ended() else place.is_well
            place.end()
        result = _result("world", orders, place.supervisor, memory, passed_ns / 1e9, is_well)
        return replace(
            result,
            is_interrupted=is_ended() == signal.SIGINT,
            has_program=chosen.has_program,
        )


def _world_mandate(orders: Orders) -> Mandate:
    rights = orders.rights
    if rights.is_observing:
        return Forbidden()
    state = rights.host_state or HostState.NORMAL
    if rights.are_named:
        return _standing(orders, WORLD_SERIAL, lambda: state)
    return FreeHand(lambda: state)


def on_device(orders: Orders, serial: str | None) -> Result:
    """Supervise a real device until somebody ends it.

    Args:
        orders: what was asked for.
        serial: which device; None for the only one, which then no grant can name.

    Raises:
        LockedError: another supervisor watches it.
        DeviceError: no USB library, several devices, or one that may not be opened.
        MetricsError: the counts cannot be served.
    """
    runtime = ThreadRuntime()
    log = Log(_log_line, _utc, is_json=orders.is_json_log)
    watch = HostWatch()
    device = Rx888.expect(
        None,
        runtime,
        selector=Selector(serial=serial),
        authority=standing_authority(Authority(), orders.rights.grants, watch.state, time.time),
        is_shared=True,
    )
    if device.look() is None and orders.is_once:
        raise NoDeviceError("supervise", device.target.name)
    # Two of them would each take the other's remedies for trouble.
    lock = DeviceLock.take(f"supervisor {serial or 'any'}")
    memory = _open_memory(serial, log)
    supervisor = Supervisor(
        device,
        runtime,
        orders.policy,
        orders.image,
        mandate=Forbidden()
        if orders.rights.is_observing
        else _standing(orders, serial, watch.state),
        memory=memory,
        restraint=Restraint(),
        log=log,
        notifier=Notifier(os.environ, runtime.now_ns),
        now_s=lambda: int(time.time()),
    )
    began_ns = runtime.now_ns()
    with _serving(orders.metrics, supervisor), _ended_by_signal(supervisor.stop) as is_ended:
        supervisor.run(orders.limit_ms)
    device.close()
    lock.release()
    duration_s = round((runtime.now_ns() - began_ns) / 1e9, 3)
    log("stopped", after_s=duration_s)
    result = _result(device.target.name, orders, supervisor, memory, duration_s, None)
    return replace(result, is_interrupted=is_ended() == signal.SIGINT)


def _standing(
    orders: Orders, serial: str | None, host_state: Callable[[], HostState]
) -> StandingMandate:
    return StandingMandate(
        orders.policy, orders.rights.certificate, serial, orders.rights.grants, host_state
    )


def _open_memory(serial: str | None, log: Log) -> Memory:
    name = FILE_NAME if serial is None else f"{serial}.{FILE_NAME}"
    path = state_dir() / name
    try:
        return Memory.open(path)
    except MemoryDamaged as error:
        log("memory-damaged", reason=str(error), moved_to=str(set_aside(path)))
        return Memory.open(path)


@contextmanager
def _serving(address: str | None, supervisor: Supervisor) -> Iterator[None]:
    if address is None:
        yield
        return
    port, close = serve(address, supervisor)
    click.echo(f"metrics on port {port}", err=True)
    try:
        yield
    finally:
        close()


@contextmanager
def _ended_by_signal(call: Callable[[], None] = lambda: None) -> Iterator[Callable[[], int]]:
    """End after what is being done at SIGTERM and at Ctrl-C; yields which came first, else 0.

    An upload that is cut short leaves a device without firmware. A second Ctrl-C does not wait.
    """
    came: list[int] = []

    def handler(number: int, frame: object) -> None:
        del frame
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        came.append(number)
        call()

    before = {number: signal.signal(number, handler) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield lambda: came[0] if came else 0
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _utc() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _log_line(line: str) -> None:
    click.echo(line, err=True)


def _result(
    target: str,
    orders: Orders,
    supervisor: Supervisor,
    memory: Memory,
    duration_s: float,
    is_well: bool | None,
) -> Result:
    return Result(
        target,
        orders.policy.name,
        supervisor.observing,
        supervisor.status.name,
        supervisor.is_absent,
        is_well,
        duration_s,
        supervisor.tally.as_dict(),
        memory.as_dict(),
    )


def print_result(result: Result) -> None:
    """Print what there is to say in the end, in a few lines."""
    counts = result.counts
    click.echo(f"watched {result.target} for {result.duration_s:g} s: {counts['probes']} probes")
    for item in counts["remedies"]:
        click.echo(f"level {item['level']} {item['outcome'].lower()}: {item['count']}")
    for item in counts["would"]:
        click.echo(f"would have applied level {item['level']} to {item['status']}: {item['count']}")
    uploads = counts["uploads"]
    if any(uploads.values()):
        click.echo(f"uploads: {uploads['done']} done, {uploads['failed']} failed")
    if result.observing:
        click.echo(f"observed only: {result.observing}")
    if result.is_absent:
        click.echo("the device is not there")
    elif result.is_well is None:
        click.echo(f"status: {result.status}")
    elif result.has_program:
        click.echo(f"the program is {'served' if result.is_well else 'not served'}")
    else:
        click.echo(f"the device {'answers' if result.is_well else 'does not answer'}")
