"""Starts a world behind a fake usbfs, and programs that reach it through the real libusb."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

REPOSITORY = Path(__file__).resolve().parents[2]
SITE_PACKAGES = sysconfig.get_path("purelib")
SYSTEM_PYTHON = "/usr/bin/python3"
"""GObject's binding is a package of the system, and its Python is not always the tests'."""
WRAPPER = "umockdev-wrapper"
PRELOAD = "libumockdev-preload.so.0"
LIMIT_S = 60
DESCRIPTOR_STRIDE = 8
_IMPORTS = "import gi; gi.require_version('UMockdev', '1.0'); import greenlet, simpy, usb.core"
_TAKE_DESCRIPTORS = """
import os, sys
null = os.open(os.devnull, os.O_RDONLY)
for descriptor in range(3, 3 + int(sys.argv[1])):
    os.dup2(null, descriptor)
os.execvp(sys.argv[2], sys.argv[2:])
"""
_APT = "umockdev gir1.2-umockdev-1.0 python3-gi libusb-1.0-0 usbutils"


def absence() -> str:
    """Why no real libusb can be asked here; empty where one can."""
    if not sys.platform.startswith("linux") or sys.maxsize < 1 << 32:
        return "usbfs is Linux's, and its calls are known here in their 64-bit form"
    missing = [name for name in (WRAPPER, "lsusb") if shutil.which(name) is None]
    if missing:
        return f"{' and '.join(missing)} not found: apt-get install {_APT}"
    found = subprocess.run(
        [SYSTEM_PYTHON, "-c", _IMPORTS],
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode:
        return f"{SYSTEM_PYTHON} cannot be the device: {found.stderr.strip().splitlines()[-1]}"
    return ""


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{SITE_PACKAGES}"}


class RealBench:
    """A world in a process of its own, and the folder that stands for its /dev and /sys.

    Args:
        firmware: name of the revision.
        policy: the health module's policy.
        options: of the world, by name.
        faults: of the world, as text.
        is_booted: the application is up; otherwise the boot ROM.
        state_folder: for the journal and the locks of the programs.
    """

    def __init__(
        self,
        state_folder: Path,
        firmware: str = "fw-2.3",
        policy: str = "level-1-4-5",
        *,
        options: dict[str, Any] | None = None,
        faults: Sequence[str] = (),
        is_booted: bool = True,
    ) -> None:
        self.state_folder = state_folder
        self.programs: list[subprocess.Popen[str]] = []
        self.wanted = {
            "firmware": firmware,
            "policy": policy,
            "options": options or {},
            "faults": list(faults),
            "is_booted": is_booted,
        }

    def __enter__(self) -> Self:
        command = (WRAPPER, SYSTEM_PYTHON, "-m", "tests.real.server", json.dumps(self.wanted))
        self.server = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.folder: str = self._answer()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for program in self.programs:
            # After a failed test; one that is left behind would be the warning of another.
            with program:
                program.kill()
        self._pipe(self.server.stdin).close()
        try:
            code = self.server.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            self.server.kill()
            self.server.wait()
            raise
        finally:
            self._pipe(self.server.stdout).close()
        assert code == 0 or error is not None, f"the server ended with {code}"

    @staticmethod
    def _pipe(pipe: IO[str] | None) -> IO[str]:
        assert pipe is not None
        return pipe

    def _answer(self) -> Any:
        line = self._pipe(self.server.stdout).readline()
        assert line, "the server is gone; its standard error tells why"
        return json.loads(line)

    def world(self, expression: str) -> Any:
        """What an expression over ``world`` and ``server`` comes to in the server's process."""
        requests = self._pipe(self.server.stdin)
        requests.write(expression + "\n")
        requests.flush()
        return self._answer()

    def wait_until(self, expression: str) -> None:
        """Wait until an expression over ``world`` is true."""
        self.world(f"({expression})")

    def wait_s(self, duration_s: float) -> None:
        """Let so much of the world's time pass, which is the wall clock's."""
        self.wait_until(f"world.now_ns > {self.world('world.now_ns') + round(duration_s * 1e9)}")

    def environment(self) -> dict[str, str]:
        """What a program needs so that its /dev and /sys are the bench's."""
        return {
            **os.environ,
            "LD_PRELOAD": PRELOAD,
            "UMOCKDEV_DIR": self.folder,
            "FX3LOOP_STATE_DIR": str(self.state_folder),
            "PYTHONPATH": str(REPOSITORY),
            "LC_ALL": "C.UTF-8",
        }

    def start(self, command: Sequence[str]) -> subprocess.Popen[str]:
        """Start a program that reaches the device.

        umockdev names the socket that a program is told of devices by after its descriptor, and
        the second of two with one number takes it from the first: each program gets its own.
        """
        taken = str(DESCRIPTOR_STRIDE * len(self.programs))
        program = subprocess.Popen(
            (sys.executable, "-c", _TAKE_DESCRIPTORS, taken, *command),
            cwd=REPOSITORY,
            env=self.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.programs.append(program)
        return program

    def run(self, command: Sequence[str]) -> str:
        """Run a program to its end; returns what it wrote."""
        program = self.start(command)
        try:
            output, errors = program.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            program.kill()
            raise
        assert program.returncode == 0, f"{program.returncode}: {errors}"
        return output

    def program(self, name: str, before: Sequence[str] = ()) -> Any:
        """Run one of :mod:`tests.real.programs`, or a command with it; returns what it found."""
        return json.loads(self.run((*before, *program_command(name))))


def program_command(name: str) -> tuple[str, ...]:
    """The command line of one of :mod:`tests.real.programs`."""
    return sys.executable, "-X", "faulthandler", "-m", "tests.real.programs", name
