"""``fx3loop modem``: on the simulated module and, through the guard, on a real one.

A pty stands for the real module's port here: nothing in the commands can tell the difference.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from scenarios.cli import cli
from scenarios.cli.modem_place import printable
from sim.modem import ModemOptions, SimulatedModem, identity

ROOT = Path(__file__).parents[2]
README = str(ROOT / "README.md")
PROGRAM = [sys.executable, "-c", "from scenarios.cli import main; main()", "modem"]
STANDARD = ("--risk-mode", "standard")


def modem(*arguments, typed=None):
    """Run the command in this process."""
    words = ["modem", *map(str, arguments)]
    return CliRunner().invoke(cli, words, prog_name="fx3loop", input=typed)


def simulated(*arguments, **options):
    """Run the command on a simulated module with these options."""
    given = [word for name, value in options.items() for word in ("--option", f"{name}={value}")]
    return modem(*arguments, "--target", "sim", *given)


@contextmanager
def real(**options):
    """A module whose ports are named as a real one's, and a call that runs commands on it."""
    with SimulatedModem(ModemOptions(**options)) as module:
        ports = ("--at-port", module.at.path, "--repl-port", module.repl.path)
        yield module, lambda *arguments: modem(*arguments, *ports)


def document(done):
    """The JSON of a command that worked."""
    assert done.exit_code in (0, 1), done.stderr
    return json.loads(done.stdout)


# ---------------------------------------------------------------- no module


@pytest.mark.parametrize("words", ["probe", "info", "repl", "fs ls"])
def test_without_a_module_that_is_said_and_what_to_do(words, monkeypatch):
    """In one line, with exit code 4: how to name a port, and that a simulated module is there."""
    monkeypatch.setattr("scenarios.cli.modem_place.discover", list)
    done = modem(*words.split())
    assert (done.exit_code, done.stdout) == (4, "")
    [line] = done.stderr.splitlines()
    assert "no module found (this host has no serial port)" in line
    assert "--at-port /dev/ttyUSB2" in line
    assert "--target sim" in line


# ---------------------------------------------------------------- probe


def test_probe_tells_ports_and_steps():
    """Roles by number; AT passes; the prompt is left alone."""
    done = simulated("probe")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert [line.split()[1] for line in lines[2:4]] == ["at", "repl"]
    assert [line.split()[0] for line in lines[5:]] == ["PASS", "PASS", "PASS", "SKIP"]


def test_probe_interrupts_nothing_unless_it_is_allowed(stable_host):
    """Not one byte goes to the REPL port."""
    with real(running=True) as (module, run):
        assert run("probe").exit_code == 0
        assert bytes(module.repl.received) == b""
        done = run("probe", "--allow-interrupt", *STANDARD)
        assert "PASS REPL: runs programs (raw prompt)" in done.stdout
        assert module.interrupts > 0


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"at": "error"}, 1),
        ({"at": "no-carrier"}, 1),
        ({"at": "silent"}, 4),
        ({"at": "echo-only"}, 4),
        ({"at": "broken"}, 4),
        ({"mode": "download"}, 4),
        ({"echo": "off"}, 0),
        ({"at": "garbage", "unsolicited": "on"}, 0),
        ({"delay_ms": 30, "piece_bytes": 5}, 0),
    ],
)
def test_probe_ends_with_what_it_found(options, code):
    """0 passed, 1 refused, 4 not there; and never a traceback."""
    limit = ("--limit-ms", "60") if code == 4 else ()
    done = simulated("probe", *limit, **options)
    assert done.exit_code == code
    assert len(done.stderr.splitlines()) == (1 if code == 4 else 0)


@pytest.mark.parametrize(
    ("options", "code"),
    [({"repl": "traceback"}, 1), ({"repl": "echo-only"}, 1), ({"raw_repl": "off"}, 0)],
)
def test_probe_with_the_prompt(options, code):
    """A step that fails fails the probe."""
    done = simulated("probe", "--allow-interrupt", "--limit-ms", "300", **options)
    assert done.exit_code == code
    assert ("FAIL REPL" in done.stdout) is (code == 1)


def test_probe_as_json():
    """A schema, the ports, each step with its result and time."""
    found = document(simulated("probe", "--json"))
    assert next(iter(found)) == "schema"
    assert found["schema"] == "fx3loop.modem.probe/1"
    assert [port["role"] for port in found["ports"]] == ["at", "repl"]
    assert [(step["step"], step["result"]) for step in found["steps"]] == [
        ("AT", "passed"),
        ("ATI", "passed"),
        ("AT+CGMR", "passed"),
        ("REPL", "not run"),
    ]


