"""``fx3loop device``: what looks without opening, the power cycle, and the other two consoles.

Facts: uhubctl (hubs that only claim to switch), DebugConsole.c (texts), judgement (usbfs).
"""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from hw.errors import DeniedError
from hw.guard import Acknowledgement, Authority, HostState, Operation, RiskMode, Target
from scenarios.cli import cli, device_console
from sim.firmware import image
from tests.hw.fake_usb import FakeRuntime

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-c", "from scenarios.cli import main; main()", "device"]
LEAVE = ("--target", "usb", "--risk", "standard")
EVIDENCE = "FX3LOOP_EVIDENCE_DIR"
"""Where evidence is read from instead: a folder that is not there tells nothing."""
pytestmark = pytest.mark.usefixtures("stable_host")
STALLS = "GO s=2 r=0\n" + "".join(f"WDG: stall {count}/3 SM=9 DMA=8\n" for count in (1, 2, 3))


def device(*arguments, typed=None):
    """Run the command in this process."""
    line = ["device", *map(str, arguments)]
    return CliRunner().invoke(cli, line, prog_name="fx3loop", input=typed)


def words(line):
    """A line as a shell splits it."""
    return line.split()


def behind(kind, line, *more):
    """On a world whose board hangs on a hub of this kind."""
    return device("--option", f"hub={kind}", *more, *line.split())


def data(done):
    return json.loads(done.stdout)["commands"]


def lines(done):
    return done.stdout.splitlines()


def is_usage(done, *parts):
    assert done.exit_code == 2, done.output
    assert done.stderr.count("\n") == 1
    for part in parts:
        assert part in done.stderr


# ------------------------------------------------------------ list and probe


def test_list_names_serial_port_speed_and_owner():
    """Nobody holds it before a command has opened it."""
    done = device("--json", *words("list, stop, list"))
    before, _, after = data(done)
    (row,) = before["devices"]
    assert row == {
        "serial": "9ABCDEF012345678",
        "port": "2-1",
        "speed": "super",
        "what": "application",
        "owners": [],
    }
    assert after["devices"][0]["owners"] == ["this program"]
    assert before["text"] == "1 device"


def test_list_shows_the_boot_rom():
    """On the other bus, at high speed, with the number that all chips have."""
    done = device(*words("reset, sleep 3000, list"))
    assert done.exit_code == 0
    row = done.stdout.splitlines()[-2].split()
    assert row == ["0000000004BE", "1-1", "high", "boot", "ROM", "–"]


def test_list_on_an_empty_bus_is_no_failure():
    """It says so."""
    done = device(*words("reset, sleep 150, list"))
    assert (done.stdout.splitlines()[-1], done.exit_code) == ("PASS list: no devices", 0)


@pytest.mark.parametrize(
    ("line", "condition", "code"),
    [
        ("probe", "2-1 idle, clock off", 0),
        ("adc 64000000, start, probe", "2-1 stalled: its buffers are full", 1),
        ("adc 64000000, start, adc 0, probe", "2-1 idle, clock off", 0),
        ("reset, sleep 3000, probe", "1-1 in its boot ROM", 1),
    ],
)
def test_probe_ends_by_how_the_device_does(line, condition, code):
    """0 when it serves or could, 1 when not."""
    done = device("--policy", "none", *line.split())
    last = done.stdout.splitlines()[-1]
    assert last.startswith(f"{'FAIL' if code else 'PASS'} probe: {condition}")
    assert done.exit_code == code


def test_probe_of_nothing_is_exit_4():
    """One line on standard error."""
    done = device(*words("reset, sleep 150, probe"))
    assert (done.exit_code, done.stderr.count("\n")) == (4, 1)


@pytest.fixture
def unknown_host(monkeypatch, tmp_path):
    """A host of which nothing is known."""
    monkeypatch.setenv(EVIDENCE, str(tmp_path / "none"))


def test_looking_at_a_real_bus_needs_no_leave(monkeypatch, unknown_host):
    """A host of which nothing is known allows probes, and no device is exit 4."""
    import usb.core

    monkeypatch.setattr(usb.core, "find", lambda **_: iter(()))
    assert device("list", "--target", "usb").exit_code == 0
    assert device("probe", "--target", "usb").exit_code == 4


# ------------------------------------------------------------ watch


