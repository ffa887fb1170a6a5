"""What ``fx3loop supervise`` is asked for, what it is allowed by, and what it tells in the end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from health import Policy
from hw.boot import Image
from hw.guard import Grant, HostState
from hw.guard.certificate import Certificate
from hw.guard.grants import Grants, default_path

SCHEMA: Final = "fx3loop.supervise/1"
ONCE_SLACK_MS: Final = 1_000


@dataclass(frozen=True)
class Rights:
    """What the supervisor may be allowed by.

    Attributes:
        certificate: of the policy, or None.
        grants_path: file of standing grants, or None for the user's own.
        host_state: what a world's host plays; None for a stable one.
        is_observing: it was asked to look only.
    """

    certificate: Certificate | None
    grants_path: Path | None
    host_state: HostState | None
    is_observing: bool

    @classmethod
    def of(
        cls,
        certificate: Path | None,
        grants: Path | None,
        host_state: str | None,
        *,
        observe: bool,
    ) -> Rights:
        """Return them from what was typed.

        Raises:
            CertificateError, GrantsError: a file is none, or wrong.
        """
        if grants is not None:
            Grants.read(grants)
        return cls(
            None if certificate is None else Certificate.read(certificate),
            grants,
            None if host_state is None else HostState(host_state),
            observe,
        )

    @property
    def are_named(self) -> bool:
        """A world is to be treated as a device would be."""
        return self.certificate is not None or self.grants_path is not None

    def grants(self) -> tuple[Grant, ...]:
        """Read the grants anew: one may have been revoked.

        Raises:
            GrantsError: there is no file, or one with a mistake, of which none holds.
        """
        return Grants.read(self.grants_path or default_path(), must_exist=True).grants


@dataclass(frozen=True)
class Orders:
    """What was asked for, whatever the target.

    Attributes:
        policy: what decides.
        image: firmware to upload, or None.
        rights: what it may be allowed by.
        metrics: where its counts are served, or None.
        is_json_log: the log's form.
        is_once: end after the slowest detection.
        duration_ms: end after this time, or None.
    """

    policy: Policy
    image: Image | None
    rights: Rights
    metrics: str | None
    is_json_log: bool
    is_once: bool
    duration_ms: int | None

    @property
    def limit_ms(self) -> int | None:
        """How long it runs, None for ever."""
        return slowest_detection_ms(self.policy) if self.is_once else self.duration_ms


@dataclass(frozen=True)
class Result:
    """What there is to say in the end.

    Attributes:
        target: what was watched.
        policy: the policy's name.
        observing: why it only observed in the end; empty when it might act.
        status: what was evaluated last.
        is_absent: the device was not there in the end.
        is_well: the program of a world was served in the end, or without one the device answered;
            None for a device.
        duration_s: how long it watched.
        counts: of the tally.
        memory: what is remembered for the next supervisor.
        is_interrupted: Ctrl-C ended it.
        has_program: a program of a world was to be served.
    """

    target: str
    policy: str
    observing: str
    status: str
    is_absent: bool
    is_well: bool | None
    duration_s: float
    counts: dict[str, Any]
    memory: dict[str, Any]
    is_interrupted: bool = False
    has_program: bool = True

    def as_dict(self) -> dict[str, Any]:
        """The result for JSON."""
        return {
            "schema": SCHEMA,
            "target": self.target,
            "policy": self.policy,
            "observing": self.observing,
            "status": self.status,
            "is_absent": self.is_absent,
            "is_well": self.is_well,
            "duration_s": self.duration_s,
            "counts": self.counts,
            "memory": self.memory,
            "is_interrupted": self.is_interrupted,
        }


def slowest_detection_ms(policy: Policy) -> int:
    """Return how long a policy takes to see the slowest condition that it looks for, in ms."""
    limits = (
        policy.ep0_limit_ms,
        policy.usb_event_limit_ms,
        policy.stream_stall_ms,
        policy.stream_wedge_ms,
        policy.cold_start_ms,
        policy.clock_lost_ms,
        policy.unknown_ms,
        policy.ep0_desync_window_ms,
    )
    return max(limits) + 2 * policy.poll_interval_ms + ONCE_SLACK_MS
