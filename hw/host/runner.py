"""Commands of the operating system, behind one seam."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from hw.host.errors import EvidenceError

LIMIT_MS = 20_000
"""How long one command may take; a record that takes longer is not read."""


@dataclass(frozen=True, slots=True)
class Completed:
    """A command that ended: its exit code and all that it wrote."""

    code: int
    stdout: bytes
    stderr: bytes = b""


class Runner(Protocol):
    """Runs a command without a shell."""

    def run(self, command: Sequence[str], limit_ms: int = LIMIT_MS) -> Completed:
        """Run a command to its end.

        Args:
            command: program and arguments; no shell sees them.
            limit_ms: how long it may take.

        Raises:
            EvidenceError: it cannot be started, or took longer.
        """
        ...


class SystemRunner:
    """Runs commands on this machine."""

    def run(self, command: Sequence[str], limit_ms: int = LIMIT_MS) -> Completed:
        """See :meth:`Runner.run`."""
        try:
            done = subprocess.run(
                list(command),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=limit_ms / 1000,
                check=False,
            )
        except FileNotFoundError as error:
            raise EvidenceError(command[0], "there is no such program here") from error
        except subprocess.TimeoutExpired as error:
            raise EvidenceError(command[0], f"took longer than {limit_ms} ms") from error
        except OSError as error:
            raise EvidenceError(
                command[0], f"cannot be started ({error.strerror or error})"
            ) from error
        return Completed(done.returncode, done.stdout, done.stderr)
