"""Bad input and bad luck: one line on standard error, the right exit code, the device stopped."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import usb.backend.libusb1
import usb.core
import usb.util
from click.testing import CliRunner

from hw.protocol import APPLICATION_PRODUCT_ID, Request
from hw.udev import rule_path
from scenarios.cli import cli
from sim.faults import Fault
from sim.firmware import image
from sim.host.backend import get_backend
from sim.host.runtime import WorldRuntime
from sim.kernel import HARDWARE
from sim.options import Options
from sim.world import BenchWorld

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-c", "from scenarios.cli import main; main()"]
LEAVE = ("--target", "usb", "--risk", "aggressive")
pytestmark = pytest.mark.usefixtures("stable_host")
LEAVE_RAW = (*LEAVE, "--acknowledge", "raw")
IS_ROOT = os.geteuid() == 0


def fx3loop(*arguments, typed=None):
    """Run a command in this process."""
    words = [str(item) for item in arguments]
    return CliRunner().invoke(cli, words, prog_name="fx3loop", input=typed)


def ends(done, code, *parts):
    """One line on standard error with all of these in it, this exit code, no traceback."""
    assert done.exit_code == code, done.output
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("fx3loop: ")
    for part in parts:
        assert part in done.stderr


# ---------------------------------------------------------------- images


def damaged(kind):
    """An image file that no FX3 should be given."""
    good = bytearray(image("fw-2.3"))
    if kind == "truncated":
        return good[:1_000]
    if kind == "mis-summed":
        good[500] ^= 1
        return good
    if kind == "oversized":
        return good + bytes(1 << 19)
    return {"empty": b"", "elf": b"\x7fELF" + bytes(100), "page": b"<html></html>"}[kind]


DAMAGE = {
    "truncated": "truncated",
    "mis-summed": "checksum",
    "oversized": "more than 524288 bytes",
    "empty": "empty file",
    "elf": "elf2img",
    "page": "web page",
}
TAKES_AN_IMAGE = (
    ("device", "load"),
    ("device", "test", "--image"),
    (*("device", "test"), *LEAVE, "--image"),
    (*("run", "double_stop"), *LEAVE, "--image"),
    (*("soak",), *LEAVE, "--image"),
)


@pytest.mark.parametrize("command", TAKES_AN_IMAGE, ids=" ".join)
@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_image_is_refused_before_anything_is_done(tmp_path, command, kind):
    """Exit 2: the file and what is wrong with it."""
    path = tmp_path / "firmware.img"
    path.write_bytes(damaged(kind))
    done = fx3loop(*command, path)
    ends(done, 2, str(path), DAMAGE[kind])
    assert done.stdout == ""


@pytest.mark.parametrize("command", TAKES_AN_IMAGE, ids=" ".join)
def test_an_image_that_cannot_be_read_is_refused(tmp_path, command):
    """Missing, or a folder."""
    ends(fx3loop(*command, tmp_path / "absent.img"), 2, "absent.img", "No such file")
    ends(fx3loop(*command, tmp_path), 2, str(tmp_path), "Is a directory")


# ---------------------------------------------------------------- names, numbers, files

WRONG = [
    # unknown names
    ("run double_stpo", "did you mean double_stop"),
    ("run double_stop --firmware fw-23", "did you mean fw-2.3"),
    ("run double_stop --policy refrence", "reference"),
    ("run double_stop --option tick_pm=1", "did you mean tick_ppm"),
    ("run double_stop --image x.img", "cannot read x.img"),
    ("run double_stop --risk safe", "--risk is for a real device"),
    ("soak --weight double_stpo=1", "did you mean double_stop"),
    ("soak --table v9", "v0.1.0"),
    ("soak --firmware fw-23", "did you mean fw-2.3"),
    ("soak --policy refrence", "reference"),
    ("soak --option tick_pm=1", "did you mean tick_ppm"),
    ("soak --target usb --policy none", "--policy needs a world"),
    ("soak --serial 7", "--serial is for a real device"),
    ("policies refrence", "reference"),
    ("device tets", "did you mean test"),
    ("device test, tets", "did you mean test"),
    ("device test --firmware fw-23", "did you mean fw-2.3"),
    ("device test --policy refrence", "reference"),
    ("device test --option tick_pm=1", "did you mean tick_ppm"),
    ("device test --fault main_hnag", "did you mean main_hang"),
    ("device test --acknowledge rest --target usb", "did you mean reset"),
    ("device test --target usb --firmware fw-2.3", "--firmware needs a world"),
    ("device test --target usb --fault main_hang", "--fault needs a world"),
    ("device test --target moon", "moon"),
    ("device test --host-state normal", "No such option"),
    ("device test --polcy none", "--polcy"),
    ("soak --polcy none", "--polcy"),
    ("list all", "all"),
    ("demo now", "now"),
    ("report", "which report?"),
    ("report calibratoin", "calibration"),
    ("report calibration now", "now"),
    # numbers
    ("device adc", "adc RATE_HZ"),
    ("device adc fast", "not 'fast'"),
    ("device adc 1e6", "not '1e6'"),
    ("device adc -1", "-1 is not within 0 to 4294967295"),
    ("device adc 4294967296", "not within 0 to 4294967295"),
    ("device att 65536", "not within 0 to 65535"),
    ("device raw 256", "not within 0 to 255"),
    ("device i2cr 0xC0 0", "i2cr ADDRESS REGISTER SIZE_BYTES"),
    ("device i2cw 0xC0 0", "bytes of 0 to 255"),
    ("device i2c", "i2c read ADDRESS REGISTER SIZE_BYTES or i2c write ADDRESS REGISTER DATA"),
    ("device i2c erase 0xC0 0 1", "or i2c write ADDRESS REGISTER DATA, not 'i2c erase'"),
    ("device i2c read 0xC0 0", "i2c read takes 3 numbers: i2c read ADDRESS REGISTER SIZE_BYTES"),
    ("device i2c write 0xC0 0 256", "i2c write takes bytes of 0 to 255"),
    ("device watch --count 2,, stop", "no command between two commas"),
    ("device i2cw 0xC0 0 " + "1 " * 65, "64 at most"),
    ("device sleep", "sleep MS"),
    ("device sleep -1", "-1 is not within"),
    ("device sleep 3600001", "not within 0 to 3600000"),
    ("device fw-test 4294967296", "not within"),
    ("device test --seed one", "one"),
    ("soak --hours long", "long"),
    ("soak --hours inf", "no duration"),
    ("soak --seed 4294967296", "srand"),
    ("soak --max-cycles -1", "-1"),
    ("soak --weight double_stop=few", "few"),
    ("run double_stop --jobs 0", "0"),
    # what follows what
    ("device", "which command?"),
    ("device test,, stats", "no command between two commas"),
    ("device test,", "no command between two commas"),
    ("device console, test", "console comes last"),
    ("device fw-test, test", "fw-test comes last"),
    ("device console now", "console takes nothing"),
    ("device load a.img b.img", "one file"),
    ("device test --script x", "give one of them"),
    # files
    ("device --script /nowhere", "cannot read /nowhere"),
    ("device --script /", "cannot read /"),
    ("soak --journal /nowhere/j", "cannot write the journal /nowhere/j"),
    ("soak --journal /", "cannot write the journal /"),
    ("soak --json /nowhere/j", "no folder /nowhere"),
    ("soak --json /", "it is a folder"),
    ("run double_stop --junit /nowhere/x", "no folder /nowhere"),
    ("run double_stop --expected /", "cannot read /"),
    ("run double_stop --policy /", "a folder"),
    ("demo --out /dev/null/x", "/dev/null/x"),
    ("report calibration --out x.txt", "end in .md"),
    ("report calibration --out /nowhere/x.md", "no folder /nowhere"),
]


@pytest.mark.parametrize(("line", "part"), WRONG, ids=lambda item: item[:50])
def test_wrong_input_is_one_line_and_exit_2(line, part):
    """It names the input and what is right; nothing was run."""
    done = fx3loop(*line.split())
    ends(done, 2, part)
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("test\nadc fast\n", ":2: adc takes whole numbers"),
        ("test\n\n# x\ntets\n", ":4: no command 'tets'"),
        ('load "x\n', ":1: no closing quotation"),
        ("# nothing\n", "which command?"),
    ],
)
def test_a_wrong_script_is_named_with_its_line(tmp_path, text, part):
    """Nothing of it was run."""
    path = tmp_path / "script"
    path.write_text(text)
    done = fx3loop("device", "--script", path)
    ends(done, 2, part)
    assert done.stdout == ""


def test_a_script_that_is_no_text_is_named(tmp_path):
    """An image, say."""
    path = tmp_path / "script"
    path.write_bytes(b"\xff\xfe")
    ends(fx3loop("device", "--script", path), 2, str(path), "no text in UTF-8")


@pytest.mark.skipif(IS_ROOT, reason="root may write everywhere")
def test_a_journal_without_permission(tmp_path):
    """As a folder that is read-only."""
    tmp_path.chmod(0o500)
    ends(fx3loop("soak", "--journal", tmp_path / "j"), 2, "Permission denied")


# ---------------------------------------------------------------- output that nobody takes

FULL = Path("/dev/full")


def process(*arguments, **named):
    """Run a command as users do."""
    return subprocess.run(
        [*COMMAND, *arguments], cwd=ROOT, stderr=subprocess.PIPE, text=True, timeout=60, **named
    )


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize(
    "line", ["list", "policies", "run double_stop", "device test", "soak --max-cycles 1"]
)
def test_a_full_disk_is_one_line(line):
    """Exit 2, and nothing of Python's own at its end."""
    with FULL.open("w") as full:
        done = process(*line.split(), stdout=full)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "No space left on device" in done.stderr


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full on this system")
def test_a_journal_on_a_full_disk_is_one_line():
    """It names the journal."""
    ends(fx3loop("soak", "--max-cycles", 2, "--journal", FULL), 2, "the journal /dev/full")