def test_without_a_module_nothing_is_guessed(monkeypatch):
    """And the way to a simulated one is told."""
    monkeypatch.setattr("serial.tools.list_ports.comports", list)
    for words in (("probe",), ("info",), ("repl", *STANDARD), ("fs", "ls", *STANDARD)):
        done = modem(*words)
        assert done.exit_code == 4
        assert "--target sim" in done.stderr


# ---------------------------------------------------------------- info


def test_info_hides_who_somebody_is():
    """Two digits are left; --personal shows all."""
    hidden = simulated("info")
    assert hidden.exit_code == 0
    assert identity.IMSI not in hidden.stdout
    assert "***89" in hidden.stdout
    assert identity.IMSI in simulated("info", "--personal").stdout


@pytest.mark.parametrize("sim", ["absent", "not-inserted"])
def test_info_says_what_is_missing(sim):
    """With causes and advice; the module answered, so the command worked."""
    done = simulated("info", sim=sim)
    assert done.exit_code == 0
    assert "SIM_NOT_INSERTED: no card" in done.stdout


def test_info_of_a_module_that_refuses():
    """Exit 1, with the diagnosis."""
    done = simulated("info", at="error")
    assert done.exit_code == 1
    assert "AT_BASELINE_FAIL" in done.stdout


def test_info_as_json():
    """Fields, sources, what the card is, and the answers where they are wanted."""
    found = document(simulated("info", "--json", "--raw", "--allow-interrupt", sim="pin"))
    assert found["schema"] == "fx3loop.modem.info/1"
    assert found["fields"]["card"] == "SIM PIN"
    assert found["sim_inserted"] is True
    assert found["registration"] == {
        "registered": False,
        "stat": 0,
        "source": "AT:AT+CEREG?",
        "told": {
            "AT:AT+CEREG?": 0,
            "AT:AT+CGREG?": 0,
            "AT:AT+CREG?": 0,
            "REPL:net.getState": 0,
        },
    }
    assert len(found["replies"]) == 15


# ---------------------------------------------------------------- repl


@pytest.mark.parametrize("raw_repl", ["on", "off"])
def test_repl_runs_a_program(raw_repl):
    """Of the command line, of a file, or of standard input; without one it is a check."""
    assert simulated("repl", "print(6*7)", raw_repl=raw_repl).stdout == "42\n"
    assert "PASS REPL" in simulated("repl", raw_repl=raw_repl).stdout


def test_repl_reads_a_program(tmp_path):
    """Several lines, as they are."""
    file = tmp_path / "program.py"
    file.write_text("for i in range(3):\n    print(i)\n")
    assert simulated("repl", "--file", file).stdout == "0\n1\n2\n"
    assert modem("repl", "--file", "-", "--target", "sim", typed="print('in')").stdout == "in\n"


def test_repl_tells_a_traceback():
    """Exit 1, one line."""
    done = simulated("repl", "1/0")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "ZeroDivisionError" in done.stderr


def test_what_a_module_prints_cannot_act_on_the_terminal():
    """Escape sequences are shown, not obeyed."""
    done = simulated("repl", "print('\\x1b[2Jred\\x07')")
    assert done.stdout == "\\x1b[2Jred\\x07\n"
    assert printable("a\r\nb\x00\u202e") == "a\nb\\x00\\u202e"


# ---------------------------------------------------------------- fs


def test_fs_ls_and_tree():
    """Names with sizes; folders end in a slash."""
    assert simulated("fs", "ls").stdout.split() == [
        *("29", "_main.py", "12", "config.json", "lib/")
    ]
    assert "/usr/lib/util.py" in simulated("fs", "tree").stdout
    assert simulated("fs", "ls", "/usr/lib/empty").stdout == ""


def test_fs_push_checks_size_and_hash(tmp_path):
    """And a damaged file is told as such."""
    file = tmp_path / "main.py"
    file.write_bytes(b"print(1)\n" * 100)
    found = document(simulated("fs", "push", file, "/usr", "--json"))
    assert (found["schema"], found["action"]) == ("fx3loop.modem.fs/1", "push")
    assert (found["path"], found["size_bytes"]) == ("/usr/main.py", 900)
    done = simulated("fs", "push", file, writes="flipped")
    assert done.exit_code == 1
    assert "not what was sent" in done.stderr


