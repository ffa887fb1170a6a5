"""A supervisor, and the program that it stands beside, on the real libusb.

Each prints what it saw as JSON; those that go on and on do so until a line comes on their standard
input.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from health import Evidence, Level, Policy, Status, StatusCode, level_bit
from hw.boot import Image
from hw.bus import Selector
from hw.errors import DeviceError, DeviceTimeoutError
from hw.guard import Authority, Grant, HostState
from hw.guard.certificate import Certificate, Firmware
from hw.platform import HostPlatform
from hw.runtime import ThreadRuntime
from hw.rx888 import Rx888
from hw.supervisor import Log, StandingMandate, Supervisor, standing_authority
from sim.firmware import image
from tests.real.programs import authority, failure

RATE_HZ = 4_000_000
BLOCK_BYTES = 256 * 1024
READ_TIMEOUT_MS = 500
SILENT_READS = 10
"""Five seconds, then ka9q-radio begins anew."""
RETRY_S = 0.5
INTERFACE_LEVELS = (Level.EP0, Level.APPLICATION)
LEVELS = (Level.STREAM, *INTERFACE_LEVELS, Level.DEVICE_RESET)
HUNG = Status(StatusCode.EP0_WEDGED, 1, Evidence())
IMAGE = Image.parse(image("fw-2.3"))


def listen() -> dict[str, int]:
    """Own the interface and read a stream; begin anew when it is over."""
    is_over = _over_at_a_line()
    found = {"blocks": 0, "sessions": 0}
    while not is_over.is_set():
        try:
            with Rx888.open(authority=authority()) as device:
                found["sessions"] += 1
                _read_all(device, found, is_over)
        except DeviceError:
            time.sleep(RETRY_S)
    return found


def _read_all(device: Rx888, found: dict[str, int], is_over: threading.Event) -> None:
    device.start_adc(RATE_HZ)
    device.primed_start(BLOCK_BYTES, timeout_ms=2_000)
    if found["sessions"] == 1:
        print(json.dumps("streaming"), flush=True)
    silent = 0
    while not is_over.is_set() and silent < SILENT_READS:
        try:
            device.read(BLOCK_BYTES, timeout_ms=READ_TIMEOUT_MS)
            found["blocks"] += 1
            silent = 0
        except DeviceTimeoutError:
            silent += 1
    device.stop()


def supervise(serial: str) -> dict[str, Any]:
    """Supervise beside it with a certificate and a standing grant."""
    policy = Policy.preset("reference")
    grants = (Grant(serial, frozenset(LEVELS)),)
    runtime = ThreadRuntime()
    lines: list[str] = []
    device = Rx888.expect(
        None,
        runtime,
        selector=Selector(serial=serial),
        authority=standing_authority(
            Authority(), lambda: grants, lambda: HostState.NORMAL, time.time
        ),
        is_shared=True,
    )
    supervisor = Supervisor(
        device,
        runtime,
        policy,
        IMAGE,
        mandate=StandingMandate(
            policy, _certificate(policy), serial, lambda: grants, lambda: HostState.NORMAL
        ),
        log=Log(lines.append, lambda: f"{runtime.now_ns() / 1e9:.3f}"),
    )
    is_over = _over_at_a_line()
    supervisor.start()
    print(json.dumps("watching"), flush=True)
    is_over.wait()
    owner = device.owner.value
    supervisor.stop()
    return {
        "remedies": [int(remedy.level) for remedy in supervisor.remedies],
        "owner": owner,
        "status": int(supervisor.status),
        "observing": supervisor.observing,
        "lines": lines,
    }


def levels() -> dict[str, Any]:
    """What levels 2 and 3 come to, and the calls that they are made of."""
    with Rx888.open(authority=authority(), is_shared=True) as device:
        platform = HostPlatform(device, IMAGE, ThreadRuntime())
        return {
            "available": [level for level in LEVELS if platform.available() & level_bit(level)],
            "outcomes": [platform.apply(level, HUNG).name for level in INTERFACE_LEVELS],
            "clear halt": failure(device.clear_halt),
            "configure": failure(device.set_configuration),
            "hardware": device.info().hardware,
        }


def _certificate(policy: Policy) -> Certificate:
    return Certificate(
        policy_name=policy.name,
        policy_digest=policy.digest,
        policy_toml=policy.to_toml(),
        firmware=Firmware("fw-2.3", (2, 3), 20, test_hooks=True),
        versions={},
        seed=1,
        is_good=True,
        positions={"host": {}},
        not_covered=(),
    )


def _over_at_a_line() -> threading.Event:
    is_over = threading.Event()

    def wait() -> None:
        sys.stdin.readline()
        is_over.set()

    threading.Thread(target=wait, daemon=True).start()
    return is_over


PROGRAMS: dict[str, Callable[..., Any]] = {
    "listen": listen,
    "supervise": supervise,
    "levels": levels,
}

if __name__ == "__main__":
    print(json.dumps(PROGRAMS[sys.argv[1]](*sys.argv[2:])))