def test_watch_has_a_line_for_each_look():
    """Counters with what they grew by, in the world's own time."""
    done = device(*words("adc 64000000, start, watch, stop --count 3"))
    assert done.exit_code == 0
    first, second, third = done.stdout.splitlines()[2:5]
    assert first.split()[:4] == ["0.0", "s", "2-1", "state=2"]
    assert "faults=2 (+2)" in second
    assert third.split()[:2] == ["2.0", "s"]
    assert "PASS watch: 3 looks, the last one: application" in done.stdout


def test_watch_outlives_a_reset_of_the_device():
    """It looks for the device anew each time, and ends by what it saw last."""
    done = device(*words("reset, watch --count 3"))
    states = [line.partition("state=")[2].partition(" buffers")[0] for line in lines(done)[1:4]]
    assert states == ["absent", "boot ROM", "boot ROM"]
    assert done.exit_code == 1


def test_watch_in_a_pipe_ends_on_a_world():
    """Nobody sees its time go by: ten looks."""
    assert device("watch").stdout.splitlines()[-1].startswith("PASS watch: 10 looks")


def test_watch_as_json_has_the_last_look():
    """With every field that the firmware sends."""
    (watched,) = data(device("watch", "--count", 1, "--json"))
    assert watched["last"]["what"] == "application"
    assert watched["last"]["stats"]["gpif_state"] == 0


@pytest.mark.parametrize("count", ["0", "-1", "many"])
def test_a_count_is_a_whole_number(count):
    is_usage(device("watch", "--count", count), "--count")


def test_a_count_goes_with_watch():
    is_usage(device("stats", "--count", 2), "--count goes with watch")


class Terminal:
    """The command on a terminal of its own."""

    def __init__(self, *arguments):
        ours, theirs = pty.openpty()
        self.fd = ours
        environment = {**os.environ, "COLUMNS": "120", "TERM": "xterm"}
        self.running = subprocess.Popen(
            [*PROGRAM, *arguments],
            cwd=ROOT,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment,
        )
        os.close(theirs)
        self.text = ""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        # Whatever happened: a program that is left behind is another test's warning.
        self.running.kill()
        self.running.wait()
        os.close(self.fd)

    def wait_for(self, text):
        # By the time and not by the reads: a busy machine writes a table in many pieces.
        limit_s = time.monotonic() + 60
        while text not in self.text:
            assert time.monotonic() < limit_s, self.text
            assert select.select([self.fd], [], [], 20)[0], self.text
            self.text += os.read(self.fd, 4096).decode()

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def end(self):
        return self.running.wait(20)


def test_watch_on_a_terminal_is_a_table_that_stays_in_its_place():
    """In step with the wall clock; Ctrl-C ends it with 130."""
    with Terminal("watch") as terminal:
        terminal.wait_for("buffers")
        # The next look is drawn over the one before: the cursor goes up.
        terminal.wait_for("\x1b[1A")
        # The pseudo-terminal is nobody's controlling one, so that its Ctrl-C is no signal.
        terminal.running.send_signal(signal.SIGINT)
        terminal.wait_for("interrupted")
        assert terminal.end() == 130


# ------------------------------------------------------------ power-cycle and upload


def test_a_power_cycle_uploads_again():
    """So that the commands behind it find the application."""
    done = behind("per-port", "power-cycle, test")
    assert done.exit_code == 0
    first, second = done.stdout.splitlines()
    assert first.startswith("PASS power-cycle: 2-1.2 cycled (2-1.2, 1-1.2, by the hub)")
    assert first.endswith("4096 bytes uploaded")
    assert second.endswith("count=0")


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("none", "2-1 not switchable: the system shows no hub above this port"),
        ("ganged", "not switchable: the hub of 2-1.2 switches the power of all its ports together"),
        ("fixed", "not switchable: the hub of 2-1.2 switches the power of no port"),
        ("lying", "the device left and came back with its firmware"),
        ("deaf", "the device never left the bus"),
        ("usb2-only", "the device never left the bus"),
    ],
)
def test_what_was_no_power_cycle_fails(kind, said):
    """Exit 1, whatever the hub claims."""
    done = behind(kind, "power-cycle")
    assert done.exit_code == 1
    assert said in done.stdout


def test_a_power_cycle_follows_commands_that_opened_the_device():
    """It is given back first, and opened again after."""
    done = behind("per-port", "test, power-cycle, test, list")
    assert done.exit_code == 0
    assert [line.endswith("count=0") for line in done.stdout.splitlines()[:3:2]] == [True, True]