def test_fs_unplugged_while_sending(tmp_path):
    """Exit 4, one line."""
    file = tmp_path / "main.py"
    file.write_bytes(bytes(4_000))
    done = simulated("fs", "push", file, unplug_after_bytes=4_000)
    assert done.exit_code == 4
    assert "the module left" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "words",
    [
        ("fs", "mkdir", "/usr/a/b"),
        ("fs", "rm", "/usr/config.json"),
        ("fs", "rmdir", "/usr/lib/empty"),
        ("fs", "run", "/usr/_main.py"),
    ],
)
def test_fs_changes(words):
    """On the simulated module all is free; each as JSON too."""
    assert simulated(*words).exit_code == 0
    assert document(simulated(*words, "--json"))["action"] == words[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("fs", "rm", "/usr/../etc/x"), "not below /usr"),
        (("fs", "rmdir", "/usr"), "/usr itself stays"),
        (("fs", "ls", "/usr/a\nb"), "control character"),
        (("fs", "push", "no-such-file"), "cannot read no-such-file"),
        (("fs", "push", README, "--name", "../x"), "no file name"),
        (("fs", "mv", "/usr/a"), "No such command 'mv'"),
        (("prob",), "did you mean probe"),
        (("repl", "1", "--file", "x"), "give one of them"),
        (("info", "--context", "17"), "1<=x<=16"),
        (("probe", "--option", "sim=gone"), "none of ready"),
        (("probe", "--option", "nothing=1"), "no option 'nothing'"),
        (("probe", "--at-port", "/dev/x"), "--at-port is for a real module"),
        (("probe", "--risk-mode", "aggressive"), "--risk-mode is for a real module"),
    ],
)
def test_a_mistake_is_told_in_one_line(words, said):
    """Exit 2."""
    done = simulated(*words)
    assert done.exit_code == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("probe", "--option", "sim=absent"), "--option is for the simulated module"),
        (("probe", "--vid-pid", "2c7c"), "2c7c:6001"),
        (("probe", "--at-port", "/dev/x", "--repl-port", "/dev/x"), "at once"),
        (("fs", "rm", "/usr/x", "--acknowledge", "fs-delet"), "did you mean fs-delete"),
    ],
)
def test_a_mistake_about_a_real_module(words, said):
    """Exit 2, before anything is opened."""
    done = modem(*words)
    assert (done.exit_code, said in done.stderr) == (2, True), done.stderr


# ---------------------------------------------------------------- the guard


@pytest.mark.workflow("C.3")
@pytest.mark.parametrize(
    ("words", "allowed"),
    [
        (("probe", "--allow-interrupt"), ("--acknowledge", "repl")),
        (("repl",), ("--acknowledge", "repl")),
        (("repl", "print(1)"), ("--acknowledge", "fs-run", *STANDARD)),
        (("fs", "ls"), ("--acknowledge", "repl")),
        (("fs", "tree"), STANDARD),
        (("fs", "mkdir", "/usr/a"), ("--acknowledge", "fs-write", *STANDARD)),
        (("fs", "rm", "/usr/config.json"), ("--acknowledge", "fs-delete", *STANDARD)),
        (("fs", "rmdir", "/usr/lib/empty"), ("--acknowledge", "fs-delete", *STANDARD)),
        (("fs", "run", "/usr/_main.py"), ("--acknowledge", "fs-run", *STANDARD)),
        (("fs", "push", README), ("--acknowledge", "fs-write", *STANDARD)),
    ],
    ids=str,
)
def test_weakness_07_safe_is_the_default_and_sends_nothing_that_interrupts(
    words, allowed, stable_host, monkeypatch
):
    """Exit 3 with what would allow it; not one byte to the prompt until it is said.

    Nor on a host of which nothing is known, whatever is said.
    """
    with real(running=True) as (module, run):
        done = run(*words)
        assert (done.exit_code, len(done.stderr.splitlines())) == (3, 1)
        with monkeypatch.context() as patch:
            patch.setenv("FX3LOOP_EVIDENCE_DIR", str(stable_host / "nothing"))
            done = run(*words, *allowed)
            assert (done.exit_code, len(done.stderr.splitlines())) == (3, 1)
        assert bytes(module.repl.received) == b""
        done = run(*words, *allowed)
        assert done.exit_code == 0, done.stderr


@pytest.mark.workflow("A.2")
def test_asking_is_allowed_on_an_unknown_host():
    """AT queries alone change nothing, in safe mode, where nothing is known of the host."""
    with real() as (module, run):
        assert run("probe").exit_code == 0
        assert run("info").exit_code == 0
        assert bytes(module.repl.received) == b""


