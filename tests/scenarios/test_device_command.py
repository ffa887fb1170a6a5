"""``fx3loop device``: the plain commands, the debug console and the acceptance run.

Facts: ``fx3_cmd.c`` (the commands and ``debug``), ``fw_test.sh`` (41 lines).
"""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from hw.boot import Image
from scenarios.cli import cli
from scenarios.cli.device_lines import OWN
from scenarios.suite.commands import COMMANDS
from sim.firmware import image

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-c", "from scenarios.cli import main; main()", "device"]


def device(*arguments, typed=None):
    """Run the command in this process."""
    words = ["device", *map(str, arguments)]
    return CliRunner().invoke(cli, words, prog_name="fx3loop", input=typed)


def words(line):
    """A line as a shell splits it."""
    return line.split()


# ---------------------------------------------------------------- plain commands


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("test", "PASS test: hwconfig=0x04 fw=2.3 count=0"),
        ("gpio 0x0800", "PASS gpio: 0x00000800"),
        ("adc 64000000", "PASS adc: 64000000 Hz"),
        ("stop", "PASS stop: stopped"),
        ("att 63", "PASS att: 63"),
        ("vga 255", "PASS vga: 255"),
        ("wdg_max 3", "PASS wdg_max: 3"),
        ("i2cr 0xC0 0 1", "PASS i2cr: 21"),
        ("i2cw 0xC0 183 0xD2 1 2", "PASS i2cw: 3 bytes"),
        ("i2c read 0xC0 0 1", "PASS i2c: 21"),
        ("i2c write 0xC0 183 0xD2 1 2", "PASS i2c: 3 bytes"),
        ("raw 0xB4", "PASS raw: STALL"),
        ("reset", "PASS reset: reset"),
        ("load", "PASS load: 4096 bytes uploaded"),
        ("sleep 100", "PASS sleep: 100 ms"),
    ],
)
def test_each_plain_command(line, said):
    """One line, PASS with what was found, exit 0."""
    done = device(*words(line))
    assert (done.stdout, done.stderr, done.exit_code) == (f"{said}\n", "", 0)


def test_stats_has_every_field():
    """In the original's order."""
    done = device("stats")
    fields = [item.partition("=")[0] for item in done.stdout.split()[2:]]
    assert fields == [
        *("dma", "gpif", "pib", "last_pib", "i2c", "faults", "pll", "boot"),
        *("clk0_reg16", "clk0_result"),
    ]


def test_commands_follow_one_another_on_one_device():
    """Commas may stand alone or end a word; nobody reads, so that the watchdog has work."""
    line = "adc 64000000, start , sleep 1000,stats, stop"
    together = device(*words(line))
    assert together.exit_code == 0
    assert [item.split(":")[0] for item in together.stdout.splitlines()] == [
        *("PASS adc", "PASS start", "PASS sleep", "PASS stats", "PASS stop")
    ]
    assert "faults=2 " in together.stdout
    assert device(line).stdout == together.stdout


@pytest.mark.parametrize("chain", ["{0}, {1}", "{0} , {1}", "{0} ,{1}"])
def test_i2c_in_two_words_is_the_original_s_command(chain):
    """What is written by one name is read by the other, wherever the comma stands."""
    typed = chain.format("i2c write 0xC0 183 0xD2", "i2c read 0xC0 183 1, i2cr 0xC0 183 1")
    assert [line.split(": ")[1] for line in device(*words(typed)).stdout.splitlines()] == [
        *("1 bytes", "d2", "d2")
    ]


@pytest.mark.parametrize(
    ("option", "value"), [("--count", "2"), ("--seed", "3"), ("--fault", "timer_death:at_ms=90000")]
)
def test_a_comma_may_follow_an_option_s_value(option, value):
    """The command goes on with the next one, as after a plain word."""
    told = device(*words(f"watch --count 2 {option} {value}, stop"))
    assert told.exit_code == 0
    assert [line.split(":")[0] for line in told.stdout.splitlines()[-2:]] == [
        *("PASS watch", "PASS stop")
    ]
    assert device(*words(f"watch --count 2 {option}={value}, stop")).stdout == told.stdout
    assert device(*words(f"watch --count 2 {option} {value} , stop")).stdout == told.stdout


def test_a_comma_may_follow_a_flag():
    """It is no part of the flag's name."""
    done = device(*words("test --json, stop"))
    assert [item["command"] for item in json.loads(done.stdout)["commands"]] == ["test", "stop"]


def test_a_device_that_was_reset_is_loaded_again():
    """Into its boot ROM and out of it; the counter of requests begins anew."""
    done = device(*words("test, test, reset, load, test"))
    assert done.exit_code == 0
    assert done.stdout.splitlines()[1].endswith("count=1")
    assert done.stdout.splitlines()[3] == "PASS load: 4096 bytes uploaded"


def test_another_firmware_is_loaded(tmp_path):
    """``load FILE`` reads the file at once and uploads it in its turn."""
    path = tmp_path / "old.img"
    path.write_bytes(image("fw-2.2"))
    done = device("test,", "load", path, ",", "test")
    assert [line.split()[3] for line in done.stdout.splitlines() if "fw=" in line] == [
        "fw=2.3",
        "fw=2.2",
    ]


def test_the_first_failure_ends_the_run_and_is_exit_1():
    """No chip answers at C2; what follows is not sent."""
    done = device(*words("test, i2cr 0xC2 0 1, stats"))
    assert done.exit_code == 1
    assert done.stdout.splitlines()[1:] == ["FAIL i2cr: stall of I2CRFX3"]


def test_it_goes_on_when_told_so():
    """The rest is done too, and the exit code remembers."""
    done = device("-k", *words("i2cr 0xC2 0 1, stats"))
    assert done.exit_code == 1
    assert "PASS stats" in done.stdout
    assert " i2c=1 " in done.stdout


