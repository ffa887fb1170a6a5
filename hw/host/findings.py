"""What a look at a host's records can answer: findings, or that the look was not possible.

"No events" is :class:`Looked` without findings; "could not look" is :class:`CouldNotLook`. Nothing
turns the second into the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from hw.host.errors import EvidenceError


class EvidenceKind(StrEnum):
    """The four kinds of evidence that the host stability workflow asks for (its section B)."""

    RESTARTS = "restarts"
    """When the host restarted, and whether it was meant to: Kernel-Power 41, boot list."""
    BUGCHECKS = "bugchecks"
    """What the kernel itself reported: WER 1001, crash dumps, oops lines, pstore."""
    APPLICATIONS = "applications"
    """Crashes of programs, to be set beside those of the kernel."""
    DRIVERS = "drivers"
    """Filter and monitor drivers, and what the USB stack said."""


class FindingKind(StrEnum):
    """What a record tells."""

    BUGCHECK = "bugcheck"
    """The kernel stopped the system, or met an error that it must not meet."""
    UNEXPECTED_RESTART = "unexpected-restart"
    """The system came up without having been shut down, and nothing says why."""
    POWER_BUTTON = "power-button"
    """As above, after a long press of the power button: often the end of a freeze."""
    LOCKUP = "lockup"
    """A processor or a task made no progress for many seconds."""
    HOST_CONTROLLER_DIED = "host-controller-died"
    """A USB host controller stopped answering its driver."""
    CRASH_DUMP = "crash-dump"
    """A dump of a stopped kernel."""
    LIVE_DUMP = "live-dump"
    """A dump of a kernel that went on."""
    DUMP_FAILED = "dump-failed"
    """The system could not write its dump."""
    PLANNED_RESTART = "planned-restart"
    APPLICATION_CRASH = "application-crash"
    APPLICATION_HANG = "application-hang"
    FILTER_DRIVER = "filter-driver"
    USB_MONITOR = "usb-monitor"
    HARDWARE_ERROR = "hardware-error"
    OVER_CURRENT = "over-current"
    DISCONNECT = "disconnect"
    STACK = "driver-stack"
    """Which driver a USB or serial device has now."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a record tells.

    Attributes:
        kind: what.
        time_utc: when it happened, or when it was recorded where that is all that is known; aware,
            in UTC.
        source: which record, such as ``Kernel-Power 41``.
        code: of a bugcheck, as ``0x00000139``, or the kernel's own words without what changes
            from crash to crash; empty where none is known.
        boot: which run of the system it belongs to; empty where unknown.
        detail: further facts by name.
    """

    kind: FindingKind
    time_utc: datetime
    source: str
    code: str = ""
    boot: str = ""
    detail: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def as_dict(self) -> dict[str, Any]:
        """The finding for JSON."""
        return {
            "kind": self.kind.value,
            "time_utc": utc_text(self.time_utc),
            "source": self.source,
            "code": self.code,
            "boot": self.boot,
            "detail": dict(self.detail),
        }


@dataclass(frozen=True, slots=True)
class Looked:
    """A look that was possible; without findings there was nothing to find.

    Attributes:
        source: where.
        kinds: which evidence it gives.
        findings: in the order of their time.
    """

    source: str
    kinds: tuple[EvidenceKind, ...]
    findings: tuple[Finding, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The look for JSON."""
        return {
            "source": self.source,
            "kinds": [kind.value for kind in self.kinds],
            "answer": "events" if self.findings else "no-events",
            "count": len(self.findings),
        }


@dataclass(frozen=True, slots=True)
class CouldNotLook:
    """A look that was not possible: nothing is known.

    Attributes:
        source: where.
        kinds: which evidence is missing.
        reason: why, in one line.
    """

    source: str
    kinds: tuple[EvidenceKind, ...]
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """The look for JSON."""
        return {
            "source": self.source,
            "kinds": [kind.value for kind in self.kinds],
            "answer": "could-not-look",
            "reason": self.reason,
        }


Look = Looked | CouldNotLook


def looked(
    source: str, kinds: Iterable[EvidenceKind], look: Callable[[], Iterable[Finding]]
) -> Look:
    """Return the answer of one look; what it raises is "could not look", for itself alone.

    Args:
        source: where.
        kinds: which evidence it gives.
        look: returns findings.
    """
    which = tuple(kinds)
    try:
        found = look()
    except EvidenceError as error:
        return CouldNotLook(source, which, str(error))
    except OSError as error:
        return CouldNotLook(source, which, f"{error.filename or source}: {error.strerror or error}")
    return Looked(source, which, tuple(sorted(found, key=lambda item: item.time_utc)))


class Obtained(StrEnum):
    """How much of one kind of evidence there is."""

    YES = "yes"
    PARTLY = "partly"
    NO = "no"


def obtained(looks: tuple[Look, ...]) -> dict[EvidenceKind, Obtained]:
    """Return for each of the four kinds how much of it the looks gave."""
    answers = {}
    for kind in EvidenceKind:
        of_kind = [isinstance(look, Looked) for look in looks if kind in look.kinds]
        some = Obtained.PARTLY if any(of_kind) else Obtained.NO
        answers[kind] = Obtained.YES if of_kind and all(of_kind) else some
    return answers


def missing(looks: tuple[Look, ...]) -> tuple[tuple[EvidenceKind, str], ...]:
    """Return what keeps the stability of the host from being known, with the reasons.

    The restarts have to be known all, and of the bugchecks something: an ordinary account may not
    read the dumps of many systems, but a crash always shows as a restart too.
    """
    have = obtained(looks)
    lacking = []
    if have[EvidenceKind.RESTARTS] is not Obtained.YES:
        lacking.append(EvidenceKind.RESTARTS)
    if have[EvidenceKind.BUGCHECKS] is Obtained.NO:
        lacking.append(EvidenceKind.BUGCHECKS)
    return tuple((kind, _reason(kind, looks)) for kind in lacking)


def _reason(kind: EvidenceKind, looks: tuple[Look, ...]) -> str:
    reasons = (
        look.reason for look in looks if isinstance(look, CouldNotLook) and kind in look.kinds
    )
    return next(reasons, "nobody looked")


def utc_text(time: datetime) -> str:
    """Return a time as ISO 8601 in UTC, such as ``2026-03-01T12:00:00.000000Z``."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def utc_time(text: str) -> datetime:
    """Return the time in a text that :func:`utc_text` made.

    Raises:
        ValueError: it is none.
    """
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"{text!r} names no time zone; write it as 2026-03-01T12:00:00Z")
    return time.astimezone(UTC)
