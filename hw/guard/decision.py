"""The one decision function: whether an operation may touch a target now.

A world is a simulation, so everything but the never-allowed class is free there. A real device is
denied unless the host is known to be stable and the risk mode allows the operation's class:

==============  =====  ========  ==========
class           safe   standard  aggressive
==============  =====  ========  ==========
read-only       yes    yes       yes
interrupting    ack    yes       yes
write           no     ack       yes
destructive     no     ack       ack
force           no     no        ack
persistent      no     no        no
==============  =====  ========  ==========

*ack*: with an acknowledgement that names this operation and this target. Persistent memory is
never written, on a world neither, so that no program learns to.
"""

from dataclasses import dataclass
from enum import Enum, StrEnum
from types import MappingProxyType
from typing import Final, Literal

from hw.errors import DeniedError


class RiskMode(StrEnum):
    """How much the operator is ready to risk."""

    SAFE = "safe"
    STANDARD = "standard"
    AGGRESSIVE = "aggressive"


class HostState(StrEnum):
    """What is known about the stability of the host."""

    UNKNOWN = "unknown"
    """No evidence was read: not safe."""
    NORMAL = "normal"


class OperationClass(StrEnum):
    """What an operation can do to whoever uses the device."""

    READ_ONLY = "read-only"
    """Asks, changes nothing that anybody relies on, claims nothing."""
    INTERRUPTING = "interrupting"
    """Takes the interface or its data from another program."""
    WRITE = "write"
    """Changes volatile state."""
    DESTRUCTIVE = "destructive"
    """Ends the firmware's run; it must be uploaded again."""
    FORCE = "force"
    """Takes the device from an owner who did not give it up."""
    PERSISTENT = "persistent"
    """Changes memory that outlives a power cycle."""


class Operation(Enum):
    """Everything that can be asked of a device: name and class."""

    PROBE = ("probe", OperationClass.READ_ONLY)
    OPEN = ("open", OperationClass.INTERRUPTING)
    READ = ("read", OperationClass.INTERRUPTING)
    CONFIGURE = ("configure", OperationClass.WRITE)
    STREAM = ("stream", OperationClass.WRITE)
    UPLOAD = ("upload", OperationClass.WRITE)
    RAW = ("raw", OperationClass.DESTRUCTIVE)
    """A vendor request that no known firmware has: nobody can say what it does."""
    RESET = ("reset", OperationClass.DESTRUCTIVE)
    HANG = ("hang", OperationClass.DESTRUCTIVE)
    DETACH_DRIVER = ("detach-driver", OperationClass.FORCE)
    FLASH = ("flash", OperationClass.PERSISTENT)

    def __init__(self, label: str, operation_class: OperationClass) -> None:
        self.label = label
        self.operation_class = operation_class


@dataclass(frozen=True, slots=True)
class Target:
    """What an operation is aimed at.

    Attributes:
        kind: a simulated world, or a device on a real bus.
        name: how the operator chose it, such as a serial number; acknowledgements bind to it.
    """

    kind: Literal["world", "usb"]
    name: str


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The operator's word for one operation on one target."""

    operation: Operation
    target: Target


@dataclass(frozen=True, slots=True)
class Authority:
    """What the operator has granted and what is known of the host; the default grants nothing."""

    risk_mode: RiskMode = RiskMode.SAFE
    acknowledgements: frozenset[Acknowledgement] = frozenset()
    host_state: HostState = HostState.UNKNOWN


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer: whether, why in one sentence, and by which rule."""

    allow: bool
    reason: str
    rule: str


class _Verdict(Enum):
    YES = "yes"
    ACKNOWLEDGED = "ack"
    NO = "no"


_YES, _ACK, _NO = _Verdict.YES, _Verdict.ACKNOWLEDGED, _Verdict.NO

# Columns: safe, standard, aggressive.
_TABLE: Final = MappingProxyType(
    {
        OperationClass.READ_ONLY: (_YES, _YES, _YES),
        OperationClass.INTERRUPTING: (_ACK, _YES, _YES),
        OperationClass.WRITE: (_NO, _ACK, _YES),
        OperationClass.DESTRUCTIVE: (_NO, _ACK, _ACK),
        OperationClass.FORCE: (_NO, _NO, _ACK),
        OperationClass.PERSISTENT: (_NO, _NO, _NO),
    }
)
_COLUMN: Final = MappingProxyType({mode: index for index, mode in enumerate(RiskMode)})


def decide(operation: Operation, target: Target, authority: Authority) -> Decision:
    """Decide whether an operation may touch a target. Pure: equal arguments, equal answer.

    Args:
        operation: what is to be done.
        target: to what.
        authority: risk mode, acknowledgements and host state.

    Returns:
        The decision with its reason and the name of the rule that made it.
    """
    kind = operation.operation_class
    if kind is OperationClass.PERSISTENT:
        return Decision(False, "persistent memory is never written", "persistent")
    if target.kind == "world":
        return Decision(True, "the target is a simulated world", "world")
    if authority.host_state is not HostState.NORMAL:
        return Decision(
            False,
            f"the host is {authority.host_state.value}, and only a host known to be stable may "
            "touch a device",
            "host-state",
        )
    mode = authority.risk_mode
    verdict = _TABLE[kind][_COLUMN[mode]]
    if verdict is _Verdict.YES:
        return Decision(True, f"risk mode {mode.value} allows {kind.value} operations", "mode")
    if verdict is _Verdict.NO:
        return Decision(False, f"risk mode {mode.value} allows no {kind.value} operation", "mode")
    if Acknowledgement(operation, target) in authority.acknowledgements:
        return Decision(True, f"{operation.label} on {target.name} is acknowledged", "acknowledged")
    return Decision(
        False,
        f"risk mode {mode.value} allows {operation.label} on {target.name} only with an "
        "acknowledgement",
        "acknowledgement-missing",
    )


def require(operation: Operation, target: Target, authority: Authority) -> None:
    """Return if :func:`decide` allows the operation.

    Raises:
        DeniedError: when it does not, with the decision's reason and rule.
    """
    decision = decide(operation, target, authority)
    if not decision.allow:
        raise DeniedError(operation.label, decision.reason, decision.rule)
