"""The one decision function: whether an operation may touch a target now.

A world is a simulation, so everything but the never-allowed class is free there. A real target is
judged by the table of :mod:`hw.guard.rules`. Persistent memory is never written, on a world
neither, so that no program learns to.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Self, TypeAlias

from health import Level
from hw.errors import DeniedError
from hw.guard.operations import Operation, OperationClass
from hw.guard.rules import LEVEL_OPERATIONS, RULES, HostState, RiskMode, Verdict

TargetKind: TypeAlias = Literal["world", "usb", "serial", "host"]


@dataclass(frozen=True, slots=True)
class Target:
    """What an operation is aimed at.

    Attributes:
        kind: a simulated world, a device on a real bus, a real serial port, or this host.
        name: how the operator chose it, such as a serial number; acknowledgements bind to it.
    """

    kind: TargetKind
    name: str

    @classmethod
    def of_serial(cls, serial: str) -> Self:
        """The real device with a serial number; what standing grants bind to."""
        return cls("usb", f"serial {serial}")


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The operator's word for one operation on one target.

    Attributes:
        operation: which.
        target: on what.
        expires_s: from this time on it holds no more, in seconds of UTC since 1970; None: it ends
            with the process that was given it.
    """

    operation: Operation
    target: Target
    expires_s: float | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """A standing grant: the supervisor may apply these levels on this device, until it is revoked.

    Attributes:
        serial: serial number of the device.
        levels: of the cascade, 1 to 4.
    """

    serial: str
    levels: frozenset[Level]


@dataclass(frozen=True, slots=True)
class Authority:
    """What the operator has granted and what is known of the host; the default only looks.

    Attributes:
        risk_mode: how much may be risked.
        acknowledgements: of single operations.
        host_state: how stable the host is.
        grants: standing ones.
        is_force_guarded: the environment has the phrase that force needs beside its
            acknowledgement (:mod:`hw.guard.force`).
        now_s: UTC since 1970; 0 where no clock was read, and then nothing that expires holds.
        acting_level: the level that the supervisor applies right now; None for everybody else.
    """

    risk_mode: RiskMode = RiskMode.SAFE
    acknowledgements: frozenset[Acknowledgement] = frozenset()
    host_state: HostState = HostState.UNKNOWN
    grants: tuple[Grant, ...] = ()
    is_force_guarded: bool = False
    now_s: float = 0
    acting_level: Level | None = None


AuthoritySource: TypeAlias = Callable[[], Authority]
"""Answers with the authority of this moment: acknowledgements expire and hosts freeze."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer.

    Attributes:
        allow: whether.
        reason: why, in one sentence.
        rule: the name of the rule that decided.
    """

    allow: bool
    reason: str
    rule: str


def decide(operation: Operation, target: Target, authority: Authority) -> Decision:
    """Decide whether an operation may touch a target. Pure: equal arguments, equal answer.

    Args:
        operation: what is to be done.
        target: to what.
        authority: what was granted and what is known of the host.

    Returns:
        The decision with its reason and the name of the rule that made it.
    """
    kind = operation.operation_class
    if kind is OperationClass.PERSISTENT:
        return Decision(False, "persistent memory is never written", "persistent")
    if target.kind == "world":
        return Decision(True, "the target is a simulated world", "world")
    mode, state = authority.risk_mode, authority.host_state
    verdict = RULES[kind, state][mode]
    if verdict is Verdict.YES:
        if kind is OperationClass.READ_ONLY:
            return Decision(True, "it only reads", "read-only")
        return Decision(True, f"risk mode {mode.value} allows {kind.value} operations", "mode")
    if verdict is Verdict.NO:
        return _never(kind, authority)
    if verdict in (Verdict.ACKNOWLEDGED, Verdict.GRANTED) and _is_granted(
        operation, target, authority
    ):
        return Decision(True, f"{target.name} has a standing grant for it", "grant")
    if verdict is Verdict.GRANTED:
        return Decision(
            False,
            f"risk mode {mode.value} allows no {kind.value} operation without a standing grant",
            "mode",
        )
    if verdict is Verdict.FORCED and not authority.is_force_guarded:
        return Decision(False, "the environment lacks the phrase that force needs", "force-guard")
    return _acknowledged(operation, target, authority)


def require(operation: Operation, target: Target, authority: Authority) -> None:
    """Return if :func:`decide` allows the operation.

    Raises:
        DeniedError: when it does not, with the decision's reason and rule.
    """
    decision = decide(operation, target, authority)
    if not decision.allow:
        raise DeniedError(operation.label, decision.reason, decision.rule)


def _never(kind: OperationClass, authority: Authority) -> Decision:
    state = authority.host_state
    if state is HostState.NORMAL:
        mode = authority.risk_mode.value
        return Decision(False, f"risk mode {mode} allows no {kind.value} operation", "mode")
    return Decision(
        False,
        f"the host is {state.value}, and there no {kind.value} operation is allowed",
        "host-state",
    )


def _is_granted(operation: Operation, target: Target, authority: Authority) -> bool:
    level = authority.acting_level
    if level is None or authority.host_state is not HostState.NORMAL:
        return False
    return operation in LEVEL_OPERATIONS.get(level, ()) and any(
        level in grant.levels and target == Target.of_serial(grant.serial)
        for grant in authority.grants
    )


def _acknowledged(operation: Operation, target: Target, authority: Authority) -> Decision:
    given = [
        item
        for item in authority.acknowledgements
        if item.operation is operation and item.target == target
    ]
    label = f"{operation.label} on {target.name}"
    if any(_holds(item, authority.now_s) for item in given):
        return Decision(True, f"{label} is acknowledged", "acknowledged")
    if given:
        return Decision(
            False, f"the acknowledgement of {label} has expired", "acknowledgement-expired"
        )
    if authority.host_state is not HostState.NORMAL:
        condition = f"on a host that is {authority.host_state.value}"
    else:
        condition = f"in risk mode {authority.risk_mode.value}"
    return Decision(
        False,
        f"{label} needs an acknowledgement {condition}",
        "acknowledgement-missing",
    )


def _holds(acknowledgement: Acknowledgement, now_s: float) -> bool:
    """Whether it has not expired; where nobody read a clock, what can expire has."""
    expires_s = acknowledgement.expires_s
    return expires_s is None or 0 < now_s < expires_s