def test_a_script_is_commands_line_by_line(tmp_path):
    """With comments, empty lines and commas; the same as typed."""
    path = tmp_path / "bench.txt"
    path.write_text("# a bench\nadc 64000000\n\nstart, sleep 500  # unread\nstats\nstop\n")
    typed = device(*words("adc 64000000, start, sleep 500, stats, stop"))
    assert device("--script", path).stdout == typed.stdout
    assert device("--script", "-", typed=path.read_text()).stdout == typed.stdout


def test_results_as_json():
    """Schema, the world, and each command with its text."""
    done = device("--json", "--seed", 7, "--option", "tick_ppm=100", "test", ",", "raw", "0xB4")
    assert json.loads(done.stdout) == {
        "schema": "fx3loop.device/1",
        "target": "world",
        "firmware": "reference",
        "policy": "reference",
        "seed": 7,
        "options": ["tick_ppm=100"],
        "faults": [],
        "commands": [
            {"command": "test", "passed": True, "text": "hwconfig=0x04 fw=2.3 count=0"},
            {"command": "raw 0xB4", "passed": True, "text": "STALL"},
        ],
    }


def test_firmware_is_chosen():
    """Each names its version."""
    for firmware, version in (("original", "2.1"), ("fw-2.2", "2.2"), ("fw-2.3", "2.3")):
        done = device("test", "--firmware", firmware, "--policy", "none")
        assert f"fw={version} " in done.stdout


def test_a_start_without_a_clock_fails():
    """The firmware refuses it, exit 1."""
    done = device("start")
    assert (done.stdout, done.exit_code) == ("FAIL start: stall of STARTFX3\n", 1)


def test_the_help_names_every_command():
    """With its numbers."""
    text = device("--help").stdout
    for name in (*COMMANDS, *OWN):
        assert f"\n  {name} " in text


# ---------------------------------------------------------------- the acceptance run


def test_the_acceptance_run_has_41_lines():
    """As TAP, exit 0 when all are ok."""
    done = device("fw-test", "--skip-stream")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0] == "1..41"
    assert sum(line.startswith("ok ") for line in lines) == 41
    assert sum(line.endswith("# SKIP") for line in lines) == 3


def test_a_failing_acceptance_run_is_exit_1():
    """A board without its tuner chip is no RX888mk2 to the firmware."""
    done = device("fw-test", "--skip-stream", "--option", "tuner_fitted=off")
    assert done.exit_code == 1
    assert "not ok 2 - hwconfig is RX888mk2" in done.stdout


# ---------------------------------------------------------------- the console


def test_a_script_of_the_console_ends_by_itself():
    """``echo '?' | fx3loop device console`` prints the help, in no wall time to speak of."""
    done = device("console", typed="?\n")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "Enter commands:\nthreads, stack, gpif, reset;\n" in done.stdout
    assert "\r" not in done.stdout


def test_local_lines_in_a_script():
    """An exclamation mark, a plain command; the last line needs no end."""
    done = device("console", typed="!raw 0xB4\n!stats")
    assert "PASS raw: STALL" in done.stdout
    assert "PASS stats: dma=0" in done.stdout
    assert done.exit_code == 0


def test_the_console_outlives_a_reset_that_a_load_mends():
    """The debug text is on again after the upload."""
    done = device("console", typed="!reset\n!load\nstack\n")
    assert done.exit_code == 0
    assert "Stack free" in done.stdout


def test_a_device_that_leaves_the_console_is_exit_4():
    """One line on standard error."""
    done = device("console", typed="!reset\n?\n")
    assert (done.exit_code, done.stderr.count("\n")) == (4, 1)
    assert "no device" in done.stderr


def test_the_console_after_other_commands_and_as_json():
    """On the same device; the text is a result like the others."""
    done = device(*words("--json adc 64000000, start, console"), typed="gpif\n")
    assert done.exit_code == 0
    *_, last = json.loads(done.stdout)["commands"]
    assert last["command"] == "console"
    assert "GPIF State" in last["text"]


def test_no_input_is_no_error():
    """A console without keys says what the firmware says of itself."""
    assert device("console", typed="").exit_code == 0


class Keyboard:
    """The command on a terminal of its own."""

    def __init__(self, *arguments):
        ours, theirs = pty.openpty()
        self.fd = ours
        self.running = subprocess.Popen(
            [*PROGRAM, *arguments], cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        self.text = ""

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def wait_for(self, text):
        """Read until this is on the screen."""
        while text not in self.text:
            assert select.select([self.fd], [], [], 20)[0], self.text
            self.text += os.read(self.fd, 4096).decode()

    def end(self):
        code = self.running.wait(20)
        os.close(self.fd)
        return code


def test_a_person_types_at_a_terminal():
    """Keys go one by one, in step with the wall clock; Ctrl-D ends."""
    keyboard = Keyboard("console")
    keyboard.wait_for("Ctrl-D to end")
    keyboard.type("?\r")
    keyboard.wait_for("threads, stack, gpif, reset;")
    keyboard.type("!raw 0xB4\r")
    keyboard.wait_for("PASS raw: STALL")
    keyboard.type("!att\x03")
    keyboard.type("\x04")
    assert keyboard.end() == 0


def test_control_c_ends_the_console_with_130():
    """And gives the terminal back; inside a local line it only cancels that."""
    keyboard = Keyboard("console")
    keyboard.wait_for("Ctrl-D to end")
    keyboard.type("\x03")
    keyboard.wait_for("interrupted")
    assert keyboard.end() == 130


def test_the_simulated_image_is_one_that_an_fx3_could_run():
    """What ``load FILE`` asks of a file holds for the images of worlds."""
    Image.parse(image("reference")).require_runnable()
