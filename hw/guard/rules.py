"""The rules of the guard, as data: what a class of operation needs, by host state and risk mode.

The decision (:mod:`hw.guard.decision`), the command ``fx3loop host policy`` and the document
``docs/guard.md`` read this one table.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from health import Level
from hw.guard.operations import Operation, OperationClass


class RiskMode(StrEnum):
    """How much the operator is ready to risk, the least first."""

    SAFE = "safe"
    STANDARD = "standard"
    AGGRESSIVE = "aggressive"


class HostState(StrEnum):
    """What is known about the stability of the host."""

    NORMAL = "normal"
    """Evidence was read, and speaks for a stable host."""
    OBSERVING = "observing"
    """It was frozen, its evidence is taken, and it has to prove itself."""
    FROZEN = "frozen"
    """It crashed in a way that a device or its driver may have caused."""
    UNKNOWN = "unknown"
    """No evidence was read: not safe."""


class Verdict(StrEnum):
    """What an operation needs to be allowed, the least first."""

    YES = "yes"
    """Nothing."""
    ACKNOWLEDGED = "ack"
    """An acknowledgement of this operation on this target, or a standing grant."""
    FORCED = "ack+phrase"
    """An acknowledgement, and the phrase in the environment (:mod:`hw.guard.force`)."""
    GRANTED = "grant"
    """A standing grant: nothing that is typed on a command line will do."""
    NO = "no"
    """Nothing helps."""


_YES, _ACK, _FORCED = Verdict.YES, Verdict.ACKNOWLEDGED, Verdict.FORCED
_GRANT, _NO = Verdict.GRANTED, Verdict.NO

_ALWAYS: Final = (_YES, _YES, _YES)
_NEVER: Final = (_NO, _NO, _NO)

# In each row: safe, standard, aggressive. Unknown evidence is not safe, so its rows are those of a
# frozen host.
_ROWS: Final = (
    (OperationClass.READ_ONLY, HostState.NORMAL, _ALWAYS),
    (OperationClass.READ_ONLY, HostState.OBSERVING, _ALWAYS),
    (OperationClass.READ_ONLY, HostState.FROZEN, _ALWAYS),
    (OperationClass.READ_ONLY, HostState.UNKNOWN, _ALWAYS),
    (OperationClass.INTERRUPTING, HostState.NORMAL, (_ACK, _YES, _YES)),
    (OperationClass.INTERRUPTING, HostState.OBSERVING, (_ACK, _ACK, _ACK)),
    (OperationClass.INTERRUPTING, HostState.FROZEN, _NEVER),
    (OperationClass.INTERRUPTING, HostState.UNKNOWN, _NEVER),
    (OperationClass.WRITE, HostState.NORMAL, (_GRANT, _ACK, _YES)),
    (OperationClass.WRITE, HostState.OBSERVING, _NEVER),
    (OperationClass.WRITE, HostState.FROZEN, _NEVER),
    (OperationClass.WRITE, HostState.UNKNOWN, _NEVER),
    (OperationClass.DESTRUCTIVE, HostState.NORMAL, (_GRANT, _ACK, _ACK)),
    (OperationClass.DESTRUCTIVE, HostState.OBSERVING, _NEVER),
    (OperationClass.DESTRUCTIVE, HostState.FROZEN, _NEVER),
    (OperationClass.DESTRUCTIVE, HostState.UNKNOWN, _NEVER),
    (OperationClass.FORCE, HostState.NORMAL, (_NO, _FORCED, _FORCED)),
    (OperationClass.FORCE, HostState.OBSERVING, _NEVER),
    (OperationClass.FORCE, HostState.FROZEN, _NEVER),
    (OperationClass.FORCE, HostState.UNKNOWN, _NEVER),
    (OperationClass.PERSISTENT, HostState.NORMAL, _NEVER),
    (OperationClass.PERSISTENT, HostState.OBSERVING, _NEVER),
    (OperationClass.PERSISTENT, HostState.FROZEN, _NEVER),
    (OperationClass.PERSISTENT, HostState.UNKNOWN, _NEVER),
)

RULES: Final[Mapping[tuple[OperationClass, HostState], Mapping[RiskMode, Verdict]]] = (
    MappingProxyType(
        {
            (kind, state): MappingProxyType(dict(zip(RiskMode, verdicts, strict=True)))
            for kind, state, verdicts in _ROWS
        }
    )
)
"""What a class of operation needs, by host state and then by risk mode, on a real target."""

LEVEL_OPERATIONS: Final[Mapping[Level, frozenset[Operation]]] = MappingProxyType(
    {
        Level.STREAM: frozenset((Operation.OPEN, Operation.STREAM)),
        Level.EP0: frozenset((Operation.OPEN, Operation.CLEAR_HALT)),
        Level.APPLICATION: frozenset((Operation.OPEN, Operation.SET_CONFIGURATION)),
        Level.DEVICE_RESET: frozenset(
            (Operation.OPEN, Operation.RESET, Operation.PORT_RESET, Operation.UPLOAD)
        ),
    }
)
"""What a grant of a level lets its holder do while it acts for that level; the power cycle stands
past the levels, so no grant covers it."""