@pytest.mark.parametrize(
    "line",
    [
        *("--help", "device --help", "list", "policies", "run double_stop", "device stats"),
        *("soak --max-cycles 20 --seed 1", "device fw-test --skip-stream", "device console"),
    ],
)
def test_a_reader_that_leaves_is_no_error(line):
    """``fx3loop ... | true``: exit 0, and not a word."""
    with subprocess.Popen(
        [*COMMAND, *line.split()],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        running.stdout.close()
        assert running.stderr.read() == b""
        assert running.wait(60) == 0


@pytest.mark.parametrize("line", ["console", "test"])
def test_a_closed_standard_input_is_no_error(line):
    """As under some service managers."""
    done = process("device", line, stdout=subprocess.DEVNULL, preexec_fn=lambda: os.close(0))
    assert (done.returncode, done.stderr) == (0, "")


def test_a_script_from_a_closed_standard_input():
    """One line."""
    done = process("device", "--script", "-", preexec_fn=lambda: os.close(0))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "standard input is closed" in done.stderr


# ---------------------------------------------------------------- devices

USB_COMMANDS = [
    ("device", "test"),
    ("device", "console"),
    ("device", "fw-test"),
    ("run", "double_stop"),
    ("soak", "--max-cycles", "1"),
]


@pytest.fixture
def plugged(monkeypatch):
    """Makes a world's device the one that this machine's libusb shows; the guard knows no better.

    A world runs on one thread, so it lends its runtime too.
    """
    worlds = []

    def plug(firmware="fw-2.3", **more):
        world = BenchWorld(firmware, "level-1-4-5", **more)
        worlds.append(world)
        world.boot()
        backend = get_backend(world, process="fx3loop")
        monkeypatch.setattr(usb.backend.libusb1, "get_backend", lambda *_, **__: backend)
        for module in ("cli.device_place", "on_device", "soak.on_device"):
            monkeypatch.setattr(f"scenarios.{module}.ThreadRuntime", lambda: WorldRuntime(world))
        return world

    yield plug
    for world in worlds:
        world.close()


def is_stopped(world):
    """The state machine is idle, or its block is off."""
    return world.chip.stream.flow.glance(world.now_ns)[1] in (0, 1, 255)


@pytest.mark.parametrize("command", USB_COMMANDS, ids=" ".join)
def test_a_real_device_is_denied_by_default(plugged, monkeypatch, tmp_path, command):
    """Exit 3; where the host is not known it says what tells more, else the option that helps."""
    plugged()
    with monkeypatch.context() as patch:
        patch.setenv("FX3LOOP_EVIDENCE_DIR", str(tmp_path / "none"))
        ends(fx3loop(*command, "--target", "usb"), 3, "denied", "fx3loop host status")
    ends(fx3loop(*command, "--target", "usb"), 3, "denied", "--acknowledge open")


@pytest.mark.parametrize("command", USB_COMMANDS, ids=" ".join)
def test_no_device_is_exit_4(plugged, command):
    """It says what it looked for."""
    world = plugged()
    world.chip.power_off()
    world.run_until(world.now_ns + 1_000_000_000)
    ends(fx3loop(*command, *LEAVE_RAW), 4, "04b4:00f1 not found", "check cable and power")


@pytest.mark.parametrize("command", USB_COMMANDS, ids=" ".join)
def test_no_libusb_is_exit_4(monkeypatch, command):
    """It says how to get it."""
    monkeypatch.setattr(usb.backend.libusb1, "get_backend", lambda *_, **__: None)
    ends(fx3loop(*command, *LEAVE_RAW), 4, "no USB library", "libusb")


@pytest.mark.parametrize("command", USB_COMMANDS, ids=" ".join)
def test_wrong_permissions_are_exit_4(plugged, command):
    """It names the rule that is shipped."""
    plugged(options=Options(permissions=False))
    ends(fx3loop(*command, *LEAVE_RAW), 4, "access denied", str(rule_path()), "udevadm")


@pytest.mark.parametrize("command", USB_COMMANDS, ids=" ".join)
def test_a_second_process_on_the_device_is_exit_4(plugged, command):
    """The first keeps it and its stream."""
    world = plugged()
    other = usb.core.find(
        backend=get_backend(world, process="ka9q-radio"), idProduct=APPLICATION_PRODUCT_ID
    )
    usb.util.claim_interface(other, 0)
    ends(fx3loop(*command, *LEAVE_RAW), 4, "in use by another program")
    assert len(other.ctrl_transfer(0xC0, Request.TESTFX3, 0, 0, 4)) == 4


def test_a_boot_rom_without_an_image_is_exit_4(plugged):
    """And with one it is uploaded to."""
    world = plugged()
    world.chip.reset("device_reset")
    world.run_until(world.now_ns + 3_000_000_000)
    ends(fx3loop("device", "test", *LEAVE), 4, "04b4:00f3 is there", "give an image")


def test_a_boot_rom_with_an_image_is_uploaded_to(plugged, tmp_path):
    """``--image``, as the original's ``-F``."""
    world = plugged()
    world.chip.reset("device_reset")
    world.run_until(world.now_ns + 3_000_000_000)
    path = tmp_path / "fw.img"
    path.write_bytes(world.image)
    done = fx3loop("device", "test", *LEAVE, "--image", path)
    assert (done.exit_code, done.stderr) == (0, "")
    assert "fw=2.3" in done.stdout


def test_plain_commands_on_a_device(plugged):
    """With leave they run, and the device is as they leave it."""
    world = plugged()
    done = fx3loop("device", *LEAVE, "adc 64000000, start, sleep 10, stats, stop")
    assert done.exit_code == 0, done.output
    assert is_stopped(world)


def test_a_command_that_the_guard_denies_is_exit_3_and_leaves_the_device_stopped(plugged):
    """A reset needs a word of its own."""
    world = plugged()
    done = fx3loop("device", *LEAVE, "adc 64000000, start, sleep 10, reset")
    ends(done, 3, "reset", "--acknowledge reset")
    assert is_stopped(world)
    assert not world.chip.resets


def test_a_device_that_vanishes_mid_request_is_exit_4(plugged):
    """The cable is pulled while GETSTATS hangs."""
    world = plugged(faults=[Fault.parse("hang:call=gpif_get_sm_state,during=GETSTATS")])
    world.alarm(world.now_ns + 500_000_000, world.host.unplug, HARDWARE)
    began_ns = world.now_ns
    ends(fx3loop("device", "stats, test", *LEAVE), 4, "GETSTATS", "no device")
    assert 500 <= (world.now_ns - began_ns) / 1e6 < 510


def test_a_device_that_vanishes_under_a_scenario_or_a_soak_is_a_failed_check(plugged):
    """Exit 1: it was there when the run began."""
    world = plugged()
    world.alarm(world.now_ns + 300_000_000, world.host.unplug, HARDWARE)
    done = fx3loop("run", "double_stop", *LEAVE)
    assert done.exit_code == 1
    assert "device gone" in done.stdout
    world = plugged()
    world.alarm(world.now_ns + 300_000_000, world.host.unplug, HARDWARE)
    hanging = [f"--weight=test_{name}_recovery=0" for name in ("health", "main")]
    done = fx3loop("soak", "--seed", 1, "--max-cycles", 3, *hanging, *LEAVE_RAW)
    assert done.exit_code == 1
    assert "SOAK ABORT" in done.stdout


def test_a_scenario_that_the_guard_denies_is_exit_3_at_once(plugged):
    """No half minute of trying to come back, and no verdict on the device."""
    world = plugged()
    began_ns = world.now_ns
    done = fx3loop("run", "oob_brequest", *LEAVE)
    ends(done, 3, "--acknowledge raw")
    assert done.stdout == ""
    assert world.now_ns - began_ns < 5e9
    assert is_stopped(world)


def test_a_soak_asks_for_everything_first(plugged, tmp_path):
    """Raw requests, hangs and the upload are denied before the first cycle, not in the night."""
    world = plugged()
    path = tmp_path / "fw.img"
    path.write_bytes(world.image)
    soak = ("soak", "--seed", 1, "--max-cycles", 2)
    ends(fx3loop(*soak, *LEAVE), 3, "--acknowledge raw")
    ends(fx3loop(*soak, *LEAVE_RAW), 2, "give --image FILE", "--weight test_health_recovery=0")
    ends(fx3loop(*soak, *LEAVE_RAW, "--image", path), 3, "--acknowledge hang")
    ends(fx3loop(*soak, *LEAVE, "--reload-interval", 5), 2, "give --image FILE")
    assert world.chip.stream.flow.glance(world.now_ns)[0] == 0


def test_a_soak_on_a_device(plugged, tmp_path):
    """With all its leave it runs, finds a device that left, and leaves it stopped."""
    world = plugged()
    path = tmp_path / "fw.img"
    path.write_bytes(world.image)
    only = [f"--weight={name}=0" for name in NOT_WANTED]
    leave = (*LEAVE_RAW, "--acknowledge", "hang", "--acknowledge", "reset")
    done = fx3loop("soak", "--seed", 1, "--max-cycles", 6, *only, *leave, "--image", path)
    assert done.exit_code == 0, done.output
    assert "Policy: device's own" in done.stdout
    assert "PASS test_health_recovery" in done.stdout
    assert "ALL PASSED (6 cycles)" in done.stdout
    assert is_stopped(world)


def _not_wanted():
    from scenarios.soak.tables import table

    wanted = {"test_health_recovery", "double_stop", "hw_smoke"}
    return [name for name, _ in table("v0.1.0").entries if name not in wanted]


NOT_WANTED = _not_wanted()


def test_an_interrupt_leaves_the_device_stopped(plugged, monkeypatch):
    """Ctrl-C while it streams: exit 130."""
    world = plugged()

    def interrupted(session, *_):
        session.place.runtime.sleep_ms(10)
        raise KeyboardInterrupt

    monkeypatch.setattr("scenarios.cli.device_lines._pause", interrupted)
    done = fx3loop("device", "adc 64000000, start, sleep 5000", *LEAVE)
    # The line of the terminal that shows ^C is ended first.
    assert (done.exit_code, done.stderr) == (130, "\nfx3loop: interrupted\n")
    assert is_stopped(world)
