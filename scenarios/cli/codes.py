"""Exit codes, and which error ends with which; errors are told apart without importing them."""

from __future__ import annotations

import errno
from typing import Any

import click

OK = 0
CHECK_FAILED = 1
USAGE = 2
DENIED = 3
NOT_AVAILABLE = 4
ESCALATION_REQUIRED = 5
INTERRUPTED = 130

BY_NAME = {
    "scenarios.errors.InputError": USAGE,
    "scenarios.errors.NotAvailable": NOT_AVAILABLE,
    "health.errors.PolicyError": USAGE,
    "sim.errors.FaultError": USAGE,
    "sim.errors.FirmwareNotKnown": USAGE,
    "hw.guard.certificate.CertificateError": USAGE,
    "hw.guard.grants.GrantsError": USAGE,
    "hw.supervisor.metrics.MetricsError": USAGE,
    "hw.serial.errors.ChoiceError": USAGE,
    "hw.serial.errors.RefusedError": CHECK_FAILED,
    "hw.errors.DeniedError": DENIED,
    "hw.errors.ImageError": USAGE,
    "hw.host.errors.EvidenceError": NOT_AVAILABLE,
    "hw.errors.DeviceError": NOT_AVAILABLE,
    "sim.errors.SimulationError": CHECK_FAILED,
}
"""Code by the error's full name, or that of the nearest of its bases: the modules that define
these errors take longer to import than help takes to print."""


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What a place for output has when it takes no more."""
LEAVE = {
    "host-state": "see what it needs with: fx3loop host status",
    "mode": "give a higher risk mode, such as --risk aggressive",
    "acknowledgement-missing": "allow it with --acknowledge {operation}",
    "acknowledgement-expired": "allow it again with --acknowledge {operation}",
    "force-guard": (
        "force needs --acknowledge {operation} and, in the environment, "
        "QPY_FORCE_KILL_GUARD=I_UNDERSTAND_RISK"
    ),
}
"""How the command line is told what the guard wants, by the rule that denied."""


def exit_code(error: Exception) -> tuple[int, str | None]:
    """Return the exit code for an error and its message in one line.

    Args:
        error: what a command raised.

    Returns:
        Code and message; an empty message when nothing is to be said, None when the error is a
        defect of this program, which deserves its traceback.
    """
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code, ""
    if isinstance(error, click.Abort):
        return INTERRUPTED, "interrupted"
    if isinstance(error, click.ClickException):
        return USAGE, one_line(error.format_message())
    if isinstance(error, OSError) and error.errno in FULL:
        return USAGE, f"cannot write the output: {error.strerror}"
    for kind in type(error).__mro__:
        code = BY_NAME.get(f"{kind.__module__}.{kind.__qualname__}")
        if code == DENIED:
            return code, one_line(denial(error))
        if code is not None:
            return code, one_line(str(error))
    return CHECK_FAILED, None


def denial(error: Any) -> str:  # noqa: ANN401 - a DeniedError, not imported here
    """Return a denial with the options that would have allowed it."""
    if error.rule not in LEAVE:
        return str(error)
    advice = LEAVE[error.rule].format(operation=error.operation)
    return f"{error.operation}: {error.happened} ({error.detail}); {advice}"


def one_line(text: str) -> str:
    """Return a message without line breaks."""
    return " ".join(text.split())
