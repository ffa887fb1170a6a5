"""The supervisor on the real libusb, beside another program that owns the interface.

Source: judgement (usbfs); Linux ``drivers/usb/core/devio.c``.
"""

from __future__ import annotations

import json
import sys
from subprocess import Popen
from typing import Any

import pytest

from tests.real.bench import RealBench

pytestmark = pytest.mark.heavy

SERIAL = "9ABCDEF012345678"
SUPERVISING = "tests.real.supervising"
RECEIVED = "world.host.device.bulk.received_packets()"


def begun(world: RealBench, *command: str) -> Popen[str]:
    """Start one of :mod:`tests.real.supervising` and wait until it is about its business."""
    program = world.start((sys.executable, "-m", SUPERVISING, *command))
    assert program.stdout is not None
    assert program.stdout.readline(), program.communicate()[1]
    return program


def ended(program: Popen[str]) -> Any:
    """End it; returns what it saw."""
    output, errors = program.communicate("\n", timeout=60)
    assert program.returncode == 0, errors
    return json.loads(output)


@pytest.fixture
def shared(bench, tmp_path_factory):
    """A device that heals nothing itself, and somebody else's program that streams from it."""
    world = bench(policy="none")
    own, world.state_folder = world.state_folder, tmp_path_factory.mktemp("of_the_listener")
    listener = begun(world, "listen")
    world.state_folder = own
    yield world, listener
    if listener.poll() is None:
        listener.kill()
        listener.communicate()


def levels(world: RealBench) -> Any:
    """What levels 2 and 3 come to."""
    return json.loads(world.run((sys.executable, "-m", SUPERVISING, "levels")))


def test_beside_an_owner_levels_2_and_3_are_not_available(shared):
    """Claiming is EBUSY, and so is SET_CONFIGURATION; vendor requests are answered."""
    world, listener = shared
    found = levels(world)
    assert found["available"] == [1, 4]
    assert found["outcomes"] == ["REFUSED", "REFUSED"]
    assert found["clear halt"][0] == found["configure"][0] == "BusyError"
    assert found["hardware"] == 4
    assert ended(listener)["sessions"] == 1


def test_without_an_owner_levels_2_and_3_are_done(bench):
    world = bench(policy="none")
    found = levels(world)
    assert found["available"] == [1, 2, 3, 4]
    assert found["outcomes"] == ["DONE", "DONE"]
    assert found["clear halt"] is found["configure"] is None
    assert world.world("world.host.device.claims") == {}


def test_a_stalled_stream_comes_back_by_vendor_requests_alone(shared):
    """Level 1 needs no claim, and the owner's session goes on."""
    world, listener = shared
    supervisor = begun(world, "supervise", SERIAL)
    world.wait_s(1)
    world.world("world.chip.stream.fail()")
    received = world.world(RECEIVED)
    world.wait_until(f"{RECEIVED} > {received + 1_000}")
    world.wait_s(1)
    seen = ended(supervisor)
    assert seen["owner"] == "another program"
    assert (seen["remedies"], seen["status"]) == ([1], 0)
    assert ended(listener)["sessions"] == 1


def test_a_hung_control_endpoint_costs_the_owner_its_device_and_level_4_brings_it_back(shared):
    """A port reset asks nobody; the boot ROM is uploaded to, and the owner begins anew."""
    world, listener = shared
    supervisor = begun(world, "supervise", SERIAL)
    world.wait_s(1)
    assert world.program("hang_ep0")[0] == "DeviceTimeoutError"
    world.wait_until("world.chip.resets and world.host.device and world.host.device.claims")
    world.wait_s(1)
    seen = ended(supervisor)
    assert (seen["remedies"], seen["status"]) == ([4], 0)
    assert any("outcome=DONE" in line and "uploaded_bytes=" in line for line in seen["lines"])
    assert ended(listener)["sessions"] == 2