def test_a_change_is_marked_in_the_journal(stable_host):
    """Begun and ended, with its path."""
    from hw.guard.journal import Journal

    before = len(Journal.open_default().records())
    with real() as (_, run):
        run("fs", "rm", "/usr/config.json", "--acknowledge", "fs-delete", *STANDARD)
    records = Journal.open_default().records()[before:]
    assert [record.kind for record in records] == ["begin", "end"]
    assert records[0].operation == "fs-delete"
    assert records[0].facts["path"] == "/usr/config.json"


def test_a_denied_port_is_not_even_opened(stable_host):
    """Opening raises its control lines: the denial comes before the port is seen to be in use."""
    import serial

    with real() as (module, run), serial.Serial(module.repl.path, exclusive=True):
        for words in (("repl",), ("repl", "1", *STANDARD), ("fs", "rm", "/usr/x", *STANDARD)):
            assert run(*words).exit_code == 3


def test_a_port_in_use_is_told():
    """Exit 4; one owner at a time."""
    import serial

    with real() as (module, run), serial.Serial(module.at.path, exclusive=True):
        done = run("probe")
    assert done.exit_code == 4
    assert "one owner at a time" in done.stderr


# ---------------------------------------------------------------- weaknesses of the host tools


OURS = sorted(
    [
        *(ROOT / "hw" / "serial").rglob("*.py"),
        *(ROOT / "sim" / "modem").rglob("*.py"),
        *(ROOT / "scenarios" / "cli").glob("modem_*.py"),
    ]
)


def _names(path):
    """Every module that a file imports and every attribute it uses."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Attribute):
            yield node.attr


RUNNERS = {"subprocess", "system", "popen", "spawnv", "execv", "startfile", "pty", "which", "shlex"}


def test_weakness_10_no_shell_anywhere():
    """No part of it starts a process, so that no port and no path can be a command."""
    assert len(OURS) > 15
    assert [(path.name, name) for path in OURS for name in _names(path) if name in RUNNERS] == []


@pytest.mark.parametrize("port", ["COM1');CALC;('", "$(touch made)", "; touch made", "/dev/x\nAT"])
def test_weakness_10_a_port_is_a_name(port, tmp_path, monkeypatch):
    """Exit 4, and nothing was made."""
    monkeypatch.chdir(tmp_path)
    done = modem("probe", "--at-port", port)
    assert done.exit_code == 4
    assert len(done.stderr.splitlines()) == 1
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("whole", "short"),
    [
        (("--acknowledge", "fs-delete"), ("--ack", "fs-delete")),
        (("--acknowledge", "fs-delete"), ("--acknowledg", "fs-delete")),
        (("--risk-mode", "aggressive"), ("--risk-mod", "aggressive")),
        (("--risk-mode", "aggressive"), ("--risk-mode", "aggr")),
        (("--acknowledge", "fs-delete"), ("--acknowledge", "fs-del")),
    ],
)
def test_weakness_12_no_option_can_be_abbreviated(whole, short, stable_host):
    """What arms a guard has to be written out: the name, and what it allows."""
    with real() as (module, run):
        words = ("fs", "rm", "/usr/config.json")
        assert run(*words, *short).exit_code == 2
        assert run(*words, *whole).exit_code == 3
        assert bytes(module.repl.received) == b""


def test_weakness_12_the_environment_alone_allows_nothing(monkeypatch, stable_host):
    """An exported phrase arms no command."""
    monkeypatch.setenv("QPY_FORCE_KILL_GUARD", "I_UNDERSTAND_RISK")
    monkeypatch.setenv("FX3LOOP_ACKNOWLEDGE", "fs-delete")
    monkeypatch.setenv("FX3LOOP_MODEM_FS_RM_ACKNOWLEDGE", "fs-delete")
    with real() as (module, run):
        assert run("fs", "rm", "/usr/config.json", *STANDARD).exit_code == 3
        assert bytes(module.repl.received) == b""


def test_weakness_13_no_program_beside_it_is_found_and_run(tmp_path):
    """Programs of the vendor's names in the folder, above it and in PATH are left alone."""
    inner = tmp_path / "inner"
    inner.mkdir()
    for folder in (tmp_path, inner):
        for name in ("get_com.exe", "QPYcom.exe", "QuecPythonDownload.exe", "powershell"):
            program = folder / name
            program.write_text(f"#!/bin/sh\ntouch {tmp_path}/was-run\n")
            program.chmod(0o755)
    environ = {**os.environ, "PATH": f"{inner}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*PROGRAM, "info", "--target", "sim"],
        cwd=inner,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert not (tmp_path / "was-run").exists()
