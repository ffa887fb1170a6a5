"""A supervisor, and the program that it stands beside, on the real libusb.

Each runs until a line comes on its standard input, and then prints what it saw as JSON.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

from health import Level, Policy
from hw.boot import Image
from hw.bus import Selector
from hw.errors import DeviceError, DeviceTimeoutError
from hw.guard import Authority, Grant, HostState
from hw.guard.certificate import Certificate, Firmware
from hw.runtime import ThreadRuntime
from hw.rx888 import Rx888
from hw.supervisor import Log, StandingMandate, Supervisor, standing_authority
from sim.firmware import image
from tests.real.programs import authority

RATE_HZ = 4_000_000
BLOCK_BYTES = 256 * 1024
READ_TIMEOUT_MS = 500
SILENT_READS = 10
"""Five seconds, then ka9q-radio begins anew."""
RETRY_S = 0.5
LEVELS = frozenset((Level.STREAM, Level.EP0, Level.APPLICATION, Level.DEVICE_RESET))
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
    grants = (Grant(serial, LEVELS),)
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


if __name__ == "__main__":
    print(json.dumps(listen() if sys.argv[1] == "listen" else supervise(sys.argv[2])))