def test_a_power_cycle_of_a_port_and_for_a_time():
    """Both may be named; the result is data."""
    (cycled,) = data(behind("per-port", "power-cycle 2-1.2 500", "--json"))
    assert (cycled["outcome"], cycled["halves"]) == ("cycled", ["2-1.2", "1-1.2"])
    assert (cycled["left_after_ms"], cycled["back_after_ms"]) == (150, 1_000)


@pytest.mark.parametrize("given", ["x", "2-1.2 x", "2-1.2 1 2", "99999999999", "-1"])
def test_what_a_power_cycle_takes(given):
    """One line with a right example."""
    is_usage(behind("per-port", f"power-cycle {given}"), "power-cycle 2-1.4 2000")


def test_a_power_cycle_of_a_real_port_needs_its_acknowledgement():
    """In no safe mode, and in none without it."""
    for leave, advice in (((), "--risk"), (LEAVE[2:], "--acknowledge power-cycle")):
        done = device("power-cycle", "--target", "usb", *leave)
        assert (done.exit_code, done.stderr.count("\n")) == (3, 1)
        assert advice in done.stderr


def test_a_power_cycle_on_an_unknown_host_is_denied(unknown_host):
    """Whatever is acknowledged."""
    done = device("power-cycle", *LEAVE, "--acknowledge", "power-cycle")
    assert (done.exit_code, done.stderr.count("\n")) == (3, 1)
    assert "fx3loop host status" in done.stderr


def test_upload_is_for_a_boot_rom(tmp_path):
    """After a reset it waits for it; where an application runs it says what to do."""
    path = tmp_path / "old.img"
    path.write_bytes(image("fw-2.2"))
    done = device("reset,", "upload", path, ", test")
    assert done.exit_code == 0
    assert "fw=2.2" in done.stdout
    done = device("upload")
    assert (done.exit_code, done.stdout) == (
        1,
        "FAIL upload: an application runs already; load resets it first\n",
    )


def test_upload_of_no_image_is_usage(monkeypatch):
    """A real device has none of its own."""
    import usb.core

    monkeypatch.setattr(usb.core, "find", lambda **_: iter(()))
    is_usage(device("upload", "--target", "usb"), "--image FILE")


# ------------------------------------------------------------ a recorded log


def test_a_log_is_judged_under_a_policy(tmp_path):
    """What happened, what the firmware did, what the policy would have done; exit 1."""
    path = tmp_path / "console.log"
    path.write_text(STALLS)
    done = device("console", "--file", path, "--policy", "level-1-4-5")
    assert done.exit_code == 1
    assert done.stdout.splitlines()[-4:] == [
        "FAIL console: 4 texts in 0.4 s; the log has no times, so they are implied by its polls",
        "seen: STREAM_STALL ×1",
        "the firmware applied: nothing",
        "policy level-1-4-5 would have applied: level 1 ×1",
    ]
    assert "would apply level 1 for STREAM_STALL" in done.stdout
    done = device("console", "--file", path, "--policy", "none")
    assert done.stdout.splitlines()[-1] == "policy none would have applied: nothing"


def test_a_healthy_log_is_exit_0():
    """From standard input as well."""
    done = device("console", "--file", "-", typed="[1.0] GO s=2 r=0\n[9.5] STP s=1\n")
    assert done.exit_code == 0
    assert "PASS console: 2 texts in 8.5 s\n" in done.stdout


def test_a_judged_log_as_json(tmp_path):
    """Each moment with its line and level."""
    path = tmp_path / "console.log"
    path.write_text(STALLS)
    done = device("console", "--file", path, "--json")
    document = json.loads(done.stdout)
    assert document["schema"] == "fx3loop.console-log/1"
    assert document["levels"] == {"firmware": {}, "policy": {"1": 1}}
    (act,) = [moment for moment in document["moments"] if moment["source"] == "policy"]
    assert (act["line"], act["level"], act["at_ms"]) == (4, 1, 400)


@pytest.mark.parametrize("content", [b"", b"\x7fELF\x00", b"hello\n"])
def test_a_file_that_is_no_log_is_usage(tmp_path, content):
    """It is named."""
    path = tmp_path / "other"
    path.write_bytes(content)
    is_usage(device("console", "--file", path), "other", "console")


def test_a_log_that_is_not_there_is_usage(tmp_path):
    is_usage(device("console", "--file", tmp_path / "none"), "none", "No such file")
    is_usage(device("console", "--file", tmp_path), "directory")


