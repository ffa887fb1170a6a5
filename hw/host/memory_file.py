"""What is remembered of the states of a host, as a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, get_args

from hw.guard import HostState
from hw.guard.decision import TargetKind
from hw.guard.place import atomic_write
from hw.host.errors import EvidenceError
from hw.host.findings import utc_text, utc_time
from hw.host.states import Confirmation, Memory

SCHEMA: Final = "fx3loop.host-state/1"
FILE_NAME: Final = "host_state.json"
_TIMES: Final = ("since_utc", "triaged_utc", "smoke_utc", "closed_utc")
_ADVICE: Final = "remove it: the state is computed anew from the evidence of the last days"


def read_memory(path: Path) -> Memory:
    """Return what a file remembers; without a file nothing is.

    Raises:
        EvidenceError: it cannot be read, or is damaged.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Memory()
    except OSError as error:
        raise EvidenceError(str(path), f"cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise EvidenceError(str(path), f"damaged at byte {error.start}", _ADVICE) from error
    try:
        document = json.loads(text)
        if document["schema"] != SCHEMA:
            raise EvidenceError(str(path), f"its schema is not {SCHEMA}", _ADVICE)
        return Memory(
            state=_state(document["state"]),
            triaged_boot=_text(document["triaged_boot"]),
            smoke_boot=_text(document["smoke_boot"]),
            closed_by=_text(document["closed_by"]),
            confirmations=tuple(_confirmation(item) for item in document["confirmations"]),
            **{name: _time(document[name]) for name in _TIMES},
        )
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        raise EvidenceError(str(path), f"damaged ({error})", _ADVICE) from error


def write_memory(path: Path, memory: Memory) -> None:
    """Write what is to be remembered; after a crash at any point the file is the old or the new.

    Raises:
        EvidenceError: it cannot be written.
    """
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "state": memory.state.value,
        **{name: _time_text(getattr(memory, name)) for name in _TIMES},
        "triaged_boot": memory.triaged_boot,
        "smoke_boot": memory.smoke_boot,
        "closed_by": memory.closed_by,
        "confirmations": [confirmation_dict(item) for item in memory.confirmations],
    }
    try:
        atomic_write(path, (json.dumps(document, indent=1) + "\n").encode())
    except OSError as error:
        raise EvidenceError(str(path), f"cannot be written ({error.strerror})") from error


def confirmation_dict(item: Confirmation) -> dict[str, str]:
    """Return a confirmation for JSON."""
    return {
        "operation": item.operation,
        "target_kind": item.target_kind,
        "target_name": item.target_name,
        "given_utc": utc_text(item.given_utc),
        "expires_utc": utc_text(item.expires_utc),
    }


def _confirmation(item: Mapping[str, Any]) -> Confirmation:
    return Confirmation(
        operation=_text(item["operation"]),
        target_kind=_kind(item["target_kind"]),
        target_name=_text(item["target_name"]),
        given_utc=utc_time(_text(item["given_utc"])),
        expires_utc=utc_time(_text(item["expires_utc"])),
    )


def _kind(text: object) -> str:
    if text not in get_args(TargetKind):
        raise ValueError(f"{text!r} is no kind of target such as 'usb'")
    return _text(text)


def _state(text: object) -> HostState:
    state = HostState(_text(text))
    if state is HostState.UNKNOWN:
        raise ValueError("state 'unknown' is never remembered")
    return state


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _time(value: object) -> datetime | None:
    return None if value is None else utc_time(_text(value))


def _time_text(time: datetime | None) -> str | None:
    return None if time is None else utc_text(time)
