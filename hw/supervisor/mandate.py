"""What gives a supervisor the right to act: a certificate of its policy, and a standing grant.

The guard decides about every operation besides, by host state and grant; this says in one place
why a supervisor observes, before it comes to that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol

from health import Policy
from hw.guard import Authority, AuthoritySource, Grant, HostState
from hw.guard.certificate import Certificate
from hw.guard.grants import GrantsError

POSITION: Final = "host"


class Mandate(Protocol):
    """Whether a supervisor may act now."""

    def observing(self, stats_bytes: int | None) -> str:
        """Return in one line why it only observes; empty when it may act.

        Args:
            stats_bytes: length of the device's GETSTATS reply, 0 where there is none; None before
                the first answer.
        """
        ...


@dataclass(frozen=True)
class FreeHand:
    """The mandate in a world of one's own, where nothing can be harmed.

    Attributes:
        host_state: of the host, which may be played there too.
    """

    host_state: Callable[[], HostState] = lambda: HostState.NORMAL

    def observing(self, stats_bytes: int | None) -> str:
        """See :meth:`Mandate.observing`."""
        del stats_bytes
        return host_hindrance(self.host_state())


@dataclass(frozen=True)
class Forbidden:
    """A mandate to look and nothing more.

    Attributes:
        reason: why.
    """

    reason: str = "it was asked to observe"

    def observing(self, stats_bytes: int | None) -> str:
        """See :meth:`Mandate.observing`."""
        del stats_bytes
        return self.reason


@dataclass(frozen=True)
class StandingMandate:
    """The mandate for a real device.

    Attributes:
        policy: what decides.
        certificate: what a verification found of it, or None.
        serial: serial number of the device, or None where it is not known.
        grants: asked anew each time, so that a grant can be revoked; a file that is missing or has
            a mistake in it holds none, and says so as a GrantsError.
        host_state: asked anew each time.
    """

    policy: Policy
    certificate: Certificate | None
    serial: str | None
    grants: Callable[[], tuple[Grant, ...]]
    host_state: Callable[[], HostState]

    def observing(self, stats_bytes: int | None) -> str:
        """See :meth:`Mandate.observing`."""
        return (
            self._without_certificate(stats_bytes)
            or host_hindrance(self.host_state())
            or self._without_grant()
        )

    def _without_certificate(self, stats_bytes: int | None) -> str:
        if self.certificate is None:
            return (
                f"no certificate for policy {self.policy.name}: make one with fx3loop verify "
                f"{self.policy.name} --position host --out FILE"
            )
        # Before the first answer the certificate's own length is no reason to refuse.
        known = self.certificate.firmware.stats_bytes if stats_bytes is None else stats_bytes
        reason = self.certificate.refusal(self.policy.digest, POSITION, known)
        return f"the certificate does not hold: {reason}" if reason else ""

    def _without_grant(self) -> str:
        if self.serial is None:
            return "the device is not chosen by its serial number, so no grant can name it"
        try:
            found = any(grant.serial == self.serial for grant in self.grants())
        except GrantsError as error:
            return f"no standing grant for serial {self.serial}: {error}"
        return "" if found else f"no standing grant for serial {self.serial}"


def host_hindrance(state: HostState) -> str:
    """Return why nothing is done on a host in this state; empty on a stable one."""
    return "" if state is HostState.NORMAL else f"the host is {state.value}"


def standing_authority(
    base: Authority,
    grants: Callable[[], tuple[Grant, ...]],
    host_state: Callable[[], HostState],
    now_s: Callable[[], float],
) -> AuthoritySource:
    """Return what tells the guard of a supervisor: at each question, the authority of its moment.

    Args:
        base: risk mode and acknowledgements of the operator.
        grants: asked anew each time.
        host_state: asked anew each time.
        now_s: UTC in s since 1970.
    """

    def held() -> tuple[Grant, ...]:
        try:
            return grants()
        except GrantsError:
            return ()

    return lambda: replace(base, grants=held(), host_state=host_state(), now_s=now_s())
