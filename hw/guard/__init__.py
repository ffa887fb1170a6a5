"""The guard: one decision before every operation on a device."""

from hw.guard.decision import (
    Acknowledgement,
    Authority,
    Decision,
    HostState,
    Operation,
    OperationClass,
    RiskMode,
    Target,
    decide,
    require,
)

__all__ = [
    "Acknowledgement",
    "Authority",
    "Decision",
    "HostState",
    "Operation",
    "OperationClass",
    "RiskMode",
    "Target",
    "decide",
    "require",
]