def test_files_and_ports_are_for_the_console_alone(tmp_path):
    """One at a time, and a port is a real one."""
    is_usage(device("stats", "--file", tmp_path), "--file goes with console alone")
    is_usage(device("console, stats", "--port", "x"), "--port goes with console alone")
    is_usage(device("console", "--port", "x", "--file", "y"), "give one of them")
    is_usage(device("console", "--port", "x"), "--target usb")
    is_usage(device("console", "--seconds", 3), "--seconds goes with console --port")
    is_usage(device("console", "--port", "x", "--json", *LEAVE), "--json")


# ------------------------------------------------------------ a serial port


@pytest.fixture
def wire():
    """Our end of a serial line, and the name of the other."""
    ours, theirs = pty.openpty()
    yield ours, os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


def allowed(name, *operations):
    """What the guard is told of a serial port."""
    given = frozenset(Acknowledgement(item, Target("serial", name)) for item in operations)
    return Authority(RiskMode.STANDARD, given, HostState.NORMAL)


@pytest.fixture
def no_keys(monkeypatch):
    """A script of no characters."""
    monkeypatch.setattr(device_console.console, "standard_input", lambda: iter(()))


def test_a_serial_console_is_heard_and_can_be_judged(wire, tmp_path, capsys, no_keys):
    """Its lines come with their times, until it is silent for 1 s; --file reads what it printed."""
    ours, name = wire
    runtime = FakeRuntime()
    said = iter(STALLS.replace("\n", "\r\n").splitlines(keepends=True))
    runtime.on_sleep.append(lambda: os.write(ours, next(said, "").encode()))
    assert device_console.listen(name, allowed(name), runtime) == 0
    heard = capsys.readouterr().out
    assert [line.partition("] ")[2] for line in heard.splitlines()] == STALLS.splitlines()
    assert 1_000 <= runtime.time_ns // 10**6 <= 1_200
    path = tmp_path / "recorded.log"
    path.write_text(heard)
    assert "4 texts" in device("console", "--file", path).stdout


def test_listening_ends_when_it_was_told_to(wire, no_keys):
    """--seconds, however much is said."""
    ours, name = wire
    runtime = FakeRuntime()
    runtime.on_sleep.append(lambda: os.write(ours, b"x\r\n"))
    device_console.listen(name, allowed(name), runtime, duration_ms=5_000)
    assert 5_000 <= runtime.time_ns // 10**6 <= 5_020


def test_a_script_is_typed_with_leave_alone(wire, monkeypatch):
    """Typing is a raw operation on this port."""
    ours, name = wire
    monkeypatch.setattr(device_console.console, "standard_input", lambda: iter(["gpif\n"]))
    with pytest.raises(DeniedError, match="raw"):
        device_console.listen(name, allowed(name), FakeRuntime())
    device_console.listen(name, allowed(name, Operation.RAW), FakeRuntime())
    assert os.read(ours, 100) == b"gpif\r"


def test_typing_without_leave_is_exit_3(wire):
    """The message says how to allow it."""
    done = device("console", "--port", wire[1], *LEAVE, typed="gpif\n")
    assert (done.exit_code, done.stderr.count("\n")) == (3, 1)
    assert "--acknowledge raw" in done.stderr


def test_a_port_that_is_not_there_is_exit_4():
    """One line with a right example."""
    done = device("console", "--port", "/dev/nowhere", *LEAVE)
    assert (done.exit_code, done.stderr.count("\n")) == (4, 1)
    assert "/dev/ttyUSB0" in done.stderr


def test_a_port_on_an_unknown_host_is_exit_3(wire, unknown_host):
    """Opening it may take its text from another program."""
    done = device("console", "--port", wire[1], "--target", "usb")
    assert (done.exit_code, done.stderr.count("\n")) == (3, 1)


def test_a_person_talks_to_a_serial_port(wire):
    """Key by key, until Ctrl-D."""
    ours, name = wire
    with Terminal("console", "--port", name, *LEAVE, "--acknowledge", "raw") as terminal:
        terminal.wait_for("Ctrl-D to end")
        terminal.type("?")
        assert select.select([ours], [], [], 20)[0]
        assert os.read(ours, 10) == b"?"
        os.write(ours, b"Enter commands:\r\n")
        terminal.wait_for("] Enter commands:")
        terminal.type("\x04")
        assert terminal.end() == 0
