"""The README: every command and every block of Python in it runs as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import usb.backend.libusb1

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = [
    line.strip() for line in TEXT.splitlines() if re.match(r"    (echo .*\| )?fx3loop ", line)
]
ON_HARDWARE = [line for line in COMMANDS if "--target usb" in line]
SLOW = ("--all", "soak", "verify", "sweep", "results")
LOGGED = "fx3loop supervise"
"""What tells of its work on standard error."""
ENDS_IN_ONE = "|| echo"
"""What a command that has to fail is followed by."""


@pytest.fixture
def shell(tmp_path):
    """Runs a line of shell in a folder of its own, with ``fx3loop`` on the path."""
    program = tmp_path / "bin" / "fx3loop"
    program.parent.mkdir()
    program.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n"
        "from scenarios.cli import main\nif __name__ == '__main__':\n    main()\n"
    )
    program.chmod(0o755)
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"

    def run(line):
        return subprocess.run(
            ["bash", "-c", line],
            cwd=tmp_path,
            env={**os.environ, "PATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run


def needs_my_toml(line):
    return "my.toml" in line and "> my.toml" not in line


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(line, marks=pytest.mark.heavy if any(x in line for x in SLOW) else ())
        for line in COMMANDS
        if line not in ON_HARDWARE
    ],
)
def test_every_command_of_the_readme_runs(shell, line):
    """Exit 0, nothing on standard error; where the line says that it fails, it does."""
    if needs_my_toml(line):
        shell("fx3loop policies reference --toml > my.toml")
    if "my_health.py" in line:
        shell("printf 'from health import Health\\nclass MyHealth(Health): pass\\n' > my_health.py")
    if line.startswith("fx3loop report results"):
        shell("fx3loop sweep handlers --out results")
    if "--against my.json" in line:
        shell("fx3loop verify my.toml --jobs 2 --out my.json")
    done = shell(line)
    assert done.returncode == 0, done.stderr
    if ENDS_IN_ONE in line:
        said = line.partition(ENDS_IN_ONE)[2].strip().strip('"')
        assert done.stdout.endswith(f"{said}\n")
    elif not line.startswith(LOGGED):
        assert done.stderr == ""


@pytest.mark.parametrize("line", ON_HARDWARE)
def test_every_command_for_hardware_is_understood(shell, tmp_path, line):
    """Without evidence of the host it is denied, so that no test ever touches a device."""
    from sim.firmware import image

    (tmp_path / "SDDC_FX3.img").write_bytes(image("fw-2.3"))
    done = shell(line)
    if line.startswith(LOGGED):
        # It would only look, and there is nothing to look at.
        assert done.returncode == 4
        return
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert "fx3loop host status" in done.stderr


def run(block, monkeypatch):
    """Run a block as it stands, and return its names."""
    monkeypatch.chdir(ROOT)
    # A block may put a world where pyusb looks; that is undone.
    monkeypatch.setattr(usb.backend.libusb1, "get_backend", usb.backend.libusb1.get_backend)
    names: dict[str, object] = {}
    exec(block, names)
    return names


def block_with(text):
    (found,) = (block for block in BLOCKS if text in block)
    return found


def test_no_block_of_python_is_untested():
    """Each of the four tests below takes one."""
    assert len(BLOCKS) == 4
    assert len(COMMANDS) > 15


def test_the_world_with_a_fault_ends_as_its_comment_says(monkeypatch):
    """The watchdog resets, and after the time that is told."""
    names = run(block_with("main_hang"), monkeypatch)
    (reset,) = names["world"].chip.resets
    assert reset.cause == "watchdog"
    assert 5_000 < reset.at_ns / 1e6 - 3_000 < 8_256.25


def test_the_script_of_a_stranger_runs(monkeypatch, capsys):
    """It ends as a script does."""
    with pytest.raises(SystemExit) as ended:
        run(block_with("runpy"), monkeypatch)
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("found RX888mk2\n8388608 bytes in 0.06")


def test_two_processes_meet_in_what_they_claim(monkeypatch, capsys):
    """The second is told so, and may ask TESTFX3 all the same."""
    run(block_with("process="), monkeypatch)
    first, second = capsys.readouterr().out.splitlines()
    assert first == "[Errno 16] Resource busy"
    assert second == r"b'\x04\x02\x03\x00'"


def test_the_stream_is_whole_and_leaves_the_device_stopped(monkeypatch, capsys):
    """50 blocks, no overrun, state 1."""
    run(block_with("stream("), monkeypatch)
    said = capsys.readouterr().out
    assert said.startswith(f"{50 * (1 << 17)} Stats(")
    assert "gpif_state=1" in said
    assert "pib_errors=0" in said
