"""What users name on the command line, turned into the things they mean."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from health import Policy
from health.errors import PolicyError
from hw.boot import Image
from hw.bus import Selector
from hw.guard import Acknowledgement, Authority, AuthoritySource, Operation, RiskMode, Target
from hw.guard.force import is_force_guarded
from scenarios.errors import InputError, not_known


def policy(text: str) -> Policy:
    """Return the policy of this preset's name, or in this file.

    Raises:
        PolicyError: neither; the message names the nearest presets, or file, key and rule.
    """
    if text in Policy.preset_names():
        return Policy.preset(text)
    looks_like_a_file = os.sep in text or text.endswith(".toml") or Path(text).exists()
    if not looks_like_a_file:
        return Policy.preset(text)
    path = Path(text)
    if path.is_dir():
        raise PolicyError("readable-file", "this is a folder, not a policy file", source=text)
    return Policy.load(path)


def authority(
    risk_mode: str,
    acknowledged: tuple[str, ...],
    selector: Selector,
    target: Target | None = None,
) -> AuthoritySource:
    """Return what answers to the guard; standing grants are for the supervisor alone.

    The state of the host is computed from its evidence, and nobody can just claim it: a host that
    freezes stops the work at its next operation. ``fx3loop host confirm`` is heard here too.

    Args:
        risk_mode: of :class:`hw.guard.RiskMode`.
        acknowledged: labels of operations, each acknowledged for the selected device.
        selector: which device.
        target: what is acknowledged for, where that is no device on the bus.

    Raises:
        InputError: there is no such operation.
    """
    # For real targets alone: it brings all that reads evidence.
    from hw.host.watch import HostWatch

    operations = {item.label: item for item in Operation}
    target = target or Target("usb", selector.label)
    acknowledgements = []
    for label in acknowledged:
        if label not in operations:
            raise not_known("operation", label, operations)
        acknowledgements.append(Acknowledgement(operations[label], target))
    mode, given = RiskMode(risk_mode), frozenset(acknowledgements)
    watch = HostWatch()

    def of_this_moment() -> Authority:
        state, confirmed = watch.look()
        return Authority(
            mode, given | confirmed, state, is_force_guarded=is_force_guarded(os.environ)
        )

    return of_this_moment


def image(path: Path | None) -> Image | None:
    """Return the firmware image in a file; None for no file.

    Raises:
        InputError: it cannot be read.
        ImageError: it is not one, or none that an FX3 can run.
    """
    if path is None:
        return None
    try:
        path.open("rb").close()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    return Image.load(path)


def text_of(path: Path) -> str:
    """Return the text in a file, or on standard input for ``-``.

    Raises:
        InputError: it cannot be read, or is no UTF-8.
    """
    is_standard_input = str(path) == "-"
    if is_standard_input and sys.stdin is None:
        raise InputError("cannot read -: standard input is closed")
    try:
        content = sys.stdin.buffer.read() if is_standard_input else path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"cannot read {path}: no text in UTF-8 (byte {error.start})") from error


def complete_scenario(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete a scenario's name in a shell."""
    del context, parameter
    from scenarios.registry import SCENARIOS

    return [
        CompletionItem(name, help=item.summary)
        for name, item in SCENARIOS.items()
        if name.startswith(incomplete)
    ]
