"""The unmodified driver, pyusb and the real libusb, on a fake usbfs that a world answers.

Source of what is expected: the same as for the simulated backend; see the single facts there.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from tests.real.bench import program_command
from tests.real.programs import BLOCK_BYTES

pytestmark = pytest.mark.heavy

PASSING_PERMISSIONS = "-dac_override,-dac_read_search"
UNPRIVILEGED = (
    ()
    if os.geteuid()
    else ("setpriv", f"--inh-caps={PASSING_PERMISSIONS}", f"--bounding-set={PASSING_PERMISSIONS}")
)
"""Root without what lets it pass by a file's permissions."""
FIRST_SAMPLES = (
    "(lambda data: (world.board.samples.fill(data, 0, 64), data.hex())[1])(bytearray(64))"
)


def test_open_ask_stream_and_close(bench):
    world = bench()
    found = world.program("daily_use")
    assert found["info"] == [4, 2, 3]
    assert (found["is_clock_on_before"], found["is_clock_on"]) == (False, True)
    assert found["read too early"][0] == "DeviceTimeoutError"
    assert found["bytes"] == 9 * BLOCK_BYTES
    assert found["dma_count"] >= 9 * BLOCK_BYTES // (16 * 1024)
    assert found["info after clear-halt"] == 4
    assert found["samples"] == 4 * 131_072
    # Closed: nobody has the interface any more.
    assert world.world("world.host.device.claims") == {}


def test_the_bytes_are_those_that_the_device_sent(bench):
    """Made anew from the world's samples, in the other process."""
    world = bench()
    program = world.start(program_command("first_samples"))
    assert program.stdout is not None
    received = json.loads(program.stdout.readline())
    sent = world.world(FIRST_SAMPLES)
    program.communicate("\n")
    assert received == sent
    assert len(set(received)) > 2


def test_a_stall_a_hang_and_too_short_a_buffer(bench):
    found = bench().program("trouble")
    assert found["stall out"][0] == found["stall in"][0] == "StalledError"
    assert found["alive after stalls"] == 4
    assert found["hang"][0] == found["behind it"][0] == "DeviceTimeoutError"
    assert found["alive after the hang"] == 4
    assert found["overflow"][0] == "DataOverflowError"


def test_a_second_process_finds_the_interface_busy(bench, tmp_path_factory):
    """The kernel's EBUSY: the second has a state folder, and so a lock, of its own."""
    world = bench()
    first = world.start(program_command("owner"))
    assert first.stdout is not None
    assert json.loads(first.stdout.readline()) == 4
    locked = world.program("opening")
    world.state_folder = tmp_path_factory.mktemp("of_the_second")
    busy = world.program("opening")
    beside = world.program("beside")
    first.communicate("\n")
    assert locked[0] == "LockedError"
    assert busy[0] == "BusyError"
    assert "in use by another program" in busy[1]
    assert beside["vendor request"] == 4
    assert beside["claim"] == "BusyError"
    assert beside["configure"] == "BusyError"
    assert beside["clear halt"] == "TransferError"
    assert world.program("opening") is None


def test_a_killed_owner_leaves_the_interface_free(bench):
    world = bench()
    first = world.start(program_command("owner"))
    assert first.stdout is not None
    first.stdout.readline()
    first.kill()
    first.communicate()
    assert world.program("opening") is None


def test_without_permission_the_udev_rule_is_the_advice(bench):
    world = bench()
    node = Path(f"{world.folder}/dev/bus/usb/002/002")
    node.chmod(0)
    error = world.program("opening", before=UNPRIVILEGED)
    assert error is not None
    assert error[0] == "AccessDeniedError"
    assert "udevadm control --reload-rules" in error[1]


def test_an_unplugged_device_is_gone_for_its_reader_and_its_successors(bench):
    world = bench()
    reader = world.start(program_command("unplugged_reader"))
    assert reader.stdout is not None
    assert json.loads(reader.stdout.readline()) == "streaming"
    world.world("world.host.unplug()")
    output, _ = reader.communicate(timeout=30)
    assert json.loads(output)[0] == "NoDeviceError"
    assert world.program("opening")[0] == "NoDeviceError"


def test_the_boot_rom_takes_an_upload(bench):
    world = bench(is_booted=False)
    assert world.program("upload") == {"firmware": [2, 3]}
    assert world.world("[world.host.device.bus, world.host.device.is_application]") == [2, True]


def test_a_reset_leads_to_the_boot_rom_and_an_upload_back(bench):
    """In one process: libusb is told by udev's events of what comes and goes."""
    found = bench().program("reset_and_return")
    assert found["stale"][0] == "NoDeviceError"
    assert found["uploaded_bytes"]
    assert found["firmware"] == 3
    assert found["bytes"] == BLOCK_BYTES


@pytest.mark.parametrize("ends_in_boot_rom", [False, True])
def test_a_port_reset_needs_no_answer(bench, ends_in_boot_rom):
    world = bench(options={"usb_reset_ends_in_boot_rom": ends_in_boot_rom})
    assert world.program("port_reset") == {"is_uploaded": ends_in_boot_rom, "hardware": 4}


def test_the_command_line_finds_it_and_its_owner(bench, tmp_path_factory):
    """``fx3loop device list`` reads sysfs; ``probe`` asks beside the owner, and claims nothing."""
    world = bench()
    own, world.state_folder = world.state_folder, tmp_path_factory.mktemp("of_the_owner")
    owner = world.start(program_command("owner"))
    assert owner.stdout is not None
    owner.stdout.readline()
    world.state_folder = own
    command = (sys.executable, "-c", "from scenarios.cli import main; main()", "device")
    listed = json.loads(world.run((*command, "list", "--target", "usb", "--json")))
    probed = json.loads(world.run((*command, "probe", "--target", "usb", "--json")))
    owner.communicate("\n")
    devices = listed["commands"][0]["devices"]
    assert [(item["serial"], item["port"], item["speed"]) for item in devices] == [
        ("9ABCDEF012345678", "2-1", "super")
    ]
    assert probed["commands"][0]["passed"]


@pytest.mark.parametrize(
    ("is_booted", "lines"),
    [
        (
            True,
            (
                "idProduct          0x00f1",
                "bcdUSB               3.00",
                "iProduct                2 RX888mk2",
                "bMaxPacketSize0         9",
                "bEndpointAddress     0x81  EP 1 IN",
                "wMaxPacketSize     0x0400  1x 1024 bytes",
                "bMaxBurst              15",
                "bNumDeviceCaps          2",
                "MaxPower              800mA",
            ),
        ),
        (False, ("idProduct          0x00f3", "bMaxPacketSize0        64")),
    ],
)
def test_lsusb_shows_the_descriptors(bench, is_booted, lines):
    shown = bench(is_booted=is_booted).run(("lsusb", "-v", "-d", "04b4:"))
    for line in lines:
        assert line in shown
