"""The guard: one decision before every operation on a device, a modem or the host."""

from hw.guard.decision import (
    Acknowledgement,
    Authority,
    AuthoritySource,
    Decision,
    Grant,
    Target,
    decide,
    require,
)
from hw.guard.operations import Operation, OperationClass
from hw.guard.rules import LEVEL_OPERATIONS, RULES, HostState, RiskMode, Verdict

__all__ = [
    "LEVEL_OPERATIONS",
    "RULES",
    "Acknowledgement",
    "Authority",
    "AuthoritySource",
    "Decision",
    "Grant",
    "HostState",
    "Operation",
    "OperationClass",
    "RiskMode",
    "Target",
    "Verdict",
    "decide",
    "require",
]
